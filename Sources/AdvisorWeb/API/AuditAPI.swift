import Access
import GatewayCore
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/audit`: who did what, when and why.
struct AuditAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        router.group("/api/v1").get("/audit") { request, context in
            try await list(request, context)
        }
    }

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(
            request,
            known: ["machine", "record", "actor", "event", "from", "to", "limit", "cursor"]
        )
        var filter = AuditFilter()
        filter.machine = try query.value("machine", Transition.Machine.self)
        if let text = query["record"] {
            guard let record = Int64(text) else { throw query.invalid("record", "a number") }
            filter.record = record
        }
        filter.actor = query["actor"]
        filter.event = query["event"]
        filter.from = try query.time("from")
        filter.to = try query.time("to")
        let limit = try query.limit()
        let rows = try await services.reads.audit(
            filter,
            before: try query.cursor(numbers: 1)?[0] ?? .max,
            limit: limit + 1,
            stations: context.caller.stations
        )
        let page = rows.prefix(limit)
        return try listResponse(
            page.map(AuditDTO.init),
            next: rows.count > limit ? page.last.map { Cursor([$0.id]) } : nil,
            request
        )
    }
}

struct AuditDTO: Encodable {
    var id: Int64
    var at: String
    var machine: String
    var record: Int64
    var from: String
    var event: String
    var to: String
    var actor: String
    var role: String
    var request: String
    /// Empty where it was erased.
    var reason: String
    /// What else changed, field by field, as the history keeps it.
    var changes: String
    /// Of this row and all before it, hexadecimal.
    var hash: String

    init(_ row: AuditRecord) {
        id = row.id
        at = "\(row.at)"
        machine = row.machine
        record = row.record
        from = row.from
        event = row.event
        to = row.to
        actor = row.actor
        role = row.role
        request = row.request
        reason = row.reason
        changes = row.changes
        hash = row.hash
    }
}
