import Foundation
import Support
import Testing

/// The main job from end to end: a simulated fleet, a broker, the gateway, an advisor.
@Suite(.serialized)
struct JourneyTests {
    private struct Row: Decodable {
        struct Slot: Decodable {
            var offer: String?
            var bay: String
            var start: String
            var end: String
        }

        struct Alert: Decodable {
            struct Sentence: Decodable {
                var zh: String
                var en: String
            }

            var sentence: Sentence
        }

        var id: Int
        var version: Int
        var state: String
        var slot: Slot?
        var offers: [Slot]
        var alerts: [Alert]
    }

    private struct Page: Decodable {
        var items: [Row]
    }

    @Test func aFleetBecomesSuggestionsThatAnAdvisorBooksAndDeclines() async throws {
        let folder = try ScratchFolder()
        let wall = Int(Date().timeIntervalSince1970 * 1_000)
        // 20 days of history in about 20 seconds, from when both are surely running.
        let anchor = wall + 8_000
        let catchUp = "\(wall - 20 * 86_400_000),\(anchor),86400"
        let web = freePort()
        let broker = freePort()
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", Repository.config, "--catch-up", catchUp],
            environment: [
                "GATEWAY_STORE_PATH": folder.path("gateway.sqlite"), "GATEWAY_WEB_PORT": "\(web)",
                "GATEWAY_BROKER_PORT": "\(broker)",
                "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
            ],
            folder: folder
        )
        let gateway = try GatewayProcess.attached(to: process, web: web, broker: broker, folder)
        try await gateway.ready()
        let fleet = try RunningProcess(
            Repository.product("fleet-simulator").path,
            [
                "--broker", "127.0.0.1:\(broker)", "--vehicles", "20", "--ailing", "0.6",
                "--catch-up", catchUp, "--stop-when-confirmed",
            ],
            folder: folder
        )
        // The simulator ends only when every packet it sent is confirmed as committed.
        #expect(try await fleet.exit(within: 180) == 0)
        #expect(fleet.output.contains("everything is confirmed"))

        let received = try #require(await gateway.metric("gateway_readings_received_total"))
        let stored = try #require(await gateway.metric("gateway_readings_stored_total"))
        let duplicate = try #require(await gateway.metric("gateway_readings_duplicate_total"))
        let metrics = try await gateway.request("GET", "/metrics").body
        let rejected = metrics.split(separator: "\n")
            .filter { $0.hasPrefix("gateway_readings_rejected_total{") }
            .compactMap { Int($0.split(separator: " ")[1]) }.reduce(0, +)
        #expect(received == stored + duplicate + rejected)
        #expect(stored > 5_000)

        // On a busy machine history ends before the fleet has told it, and readings wait two minutes
        // to be sorted.
        let rows = try await eventually("three suggestions", within: 300) {
            let rows = try await suggestions(gateway)
            return rows.count >= 3 ? rows : nil
        }
        let alerts = try await gateway.request("GET", "/api/v1/alerts").body
        #expect(alerts.contains("\"is_crossed\":") && alerts.contains("\"is_fast\":"))
        #expect(try await gateway.request("GET", "/api/v1/alerts/1").body.contains("\"id\":1,"))
        #expect(try await gateway.request("GET", "/api/v1/alerts/99999").status == 404)
        for row in rows {
            #expect(!row.alerts.isEmpty && row.alerts.allSatisfy { !$0.sentence.zh.isEmpty })
            #expect(row.slot != nil && !row.offers.isEmpty)
        }
        // Times are RFC 3339 in UTC, so their order as text is their order in time.
        let held = rows.compactMap(\.slot)
        for (index, slot) in held.enumerated() {
            for other in held[(index + 1)...] where other.bay == slot.bay {
                #expect(other.end <= slot.start || slot.end <= other.start)
            }
        }

        try await bookFromThePage(gateway, rows[0])
        try await declineOverTheAPI(gateway, rows[1])
        try await handleOverTheAPI(gateway, rows[2])

