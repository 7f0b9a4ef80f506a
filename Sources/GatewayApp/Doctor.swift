import CClock
import ConfigFiles
import Foundation
import MQTTSource
import Telemetry

/// What a check found.
package struct Finding: Sendable {
    package enum Severity: String, Sendable {
        case good = "ok"
        case advice = "advice"
        case problem = "PROBLEM"
    }

    package var severity: Severity
    package var check: String
    /// What was seen and, unless it is good, what to change.
    package var text: String
}

/// A running broker, examined for the traps that lose or delay readings.
///
/// It publishes only to `vehicles/gateway-doctor-…/doctor`, which no gateway takes in, and leaves nothing behind but a session
/// that expires in a minute.
package struct Doctor {
    /// Messages put into a queue nobody reads: past the default of 1,000, in a few megabytes.
    private static let queueProbe = 5_000
    /// Unacknowledged messages asked for: what a batch of ours wants.
    private static let windowWanted = 1_000

    private let settings: GatewaySettings
    private let brokerConfig: String?
    private let vehicle: (name: String, password: String)?
    private let name = "gateway-doctor-\(UInt32.random(in: 0..<1 << 31))"
    private var findings: [Finding] = []
    /// How long the broker runs, when it says so.
    private var uptimeSeconds: Int?

    /// `brokerConfig` is the broker's own file, when it runs on this machine; `vehicle` are the
    /// credentials of one vehicle, to try the access list.
    package init(
        configPath: String,
        brokerConfig: String?,
        vehicle: (name: String, password: String)?
    ) throws {
        settings = try GatewayFile.load(configPath)
        self.vehicle = vehicle
        let effective = "\(settings.embeddedData)/mosquitto.effective.conf"
        self.brokerConfig =
            brokerConfig ?? (settings.brokerMode == .embedded ? effective : nil)
    }

    /// Runs every check; takes some seconds.
    package mutating func run() -> [Finding] {
        findings = []
        checkClock()
        do throws(BrokerError) {
            try checkQueueAndWindow()
            try checkSize()
            try checkStatistics()
        } catch {
            add(
                .problem,
                "connection",
                "\(error.description). Check broker.host, broker.port, broker.username, "
                    + "broker.ca_file in the settings, and the broker's log."
            )
            return findings
        }
        checkAccess()
        checkPersistence()
        return findings
    }

    private mutating func add(_ severity: Finding.Severity, _ check: String, _ text: String) {
        findings.append(Finding(severity: severity, check: check, text: text))
    }

    private func address(
        _ suffix: String,
        username: String? = nil,
        password: String = "",
        expiry: UInt32 = 0
    ) -> BrokerAddress {
        BrokerAddress(
            host: settings.brokerHost,
            port: settings.brokerPort,
            clientID: "\(name)-\(suffix)",
            username: username ?? settings.username,
            password: username == nil ? settings.password : password,
            caFile: settings.caFile,
            certificateFile: settings.certificateFile,
            keyFile: settings.keyFile,
            receiveMaximum: 65_535,
            version5SessionSeconds: expiry
        )
    }

    // MARK: Checks

    private mutating func checkClock() {
        var state = timex()
        let code = unsafe adjtimex(&state)
        if code == TIME_ERROR {
            add(
                .advice,
                "clock",
                "the kernel does not know its clock to be synchronised; readings ahead of it by "
                    + "\(Limits.futureMillisecondsMax.hours) h are rejected. Run chrony or "
                    + "systemd-timesyncd."
            )
        } else {
            add(.good, "clock", "synchronised")
        }
    }

    private mutating func checkQueueAndWindow() throws(BrokerError) {
        let topic = "vehicles/\(name)/doctor"
        let away = try BrokerProbe(address("queue", expiry: 60))
        add(.good, "connection", "\(settings.brokerHost):\(settings.brokerPort) takes us in")
        guard try away.subscribe(topic) else {
            return add(
                .problem,
                "access",
                "we may not subscribe to vehicles/…: give '\(settings.username)' "
                    + "`topic read vehicles/#` in the access list"
            )
        }
        away.disconnect()
        let publisher = try BrokerProbe(address("publisher"))
        let codes = try publisher.publish(topic, Array("{}".utf8), times: Doctor.queueProbe)
        publisher.disconnect()
        guard codes.contains(where: { $0 < 0x80 }) else {
            return add(
                .advice,
                "queue",
                "not tried: '\(settings.username)' may not publish to vehicles/…, which is as it "
                    + "should be"
            )
        }
        try away.connect()
        let window = away.listen(quietMilliseconds: 500, acknowledging: false).count
        let rest = away.listen(quietMilliseconds: 500, acknowledging: true).count
        away.disconnect()
        let kept = window + rest
        if kept >= Doctor.queueProbe {
            add(.good, "queue", "kept \(kept) messages for a client that was away")
        } else {
            add(
                .problem,
                "queue",
                "acknowledged \(codes.count) messages for a client that was away and kept only "
                    + "\(kept): an outage of ours loses readings without a word. Set "
                    + "max_queued_messages to 60 × minutes of outage × messages a second, such as "
                    + "5000000; not 0."
            )
        }
        if window >= Doctor.windowWanted {
            add(.good, "window", "sends \(window) messages without waiting")
        } else {
            add(
                .advice,
                "window",
                "sends only \(window) messages without an acknowledgement, which costs throughput "
                    + "with every commit. Set max_inflight_messages 1000; not 0."
            )
        }
    }

    private mutating func checkSize() throws(BrokerError) {
        let topic = "vehicles/\(name)/doctor"
        let probe = try BrokerProbe(address("size"))
        guard try probe.subscribe(topic) else { return }
        let most = [UInt8](repeating: UInt8(ascii: " "), count: Limits.payloadBytesMax - 256)
        let codes = (try? probe.publish(topic, most)) ?? []
        let arrived = probe.listen(quietMilliseconds: 300, acknowledging: true).count
        probe.disconnect()
        guard codes.first.map({ $0 < 0x80 }) ?? true else { return }
        if arrived == 1 {
            add(.good, "size", "takes packets of \(most.count) bytes")
        } else {
            add(
                .advice,
                "size",
                "does not take packets of \(most.count) bytes: set max_packet_size "
                    + "\(Limits.payloadBytesMax)"
            )
        }
    }

    private mutating func checkStatistics() throws(BrokerError) {
        let probe = try BrokerProbe(address("statistics"))
        defer { probe.disconnect() }
        guard try probe.subscribe("$SYS/broker/#") else { return }
        var values: [String: String] = [:]
        for message in probe.listen(quietMilliseconds: 500, acknowledging: true) {
            values[message.topic] = String(decoding: message.payload, as: UTF8.self)
        }
        guard let version = values["$SYS/broker/version"] else {
            return add(
                .advice,
                "dropped",
                "the broker shows no statistics: allow `topic read $SYS/#`, so that dropped messages "
                    + "can be seen"
            )
        }
        add(.good, "version", version)
        // `27 seconds`
        uptimeSeconds = values["$SYS/broker/uptime"].flatMap {
            Int($0.prefix { $0.isNumber })
        }
        let dropped = Int(values["$SYS/broker/publish/messages/dropped"] ?? "0") ?? 0
        if dropped == 0 {
            add(.good, "dropped", "no message dropped since the broker's start")
        } else {
            add(
                .problem,
                "dropped",
                "\(dropped) messages dropped since the broker's start: readings are lost. Raise "
                    + "max_queued_messages and max_queued_bytes, and see that the gateway keeps up."
            )
        }
    }

    private mutating func checkAccess() {
        let topic = "vehicles/\(name)/doctor"
        let isLoopback = ["127.0.0.1", "::1", "localhost"].contains(settings.brokerHost)
        if let stranger = try? BrokerProbe(address("stranger", username: "")) {
            let codes = (try? stranger.publish(topic, Array("{}".utf8))) ?? []
            stranger.disconnect()
            let mayPublish = codes.contains { $0 < 0x80 }
            add(
                mayPublish && !isLoopback ? .problem : .advice,
                "access",
                "takes clients without a password"
                    + (mayPublish ? ", and they may publish as any vehicle" : "")
                    + (isLoopback
                        ? "; on loopback only this machine can. Beyond it: "
                        : ". ")
                    + "`gateway broker-config` writes a file with passwords and an access list."
            )
        } else {
            add(.good, "access", "refuses clients without a password")
        }
        guard let vehicle else { return }
        do throws(BrokerError) {
            let probe = try BrokerProbe(
                address("vehicle", username: vehicle.name, password: vehicle.password)
            )
            let foreign = try probe.publish(topic, Array("{}".utf8))
            let own = try probe.publish("vehicles/\(vehicle.name)/doctor", Array("{}".utf8))
            probe.disconnect()
            if foreign.contains(where: { $0 < 0x80 }) {
                add(
                    .problem,
                    "access",
                    "'\(vehicle.name)' may publish as another vehicle: use "
                        + "`pattern write vehicles/%u/#`"
                )
            } else if own.contains(where: { $0 < 0x80 }) {
                add(.good, "access", "'\(vehicle.name)' may publish as itself, and only so")
            } else {
                add(
                    .problem,
                    "access",
                    "'\(vehicle.name)' may not publish below vehicles/\(vehicle.name)/"
                )
            }
        } catch {
            add(.problem, "access", "'\(vehicle.name)' cannot connect: \(error.description)")
        }
    }

    private mutating func checkPersistence() {
        guard let brokerConfig,
            let text = try? String(contentsOfFile: brokerConfig, encoding: .utf8)
        else {
            return add(
                .advice,
                "persistence",
                "not examined: name the broker's own file with --broker-config, on its machine"
            )
        }
        var options: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let words = line.prefix { $0 != "#" }.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else { continue }
            options[String(words[0])] = words[1].trimmingCharacters(in: .whitespaces)
        }
        guard options["persistence"] == "true" else {
            return add(
                .problem,
                "persistence",
                "is off: a restart of the broker forgets our session and every queued reading. Set "
                    + "persistence true."
            )
        }
        let location = options["persistence_location"] ?? "/var/lib/mosquitto/"
        let interval = Int(options["autosave_interval"] ?? "") ?? 1_800
        if interval > 60 || interval == 0 {
            add(
                .advice,
                "persistence",
                "saves every \(interval) s: a crash of the broker loses what came since and waits. "
                    + "Set autosave_interval 10."
            )
        }
        if options["autosave_on_changes"] == "true" {
            add(
                .problem,
                "persistence",
                "autosave_on_changes true saves the whole queue again and again in an outage: set "
                    + "it to false, and autosave_interval 10"
            )
        }
        if let uptimeSeconds, uptimeSeconds < 2 * max(interval, 10) {
            return add(
                .good,
                "persistence",
                "is on; the broker runs for \(uptimeSeconds) s, too short to see it save"
            )
        }
        let path = "\(location)\(location.hasSuffix("/") ? "" : "/")mosquitto.db"
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        if let saved = attributes?[.modificationDate] as? Date {
            let age = Int(Date().timeIntervalSince(saved))
            let isFresh = age <= 2 * max(interval, 10)
            add(
                isFresh ? .good : .problem,
                "persistence",
                isFresh
                    ? "\(path) was saved \(age) s ago"
                    : "\(path) was last saved \(age) s ago though messages came: can the broker's "
                        + "user write there?"
            )
        } else {
            add(
                .problem,
                "persistence",
                "there is no \(path): the broker cannot write it (a root start drops to the user "
                    + "mosquitto)"
            )
        }
    }
}
