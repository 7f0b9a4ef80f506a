import Foundation
import GRDB
package import GatewayCore
package import Telemetry

/// One value at one instant, for a chart.
package struct SamplePoint: Sendable, Equatable {
    package var at: Timestamp
    package var value: Double

    package init(at: Timestamp, value: Double) {
        self.at = at
        self.value = value
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
    /// Good readings of one signal, oldest first.
    package func readings(
        of vehicle: VehicleID,
        path: String,
        from: Timestamp,
        to: Timestamp
    ) async throws -> [SamplePoint] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT observed_ms, value FROM reading
                    WHERE vehicle_id = ? AND quality = 0
                        AND signal_id = (SELECT id FROM signal WHERE path = ?)
                        AND observed_ms BETWEEN ? AND ?
                    ORDER BY observed_ms
                    """,
                arguments: [Int64(vehicle.index), path, from.milliseconds, to.milliseconds]
            ).map {
                SamplePoint(
                    at: Timestamp(milliseconds: $0["observed_ms"]),
                    value: $0["value"]
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
