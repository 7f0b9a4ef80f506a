import GRDB
import Synchronization
import Telemetry

/// Which kind of row holds a body of our own coding.
enum BodyTable: String, Sendable {
    case chunk
    case hourly
    case daily
    case journal
}

/// A row that does not read any more.
package struct DamagedRow: Sendable, Equatable, CustomStringConvertible {
    var table: BodyTable
    var id: Int64
    var reason: String

    package var description: String { "\(table.rawValue) \(id): \(reason)" }
}

/// Rows that do not read: met by whoever reads, set aside by the writer, counted for ever.
///
/// Nothing stops for them. A reader works on a snapshot and cannot move what it meets; the writer
/// does it between two commits. The bytes stay in the table `damaged`, for people.
final class DamageLog: Sendable {
    private struct State {
        var noted: [DamagedRow] = []
        /// Rows in the table; nil until it was counted again.
        var count: Int?
    }

    private let state = Mutex(State())

    /// Remembers a row until the writer has time.
    func note(_ table: BodyTable, _ id: Int64, _ error: CheckpointError) {
        let row = DamageLog.row(table, id, error)
        state.withLock { state in
            // What is left out is met again.
            guard state.noted.count < Limits.damagedRowsNotedMax, !state.noted.contains(row) else {
                return
            }
            state.noted.append(row)
        }
    }

    /// Moves a row out of the way at once, within a transaction.
    func setAside(
        _ table: BodyTable,
        _ id: Int64,
        _ error: CheckpointError,
        _ database: Database
    ) throws {
        try DamageLog.move(DamageLog.row(table, id, error), database)
        state.withLock { $0.count = nil }
    }

    /// Moves what was noted.
    /// - Returns: what is now in the table and was not, and how many rows that makes.
    func settle(_ pool: DatabasePool) throws -> (moved: [DamagedRow], count: Int) {
        let (noted, known) = state.withLock { ($0.noted, $0.count) }
        if noted.isEmpty, let known { return ([], known) }
        let count = try pool.writeWithoutTransaction { database in
            try database.inTransaction(.immediate) {
                for row in noted { try DamageLog.move(row, database) }
                return .commit
            }
            return try Int.fetchOne(database, sql: "SELECT count(*) FROM damaged") ?? 0
        }
        state.withLock { state in
            state.noted.removeAll(where: noted.contains)
            state.count = count
        }
        return (noted, count)
    }

    private static func row(
        _ table: BodyTable,
        _ id: Int64,
        _ error: CheckpointError
    ) -> DamagedRow {
        DamagedRow(table: table, id: id, reason: "does not read at byte \(error.byteOffset)")
    }

    private static func move(_ row: DamagedRow, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO damaged (found_ms, source, source_id, reason, body)
                    SELECT coalesce((SELECT now_ms FROM core_time), 0), ?1, id, ?2, body
                    FROM \(row.table.rawValue) WHERE id = ?3
                """,
            arguments: [row.table.rawValue, row.reason, row.id]
        )
        try database.execute(
            sql: "DELETE FROM \(row.table.rawValue) WHERE id = ?",
            arguments: [row.id]
        )
    }
}
