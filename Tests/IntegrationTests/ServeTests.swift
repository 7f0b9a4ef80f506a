import Foundation
import Support
import Testing

/// The whole gateway: a real mosquitto, a real file, real HTTP.
@Suite(.serialized)
struct ServeTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    private static func now(_ offset: TimeInterval = 0) -> String {
        ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: offset))
    }

    /// One message whose service is overdue: the shortest way to a suggestion.
    private static func overdue(_ sequence: Int, kilometres: Int = -10) -> String {
        Fixtures.overduePayload(
            from: now(-60),
            to: now(),
            kilometres: Double(-kilometres),
            header: "\"boot\":\"b1\",\"seq\":\(sequence),"
        )
    }

    private func publish(_ payload: String, to topic: String, port: Int) async throws {
        let code = try await RunningProcess(
            "/usr/bin/mosquitto_pub",
            [
                "-V", "mqttv5", "-h", "127.0.0.1", "-p", "\(port)", "-q", "1", "-t", topic, "-m",
                payload,
            ],
            folder: folder
        ).exit()
        #expect(code == 0)
    }

    private struct Row: Decodable {
        struct Slot: Decodable {
            var offer: String?
            var bay: String
            var start: String
        }

        var id: Int
        var version: Int
        var state: String
        var `class`: String
        var vehicle: String
        var slot: Slot?
        var offers: [Slot]
    }

    private struct Page: Decodable {
        var items: [Row]
    }

    private func rows(_ gateway: GatewayProcess, state: String = "proposed") async throws -> [Row] {
        let answer = try await gateway.request("GET", "/api/v1/suggestions?state=\(state)")
        #expect(answer.status == 200)
        return try JSONDecoder().decode(Page.self, from: Data(answer.body.utf8)).items
    }

    /// Readings wait 120 s to be sorted, so a suggestion from nothing takes that long by the real
    /// clock.
    ///
    /// A clock that catches up shows the same path at once: `JourneyTests`. Here everything else:
    /// files, probes, counters, refusals, the end.
    @Test func itStartsCountsRefusesAndStops() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        try await publish(
            Self.overdue(1),
            to: "vehicles/v1/telemetry",
            port: gateway.broker
        )
        try await publish("{not json", to: "vehicles/v1/telemetry", port: gateway.broker)
        try await publish(
            "{\"v\":1,\"ts\":\"\(Self.now())\",\"readings\":{\"Vehicle.Speed\":5,\"Nope\":1}}",
            to: "vehicles/v2/telemetry",
            port: gateway.broker
        )
        _ = try await eventually("five readings in the account") {
            await gateway.metric("gateway_readings_received_total") == 5 ? true : nil
        }
        #expect(await gateway.metric("gateway_readings_stored_total") == 3)
        #expect(await gateway.metric("gateway_packets_total") == 3)
        let metrics = try await gateway.request("GET", "/metrics").body
        #expect(metrics.contains("gateway_readings_rejected_total{reason=\"not_json\"} 1"))
        #expect(metrics.contains("gateway_readings_rejected_total{reason=\"unknown_signal\"} 1"))

        let letters = try await gateway.request("GET", "/api/v1/dead_letters").body
        #expect(letters.contains("\"reason\":\"not_json\"") && letters.contains("{not json"))
        #expect(letters.contains("\"byte_offset\":1"))

        let second = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", Repository.config],
            environment: ["GATEWAY_STORE_PATH": gateway.storePath],
            folder: folder
        )
        #expect(try await second.exit() == 1)
        #expect(second.output.contains("another gateway (process"))

        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
        #expect(try await stored(gateway.storePath) == 3)
    }

    @Test func wrongSettingsEndWithTheirLine() async throws {
        let path = try folder.write("gateway.yaml", "web:\n  prot: 1\n")
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", path],
            folder: folder
        )
        #expect(try await process.exit() == 1)
        #expect(process.output.contains("gateway.yaml:2:3: unknown key 'prot'"))
    }

    @Test func pagesAndAPIAnswerAsTheySay() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let inbox = try await gateway.request("GET", "/inbox?lang=en")
        #expect(inbox.status == 200 && inbox.body.contains("Visit suggestions"))
        #expect(inbox.headers["content-security-policy"]?.contains("default-src 'self'") == true)
        #expect(try await gateway.request("GET", "/inbox?lang=zh").body.contains("预约建议"))
        #expect(try await gateway.request("GET", "/").status == 303)
        #expect(try await gateway.request("GET", "/suggestions/99").status == 404)
        let expectations: [(String, String, [String: String], String?, Int, String)] = [
            ("GET", "/api/v1/suggestions?nonsense=1", [:], nil, 400, "unknown_parameter"),
            ("GET", "/api/v1/suggestions?state=x", [:], nil, 400, "invalid_parameter"),
            ("GET", "/api/v1/suggestions?limit=0", [:], nil, 400, "invalid_parameter"),
            ("GET", "/api/v1/suggestions?limit=201", [:], nil, 400, "invalid_parameter"),
            ("GET", "/api/v1/suggestions/99", [:], nil, 404, "not_found"),
            ("POST", "/api/v1/suggestions/1/book", [:], nil, 428, "version_missing"),
            ("POST", "/api/v1/suggestions/1/book", ["If-Match": "3"], nil, 422, "invalid_value"),
            ("POST", "/api/v1/suggestions/1/book", ["If-Match": "\"v1\""], nil, 404, "not_found"),
            (
                "POST", "/api/v1/suggestions/1/decline", ["If-Match": "\"v1\""],
                "{\"reason\":\"bored\"}", 422, "invalid_value"
            ),
            (
                "POST", "/api/v1/suggestions/1/book",
                ["If-Match": "\"v1\"", "Origin": "http://evil.example"], nil, 403, "foreign_origin"
            ),
            ("GET", "/inbox", ["Host": "evil.example"], nil, 403, "foreign_host"),
        ]
        for (method, path, headers, body, status, code) in expectations {
            let answer = try await gateway.request(method, path, headers: headers, body: body)
            #expect(answer.status == status, "\(method) \(path): \(answer.body)")
            #expect(answer.body.contains("\"code\":\"\(code)\""), "\(path): \(answer.body)")
            #expect(answer.headers["content-type"] == "application/problem+json")
        }
        gateway.process.signal(SIGINT)
        #expect(try await gateway.process.exit() == 0)
    }

    /// What other senders publish ends in the right signals and units; what is rejected gets a
    /// second chance once the configuration is mended.
    @Test func otherSendersAreUnderstoodAndTheQuarantineEmpties() async throws {
        let broker = try BrokerProcess(folder: folder)
        let config = try folder.copyConfiguration()
        let table = "sources/tpms-sensors.csv"
        var gateway = try GatewayProcess(folder: folder, broker: broker.port, config: config)
        try await gateway.ready()
        let event = "{\"time\":\"@0.2s\",\"type\":\"TPMS\",\"id\":\"45d30b69\","
        for (topic, payload) in [
            ("ovms/anna/leaf7/metric/v/t/pressure", "206.8,216.4,275.7,175.7"),
            ("ovms/anna/leaf7/metric/v/b/12v/voltage", "12.61"),
            ("teslamate/cars/1/tpms_pressure_rr", "2.9"),
            ("teslamate/cars/1/odometer", "48163.34"),
            ("rtl_433/garage/events", event + "\"pressure_PSI\":36.094,\"temperature_C\":9.0}"),
        ] {
            try await publish(payload, to: topic, port: broker.port)
        }
        // What is kept for new subscribers tells no time, so it is refused after a reconnect too.
        _ = try await eventually("nine readings") {
            await gateway.metric("gateway_readings_received_total") == 8 ? true : nil
        }
        let listed = try await quarantine(["list", "--reason", "unknown_sensor"], gateway)
        #expect(listed.contains("unknown_sensor at byte 0   rtl_433/garage/events   45d30b69"))

        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
        _ = try folder.write(
            "config/\(table)",
            "sensor,vehicle,wheel\n45d30b69,ford,Row2.Right\n"
        )
        gateway = try GatewayProcess(folder: folder, broker: broker.port, config: config)
        try await gateway.ready()
        let outcome = try await quarantine(["reingest", "--all"], gateway)
        #expect(outcome.contains("1 dead letters: 2 readings accepted, 0 rejected again"))
        #expect(try await quarantine(["list"], gateway).isEmpty)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)

        let readings = try await exported(gateway.storePath)
        for expected in [
            "leaf7,Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure,206.8",
            "leaf7,Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure,175.7",
            "leaf7,Vehicle.LowVoltageBattery.CurrentVoltage,12.61",
            "teslamate-1,Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure,290.0",
            "teslamate-1,Vehicle.TraveledDistance,48163340.0",
            "ford,Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.AirTemperature,9.0",
        ] {
            #expect(readings.contains(expected), "\(expected)")
        }
        let pressure = try #require(
            readings.first { $0.hasPrefix("ford") && $0.contains("Pressure") }
        )
        #expect(pressure.contains("248.8"))
    }

    /// A broker left as it comes loses what waits; the one we ship does not.
    @Test func theDoctorTellsABrokerThatLosesFromOneThatKeeps() async throws {
        let port = freePort()
        let plain = try folder.write(
            "plain.conf",
            "listener \(port) 127.0.0.1\nallow_anonymous true\n"
        )
        let broker = try RunningProcess("/usr/sbin/mosquitto", ["-c", plain], folder: folder)
        let ill = try await doctor(port: port, file: plain) { $0.contains("queue:") }
        #expect(ill.contains("PROBLEM  queue: acknowledged 5000 messages"))
        #expect(ill.contains("kept only 1000"))
        #expect(ill.contains("PROBLEM  persistence: is off"))
        broker.signal(SIGTERM)

        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let well = try await doctor(
            port: gateway.broker,
            file: folder.path("mosquitto/mosquitto.effective.conf")
        ) { $0.contains("queue:") }
        #expect(well.contains("ok       queue: kept 5000 messages"))
        #expect(!well.contains("PROBLEM"), "\(well)")
        // What it tries the broker with is nothing to the gateway.
        #expect(await gateway.metric("gateway_packets_total") == 0)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }

    private func doctor(
        port: Int,
        file: String,
        until isDone: (String) -> Bool
    ) async throws -> String {
        // The broker may still be starting, so a doctor that finds nobody is asked again.
        try await eventually("a doctor's word") {
            let process = try RunningProcess(
                Repository.product("gateway").path,
                ["doctor", "--config", Repository.config, "--broker-config", file],
                environment: [
                    "GATEWAY_BROKER_MODE": "external", "GATEWAY_BROKER_PORT": "\(port)",
                ],
                folder: folder
            )
            _ = try await process.exit()
            return isDone(process.output) ? process.output : nil
        }
    }

    private func quarantine(
        _ arguments: [String],
        _ gateway: GatewayProcess
    ) async throws -> String {
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["quarantine"] + arguments + ["--url", "http://127.0.0.1:\(gateway.web)"],
            folder: folder
        )
        #expect(try await process.exit() == 0)
        return process.output
    }

    /// `vehicle,signal,value` of every stored reading.
    private func exported(_ path: String) async throws -> Set<String> {
        let export = try RunningProcess(
            Repository.product("gateway").path,
            ["export", "--config", Repository.config, "--store", path],
            folder: folder
        )
        #expect(try await export.exit() == 0)
        let lines = export.output.split(separator: "\n").dropFirst()
        return Set(
            lines.map { line in
                let fields = line.split(separator: ",")
                return "\(fields[0]),\(fields[1]),\(fields[3])"
            }
        )
    }

    /// Killed in the middle of a stream, again and again: the broker delivers again what was not
    /// acknowledged, and what was acknowledged is on disk.
    @Test func killedUnderLoadItLosesNothing() async throws {
        let broker = try BrokerProcess(folder: folder)
        let total = 20_000
        let yesterday = Self.now(-86_400).prefix(10)
        let lines = (1...total).map { sequence in
            "{\"v\":1,\"boot\":\"b1\",\"seq\":\(sequence),\"ts\":\""
                + "\(yesterday)T\(Self.clock(sequence))Z\",\"readings\":{\"Vehicle.Speed\":1}}"
        }
        let path = try folder.write("lines.txt", lines.joined(separator: "\n") + "\n")
        var gateway = try GatewayProcess(folder: folder, broker: broker.port)
        try await gateway.ready()
        let publisher = try broker.publish(
            "vehicles/kill/telemetry",
            lines: path,
            folder: folder
        )
        for _ in 1...4 {
            _ = try await eventually("readings of this gateway:\n\(gateway.process.output)") {
                (await gateway.metric("gateway_readings_received_total") ?? 0) >= 1_500 ? true : nil
            }
            gateway.process.signal(SIGKILL)
            _ = try await gateway.process.exit()
            gateway = try GatewayProcess(folder: folder, broker: broker.port)
            try await gateway.ready()
        }
        #expect(try await publisher.exit() == 0)
        // The broker delivers in order, so after this one everything has arrived.
        try await publish(Self.overdue(1), to: "vehicles/last/telemetry", port: broker.port)
        let last = gateway
        _ = try await eventually("the last message", within: 120) {
            await last.metric("gateway_vehicles") == 2 ? true : nil
        }
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
        #expect(try await stored(gateway.storePath) == total + 2)
    }

    /// Seconds of a day as a clock: every message has a time of its own.
    private static func clock(_ second: Int) -> String {
        String(format: "%02d:%02d:%02d", second / 3_600, second / 60 % 60, second % 60)
    }

    /// Stored readings, as `gateway export` tells them.
    private func stored(_ path: String) async throws -> Int {
        let export = try RunningProcess(
            Repository.product("gateway").path,
            ["export", "--config", Repository.config, "--store", path],
            folder: folder
        )
        #expect(try await export.exit() == 0)
        return export.output.split(separator: "\n").count - 1
    }
}
