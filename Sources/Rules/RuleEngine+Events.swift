import Telemetry

/// What a reading that is used, or passed over, makes of a component.
extension RuleEngine {
    /// Uses a measurement that its siblings do not rule out.
    func use(
        _ observedAt: Timestamp,
        _ measurement: Measurement,
        _ slot: Int,
        _ limit: Double,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let hadAttention = part.component.hasAttention
        var attention = hadAttention ? vehicle.attentions[slot] : Attention()
        let group = slots[slot].group
        var isExcused = false
        if let group, !vehicle.attentions.isEmpty {
            isExcused = areSiblingsFalling(
                slot,
                ofGroup: group,
                at: CompactInstant(observedAt),
                vehicle.attentions
            )
        }
        let changes = part.component.update(
            observedAt: observedAt,
            now: moment.now,
            measurement: measurement,
            limit: limit,
            tripStart: vehicle.trip.startedAt,
            isExcused: isExcused,
            hasSiblings: group != nil,
            rule: slots[slot].parameters,
            &attention
        )
        for kind in changes {
            moment.events.append(
                event(kind, slot, moment.now, part, vehicle, attention)
            )
        }
        if hadAttention || !attention.isIdle {
            part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
        }
    }

    /// Uses a reading of a counter that runs down with use.
    func useDriven(
        _ observedAt: Timestamp,
        _ value: Double,
        _ unit: Double,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let calendar = calendar(of: vehicle)
        let toGo = value - limit(ofSlot: slot, vehicle.reference).limit
        let known = vehicle.counters.firstIndex { $0.slot == slot }
        let index = known ?? vehicle.counters.count
        if known == nil { vehicle.counters.append(DrivenCounter(slot: slot)) }
        let step = vehicle.counters[index].history.note(
            toGo: toGo,
            at: observedAt,
            unitKilometres: unit,
            calendar
        )
        var attention = vehicle.attentions[slot]
        if step != .withheld {
            let parameters = slots[slot].parameters
            let isAboutToRaise =
                !attention.isRaised
                && vehicle.counters[index].isNear(within: parameters.near.leadDays, now: moment.now)
            vehicle.counters[index].foresee(
                now: moment.now,
                isNew: step == .restarted || isAboutToRaise,
                calendar
            )
        }
        let counter = vehicle.counters[index]
        let changes = part.component.update(
            observedAt: observedAt,
            now: moment.now,
            toGo: toGo,
            step,
            counter,
            warmUpEnd: counter.history.warmUpEnd(calendar),
            rule: slots[slot].parameters,
            &attention
        )
        for kind in changes {
            moment.events.append(event(kind, slot, moment.now, part, vehicle, attention))
        }
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
    }

    /// A reading that the rule cannot use.
    ///
    /// The vehicle is not changed; it is passed by reference, because many readings come here.
    func passOver(
        _ observedAt: Timestamp,
        _ why: Unused,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        var changes: [RuleEvent.Kind] = []
        part.component.noteUnused(observedAt, why, &changes)
        if !changes.isEmpty { note(changes, slot, part, vehicle, &moment) }
    }

    /// Notes what changed of a component.
    func note(
        _ changes: [RuleEvent.Kind],
        _ slot: Int,
        _ part: VehicleState.Part,
        _ vehicle: VehicleState,
        _ moment: inout Moment
    ) {
        for kind in changes {
            moment.events.append(
                event(
                    kind,
                    slot,
                    moment.now,
                    part,
                    vehicle,
                    vehicle.attentions[slot]
                )
            )
        }
    }

    func event(
        _ kind: RuleEvent.Kind,
        _ slot: Int,
        _ now: Timestamp,
        _ part: VehicleState.Part,
        _ vehicle: VehicleState,
        _ attention: Attention
    ) -> RuleEvent {
        let forecast = vehicle.counter(ofSlot: slot)?.forecast
        return RuleEvent(
            kind: kind,
            slot: slot,
            at: now,
            evidence: evidence(slot, now, part, vehicle, attention, forecast)
        )
    }

    func evidence(
        _ slot: Int,
        _ now: Timestamp,
        _ part: VehicleState.Part,
        _ vehicle: VehicleState,
        _ attention: Attention,
        _ forecast: DrivingForecast?
    ) -> Evidence {
        let (limit, isAssumed) = limit(ofSlot: slot, vehicle.reference)
        return part.component.evidence(
            now: now,
            limit: limit,
            isLimitAssumed: isAssumed,
            rule: slots[slot].parameters,
            attention,
            forecast
        )
    }
}
