import Foundation
import GRDB
import GatewayCore
import Telemetry
import Workshop

/// Rows of suggestions, visits and contacts → what a core that starts takes up again.
extension BookingRows {
    func restore(_ state: inout RestoredState) throws {
        state.suggestions = try suggestions()
        state.appointments = try appointments()
        state.holds = try holds()
        state.orphans = try orphans(state)
        state.contacts = try contacts()
        state.work = try Row.fetchAll(
            database,
            sql: "SELECT * FROM vehicle_work ORDER BY vehicle_id"
        ).map { row in
            WorkRow(
                vehicle: VehicleID(index: row["vehicle_id"]),
                work: try BookingRows.value(VehicleWork.self, row["body"])
            )
        }
        state.complaints = try Row.fetchAll(
            database,
            sql: "SELECT * FROM complaint WHERE handled_ms IS NULL ORDER BY id"
        ).map(BookingRows.complaint)
        state.closures = try closures()
    }

    // MARK: Suggestions

    /// Live ones, and declined ones that can still be taken back.
    private func suggestions() throws -> [Suggestion] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT s.*, o.bay_code, o.technician_code, o.start_ms, o.end_ms
                FROM suggestion s LEFT JOIN occupancy o ON o.id = s.occupancy_id
                WHERE s.state IN ('proposed', 'claimed', 'waiting')
                    OR (s.state = 'declined' AND s.updated_ms > (
                        SELECT now_ms - 600000 FROM core_time))
                ORDER BY s.id
                """
        ).map(suggestion)
    }

    private func suggestion(_ row: Row) throws -> Suggestion {
        let id: Int64 = row["id"]
        let station = place(ofStation: row["station_code"])
        let held = slot(row, station)
        var suggestion = Suggestion(
            id: SuggestionID(rawValue: id),
            version: row["version"],
            vehicle: VehicleID(index: row["vehicle_id"]),
            station: station,
            state: SuggestionState(rawValue: row["state"]) ?? .proposed,
            alerts: try alerts("suggestion", id),
            need: try BookingRows.need(row),
            offers: try offers(id, station),
            occupancy: held.map {
                Occupancy(
                    id: OccupancyID(rawValue: row["occupancy_id"]),
                    slot: $0,
                    kind: .hold
                )
            },
            holdUntil: held == nil ? nil : time(row, "hold_until_ms"),
            createdAt: Timestamp(milliseconds: row["created_ms"]),
            updatedAt: Timestamp(milliseconds: row["updated_ms"]),
            handling: BookingRows.handling(row),
            appointment: (row["appointment_id"] as Int64?).map(AppointmentID.init(rawValue:)),
            reopenedFrom: (row["reopened_from"] as Int64?).map(SuggestionID.init(rawValue:)),
            lookedAt: Timestamp(milliseconds: row["looked_ms"]),
            declineReason: (row["decline_reason"] as String?).flatMap(
                DeclineReason.init(rawValue:)
            ),
            note: row["note"]
        )
        suggestion.symptoms = row["symptoms"]
        suggestion.stationReason = StationReason(rawValue: row["station_reason"]) ?? .home
        return suggestion
    }

    static func value<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    static func handling(_ row: Row) -> Handling {
        var handling = Handling(contactDue: Timestamp(milliseconds: row["contact_due_ms"]))
        handling.queue = Queue(rawValue: row["queue"]) ?? .advisor
        handling.owner = row["owner"]
        handling.leaseUntil = time(row, "lease_until_ms")
        if let kind = (row["wait_kind"] as String?).flatMap(WaitKind.init(rawValue:)),
            let until = time(row, "wait_until_ms")
        {
            handling.wait = Wait(kind: kind, until: until)
        }
        handling.isBreached = row["is_breached"]
        handling.attempts = row["attempts"]
        handling.lastAttemptAt = time(row, "last_attempt_ms")
        handling.failures = row["failures"]
        handling.messages = row["messages"]
        handling.hasChanged = row["has_changed"]
        handling.isBasisGone = row["is_basis_gone"]
        return handling
    }

    static func need(_ row: Row) throws -> VisitNeed {
        VisitNeed(
            urgency: Urgency(rawValue: row["urgency"]) ?? .p3,
            latestBy: Timestamp(milliseconds: row["latest_by_ms"]),
            early: Timestamp(milliseconds: row["early_ms"]),
            earliestUseful: Timestamp(milliseconds: row["earliest_useful_ms"]),
            jobs: list(row["jobs"]),
            minutes: row["minutes"],
            kinds: Set(list(row["kinds"]).compactMap(BayKind.init(rawValue:))),
            skills: Set(list(row["skills"])),
            partsLeadDays: row["parts_lead_days"],
            lines: try value([VisitLine].self, row["lines"])
        )
    }

    /// Terms as they were stored: `risk=3.8,load=2.0`.
    static func terms(_ text: String) -> [CostTerm] {
        list(text).compactMap { part in
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2, let name = CostTerm.Name(rawValue: pair[0]),
                let minutes = Double(pair[1])
            else { return nil }
            return CostTerm(name: name, minutes: minutes)
        }
    }

    private func offers(_ id: Int64, _ station: Int) throws -> [Offer] {
        let rows = try Row.fetchAll(
            database,
            sql: "SELECT * FROM suggestion_offer WHERE suggestion_id = ?",
            arguments: [id]
        )
        return OfferLabel.allCases.compactMap { label in
            rows.first { $0["label"] == label.rawValue }.flatMap { row in
                slot(row, station).map {
                    Offer(label: label, slot: $0, terms: BookingRows.terms(row["terms"]))
                }
            }
        }
    }

    // MARK: Visits

    private func appointments() throws -> [Appointment] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM appointment WHERE state NOT IN ('closed', 'cancelled') ORDER BY id
                """
        ).map(appointment)
    }

    private func appointment(_ row: Row) throws -> Appointment {
        let id: Int64 = row["id"]
        let station = place(ofStation: row["station_code"])
        let found = slot(row, station)
        let interval = OpenInterval(
            start: Timestamp(milliseconds: row["start_ms"]),
            end: Timestamp(milliseconds: row["end_ms"])
        )
        var visit = Appointment(
            id: AppointmentID(rawValue: id),
            version: row["version"],
            vehicle: VehicleID(index: row["vehicle_id"]),
            station: station,
            state: AppointmentState(rawValue: row["state"]) ?? .confirmed,
            suggestion: (row["suggestion_id"] as Int64?).map(SuggestionID.init(rawValue:)),
            alerts: try alerts("appointment", id),
            need: try BookingRows.need(row),
            slot: found ?? Slot(bay: 0, interval: interval),
            // A bay that is no longer configured cannot be taken.
            occupancy: found == nil
                ? nil : (row["occupancy_id"] as Int64?).map(OccupancyID.init(rawValue:)),
            createdAt: Timestamp(milliseconds: row["created_ms"]),
            updatedAt: Timestamp(milliseconds: row["updated_ms"])
        )
        visit.sequence = row["sequence"]
        visit.arrivedAt = time(row, "arrived_ms")
        visit.startedAt = time(row, "started_ms")
        visit.finishedAt = time(row, "finished_ms")
        visit.missedAt = time(row, "missed_ms")
        visit.odometerKilometres = row["odometer_km"]
        visit.symptoms = row["symptoms"]
        visit.cancelCode = (row["cancel_code"] as String?).flatMap(CancelCode.init(rawValue:))
        visit.note = row["note"]
        visit.followUp = BookingRows.followUp(row)
        visit.toDos = try BookingRows.toDos(ofAppointment: id, database)
        visit.findings = try BookingRows.findings(ofAppointment: id, database)
        return visit
    }

    static func followUp(_ row: Row) -> FollowUp? {
        guard let at = time(row, "follow_up_ms") else { return nil }
        return FollowUp(
            at: at,
            by: row["follow_up_by"],
            isThanked: true,
            score: row["follow_up_score"],
            expectation: row["follow_up_expectation"],
            issue: row["follow_up_issue"],
            dueReminders: row["follow_up_reminders"]
        )
    }

    static func toDos(ofAppointment id: Int64, _ database: Database) throws -> [ToDo] {
        try Row.fetchAll(
            database,
            sql: "SELECT * FROM to_do WHERE appointment_id = ? ORDER BY place",
            arguments: [id]
        ).compactMap { row in
            guard let kind = ToDo.Kind(rawValue: row["kind"]) else { return nil }
            return ToDo(
                kind: kind,
                openedAt: Timestamp(milliseconds: row["opened_ms"]),
                doneAt: time(row, "done_ms"),
                doneBy: row["done_by"]
            )
        }
    }

    static func findings(ofAppointment id: Int64, _ database: Database) throws -> [Finding] {
        try Row.fetchAll(
            database,
            sql: "SELECT * FROM finding WHERE appointment_id = ? ORDER BY alert_id",
            arguments: [id]
        ).compactMap { row in
            guard let verdict = Verdict(rawValue: row["verdict"]) else { return nil }
            return Finding(
                alert: AlertID(rawValue: row["alert_id"]),
                verdict: verdict,
                action: row["action"],
                parts: row["parts"],
                note: row["note"],
                measured: row["measured"],
                minutes: row["minutes"]
            )
        }
    }

    // MARK: Around them

    /// Occupancies nobody restored knows: their bay has left the configuration.
    private func orphans(_ state: RestoredState) throws -> [OccupancyID] {
        let known = Set(state.suggestions.compactMap(\.occupancy?.id))
            .union(state.appointments.compactMap(\.occupancy))
            .union(state.holds.map(\.occupancy.id))
        return try Int64.fetchAll(
            database,
            sql: "SELECT id FROM occupancy WHERE kind = 'hold' ORDER BY id"
        )
        .map(OccupancyID.init(rawValue:)).filter { !known.contains($0) }
    }

    /// Slots that people at the desk keep, where their bay is still configured.
    private func holds() throws -> [DeskHold] {
        try Row.fetchAll(
            database,
            sql: "SELECT * FROM occupancy WHERE holder IS NOT NULL ORDER BY id"
        ).compactMap { row in
            let station = place(ofStation: row["station_code"])
            return slot(row, station).map {
                DeskHold(
                    occupancy: Occupancy(
                        id: OccupancyID(rawValue: row["id"]),
                        slot: $0,
                        kind: .hold
                    ),
                    station: station,
                    holder: row["holder"],
                    takenAt: Timestamp(milliseconds: row["taken_ms"]),
                    until: Timestamp(milliseconds: row["expires_ms"])
                )
            }
        }
    }

    private func contacts() throws -> [ContactRow] {
        try Row.fetchAll(database, sql: "SELECT * FROM vehicle_contact ORDER BY vehicle_id").map {
            row in
            var history = ContactHistory()
            history.lastAt = time(row, "last_ms")
            history.lastSuggestion = (row["last_suggestion_id"] as Int64?)
                .map(SuggestionID.init(rawValue:))
            history.isForbidden = row["is_forbidden"]
            if let weekdays = row["preferred_weekdays"] as String? {
                history.preference = VisitPreference(
                    weekdays: Set(list(weekdays).compactMap { Int($0) }),
                    from: row["preferred_from"],
                    to: row["preferred_to"]
                )
            }
            return ContactRow(vehicle: VehicleID(index: row["vehicle_id"]), history: history)
        }
    }

    static func complaint(_ row: Row) -> Complaint {
        Complaint(
            id: ComplaintID(rawValue: row["id"]),
            vehicle: VehicleID(index: row["vehicle_id"]),
            suggestion: (row["suggestion_id"] as Int64?).map(SuggestionID.init(rawValue:)),
            appointment: (row["appointment_id"] as Int64?).map(AppointmentID.init(rawValue:)),
            text: row["text"],
            openedAt: Timestamp(milliseconds: row["opened_ms"]),
            openedBy: row["opened_by"],
            handledAt: time(row, "handled_ms"),
            handledBy: row["handled_by"],
            resolution: row["resolution"]
        )
    }

    /// Closures of places that are still configured and that are not over.
    private func closures() throws -> [ClosureRow] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM closure WHERE end_ms > (SELECT now_ms FROM core_time) ORDER BY id
                """
        ).compactMap { row in
            guard let station = stations.firstIndex(where: { $0.code == row["station_code"] }),
                let scope = scope(row, stations[station])
            else { return nil }
            return ClosureRow(
                station: station,
                closure: Closure(
                    id: ClosureID(rawValue: row["id"]),
                    scope: scope,
                    interval: OpenInterval(
                        start: Timestamp(milliseconds: row["start_ms"]),
                        end: Timestamp(milliseconds: row["end_ms"])
                    ),
                    reason: row["reason"]
                )
            )
        }
    }

    private func scope(_ row: Row, _ station: Station) -> Closure.Scope? {
        let code: String? = row["place_code"]
        switch row["scope"] as String {
        case "bay": return station.bays.firstIndex { $0.code == code }.map(Closure.Scope.bay)
        case "technician":
            return station.technicians.firstIndex { $0.code == code }
                .map(Closure.Scope.technician)
        default: return .station
        }
    }

    private func place(ofStation code: String) -> Int {
        stations.firstIndex { $0.code == code } ?? 0
    }

    /// The bay and technician by their codes; nil when the bay is no longer configured.
    private func slot(_ row: Row, _ station: Int) -> Slot? {
        guard let code = row["bay_code"] as String?,
            let bay = stations[station].bays.firstIndex(where: { $0.code == code })
        else { return nil }
        let technician: String? = row["technician_code"]
        return Slot(
            bay: bay,
            technician: stations[station].technicians.firstIndex { $0.code == technician },
            interval: OpenInterval(
                start: Timestamp(milliseconds: row["start_ms"]),
                end: Timestamp(milliseconds: row["end_ms"])
            )
        )
    }

    private func alerts(_ owner: String, _ id: Int64) throws -> [AlertID] {
        try Int64.fetchAll(
            database,
            sql: """
                SELECT alert_id FROM \(owner)_alert WHERE \(owner)_id = ? ORDER BY alert_id
                """,
            arguments: [id]
        ).map(AlertID.init(rawValue:))
    }
}

/// A column of milliseconds as a time.
func time(_ row: Row, _ column: String) -> Timestamp? {
    (row[column] as Int64?).map(Timestamp.init(milliseconds:))
}
