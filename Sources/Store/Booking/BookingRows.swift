import Foundation
import GRDB
import GatewayCore
import Telemetry
import Workshop

/// Records of suggestions, visits and contacts → rows.
///
/// Bays, technicians and stations are stored by their codes: a changed configuration does not
/// renumber rows.
struct BookingRows {
    let stations: [Station]
    let database: Database

    func write(_ unit: CommitUnit) throws {
        for id in unit.releasedOccupancies { try run(SQL.release, [id.rawValue]) }
        for row in unit.occupancies { try write(row) }
        for suggestion in newest(
            unit.suggestions,
            by: \.id.rawValue,
            endedFirst: \.state.isLive
        ) { try write(suggestion) }
        for visit in newest(unit.appointments, by: \.id.rawValue) { try write(visit) }
        for row in unit.attempts { try write(row) }
        for row in unit.contacts { try write(row) }
        for row in unit.work { try write(row) }
        for complaint in unit.complaints { try write(complaint) }
        for row in unit.closures { try write(row) }
        for id in unit.removedClosures { try run(SQL.removeClosure, [id.rawValue]) }
    }

    private func run(_ sql: String, _ arguments: StatementArguments) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    private func write(_ row: OccupancyRow) throws {
        var suggestion: Int64?
        var appointment: Int64?
        var desk: (holder: String, station: String, at: Timestamp)?
        switch row.owner {
        case .suggestion(let id): suggestion = id.rawValue
        case .appointment(let id): appointment = id.rawValue
        case .desk(let holder, let station, let at): desk = (holder, station, at)
        }
        try run(
            SQL.occupancy,
            [
                row.occupancy.id.rawValue, row.bayCode, row.technicianCode,
                row.occupancy.slot.interval.start.milliseconds,
                row.occupancy.slot.interval.end.milliseconds, row.occupancy.kind.rawValue,
                suggestion, appointment, desk?.holder, desk?.station, desk?.at.milliseconds,
                row.expiresAt?.milliseconds,
            ]
        )
    }

    private func write(_ suggestion: Suggestion) throws {
        let station = stations[suggestion.station]
        let need = suggestion.need
        let handling = suggestion.handling
        let id = suggestion.id.rawValue
        try run(
            SQL.suggestion,
            [
                id, suggestion.version, Int64(suggestion.vehicle.index), station.code,
                suggestion.state.rawValue, need.urgency.rawValue, need.latestBy.milliseconds,
                need.early.milliseconds, need.earliestUseful.milliseconds, need.minutes,
                need.jobs.joined(separator: ","), joined(need.kinds.map(\.rawValue)),
                joined(need.skills), need.partsLeadDays, suggestion.createdAt.milliseconds,
                suggestion.updatedAt.milliseconds, suggestion.occupancy?.id.rawValue,
                suggestion.holdUntil?.milliseconds, handling.queue.rawValue, handling.owner,
                handling.leaseUntil?.milliseconds, handling.wait?.kind.rawValue,
                handling.wait?.until.milliseconds, handling.contactDue.milliseconds,
                handling.isBreached, handling.attempts, handling.lastAttemptAt?.milliseconds,
                handling.failures, handling.messages, handling.hasChanged,
                handling.isBasisGone, suggestion.appointment?.rawValue,
                suggestion.reopenedFrom?.rawValue, suggestion.lookedAt.milliseconds,
                suggestion.declineReason?.rawValue, suggestion.note,
                try BookingRows.text(of: need.lines), suggestion.symptoms,
                suggestion.stationReason.rawValue,
            ]
        )
        try run(SQL.clearAlerts, [id])
        for alert in suggestion.alerts { try run(SQL.suggestionAlert, [id, alert.rawValue]) }
        try run(SQL.clearOffers, [id])
        for offer in suggestion.offers {
            let slot = offer.slot
            try run(
                SQL.suggestionOffer,
                [
                    id, offer.label.rawValue, station.bays[slot.bay].code,
                    slot.technician.map { station.technicians[$0].code },
                    slot.interval.start.milliseconds, slot.interval.end.milliseconds,
                    offer.terms.map { "\($0.name.rawValue)=\($0.minutes)" }
                        .joined(separator: ","),
                ]
            )
        }
    }

