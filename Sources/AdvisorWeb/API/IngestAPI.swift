import Access
import CoreLoop
import Decoding
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/dead_letters`: what was rejected.
struct IngestAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1")
        group.get("/dead_letters") { request, _ in try await list(request) }
        group.get("/dead_letters/:id") { request, context in
            try await show(request, context)
        }
        group.post("/dead_letters/reingest") { request, _ in try await reingest(request) }
        group.post("/dead_letters/discard") { request, _ in try await discard(request) }
        group.post("/dead_letters/:id/reingest") { request, context in
            _ = try Query(request, known: [])
            return try await reingest([try await letter(context)])
        }
        group.post("/dead_letters/:id/discard") { request, context in
            _ = try Query(request, known: [])
            return try await submit(.discard([try await letter(context).id]))
        }
    }

    // MARK: Dead letters

    private func list(_ request: Request) async throws -> Response {
        let query = try Query(request, known: ["reason", "limit", "cursor"])
        let reason = query["reason"]
        if let reason, RejectionReason(rawValue: reason) == nil {
            let known = RejectionReason.allCases.map(\.rawValue).joined(separator: ", ")
            throw query.invalid("reason", "one of: \(known)")
        }
        let limit = try query.limit()
        let rows = try await services.reads.deadLetters(
            reason: reason,
            before: try query.cursor(numbers: 1)?[0] ?? .max,
            limit: limit + 1
        )
        let page = rows.prefix(limit)
        return try listResponse(
            page.map { DeadLetterDTO($0, isWhole: false) },
            next: rows.count > limit ? page.last.map { Cursor([$0.id]) } : nil,
            request
        )
    }

    private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        return try jsonResponse(DeadLetterDTO(try await letter(context), isWhole: true))
    }

    private func letter(_ context: WebContext) async throws -> DeadLetterRecord {
        guard let letter = try await services.reads.deadLetter(try id(context)) else {
            throw APIProblem(.notFound, code: "not_found", detail: "There is no such dead letter.")
        }
        return letter
    }

    /// Which letters a call is about: those of a reason, or all, up to a number, so that those that
    /// are rejected anew are not taken in again and again; the oldest first, a page at a time.
    private struct Choice: Decodable {
        var reason: String?
        var upTo: Int64?

        enum CodingKeys: String, CodingKey {
            case reason
            case upTo = "up_to"
        }
    }

    private func chosen(_ request: Request) async throws -> [DeadLetterRecord] {
        _ = try Query(request, known: [])
        let choice = try await decode(Choice.self, request, whenEmpty: Choice())
        if let reason = choice.reason, RejectionReason(rawValue: reason) == nil {
            let known = RejectionReason.allCases.map(\.rawValue).joined(separator: ", ")
            throw invalid("reason", "one of: \(known)")
        }
        return try await services.reads.oldestDeadLetters(
            reason: choice.reason,
            upTo: choice.upTo ?? .max,
            limit: Limits.reingestLettersMax
        )
    }

    private func reingest(_ request: Request) async throws -> Response {
        try await reingest(try await chosen(request))
    }

    private func reingest(_ letters: [DeadLetterRecord]) async throws -> Response {
        try await submit(.reingest(letters.flatMap(\.packets)))
    }

    private func discard(_ request: Request) async throws -> Response {
        try await submit(.discard(try await chosen(request).map(\.id)))
    }

    private func submit(_ command: Command) async throws -> Response {
        switch await services.core.submit(command) {
        case .success(.deadLetters(let removed, let accepted, let rejected)):
            return try jsonResponse(
                DeadLettersAnswerDTO(removed: removed, accepted: accepted, rejected: rejected)
            )
        case .success: throw APIProblem(Problem(.notFound))
        case .failure(let problem): throw APIProblem(problem)
        }
    }
}
