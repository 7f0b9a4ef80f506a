import Access
import Hummingbird
import Messages
import Store
import Telemetry
import Workshop

/// `/api/v1/messages`: what became of messages to customers; those that were not sent say why.
struct MessagesAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        router.group("/api/v1").get("/messages") { request, context in
            try await list(request, context)
        }
    }

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["state", "vehicle", "limit", "cursor"])
        let state = try query["state"].map { name in
            guard let state = MessageState(rawValue: name) else {
                throw query.invalid("state", "one of: \(names(MessageState.self))")
            }
            return state
        }
        let limit = try query.limit()
        let rows = try await services.desk.messages(
            before: try query.cursor(numbers: 1)?[0] ?? .max,
            state: state,
            vehicle: query["vehicle"],
            limit: limit + 1,
            stations: context.caller.stations,
            standardStation: services.stations[0].code
        )
        let page = rows.prefix(limit)
        return try listResponse(
            page.map(MessageDTO.init),
            next: rows.count > limit ? page.last.map { Cursor([$0.id]) } : nil,
            request
        )
    }
}

/// A message without its words: they are the owner's.
struct MessageDTO: Encodable {
    var id: Int64
    var kind: String
    var vehicle: String
    var record: Int64
    var template: String?
    var channel: String?
    var state: String
    var reason: String?
    var answer: String?
    var attempts: Int
    var createdAt: String
    var updatedAt: String

    init(_ message: MessageStatus) {
        id = message.id
        kind = message.kind.rawValue
        vehicle = message.vehicle
        record = message.record
        template = message.template
        channel = message.channel
        state = message.state.rawValue
        reason = message.reason
        answer = message.answer
        attempts = message.attempts
        createdAt = "\(message.createdAt)"
        updatedAt = "\(message.updatedAt)"
    }

    enum CodingKeys: String, CodingKey {
        case id, kind, vehicle, record, template, channel, state, reason, answer, attempts
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }
}