    private func write(_ visit: Appointment) throws {
        let station = stations[visit.station]
        let need = visit.need
        let id = visit.id.rawValue
        let slot = visit.slot
        try run(
            SQL.appointment,
            [
                id, visit.version, Int64(visit.vehicle.index), station.code,
                visit.state.rawValue, visit.suggestion?.rawValue, need.urgency.rawValue,
                need.latestBy.milliseconds, need.early.milliseconds,
                need.earliestUseful.milliseconds, need.minutes,
                need.jobs.joined(separator: ","), joined(need.kinds.map(\.rawValue)),
                joined(need.skills), need.partsLeadDays, station.bays[slot.bay].code,
                slot.technician.map { station.technicians[$0].code },
                slot.interval.start.milliseconds, slot.interval.end.milliseconds,
                visit.occupancy?.rawValue, visit.sequence, visit.createdAt.milliseconds,
                visit.updatedAt.milliseconds, visit.arrivedAt?.milliseconds,
                visit.startedAt?.milliseconds, visit.finishedAt?.milliseconds,
                visit.missedAt?.milliseconds, visit.odometerKilometres, visit.symptoms,
                visit.cancelCode?.rawValue, visit.note, visit.followUp?.at.milliseconds,
                visit.followUp?.by, visit.followUp?.score, visit.followUp?.expectation,
                visit.followUp?.issue, visit.followUp?.dueReminders,
                try BookingRows.text(of: need.lines),
            ]
        )
        try run(SQL.clearAppointmentAlerts, [id])
        for alert in visit.alerts { try run(SQL.appointmentAlert, [id, alert.rawValue]) }
        try run(SQL.clearToDos, [id])
        for (place, toDo) in visit.toDos.enumerated() {
            try run(
                SQL.toDo,
                [
                    id, place, toDo.kind.rawValue, toDo.openedAt.milliseconds,
                    toDo.doneAt?.milliseconds, toDo.doneBy,
                ]
            )
        }
        for finding in visit.findings {
            try run(
                SQL.finding,
                [
                    id, finding.alert.rawValue, finding.verdict.rawValue, finding.action,
                    finding.parts, finding.note, finding.measured, finding.minutes,
                ]
            )
        }
    }

    private func write(_ row: AttemptRow) throws {
        let attempt = row.attempt
        try run(
            SQL.attempt,
            [
                row.suggestion.rawValue, Int64(row.vehicle.index), row.at.milliseconds,
                row.actor.name, attempt.channel.rawValue, attempt.outcome.rawValue, row.isRedial,
                attempt.callBackAt?.milliseconds, attempt.odometerKilometres, attempt.symptoms,
                attempt.note,
            ]
        )
    }

    private func write(_ row: ContactRow) throws {
        let history = row.history
        try run(
            SQL.contact,
            [
                Int64(row.vehicle.index), history.lastAt?.milliseconds,
                history.lastSuggestion?.rawValue, history.isForbidden,
                history.preference.map { joined($0.weekdays.map { "\($0)" }) },
                history.preference?.from, history.preference?.to,
            ]
        )
    }

    private func write(_ row: WorkRow) throws {
        try run(SQL.work, [Int64(row.vehicle.index), try BookingRows.text(row.work)])
    }

    /// Most visits are for nothing but their alerts.
    private static func text(of lines: [VisitLine]) throws -> String {
        lines.isEmpty ? "[]" : try text(lines)
    }

    /// A record that is only ever read whole, as JSON.
    private static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private func write(_ complaint: Complaint) throws {
        try run(
            SQL.complaint,
            [
                complaint.id.rawValue, Int64(complaint.vehicle.index),
                complaint.suggestion?.rawValue, complaint.appointment?.rawValue, complaint.text,
                complaint.openedAt.milliseconds, complaint.openedBy,
                complaint.handledAt?.milliseconds, complaint.handledBy, complaint.resolution,
            ]
        )
    }

    private func write(_ row: ClosureRow) throws {
        let station = stations[row.station]
        let interval = row.closure.interval
        let (scope, code): (String, String?) =
            switch row.closure.scope {
            case .station: ("station", nil)
            case .bay(let bay): ("bay", station.bays[bay].code)
            case .technician(let place): ("technician", station.technicians[place].code)
            }
        try run(
            SQL.closure,
            [
                row.closure.id.rawValue, station.code, scope, code, interval.start.milliseconds,
                interval.end.milliseconds, row.closure.reason,
            ]
        )
    }

    /// Parts in a fixed order, whatever the set's.
    private func joined(_ parts: some Sequence<String>) -> String {
        parts.sorted().joined(separator: ",")
    }
}

