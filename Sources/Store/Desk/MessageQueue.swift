import Customers
import GRDB
package import Messages
package import Telemetry

/// A message on its way.
package struct MessageRecord: Sendable, Equatable {
    package var id: Int64
    package var kind: MessageKind
    package var vehicle: String
    /// The alert's or suggestion's number.
    package var record: Int64
    /// As the owner wants to be reached: `sms` or `app`.
    package var channel: String
    package var language: String
    package var text: String
    package var phone: String?
    package var slot: (start: Timestamp, end: Timestamp)?
    package var nonce: String?
    package var createdAt: Timestamp
    package var attempts: Int

    package static func == (left: MessageRecord, right: MessageRecord) -> Bool {
        left.id == right.id && left.attempts == right.attempts
    }
}

/// What a reply to an offer is about.
package struct OfferRecord: Sendable, Equatable {
    package var message: Int64
    package var suggestion: Int64
    package var version: Int
    /// Whether the offered slot is still the one that is held.
    package var isOpen: Bool
}

/// A message as the desk sees it: what became of it, and why; its words are the owner's.
package struct MessageStatus: Sendable, Equatable {
    package var id: Int64
    package var kind: MessageKind
    package var vehicle: String
    package var record: Int64
    package var template: String?
    package var channel: String?
    package var state: MessageState
    package var reason: String?
    package var answer: String?
    package var attempts: Int
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
}

extension Desk {
    /// Messages below a number, newest first; in one state or of one vehicle, if asked; of some
    /// stations only, where they are named.
    package func messages(
        before last: Int64,
        state: MessageState?,
        vehicle: String?,
        limit: Int,
        stations: Set<String>?,
        standardStation: String
    ) async throws -> [MessageStatus] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT m.* FROM message m LEFT JOIN vehicle v ON v.name = m.vehicle
                    WHERE m.id < ?1 AND (?2 IS NULL OR m.state = ?2)
                        AND (?3 IS NULL OR m.vehicle = ?3)
                        AND (?4 IS NULL OR coalesce(v.station_code, ?5)
                            IN (SELECT value FROM json_each(?4)))
                    ORDER BY m.id DESC LIMIT ?6
                    """,
                arguments: [
                    last, state?.rawValue, vehicle, stations.map(JSONList.text), standardStation,
                    limit,
                ]
            ).map { row in
                MessageStatus(
                    id: row["id"],
                    kind: MessageKind(rawValue: row["kind"]) ?? .alert,
                    vehicle: row["vehicle"],
                    record: row["record_id"],
                    template: row["template"],
                    channel: row["channel"],
                    state: MessageState(rawValue: row["state"]) ?? .queued,
                    reason: row["reason"],
                    answer: row["answer"],
                    attempts: row["attempts"],
                    createdAt: row.time("created_ms"),
                    updatedAt: row.time("updated_ms")
                )
            }
        }
    }

    /// Between two tries of a message that did not go out.
    private static let retry = Milliseconds.minutes(1)
    /// Tries before a message is given up: a day and a half of an unreachable broker.
    private static let attemptsMax = 2_000

    /// Messages whose time has come; those that no longer may go are suppressed first.
    package func dueMessages(at now: Timestamp) async throws -> [MessageRecord] {
        let waiting = try await read { database in
            try Bool.fetchOne(
                database,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM message
                        WHERE state IN ('queued', 'sent') AND due_ms <= ?)
                    """,
                arguments: [now.milliseconds]
            )
        }
        guard waiting == true else { return [] }
        return try await write { database in
            try database.execute(
                sql: """
                    UPDATE message SET state = 'suppressed', reason = ?1, updated_ms = ?2
                    WHERE state = 'queued' AND kind <> 'clear' AND NOT EXISTS (
                        SELECT 1 FROM binding b WHERE b.vehicle = message.vehicle
                            AND b.customer_id = message.customer_id AND b.to_ms IS NULL)
                    """,
                arguments: [SuppressionReason.ownerChanged.rawValue, now.milliseconds]
            )
            try database.execute(
                sql: """
                    UPDATE message SET state = 'suppressed', reason = ?1, updated_ms = ?2
                    WHERE state = 'queued' AND kind IN ('offer', 'booked', 'reminder')
                        AND start_ms <= ?2
                    """,
                arguments: [SuppressionReason.outdated.rawValue, now.milliseconds]
            )
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT m.*, c.phone FROM message m
                    LEFT JOIN customer c ON c.id = m.customer_id
                    WHERE m.state IN ('queued', 'sent') AND m.due_ms <= ?
                    ORDER BY m.id LIMIT ?
                    """,
                arguments: [now.milliseconds, Limits.pageRowsMax]
            ).map(Desk.message)
        }
    }

    private static func message(_ row: Row) -> MessageRecord {
        let start = row.optionalTime("start_ms")
        let end = row.optionalTime("end_ms")
        var slot: (start: Timestamp, end: Timestamp)?
        if let start, let end { slot = (start, end) }
        return MessageRecord(
            id: row["id"],
            kind: MessageKind(rawValue: row["kind"]) ?? .alert,
            vehicle: row["vehicle"],
            record: row["record_id"],
            channel: row["channel"] ?? "",
            language: row["language"] ?? "",
            text: row["text"] ?? "",
            phone: row["phone"],
            slot: slot,
            nonce: row["nonce"],
            createdAt: row.time("created_ms"),
            attempts: row["attempts"]
        )
    }

    /// It is being handed over: a crash from here on may send it twice, never lose it.
    package func noteSent(_ message: Int64, at now: Timestamp) async throws {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE message SET state = 'sent', attempts = attempts + 1, updated_ms = ?,
                        due_ms = ? WHERE id = ?
                    """,
                arguments: [now.milliseconds, (now + Desk.retry).milliseconds, message]
            )
        }
    }

    package func noteDelivered(_ message: Int64, at now: Timestamp) async throws {
        try await write { database in
            try database.execute(
                sql: "UPDATE message SET state = 'delivered', updated_ms = ? WHERE id = ?",
                arguments: [now.milliseconds, message]
            )
        }
    }

    /// It was not taken; after many tries it is given up.
    package func noteRefused(
        _ message: Int64,
        reason: String,
        at now: Timestamp
    ) async throws {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE message SET reason = ?1, updated_ms = ?2,
                        state = iif(attempts >= ?3, 'failed', state) WHERE id = ?4
                    """,
                arguments: [reason, now.milliseconds, Desk.attemptsMax, message]
            )
        }
    }

    /// The offer a vehicle's reply names by its number and its one-use word.
    package func offer(
        _ message: Int64,
        vehicle: String,
        nonce: String
    ) async throws -> OfferRecord? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT m.id, m.record_id, s.version, s.state,
                        s.occupancy_id = m.version AND m.answer IS NULL AS is_open
                    FROM message m JOIN suggestion s ON s.id = m.record_id
                    WHERE m.id = ? AND m.kind = 'offer' AND m.vehicle = ? AND m.nonce = ?
                    """,
                arguments: [message, vehicle, nonce]
            ).map { row in
                OfferRecord(
                    message: row["id"],
                    suggestion: row["record_id"],
                    version: row["version"],
                    isOpen: row["state"] == "proposed" && row["is_open"] == true
                )
            }
        }
    }

    /// Keeps what the vehicle answered; the word is used up.
    package func noteAnswer(_ answer: String, to message: Int64, at now: Timestamp) async throws {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE message SET answer = ?, nonce = NULL, updated_ms = ? WHERE id = ?
                    """,
                arguments: [answer, now.milliseconds, message]
            )
        }
    }
}
