import Decoding
import Foundation
import GRDB
package import GatewayCore
import Rules
import Synchronization
package import Telemetry
package import Workshop

/// What became of a unit's readings.
package struct CommitReceipt: Sendable, Equatable {
    package var stored = 0
    package var duplicate = 0
    /// Left out: old, and of an hour or day that was summed up, so that a repeat cannot be told.
    package var tooLate = 0
    /// Vehicles of whom the next unit should hold a checkpoint.
    package var wanted: [VehicleID] = []
}

/// The one who writes: a commit unit is one transaction, all or nothing.
///
/// Isolation: one thread at a time, the core's.
package final class Writer: Sendable {
    let store: GatewayStore
    private let stations: [Station]
    private let outbox: Mutex<Outbox?>
    private let retention: Mutex<Retention>
    /// The store's own signal numbers, by catalogue place: a new catalogue does not renumber rows.
    private let signalNumbers: [UInt16]
    /// The other way round; nil for signals that have left the catalogue.
    private let signals: [SignalID?]

    /// Without an `outbox` nobody hears of anything, as it must be in a replay.
    package init(
        store: GatewayStore,
        catalogue: Catalogue,
        stations: [Station],
        retention: RetentionPolicy = RetentionPolicy(raw: nil, hourly: nil, daily: nil),
        outbox: Outbox? = nil
    ) throws(StoreError) {
        self.store = store
        self.outbox = Mutex(outbox)
        self.retention = Mutex(Retention(retention, store.damage))
        self.stations = stations
        let numbers: [UInt16]
        do {
            numbers = try store.pool.write { database in
                try catalogue.signals.map { signal in
                    try database.execute(
                        sql: "INSERT OR IGNORE INTO signal (path) VALUES (?)",
                        arguments: [signal.path]
                    )
                    return try UInt16.fetchOne(
                        database,
                        sql: "SELECT id FROM signal WHERE path = ?",
                        arguments: [signal.path]
                    ) ?? 0
                }
            }
        } catch {
            throw StoreError(error)
        }
        signalNumbers = numbers
        var signals = [SignalID?](repeating: nil, count: Int(numbers.max() ?? 0) + 1)
        for (place, number) in numbers.enumerated() {
            signals[Int(number)] = SignalID(index: UInt16(place))
        }
        self.signals = signals
    }

    /// The catalogue's signal of the store's number; nil when it has left the catalogue.
    func signal(_ number: UInt16) -> SignalID? {
        Int(number) < signals.count ? signals[Int(number)] : nil
    }

    /// Stores a unit.
    ///
    /// When it throws, nothing of the unit is in the store, and the same unit may be committed
    /// again.
    package func commit(_ unit: CommitUnit) throws(StoreError) -> CommitReceipt {
        guard !unit.isEmpty else { return CommitReceipt() }
        if let rules = unit.rules { outbox.withLock { $0?.use(rules) } }
        do {
            return try store(unit)
        } catch {
            store.open.withLock { $0.rollBack() }
            throw StoreError(error)
        }
    }

    /// The lock on the open readings is not held while we wait for the disk, so that readers do not
    /// wait with us; what they see of the unit in hand may then come a moment before it is durable.
    private func store(_ unit: CommitUnit) throws -> CommitReceipt {
        var receipt = CommitReceipt()
        let isWhole = store.content == .everything
        var body = JournalBody(base: unit.now, isKept: isWhole)
        var rowBytes = 0
        var sealing: [(vehicle: VehicleID, readings: ReadingColumns, areNew: Bool)] = []
        var sealed: [(vehicle: VehicleID, end: Int64?)] = []
        let outbox = outbox.withLock { $0 }
        try store.pool.writeWithoutTransaction { database in
            try database.inTransaction(.immediate) {
                // Records name vehicles, so that these come first.
                if isWhole { for row in unit.vehicles { try write(row, database) } }
                let (oldestRow, nextRow) = try store.open.withLock { open in
                    let taken = try take(unit.readings, into: &open, &body, database)
                    receipt.stored = taken.stored
                    receipt.tooLate = taken.tooLate
                    receipt.duplicate = unit.readings.count - taken.stored - taken.tooLate
                    for mark in unit.marks {
                        body.append(mark)
                        open.pin(mark.vehicle)
                    }
                    for (vehicle, _) in unit.checkpoints where open.shouldSeal(vehicle) {
                        sealing.append((vehicle, open.columns(of: vehicle), open.areNew(vehicle)))
                    }
                    return (open.oldestRow, open.nextRow)
                }
                for (vehicle, readings, areNew) in sealing {
                    let end = try Chunks.seal(
                        readings,
                        of: vehicle,
                        areNew: areNew,
                        store.damage,
                        database
                    )
                    sealed.append((vehicle, end))
                    body.append(sealOf: vehicle)
                }
                rowBytes = body.byteCount
                if isWhole {
                    try write(unit, row: body.isEmpty ? nextRow - 1 : nextRow, database)
                    try outbox?.write(unit, database)
                    if !body.isEmpty {
                        let bytes = body.row
                        rowBytes = bytes.count
                        try database.cachedStatement(sql: SQL.forgetJournal).execute(
                            arguments: [oldestRow])
                        try database.cachedStatement(sql: SQL.journal).execute(
                            arguments: [nextRow, Data(bytes)])
                    }
                }
                return .commit
            }
        }
        store.open.withLock { open in
            if !body.isEmpty { open.settle(bytes: rowBytes) }
            for (vehicle, end) in sealed { open.seal(vehicle, until: end) }
            receipt.wanted = open.takeWanted(atMost: Limits.sealsPerCommitMax)
        }
        return receipt
    }

    /// Writes a unit's records; `row` is the journal's row up to which its checkpoints go.
    private func write(_ unit: CommitUnit, row: Int64, _ database: Database) throws {
        try database.cachedStatement(sql: SQL.coreTime).execute(arguments: [unit.now.milliseconds])
        for id in unit.removedDeadLetters {
            try DeadLetterRows.remove(id, database)
        }
        for letter in unit.deadLetters { try DeadLetterRows.write(letter, database) }
        try write(unit.deliveries, database)
        for (vehicle, bytes) in unit.checkpoints {
            try database.cachedStatement(sql: SQL.checkpoint).execute(
                arguments: [Int64(vehicle.index), row, Data(bytes)])
        }
        for alert in newest(unit.alerts, by: \.id.rawValue, endedFirst: \.state.isLive) {
            try write(alert, database)
        }
        for trouble in unit.troubles { try TroubleRow.write(trouble, database) }
        try BookingRows(stations: stations, database: database).write(unit)
        try AuditChain.append(unit.transitions, database)
    }

    /// Makes room: takes the next small step of turning old readings into hours and days.
    /// - Returns: whether there was anything to do.
    package func makeRoom(now: Timestamp) throws(StoreError) -> Bool {
        do {
            return try retention.withLock { retention in
                guard retention.isDue(now: now) else { return false }
                var next = retention
                try store.pool.writeWithoutTransaction { database in
                    try database.inTransaction(.immediate) {
                        try next.step(now: now, database)
                        return .commit
                    }
                }
                retention = next
                return true
            }
        } catch {
            throw StoreError(error)
        }
    }

    // MARK: Readings

    /// Takes readings in, group by group; those the store has already are left out.
    private func take(
        _ readings: [Reading],
        into open: inout OpenReadings,
        _ body: inout JournalBody,
        _ database: Database
    ) throws -> OpenReadings.Taken {
        var taken = OpenReadings.Taken()
        var start = 0
        var touched = 0
        while start < readings.count {
            if start >= touched { touched = open.touch(readings.span, from: start) }
            let first = readings[start]
            var end = start + 1
            while end < readings.count, readings[end].vehicle == first.vehicle,
                readings[end].observedAt == first.observedAt,
                readings[end].receivedAt == first.receivedAt
            {
                end += 1
            }
            let new = try open.take(
                readings.span.extracting(start..<end),
                signalNumbers: signalNumbers,
                journal: &body,
                sealedUntil: { try Chunks.end(database, of: $0) },
                standing: {
                    try Chunks.standing(database, $0, signal: $1, time: $2, store.damage)
                }
            )
            taken.stored += new.stored
            taken.tooLate += new.tooLate
            start = end
        }
        return taken
    }

    /// Moves rows that somebody found damaged out of the way.
    /// - Returns: those, and how many there are by now.
    package func setAsideDamage() throws(StoreError) -> (moved: [DamagedRow], count: Int) {
        do {
            return try store.damage.settle(store.pool)
        } catch {
            throw StoreError(error)
        }
    }

    // MARK: Records

    private func write(_ row: VehicleRow, _ database: Database) throws {
        try database.cachedStatement(sql: SQL.vehicle).execute(arguments: [
            Int64(row.id.index), row.name, row.profile.model, row.profile.plate,
            row.profile.powertrain, row.profile.batteryType, row.profile.station,
            row.profile.placardFrontKilopascals, row.profile.placardRearKilopascals,
            row.firstSeenAt.milliseconds,
        ])
    }

    private func write(_ deliveries: [Delivery], _ database: Database) throws {
        guard !deliveries.isEmpty else { return }
        for delivery in deliveries {
            try database.cachedStatement(sql: SQL.delivery).execute(arguments: [
                Int(delivery.identifier), Int64(bitPattern: delivery.hash),
                delivery.receivedAt.milliseconds,
            ])
        }
        try database.cachedStatement(sql: SQL.forgetDeliveries)
            .execute(arguments: [Limits.deliveriesMax])
    }

    private func write(_ alert: Alert, _ database: Database) throws {
        let evidence = alert.evidence
        try database.cachedStatement(sql: SQL.alert).execute(arguments: [
            alert.id.rawValue, Int64(alert.vehicle.index), alert.ruleID, alert.ruleVersion,
            alert.component, alert.state.rawValue, alert.outcome?.rawValue,
            alert.raisedAt.milliseconds, alert.updatedAt.milliseconds,
            alert.consequence.rawValue, alert.jobs.joined(separator: ","), alert.flapCount,
            alert.suggestion?.rawValue, alert.due?.milliseconds, alert.putOff?.urgency.rawValue,
            alert.verdict?.rawValue, alert.servicedAt?.milliseconds, alert.reopenCount,
            alert.sentence.zh, alert.sentence.en, evidence.limit, evidence.isLimitAssumed,
            evidence.level, evidence.slopePerDay, evidence.firstAt.milliseconds,
            evidence.firstValue, evidence.newestAt.milliseconds, evidence.newestValue,
            evidence.readings, evidence.early?.milliseconds, evidence.middle?.milliseconds,
            evidence.late?.milliseconds, evidence.isCrossed, evidence.isFast,
            alert.severity.rawValue, alert.putOff?.early?.milliseconds,
            alert.putOff?.at.milliseconds, alert.putOff?.untilVisit ?? false,
            evidence.actBy?.milliseconds,
        ])
    }
}

