import CoreLoop
import Decoding
import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1`: suggestions and alerts as JSON; decisions with a version check.
struct SuggestionsAPI {
    let services: WebServices

    func addRoutes(to router: Router<BasicRequestContext>) {
        let group = router.group("/api/v1")
        group.get("/suggestions") { request, _ in try await list(request) }
        group.get("/suggestions/:id") { request, context in try await show(request, context) }
        group.post("/suggestions/:id/book") { request, context in
            try await book(request, context)
        }
        group.post("/suggestions/:id/decline") { request, context in
            try await decline(request, context)
        }
        group.get("/alerts") { request, _ in try await alerts(request) }
    }

    // MARK: Reading

    private func list(_ request: Request) async throws -> Response {
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
            after: try query.cursor(),
            limit: limit + 1
        )
        let page = rows.prefix(limit)
        return try jsonResponse(
            ListDTO(
                items: page.map { SuggestionDTO($0, services) },
                nextCursor: rows.count > limit ? page.last.map(Query.cursor(after:)) : nil
            )
        )
    }

    private func show(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        _ = try Query(request, known: [])
        return try await answer(try id(context))
    }

    func answer(_ id: Int64) async throws -> Response {
        guard let row = try await services.reads.suggestion(id) else {
            throw APIProblem(Problem(.notFound))
        }
        return try jsonResponse(
            SuggestionDTO(row, services),
            headers: [.eTag: "\"v\(row.version)\""]
        )
    }

    private func alerts(_ request: Request) async throws -> Response {
        let query = try Query(request, known: ["limit"])
        let rows = try await services.reads.liveAlerts(limit: try query.limit())
        return try jsonResponse(
            ListDTO(items: rows.map { AlertDTO($0.alert, vehicle: $0.vehicle) }, nextCursor: nil)
        )
    }

    // MARK: Deciding

    private struct BookBody: Decodable {
        var offer: String?
        var start: String?
        var reason: String?
    }

    private struct DeclineBody: Decodable {
        var reason: String
        var note: String?
    }

    private func book(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        let body = try await decode(BookBody.self, request, whenEmpty: BookBody())
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
        _ context: BasicRequestContext
    ) async throws -> Response {
        let body = try await decode(DeclineBody.self, request, whenEmpty: nil)
        let reason = try value(body.reason, "reason", DeclineReason.self)
        return try await take(.decline(reason, note: noteText(body.note)), request, context)
    }

    /// Takes a step on the version the request names, and answers with the suggestion after it.
    func take(
        _ step: SuggestionStep,
        _ request: Request,
        _ context: BasicRequestContext
    ) async throws -> Response {
        let id = try id(context)
        let command = Command.suggestion(
            SuggestionID(rawValue: id),
            version: try version(request),
            step,
            by: caller(context)
        )
        if case .failure(let problem) = await services.core.submit(command) {
            var refusal = APIProblem(problem)
            if problem.code == .slotTaken {
                refusal.slots = try await services.reads.suggestion(id)?.offers.map(SlotDTO.init)
            }
            throw refusal
        }
        return try await answer(id)
    }
}

// MARK: Parts of a request

/// `If-Match: "v3"`: a change names the version it saw.
func version(_ request: Request) throws -> Int {
    guard let tag = request.headers[.ifMatch] else {
        throw APIProblem(
            .preconditionRequired,
            code: "version_missing",
            detail: "Send If-Match with the ETag of the record, such as \"v3\"."
        )
    }
    guard tag.hasPrefix("\"v"), tag.hasSuffix("\""), tag.count > 3,
        let version = Int(tag.dropFirst(2).dropLast())
    else { throw invalid("If-Match", "an ETag such as \"v3\"") }
    return version
}

/// Who asks: without logins whoever reaches the API may do everything.
func caller(_ context: BasicRequestContext, as name: String = "api") -> Actor {
    Actor(name, .manager, request: context.id)
}

/// A name of a closed set of values.
func value<Value: RawRepresentable & CaseIterable>(
    _ text: String,
    _ name: String,
    _ type: Value.Type
) throws -> Value where Value.RawValue == String {
    guard let value = Value(rawValue: text) else {
        throw invalid(name, "one of: \(names(Value.self))")
    }
    return value
}

/// An RFC 3339 time with a zone; nil for none.
func time(_ text: String?, _ name: String) throws -> Timestamp? {
    guard let text else { return nil }
    let bytes = Array(text.utf8)
    var decoder = TimestampDecoder()
    guard let time = decoder.decode(bytes.span, from: 0, to: bytes.count) else {
        throw invalid(name, "a time such as 2026-11-21T10:15:30Z")
    }
    return time
}

/// The number in a path.
func id(_ context: BasicRequestContext) throws -> Int64 {
    guard let id = context.parameters.get("id", as: Int64.self) else {
        throw APIProblem(Problem(.notFound))
    }
    return id
}

/// A request's body; an empty one stands for `standard`, where that is given.
func decode<Body: Decodable>(
    _ type: Body.Type,
    _ request: Request,
    whenEmpty standard: Body?
) async throws -> Body {
    var request = request
    let buffer = try await request.collectBody(upTo: Limits.requestBodyBytesMax)
    if buffer.readableBytes == 0, let standard { return standard }
    do {
        return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
    } catch {
        throw invalid("body", "a JSON object with the fields the documentation names")
    }
}

func invalid(_ name: String, _ expected: String) -> APIProblem {
    APIProblem(
        .unprocessableContent,
        code: "invalid_value",
        detail: "\(name) must be \(expected)."
    )
}

/// What an advisor wrote, bounded, and without the NUL at which SQLite's text would end.
func noteText(_ text: String?) -> String {
    String((text ?? "").replacing("\0", with: "").prefix(500))
}

/// All names of a closed set of values, for an error that says what would be right.
func names<Value: RawRepresentable & CaseIterable>(_ type: Value.Type) -> String
where Value.RawValue == String {
    Value.allCases.map(\.rawValue).joined(separator: ", ")
}

/// The query of a request; an unknown parameter is an error, because ignoring it would answer
/// another question than the one that was asked.
struct Query {
    private let values: [String: String]

    init(_ request: Request, known: Set<String>) throws {
        var values: [String: String] = [:]
        for (name, value) in request.uri.queryParameters {
            guard known.contains(String(name)) else {
                throw APIProblem(
                    .badRequest,
                    code: "unknown_parameter",
                    detail: "The parameter '\(name)' is not known here."
                )
            }
            values[String(name)] = String(value)
        }
        self.values = values
    }

    subscript(name: String) -> String? { values[name] }

    func limit() throws -> Int {
        guard let text = values["limit"] else { return 50 }
        guard let limit = Int(text), (1...Limits.pageRowsMax).contains(limit) else {
            throw invalid("limit", "a whole number in 1…\(Limits.pageRowsMax)")
        }
        return limit
    }

    /// An RFC 3339 time with a zone, or nil when the parameter is absent.
    func time(_ name: String) throws -> Timestamp? {
        guard let text = values[name] else { return nil }
        guard let time = try? AdvisorWeb.time(text, name) else {
            throw invalid(name, "a time such as 2026-11-21T10:15:30Z")
        }
        return time
    }

    /// One of a closed set of values; nil when the parameter is absent.
    func value<Value: RawRepresentable & CaseIterable>(
        _ name: String,
        _ type: Value.Type
    ) throws -> Value? where Value.RawValue == String {
        guard let text = values[name] else { return nil }
        guard let value = Value(rawValue: text) else {
            throw invalid(name, "one of: \(names(type))")
        }
        return value
    }

    /// Where the last page ended: `start.id`.
    func pair() throws -> (start: Int64, id: Int64)? {
        guard let text = values["cursor"] else { return nil }
        let parts = text.split(separator: ".").map { Int64($0) }
        guard parts.count == 2, let start = parts[0], let id = parts[1] else {
            throw invalid("cursor", "the next_cursor of an earlier answer")
        }
        return (start, id)
    }

    /// Where the last page ended: `urgency.latest_by.id`.
    func cursor() throws -> (urgency: Int, latestBy: Int64, id: Int64)? {
        guard let text = values["cursor"] else { return nil }
        let parts = text.split(separator: ".").map { Int64($0) }
        guard parts.count == 3, let urgency = parts[0], let latestBy = parts[1], let id = parts[2]
        else { throw invalid("cursor", "the next_cursor of an earlier answer") }
        return (Int(urgency), latestBy, id)
    }

    static func cursor(after row: SuggestionRecord) -> String {
        "\(row.urgency.rawValue).\(row.latestBy.milliseconds).\(row.id)"
    }

    func invalid(_ name: String, _ expected: String) -> APIProblem {
        APIProblem(
            .badRequest,
            code: "invalid_parameter",
            detail: "\(name) must be \(expected)."
        )
    }
}
