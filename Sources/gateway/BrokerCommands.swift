import ArgumentParser
import Foundation
import GatewayApp

struct BrokerConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker-config",
        abstract:
            "Writes a mosquitto configuration for a site: TLS, passwords, access list, queues.",
        discussion: """
            Without --out it prints the configuration. The queue is sized for an outage of the
            gateway; the memory that takes is said in the file.

            Examples:
              gateway broker-config --host broker.example.org
              gateway broker-config --host broker.example.org --messages-per-second 1000 \\
                --outage-minutes 60 --out /etc/mosquitto/gateway
            """
    )

    @Option(help: "The broker's name, as vehicles will call it.")
    var host: String

    @Option(help: "TCP port of the TLS listener, 1…65535.")
    var port = 8_883

    @Option(help: "Messages of the whole fleet, 1…1000000 a second.")
    var messagesPerSecond = 100

    @Option(help: "The longest outage of the gateway to bridge, 1…10080 min.")
    var outageMinutes = 60

    @Option(help: "Bytes of a usual payload, 1…65536.")
    var payloadBytes = 500

    @Option(help: "User of a program that may read vehicles' events; letters, digits, - and _.")
    var eventReader: String?

    @Option(help: "A new or empty folder for mosquitto.conf and acl.")
    var out: String?

    func validate() throws {
        guard (1...65_535).contains(port), (1...1_000_000).contains(messagesPerSecond),
            (1...10_080).contains(outageMinutes), (1...65_536).contains(payloadBytes)
        else { throw ValidationError("A number is out of its range; see --help.") }
        guard !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || "-.:".contains($0) })
        else { throw ValidationError("--host takes a host name or an address.") }
        let reader = eventReader ?? "reader"
        guard (1...64).contains(reader.utf8.count),
            reader.allSatisfy({ $0.isLetter || $0.isNumber || "-_".contains($0) })
        else { throw ValidationError("--event-reader takes letters, digits, - and _, 64 at most.") }
    }

    func run() throws {
        var config = BrokerConfig()
        config.host = host
        config.port = port
        config.messagesPerSecond = messagesPerSecond
        config.outageMinutes = outageMinutes
        config.payloadBytes = payloadBytes
        config.eventReader = eventReader ?? ""
        guard let out else {
            print(config.configuration)
            print("# --- acl ---\n\(config.accessList)")
            return
        }
        config.folder = URL(fileURLWithPath: out).standardizedFileURL.path
        do { try config.write(to: out) } catch { throw failure(error) }
        print("\(out)/mosquitto.conf and \(out)/acl are written.\n\n\(config.steps)")
    }
}

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract:
            "Checks a running broker for the traps that lose readings, and says what to change.",
        discussion: """
            Connects as the settings say and tries: queue and window, packet size, access,
            persistence, dropped messages, clock. It publishes only below vehicles/gateway-doctor-…
            Ends with 1 when there is a problem.

            Examples:
              gateway doctor
              gateway doctor --broker-config /etc/mosquitto/mosquitto.conf
              GATEWAY_DOCTOR_PASSWORD=… gateway doctor --vehicle v17
            """
    )

    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    @Option(help: "The broker's own configuration, when it runs on this machine.")
    var brokerConfig: String?

    @Option(help: "A vehicle to try the access list with; password in GATEWAY_DOCTOR_PASSWORD.")
    var vehicle: String?

    func run() throws {
        let password = ProcessInfo.processInfo.environment["GATEWAY_DOCTOR_PASSWORD"] ?? ""
        var doctor: Doctor
        do {
            doctor = try Doctor(
                configPath: config,
                brokerConfig: brokerConfig,
                vehicle: vehicle.map { ($0, password) }
            )
        } catch {
            throw failure(error)
        }
        let findings = doctor.run()
        for finding in findings {
            let label = finding.severity.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
            print("\(label) \(finding.check): \(finding.text)")
        }
        if findings.contains(where: { $0.severity == .problem }) { throw ExitCode.failure }
    }
}
