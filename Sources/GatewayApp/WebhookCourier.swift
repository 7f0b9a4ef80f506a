import AdvisorWeb
import CoreLoop
import Crypto
import Foundation
import FoundationNetworking
import Logging
import ServiceLifecycle
import Store
import Telemetry

/// Tells programs what has happened, each at its own pace, in the order of the history.
///
/// As Standard Webhooks has it: `webhook-id`, `webhook-timestamp` and `webhook-signature`, an
/// HMAC-SHA256 over the three of them with the body. A body names records and never persons. What
/// was taken is noted after the answer, so that a crash tells something twice, never not at all.
struct WebhookCourier: Sendable {
    let services: WebServices
    let logger: Logger
    private let session: URLSession

    init(services: WebServices, logger: Logger) {
        self.services = services
        self.logger = logger
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = Limits.webhookSeconds
        configuration.httpCookieStorage = nil
        session = URLSession(
            configuration: configuration,
            delegate: NoRedirects(),
            delegateQueue: nil
        )
    }

    /// Tells every webhook whose time has come what is new to it.
    func deliverDue() async {
        do {
            let now = services.wallClock()
            let due = try await services.desk.webhooks()
                .filter { !$0.isParked && $0.nextTryAt <= now }
            await withTaskGroup(of: Void.self) { group in
                for webhook in due {
                    group.addTask { await deliver(to: webhook) }
                }
            }
        } catch {
            logger.warning("webhooks wait", metadata: ["error": "\(error)"])
        }
    }

    private func deliver(to webhook: WebhookRecord) async {
        do {
            let rows = try await services.reads.audit(
                after: webhook.delivered,
                limit: Limits.webhookRowsMax,
                stations: webhook.stations.isEmpty ? nil : webhook.stations
            )
            guard let last = rows.last else { return }
            for row in rows where webhook.wants(row) {
                if let refusal = await send(Event(row), to: webhook) {
                    return try await services.desk.noteFailed(
                        webhook,
                        error: refusal.reason,
                        isFinal: refusal.isFinal,
                        at: services.wallClock()
                    )
                }
                try await services.desk.noteDelivered(webhook: webhook.id, upTo: row.id)
            }
            try await services.desk.noteDelivered(webhook: webhook.id, upTo: last.id)
        } catch {
            logger.warning(
                "a webhook waits",
                metadata: ["webhook": "\(webhook.id)", "error": "\(error)"]
            )
        }
    }

    /// What happened, by numbers: whoever wants to know more asks with a token.
    private struct Event: Encodable {
        var id: Int64
        var type: String
        var at: String
        var record: Int64
        var state: String

        init(_ row: AuditRecord) {
            id = row.id
            type = "\(row.machine).\(row.event)"
            at = "\(row.at)"
            record = row.record
            state = row.to
        }
    }

    private struct Refusal {
        var reason: String
        var isFinal: Bool
    }

    private func send(_ event: Event, to webhook: WebhookRecord) async -> Refusal? {
        guard let url = URL(string: webhook.url) else {
            return Refusal(reason: "not a URL", isFinal: true)
        }
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            let body = try encoder.encode(event)
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
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
            let (_, response) = try await session.data(for: request)
            let status = (response as? HTTPURLResponse)?.statusCode ?? 0
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

/// A program that moved says so to whoever registered it, not to us.
private final class NoRedirects: NSObject, URLSessionTaskDelegate {
    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}

/// Webhooks are looked after with every beat of the core; a slow one holds up nothing else.
struct WebhookService: Service {
    let services: WebServices
    let courier: WebhookCourier

    func run() async throws {
        guard let beats = services.core.changes.subscribe() else { return }
        for await _ in beats.cancelOnGracefulShutdown() { await courier.deliverDue() }
    }
}