private enum SQL {
    static let journal = "INSERT INTO journal (id, body) VALUES (?, ?)"
    static let forgetJournal = "DELETE FROM journal WHERE id < ?"
    static let coreTime = """
        INSERT INTO core_time (id, now_ms) VALUES (1, ?)
        ON CONFLICT (id) DO UPDATE SET now_ms = excluded.now_ms
        """
    static let vehicle = """
        INSERT INTO vehicle (id, name, model, plate, powertrain, battery_type, station_code,
            placard_front_kpa, placard_rear_kpa, first_seen_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET model = excluded.model, plate = excluded.plate,
            powertrain = excluded.powertrain, battery_type = excluded.battery_type,
            station_code = excluded.station_code,
            placard_front_kpa = excluded.placard_front_kpa,
            placard_rear_kpa = excluded.placard_rear_kpa
        """
    static let delivery = "INSERT INTO delivery (identifier, hash, received_ms) VALUES (?, ?, ?)"
    static let forgetDeliveries = """
        DELETE FROM delivery WHERE id <= (SELECT max(id) FROM delivery) - ?
        """
    static let checkpoint = """
        INSERT INTO checkpoint (vehicle_id, journal_id, state) VALUES (?, ?, ?)
        ON CONFLICT (vehicle_id) DO UPDATE SET journal_id = excluded.journal_id,
            state = excluded.state
        """
    static let alert = """
        INSERT INTO alert (id, vehicle_id, rule_id, rule_version, component, state, outcome,
            raised_ms, updated_ms, consequence, jobs, flap_count, suggestion_id, due_ms,
            muted_urgency, verdict, serviced_ms, reopen_count, sentence_zh, sentence_en,
            limit_value, is_limit_assumed, level, slope_per_day, first_ms, first_value,
            newest_ms, newest_value, readings, early_ms, middle_ms, late_ms, is_crossed, is_fast,
            severity, put_off_early_ms, put_off_ms, is_put_off_to_visit, act_by_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET rule_id = excluded.rule_id,
            rule_version = excluded.rule_version, state = excluded.state,
            outcome = excluded.outcome, updated_ms = excluded.updated_ms,
            put_off_early_ms = excluded.put_off_early_ms, put_off_ms = excluded.put_off_ms,
            is_put_off_to_visit = excluded.is_put_off_to_visit,
            flap_count = excluded.flap_count, suggestion_id = excluded.suggestion_id,
            due_ms = excluded.due_ms, muted_urgency = excluded.muted_urgency,
            verdict = excluded.verdict, serviced_ms = excluded.serviced_ms,
            reopen_count = excluded.reopen_count,
            sentence_zh = excluded.sentence_zh, sentence_en = excluded.sentence_en,
            limit_value = excluded.limit_value, is_limit_assumed = excluded.is_limit_assumed,
            level = excluded.level, slope_per_day = excluded.slope_per_day,
            first_ms = excluded.first_ms, first_value = excluded.first_value,
            newest_ms = excluded.newest_ms, newest_value = excluded.newest_value,
            readings = excluded.readings, early_ms = excluded.early_ms,
            middle_ms = excluded.middle_ms, late_ms = excluded.late_ms,
            act_by_ms = excluded.act_by_ms,
            is_crossed = excluded.is_crossed, is_fast = excluded.is_fast,
            consequence = excluded.consequence, severity = excluded.severity
        """
}
