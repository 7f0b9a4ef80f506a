import Foundation
import GRDB
package import Telemetry

/// How long readings are kept, and as what; nil keeps them for ever.
package struct RetentionPolicy: Sendable, Equatable {
    /// As they came.
    package var raw: Milliseconds?
    /// By the hour, after that.
    package var hourly: Milliseconds?
    /// By the day, after that.
    package var daily: Milliseconds?

    package init(raw: Milliseconds?, hourly: Milliseconds?, daily: Milliseconds?) {
        self.raw = raw
        self.hourly = hourly
        self.daily = daily
    }
}

/// Old chunks → hours → days → nothing, a few vehicles at a time.
///
/// Each step is a small transaction of its own between two commits, so ingest never waits for more
/// than that. A round goes over all vehicles; the next begins when `interval` has passed.
struct Retention: Sendable {
    /// Time from the begin of one round to the next.
    private static let interval = Milliseconds.hours(Int64(6))
    /// Rows of one vehicle that one step rewrites, and vehicles it looks at.
    private static let rowsPerStep = 8
    private static let vehiclesPerStep = 64

    private let policy: RetentionPolicy
    private let damage: DamageLog
    /// Where the round goes on; nil between rounds.
    private var nextVehicle: Int64?
    private var roundBegan: Timestamp?

    init(_ policy: RetentionPolicy, _ damage: DamageLog) {
        self.policy = policy
        self.damage = damage
    }

    /// Whether there is something to do now.
    func isDue(now: Timestamp) -> Bool {
        guard policy.raw != nil || policy.hourly != nil || policy.daily != nil else { return false }
        return nextVehicle != nil || roundBegan.map { now - $0 >= Retention.interval } ?? true
    }

    /// Looks at the next vehicles, and rewrites the old rows of one.
    mutating func step(now: Timestamp, _ database: Database) throws {
        if nextVehicle == nil { roundBegan = now }
        var next = nextVehicle ?? 0
        var isRoundOver = false
        defer { nextVehicle = isRoundOver ? nil : next }
        let vehicles = try Int64.fetchOne(
            database.cachedStatement(sql: "SELECT max(id) FROM vehicle")
        )
        var left = Retention.vehiclesPerStep
        while left > 0, next <= vehicles ?? -1 {
            left -= 1
            let vehicle = VehicleID(index: UInt32(next))
            let moved = try move(vehicle, now: now, database)
            // Of a vehicle with more old rows than one step takes, the next step goes on.
            if moved == Retention.rowsPerStep { return }
            next += 1
            if moved > 0 { return }
        }
        if next > vehicles ?? -1 { isRoundOver = true }
    }

    private func move(_ vehicle: VehicleID, now: Timestamp, _ database: Database) throws -> Int {
        var moved = 0
        if let raw = policy.raw {
            moved += try move(vehicle, .chunk, before: now - raw, to: .hour, database) {
                aggregates,
                body throws(CheckpointError) in
                for reading in try ChunkCoding.decode(body) { aggregates.add(reading) }
            }
        }
        if let hourly = policy.hourly {
            moved += try move(vehicle, .hourly, before: now - hourly, to: .day, database) {
                aggregates,
                body throws(CheckpointError) in
                try aggregates.add(encoded: body)
            }
        }
        if let daily = policy.daily {
            for row in try old(vehicle, .daily, before: now - daily, database) {
                try delete(row["id"], .daily, database)
                moved += 1
            }
        }
        return min(moved, Retention.rowsPerStep)
    }

    private func old(
        _ vehicle: VehicleID,
        _ table: BodyTable,
        before cut: Timestamp,
        _ database: Database
    ) throws -> [Row] {
        let range = Chunks.range(of: vehicle, to: cut)
        return try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT id, end_ms, body FROM \(table.rawValue)
                    WHERE id BETWEEN ? AND ? AND end_ms < ?
                    LIMIT \(Retention.rowsPerStep)
                    """
            ),
            arguments: [range.lowerBound, range.upperBound, cut.milliseconds]
        )
    }

    private func delete(_ id: Int64, _ table: BodyTable, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM \(table.rawValue) WHERE id = ?")
            .execute(arguments: [id])
    }

    /// Turns a vehicle's old rows of one table into rows of the next; damaged ones are set aside.
    private func move(
        _ vehicle: VehicleID,
        _ table: BodyTable,
        before cut: Timestamp,
        to resolution: Resolution,
        _ database: Database,
        _ add: (inout Aggregates, [UInt8]) throws(CheckpointError) -> Void
    ) throws -> Int {
        let rows = try old(vehicle, table, before: cut, database)
        for row in rows {
            let id: Int64 = row["id"]
            var end: Int64 = row["end_ms"]
            var aggregates = Aggregates(resolution)
            do {
                try add(&aggregates, Array(row["body"] as Data))
                try delete(id, table, database)
            } catch let error as CheckpointError {
                try damage.setAside(table, id, error, database)
                continue
            }
            // Late readings may have made a second chunk of the same first time.
            if let same = try Row.fetchOne(
                database,
                sql: "SELECT end_ms, body FROM \(resolution.table.rawValue) WHERE id = ?",
                arguments: [id]
            ) {
                do {
                    try aggregates.add(encoded: Array(same["body"] as Data))
                    end = max(end, same["end_ms"])
                } catch {
                    try damage.setAside(resolution.table, id, error, database)
                }
            }
            guard !aggregates.isEmpty else { continue }
            try database.cachedStatement(
                sql:
                    """
                    INSERT OR REPLACE INTO \(resolution.table.rawValue) (id, end_ms, body)
                    VALUES (?, ?, ?)
                    """
            ).execute(arguments: [id, end, Data(aggregates.encode())])
        }
        return rows.count
    }
}
