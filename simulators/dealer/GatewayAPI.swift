import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// The gateway's HTTP interface, as any program of a dealer's would use it.
struct GatewayAPI {
    private let base: String
    private let session: URLSession

    init(url: String) {
        base = url
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 10
        session = URLSession(configuration: configuration)
    }

    func get<Answer: Decodable>(_ path: String) async throws -> Answer {
        let (data, status) = try await send("GET", path)
        guard status == 200 else { throw Refused(path: path, status: status) }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: data)
    }

    /// A decision on a version of a record.
    /// - Returns: whether it was taken; a refusal is part of the day, as when the record has
    ///   changed meanwhile.
    func post(_ path: String, version: Int? = nil, _ body: String = "") async throws -> Bool {
        try await send("POST", path, version: version, body).status < 300
    }

    private func send(
        _ method: String,
        _ path: String,
        version: Int? = nil,
        _ body: String = ""
    ) async throws -> (data: Data, status: Int) {
        guard let url = URL(string: base + path) else { throw Refused(path: path, status: 0) }
        var request = URLRequest(url: url)
        request.httpMethod = method
        if method == "POST" {
            request.setValue(UUID().uuidString, forHTTPHeaderField: "Idempotency-Key")
            if let version { request.setValue("\"v\(version)\"", forHTTPHeaderField: "If-Match") }
            if !body.isEmpty {
                request.setValue("application/json", forHTTPHeaderField: "Content-Type")
                request.httpBody = Data(body.utf8)
            }
        }
        let (data, response) = try await session.data(for: request)
        return (data, (response as? HTTPURLResponse)?.statusCode ?? 0)
    }
}

struct Refused: Error, CustomStringConvertible {
    var path: String
    var status: Int

    var description: String { "\(path) answers \(status)" }
}
