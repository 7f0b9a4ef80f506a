import Foundation
import GRDB
import Support
import Testing

/// A stream that ran through broker and gateway, and the same stream as a recording.
///
/// Equal must be, whatever the batches and the loop's own pace: every alert with its number,
/// vehicle, rule, component, time of raise, sentence, severity and every number of its evidence;
/// and every transition of alerts and suggestions up to the stop, in order, with its time, actor
/// and what it changed.
struct LiveEqualsReplayTests {
    private static let vehicles = ["leaks", "leaks-more", "is-well", "is-due"]
    private static let rounds = 8
    private static let daysOfRound = 3

    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    /// What a vehicle tells at the end of a round of three days, each reading with its own time.
    private func packet(_ vehicle: String, round: Int, from start: Date) -> String {
        let tyre = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire"
        let loss = ["leaks": 1.0, "leaks-more": 2.2][vehicle] ?? 0.05
        var readings: [String] = []
        for place in 0..<Self.daysOfRound * 3 {
            let step = round * Self.daysOfRound * 3 + place
            let noise = [0.6, -0.4, 0.2, -0.6, 0.4, -0.2][step % 6]
            // A service at the beginning of the seventh round: the alert must clear in both.
            let isMended = vehicle == "leaks-more" && round >= 6
            let pressure = isMended ? 240 + noise : 240 - loss * Double(step) + noise
            let time = start.addingTimeInterval(Double(step) * 8 * 3_600)
            let at = time.formatted(.iso8601)
            func tell(_ signal: String, _ value: Double) {
                readings.append("{\"signal\":\"\(signal)\",\"value\":\(value),\"ts\":\"\(at)\"}")
            }
            tell("\(tyre).Pressure", (pressure * 10).rounded() / 10)
            tell("\(tyre).AirTemperature", 20)
            if vehicle == "is-due" {
                tell("Vehicle.Service.DistanceToService", Double(2_000 - 15 * step))
            }
        }
        let end = Double((round + 1) * Self.daysOfRound * 3) * 8 * 3_600
        let ts = start.addingTimeInterval(end).formatted(.iso8601)
        return "\"v\":1,\"boot\":\"b1\",\"seq\":\(round + 1),\"ts\":\"\(ts)\","
            + "\"readings\":[\(readings.joined(separator: ","))]"
    }

    private struct Heard: Decodable {
        struct Vehicle: Decodable {
            var vehicle: String
            var lastHeardAt: String
        }

        var items: [Vehicle]
    }

    /// When the gateway last heard of each vehicle, as it says it.
    private func heard(_ gateway: GatewayProcess) async throws -> [String: String] {
        let body = try await gateway.request("GET", "/api/v1/vehicles?limit=200").body
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let page = try decoder.decode(Heard.self, from: Data(body.utf8))
        return Dictionary(uniqueKeysWithValues: page.items.map { ($0.vehicle, $0.lastHeardAt) })
    }

    private struct Health: Decodable {
        struct Job: Decodable {
            var job: String
            var lastRun: String?
        }

        var jobs: [Job]
    }

    /// When waiting readings were last used.
    private func sortedAt(_ gateway: GatewayProcess) async throws -> Int64? {
        let body = try await gateway.request("GET", "/api/v1/health").body
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let health = try decoder.decode(Health.self, from: Data(body.utf8))
        return try health.jobs.first { $0.job == "readings" }?.lastRun.map(milliseconds)
    }

    /// `2026-03-01T00:00:00.250Z`, where the thousandths may be missing.
    private func milliseconds(_ time: String) throws -> Int64 {
        let parts = time.dropLast().split(separator: ".")
        let whole = try Date("\(parts[0])Z", strategy: .iso8601)
        let thousandths = parts.count == 2 ? Int64(parts[1]) ?? 0 : 0
        return Int64(whole.timeIntervalSince1970) * 1_000 + thousandths
    }

    /// The core's time at the last commit.
    private func coreTime(_ path: String) throws -> Int64 {
        try DatabaseQueue(path: path).read {
            try Int64.fetchOne($0, sql: "SELECT now_ms FROM core_time") ?? 0
        }
    }

    /// The rows of a store that must be the same.
    private func told(_ path: String, until: Int64) throws -> (alerts: [Row], transitions: [Row]) {
        let queue = try DatabaseQueue(path: path)
        return try queue.read { database in
            let alerts = try Row.fetchAll(
                database,
                sql: """
                    SELECT a.id, v.name, rule_id, component, raised_ms, severity, sentence_zh,
                        sentence_en, limit_value, level, slope_per_day, first_ms, first_value,
                        newest_ms, newest_value, readings, early_ms, middle_ms, late_ms,
                        is_crossed, is_fast, flap_count, suggestion_id
                    FROM alert a JOIN vehicle v ON v.id = a.vehicle_id
                    WHERE raised_ms <= ? ORDER BY a.id
                    """,
                arguments: [until]
            )
            let transitions = try Row.fetchAll(
                database,
                sql: """
                    SELECT machine, record_id, from_state, event, to_state, actor, at_ms, reason,
                        changes
                    FROM transition
                    WHERE machine IN ('alert', 'suggestion') AND at_ms <= ? ORDER BY id
                    """,
                arguments: [until]
            )
            return (alerts, transitions)
        }
    }

