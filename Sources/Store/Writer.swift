import Decoding
import Foundation
import GRDB
import GRDBSQLite
package import GatewayCore
import Rules
package import Telemetry
package import Workshop

/// What became of a unit's readings.
package struct CommitReceipt: Sendable, Equatable {
    package var stored = 0
    package var duplicate = 0
}

/// The one who writes: a commit unit is one transaction, all or nothing.
///
/// Isolation: one thread at a time, the core's.
package final class Writer: Sendable {
    private let store: GatewayStore
    private let stations: [Station]
    /// The store's own signal numbers, by catalogue place: a new catalogue does not renumber rows.
    private let signalNumbers: [Int64]

    package init(
        store: GatewayStore,
        catalogue: Catalogue,
        stations: [Station]
    ) throws(StoreError) {
        self.store = store
        self.stations = stations
        do {
            signalNumbers = try store.pool.write { database in
                try catalogue.signals.map { signal in
                    try database.execute(
                        sql: "INSERT OR IGNORE INTO signal (path) VALUES (?)",
                        arguments: [signal.path]
                    )
                    return try Int64.fetchOne(
                        database,
                        sql: "SELECT id FROM signal WHERE path = ?",
                        arguments: [signal.path]
                    ) ?? 0
                }
            }
        } catch {
            throw StoreError(error)
        }
    }

    /// Stores a unit.
    ///
    /// When it throws, nothing of the unit is in the store, and the same unit may be committed
    /// again.
    package func commit(_ unit: CommitUnit) throws(StoreError) -> CommitReceipt {
        var receipt = CommitReceipt()
        guard !unit.isEmpty else { return receipt }
        do {
            try store.pool.writeWithoutTransaction { database in
                try database.inTransaction(.immediate) {
                    try database.cachedStatement(sql: SQL.coreTime).execute(
                        arguments: [unit.now.milliseconds]
                    )
                    for row in unit.vehicles { try write(row, database) }
                    receipt.stored = try insert(unit.readings, database)
                    receipt.duplicate = unit.readings.count - receipt.stored
                    for letter in unit.deadLetters { try write(letter, database) }
                    for (vehicle, bytes) in unit.checkpoints {
                        try database.cachedStatement(sql: SQL.checkpoint).execute(
                            arguments: [Int64(vehicle.index), Data(bytes)])
                    }
                    for alert in unit.alerts { try write(alert, database) }
                    for id in unit.releasedOccupancies {
                        try database.cachedStatement(sql: SQL.release).execute(
                            arguments: [id.rawValue])
                    }
                    for row in unit.occupancies { try write(row, database) }
                    for suggestion in unit.suggestions { try write(suggestion, database) }
                    for transition in unit.transitions { try write(transition, database) }
                    return .commit
                }
            }
        } catch {
            throw StoreError(error)
        }
        return receipt
    }

    // MARK: Readings

    /// Inserts readings with bare binds: GRDB's argument arrays cost three times the row.
    private func insert(_ readings: [Reading], _ database: Database) throws -> Int {
        guard !readings.isEmpty else { return 0 }
        let statement = try database.cachedStatement(sql: SQL.reading)
        let handle = unsafe statement.sqliteStatement
        var stored = 0
        for reading in readings {
            unsafe sqlite3_bind_int64(handle, 1, Int64(reading.vehicle.index))
            unsafe sqlite3_bind_int64(handle, 2, signalNumbers[Int(reading.signal.index)])
            unsafe sqlite3_bind_int64(handle, 3, reading.observedAt.milliseconds)
            unsafe sqlite3_bind_int64(handle, 4, reading.receivedAt.milliseconds)
            unsafe sqlite3_bind_double(handle, 5, reading.value)
            unsafe sqlite3_bind_int64(handle, 6, Int64(reading.quality.rawValue))
            let code = unsafe sqlite3_step(handle)
            unsafe sqlite3_reset(handle)
            guard code == SQLITE_DONE else {
                throw DatabaseError(resultCode: .init(rawValue: code))
            }
            stored += database.changesCount
        }
        return stored
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

    private func write(_ letter: DeadLetter, _ database: Database) throws {
        try database.cachedStatement(sql: SQL.deadLetter).execute(arguments: [
            letter.receivedAt.milliseconds, Data(letter.topic), Data(letter.payload),
            letter.rejection.reason.rawValue, letter.rejection.byteOffset,
            letter.rejection.detail, letter.rejectedCount,
        ])
        let oldest = database.lastInsertedRowID - Int64(Limits.deadLettersMax)
        if oldest > 0 {
            try database.cachedStatement(sql: SQL.forgetDeadLetters).execute(arguments: [oldest])
        }
    }

    private func write(_ alert: Alert, _ database: Database) throws {
        let evidence = alert.evidence
        try database.cachedStatement(sql: SQL.alert).execute(arguments: [
            alert.id.rawValue, Int64(alert.vehicle.index), alert.ruleID, alert.ruleVersion,
            alert.component, alert.state.rawValue, alert.outcome?.rawValue,
            alert.raisedAt.milliseconds, alert.updatedAt.milliseconds,
            alert.consequence.rawValue, alert.jobs.joined(separator: ","), alert.flapCount,
            alert.suggestion?.rawValue, alert.due?.milliseconds, alert.mutedUrgency?.rawValue,
            alert.sentence.zh, alert.sentence.en, evidence.limit, evidence.isLimitAssumed,
            evidence.level, evidence.slopePerDay, evidence.firstAt.milliseconds,
            evidence.firstValue, evidence.newestAt.milliseconds, evidence.newestValue,
            evidence.readings, evidence.early?.milliseconds, evidence.middle?.milliseconds,
            evidence.late?.milliseconds, evidence.isCrossed,
        ])
    }

    private func write(_ row: OccupancyRow, _ database: Database) throws {
        try database.cachedStatement(sql: SQL.occupancy).execute(arguments: [
            row.occupancy.id.rawValue, row.bayCode,
            row.occupancy.slot.interval.start.milliseconds,
            row.occupancy.slot.interval.end.milliseconds, row.occupancy.kind.rawValue,
            row.suggestion.rawValue, row.expiresAt?.milliseconds,
        ])
    }

    private func write(_ suggestion: Suggestion, _ database: Database) throws {
        let station = stations[suggestion.station]
        let need = suggestion.need
        let id = suggestion.id.rawValue
        try database.cachedStatement(sql: SQL.suggestion).execute(arguments: [
            id, suggestion.version, Int64(suggestion.vehicle.index), station.code,
            suggestion.state.rawValue, need.urgency.rawValue, need.latestBy.milliseconds,
            need.early.milliseconds, need.minutes, need.jobs.joined(separator: ","),
            need.kinds.map(\.rawValue).sorted().joined(separator: ","),
            suggestion.createdAt.milliseconds, suggestion.updatedAt.milliseconds,
            suggestion.occupancy?.id.rawValue, suggestion.holdUntil?.milliseconds,
            suggestion.declineReason?.rawValue, suggestion.note,
        ])
        try database.cachedStatement(sql: SQL.clearAlerts).execute(arguments: [id])
        for alert in suggestion.alerts {
            try database.cachedStatement(sql: SQL.suggestionAlert).execute(
                arguments: [id, alert.rawValue])
        }
        try database.cachedStatement(sql: SQL.clearOffers).execute(arguments: [id])
        for offer in suggestion.offers {
            try database.cachedStatement(sql: SQL.suggestionOffer).execute(arguments: [
                id, offer.label.rawValue, station.bays[offer.slot.bay].code,
                offer.slot.interval.start.milliseconds, offer.slot.interval.end.milliseconds,
                offer.cost,
            ])
        }
    }

    private func write(_ transition: Transition, _ database: Database) throws {
        try database.cachedStatement(sql: SQL.transition).execute(arguments: [
            transition.machine.rawValue, transition.record, transition.from, transition.event,
            transition.to, transition.actor, transition.at.milliseconds, transition.reason,
        ])
    }
}

private enum SQL {
    static let reading = """
        INSERT OR IGNORE INTO reading
            (vehicle_id, signal_id, observed_ms, received_ms, value, quality)
        VALUES (?, ?, ?, ?, ?, ?)
        """
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
    static let deadLetter = """
        INSERT INTO dead_letter
            (received_ms, topic, payload, reason, byte_offset, detail, rejected_count)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """
    static let forgetDeadLetters = "DELETE FROM dead_letter WHERE id <= ?"
    static let checkpoint = """
        INSERT INTO checkpoint (vehicle_id, state) VALUES (?, ?)
        ON CONFLICT (vehicle_id) DO UPDATE SET state = excluded.state
        """
    static let alert = """
        INSERT INTO alert (id, vehicle_id, rule_id, rule_version, component, state, outcome,
            raised_ms, updated_ms, consequence, jobs, flap_count, suggestion_id, due_ms,
            muted_urgency, sentence_zh, sentence_en, limit_value, is_limit_assumed, level,
            slope_per_day, first_ms, first_value, newest_ms, newest_value, readings, early_ms,
            middle_ms, late_ms, is_crossed)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
            ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET rule_version = excluded.rule_version,
            state = excluded.state, outcome = excluded.outcome, updated_ms = excluded.updated_ms,
            flap_count = excluded.flap_count, suggestion_id = excluded.suggestion_id,
            due_ms = excluded.due_ms, muted_urgency = excluded.muted_urgency,
            sentence_zh = excluded.sentence_zh, sentence_en = excluded.sentence_en,
            limit_value = excluded.limit_value, is_limit_assumed = excluded.is_limit_assumed,
            level = excluded.level, slope_per_day = excluded.slope_per_day,
            first_ms = excluded.first_ms, first_value = excluded.first_value,
            newest_ms = excluded.newest_ms, newest_value = excluded.newest_value,
            readings = excluded.readings, early_ms = excluded.early_ms,
            middle_ms = excluded.middle_ms, late_ms = excluded.late_ms,
            is_crossed = excluded.is_crossed
        """
    static let release = "DELETE FROM occupancy WHERE id = ?"
    static let occupancy = """
        INSERT INTO occupancy (id, bay_code, start_ms, end_ms, kind, suggestion_id, expires_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """
    static let suggestion = """
        INSERT INTO suggestion (id, version, vehicle_id, station_code, state, urgency,
            latest_by_ms, early_ms, minutes, jobs, kinds, created_ms, updated_ms, occupancy_id,
            hold_until_ms, decline_reason, note)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state,
            urgency = excluded.urgency, latest_by_ms = excluded.latest_by_ms,
            early_ms = excluded.early_ms, minutes = excluded.minutes, jobs = excluded.jobs,
            kinds = excluded.kinds, updated_ms = excluded.updated_ms,
            occupancy_id = excluded.occupancy_id, hold_until_ms = excluded.hold_until_ms,
            decline_reason = excluded.decline_reason, note = excluded.note
        """
    static let clearAlerts = "DELETE FROM suggestion_alert WHERE suggestion_id = ?"
    static let suggestionAlert = """
        INSERT INTO suggestion_alert (suggestion_id, alert_id) VALUES (?, ?)
        """
    static let clearOffers = "DELETE FROM suggestion_offer WHERE suggestion_id = ?"
    static let suggestionOffer = """
        INSERT INTO suggestion_offer (suggestion_id, label, bay_code, start_ms, end_ms, cost)
        VALUES (?, ?, ?, ?, ?, ?)
        """
    static let transition = """
        INSERT INTO transition
            (machine, record_id, from_state, event, to_state, actor, at_ms, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
}
