import Decoding
import Foundation
import GRDB
import GatewayCore
import Telemetry

/// The dead letters' rows: equal ones are one, counted, and all of them stay within bounds.
enum DeadLetterRows {
    /// A device that sends the same nonsense every minute is one letter: the first arrival stays,
    /// and with it the order, the last one is beside it.
    static let equalOnes = """
        ALTER TABLE dead_letter ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE dead_letter ADD COLUMN last_received_ms INTEGER;
        ALTER TABLE dead_letter ADD COLUMN digest INTEGER;
        CREATE INDEX dead_letter_digest ON dead_letter (digest);
        """

    static func write(_ letter: DeadLetter, _ database: Database) throws {
        let (topic, payload) = (Data(letter.topic), Data(letter.payload))
        let reason = letter.rejection.reason.rawValue
        let text = letter.topic + [0] + Array(reason.utf8) + [0] + letter.payload
        let digest = Int64(bitPattern: CheckSum.of(text.span))
        let receivedAt = letter.receivedAt.milliseconds
        try database.cachedStatement(sql: again).execute(arguments: [
            receivedAt, digest, topic, payload, reason,
        ])
        guard database.changesCount == 0 else { return }
        try database.cachedStatement(sql: insert).execute(arguments: [
            receivedAt, topic, payload, reason, letter.rejection.byteOffset,
            letter.rejection.detail, letter.rejections.count, digest,
        ])
        try forget(now: letter.receivedAt, database)
    }

    static func remove(_ id: Int64, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM dead_letter WHERE id = ?")
            .execute(arguments: [id])
    }

    /// Keeps the dead letters within their three bounds; the oldest leave first.
    private static func forget(now: Timestamp, _ database: Database) throws {
        let past = now - .days(Int64(Limits.deadLetterDaysMax))
        while let row = try Row.fetchOne(database.cachedStatement(sql: oldest)) {
            let isOver =
                (row["letters"] as Int) > Limits.deadLettersMax
                || (row["bytes"] as Int) > Limits.deadLetterBytesMax
                || Timestamp(milliseconds: row["received_ms"]) < past
            guard isOver else { return }
            try remove(row["id"], database)
        }
    }

    private static let again = """
        UPDATE dead_letter SET count = count + 1, last_received_ms = ?1
        WHERE digest = ?2 AND topic = ?3 AND payload = ?4 AND reason = ?5
        """
    private static let insert = """
        INSERT INTO dead_letter (received_ms, topic, payload, reason, byte_offset, detail,
            rejected_count, digest)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
    private static let oldest = """
        SELECT d.id, d.received_ms, s.letters, s.bytes FROM dead_letter_size s, dead_letter d
        ORDER BY d.id LIMIT 1
        """
}
