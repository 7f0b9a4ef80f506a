import Foundation
import Telemetry

/// A mosquitto configuration for a site: sized for its fleet, with TLS, passwords and access list.
package struct BrokerConfig: Sendable {
    /// Bytes a queued message takes in the broker beside its payload; measured.
    private static let overheadBytes = 360

    package var host = ""
    package var port = 8_883
    package var messagesPerSecond = 100
    package var outageMinutes = 60
    package var payloadBytes = 500
    package var gatewayUser = "gateway"
    /// User of a program that may read the events of every vehicle; empty for none.
    package var eventReader = ""
    /// Where the files will lie on the broker's machine.
    package var folder = "/etc/mosquitto/gateway"

    package init() {}

    /// Messages that wait when the gateway is away for the whole outage.
    package var queuedMessages: Int { max(10_000, messagesPerSecond * outageMinutes * 60) }

    /// Memory the broker needs for them.
    package var queueMemoryBytes: Int {
        queuedMessages * (payloadBytes + BrokerConfig.overheadBytes)
    }

    /// `mosquitto.conf`.
    package var configuration: String {
        """
        # mosquitto for the gateway: \(messagesPerSecond) messages/s of \(payloadBytes) bytes, and an outage of
        # \(outageMinutes) min. Written by `gateway broker-config`; check a running broker with `gateway doctor`.
        per_listener_settings false

        listener \(port)
        cafile \(folder)/ca.crt
        certfile \(folder)/broker.crt
        keyfile \(folder)/broker.key
        tls_version tlsv1.2

        allow_anonymous false
        password_file \(folder)/passwd
        acl_file \(folder)/acl

        # Sessions and queues survive a restart. The folder must belong to the user mosquitto.
        persistence true
        persistence_location /var/lib/mosquitto/
        # s; a crash loses at most what came since and still waits. Never autosave_on_changes.
        autosave_interval \(queuedMessages > 1_000_000 ? 60 : 10)
        # Unacknowledged messages on the way to the gateway. Not 20, not 0.
        max_inflight_messages 1000
        # The whole outage: about \(queueMemoryBytes / 1_048_576) MiB of memory when it is full. Not 0.
        max_queued_messages \(queuedMessages)
        max_queued_bytes \(queuedMessages * payloadBytes * 2)
        max_packet_size \(Limits.payloadBytesMax)
        queue_qos0_messages false
        # Longer than any outage of the gateway.
        persistent_client_expiration 30d
        connection_messages false
        log_type error
        log_type warning
        log_type notice

        """
    }

    /// The access list: a vehicle's user name is its name.
    package var accessList: String {
        """
        # A vehicle publishes as itself and hears only what is meant for it. Events are for
        # programs, which must be sure that the gateway wrote them.
        pattern deny vehicles/%u/events/#
        pattern write vehicles/%u/#
        pattern read vehicles/%u/committed
        pattern read vehicles/%u/alert/#
        pattern read vehicles/%u/offer/#
        pattern read vehicles/%u/notice/#

        user \(gatewayUser)
        topic read vehicles/#
        topic write vehicles/+/committed
        topic write vehicles/+/alert/#
        topic write vehicles/+/offer/#
        topic write vehicles/+/notice/#
        topic write vehicles/+/events/#
        topic read $SYS/#
        # Other senders (config/sources):
        topic read ovms/#
        topic read teslamate/#
        topic read rtl_433/#
        topic read traccar/#
        topic read senml/#
        topic read saic/#

        """ + readerAccess
    }

    private var readerAccess: String {
        guard !eventReader.isEmpty else { return "" }
        return """

            # A program that reads events.
            user \(eventReader)
            topic read vehicles/+/events/#

            """
    }

    /// What is left to do by hand.
    package var steps: String {
        """
        On the broker's machine, in \(folder):
          1. an authority and a certificate for \(host) (or take your own):
               openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj /CN=gateway-ca \\
                 -keyout ca.key -out ca.crt
               openssl req -newkey rsa:3072 -nodes -subj /CN=\(host) -keyout broker.key -out broker.csr
               printf 'subjectAltName=DNS:\(host)' | openssl x509 -req -in broker.csr -CA ca.crt \\
                 -CAkey ca.key -CAcreateserial -days 825 -extfile /dev/stdin -out broker.crt
               chown mosquitto: broker.key && chmod 600 broker.key
          2. passwords, one for the gateway, for each vehicle (user name = vehicle) and for a
             program that reads events:
               mosquitto_passwd -c passwd \(gatewayUser)
               mosquitto_passwd passwd USER
          3. start it, then provision the gateway's session on disk:
               mosquitto -c \(folder)/mosquitto.conf
               (start the gateway once, then) pkill -USR1 mosquitto
        In the gateway's settings:
          broker: {mode: external, host: \(host), port: \(port), username: \(gatewayUser), ca_file: …/ca.crt}
          GATEWAY_BROKER_PASSWORD=…
        Then: gateway doctor --vehicle VEHICLE
        """
    }

    /// Writes `mosquitto.conf` and `acl`; existing files are kept.
    package func write(to target: String) throws {
        try FileManager.default.createDirectory(
            atPath: target,
            withIntermediateDirectories: true
        )
        for (name, text) in [("mosquitto.conf", configuration), ("acl", accessList)] {
            let path = "\(target)/\(name)"
            guard !FileManager.default.fileExists(atPath: path) else {
                throw EmbeddedBrokerError(
                    description: "\(path) exists already; choose another --out, or remove it first"
                )
            }
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
    }
}
