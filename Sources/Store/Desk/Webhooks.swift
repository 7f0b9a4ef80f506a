package import Foundation
import GRDB
package import GatewayCore
package import Telemetry

/// A program that is told of what happens, as the desk keeps it.
package struct WebhookRecord: Sendable, Equatable {
    package var id: Int64
    package var url: String
    /// What deliveries are signed with; shown once, to whoever registered it.
    package var secret: Data
    /// `machine.event` or `machine.*`.
    package var events: Set<String>
    /// Codes of stations; empty for all.
    package var stations: Set<String>
    package var format: EventFormat
    package var createdAt: Timestamp
    package var createdBy: String
    /// The last row of the history that was delivered, or was of no interest.
    package var delivered: Int64
    /// Tries in a row that failed.
    package var failures: Int
    package var nextTryAt: Timestamp
    package var lastError: String?
    /// Given up: nothing is sent until somebody says to go on.
    package var isParked: Bool

    fileprivate init(_ row: Row) {
        id = row["id"]
        url = row["url"]
        secret = row["secret"]
        events = Codes.set(row["events"])
        stations = Codes.set(row["stations"])
        format = EventFormat(rawValue: row["format"]) ?? .gateway
        createdAt = row.time("created_ms")
        createdBy = row["created_by"]
        delivered = row["delivered"]
        failures = row["failures"]
        nextTryAt = row.time("next_ms")
        lastError = row["error"]
        isParked = row["is_parked"]
    }

    /// Whether the program asked for such events.
    package func wants(_ row: AuditRecord) -> Bool {
        events.contains("\(row.machine).\(row.event)") || events.contains("\(row.machine).*")
    }
}

/// Webhooks: the history is the queue, and each webhook a place in it, so that nothing is written
/// for them when something happens and nothing is lost while they cannot be reached.
extension Desk {
    /// After so long of nothing but failures a webhook is parked.
    private static let patience = Milliseconds.hours(24)
    /// From the first repeat to the longest pause.
    private static let firstPause = Milliseconds(10_000)
    private static let pauseDoublingsMax = 10

    /// Registers a webhook from this moment on.
    /// - Returns: its number; nil when it is there already, so that a repeated request does not
    ///   double what is sent, or when there are `Limits.webhooksMax` others.
    package func addWebhook(
        url: String,
        secret: Data,
        events: Set<String>,
        stations: Set<String>,
        format: EventFormat,
        by actor: Actor,
        at now: Timestamp
    ) async throws -> Int64? {
        try await write { database in
            let count = try Int.fetchOne(database, sql: "SELECT count(*) FROM webhook") ?? 0
            let isThere = try Bool.fetchOne(
                database,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM webhook
                        WHERE url = ? AND events = ? AND stations = ? AND format = ?)
                    """,
                arguments: [url, Codes.text(events), Codes.text(stations), format.rawValue]
            )
            guard count < Limits.webhooksMax, isThere == false else { return nil }
            try database.execute(
                sql: """
                    INSERT INTO webhook (url, secret, events, stations, format, created_ms,
                        created_by, delivered, next_ms)
                    SELECT ?, ?, ?, ?, ?, ?, ?, coalesce(max(id), 0), 0 FROM transition
                    """,
                arguments: [
                    url, secret, Codes.text(events), Codes.text(stations), format.rawValue,
                    now.milliseconds, actor.name,
                ]
            )
            let id = database.lastInsertedRowID
            try DeskAudit.add("add", to: .webhook, id, by: actor, at: now, database)
            return id
        }
    }

    package func webhooks() async throws -> [WebhookRecord] {
        try await read {
            try Row.fetchAll($0, sql: "SELECT * FROM webhook ORDER BY id").map(WebhookRecord.init)
        }
    }

    /// - Returns: whether there was one.
    package func removeWebhook(
        _ id: Int64,
        by actor: Actor,
        at now: Timestamp
    ) async throws -> Bool {
        try await write { database in
            try database.execute(sql: "DELETE FROM webhook WHERE id = ?", arguments: [id])
            guard database.changesCount == 1 else { return false }
            try DeskAudit.add("remove", to: .webhook, id, by: actor, at: now, database)
            return true
        }
    }

    /// All up to this row of the history has been taken by the program.
    package func noteDelivered(webhook id: Int64, upTo row: Int64) async throws {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE webhook SET delivered = max(delivered, ?), failures = 0,
                        failing_ms = NULL, next_ms = 0, error = NULL, is_parked = 0
                    WHERE id = ?
                    """,
                arguments: [row, id]
            )
        }
    }

    /// The program did not take it: tried again later, and later still, and at last no more.
    package func noteFailed(
        webhook id: Int64,
        error: String,
        isFinal: Bool,
        at now: Timestamp
    ) async throws {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE webhook SET failures = failures + 1, error = :error,
                        failing_ms = coalesce(failing_ms, :now),
                        next_ms = :now + (:pause << min(failures, :doublings)),
                        is_parked = :final OR :now - coalesce(failing_ms, :now) >= :patience
                    WHERE id = :id
                    """,
                arguments: [
                    "error": error, "now": now.milliseconds, "pause": Desk.firstPause.rawValue,
                    "doublings": Desk.pauseDoublingsMax, "final": isFinal,
                    "patience": Desk.patience.rawValue, "id": id,
                ]
            )
        }
    }
}
