import Foundation
import Support
import Testing

/// Two advisors at one workshop, over real HTTP: kept slots, the calendar, and who gets what.
@Suite(.serialized)
struct DeskAPITests {
    private struct Suggestion: Decodable {
        var id: Int
        var version: Int
        var vehicle: String
        var station: String
    }

    private struct Slot: Decodable {
        var bay: String
        var start: String
    }

    private struct Visit: Decodable {
        var vehicle: String
    }

    private struct Hold: Decodable {
        var id: Int
        var bay: String
        var start: String
        var holder: String
    }

    private struct Page<Item: Decodable>: Decodable {
        var items: [Item]
    }

    private struct Refusal: Decodable {
        var code: String
        var slots: [Slot]?
    }

    private struct Station: Decodable {
        struct Bay: Decodable {
            var bay: String
        }

        var station: String
        var bays: [Bay]
    }

    private let folder: ScratchFolder
    private let gateway: GatewayProcess
    private let ann: String
    private let bob: String
    /// Bound to another station.
    private let far: String

    /// `v1` and `v2` are due for a service; a minute passes in a second.
    init() async throws {
        let folder = try ScratchFolder()
        let wall = Int(Date().timeIntervalSince1970 * 1_000)
        let begin = wall - 86_400_000
        let web = freePort()
        let broker = freePort()
        let environment = [
            "GATEWAY_STORE_PATH": folder.path("gateway.sqlite"), "GATEWAY_WEB_PORT": "\(web)",
            "GATEWAY_BROKER_PORT": "\(broker)",
            "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
        ]
        func token(
            _ name: String,
            _ scopes: [String],
            station: String? = nil
        ) async throws -> String {
            let process = try RunningProcess(
                Repository.product("gateway").path,
                ["tokens", "add", name, "--config", Repository.config]
                    + scopes.flatMap { ["--scope", $0] }
                    + (station.map { ["--station", $0] } ?? []),
                environment: environment,
                folder: folder
            )
            #expect(try await process.exit() == 0)
            return try #require(process.output.split(separator: "\n").first.map(String.init))
        }
        ann = try await token("ann", ["see", "decide", "edit_customers", "audit"])
        bob = try await token("bob", ["see", "decide"])
        far = try await token("far", ["see", "decide", "webhooks"], station: "wien-1")
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", Repository.config, "--catch-up", "\(begin),\(wall),60"],
            environment: environment,
            folder: folder
        )
        self.folder = folder
        gateway = try GatewayProcess.attached(to: process, web: web, broker: broker, folder)
        try await gateway.ready()
        func time(_ seconds: Double) -> String {
            ISO8601DateFormatter().string(
                from: Date(timeIntervalSince1970: Double(begin) / 1_000 + seconds)
            )
        }
        let (earlier, time) = (time(200), time(300))
        for vehicle in ["v1", "v2"] {
            let code = try await RunningProcess(
                "/usr/bin/mosquitto_pub",
                [
                    "-h", "127.0.0.1", "-p", "\(broker)", "-q", "1",
                    "-t", "vehicles/\(vehicle)/telemetry", "-m",
                    Fixtures.overduePayload(from: earlier, to: time),
                ],
                folder: folder
            ).exit()
            #expect(code == 0)
        }
    }

    private func ask(
        _ method: String,
        _ path: String,
        as token: String,
        version: Int? = nil,
        body: String? = nil
    ) async throws -> GatewayProcess.Answer {
        var headers = ["Authorization": "Bearer \(token)"]
        headers["If-Match"] = version.map { "\"v\($0)\"" }
        return try await gateway.request(method, "/api/v1\(path)", headers: headers, body: body)
    }

    private func read<Value: Decodable>(
        _ type: Value.Type,
        _ path: String
    ) async throws -> Value {
        let answer = try await ask("GET", path, as: ann)
        #expect(answer.status == 200, "\(path): \(answer.body)")
        return try JSONDecoder().decode(type, from: Data(answer.body.utf8))
    }

    private func decoded<Value: Decodable>(
        _ type: Value.Type,
        _ answer: GatewayProcess.Answer
    ) throws -> Value {
        try JSONDecoder().decode(type, from: Data(answer.body.utf8))
    }

    @Test func oneOfTwoAdvisorsWinsASlotAndTheOtherGetsThreeOffers() async throws {
        let suggestions = try await eventually("two suggestions") {
            let rows = try await read(Page<Suggestion>.self, "/suggestions").items
            return rows.count == 2 ? rows : nil
        }
        let (first, second) = (suggestions[0], suggestions[1])
        let station = try #require(
            try await read(Page<Station>.self, "/stations").items
                .first { $0.station == first.station }
        )
        // A start at which every bay is free.
        let free = try await read(
            Page<Slot>.self,
            "/suggestions/\(first.id)/slots?from=\(gateway.days(3))&to=\(gateway.days(9))"
        ).items
        let start = try #require(free.last?.start)

        // Ann keeps all bays; Bob's customer wants that very time.
        var holds: [Hold] = []
        for bay in station.bays {
            let taken = try await ask(
                "POST",
                "/holds",
                as: ann,
                body: """
                    {"station":"\(station.station)","start":"\(start)","minutes":60,
                    "bay":"\(bay.bay)"}
                    """
            )
            if taken.status == 201 { holds.append(try decoded(Hold.self, taken)) }
        }
        #expect(!holds.isEmpty && holds.allSatisfy { $0.holder == "ann" })
        for (path, body) in [
            ("/holds", "{\"suggestion\":\(second.id),\"start\":\"\(start)\"}"),
            ("/suggestions/\(second.id)/book", "{\"start\":\"\(start)\",\"reason\":\"asked\"}"),
        ] {
            let refused = try await ask(
                "POST",
                path,
                as: bob,
                version: second.version,
                body: body
            )
            let refusal = try decoded(Refusal.self, refused)
            #expect(refused.status == 409 && refusal.code == "slot_taken", "\(refused.body)")
            #expect(refusal.slots?.count == 3)
        }

        // A colleague's hold is neither used nor given up; one's own becomes the visit.
        let hold = try #require(holds.first)
        let stranger = try await ask("DELETE", "/holds/\(hold.id)", as: bob)
        #expect(stranger.status == 409 && stranger.body.contains("leased_by_other"))
        let row = try await read(Suggestion.self, "/suggestions/\(first.id)")
        let booked = try await ask(
            "POST",
            "/suggestions/\(first.id)/book",
            as: ann,
            version: row.version,
            body: "{\"hold\":\(hold.id),\"reason\":\"as agreed\"}"
        )
        #expect(booked.status == 200 && booked.body.contains("\"state\":\"booked\""))
        #expect(booked.body.contains("\"start\":\"\(start)\""), "\(booked.body)")
        for other in holds.dropFirst() {
            #expect(try await ask("DELETE", "/holds/\(other.id)", as: ann).status == 204)
        }
        #expect(try await read(Page<Hold>.self, "/holds").items.isEmpty)

        try await outOfScopeIsNotThere(first, at: start)
        try await seenInTheCalendar(of: first, at: start)
        try await gateway.stop()
    }

    /// Another dealer's program books nothing here, sees nothing, and is told of nothing.
    private func outOfScopeIsNotThere(_ booked: Suggestion, at start: String) async throws {
        let walkIn = try await ask(
            "POST",
            "/appointments",
            as: far,
            body: """
                {"vehicle":"v2","jobs":["battery_test"],"station":"\(booked.station)",
                "start":"\(start)"}
                """
        )
        #expect(walkIn.status == 404)
        let visits = try await read(Page<Visit>.self, "/appointments").items
        #expect(visits.map(\.vehicle) == [booked.vehicle])
        for path in ["/vehicles/\(booked.vehicle)", "/capacity?station=\(booked.station)"] {
            #expect(try await ask("GET", path, as: far).status == 404, "\(path)")
        }
        let webhook = try await ask(
            "POST",
            "/webhooks",
            as: far,
            body:
                "{\"url\":\"https://far.example/told\",\"events\":[\"suggestion.*\"],\"stations\":[]}"
        )
        #expect(webhook.status == 201 && webhook.body.contains("\"stations\":[\"wien-1\"]"))
        let all = try await ask(
            "POST",
            "/webhooks",
            as: far,
            body: "{\"url\":\"https://far.example/told\",\"events\":[\"customer.erase\"]}"
        )
        #expect(all.status == 422)
    }

    /// The visit shows in the day's plan, in a calendar program, on the vehicle and in the history.
    private func seenInTheCalendar(of suggestion: Suggestion, at start: String) async throws {
        let capacity = try await ask(
            "GET",
            "/capacity?station=\(suggestion.station)&day=\(start.prefix(10))&days=2",
            as: ann
        ).body
        #expect(capacity.contains("\"kind\":\"appointment\"") && capacity.contains(start))
        let path = "/ical/\(ann)/\(suggestion.station).ics"
        let feed = try await gateway.request("GET", path)
        #expect(
            feed.status == 200 && feed.headers["content-type"]?.hasPrefix("text/calendar") == true
        )
        let stamp = start.filter { $0 != "-" && $0 != ":" }
        #expect(
            feed.body.contains("DTSTART:\(stamp)\r\n") && feed.body.contains("STATUS:CONFIRMED")
        )
        #expect(feed.body.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 75 })
        let again = try await gateway.request(
            "GET",
            path,
            headers: ["If-None-Match": feed.headers["etag"] ?? ""]
        )
        #expect(again.status == 304)
        #expect(try await gateway.request("GET", "/ical/guess/su-zhou-1.ics").status == 404)

        let vehicle = try await ask(
            "PUT",
            "/vehicles/\(suggestion.vehicle)",
            as: ann,
            body: "{\"model\":\"Sedan\",\"plate\":\"苏E·12845\"}"
        )
        #expect(
            vehicle.status == 200 && vehicle.body.contains("\"model\":\"Sedan\""),
            "\(vehicle.body)"
        )
        #expect(vehicle.body.contains("\"start\":\"\(start)\"") && !vehicle.body.contains("12845"))
        let bad = try await ask(
            "PUT",
            "/vehicles/\(suggestion.vehicle)",
            as: ann,
            body: "{\"placard_front_kpa\":\"much\"}"
        )
        #expect(bad.status == 422 && bad.body.contains("byte"), "\(bad.body)")
        let audit = try await ask("GET", "/audit?event=use_hold", as: ann)
        #expect(audit.status == 200 && audit.body.contains("\"actor\":\"ann\""))
        #expect(try await ask("GET", "/audit", as: bob).status == 403)
        let named = try await read(Page<Suggestion>.self, "/suggestions?q=v2&class=P2")
        #expect(named.items.allSatisfy { $0.vehicle == "v2" })
        let strange = try await ask("GET", "/suggestions?flag=odd", as: ann)
        #expect(strange.status == 400 && strange.body.contains("no_slot"))
    }
}

extension GatewayProcess {
    /// So many days from now.
    fileprivate func days(_ count: Double) -> String {
        ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: count * 86_400))
    }

    fileprivate func stop() async throws {
        process.signal(SIGTERM)
        #expect(try await process.exit() == 0)
    }
}
