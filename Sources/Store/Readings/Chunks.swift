import Foundation
import GRDB
import Telemetry

/// The table of sealed readings: one row per vehicle and stretch of time.
///
/// A row's id is vehicle and first time, so a vehicle's rows lie together, in order of time, without
/// an index. No row spans more than `Limits.chunkSpanDaysMax`, so a search knows how far to look
/// back. Rows may overlap: late readings get rows of their own.
enum Chunks {
    /// What the store can say of a reading that is not open.
    enum Standing {
        /// It was never stored.
        case new
        /// A chunk has it.
        case stored
        /// Others of its signal and hour, or day, have been summed up, and it may be one of them.
        case summedUp
    }

    /// Bits of the time within an id: 69 years from `Limits.observedAtMin` in milliseconds.
    private static let timeBits: Int64 = 41
    private static let span = Milliseconds.days(Int64(Limits.chunkSpanDaysMax)).rawValue

    private static func id(_ vehicle: VehicleID, _ time: Int64) -> Int64 {
        let offset = time - Limits.observedAtMin.milliseconds
        return Int64(vehicle.index) << timeBits | max(0, min(offset, 1 << timeBits - 1))
    }

    private static func firstTime(_ id: Int64) -> Int64 {
        id & (1 << timeBits - 1) + Limits.observedAtMin.milliseconds
    }

    /// The ids of a vehicle's rows that begin no later than an instant.
    static func range(of vehicle: VehicleID, to instant: Timestamp) -> ClosedRange<Int64> {
        id(vehicle, .min / 2)...id(vehicle, instant.milliseconds)
    }

    // MARK: Looking

