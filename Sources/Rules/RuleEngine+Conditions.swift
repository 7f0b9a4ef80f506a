import Telemetry

/// Composite rules: judged after each flush, and when a silence is long enough.
extension RuleEngine {
    /// What judging a composite rule takes, without its texts: every flush asks.
    struct Composite: Sendable {
        var slot: Int
        /// Place in `steps` where the condition begins.
        var firstStep: Int
        var holdHours: Double
        var clearHours: Double
        /// The shortest silence that the condition asks for.
        var silentHours: Double?
        /// Whether it asks for newest values only, of which most vehicles tell none.
        var isOfValues: Bool
        /// Whether it asks for levels only, which change by the day.
        var isOfLevels: Bool

        init?(_ rule: Rule, slot: Int, _ steps: inout [Step]) {
            guard let condition = rule.condition else { return nil }
            self.slot = slot
            firstStep = steps.count
            holdHours = rule.holdHours
            clearHours = rule.clear.hours
            silentHours = condition.facts.filter { $0.quantity == .silentHours }.map(\.bound).min()
            isOfValues = condition.facts.allSatisfy {
                if case .value = $0.quantity { true } else { false }
            }
            isOfLevels = condition.facts.allSatisfy {
                switch $0.quantity {
                case .placardShare, .coldShare: true
                default: false
                }
            }
            Step.append(condition, to: &steps)
        }
    }

    /// One part of a condition; the parts it joins follow it.
    ///
    /// Plain numbers in one array: an indirect enum would be counted up and down at every look.
    struct Step: Sendable {
        enum Kind: Sendable {
            case fact(Condition.Fact)
            case all
            case any
        }

        var kind: Kind
        /// Behind the last of the parts it joins.
        var end = 0

        static func append(_ condition: Condition, to steps: inout [Step]) {
            let place = steps.count
            switch condition {
            case .fact(let fact): steps.append(Step(kind: .fact(fact)))
            case .all(let parts):
                steps.append(Step(kind: .all))
                for part in parts { append(part, to: &steps) }
            case .any(let parts):
                steps.append(Step(kind: .any))
                for part in parts { append(part, to: &steps) }
            }
            steps[place].end = steps.count
        }
    }

    /// Raises and clears the alerts of composite rules.
    func judgeConditions(
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        let isQuiet = vehicle.watched.isEmpty && vehicle.attentions.isEmpty
        let instant = CompactInstant(now)
        let isTimeForLevels = instant.seconds &- vehicle.levelsAt.seconds >= RuleEngine.levelSeconds
        if isTimeForLevels { vehicle.levelsAt = instant }
        for place in composites.indices where !isQuiet || !composites[place].isOfValues {
            if composites[place].isOfLevels, !isTimeForLevels { continue }
            let slot = composites[place].slot
            let reason = reason(at: composites[place].firstStep, now: now, &vehicle)
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
                    attention.raise(margin: 0, now: now)
                    attention.toldAt = CompactInstant(now)
                    events.append(raised(slot, reason, now: now, vehicle))
                } else {
                    attention.clear(now: now)
                    attention.clearedAt = .never
                    attention.raises = 0
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
    ///
    /// The vehicle is not changed; it is passed by reference, because every flush asks.
    private func reason(
        at place: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState
    ) -> (fact: Condition.Fact, value: Double)? {
        var first: (fact: Condition.Fact, value: Double)?
        var part = place + 1
        switch steps[place].kind {
        case .fact(let fact):
            guard let number = value(of: fact.quantity, now: now, &vehicle), fact.holds(number)
            else { return nil }
            return (fact, number)
        case .all:
            while part < steps[place].end {
                guard let reason = reason(at: part, now: now, &vehicle) else { return nil }
                first = first ?? reason
                part = steps[part].end
            }
        case .any:
            while part < steps[place].end, first == nil {
                first = reason(at: part, now: now, &vehicle)
                part = steps[part].end
            }
        }
        return first
    }

    private func value(
        of quantity: Condition.Fact.Quantity,
        now: Timestamp,
        _ vehicle: inout VehicleState
    ) -> Double? {
        switch quantity {
        case .value(let signal):
            guard !vehicle.watched.isEmpty, let place = watched.firstIndex(of: signal),
                !vehicle.watched[place].isNaN
            else { return nil }
            return decimal(vehicle.watched[place])
        case .placardShare(let slot):
            guard let place = vehicle.place(ofSlot: slot),
                let share = placardShare(slot, now: now, &vehicle, { $0 })
            else { return nil }
            // A sensor that is a little off says less than there is: what it once said tells.
            let component = vehicle.parts[place].component
            let limit = limit(ofSlot: slot, vehicle.reference).limit
            let lost = Double(component.peak - component.filter.level) / limit
            let hasLost = lost >= RuleEngine.lostShare || share <= RuleEngine.surelyLowShare
            return hasLost ? share : nil
        case .coldShare(let slot):
            let trip = vehicle.trip
            guard trip.ambientAt != .never, (now - trip.ambientAt.timestamp).hours < 24 else {
                return nil
            }
            return placardShare(slot, now: now, &vehicle) {
                Measure.gaugePressure($0, at: Double(trip.ambient))
            }
        case .share(let habit, let trips): return vehicle.usage.share(habit, trips: trips)
        case .silentHours:
            guard vehicle.trip.activeAt != .never else { return nil }
            return (now - vehicle.trip.activeAt.timestamp).hours
        case .daysToCrossing(let slot):
            guard let place = vehicle.place(ofSlot: slot) else { return nil }
            return vehicle.parts[place].component.daysToCrossing(now: now)
        case .rate(let slot):
            guard let place = vehicle.place(ofSlot: slot),
                vehicle.parts[place].component.filter.isStarted
            else { return nil }
            let slope = vehicle.parts[place].component.filter.slope
            return slots[slot].parameters.direction.sign * decimal(slope)
        }
    }

    /// Levels are judged at most so often.
    private static let levelSeconds: UInt32 = 3_600
    /// A tyre has lost air where its level was higher by this share of the limit, or is so low that
    /// no sensor is that far off.
    private static let lostShare = 0.04
    private static let surelyLowShare = 0.87

    private func placardShare(
        _ slot: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ pressure: (Double) -> Double
    ) -> Double? {
        let (limit, isAssumed) = limit(ofSlot: slot, vehicle.reference)
        let share = slots[slot].parameters.placardShare
        guard share > 0, !isAssumed, let place = vehicle.place(ofSlot: slot),
            vehicle.parts[place].component.filter.isStarted, !vehicle.attentions[slot].isRaised
        else { return nil }
        let filter = vehicle.parts[place].component.filter
        // Soon it has an alert of its own.
        let near = Float(2 * slots[slot].parameters.near.leadDays)
        guard filter.daysToCrossing(ahead: 0, horizon: near) == nil else { return nil }
        return pressure(limit + Double(filter.level)) / (limit / share)
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
                actBy: nil,
                isCrossed: true,
                isFast: false
            )
        )
    }
}
