package import Telemetry

/// Readings of one vehicle → changes of its alerts.
///
/// Purpose: notice that a limit is near. State: `VehicleState`, per vehicle, never across
/// vehicles. Inputs: readings with their own times, and the time at which they are judged.
/// Outputs: `RuleEvent`s with evidence. Invariants: constant memory per component; readings that
/// wait together are used in the order of their own times, so the order of arrival within
/// `Limits.holdMilliseconds` never matters; a repeat changes nothing. Left out on purpose:
/// what an alert leads to (GatewayCore) and when to come (Workshop).
package struct RuleEngine: Sendable {
    /// One component of one rule, flattened.
    package struct Slot: Sendable {
        package var rule: Int
        package var component: Int
        var parameters: RuleParameters
        var hasCompanion: Bool
        var limit: LimitDefinition
        var axle: PlacardAxle?
    }

    /// What a signal is to a slot; plain numbers, because every reading asks.
    private struct Use: Sendable {
        enum Role: UInt8, Sendable {
            case value
            case companion
            case ambient
        }

        var role: Role
        var slot: Int
    }

    package let rules: [Rule]
    package let slots: [Slot]
    /// The uses of all signals, one after the other, and where each signal's begin.
    private let uses: [Use]
    private let firstUse: [Int]
    private let opensTrip: [Bool]
    /// The order in which readings of one instant are used, by signal: what tells of a trip first,
    /// then temperatures of components, then values.
    let order: [UInt32]
    /// What stands for a signal in a checkpoint, so that a new catalogue cannot mix them up.
    let signalKeys: [UInt64]
    /// What stands for a slot: rule and component, so that a rule file may reorder them.
    let slotKeys: [UInt64]

    package init(rules: [Rule], catalogue: Catalogue) {
        self.rules = rules
        var slots: [Slot] = []
        var uses = [[Use]](repeating: [], count: catalogue.signals.count)
        for (ruleIndex, rule) in rules.enumerated() {
            for (index, component) in rule.components.enumerated() {
                uses[Int(component.signal.index)].append(Use(role: .value, slot: slots.count))
                if let companion = component.companion {
                    uses[Int(companion.index)].append(Use(role: .companion, slot: slots.count))
                }
                slots.append(
                    Slot(
                        rule: ruleIndex,
                        component: index,
                        parameters: RuleParameters(rule),
                        hasCompanion: component.companion != nil,
                        limit: rule.limit,
                        axle: component.axle
                    )
                )
            }
        }
        var opensTrip = [Bool](repeating: false, count: catalogue.signals.count)
        if let ambient = catalogue.find(path: "Vehicle.Exterior.AirTemperature") {
            uses[Int(ambient.index)].append(Use(role: .ambient, slot: 0))
            opensTrip[Int(ambient.index)] = true
        }
        if let odometer = catalogue.find(path: "Vehicle.TraveledDistance") {
            opensTrip[Int(odometer.index)] = true
        }
        order = zip(uses, opensTrip).enumerated().map { index, signal in
            let isCompanion = signal.0.contains { $0.role == .companion }
            let rank: UInt32 = signal.1 ? 0 : isCompanion ? 1 : 2
            return rank << 16 | UInt32(index)
        }
        slotKeys = slots.map {
            checkpointKey("\(rules[$0.rule].id)/\(rules[$0.rule].components[$0.component].name)")
        }
        self.slots = slots
        self.uses = uses.flatMap(\.self)
        firstUse = uses.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
        self.opensTrip = opensTrip
        signalKeys = catalogue.signals.map { checkpointKey($0.path) }
    }

    package func rule(ofSlot slot: Int) -> Rule { rules[slots[slot].rule] }

    package func component(ofSlot slot: Int) -> RuleComponent {
        rules[slots[slot].rule].components[slots[slot].component]
    }

    // MARK: Readings

    /// What to do after a reading was told to wait.
    package enum Waiting: Sendable, Equatable {
        /// It is the first to wait: flush the vehicle then.
        case until(Timestamp)
        /// Others wait already.
        case further
        /// No more can wait: flush the vehicle now.
        case full
    }

    /// Lets a reading wait for its neighbours.
    package func hold(
        _ reading: Reading,
        now: Timestamp,
        _ vehicle: inout VehicleState
    ) -> Waiting {
        vehicle.held.append(
            HeldReading(
                observedAt: reading.observedAt,
                value: Float(reading.value),
                order: order[Int(reading.signal.index)]
            )
        )
        guard vehicle.flushDue == .distantFuture else {
            return vehicle.held.count >= Limits.heldReadingsMax ? .full : .further
        }
        vehicle.flushDue = now + Limits.holdMilliseconds
        return .until(vehicle.flushDue)
    }

    /// What one flush works with beside the parts themselves.
    private struct Moment {
        var now: Timestamp
        var reference: VehicleReference
        var trip: TripContext
        var attentions: AttentionList
        var events: [RuleEvent] = []
        /// Where the next slot is looked for first: readings come in the order of the slots.
        var place = 0
    }

    /// Uses the readings that wait, in the order of their own times.
    package func flush(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        vehicle.flushDue = .distantFuture
        var held: [HeldReading] = []
        swap(&held, &vehicle.held)
        HeldReading.sort(&held)
        var moment = Moment(
            now: now,
            reference: vehicle.reference,
            trip: vehicle.trip,
            attentions: vehicle.attentions
        )
        vehicle.attentions = AttentionList()
        var next = 0
        while true {
            next = use(held.span, from: next, vehicle.slots, vehicle.parts.mutableSpan, &moment)
            guard next < held.count else { break }
            let signal = held[next].signal
            for place in firstUse[signal]..<firstUse[signal + 1] where uses[place].role != .ambient
            {
                vehicle.add(slot: uses[place].slot)
            }
        }
        vehicle.trip = moment.trip
        vehicle.attentions = moment.attentions
        return moment.events
    }

    /// Uses readings from `first` on, up to one that tells of a component for the first time;
    /// returns the place where it stopped.
    private func use(
        _ readings: Span<HeldReading>,
        from first: Int,
        _ slots: [UInt16],
        _ parts: consuming MutableSpan<VehicleState.Part>,
        _ moment: inout Moment
    ) -> Int {
        for index in first..<readings.count {
            let reading = readings[index]
            let signal = reading.signal
            for place in firstUse[signal]..<firstUse[signal + 1] where uses[place].role != .ambient
            {
                guard find(uses[place].slot, slots, &moment) else { return index }
            }
            moment.trip.note(CompactInstant(reading.observedAt), opensTrip: opensTrip[signal])
            for place in firstUse[signal]..<firstUse[signal + 1] {
                let use = uses[place]
                switch use.role {
                case .ambient:
                    moment.trip.ambient = reading.value
                    moment.trip.ambientAt = CompactInstant(reading.observedAt)
                case .companion:
                    _ = find(use.slot, slots, &moment)
                    noteTemperature(reading, use.slot, &parts[moment.place], &moment)
                case .value:
                    _ = find(use.slot, slots, &moment)
                    noteValue(reading, use.slot, &parts[moment.place], &moment)
                }
            }
        }
        return readings.count
    }

    /// Sets the moment's place to that of a slot; false where the vehicle has none.
    private func find(_ slot: Int, _ slots: [UInt16], _ moment: inout Moment) -> Bool {
        if moment.place < slots.count, Int(slots[moment.place]) == slot { return true }
        for place in slots.indices where Int(slots[place]) == slot {
            moment.place = place
            return true
        }
        return false
    }

    private func noteValue(
        _ reading: HeldReading,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) {
        let observedAt = reading.observedAt
        guard part.component.isNew(observedAt) else { return }
        let measure = slots[slot].parameters.measure
        if measure.needsFirstOfTrip, moment.trip.startedAt != .never,
            part.component.filter.time >= moment.trip.startedAt
        {
            return
        }
        let value = Double(reading.value)
        guard slots[slot].hasCompanion else {
            let measurement = measure.measure(
                value,
                rule: slots[slot].parameters,
                context: measure.needsContext
                    ? moment.trip.context(at: CompactInstant(observedAt)) : ReadingContext()
            )
            return feed(observedAt, measurement, slot, &part, &moment)
        }
        if let waiting = takeUnjoined(slot, &part, &moment) {
            feedWithoutTemperature(waiting, slot, &part, &moment)
        }
        if part.component.hasTemperatureSensor,
            part.join.at == UInt32(truncatingIfNeeded: observedAt.milliseconds)
        {
            let celsius = part.join.celsius
            return feed(observedAt, value, at: celsius, slot, &part, &moment)
        }
        let context = moment.trip.context(at: CompactInstant(observedAt))
        let pending = Attention.Unjoined(
            observedAt: observedAt,
            value: value,
            parkedHours: context.parkedHours,
            ambient: context.ambient
        )
        guard part.component.hasTemperatureSensor else {
            return feedWithoutTemperature(pending, slot, &part, &moment)
        }
        var attention = moment.attentions[slot]
        attention.unjoined = pending
        part.component.hasAttention = moment.attentions.keep(attention, ofSlot: slot)
    }

    private func noteTemperature(
        _ reading: HeldReading,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) {
        part.component.hasTemperatureSensor = true
        part.join = TemperatureJoin(
            at: UInt32(truncatingIfNeeded: reading.observedAt.milliseconds),
            celsius: reading.value
        )
        guard part.component.hasAttention,
            moment.attentions[slot].unjoined?.observedAt == reading.observedAt,
            let waiting = takeUnjoined(slot, &part, &moment)
        else { return }
        feed(waiting.observedAt, waiting.value, at: reading.value, slot, &part, &moment)
    }

    private func takeUnjoined(
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) -> Attention.Unjoined? {
        guard part.component.hasAttention else { return nil }
        var attention = moment.attentions[slot]
        guard let waiting = attention.unjoined else { return nil }
        attention.unjoined = nil
        part.component.hasAttention = moment.attentions.keep(attention, ofSlot: slot)
        return waiting
    }

    private func feed(
        _ observedAt: Timestamp,
        _ gauge: Double,
        at celsius: Float,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) {
        guard slots[slot].parameters.usable.contains(gauge) else { return }
        let deviation = Double(slots[slot].parameters.estimator.readingDeviation)
        let measurement = Measurement(
            value: Measure.coldPressure(gauge, at: Double(celsius)),
            variance: deviation * deviation
        )
        feed(observedAt, measurement, slot, &part, &moment)
    }

    private func feedWithoutTemperature(
        _ pending: Attention.Unjoined,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) {
        var context = ReadingContext()
        context.parkedHours = pending.parkedHours
        context.ambient = pending.ambient
        let measurement = slots[slot].parameters.measure.measure(
            pending.value,
            rule: slots[slot].parameters,
            context: context
        )
        feed(pending.observedAt, measurement, slot, &part, &moment)
    }

    private func feed(
        _ observedAt: Timestamp,
        _ measurement: Measurement?,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) {
        guard let measurement else { return }
        let hadAttention = part.component.hasAttention
        var attention = hadAttention ? moment.attentions[slot] : Attention()
        let changes = part.component.update(
            observedAt: observedAt,
            now: moment.now,
            measurement: measurement,
            limit: limit(ofSlot: slot, moment.reference).limit,
            rule: slots[slot].parameters,
            &attention
        )
        for kind in changes {
            moment.events.append(
                event(kind, slot, moment.now, part, moment.reference, attention)
            )
        }
        if hadAttention || !attention.isIdle {
            part.component.hasAttention = moment.attentions.keep(attention, ofSlot: slot)
        }
    }

    private func event(
        _ kind: RuleEvent.Kind,
        _ slot: Int,
        _ now: Timestamp,
        _ part: VehicleState.Part,
        _ reference: VehicleReference,
        _ attention: Attention
    ) -> RuleEvent {
        let (limit, isAssumed) = limit(ofSlot: slot, reference)
        return RuleEvent(
            kind: kind,
            slot: slot,
            at: now,
            evidence: part.component.evidence(
                now: now,
                limit: limit,
                isLimitAssumed: isAssumed,
                rule: slots[slot].parameters,
                attention
            )
        )
    }

    // MARK: Forecasts

    /// What is foreseen of each component the vehicle has told of, alert or not.
    package func forecasts(
        now: Timestamp,
        _ vehicle: VehicleState
    ) -> [(slot: Int, evidence: Evidence)] {
        vehicle.slotsInUse.enumerated().map { place, slot in
            let part = vehicle.parts[place]
            let attention = part.component.outlook(
                now: now,
                slots[slot].parameters,
                vehicle.attentions[slot]
            )
            return (slot, event(.refreshed, slot, now, part, vehicle.reference, attention).evidence)
        }
    }

    // MARK: Silence

    /// Raises what was promised for a time at which nothing arrived.
    package func fireTimer(
        slot: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState
    ) -> RuleEvent? {
        guard let place = vehicle.place(ofSlot: slot),
            let due = vehicle.parts[place].component.timerDue, due <= now
        else { return nil }
        var attention = vehicle.attentions[slot]
        vehicle.parts[place].component.fireTimer(
            now: now,
            slots[slot].parameters,
            &attention
        )
        vehicle.keep(attention, at: place)
        return event(.raised, slot, now, vehicle.parts[place], vehicle.reference, attention)
    }

    /// Takes back a raise whose alert was closed for want of data.
    package func lower(slot: Int, _ vehicle: inout VehicleState) {
        guard let place = vehicle.place(ofSlot: slot) else { return }
        var attention = vehicle.attentions[slot]
        attention.clear()
        vehicle.keep(attention, at: place)
    }

    // MARK: Reference values

    /// Moves the limits that follow the vehicle's own reference values.
    package func refer(to reference: VehicleReference, _ vehicle: inout VehicleState) {
        guard reference != vehicle.reference else { return }
        for (place, slot) in vehicle.slotsInUse.enumerated() {
            let old = limit(ofSlot: slot, vehicle.reference).limit
            let new = limit(ofSlot: slot, reference).limit
            guard old != new else { continue }
            var attention = vehicle.attentions[slot]
            vehicle.parts[place].component.shiftMargin(
                by: slots[slot].parameters.direction.sign * (old - new),
                &attention
            )
            vehicle.keep(attention, at: place)
        }
        vehicle.reference = reference
    }

    func limit(
        ofSlot slot: Int,
        _ reference: VehicleReference
    ) -> (limit: Double, isAssumed: Bool) {
        for own in reference.limits where own.slot == slot { return (own.value, false) }
        switch slots[slot].limit {
        case .absolute(let value): return (value, false)
        case .fractionOfPlacard(let fraction, let assumed):
            let placard =
                slots[slot].axle == .rear
                ? reference.placardRearKilopascals : reference.placardFrontKilopascals
            return (fraction * (placard ?? assumed), placard == nil)
        }
    }
}
