import GRDB
package import Telemetry
package import Workshop

/// What takes a bay and a technician for a while.
package struct OccupancyRecord: Sendable, Equatable {
    package var id: Int64
    package var kind: Occupancy.Kind
    package var bayCode: String
    package var technicianCode: String?
    package var start: Timestamp
    package var end: Timestamp
    package var suggestion: Int64?
    package var appointment: Int64?
    package var vehicle: String?
    /// Who keeps the slot at the desk, and at which station.
    package var holder: String?
    package var stationCode: String?
    package var expiresAt: Timestamp?

    fileprivate init(_ row: Row) {
        id = row["id"]
        kind = Occupancy.Kind(rawValue: row["kind"]) ?? .hold
        bayCode = row["bay_code"]
        technicianCode = row["technician_code"]
        start = Timestamp(milliseconds: row["start_ms"])
        end = Timestamp(milliseconds: row["end_ms"])
        suggestion = row["suggestion_id"]
        appointment = row["appointment_id"]
        vehicle = row["vehicle_name"]
        holder = row["holder"]
        stationCode = row["station_code"]
        expiresAt = time(row, "expires_ms")
    }
}

extension ReadStore {
    /// Slots kept at the desk, of some stations only, where they are named.
    package func holds(stations: Set<String>?) async throws -> [OccupancyRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT o.*, NULL AS vehicle_name FROM occupancy o
                    WHERE o.holder IS NOT NULL
                        AND (?1 IS NULL OR o.station_code IN (SELECT value FROM json_each(?1)))
                    ORDER BY o.id
                    """,
                arguments: [stations.map(JSONList.text)]
            ).map(OccupancyRecord.init)
        }
    }

    /// What takes some bays, and whoever works on them, within an interval, by start.
    package func occupancies(
        ofBays bays: Set<String>,
        within interval: OpenInterval
    ) async throws -> [OccupancyRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT o.*, v.name AS vehicle_name FROM occupancy o
                    LEFT JOIN suggestion s ON s.id = o.suggestion_id
                    LEFT JOIN appointment a ON a.id = o.appointment_id
                    LEFT JOIN vehicle v ON v.id = coalesce(s.vehicle_id, a.vehicle_id)
                    WHERE o.bay_code IN (SELECT value FROM json_each(?1))
                        AND o.start_ms < ?3 AND o.end_ms > ?2
                    ORDER BY o.start_ms, o.id
                    """,
                arguments: [
                    JSONList.text(bays), interval.start.milliseconds, interval.end.milliseconds,
                ]
            ).map(OccupancyRecord.init)
        }
    }
}