        process.signal(SIGTERM)
        #expect(try await process.exit() == 0)
    }

    private func suggestions(_ gateway: GatewayProcess) async throws -> [Row] {
        let body = try await gateway.request("GET", "/api/v1/suggestions?limit=200").body
        return try JSONDecoder().decode(Page.self, from: Data(body.utf8)).items
    }

    /// The row as it is now: a plan may have moved since the list was read.
    private func current(_ gateway: GatewayProcess, _ row: Row) async throws -> Row {
        let body = try await gateway.request("GET", "/api/v1/suggestions/\(row.id)").body
        return try JSONDecoder().decode(Row.self, from: Data(body.utf8))
    }

    private func bookFromThePage(_ gateway: GatewayProcess, _ listed: Row) async throws {
        let row = try await current(gateway, listed)
        let page = try await gateway.request("GET", "/suggestions/\(row.id)?lang=en").body
        #expect(page.contains("<svg class=\"chart\"") && page.contains("Book this slot"))
        let form = ["Content-Type": "application/x-www-form-urlencoded"]
        let stale = try await gateway.request(
            "POST",
            "/suggestions/\(row.id)/book",
            headers: form,
            body: "version=\(row.version + 5)&offer=best"
        )
        #expect(stale.status == 409 && stale.body.contains("has just changed"))
        let booked = try await gateway.request(
            "POST",
            "/suggestions/\(row.id)/book",
            headers: form,
            body: "version=\(row.version)&offer=best"
        )
        #expect(booked.status == 303 || booked.status == 302, "\(booked.body)")
        let after = try await gateway.request("GET", "/api/v1/suggestions/\(row.id)")
        #expect(after.headers["etag"] == "\"v\(row.version + 1)\"")
        let now = try JSONDecoder().decode(Row.self, from: Data(after.body.utf8))
        #expect(now.state == "booked" && now.slot?.start == row.offers[0].start)
    }

    private func declineOverTheAPI(_ gateway: GatewayProcess, _ listed: Row) async throws {
        let row = try await current(gateway, listed)
        let headers = ["If-Match": "\"v\(row.version)\"", "Content-Type": "application/json"]
        let answer = try await gateway.request(
            "POST",
            "/api/v1/suggestions/\(row.id)/decline",
            headers: headers,
            body: "{\"reason\":\"not_interested\",\"note\":\"in spring\"}"
        )
        #expect(answer.status == 200, "\(answer.body)")
        #expect(answer.body.contains("\"state\":\"declined\""))
        let again = try await gateway.request(
            "POST",
            "/api/v1/suggestions/\(row.id)/book",
            headers: ["If-Match": "\"v\(row.version + 1)\""]
        )
        #expect(again.status == 409 && again.body.contains("illegal_transition"))
    }

    private struct Visit: Decodable {
        var id: Int
        var version: Int
        var state: String
        var suggestion: Int?
        var alerts: [Int]
    }

    /// Lease, a customer who calls and accepts, arrival, work, finding: each by its route.
    private func handleOverTheAPI(_ gateway: GatewayProcess, _ listed: Row) async throws {
        let path = "/api/v1/suggestions/\(listed.id)"
        func post(_ path: String, _ version: Int, _ body: String = "") async throws -> String {
            let answer = try await gateway.request(
                "POST",
                path,
                headers: ["If-Match": "\"v\(version)\"", "Content-Type": "application/json"],
                body: body
            )
            #expect(answer.status == 200, "\(path): \(answer.body)")
            return answer.body
        }
        let leased = try await post("\(path)/lease", current(gateway, listed).version)
        #expect(leased.contains("\"state\":\"claimed\""))
        #expect(leased.contains("\"owner\":\"advisor\""))
        let slots = try await gateway.request("GET", "\(path)/slots")
        #expect(slots.status == 200 && slots.body.contains("\"offer\":\"best\""))
        let contact = try await gateway.request("GET", "\(path)/contact")
        #expect(contact.status == 200 && contact.body.contains("\"allowed\""))
        let booked = try await post(
            "\(path)/attempts",
            current(gateway, listed).version,
            "{\"channel\":\"incoming\",\"outcome\":\"accepted\",\"odometer_km\":20130}"
        )
        #expect(booked.contains("\"state\":\"booked\""))
        let attempts = try await gateway.request("GET", "\(path)/attempts").body
        #expect(attempts.contains("\"odometer_km\":20130"))

        let list = try await gateway.request("GET", "/api/v1/appointments?state=confirmed").body
        struct Visits: Decodable {
            var items: [Visit]
        }
        let visits = try JSONDecoder().decode(Visits.self, from: Data(list.utf8)).items
        var visit = try #require(visits.first { $0.suggestion == listed.id })
        func step(_ name: String, _ body: String = "") async throws {
            let answer = try await post(
                "/api/v1/appointments/\(visit.id)/\(name)",
                visit.version,
                body
            )
            visit = try JSONDecoder().decode(Visit.self, from: Data(answer.utf8))
        }
        try await step("arrive", "{\"odometer_km\":20140,\"symptoms\":\"noise in front\"}")
        try await step("start")
        let early = try await gateway.request(
            "POST",
            "/api/v1/appointments/\(visit.id)/finish",
            headers: ["If-Match": "\"v\(visit.version)\""]
        )
        #expect(early.status == 422 && early.body.contains("\"code\":\"finding_missing\""))
        let findings = visit.alerts.map { "{\"alert\":\($0),\"verdict\":\"confirmed\"}" }
        try await step("finish", "{\"findings\":[\(findings.joined(separator: ","))]}")
        #expect(visit.state == "done")
        let kpi = try await gateway.request("GET", "/api/v1/kpis?metric=precision").body
        #expect(kpi.contains("\"coverage\":1"))
        for metric in ["acceptance", "reach", "waiting", "utilisation"] {
            let body = try await gateway.request("GET", "/api/v1/kpis?metric=\(metric)").body
            #expect(body.contains("\"station\":"), "\(metric): \(body)")
        }
        let wrong = try await gateway.request("GET", "/api/v1/kpis?metric=mood")
        #expect(wrong.status == 400 && wrong.body.contains("lead_time"))
        let health = try await gateway.request("GET", "/api/v1/health").body
        #expect(health.contains("{\"job\":\"readings\",\"last_run\":\"20"))
        // Everything for the call, with the names filled in.
        let call = try await gateway.request(
            "GET",
            "/api/v1/suggestions/\(listed.id)/preparation"
        ).body
        let titles = try Fixtures.assembly().stations.map(\.titleZH)
        #expect(call.contains("\"step\":\"greet\"") && titles.contains { call.contains($0) })
        #expect(call.contains("\"symptoms\":\"noise in front\"") && !call.contains("{caller}"))
    }
}