    /// A vehicle's sealed readings of one signal or all, within a range of times, unsorted.
    static func readings(
        _ database: Database,
        of vehicle: VehicleID,
        signal: UInt16?,
        from: Int64,
        to: Int64
    ) throws -> [StoredReading] {
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT body FROM chunk WHERE id BETWEEN ? AND ? AND end_ms >= ?",
            arguments: [id(vehicle, from - span), id(vehicle, to), from]
        )
        var readings: [StoredReading] = []
        while let row = try rows.next() {
            for reading in try ChunkCoding.decode(Array(row["body"] as Data), signal: signal)
            where reading.observedAt.milliseconds >= from && reading.observedAt.milliseconds <= to {
                readings.append(reading)
            }
        }
        return readings
    }

    /// The latest time any of a vehicle's rows reaches, also of those that have become hours and
    /// days; the distant past when it has none.
    static func end(_ database: Database, of vehicle: VehicleID) throws -> Int64 {
        var end = Int64.min
        for table in ["chunk"] + Resolution.allCases.map(\.table) {
            let last = try Int64.fetchOne(
                database.cachedStatement(
                    sql: "SELECT id FROM \(table) WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
                ),
                arguments: [id(vehicle, .min / 2), id(vehicle, .max / 2)]
            )
            guard let last else { continue }
            let latest = try Int64.fetchOne(
                database.cachedStatement(
                    sql: "SELECT max(end_ms) FROM \(table) WHERE id BETWEEN ? AND ?"
                ),
                arguments: [id(vehicle, firstTime(last) - span), last]
            )
            end = max(end, latest ?? .min)
        }
        return end
    }

    /// What has become of a reading, as far as rows can tell.
    static func standing(
        _ database: Database,
        _ vehicle: VehicleID,
        signal: UInt16,
        time: Int64
    ) throws -> Standing {
        let sealed = try readings(database, of: vehicle, signal: signal, from: time, to: time)
        guard sealed.isEmpty else { return .stored }
        // Only a row whose readings lay around this time can hold it.
        for resolution in Resolution.allCases {
            let rows = try Row.fetchCursor(
                database.cachedStatement(
                    sql: """
                        SELECT body FROM \(resolution.table)
                        WHERE id BETWEEN ? AND ? AND end_ms >= ?
                        """
                ),
                arguments: [id(vehicle, time - span), id(vehicle, time), time]
            )
            var aggregates = Aggregates(resolution)
            while let row = try rows.next() {
                try aggregates.add(encoded: Array(row["body"] as Data), signal: signal)
            }
            if aggregates.mayHold(signal, Timestamp(milliseconds: time)) { return .summedUp }
        }
        return .new
    }

    // MARK: Sealing

    /// Writes readings of a vehicle, together with what its last small row holds.
    /// - Returns: the latest time written.
    static func seal(
        _ readings: [StoredReading],
        of vehicle: VehicleID,
        _ database: Database
    ) throws -> Int64? {
        var rest = readings
        if !zip(rest, rest.dropFirst()).allSatisfy({ $0.observedAt <= $1.observedAt }) {
            rest.sort { $0.observedAt < $1.observedAt }
        }
        guard let first = rest.first?.observedAt.milliseconds,
            let end = rest.last?.observedAt.milliseconds
        else { return nil }
        // A small last row takes more in: few rows, however seldom a vehicle speaks.
        if let last = try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT id, end_ms, count FROM chunk
                    WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1
                    """
            ),
            arguments: [id(vehicle, .min / 2), id(vehicle, .max / 2)]
        ), (last["count"] as Int) + rest.count <= Limits.chunkReadings * 5 / 4 {
            let start = firstTime(last["id"])
            let reach = max(end, last["end_ms"]) - min(first, start)
            if reach <= span,
                let body = try Data.fetchOne(
                    database,
                    sql: "SELECT body FROM chunk WHERE id = ?",
                    arguments: [last["id"] as Int64]
                )
            {
                rest += try ChunkCoding.decode(Array(body))
                rest.sort { $0.observedAt < $1.observedAt }
                try database.cachedStatement(sql: "DELETE FROM chunk WHERE id = ?")
                    .execute(arguments: [last["id"] as Int64])
            }
        }
        while let start = rest.first?.observedAt.milliseconds {
            var count = rest.firstIndex { $0.observedAt.milliseconds > start + span } ?? rest.count
            // Late arrivals and long outages make blocks that are more than one row holds.
            if count > Limits.chunkReadings * 2 { count = Limits.chunkReadings }
            try insert(Array(rest[..<count]), of: vehicle, database)
            rest.removeFirst(count)
        }
        return end
    }

    private static func insert(
        _ readings: [StoredReading],
        of vehicle: VehicleID,
        _ database: Database
    ) throws {
        var readings = readings
        let start = readings[0].observedAt.milliseconds
        var end = readings[readings.count - 1].observedAt.milliseconds
        let id = id(vehicle, start)
        if let same = try Row.fetchOne(
            database.cachedStatement(sql: "SELECT end_ms, body FROM chunk WHERE id = ?"),
            arguments: [id]
        ) {
            readings += try ChunkCoding.decode(Array(same["body"] as Data))
            end = max(end, same["end_ms"])
        }
        readings = bySignal(readings)
        try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO chunk (id, end_ms, count, body) VALUES (?, ?, ?, ?)"
        ).execute(arguments: [id, end, readings.count, Data(ChunkCoding.encode(readings))])
    }

    /// Sorted by signal, then time; sorted by time alone it came, but for a row that was there.
    private static func bySignal(_ readings: [StoredReading]) -> [StoredReading] {
        var places: [UInt16: Int] = [:]
        var columns: [[StoredReading]] = []
        for reading in readings {
            if let place = places[reading.signal] {
                columns[place].append(reading)
            } else {
                places[reading.signal] = columns.count
                columns.append([reading])
            }
        }
        columns.sort { $0[0].signal < $1[0].signal }
        for index in columns.indices
        where !zip(columns[index], columns[index].dropFirst()).allSatisfy({
            $0.observedAt <= $1.observedAt
        }) {
            columns[index].sort { $0.observedAt < $1.observedAt }
        }
        return columns.flatMap(\.self)
    }
}
