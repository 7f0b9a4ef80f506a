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
    package var topic: [UInt8]
    package var payload: [UInt8]
    package var reason: String
    package var byteOffset: Int
    package var detail: String
    package var rejectedCount: Int
    /// How many equal ones came.
    package var count: Int
    package var lastReceivedAt: Timestamp
}

extension DeadLetterRecord {
    fileprivate init(_ row: Row) {
        self.init(
            id: row["id"],
            receivedAt: Timestamp(milliseconds: row["received_ms"]),
            topic: Array(row["topic"] as Data),
            payload: Array(row["payload"] as Data),
            reason: row["reason"],
            byteOffset: row["byte_offset"],
            detail: row["detail"],
            rejectedCount: row["rejected_count"],
            count: row["count"],
            lastReceivedAt: Timestamp(milliseconds: row["last_received_ms"] ?? row["received_ms"])
        )
    }

    /// As the core takes it in again: of equal ones the first and the last, between which a value
    /// without a time of its own stayed as it was.
    package var packets: [StoredPacket] {
        (count > 1 ? [receivedAt, lastReceivedAt] : [receivedAt]).map {
            StoredPacket(id: id, topic: topic, payload: payload, receivedAt: $0)
        }
    }
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

    /// One signal by the hour or day, oldest first: what is left of old readings, and what the
    /// others come to.
    package func aggregates(
        of vehicle: VehicleID,
        path: String,
        resolution: Resolution,
        from: Timestamp,
        to: Timestamp
    ) async throws -> [Aggregate] {
        let recent = try await readings(of: vehicle, path: path, from: from, to: to)
        return try await store.pool.read { database in
            var aggregates = Aggregates(resolution)
            for reading in recent { aggregates.add(reading) }
            guard let signal = try ReadStore.signal(path, database) else { return [] }
            let tables: [BodyTable] = resolution == .hour ? [.hourly] : [.hourly, .daily]
            for table in tables {
                let range = Chunks.range(of: vehicle, to: to)
                let rows = try Row.fetchCursor(
                    database,
                    sql: """
                        SELECT id, body FROM \(table.rawValue)
                        WHERE id BETWEEN ? AND ? AND end_ms >= ?
                        """,
                    arguments: [range.lowerBound, range.upperBound, from.milliseconds]
                )
                while let row = try rows.next() {
                    do throws(CheckpointError) {
                        try aggregates.add(encoded: Array(row[1] as Data), signal: signal)
                    } catch {
                        store.damage.note(table, row[0], error)
                    }
                }
            }
            return aggregates.sorted(signal: signal).filter { $0.start >= from && $0.start <= to }
        }
    }

    private static func signal(_ path: String, _ database: Database) throws -> UInt16? {
        try UInt16.fetchOne(
            database.cachedStatement(sql: "SELECT id FROM signal WHERE path = ?"),
            arguments: [path]
        )
    }

    package func vehicle(named name: String) async throws -> VehicleRow? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT \(Restorer.vehicleColumns) FROM vehicle WHERE name = ?",
                arguments: [name]
            ).map(Restorer.vehicle)
        }
    }

    /// Live alerts of one vehicle, oldest first.
    package func liveAlerts(ofVehicle vehicle: VehicleID) async throws -> [Alert] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM alert WHERE vehicle_id = ? AND state <> 'closed' ORDER BY id",
                arguments: [Int64(vehicle.index)]
            ).map(AlertRow.alert)
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
            guard let signal = try ReadStore.signal(path, database) else { return [] }
            let readings = try store.readings(
                database,
                of: vehicle,
                signal: signal,
                from: from,
                to: to
            )
            let areGood = readings.allSatisfy { $0.quality == .good }
            return areGood ? readings : readings.filter { $0.quality == .good }
        }
    }

    /// Live alerts, newest first, before a time and number when given; of some stations only, where
    /// they are named.
    ///
    /// A vehicle whose profile names no station belongs to `standardStation`.
    package func liveAlerts(
        before cursor: (raisedAt: Int64, id: Int64)? = nil,
        limit: Int,
        stations: Set<String>? = nil,
        standardStation: String = ""
    ) async throws -> [(vehicle: String, alert: Alert)] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT a.*, v.name AS vehicle_name FROM alert a
                    JOIN vehicle v ON v.id = a.vehicle_id
                    WHERE a.state <> 'closed' AND (a.raised_ms, a.id) < (?1, ?2)
                        AND (?3 IS NULL OR coalesce(v.station_code, ?4)
                            IN (SELECT value FROM json_each(?3)))
                    ORDER BY a.raised_ms DESC, a.id DESC LIMIT ?5
                    """,
                arguments: [
                    cursor?.raisedAt ?? .max, cursor?.id ?? .max, stations.map(JSONList.text),
                    standardStation, limit,
                ]
            ).map { ($0["vehicle_name"], AlertRow.alert($0)) }
        }
    }

    /// An alert, live or over, with its vehicle and the code of the station that answers for it.
    package func alert(
        _ id: Int64,
        standardStation: String
    ) async throws -> (vehicle: String, station: String, alert: Alert)? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT a.*, v.name AS vehicle_name, coalesce(v.station_code, ?2) AS station
                    FROM alert a JOIN vehicle v ON v.id = a.vehicle_id WHERE a.id = ?1
                    """,
                arguments: [id, standardStation]
            ).map { ($0["vehicle_name"], $0["station"], AlertRow.alert($0)) }
        }
    }

    /// Dead letters below a number, newest first; of one reason, if asked.
    package func deadLetters(
        reason: String? = nil,
        before: Int64 = .max,
        limit: Int
    ) async throws -> [DeadLetterRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM dead_letter WHERE id < ?1 AND (?2 IS NULL OR reason = ?2)
                    ORDER BY id DESC LIMIT ?3
                    """,
                arguments: [before, reason, limit]
            ).map(DeadLetterRecord.init)
        }
    }

    /// Dead letters in the order of their arrival; of one reason, if asked.
    package func oldestDeadLetters(
        reason: String?,
        upTo last: Int64,
        limit: Int
    ) async throws -> [DeadLetterRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM dead_letter WHERE id <= ?1 AND (?2 IS NULL OR reason = ?2)
                    ORDER BY id LIMIT ?3
                    """,
                arguments: [last, reason, limit]
            ).map(DeadLetterRecord.init)
        }
    }

    /// One dead letter, or nil when there is none of this number.
    package func deadLetter(_ id: Int64) async throws -> DeadLetterRecord? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT * FROM dead_letter WHERE id = ?",
                arguments: [id]
            ).map(DeadLetterRecord.init)
        }
    }
}
