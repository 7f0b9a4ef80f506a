import Access
import HTTPTypes

/// The capability that each request needs, as a table of paths.
///
/// A route nobody thought of takes the right to see for reading and to decide for everything else.
enum AccessRules {
    /// Paths that need nobody's name: the way in, what a supervisor asks, and what brings a token of
    /// its own.
    private static let open = ["/login", "/healthz", "/readyz", "/assets/*", "/ical/*"]

    /// The first path that matches counts; `*` stands for one segment or, at the end, for all that
    /// follow.
    private static let table: [(path: String, reading: Capability, writing: Capability)] = [
        ("/logout", .see, .see),
        ("/api/v1/dead_letters", .feed, .mendFeed),
        ("/api/v1/dead_letters/*", .feed, .mendFeed),
        ("/api/v1/customers/*/unmask", .unmask, .unmask),
        ("/api/v1/customers/*/export", .privacy, .privacy),
        ("/api/v1/customers/*/erase", .requestErasure, .requestErasure),
        ("/api/v1/customers/*/erase/confirm", .privacy, .privacy),
        ("/api/v1/customers/*", .see, .editCustomers),
        ("/api/v1/alerts/*", .see, .mute),
        ("/api/v1/rules/*", .see, .changeRules),
        ("/api/v1/closures/*", .see, .closeStation),
        ("/api/v1/vehicles/*/accept", .see, .changeRules),
        ("/api/v1/vehicles/*", .see, .editCustomers),
        ("/api/v1/audit", .audit, .audit),
        ("/api/v1/webhooks/*", .webhooks, .webhooks),
        ("/*", .see, .decide),
    ]

    /// The right a request takes, or nil when it takes none.
    static func capability(_ method: HTTPRequest.Method, _ path: String) -> Capability? {
        guard !open.contains(where: { matches(path, $0) }) else { return nil }
        let isReading = method == .get || method == .head
        let rule = table.first { matches(path, $0.path) }
        return isReading ? rule?.reading ?? .see : rule?.writing ?? .decide
    }

    private static func matches(_ path: String, _ pattern: String) -> Bool {
        let asked = path.split(separator: "/")
        let parts = pattern.split(separator: "/")
        if parts.last == "*", asked.count >= parts.count - 1 {
            return zip(asked, parts.dropLast()).allSatisfy { $1 == "*" || $0 == $1 }
        }
        return asked.count == parts.count
            && zip(asked, parts).allSatisfy { $1 == "*" || $0 == $1 }
    }
}
