import Access
import CoreLoop
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1`: suggestions and alerts as JSON; decisions with a version check.
struct SuggestionsAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1")
        group.get("/suggestions") { request, context in try await list(request, context) }
        group.get("/suggestions/:id") { request, context in try await show(request, context) }
        group.post("/suggestions/:id/book") { request, context in
            try await book(request, context)
        }
        group.post("/suggestions/:id/decline") { request, context in
            try await decline(request, context)
        }
        group.get("/alerts") { request, context in try await alerts(request, context) }
        group.get("/alerts/:id") { request, context in try await alert(request, context) }
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(
            request,
            known: [
                "state", "class", "station", "owner", "queue", "flag", "due_before", "q", "limit",
                "cursor",
            ]
        )
        let limit = try query.limit()
        let rows = try await services.reads.suggestions(
            try filter(query),
            after: try query.suggestionCursor(),
            limit: limit + 1,
            stations: context.caller.stations
        )
        let page = rows.prefix(limit)
        return try listResponse(
            page.map { SuggestionDTO($0, services) },
            next: rows.count > limit ? page.last.map(Cursor.init(after:)) : nil,
            request
        )
    }

    private func filter(_ query: Query) throws -> SuggestionFilter {
        let state = try query.value("state", SuggestionState.self) ?? .proposed
        var filter = SuggestionFilter(states: [state])
        if let name = query["class"] {
            filter.urgency = Urgency.allCases.first { $0.name == name }
            guard filter.urgency != nil else {
                let names = Urgency.allCases.map(\.name).joined(separator: ", ")
                throw query.invalid("class", "one of: \(names)")
            }
        }
        filter.station = query["station"]
        filter.owner = query["owner"]
        filter.queue = try query.value("queue", Queue.self)
        filter.flag = try query.value("flag", SuggestionFilter.Flag.self)
        filter.dueBefore = try query.time("due_before")
        filter.text = query["q"]
        return filter
    }

    private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        return try answer(try await row(try id(context), context))
    }

    /// A suggestion the caller may know of.
    func row(_ id: Int64, _ context: WebContext) async throws -> SuggestionRecord {
        guard let row = try await services.reads.suggestion(id),
            context.caller.sees(station: row.stationCode)
        else { throw APIProblem(Problem(.notFound)) }
        return row
    }

    private func answer(_ row: SuggestionRecord) throws -> Response {
        try jsonResponse(SuggestionDTO(row, services), headers: [.eTag: tag(row.version)])
    }

    private func alerts(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["limit", "cursor"])
        let limit = try query.limit()
        let after = try query.cursor(numbers: 2)
        let rows = try await services.reads.liveAlerts(
            before: after.map { (raisedAt: $0[0], id: $0[1]) },
            limit: limit + 1,
            stations: context.caller.stations,
            standardStation: services.stations[0].code
        )
        let page = rows.prefix(limit)
        return try listResponse(
            page.map { AlertDTO($0.alert, vehicle: $0.vehicle) },
            next: rows.count > limit
                ? page.last.map {
                    Cursor([$0.alert.raisedAt.milliseconds, $0.alert.id.rawValue])
                } : nil,
            request
        )
    }

    private func alert(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let row = try await services.reads.alert(
            try id(context),
            standardStation: services.stations[0].code
        )
        guard let row, context.caller.sees(station: row.station) else {
            throw APIProblem(Problem(.notFound))
        }
        return try jsonResponse(AlertDTO(row.alert, vehicle: row.vehicle))
    }

    // MARK: Deciding

    private struct BookBody: Decodable {
        var offer: String?
        var start: String?
        var hold: Int64?
        var reason: String?
    }

    private struct DeclineBody: Decodable {
        var reason: String
        var note: String?
    }

    private func book(_ request: Request, _ context: WebContext) async throws -> Response {
        let body = try await decode(BookBody.self, request, whenEmpty: BookBody())
        if let hold = body.hold {
            let step = SuggestionStep.bookHold(
                OccupancyID(rawValue: hold),
                reason: noteText(body.reason)
            )
            return try await take(step, request, context)
        }
        let choice: SlotChoice
        if let start = try time(body.start, "start") {
            choice = .start(start, reason: noteText(body.reason))
        } else {
            choice = try body.offer.map { .offer(try value($0, "offer", OfferLabel.self)) } ?? .held
        }
        return try await take(.book(choice), request, context)
    }

    private func decline(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(DeclineBody.self, request, whenEmpty: nil)
        let reason = try value(body.reason, "reason", DeclineReason.self)
        return try await take(.decline(reason, note: noteText(body.note)), request, context)
    }

    /// Takes a step on the version the request names, and answers with the suggestion after it.
    func take(
        _ step: SuggestionStep,
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let id = try id(context)
        let command = Command.suggestion(
            SuggestionID(rawValue: id),
            version: try version(of: request),
            step,
            by: context.actor
        )
        // What lies out of the caller's scope is not there, for a decision either.
        _ = try await row(id, context)
        if case .failure(let problem) = await services.core.submit(command) {
            var refusal = APIProblem(problem)
            let row = try await row(id, context)
            if problem.code == .slotTaken { refusal.slots = row.offers.map(SlotDTO.init) }
            if problem.currentVersion != nil { refusal.current = SuggestionDTO(row, services) }
            throw refusal
        }
        return try answer(try await row(id, context))
    }
}
