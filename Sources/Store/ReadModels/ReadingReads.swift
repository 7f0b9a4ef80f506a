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
        let points = try await readings(of: vehicle, path: path, from: from, to: to)
        var companions: [Timestamp: Double] = [:]
        if let companion {
            for point in try await readings(of: vehicle, path: companion, from: from, to: to) {
                companions[point.observedAt] = point.value
            }
        }
        let step = max(1, (points.count + limit - 1) / limit)
        // Counted from the newest, so that the newest is always there.
        return stride(from: points.count - 1, through: 0, by: -step).reversed().map { place in
            let point = points[place]
            return SamplePoint(
                at: point.observedAt,
                value: point.value,
                companion: companions[point.observedAt]
            )
        }
    }

    /// Good readings of one signal, oldest first.
    private func readings(
        of vehicle: VehicleID,
        path: String,
        from: Timestamp,
        to: Timestamp
    ) async throws -> [StoredReading] {
        try await store.pool.read { database in
            guard
                let signal = try UInt16.fetchOne(
                    database,
                    sql: "SELECT id FROM signal WHERE path = ?",
                    arguments: [path]
                )
            else { return [] }
            return try store.readings(database, of: vehicle, signal: signal, from: from, to: to)
                .filter { $0.quality == .good }
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
