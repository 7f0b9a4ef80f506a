import Telemetry
import Workshop

/// Confirmed visits (machine appointment): made, moved, worked on, followed up.
extension Gateway {
    /// A visit begun within this time after one that failed the quality check is the same visit.
    private static let reworkWindow = Milliseconds.days(Int64(14))

    mutating func makeAppointment(
        _ need: VisitNeed,
        _ slot: Slot,
        vehicle: VehicleID,
        station: Int,
        suggestion: SuggestionID?,
        alerts: [AlertID],
        note: String,
        symptoms: String,
        by actor: Actor
    ) -> AppointmentID {
        var visit = Appointment(
            id: AppointmentID(rawValue: nextAppointment),
            version: 1,
            vehicle: vehicle,
            station: station,
            state: .confirmed,
            suggestion: suggestion,
            alerts: alerts,
            need: need,
            slot: slot,
            occupancy: nil,
            createdAt: now,
            updatedAt: now
        )
        nextAppointment += 1
        visit.note = note
        visit.symptoms = symptoms
        record(
            .appointment,
            visit.id.rawValue,
            from: "",
            AppointmentState.Event.book.rawValue,
            to: visit.state.rawValue,
            by: actor
        )
        take(slot, for: &visit)
        write(visit)
        return visit.id
    }

    mutating func take(
        _ step: AppointmentStep,
        _ id: AppointmentID,
        version: Int,
        by actor: Actor
    ) throws(Problem) -> Answer {
        guard var visit = appointments[id] else {
            let hasExisted = id.rawValue >= 1 && id.rawValue < nextAppointment
            throw Problem(hasExisted ? .illegalTransition : .notFound)
        }
        guard visit.version == version else {
            throw Problem(.staleVersion, currentVersion: visit.version)
        }
        switch step {
        case .move(let start, let reason): try reschedule(&visit, start, reason, by: actor)
        case .arrive(let odometer, let symptoms):
            try arrive(&visit, odometer, symptoms, by: actor)
        case .miss:
            try require(.miss, visit)
            miss(&visit, by: actor)
        case .cancel(let code, let note):
            try require(.cancel, visit)
            callOff(&visit, .cancel, code, note, by: actor)
        case .start:
            try require(.start, visit, role: actor)
            visit.startedAt = now
            move(&visit, .start, by: actor)
        case .finish(let findings, let advised):
            try finish(&visit, findings, advised, by: actor)
        case .rework(let reason):
            try require(.rework, visit, role: actor)
            guard now <= (visit.finishedAt ?? now) + Gateway.reworkWindow else {
                throw Problem(.illegalTransition, currentVersion: visit.version)
            }
            try takeBayNow(&visit)
            visit.startedAt = now
            visit.finishedAt = nil
            move(&visit, .rework, by: actor, reason: reason)
        case .abort(let code, let note):
            try require(.abort, visit, role: actor)
            callOff(&visit, .abort, code, note, by: actor)
        case .followUp(let followUp): try follow(up: followUp, &visit, by: actor)
        case .settle(let kind):
            guard visit.openToDos.contains(where: { $0.kind == kind }) else {
                throw Problem(.illegalTransition, currentVersion: visit.version)
            }
            settle(kind, &visit, by: actor)
        }
        visit.version += 1
        visit.updatedAt = now
        write(visit)
        replan(visit.vehicle)
        return .appointment(id)
    }

    /// Whether the machine and, where an actor is named, the workshop's rights allow the step.
    private func require(
        _ event: AppointmentState.Event,
        _ visit: Appointment,
        role actor: Actor? = nil
    ) throws(Problem) {
        guard visit.state.allows(event) else {
            throw Problem(.illegalTransition, currentVersion: visit.version)
        }
        guard actor.map({ $0.role == .manager }) ?? true else {
            throw Problem(.roleMissing, currentVersion: visit.version)
        }
    }

    // MARK: Time and place

