import Telemetry
import Workshop

/// What the clock does with confirmed visits, and what closures do to them.
extension Gateway {
    /// Local time of the day before at which a customer is reminded.
    private static let reminderMinute = 10 * 60
    private static let careCallAfter = Milliseconds.minutes(15)
    private static let noShowAfter = Milliseconds.minutes(60)
    private static let giveUpAfter = Milliseconds.days(Int64(14))
    private static let followUpAfter = Milliseconds.days(Int64(3))
    private static let settleAfter = Milliseconds.days(Int64(30))

    // MARK: By the clock

    mutating func scheduleVisit(_ visit: Appointment, at due: Timestamp) {
        timers.insert(
            TimerQueue.Entry(due: due, kind: .visit, record: visit.id.rawValue)
        )
    }

    /// When something about a visit is due next, by its state; nil when it is over.
    func nextDue(_ visit: Appointment) -> Timestamp? {
        switch visit.state {
        case .confirmed:
            let start = visit.slot.interval.start
            if visit.toDo(.careCall) != nil { return start + Gateway.noShowAfter }
            let care = start + Gateway.careCallAfter
            guard visit.toDo(.reminder) == nil, let reminder = reminderDue(visit) else {
                return care
            }
            return min(reminder, care)
        case .arrived:
            let arrived = visit.arrivedAt ?? visit.updatedAt
            return closing(after: arrived, visit) ?? arrived + Gateway.giveUpAfter
        case .inService: return closing(after: visit.startedAt ?? visit.updatedAt, visit)
        case .noShow: return (visit.missedAt ?? visit.updatedAt) + Gateway.giveUpAfter
        case .done:
            let finished = visit.finishedAt ?? visit.updatedAt
            return finished
                + (visit.toDo(.followUp) == nil ? Gateway.followUpAfter : Gateway.settleAfter)
        case .closed, .cancelled: return nil
        }
    }

    /// The morning before; nil when the visit was agreed later than that.
    private func reminderDue(_ visit: Appointment) -> Timestamp? {
        let zone = stations[visit.station].zone
        let day = zone.civil(visit.slot.interval.start).date.daysSinceEpoch - 1
        let due = zone.instant(
            of: CivilTime(
                date: CivilDate(daysSinceEpoch: day),
                minute: Gateway.reminderMinute
            )
        )
        return due >= visit.createdAt ? due : nil
    }

    /// The end of the working day on which a car that is here came in; nil once that was said.
    private func closing(after instant: Timestamp, _ visit: Appointment) -> Timestamp? {
        if let said = visit.toDo(.carryOver), said.openedAt >= instant { return nil }
        return stations[visit.station].closing(ofOpenDay: 1, from: instant)
    }

    mutating func fireVisit(_ id: AppointmentID) {
        guard var visit = appointments[id], let due = nextDue(visit), due <= now else { return }
        switch visit.state {
        case .confirmed:
            if visit.toDo(.careCall) != nil {
                miss(&visit, by: .clock)
            } else if due == visit.slot.interval.start + Gateway.careCallAfter {
                open(.careCall, &visit)
            } else {
                open(.reminder, &visit)
            }
        case .arrived where visit.toDo(.carryOver).map { $0.openedAt < due } ?? false:
            callOff(&visit, .cancel, .shop, "never begun", by: .clock)
        case .arrived, .inService:
            // One evening's is not the next one's.
            settle(.carryOver, &visit, by: .clock)
            open(.carryOver, &visit)
        case .noShow: move(&visit, .giveUp, by: .clock)
        case .done:
            if visit.toDo(.followUp) == nil {
                open(.followUp, &visit)
            } else {
                let left = visit.openToDos.map(\.kind.rawValue).joined(separator: ",")
                move(&visit, .settleLate, by: .clock, reason: left)
            }
        case .closed, .cancelled: return
        }
        visit.version += 1
        visit.updatedAt = now
        write(visit)
        replan(visit.vehicle)
    }

