import ConfigFiles
import Foundation
import SimulatorParts
import Telemetry

/// The loop of a simulated dealer: what the list and the calendar ask for is done, in order.
struct DealerRun {
    /// What was done, for the account at the end.
    struct Account {
        var calls = 0
        var booked = 0
        var merged = 0
        var declined = 0
        var arrived = 0
        var finished = 0
        var followUps = 0
    }

    /// A car comes at most so much too early.
    private static let aheadMax = Milliseconds.hours(4)

    private let api: GatewayAPI
    private let line: FleetLine
    private let clock: CatchUpClock
    private let desk: Desk
    private let workshop: Workshop
    private var account = Account()
    private var zones: [String: ZoneOffsets] = [:]
    /// When a record that refused a step is looked at again, by its route.
    private var restsUntil: [String: Timestamp] = [:]
    private var causes: [Int64: Workshop.Cause] = [:]
    private var hasTold = false
    private var lookedAt: Timestamp?

    init(api: GatewayAPI, line: FleetLine, clock: CatchUpClock, seed: UInt64) {
        self.api = api
        self.line = line
        self.clock = clock
        desk = Desk(seed: seed, present: clock.present)
        workshop = Workshop(desk: desk)
    }

    /// Works until it is stopped.
    mutating func work() async throws {
        while true {
            let wall = DealerCommand.wall()
            let now = clock.time(atWall: wall)
            let hasCaughtUp = now == wall
            do {
                try line.beat()
                try await answer(now)
                try await receive(now)
                if hasCaughtUp, !hasTold { try await tell() }
            } catch is URLError {
                // The gateway is not there yet, or not any more.
            } catch let error as Refused {
                say("\(error)")
            }
            // Played time is short: a quarter of an hour is 30 ms.
            try await Task.sleep(for: hasCaughtUp ? .seconds(1) : .milliseconds(5))
        }
    }

    // MARK: Desk

    private mutating func answer(_ now: Timestamp) async throws {
        let page: Page<SuggestionRecord> = try await api.get(
            "/api/v1/suggestions?state=proposed&limit=200"
        )
        for suggestion in page.items {
            for alert in suggestion.alerts {
                causes[alert.id] = (alert.id, alert.rule, alert.isCrossed)
            }
            let path = "/api/v1/suggestions/\(suggestion.id)"
            guard restsUntil[path] ?? now <= now,
                let act = desk.act(on: suggestion, now: now, zone: zone(suggestion.stationTz))
            else { continue }
            var isTaken = try await take(act, suggestion, path)
            if !isTaken, case .call(let body) = act, body.contains("accepted") {
                isTaken = try await bookAnother(suggestion, path, now)
            }
            if !isTaken { restsUntil[path] = now + .minutes(90) }
        }
    }

    private mutating func take(
        _ act: Desk.Act,
        _ suggestion: SuggestionRecord,
        _ path: String
    ) async throws -> Bool {
        switch act {
        case .call(let body):
            guard try await api.post("\(path)/attempts", version: suggestion.version, body) else {
                return false
            }
            account.calls += 1
            if body.contains("accepted") { account.booked += 1 }
            if body.contains("not_interested") || body.contains("done_elsewhere") {
                account.declined += 1
            }
        case .book(let body):
            guard try await api.post("\(path)/book", version: suggestion.version, body) else {
                return false
            }
            account.booked += 1
        case .decline(let body):
            guard try await api.post("\(path)/decline", version: suggestion.version, body) else {
                return false
            }
            account.declined += 1
        case .merge:
            guard try await api.post("\(path)/merge", version: suggestion.version) else {
                return false
            }
            account.merged += 1
        }
        return true
    }

    /// The held slot is gone: the first one that would do, while one speaks.
    private mutating func bookAnother(
        _ suggestion: SuggestionRecord,
        _ path: String,
        _ now: Timestamp
    ) async throws -> Bool {
        guard suggestion.offers.isEmpty else { return false }
        let page: Page<SuggestionRecord.Offer> = try await api.get(
            "\(path)/slots?from=\(now)&to=\(now + .days(Int64(10)))"
        )
        guard let slot = page.items.first else { return false }
        let body = #"{"start":"\#(slot.start)","reason":"the customer chose it"}"#
        return try await take(.book(body), suggestion, path)
    }

    private mutating func zone(_ name: String) -> ZoneOffsets {
        if let known = zones[name] { return known }
        let zone = ZoneOffsets.named(name)
        zones[name] = zone
        return zone ?? .utc
    }

    // MARK: Workshop

    private mutating func receive(_ now: Timestamp) async throws {
        // The next look may take as long as this one, and half as long again.
        let span =
            lookedAt.map { min((now - $0).rawValue * 3 / 2, DealerRun.aheadMax.rawValue) } ?? 0
        lookedAt = now
        let window = "from=\(now - .days(Int64(1)))&to=\(now + .days(Int64(2)))"
        var visits: Page<VisitRecord> = try await api.get(
            "/api/v1/appointments?\(window)&limit=200"
        )
        for kind in ["follow_up", "no_show_call"] {
            let more: Page<VisitRecord> = try await api.get(
                "/api/v1/appointments?to_do=\(kind)&limit=50"
            )
            visits.items += more.items
        }
        for visit in visits.items {
            let path = "/api/v1/appointments/\(visit.id)"
            let known = visit.alerts.map { causes[$0] ?? ($0, "", true) }
            guard restsUntil[path] ?? now <= now,
                let act = workshop.act(
                    on: visit,
                    causes: known,
                    condition: line.conditions[visit.vehicle],
                    now: now,
                    ahead: Milliseconds(span)
                )
            else { continue }
            guard try await api.post("\(path)/\(act.step)", version: visit.version, act.body) else {
                restsUntil[path] = now + .minutes(20)
                continue
            }
            switch act.step {
            case "arrive": account.arrived += 1
            case "follow_up": account.followUps += 1
            case "finish":
                account.finished += 1
                for part in Set(known.map { Repair.part(ofRule: $0.rule) }).sorted() {
                    try line.tell(repaired: part, on: visit.vehicle)
                }
            default: break
            }
        }
    }

    // MARK: Account

    private struct Count: Decodable {
        struct Item: Decodable {
            var isBreached: Bool
            var queue: String
        }

        var items: [Item]
    }

    /// At the present: what the played days came to, and whose turn it is.
    private mutating func tell() async throws {
        hasTold = true
        let open: Page<Count.Item> = try await api.get(
            "/api/v1/suggestions?state=proposed&limit=200"
        )
        let missed: Page<VisitRecord> = try await api.get(
            "/api/v1/appointments?state=no_show&limit=200"
        )
        let breached = open.items.count { $0.isBreached }
        say(
            """
            the present is reached. The simulated desk and workshop have made \(account.calls) \
            calls, booked \(account.booked) visits, received \(account.arrived) cars, finished \
            \(account.finished), made \(account.followUps) calls afterwards; \
            \(account.declined) owners declined, \(missed.items.count) missed a visit lately.
            dealer: \(open.items.count) suggestions are yours now, \(breached) of them late. The \
            workshop goes on; a car that must stop is called after 4 minutes unless you do it.
            """
        )
    }

    private func say(_ text: String) {
        FileHandle.standardError.write(Data("dealer: \(text)\n".utf8))
    }
}
