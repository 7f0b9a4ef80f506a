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
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["state", "limit", "cursor"])
        let states: [SuggestionState]
        switch query["state"] {
        case nil: states = [.proposed]
        case let name?:
            guard let state = SuggestionState(rawValue: name) else {
                throw query.invalid("state", "one of: \(names(SuggestionState.self))")
            }
            states = [state]
        }
        let limit = try query.limit()
        let rows = try await services.reads.suggestions(
            states: states,
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

    private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        return try answer(try await row(try id(context), context))
    }

    /// A suggestion the caller may know of.
    private func row(_ id: Int64, _ context: WebContext) async throws -> SuggestionRecord {
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

    // MARK: Deciding

    private struct BookBody: Decodable {
        var offer: String?
    }

    private struct DeclineBody: Decodable {
        var reason: String
        var note: String?
    }

    private func book(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let id = try id(context)
        let version = try version(of: request)
        let body = try await decode(BookBody.self, request, whenEmpty: BookBody(offer: nil))
        let offer = try body.offer.map { name in
            guard let label = OfferLabel(rawValue: name) else {
                throw invalid("offer", "one of: \(names(OfferLabel.self))")
            }
            return label
        }
        return try await submit(
            .book(
                SuggestionID(rawValue: id),
                version: version,
                offer: offer,
                actor: context.caller.name
            ),
            on: id,
            context
        )
    }

    private func decline(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let id = try id(context)
        let version = try version(of: request)
        let body = try await decode(DeclineBody.self, request, whenEmpty: nil)
        guard let reason = DeclineReason(rawValue: body.reason) else {
            throw invalid("reason", "one of: \(names(DeclineReason.self))")
        }
        return try await submit(
            .decline(
                SuggestionID(rawValue: id),
                version: version,
                reason: reason,
                note: noteText(body.note),
                actor: context.caller.name
            ),
            on: id,
            context
        )
    }

    private func submit(
        _ command: Command,
        on id: Int64,
        _ context: WebContext
    ) async throws -> Response {
        // What lies out of the caller's scope is not there, for a decision either.
        _ = try await row(id, context)
        switch await services.core.submit(command) {
        case .success(.suggestion(let id)):
            return try answer(try await row(id.rawValue, context))
        case .success: throw APIProblem(Problem(.notFound))
        case .failure(let problem):
            var refusal = APIProblem(problem)
            if problem.currentVersion != nil {
                refusal.current = SuggestionDTO(try await row(id, context), services)
            }
            throw refusal
        }
    }
}
