import ConfigFiles
import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A gateway that runs, through its API; GATEWAY_TOKEN holds the token once there are users.
package struct GatewayClient: Sendable {
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

    /// What the API answers.
    /// - Throws: what is wrong, in words: no gateway, or its refusal.
    func call<Answer: Decodable>(
        _ method: String,
        _ path: String,
        _ body: Data? = nil
    ) async throws -> Answer {
        guard let url = URL(string: "\(base)/api/v1\(path)") else {
            throw GatewayClientError(description: "'\(base)' is not a URL")
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
            throw GatewayClientError(
                description: "no gateway answers at \(base): start it with `gateway serve`, or "
                    + "name its address with --url"
            )
        }
        guard (response as? HTTPURLResponse)?.statusCode == 200 else {
            let refusal = try? JSONDecoder().decode(Refusal.self, from: data)
            throw GatewayClientError(description: refusal?.detail ?? "\(response)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: data)
    }
}

/// Why there is no answer.
private struct GatewayClientError: Error, CustomStringConvertible {
    let description: String
}
