import Foundation
import Hummingbird
import Synchronization

/// A program that takes deliveries over HTTP, after it has refused the first.
final class WebhookProgram: Sendable {
    struct Delivery: Sendable, Encodable {
        var body: String
        var headers: [String: String]
    }

    private let seen = Mutex<[Delivery]>([])
    private let port = Mutex<Int?>(nil)

    var deliveries: [Delivery] { seen.withLock { $0 } }
    var boundPort: Int? { port.withLock { $0 } }

    func run() async throws {
        let router = Router()
        router.post("/told") { request, _ in
            let body = try await request.body.collect(upTo: 10_000)
            var headers: [String: String] = [:]
            for field in request.headers { headers[field.name.canonicalName] = field.value }
            let delivery = Delivery(body: String(buffer: body), headers: headers)
            let isFirst = self.seen.withLock { seen in
                seen.append(delivery)
                return seen.count == 1
            }
            return Response(status: isFirst ? .serviceUnavailable : .noContent)
        }
        let server = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                self.port.withLock { $0 = channel.localAddress?.port }
            }
        )
        try await server.run()
    }
}
