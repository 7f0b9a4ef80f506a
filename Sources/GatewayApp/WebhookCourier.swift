import AdvisorWeb
import CoreLoop
import Crypto
import Foundation
import FoundationNetworking
import Logging
import ServiceLifecycle
import Store
import Synchronization
import Telemetry

/// Tells programs what has happened, each at its own pace, in the order of the history.
///
/// As Standard Webhooks has it: `webhook-id`, `webhook-timestamp` and `webhook-signature`, an
/// HMAC-SHA256 over the three of them with the body. What was taken is noted after the answer, so
/// that a crash tells something twice, never not at all.
struct WebhookCourier: Sendable {
    let services: WebServices
    /// Names this gateway in CloudEvents.
    let source: String
    let logger: Logger
    private let answers = AnswerStatus()
    private let session: URLSession

    init(services: WebServices, source: String, logger: Logger) {
        self.services = services
        self.source = source
        self.logger = logger
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = Limits.webhookSeconds
        configuration.timeoutIntervalForResource = Limits.webhookSeconds
        configuration.httpCookieStorage = nil
        session = URLSession(configuration: configuration, delegate: answers, delegateQueue: nil)
    }

    /// Webhooks whose time has come.
    func due() async -> [WebhookRecord] {
        do {
            let now = services.wallClock()
            return try await services.desk.webhooks()
                .filter { !$0.isParked && $0.nextTryAt <= now }
        } catch {
            logger.warning("webhooks wait", metadata: ["error": "\(error)"])
            return []
        }
    }

    /// Tells one webhook what is new to it, until there is no more or it refuses.
    func deliver(to webhook: WebhookRecord) async {
        do {
            let (rows, upTo) = try await services.reads.audit(
                after: webhook.delivered,
                limit: Limits.eventRowsMax,
                stations: webhook.stations.isEmpty ? nil : webhook.stations
            )
            for row in rows where webhook.wants(row) {
                let refusal = await send(ProgramEvent(row), to: webhook)
                // A stop is nobody's failure: the next start goes on here.
                guard !Task.isCancelled else { return }
                if let refusal {
                    return try await services.desk.noteFailed(
                        webhook: webhook.id,
                        error: refusal.reason,
                        isFinal: refusal.isFinal,
                        at: services.wallClock()
                    )
                }
                try await services.desk.noteDelivered(webhook: webhook.id, upTo: row.id)
            }
            guard upTo > webhook.delivered else { return }
            try await services.desk.noteDelivered(webhook: webhook.id, upTo: upTo)
        } catch {
            logger.warning(
                "a webhook waits",
                metadata: ["webhook": "\(webhook.id)", "error": "\(error)"]
            )
        }
    }

    private struct Refusal {
        var reason: String
        var isFinal: Bool
    }

    private func send(_ event: ProgramEvent, to webhook: WebhookRecord) async -> Refusal? {
        guard let url = URL(string: webhook.url) else {
            return Refusal(reason: "not a URL", isFinal: true)
        }
        do {
            let body = try event.body(as: webhook.format, source: source)
            var request = URLRequest(url: url)
            request.httpMethod = "POST"
            request.httpBody = body
            let headers = WebhookSignature.headers(
                id: "\(event.id)",
                at: services.wallClock(),
                body: body,
                secret: webhook.secret
            )
            for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
            request.setValue(webhook.format.contentType, forHTTPHeaderField: "Content-Type")
            let status = try await answers.status(of: request, in: session)
            // Gone means gone (RFC 9110 §15.5.11); everything else may mend.
            return (200..<300).contains(status)
                ? nil : Refusal(reason: "HTTP \(status)", isFinal: status == 410)
        } catch {
            return Refusal(reason: error.localizedDescription, isFinal: false)
        }
    }
}

/// What proves that a delivery is ours and new.
enum WebhookSignature {
    static func headers(
        id: String,
        at now: Timestamp,
        body: Data,
        secret: Data
    ) -> [String: String] {
        let seconds = now.milliseconds / 1_000
        let signed = Data("\(id).\(seconds).".utf8) + body
        let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: secret))
        return [
            "webhook-id": id, "webhook-timestamp": "\(seconds)",
            "webhook-signature": "v1,\(Data(code).base64EncodedString())",
        ]
    }
}

/// The status of an answer, whose body nobody needs and whose redirects nobody follows.
private final class AnswerStatus: NSObject, URLSessionDataDelegate {
    private let waiting = Mutex<[Int: CheckedContinuation<Int, any Error>]>([:])

    func status(of request: URLRequest, in session: URLSession) async throws -> Int {
        let task = session.dataTask(with: request)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiting.withLock { $0[task.taskIdentifier] = continuation }
                task.resume()
            }
        } onCancel: {
            task.cancel()
        }
    }

    private func answer(_ task: URLSessionTask, _ result: Result<Int, any Error>) {
        waiting.withLock { $0.removeValue(forKey: task.taskIdentifier) }?.resume(with: result)
    }

    func urlSession(
        _ session: URLSession,
        dataTask: URLSessionDataTask,
        didReceive response: URLResponse,
        completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void
    ) {
        answer(dataTask, .success((response as? HTTPURLResponse)?.statusCode ?? 0))
        completionHandler(.cancel)
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        answer(task, .success(response.statusCode))
        completionHandler(nil)
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        didCompleteWithError error: (any Error)?
    ) {
        answer(task, .failure(error ?? URLError(.badServerResponse)))
    }
}

/// Webhooks are looked after with every beat of the core, each by itself: a slow one holds up
/// nothing else.
struct WebhookService: Service {
    private let courier: WebhookCourier
    private let busy = BusyWebhooks()

    init(services: WebServices, source: String, logger: Logger) {
        courier = WebhookCourier(services: services, source: source, logger: logger)
    }

    func run() async throws {
        guard let beats = courier.services.core.changes.subscribe() else { return }
        await withDiscardingTaskGroup { group in
            for await _ in beats.cancelOnGracefulShutdown() {
                for webhook in await courier.due() where busy.begin(webhook.id) {
                    group.addTask {
                        await courier.deliver(to: webhook)
                        busy.end(webhook.id)
                    }
                }
            }
            group.cancelAll()
        }
    }
}

/// Webhooks that are being told right now.
private final class BusyWebhooks: Sendable {
    private let ids = Mutex<Set<Int64>>([])

    func begin(_ id: Int64) -> Bool { ids.withLock { $0.insert(id).inserted } }

    func end(_ id: Int64) { ids.withLock { _ = $0.remove(id) } }
}
