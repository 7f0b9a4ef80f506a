import ConfigFiles
import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

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

    private struct Refusal: Decodable {
        var detail: String
    }

    private let base: String

    /// `url` is the gateway's own, or nil for the one the settings name.
    package init(url: String?, configPath: String) throws {
        if let url {
            base = url.hasSuffix("/") ? String(url.dropLast()) : url
        } else {
            let settings = try GatewayFile.load(configPath)
            base = "http://\(settings.webHost):\(settings.webPort)"
        }
    }

    /// The newest letters, of one reason if asked.
    package func list(reason: String?, limit: Int) async throws -> [Letter] {
        var letters: [Letter] = []
        var cursor: String?
        repeat {
            var query = "limit=\(min(200, limit - letters.count))"
            if let reason { query += "&reason=\(reason)" }
            if let cursor { query += "&cursor=\(cursor)" }
            let page: Page = try await call("GET", "/dead_letters?\(query)")
            letters += page.items
            cursor = page.nextCursor
        } while cursor != nil && letters.count < limit
        return letters
    }

    package func show(_ id: Int64) async throws -> Letter {
        try await call("GET", "/dead_letters/\(id)")
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
        for id in ids { add(try await call("POST", "/dead_letters/\(id)/\(action)")) }
        guard ids.isEmpty, let newest = try await list(reason: reason, limit: 1).first else {
            return total
        }
        while true {
            let encoder = JSONEncoder()
            encoder.keyEncodingStrategy = .convertToSnakeCase
            let body = try encoder.encode(Choice(reason: reason, upTo: newest.id))
            let outcome: Outcome = try await call("POST", "/dead_letters/\(action)", body)
            add(outcome)
            if outcome.removed == 0 { return total }
        }
    }

    private func call<Answer: Decodable>(
        _ method: String,
        _ path: String,
        _ body: Data? = nil
    ) async throws -> Answer {
        guard let url = URL(string: "\(base)/api/v1\(path)") else {
            throw QuarantineError(description: "'\(base)' is not a URL")
        }
        var request = URLRequest(url: url)
        request.httpMethod = method
        request.httpBody = body
        request.setValue(UUID().uuidString, forHTTPHeaderField: "Idempotency-Key")
        if let token = ProcessInfo.processInfo.environment["GATEWAY_TOKEN"] {
            request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
        }
        let (data, response): (Data, URLResponse)
        do {
            (data, response) = try await URLSession.shared.data(for: request)
        } catch {
            throw QuarantineError(
                description: "no gateway answers at \(base): start it with `gateway serve`, or "
                    + "name its address with --url"
            )
        }
        guard (response as? HTTPURLResponse)?.statusCode == 200 else {
            let refusal = try? JSONDecoder().decode(Refusal.self, from: data)
            throw QuarantineError(description: refusal?.detail ?? "\(response)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: data)
    }
}

/// Why the dead letters could not be had.
private struct QuarantineError: Error, CustomStringConvertible {
    let description: String
}
