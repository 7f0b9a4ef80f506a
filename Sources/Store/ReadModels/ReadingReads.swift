import Foundation
import GRDB
package import GatewayCore
package import Telemetry

/// One value at one instant, for a chart.
package struct SamplePoint: Sendable, Equatable {
    package var at: Timestamp
    package var value: Double
    /// What another signal said at that instant, when asked for.
    package var companion: Double?

    package init(at: Timestamp, value: Double, companion: Double? = nil) {
        self.at = at
        self.value = value
        self.companion = companion
    }
}

/// A dead letter as an engineer sees it in a list.
package struct DeadLetterRecord: Sendable, Equatable {
    package var id: Int64
    package var receivedAt: Timestamp
    package var topic: String
    package var payload: [UInt8]
    package var reason: String
    package var byteOffset: Int
    package var detail: String
    package var rejectedCount: Int
}

extension ReadStore {
    /// Good readings of one signal, oldest first, each with the companion's value of the same
    /// instant; at most `limit`, thinned evenly.
    package func readings(
        of vehicle: VehicleID,
        path: String,
        companion: String?,
        from: Timestamp,
        to: Timestamp,
        limit: Int
    ) async throws -> [SamplePoint] {
        try await store.pool.read { database in
            let signal = try Int64.fetchOne(
                database,
                sql: "SELECT id FROM signal WHERE path = ?",
                arguments: [path]
            )
            let range: StatementArguments = [
                Int64(vehicle.index), signal, from.milliseconds, to.milliseconds,
            ]
            let count =
                try Int.fetchOne(
                    database,
                    sql: """
                        SELECT count(*) FROM reading
                        WHERE vehicle_id = ? AND signal_id = ? AND observed_ms BETWEEN ? AND ?
                        """,
                    arguments: range
                ) ?? 0
            let step = max(1, (count + limit - 1) / limit)
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT r.observed_ms, r.value, c.value AS companion FROM (
                        SELECT vehicle_id, observed_ms, value,
                            row_number() OVER (ORDER BY observed_ms DESC) AS place
                        FROM reading
                        WHERE vehicle_id = ? AND signal_id = ? AND observed_ms BETWEEN ? AND ?
                            AND quality = 0
                    ) r LEFT JOIN reading c ON c.vehicle_id = r.vehicle_id
                        AND c.signal_id = (SELECT id FROM signal WHERE path = ?)
                        AND c.observed_ms = r.observed_ms AND c.quality = 0
                    WHERE (r.place - 1) % ? = 0 ORDER BY r.observed_ms
                    """,
                arguments: range + [companion, step]
            ).map {
                SamplePoint(
                    at: Timestamp(milliseconds: $0["observed_ms"]),
                    value: $0["value"],
                    companion: $0["companion"]
                )
            }
        }
    }

    /// Live alerts, newest first.
    package func liveAlerts(limit: Int) async throws -> [(vehicle: String, alert: Alert)] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT a.*, v.name AS vehicle_name FROM alert a
                    JOIN vehicle v ON v.id = a.vehicle_id
                    WHERE a.state <> 'closed' ORDER BY a.raised_ms DESC, a.id DESC LIMIT ?
                    """,
                arguments: [limit]
            ).map { ($0["vehicle_name"], AlertRow.alert($0)) }
        }
    }

    /// The newest dead letters.
    package func deadLetters(limit: Int) async throws -> [DeadLetterRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM dead_letter ORDER BY id DESC LIMIT ?",
                arguments: [limit]
            ).map { row in
                DeadLetterRecord(
                    id: row["id"],
                    receivedAt: Timestamp(milliseconds: row["received_ms"]),
                    topic: String(decoding: row["topic"] as Data, as: UTF8.self),
                    payload: Array(row["payload"] as Data),
                    reason: row["reason"],
                    byteOffset: row["byte_offset"],
                    detail: row["detail"],
                    rejectedCount: row["rejected_count"]
                )
            }
        }
    }
}