    /// Takes `slot` for the visit and gives up the one before.
    mutating func take(_ slot: Slot, for visit: inout Appointment) {
        if let occupancy = visit.occupancy { free(occupancy, at: visit.station) }
        visit.occupancy =
            occupy(
                slot,
                .appointment,
                at: visit.station,
                for: .appointment(visit.id),
                until: nil
            ).id
        visit.slot = slot
    }

    /// A bay and a technician from this minute on, for as long as was agreed.
    private mutating func takeBayNow(_ visit: inout Appointment) throws(Problem) {
        let length = visit.slot.interval.end - visit.slot.interval.start
        let slot = SlotFinder.place(
            OpenInterval(start: now, end: now + length),
            kinds: visit.need.kinds,
            skills: visit.need.skills,
            station: stations[visit.station],
            calendar: calendars[visit.station],
            except: nil
        )
        guard let slot else { throw Problem(.slotTaken, currentVersion: visit.version) }
        take(slot, for: &visit)
    }

    private mutating func freeBay(_ visit: inout Appointment) {
        guard let occupancy = visit.occupancy else { return }
        free(occupancy, at: visit.station)
        visit.occupancy = nil
    }

    private mutating func reschedule(
        _ visit: inout Appointment,
        _ start: Timestamp,
        _ reason: String,
        by actor: Actor
    ) throws(Problem) {
        let event: AppointmentState.Event = visit.state == .noShow ? .rebook : .move
        try require(event, visit)
        guard upcoming[visit.vehicle].map({ $0 == visit.id }) ?? true else {
            throw Problem(.visitExists, currentVersion: visit.version)
        }
        let slot: Slot
        do throws(Problem) {
            slot = try place(
                visit.need,
                at: start,
                station: visit.station,
                except: visit.occupancy
            )
        } catch {
            throw Problem(error.code, currentVersion: visit.version)
        }
        take(slot, for: &visit)
        visit.sequence += 1
        visit.missedAt = nil
        // They belong to the time that was.
        visit.toDos.removeAll { $0.kind != .followUp }
        move(&visit, event, by: actor, reason: reason)
        guard event == .rebook else { return }
        upcoming[visit.vehicle] = visit.id
        for id in visit.alerts {
            guard let alert = alerts[id], alert.state == .open else { continue }
            bind([alert], to: visit.suggestion ?? SuggestionID(rawValue: 0))
        }
        amendInstead(visit.vehicle)
    }

    /// The vehicle has a visit: what is still suggested would add to it.
    mutating func amendInstead(_ vehicle: VehicleID) {
        guard let id = vehicles[Int(vehicle.index)].suggestion, var live = suggestions[id],
            let visit = upcoming[vehicle], live.appointment != visit
        else { return }
        release(&live)
        live.offers = []
        live.appointment = visit
        live.handling.hasChanged = live.state != .proposed
        bump(&live)
    }

    /// The visit takes no more work: what would have added to it needs a slot of its own.
    private mutating func standAlone(_ visit: Appointment) {
        guard let id = vehicles[Int(visit.vehicle.index)].suggestion, var live = suggestions[id],
            live.appointment == visit.id
        else { return }
        live.appointment = nil
        holdBest(&live)
        bump(&live)
    }

    // MARK: In the workshop

    private mutating func arrive(
        _ visit: inout Appointment,
        _ odometer: Int?,
        _ symptoms: String,
        by actor: Actor
    ) throws(Problem) {
        let event: AppointmentState.Event = visit.state == .noShow ? .arriveLate : .arrive
        try require(event, visit)
        var reason = ""
        if event == .arriveLate {
            let zone = stations[visit.station].zone
            let start = visit.slot.interval.start
            guard zone.civil(now).date == zone.civil(start).date else {
                throw Problem(.illegalTransition, currentVersion: visit.version)
            }
            guard upcoming[visit.vehicle] == nil else {
                throw Problem(.visitExists, currentVersion: visit.version)
            }
            reason = "\(Int((now - start).minutes)) min late"
            try takeBayNow(&visit)
            settle(.noShowCall, &visit, by: actor)
        }
        settle(.careCall, &visit, by: actor)
        settle(.reminder, &visit, by: actor)
        visit.arrivedAt = now
        visit.odometerKilometres = odometer
        if !symptoms.isEmpty { visit.symptoms = symptoms }
        move(&visit, event, by: actor, reason: reason)
    }