    /// Telemetry has judged an alert: visits that waited for it may be over.
    mutating func settleVisits(of alert: Alert) {
        let ids = appointments.keys.filter { appointments[$0]?.alerts.contains(alert.id) ?? false }
        for id in ids.sorted() {
            guard var visit = appointments[id], visit.state == .done else { continue }
            closeIfSettled(&visit)
            guard visit.state == .closed else { continue }
            visit.version += 1
            write(visit)
        }
    }

    /// A confirmed visit never moves by itself: what speaks for another time becomes a to-do.
    mutating func reviewVisit(of vehicle: VehicleID) {
        guard let id = upcoming[vehicle], var visit = appointments[id], visit.state == .confirmed,
            !visit.alerts.isEmpty
        else { return }
        let causes = visit.alerts.compactMap { alerts[$0] }.filter { $0.state == .planned }
        let before = visit.toDos
        if causes.isEmpty {
            if visit.toDo(.askToKeep) == nil { open(.askToKeep, &visit) }
        } else {
            let need = planner.need(of: causes.map { $0.cause(now: now) }, now: now)
            let isLate = visit.slot.interval.start > need.latestBy
            let wasLate = visit.slot.interval.start > visit.need.latestBy
            if isLate, !wasLate, visit.toDo(.offerEarlier) == nil { open(.offerEarlier, &visit) }
        }
        guard visit.toDos != before else { return }
        visit.version += 1
        visit.updatedAt = now
        write(visit)
    }

    // MARK: Closures

    /// Takes a station, a bay or a technician out, and says which visits that makes impossible.
    ///
    /// Holds find another slot. Visits that another bay or technician can take at their own time
    /// are handed over; the others are to be called.
    mutating func close(
        _ code: String,
        _ scope: Closure.Scope,
        _ interval: OpenInterval,
        reason: String,
        by actor: Actor
    ) throws(Problem) -> Answer {
        let station = try station(code)
        guard interval.start < interval.end, interval.end > now else {
            throw Problem(.invalidTime)
        }
        let closure = Closure(
            id: ClosureID(rawValue: nextClosure),
            scope: scope,
            interval: interval,
            reason: reason
        )
        nextClosure += 1
        calendars[station].insert(closure)
        unit.closures.append(ClosureRow(station: station, closure: closure))
        record(.gateway, closure.id.rawValue, from: "", "close", to: "", by: actor, reason: reason)
        dropDeskHolds(at: station, outOf: closure)
        moveHolds(at: station, outOf: closure)
        return .closure(closure.id, impossible: handOver(at: station, closure, by: actor))
    }

    mutating func reopen(_ id: ClosureID, by actor: Actor) throws(Problem) -> Answer {
        guard
            let station = calendars.indices.first(where: {
                calendars[$0].closures.contains { $0.id == id }
            })
        else { throw Problem(.notFound) }
        calendars[station].remove(id)
        unit.removedClosures.append(id)
        record(.gateway, id.rawValue, from: "", "reopen", to: "", by: actor)
        return .closure(id, impossible: [])
    }

    private mutating func moveHolds(at station: Int, outOf closure: Closure) {
        for id in suggestions.keys.sorted() {
            guard var suggestion = suggestions[id], suggestion.station == station,
                let slot = suggestion.occupancy?.slot, closure.forbids(slot)
            else { continue }
            if suggestion.state.allows(.replan) {
                holdBest(&suggestion)
            } else {
                suggestion.handling.hasChanged = true
            }
            bump(&suggestion)
        }
    }

    private mutating func handOver(
        at station: Int,
        _ closure: Closure,
        by actor: Actor
    ) -> [AppointmentID] {
        var impossible: [AppointmentID] = []
        for id in appointments.keys.sorted() {
            guard var visit = appointments[id], visit.station == station,
                visit.state == .confirmed, closure.forbids(visit.slot)
            else { continue }
            let other = SlotFinder.place(
                visit.slot.interval,
                kinds: visit.need.kinds,
                skills: visit.need.skills,
                station: stations[station],
                calendar: calendars[station],
                except: visit.occupancy
            )
            if let other {
                take(other, for: &visit)
                move(&visit, .move, by: actor, reason: closure.reason)
            } else {
                open(.findAnother, &visit)
                impossible.append(id)
            }
            visit.version += 1
            visit.updatedAt = now
            write(visit)
        }
        return impossible
    }
}
