import Foundation

/// The dead letters of a gateway that runs, through its API.
///
/// Only the running core may take packets in, so there is no other way to them.
package struct Quarantine: Sendable {
    /// A dead letter as the API tells it.
    package struct Letter: Decodable, Sendable {
        package var id: Int64
        package var receivedAt: String
        package var topic: String
        package var reason: String
        package var byteOffset: Int
        package var detail: String
        package var rejectedCount: Int
        package var count: Int
        package var lastReceivedAt: String
        package var payloadBytes: Int
        package var payload: String
    }

    /// What became of letters.
    package struct Outcome: Decodable, Sendable {
        package var removed = 0
        package var accepted = 0
        package var rejected = 0
    }

    private struct Page: Decodable {
        var items: [Letter]
        var nextCursor: String?
    }

    private struct Choice: Encodable {
        var reason: String?
        var upTo: Int64
    }

    private let gateway: GatewayClient

    package init(_ gateway: GatewayClient) {
        self.gateway = gateway
    }

    /// The newest letters, of one reason if asked.
    package func list(reason: String?, limit: Int) async throws -> [Letter] {
        var letters: [Letter] = []
        var cursor: String?
        repeat {
            var query = "limit=\(min(200, limit - letters.count))"
            if let reason { query += "&reason=\(reason)" }
            if let cursor { query += "&cursor=\(cursor)" }
            let page: Page = try await gateway.call("GET", "/dead_letters?\(query)")
            letters += page.items
            cursor = page.nextCursor
        } while cursor != nil && letters.count < limit
        return letters
    }

    package func show(_ id: Int64) async throws -> Letter {
        try await gateway.call("GET", "/dead_letters/\(id)")
    }

    /// Takes in again or discards: the letters named, or, when none is, all (of a reason) there
    /// are now.
    package func apply(
        _ action: String,
        to ids: [Int64],
        reason: String?
    ) async throws -> Outcome {
        var total = Outcome()
        func add(_ outcome: Outcome) {
            total.removed += outcome.removed
            total.accepted += outcome.accepted
            total.rejected += outcome.rejected
        }
        for id in ids { add(try await gateway.call("POST", "/dead_letters/\(id)/\(action)")) }
        guard ids.isEmpty, let newest = try await list(reason: reason, limit: 1).first else {
            return total
        }
        while true {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            let body = try encoder.encode(Choice(reason: reason, upTo: newest.id))
            let outcome: Outcome = try await gateway.call("POST", "/dead_letters/\(action)", body)
            add(outcome)
            if outcome.removed == 0 { return total }
        }
    }
}
