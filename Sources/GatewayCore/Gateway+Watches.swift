import Rules
import Telemetry
import Workshop

/// The lead that a workshop really needs: until its first slot that would do, parts and all.
///
/// When its calendar is full it is told earlier. When bays stand empty the customer is not called
/// before there is something to decide.
extension Gateway {
    /// How often a raise that waits is looked at while nothing arrives.
    private static let watchPause = Milliseconds.hours(12)

    /// The first slot at the home workshop for what a rule asks for; nil when there is none in sight.
    func firstSlot(for event: RuleEvent, _ vehicle: VehicleID) -> Timestamp? {
        let rule = engine.rule(ofSlot: event.slot)
        let place = vehicles[Int(vehicle.index)].station
        let cause = VisitCause(
            alert: AlertID(rawValue: 0),
            consequence: rule.consequence,
            actBy: event.evidence.actBy,
            severity: .soon,
            jobs: rule.jobs
        )
        var need = planner.need(of: [cause], now: now)
        // Any day would do to find out how long the calendar is full.
        need.earliestUseful = now
        return planner.offers(
            for: need,
            station: stations[place],
            calendar: calendars[place],
            now: now,
            ownHold: nil
        ).map(\.slot.interval.start).min()
    }

    /// Whether there is more time than the workshop needs: then the raise waits, and is looked at
    /// again.
    mutating func waits(_ event: RuleEvent, _ vehicle: VehicleID) -> Bool {
        let rule = engine.rule(ofSlot: event.slot)
        guard rule.near.leadsByWorkshop, !event.evidence.isCrossed, !event.evidence.isFast,
            let actBy = event.evidence.actBy, liveAlert(event, vehicle) == nil,
            let slot = firstSlot(for: event, vehicle)
        else { return false }
        let told = slot + rule.consequence.margin + .days(rule.near.leadMarginDays)
        guard actBy > told else { return false }
        let due = now + Gateway.watchPause
        engine.watch(slot: event.slot, until: due, &vehicles[Int(vehicle.index)].rules)
        touch(vehicle)
        scheduleWatch(vehicle, at: due)
        return true
    }

    mutating func scheduleWatch(_ vehicle: VehicleID, at due: Timestamp) {
        timers.insert(TimerQueue.Entry(due: due, kind: .watch, record: Int64(vehicle.index)))
    }

    /// After a restart: what waits goes on waiting.
    mutating func scheduleWatches(_ vehicle: VehicleID) {
        for (_, due) in engine.watches(of: vehicles[Int(vehicle.index)].rules) {
            scheduleWatch(vehicle, at: due)
        }
    }

    mutating func fireWatch(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        let due = engine.watches(of: vehicles[index].rules).filter { $0.due <= now }
        let events = due.compactMap { engine.raise(slot: $0.slot, now: now, vehicles[index].rules) }
        apply(events, to: vehicle)
    }
}
