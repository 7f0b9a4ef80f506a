import Telemetry

/// Composite rules: judged after each flush, and when a silence is long enough.
extension RuleEngine {
    /// What judging a composite rule takes, without its texts: every flush asks.
    struct Composite: Sendable {
        var slot: Int
        var condition: Condition
        var holdHours: Double
        var clearHours: Double
        /// The shortest silence that the condition asks for.
        var silentHours: Double?

        init?(_ rule: Rule, slot: Int) {
            guard let condition = rule.condition else { return nil }
            self.slot = slot
            self.condition = condition
            holdHours = rule.holdHours
            clearHours = rule.clear.hours
            silentHours = condition.facts.filter { $0.quantity == .silentHours }.map(\.bound).min()
        }
    }

    /// Raises and clears the alerts of composite rules.
    func judgeConditions(
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        for place in composites.indices {
            let slot = composites[place].slot
            let reason = reason(composites[place].condition, now: now, vehicle)
            guard reason != nil || !vehicle.attentions.isEmpty else { continue }
            var attention = vehicle.attentions[slot]
            guard (reason != nil) != attention.isRaised else {
                if attention.pendingSince != nil {
                    attention.pendingSince = nil
                    _ = vehicle.attentions.keep(attention, ofSlot: slot)
                }
                continue
            }
            let since = attention.pendingSince ?? now
            attention.pendingSince = since
            let wait = reason == nil ? composites[place].clearHours : composites[place].holdHours
            if (now - since).hours >= wait {
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
    }

    /// The fact an explanation tells: the first that holds, or nil when the condition does not.
    private func reason(
        _ condition: Condition,
        now: Timestamp,
        _ vehicle: VehicleState
    ) -> (fact: Condition.Fact, value: Double)? {
        switch condition {
        case .fact(let fact):
            guard let number = value(of: fact.quantity, now: now, vehicle), fact.holds(number)
            else { return nil }
            return (fact, number)
        case .all(let parts):
            var first: (fact: Condition.Fact, value: Double)?
            for part in parts {
                guard let reason = reason(part, now: now, vehicle) else { return nil }
                first = first ?? reason
            }
            return first
        case .any(let parts):
            for part in parts {
                if let reason = reason(part, now: now, vehicle) { return reason }
            }
            return nil
        }
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