private enum SQL {
    static let release = "DELETE FROM occupancy WHERE id = ?"
    static let occupancy = """
        INSERT INTO occupancy (id, bay_code, technician_code, start_ms, end_ms, kind,
            suggestion_id, appointment_id, holder, station_code, taken_ms, expires_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let suggestion = """
        INSERT INTO suggestion (id, version, vehicle_id, station_code, state, urgency,
            latest_by_ms, early_ms, earliest_useful_ms, minutes, jobs, kinds, skills,
            parts_lead_days, created_ms, updated_ms, occupancy_id, hold_until_ms, queue, owner,
            lease_until_ms, wait_kind, wait_until_ms, contact_due_ms, is_breached, attempts,
            last_attempt_ms, failures, messages, has_changed, is_basis_gone, appointment_id,
            reopened_from, looked_ms, decline_reason, note, lines, symptoms, station_reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state,
            station_code = excluded.station_code, lines = excluded.lines,
            symptoms = excluded.symptoms, station_reason = excluded.station_reason,
            urgency = excluded.urgency, latest_by_ms = excluded.latest_by_ms,
            early_ms = excluded.early_ms, earliest_useful_ms = excluded.earliest_useful_ms,
            minutes = excluded.minutes, jobs = excluded.jobs, kinds = excluded.kinds,
            skills = excluded.skills, parts_lead_days = excluded.parts_lead_days,
            updated_ms = excluded.updated_ms, occupancy_id = excluded.occupancy_id,
            hold_until_ms = excluded.hold_until_ms, queue = excluded.queue,
            owner = excluded.owner, lease_until_ms = excluded.lease_until_ms,
            wait_kind = excluded.wait_kind, wait_until_ms = excluded.wait_until_ms,
            contact_due_ms = excluded.contact_due_ms, is_breached = excluded.is_breached,
            attempts = excluded.attempts, last_attempt_ms = excluded.last_attempt_ms,
            failures = excluded.failures, messages = excluded.messages,
            has_changed = excluded.has_changed, is_basis_gone = excluded.is_basis_gone,
            appointment_id = excluded.appointment_id, looked_ms = excluded.looked_ms,
            decline_reason = excluded.decline_reason, note = excluded.note
        """
    static let clearAlerts = "DELETE FROM suggestion_alert WHERE suggestion_id = ?"
    static let suggestionAlert = """
        INSERT INTO suggestion_alert (suggestion_id, alert_id) VALUES (?, ?)
        """
    static let clearOffers = "DELETE FROM suggestion_offer WHERE suggestion_id = ?"
    static let suggestionOffer = """
        INSERT INTO suggestion_offer
            (suggestion_id, label, bay_code, technician_code, start_ms, end_ms, terms)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """
    static let appointment = """
        INSERT OR REPLACE INTO appointment (id, version, vehicle_id, station_code, state,
            suggestion_id, urgency, latest_by_ms, early_ms, earliest_useful_ms, minutes, jobs,
            kinds, skills, parts_lead_days, bay_code, technician_code, start_ms, end_ms,
            occupancy_id, sequence, created_ms, updated_ms, arrived_ms, started_ms, finished_ms,
            missed_ms, odometer_km, symptoms, cancel_code, note, follow_up_ms, follow_up_by,
            follow_up_score, follow_up_expectation, follow_up_issue, follow_up_reminders, lines)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
            ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let clearAppointmentAlerts = "DELETE FROM appointment_alert WHERE appointment_id = ?"
    static let appointmentAlert = """
        INSERT INTO appointment_alert (appointment_id, alert_id) VALUES (?, ?)
        """
    static let clearToDos = "DELETE FROM to_do WHERE appointment_id = ?"
    static let toDo = """
        INSERT INTO to_do (appointment_id, place, kind, opened_ms, done_ms, done_by)
        VALUES (?, ?, ?, ?, ?, ?)
        """
    static let finding = """
        INSERT OR REPLACE INTO finding
            (appointment_id, alert_id, verdict, action, parts, note, measured, minutes)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let attempt = """
        INSERT INTO contact_attempt (suggestion_id, vehicle_id, at_ms, actor, channel, outcome,
            is_redial, call_back_ms, odometer_km, symptoms, note)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let contact = """
        INSERT OR REPLACE INTO vehicle_contact (vehicle_id, last_ms, last_suggestion_id,
            is_forbidden, preferred_weekdays, preferred_from, preferred_to)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """
    static let work = "INSERT OR REPLACE INTO vehicle_work (vehicle_id, body) VALUES (?, ?)"
    static let complaint = """
        INSERT OR REPLACE INTO complaint (id, vehicle_id, suggestion_id, appointment_id, text,
            opened_ms, opened_by, handled_ms, handled_by, resolution)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    static let closure = """
        INSERT INTO closure (id, station_code, scope, place_code, start_ms, end_ms, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """
    static let removeClosure = "DELETE FROM closure WHERE id = ?"
}
