import Access
import Foundation
import GatewayCore
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/webhooks`: programs that are told of what happens.
struct WebhooksAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/webhooks")
        group.get("") { request, context in
            _ = try Query(request, known: [])
            let rows = try await seen(by: context)
            return try jsonResponse(ListDTO(items: rows.map { WebhookDTO($0) }, nextCursor: nil))
        }
        group.post("") { request, context in try await add(request, context) }
        group.delete("/:id") { request, context in
            _ = try Query(request, known: [])
            let id = try await row(context).id
            let now = services.wallClock()
            guard try await services.desk.removeWebhook(id, by: context.actor, at: now) else {
                throw APIProblem(Problem(.notFound))
            }
            return Response(status: .noContent)
        }
        group.post("/:id/resume") { request, context in
            _ = try Query(request, known: [])
            let row = try await row(context)
            try await services.desk.noteDelivered(webhook: row.id, upTo: row.delivered)
            return try jsonResponse(WebhookDTO(try await self.row(context)))
        }
    }

    /// Whoever is bound to stations sees the webhooks of no others.
    private func seen(by context: WebContext) async throws -> [WebhookRecord] {
        try await services.desk.webhooks().filter { row in
            guard let stations = context.caller.stations else { return true }
            return !row.stations.isEmpty && row.stations.isSubset(of: stations)
        }
    }

    private func row(_ context: WebContext) async throws -> WebhookRecord {
        let id = try id(context)
        guard let row = try await seen(by: context).first(where: { $0.id == id }) else {
            throw APIProblem(Problem(.notFound))
        }
        return row
    }

    private struct WebhookBody: Decodable {
        var url: String
        var events: [String]
        var stations: [String]?
        var format: String?
    }

    private func add(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let body = try await decode(WebhookBody.self, request, whenEmpty: nil)
        guard WebhooksAPI.isAllowed(body.url) else {
            throw invalid("url", "https, or http on this machine")
        }
        guard !body.events.isEmpty, body.events.allSatisfy(WebhooksAPI.isEvent) else {
            throw invalid("events", "a list such as [\"suggestion.*\", \"appointment.book\"]")
        }
        guard let format = EventFormat(rawValue: body.format ?? EventFormat.gateway.rawValue) else {
            throw invalid("format", "gateway or cloudevents")
        }
        var stations = Set(body.stations ?? [])
        if stations.isEmpty { stations = context.caller.stations ?? [] }
        for station in stations {
            try context.require(station: station)
            guard services.stations.contains(where: { $0.code == station }) else {
                throw APIProblem(Problem(.unknownName))
            }
        }
        let isOfRecords = body.events.allSatisfy {
            $0.hasPrefix("suggestion.") || $0.hasPrefix("appointment.")
        }
        guard stations.isEmpty || isOfRecords else {
            throw invalid("events", "of suggestions and appointments, which are a station's")
        }
        let secret = Data(Secret.make().utf8)
        let id = try await services.desk.addWebhook(
            url: body.url,
            secret: secret,
            events: Set(body.events),
            stations: stations,
            format: format,
            by: context.actor,
            at: services.wallClock()
        )
        guard let id else {
            throw APIProblem(
                .conflict,
                code: "too_many_webhooks",
                detail: "This one is there already, or \(Limits.webhooksMax) others; remove one."
            )
        }
        let row = try await services.desk.webhooks().first { $0.id == id }
        guard let row else { throw APIProblem(Problem(.notFound)) }
        return try jsonResponse(
            WebhookDTO(row, secret: "whsec_\(secret.base64EncodedString())"),
            status: .created,
            headers: [.cacheControl: "no-store"]
        )
    }

    private static func isAllowed(_ text: String) -> Bool {
        guard let url = URL(string: text), let host = url.host?.lowercased(), url.user == nil,
            // Addresses of the machine's own link answer with the secrets of its cloud.
            !host.hasPrefix("169.254."), !host.hasPrefix("fe80:"), !host.hasPrefix("[fe80:")
        else { return false }
        return url.scheme == "https" || (url.scheme == "http" && WebServer.isLoopback(host))
    }

    /// `machine.event` or `machine.*`, of what happens to suggestions, visits, alerts, customers.
    private static func isEvent(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return false }
        let events: [String]
        switch parts[0] {
        case "alert": events = AlertState.Event.allCases.map(\.rawValue)
        case "suggestion": events = SuggestionState.Event.allCases.map(\.rawValue)
        case "appointment": events = AppointmentState.Event.allCases.map(\.rawValue)
        case "customer": events = ["erase", "vehicle_left"]
        case "vehicle": events = ["silent_too_long", "heard"]
        default: return false
        }
        return parts[1] == "*" || events.contains(parts[1])
    }
}

struct WebhookDTO: Encodable {
    var id: Int64
    var url: String
    var events: [String]
    var stations: [String]
    var format: String
    var createdAt: String
    var createdBy: String
    /// What deliveries are signed with; in the answer that made it, and never again.
    var secret: String?
    var failures: Int
    var lastError: String?
    var nextTryAt: String?
    var isParked: Bool

    init(_ row: WebhookRecord, secret: String? = nil) {
        id = row.id
        url = row.url
        events = row.events.sorted()
        stations = row.stations.sorted()
        format = row.format.rawValue
        createdAt = "\(row.createdAt)"
        createdBy = row.createdBy
        self.secret = secret
        failures = row.failures
        lastError = row.lastError
        nextTryAt = row.failures == 0 ? nil : "\(row.nextTryAt)"
        isParked = row.isParked
    }

    enum CodingKeys: String, CodingKey {
        case id, url, events, stations, format, secret, failures
        case createdAt = "created_at"
        case createdBy = "created_by"
        case lastError = "last_error"
        case nextTryAt = "next_try_at"
        case isParked = "is_parked"
    }
}
