import Access
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Store
import Synchronization
import Telemetry

/// A POST to the API is done once, however often it is sent: the same `Idempotency-Key` gets the
/// same answer for a day.
///
/// The header is an IETF draft, so the rules are ours.
///
/// The answer is kept after the deed, in a commit of its own. A crash in between leaves the deed
/// without an answer; the versions that every change names then refuse the repeat.
struct IdempotentPosts: RouterMiddleware {
    let services: WebServices
    private let running = RunningKeys()

    init(services: WebServices) {
        self.services = services
    }

    @concurrent func handle(
        _ request: Request,
        context: WebContext,
        next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        guard request.method == .post, request.uri.path.hasPrefix("/api/") else {
            return try await next(request, context)
        }
        let key = try key(of: request)
        var request = request
        let body = try await request.boundedBody()
        let fingerprint = fingerprint(of: request, Data(body.readableBytesView))
        let caller = context.caller.key
        guard running.begin("\(caller) \(key)") else {
            throw APIProblem(
                .conflict,
                code: "idempotency_key_running",
                detail: "The first request with this Idempotency-Key is still being worked on."
            )
        }
        defer { running.end("\(caller) \(key)") }
        if let kept = try await services.desk.answer(
            to: caller,
            key: key,
            at: services.wallClock()
        ) {
            guard kept.fingerprint == fingerprint else {
                throw APIProblem(
                    .unprocessableContent,
                    code: "idempotency_key_reused",
                    detail: "This Idempotency-Key came with another request before: use a new one."
                )
            }
            return kept.response
        }
        let response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = try APIProblem.response(to: error, request, context)
        }
        // What may succeed in a moment must not be answered with its failure for a day.
        // What its handler says must not be stored is not: personal data shown once.
        guard response.status.code < 500, response.status != .tooManyRequests,
            response.headers[.cacheControl] != "no-store"
        else { return response }
        return try await keep(response, fingerprint, caller, key, context)
    }

    private func keep(
        _ response: Response,
        _ fingerprint: Data,
        _ caller: String,
        _ key: String,
        _ context: WebContext
    ) async throws -> Response {
        let collected = CollectedBody()
        try await response.body.write(CollectingWriter(body: collected))
        var headers: [String: String] = [:]
        for field in response.headers { headers[field.name.canonicalName] = field.value }
        let answer = KeptAnswer(
            fingerprint: fingerprint,
            status: response.status.code,
            headers: headers,
            body: collected.data
        )
        do {
            try await services.desk.keep(answer, to: caller, key: key, at: services.wallClock())
        } catch {
            // The deed is done and must be told; only a repeat would not know of it.
            context.logger.warning("an answer was not kept", metadata: ["error": "\(error)"])
        }
        var again = response
        again.body = ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
        return again
    }

    private func key(of request: Request) throws -> String {
        guard let name = HTTPField.Name("Idempotency-Key"), let key = request.headers[name] else {
            throw APIProblem(
                .badRequest,
                code: "idempotency_key_missing",
                detail: "Send an Idempotency-Key of your own making, such as a UUID."
            )
        }
        guard (1...Limits.idempotencyKeyBytesMax).contains(key.utf8.count),
            key.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
        else {
            throw APIProblem(
                .badRequest,
                code: "invalid_parameter",
                detail: "Idempotency-Key must be 1 to \(Limits.idempotencyKeyBytesMax) printable "
                    + "ASCII characters."
            )
        }
        return key
    }

    /// Of everything that makes the request this one.
    private func fingerprint(of request: Request, _ body: Data) -> Data {
        var hash = SHA256()
        for part in [
            request.head.path ?? "", request.headers[.ifMatch] ?? "",
            request.headers[.contentType] ?? "",
        ] {
            hash.update(data: Data("\(part)\n".utf8))
        }
        hash.update(data: body)
        return Data(hash.finalize())
    }
}

extension KeptAnswer {
    /// The first answer again, marked as a repeat.
    fileprivate var response: Response {
        var fields: HTTPFields = [:]
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        if let name = HTTPField.Name("Idempotency-Replayed") { fields[name] = "true" }
        return Response(
            status: HTTPResponse.Status(code: status),
            headers: fields,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body))
        )
    }
}

/// Keys whose first request has not been answered; they end with the process, as it does.
private final class RunningKeys: Sendable {
    private let keys = Mutex<Set<String>>([])

    func begin(_ key: String) -> Bool { keys.withLock { $0.insert(key).inserted } }

    func end(_ key: String) { keys.withLock { _ = $0.remove(key) } }
}

/// A body as it was written, in memory.
private final class CollectedBody: Sendable {
    private let bytes = Mutex<Data>(Data())

    var data: Data { bytes.withLock { $0 } }

    func append(_ buffer: ByteBuffer) {
        bytes.withLock { $0.append(contentsOf: buffer.readableBytesView) }
    }
}

private struct CollectingWriter: ResponseBodyWriter {
    let body: CollectedBody

    mutating func write(_ buffer: ByteBuffer) async throws { body.append(buffer) }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