    @Test func theSameStreamRaisesTheSameAlertsLiveAndReplayed() async throws {
        // A day a second, beginning once the gateway runs, and far from the present at the end.
        let wall = Int64(Date().timeIntervalSince1970 * 1_000)
        let anchor = wall + 8_000
        let begin = wall / 1_000 * 1_000 - 400 * 86_400_000
        let start = Date(timeIntervalSince1970: Double(begin) / 1_000)
        let broker = freePort()
        let web = freePort()
        let process = try RunningProcess(
            Repository.product("gateway").path,
            [
                "serve", "--config", Repository.config, "--catch-up",
                "\(begin),\(anchor),86400",
            ],
            environment: [
                "GATEWAY_STORE_PATH": folder.path("gateway.sqlite"), "GATEWAY_WEB_PORT": "\(web)",
                "GATEWAY_BROKER_PORT": "\(broker)",
                "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
            ],
            folder: folder
        )
        let gateway = try GatewayProcess.attached(to: process, web: web, broker: broker, folder)
        try await gateway.ready()

        var recording: [(arrival: String, line: String)] = []
        var last: [String: String] = [:]
        for round in 0..<Self.rounds {
            let due = anchor + Int64((round + 1) * Self.daysOfRound) * 1_000
            _ = try await eventually("the end of round \(round)", within: 120) {
                Int64(Date().timeIntervalSince1970 * 1_000) >= due ? true : nil
            }
            for vehicle in Self.vehicles {
                let body = packet(vehicle, round: round, from: start)
                try await publish(body, of: vehicle, port: broker)
                let before = last[vehicle]
                let arrival = try await eventually("packet \(round) of \(vehicle)") {
                    try await heard(gateway)[vehicle].flatMap { $0 == before ? nil : $0 }
                }
                last[vehicle] = arrival
                let line = "{\"vehicle\":\"\(vehicle)\",\"rx\":\"\(arrival)\",\(body)}\n"
                recording.append((arrival, line))
            }
        }
        let end = try #require(recording.map { try milliseconds($0.arrival) }.max())
        // Readings wait two minutes of the gateway's time to be sorted.
        _ = try await eventually("the last readings are used") {
            try await sortedAt(gateway).flatMap { $0 >= end + 120_000 ? true : nil }
        }
        process.signal(SIGTERM)
        #expect(try await process.exit() == 0)

        // The clock ran on until the stop: a vehicle that says nothing of interest takes the replay
        // there, less the two minutes for which a replay lets the last readings wait.
        let stop = max(end + 120_000, try coreTime(folder.path("gateway.sqlite")))
        let moment = Date(timeIntervalSince1970: Double(stop - 120_000) / 1_000)
        let rx = moment.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        let closing =
            "{\"vehicle\":\"clock\",\"rx\":\"\(rx)\",\"v\":1,\"ts\":\"\(rx)\","
            + "\"readings\":{\"Vehicle.Speed\":0}}\n"
        let file = try folder.write(
            "recording.jsonl",
            recording.map(\.line).joined() + closing
        )
        let replay = try RunningProcess(
            Repository.product("gateway").path,
            [
                "replay", file, "--config", Repository.config, "--store",
                folder.path("replay.sqlite"),
            ],
            folder: folder
        )
        #expect(try await replay.exit() == 0, "\(replay.output)")

        let live = try told(folder.path("gateway.sqlite"), until: stop)
        let replayed = try told(folder.path("replay.sqlite"), until: stop)
        #expect(live.alerts == replayed.alerts)
        #expect(live.transitions == replayed.transitions)
        let names = Set(live.alerts.map { $0["name"] as String })
        #expect(names.isSuperset(of: ["leaks", "leaks-more", "is-due"]))
        // One ends as well: by the refill or, where the machine was so slow that the gateway's days
        // went by without a word, by silence.
        #expect(
            live.transitions.contains { ["cleared", "no_data"].contains($0["event"] as String) }
        )
    }

    private func publish(_ body: String, of vehicle: String, port: Int) async throws {
        let code = try await RunningProcess(
            "/usr/bin/mosquitto_pub",
            [
                "-V", "mqttv5", "-h", "127.0.0.1", "-p", "\(port)", "-q", "1", "-t",
                "vehicles/\(vehicle)/telemetry", "-m", "{\(body)}",
            ],
            folder: folder
        ).exit()
        #expect(code == 0)
    }
}