    private mutating func finish(
        _ visit: inout Appointment,
        _ findings: [Finding],
        _ advised: [String],
        by actor: Actor
    ) throws(Problem) {
        try require(.finish, visit, role: actor)
        guard advised.allSatisfy({ planner.job($0) != nil }) else {
            throw Problem(.unknownName, currentVersion: visit.version)
        }
        let found = Set(findings.map(\.alert))
        guard found.count == findings.count, found == Set(visit.alerts) else {
            throw Problem(.findingMissing, currentVersion: visit.version)
        }
        visit.findings = findings.sorted { $0.alert < $1.alert }
        visit.finishedAt = now
        freeBay(&visit)
        move(&visit, .finish, by: actor)
        settleWork(
            of: visit.vehicle,
            visit.need,
            advised: advised.map { Recommendation(job: $0, appointment: visit.id, at: now) }
        )
        for id in vehicles[Int(visit.vehicle.index)].alerts {
            guard var alert = alerts[id], alert.state == .muted, alert.putOff?.untilVisit ?? false
            else { continue }
            unmute(&alert, reason: "next visit", by: .system)
            write(alert)
        }
        for finding in visit.findings {
            guard var alert = alerts[finding.alert] else { continue }
            if finding.verdict == .notInspected {
                guard alert.state == .planned else { continue }
                unplan(&alert, reason: "not inspected", by: actor)
            } else if alert.state.allows(.serviced) {
                markServiced(
                    &alert,
                    verdict: finding.verdict,
                    reason: finding.verdict.rawValue,
                    actor: actor
                )
            } else {
                alert.verdict = finding.verdict
            }
            write(alert)
        }
    }

    /// The visit is off: the bay is free, and what it was for is open again.
    mutating func callOff(
        _ visit: inout Appointment,
        _ event: AppointmentState.Event,
        _ code: CancelCode,
        _ note: String,
        by actor: Actor
    ) {
        freeBay(&visit)
        visit.cancelCode = code
        if !note.isEmpty { visit.note = note }
        if code == .customer { restWork(of: visit.vehicle, visit.need, isDeclined: false) }
        move(&visit, event, by: actor, reason: code.rawValue)
        for id in visit.alerts {
            guard var alert = alerts[id], alert.state == .planned else { continue }
            if code == .vehicleLeft {
                alert.due = nil
                move(&alert, .vehicleLeft, by: actor)
            } else {
                // Our own fault is made good at once, not after a pause.
                let isOurs = code == .shop || code == .partsMissing
                unplan(&alert, reason: "visit cancelled", by: actor, isPaused: !isOurs)
            }
            write(alert)
        }
    }

    mutating func miss(_ visit: inout Appointment, by actor: Actor) {
        freeBay(&visit)
        visit.missedAt = now
        settle(.careCall, &visit, by: actor)
        settle(.reminder, &visit, by: actor)
        open(.noShowCall, &visit)
        move(&visit, .miss, by: actor)
        restWork(of: visit.vehicle, visit.need, isDeclined: false)
        for id in visit.alerts {
            guard var alert = alerts[id], alert.state == .planned else { continue }
            unplan(&alert, reason: "no-show", by: actor)
            write(alert)
        }
    }

    // MARK: Afterwards

    private mutating func follow(
        up followUp: FollowUp,
        _ visit: inout Appointment,
        by actor: Actor
    ) throws(Problem) {
        guard visit.state == .done, visit.followUp == nil else {
            throw Problem(.illegalTransition, currentVersion: visit.version)
        }
        guard followUp.isThanked, (0...10).contains(followUp.score),
            !followUp.expectation.isEmpty, !followUp.dueReminders.isEmpty
        else { throw Problem(.followUpIncomplete, currentVersion: visit.version) }
        visit.followUp = followUp
        visit.followUp?.at = now
        visit.followUp?.by = actor.name
        settle(.followUp, &visit, by: actor)
        if !followUp.issue.isEmpty {
            open(
                complaint: followUp.issue,
                vehicle: visit.vehicle,
                suggestion: nil,
                appointment: visit.id,
                by: actor
            )
        }
        closeIfSettled(&visit)
    }

