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

    /// A vehicle's sealed readings of one signal or all, within a range of times, unsorted; without
    /// those of damaged rows.
    static func readings(
        _ database: Database,
        of vehicle: VehicleID,
        signal: UInt16?,
        from: Int64,
        to: Int64,
        _ damage: DamageLog
    ) throws -> [StoredReading] {
        let rows = try Row.fetchCursor(
            database.cachedStatement(
                sql: "SELECT id, body, end_ms FROM chunk WHERE id BETWEEN ? AND ? AND end_ms >= ?"
            ),
            arguments: [id(vehicle, from - span), id(vehicle, to), from]
        )
        func isWanted(_ reading: StoredReading) -> Bool {
            reading.observedAt.milliseconds >= from && reading.observedAt.milliseconds <= to
        }
        var readings: [StoredReading] = []
        while let row = try rows.next() {
            do throws(CheckpointError) {
                let found = try ChunkCoding.decode(Array(row[1] as Data), signal: signal)
                let isWhole = firstTime(row[0]) >= from && row[2] <= to
                readings += isWhole ? found : found.filter(isWanted)
            } catch {
                damage.note(.chunk, row[0], error)
            }
        }
        return readings
    }

    /// The latest time any of a vehicle's rows reaches, also of those that have become hours and
    /// days; the distant past when it has none.
    static func end(_ database: Database, of vehicle: VehicleID) throws -> Int64 {
        var end = Int64.min
        for table in ["chunk"] + Resolution.allCases.map(\.table.rawValue) {
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
        time: Int64,
        _ damage: DamageLog
    ) throws -> Standing {
        let sealed = try readings(
            database,
            of: vehicle,
            signal: signal,
            from: time,
            to: time,
            damage
        )
        guard sealed.isEmpty else { return .stored }
        // Only a row whose readings lay around this time can hold it.
        for resolution in Resolution.allCases {
            let rows = try Row.fetchCursor(
                database.cachedStatement(
                    sql: """
                        SELECT id, body FROM \(resolution.table.rawValue)
                        WHERE id BETWEEN ? AND ? AND end_ms >= ?
                        """
                ),
                arguments: [id(vehicle, time - span), id(vehicle, time), time]
            )
            var aggregates = Aggregates(resolution)
            while let row = try rows.next() {
                do throws(CheckpointError) {
                    try aggregates.add(encoded: Array(row[1] as Data), signal: signal)
                } catch {
                    damage.note(resolution.table, row[0], error)
                }
            }
            if aggregates.mayHold(signal, Timestamp(milliseconds: time)) { return .summedUp }
        }
        return .new
    }

    // MARK: Sealing

    /// Writes readings of a vehicle, together with what its last small row holds, and without what
    /// rows hold already, as after a journal that lost the word of an earlier seal.
    ///
    /// `areNew` says that rows hold none of them.
    /// - Returns: the latest time written.
    static func seal(
        _ readings: ReadingColumns,
        of vehicle: VehicleID,
        areNew: Bool = false,
        _ damage: DamageLog,
        _ database: Database
    ) throws -> Int64? {
        var rest = readings
        rest.order()
        if !areNew { rest = try unsealed(rest, of: vehicle, damage, database) }
        guard let times = rest.times else { return nil }
        // A small last row takes more in: few rows, however seldom a vehicle speaks.
        if let last = try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT id, end_ms, count FROM chunk
                    WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1
                    """
            ),
            arguments: [id(vehicle, .min / 2), id(vehicle, .max / 2)]
        ), (last[2] as Int) + rest.count <= Limits.chunkReadings * 5 / 4,
            max(times.upperBound, last[1]) - min(times.lowerBound, firstTime(last[0])) <= span
        {
            rest.append(contentsOf: try take(last[0], damage, database))
            rest.order()
        }
        // Late arrivals and long outages make blocks that are more than one row holds.
        let isLong = rest.count > Limits.chunkReadings * 2
        let all = isLong ? rest.columns.flatMap(\.times).sorted() : []
        while let times = rest.times {
            var cut = times.lowerBound + span + 1
            if rest.count > Limits.chunkReadings * 2 {
                let next = all[all.count - rest.count + Limits.chunkReadings]
                cut = min(cut, max(times.lowerBound + 1, next))
            }
            guard cut <= times.upperBound else {
                try insert(rest, of: vehicle, damage, database)
                break
            }
            try insert(rest.filter { $1 < cut }, of: vehicle, damage, database)
            rest = rest.filter { $1 >= cut }
        }
        return times.upperBound
    }

    /// Those of a vehicle's readings that no row holds.
    private static func unsealed(
        _ readings: ReadingColumns,
        of vehicle: VehicleID,
        _ damage: DamageLog,
        _ database: Database
    ) throws -> ReadingColumns {
        guard let first = readings.times?.lowerBound,
            let end = try Int64.fetchOne(
                database.cachedStatement(
                    sql: "SELECT max(end_ms) FROM chunk WHERE id BETWEEN ? AND ?"
                ),
                arguments: [id(vehicle, first - span), id(vehicle, .max / 2)]
            ), first <= end
        else { return readings }
        let sealed = Set(
            try Chunks.readings(database, of: vehicle, signal: nil, from: first, to: end, damage)
                .map { Place(signal: $0.signal, time: $0.observedAt.milliseconds) }
        )
        return readings.filter { !sealed.contains(Place(signal: $0, time: $1)) }
    }

    /// What makes a vehicle's reading one and the same.
    private struct Place: Hashable {
        var signal: UInt16
        var time: Int64
    }

    /// Removes a row and returns its readings: none where it is damaged or not there.
    private static func take(
        _ id: Int64,
        _ damage: DamageLog,
        _ database: Database
    ) throws -> [StoredReading] {
        guard
            let body = try Data.fetchOne(
                database.cachedStatement(sql: "SELECT body FROM chunk WHERE id = ?"),
                arguments: [id]
            )
        else { return [] }
        do {
            let readings = try ChunkCoding.decode(Array(body))
            try database.cachedStatement(sql: "DELETE FROM chunk WHERE id = ?")
                .execute(arguments: [id])
            return readings
        } catch let error as CheckpointError {
            try damage.setAside(.chunk, id, error, database)
            return []
        }
    }

    private static func insert(
        _ readings: ReadingColumns,
        of vehicle: VehicleID,
        _ damage: DamageLog,
        _ database: Database
    ) throws {
        guard let first = readings.times?.lowerBound else { return }
        let id = id(vehicle, first)
        var readings = readings
        // Late readings may make a second row of the same first time.
        let present = try take(id, damage, database)
        if !present.isEmpty {
            readings.append(contentsOf: present)
            readings.order()
        }
        try database.cachedStatement(
            sql: "INSERT INTO chunk (id, end_ms, count, body) VALUES (?, ?, ?, ?)"
        ).execute(
            arguments: [
                id, readings.times?.upperBound, readings.count,
                Data(ChunkCoding.encode(readings)),
            ]
        )
    }
}
