import Telemetry

/// Composite rules: judged after each flush, and when a silence is long enough.
extension RuleEngine {
    /// Raises and clears the alerts of composite rules.
    func judgeConditions(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        var events: [RuleEvent] = []
        for slot in composites {
            let rule = rules[slots[slot].rule]
            var attention = vehicle.attentions[slot]
            let reason = rule.condition?.reason { value(of: $0, now: now, vehicle) }
            guard (reason != nil) != attention.isRaised else {
                if attention.clearSince != nil {
                    attention.clearSince = nil
                    _ = vehicle.attentions.keep(attention, ofSlot: slot)
                }
                continue
            }
            let since = attention.clearSince ?? now
            attention.clearSince = since
            if (now - since).hours >= (reason == nil ? rule.clear.hours : rule.holdHours) {
                if let reason {
                    attention.raise(margin: 0)
                    attention.toldAt = CompactInstant(now)
                    events.append(raised(slot, reason, now: now, vehicle))
                } else {
                    attention.clear()
                    let last = (fact: Condition.Fact.none, value: 0.0)
                    var event = raised(slot, last, now: now, vehicle)
                    event.kind = .cleared
                    events.append(event)
                }
            }
            _ = vehicle.attentions.keep(attention, ofSlot: slot)
        }
        return events
    }

    private func value(
        of quantity: Condition.Fact.Quantity,
        now: Timestamp,
        _ vehicle: VehicleState
    ) -> Double? {
        switch quantity {
        case .value(let signal):
            guard let place = watched.firstIndex(of: signal), place < vehicle.watched.count,
                !vehicle.watched[place].isNaN
            else { return nil }
            return decimal(vehicle.watched[place])
        case .share(let habit, let trips): return vehicle.usage.share(habit, trips: trips)
        case .silentHours:
            guard vehicle.trip.activeAt != .never else { return nil }
            return (now - vehicle.trip.activeAt.timestamp).hours
        case .daysToCrossing(let slot):
            return vehicle.state(ofSlot: slot)?.daysToCrossing(now: now)
        case .rate(let slot):
            guard let state = vehicle.state(ofSlot: slot), state.filter.isStarted else {
                return nil
            }
            return slots[slot].parameters.direction.sign * decimal(state.filter.slope)
        }
    }

    private func raised(
        _ slot: Int,
        _ reason: (fact: Condition.Fact, value: Double),
        now: Timestamp,
        _ vehicle: VehicleState
    ) -> RuleEvent {
        let newest = vehicle.trip.activeAt.timestamp
        var count = 1
        if case .share = reason.fact.quantity { count = Int(vehicle.usage.tripsSeen) }
        return RuleEvent(
            kind: .raised,
            slot: slot,
            at: now,
            evidence: Evidence(
                limit: reason.fact.bound,
                isLimitAssumed: false,
                level: reason.value,
                slopePerDay: 0,
                firstAt: newest,
                firstValue: reason.value,
                newestAt: newest,
                newestValue: reason.value,
                readings: count,
                early: nil,
                middle: nil,
                late: nil,
                isCrossed: true,
                isFast: false
            )
        )
    }
}
