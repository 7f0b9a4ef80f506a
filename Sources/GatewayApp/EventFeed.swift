import AdvisorWeb
import CoreLoop
import GatewayCore
import Logging
import MQTTSource
import ServiceLifecycle
import Store
import Telemetry

/// Tells programs over MQTT what has happened, in the order of the history.
///
/// The place in the history moves on after the broker has taken a row: a crash tells something
/// twice, never not at all. Not retained: what happened is no state, and a new subscriber would
/// take it for news.
struct EventFeed: Service {
    let services: WebServices
    let line: MessageLine
    let format: EventFormat
    /// Names this gateway in CloudEvents.
    let source: String
    let logger: Logger

    func run() async throws {
        guard let beats = services.core.changes.subscribe() else { return }
        var place: Int64?
        for await _ in beats.cancelOnGracefulShutdown() {
            do {
                if place == nil { place = try await services.desk.eventFeedPlace() }
                if let known = place { place = try await publish(after: known) }
            } catch {
                logger.warning("events wait", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Publishes until there is no more, or the broker takes no more; then the next beat goes on.
    /// - Returns: the last row of the history that was taken, or was of no interest.
    private func publish(after start: Int64) async throws -> Int64 {
        var place = start
        while true {
            let (rows, upTo) = try await services.reads.vehicleAudit(
                after: place,
                limit: Limits.eventRowsMax
            )
            guard upTo > place else { return place }
            var taken = place
            var isTaken = true
            for (row, vehicle) in rows {
                isTaken = try await publish(ProgramEvent(row), of: vehicle)
                guard isTaken else { break }
                taken = row.id
            }
            if isTaken { taken = upTo }
            if taken > place { try await services.desk.noteFed(upTo: taken) }
            place = taken
            guard isTaken else { return place }
        }
    }

    private func publish(_ event: ProgramEvent, of vehicle: String) async throws -> Bool {
        await line.publish(
            event.topic(of: vehicle),
            String(decoding: try event.body(as: format, source: source), as: UTF8.self),
            isRetained: false
        )
    }
}
