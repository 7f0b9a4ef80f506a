import Foundation
import GRDB
import GatewayCore
import Synchronization
import Telemetry

/// What a start takes from the journal.
extension Writer {
    /// What is recalled of the journal before somebody else has a turn, some milliseconds' worth:
    /// so many bytes, and so many rows, for a turn may add one.
    private static let recalledAtOnce = (bytes: 64 * 1_024, rows: 4)

    /// Learns from the journal which readings are not sealed; damaged rows are left out and noted.
    ///
    /// Call it once, before the first commit.
    package func reopen() throws(StoreError) {
        do {
            try store.open.withLock { open in
                try store.pool.read { database in
                    let first = try Int64.fetchOne(database, sql: "SELECT min(id) FROM journal")
                    let covered = try Int64.fetchOne(
                        database,
                        sql: "SELECT max(journal_id) FROM checkpoint"
                    )
                    let vehicles =
                        try Int.fetchOne(database, sql: "SELECT max(id) + 1 FROM vehicle") ?? 0
                    open.begin(atRow: first ?? (covered ?? 0) + 1, vehicles: vehicles)
                    let rows = try Row.fetchCursor(
                        database,
                        sql: "SELECT id, body FROM journal ORDER BY id"
                    )
                    while let row = try rows.next() {
                        let bytes = Array(row[1] as Data)
                        // Damaged rows leave gaps in the numbers.
                        while open.nextRow < row[0] { open.settle(bytes: 0) }
                        do throws(CheckpointError) {
                            try JournalBody.verify(bytes, vehicles: vehicles)
                        } catch {
                            store.damage.note(.journal, row[0], error)
                            open.settle(bytes: bytes.count)
                            continue
                        }
                        try reopen(bytes, &open)
                    }
                }
            }
        } catch {
            throw StoreError(error)
        }
    }

    private func reopen(_ bytes: [UInt8], _ open: inout OpenReadings) throws(CheckpointError) {
        var sealed: [VehicleID] = []
        try JournalBody.read(bytes) { entry throws(CheckpointError) in
            switch entry {
            case .mark(let mark): open.pin(mark.vehicle)
            case .seal(let vehicle): sealed.append(vehicle)
            case .group(let group): try open.recall(group)
            }
        }
        open.settle(bytes: bytes.count)
        for vehicle in sealed { open.seal(vehicle, until: nil) }
    }

    /// Calls `body` with what the next commits after a row took in, some of them, oldest first.
    /// - Returns: the last row that was looked at, and whether it is the last there is.
    func recall(
        after row: Int64,
        _ body: (JournalUnit) -> Void
    ) throws(StoreError) -> (row: Int64, isEnd: Bool) {
        do {
            return try store.pool.read { database in
                var last = row
                var told = (bytes: 0, rows: 0)
                let vehicles =
                    try Int.fetchOne(database, sql: "SELECT max(id) + 1 FROM vehicle") ?? 0
                let rows = try Row.fetchCursor(
                    database.cachedStatement(
                        sql: "SELECT id, body FROM journal WHERE id > ? ORDER BY id"
                    ),
                    arguments: [row]
                )
                while told.bytes < Writer.recalledAtOnce.bytes
                    || told.rows < Writer.recalledAtOnce.rows
                {
                    guard let row = try rows.next() else { return (last, true) }
                    let bytes = Array(row[1] as Data)
                    last = row[0]
                    told.bytes += bytes.count
                    told.rows += 1
                    do throws(CheckpointError) {
                        try JournalBody.verify(bytes, vehicles: vehicles)
                        body(try unit(row[0], bytes))
                    } catch {
                        // It was noted when the readings were opened again.
                    }
                }
                return (last, false)
            }
        } catch {
            throw StoreError(error)
        }
    }

    private func unit(_ row: Int64, _ bytes: [UInt8]) throws(CheckpointError) -> JournalUnit {
        var unit = JournalUnit(row: row, marks: [], readings: [])
        try JournalBody.read(bytes) { entry throws(CheckpointError) in
            switch entry {
            case .mark(let mark): unit.marks.append(mark)
            case .seal: break
            case .group(let group):
                var cursor = ByteCursor(group.bytes, at: group.values.lowerBound)
                for head in group.heads {
                    let number = try head.number(&cursor)
                    // A signal that left the catalogue stays in the store; rules cannot know it.
                    guard let signal = signal(head.signal) else { continue }
                    unit.readings.append(
                        Reading(
                            vehicle: group.vehicle,
                            signal: signal,
                            observedAt: group.observedAt,
                            receivedAt: group.receivedAt,
                            value: head.value(number),
                            quality: head.quality
                        )
                    )
                }
            }
        }
        return unit
    }

    func checkpoints(
        after vehicle: VehicleID?,
        limit: Int
    ) throws(StoreError) -> [(vehicle: VehicleID, row: Int64, bytes: [UInt8])] {
        do {
            return try store.pool.read {
                try Restorer.checkpoints($0, after: vehicle, limit: limit)
            }
        } catch {
            throw StoreError(error)
        }
    }

    /// The newest row of the journal.
    var lastRow: Int64 { store.open.withLock { $0.nextRow - 1 } }

    /// The stored readings of a vehicle since an instant, in order of time.
    ///
    /// Call `reopen` before: what is in the journal only is part of it. The time of arrival is not
    /// kept; it is taken to be their own.
    func readings(
        of vehicle: VehicleID,
        since start: Timestamp
    ) throws(StoreError) -> [Reading] {
        do {
            return try store.pool.read { database in
                try store.readings(database, of: vehicle, from: start).compactMap { reading in
                    signal(reading.signal).map {
                        Reading(
                            vehicle: vehicle,
                            signal: $0,
                            observedAt: reading.observedAt,
                            receivedAt: reading.observedAt,
                            value: reading.value,
                            quality: reading.quality
                        )
                    }
                }
            }
        } catch {
            throw StoreError(error)
        }
    }
}