    /// Over when the customer was asked and telemetry has judged every alert.
    mutating func closeIfSettled(_ visit: inout Appointment) {
        let isJudged = visit.alerts.allSatisfy { alerts[$0]?.state != .serviced }
        guard visit.state == .done, visit.followUp != nil, isJudged else { return }
        move(&visit, .settled, by: .system)
    }

    // MARK: To-dos

    mutating func open(_ kind: ToDo.Kind, _ visit: inout Appointment) {
        guard !visit.openToDos.contains(where: { $0.kind == kind }) else { return }
        visit.toDos.append(ToDo(kind: kind, openedAt: now, doneAt: nil, doneBy: nil))
    }

    mutating func settle(_ kind: ToDo.Kind, _ visit: inout Appointment, by actor: Actor) {
        for index in visit.toDos.indices
        where visit.toDos[index].kind == kind && visit.toDos[index].doneAt == nil {
            visit.toDos[index].doneAt = now
            visit.toDos[index].doneBy = actor.name
        }
    }

    // MARK: Records

    /// The one way a visit changes its state.
    /// - Precondition: the machine allows it.
    mutating func move(
        _ visit: inout Appointment,
        _ event: AppointmentState.Event,
        by actor: Actor,
        reason: String = ""
    ) {
        guard let target = AppointmentState.target(from: visit.state, on: event) else {
            preconditionFailure("A visit that is \(visit.state) knows no \(event).")
        }
        record(
            .appointment,
            visit.id.rawValue,
            from: visit.state.rawValue,
            event.rawValue,
            to: target.rawValue,
            by: actor,
            reason: reason
        )
        visit.state = target
        visit.updatedAt = now
    }

    /// Remembers what the vehicle is booked or worked on for.
    /// - Returns: whether the visit took more work before and takes none now.
    @discardableResult
    mutating func follow(_ visit: Appointment) -> Bool {
        let vehicle = visit.vehicle
        if visit.state == .inService {
            inService[vehicle] = visit.id
        } else if inService[vehicle] == visit.id {
            inService[vehicle] = nil
        }
        if visit.state == .confirmed || visit.state == .arrived {
            upcoming[vehicle] = visit.id
        } else if upcoming[vehicle] == visit.id {
            upcoming[vehicle] = nil
            return true
        }
        return false
    }

    mutating func write(_ visit: Appointment) {
        audit(visit, before: appointments[visit.id])
        unit.appointments.append(visit)
        appointments[visit.id] = visit.state.isLive ? visit : nil
        if follow(visit) { standAlone(visit) }
        if let due = nextDue(visit) { scheduleVisit(visit, at: due) }
    }
}

extension Appointment: AuditedRecord {
    static var machine: Transition.Machine { .appointment }
    var recordNumber: Int64 { id.rawValue }

    var auditFields: [(name: String, value: String)] {
        [
            ("version", "\(version)"),
            ("sequence", "\(sequence)"),
            ("start", "\(slot.interval.start)"),
            ("end", "\(slot.interval.end)"),
            ("bay", "\(slot.bay)"),
            ("technician", slot.technician.map { "\($0)" } ?? ""),
            ("jobs", need.jobs.joined(separator: ",")),
            ("alerts", alerts.map { "\($0.rawValue)" }.joined(separator: ",")),
            ("odometer_km", odometerKilometres.map { "\($0)" } ?? ""),
            ("symptoms", symptoms),
            ("cancel_code", cancelCode?.rawValue ?? ""),
            (
                "findings",
                findings.map { "\($0.alert.rawValue):\($0.verdict.rawValue)" }
                    .joined(separator: ",")
            ),
            ("to_dos", openToDos.map(\.kind.rawValue).joined(separator: ",")),
            ("note", note),
        ]
    }
}
