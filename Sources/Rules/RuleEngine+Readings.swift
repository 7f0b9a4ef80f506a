package import Telemetry

/// Readings that wait, sorted by their own times, and then used.
extension RuleEngine {
    /// What to do after readings were told to wait.
    package struct Waiting: Sendable, Equatable {
        /// How many of the readings have been dealt with: all, unless no more can wait.
        package var taken = 0
        /// When to flush the vehicle, where they are the first to wait.
        package var due: Timestamp?
        /// Whether no more can wait: flush the vehicle now.
        package var isFull = false
    }

    /// A reading above what a rule can use, up to this multiple, is of a component of another kind:
    /// a lithium battery rests at 13.3 V, where a charger begins at 13.8 V.
    private static let otherKindShare = 1.05
    /// From here on in the order of signals, what says "no value" is passed on too: of a tyre it may
    /// be a flat one.
    static let noReadingOrder: UInt32 = 4 << 16
    /// Room made for the first reading that waits: where a vehicle's come one by one, more follow.
    private static let heldAtFirst = 8

    /// Whether a reading is one to the rules.
    package func takes(_ reading: Reading) -> Bool {
        reading.quality == .good
            || order[Int(reading.signal.index)] >= RuleEngine.noReadingOrder
    }

    /// Lets a vehicle's readings, as they came together, wait for their neighbours; what is no
    /// reading is passed over.
    package func hold(
        _ readings: Span<Reading>,
        now: Timestamp,
        _ vehicle: inout VehicleState
    ) -> Waiting {
        var waiting = Waiting()
        if vehicle.held.isEmpty {
            vehicle.held.reserveCapacity(max(readings.count, RuleEngine.heldAtFirst))
        }
        let order = order.span
        let room = Limits.heldReadingsMax - vehicle.held.count
        vehicle.held.append(addingCapacity: min(readings.count, room)) { held in
            while waiting.taken < readings.count {
                let reading = readings[waiting.taken]
                // Not `takes`: a closure that asked the engine would copy it.
                let place = order[Int(reading.signal.index)]
                if reading.quality == .good || place >= RuleEngine.noReadingOrder {
                    guard !held.isFull else { return }
                    held.append(
                        HeldReading(
                            observedAt: reading.observedAt,
                            value: Float(reading.value),
                            order: place
                        )
                    )
                }
                waiting.taken += 1
            }
        }
        waiting.isFull = vehicle.held.count >= Limits.heldReadingsMax
        guard waiting.taken == readings.count else { return waiting }
        if vehicle.flushDue == .distantFuture, !vehicle.held.isEmpty {
            vehicle.flushDue = now + Limits.holdMilliseconds
            waiting.due = vehicle.flushDue
        }
        return waiting
    }

    /// What one flush works with beside the vehicle.
    struct Moment {
        var now: Timestamp
        var events: [RuleEvent] = []
        /// Where the next slot is looked for first: readings come in the order of the slots.
        var place = 0
        /// The time of the reading before, in both its forms: a packet's readings share theirs.
        var observedAt = Timestamp.distantPast
        var instant = CompactInstant.never
        /// Values that left what was expected of them, until their siblings' are known.
        var steps: [SiblingStep] = []
        var flats: [FlatReading] = []
        /// Until when one value for all siblings is no value of theirs.
        var coarseUntil = Timestamp.distantPast

        init(now: Timestamp) {
            self.now = now
        }
    }

    /// Uses the readings that wait, in the order of their own times.
    package func flush(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        vehicle.flushDue = .distantFuture
        var held: [HeldReading] = []
        swap(&held, &vehicle.held)
        HeldReading.sort(&held)
        let leaders = vehicle.attentions.isEmpty ? nil : leaders(vehicle.attentions)
        var moment = Moment(now: now)
        // Taken from the vehicle and given back: both are written, and nothing is copied.
        var parts: [VehicleState.Part] = []
        var next = 0
        while true {
            swap(&parts, &vehicle.parts)
            next = use(held.span, from: next, parts.mutableSpan, &vehicle, &moment)
            swap(&parts, &vehicle.parts)
            guard next < held.count else { break }
            for place in signals[held[next].signal].uses
            where uses[place].role.isOfComponent {
                vehicle.add(slot: uses[place].slot)
            }
        }
        if !moment.steps.isEmpty { resolveSteps(&vehicle, &moment) }
        if !moment.flats.isEmpty { resolveFlats(&vehicle, &moment) }
        if !moment.events.isEmpty {
            joinFamilies(&moment.events, since: leaders ?? noLeaders, now: now, vehicle)
        }
        judgeConditions(now: now, &vehicle, &moment.events)
        return moment.events
    }

    /// Uses readings from `first` on, up to one that tells of a component for the first time;
    /// returns the place where it stopped.
    private func use(
        _ readings: Span<HeldReading>,
        from first: Int,
        _ parts: consuming MutableSpan<VehicleState.Part>,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) -> Int {
        let uses = uses.span
        for index in first..<readings.count {
            let reading = readings[index]
            let signal = signals[reading.signal]
            if signal.hasComponent {
                for place in signal.uses where uses[place].role.isOfComponent {
                    guard find(uses[place].slot, vehicle.slots.span, &moment) else { return index }
                }
            }
            if reading.observedAt != moment.observedAt {
                moment.observedAt = reading.observedAt
                moment.instant = CompactInstant(reading.observedAt)
            }
            let time = moment.instant
            for place in signal.uses where uses[place].role == .movement {
                let kind = MovementSignal(rawValue: UInt8(uses[place].slot)) ?? .flag
                let trip = vehicle.trip.note(kind, reading.value, at: time)
                if asksForHabits, let trip { vehicle.usage.note(trip) }
            }
            let trip = vehicle.trip.note(time, opensTrip: signal.opensTrip)
            if asksForHabits, let trip { vehicle.usage.note(trip) }
            for place in signal.uses {
                let slot = uses[place].slot
                switch uses[place].role {
                case .ambient:
                    vehicle.trip.ambient = reading.value
                    vehicle.trip.ambientAt = time
                case .speed: vehicle.usage.note(speed: reading.value, at: time)
                case .movement: break
                case .watched:
                    if vehicle.watched.isEmpty {
                        vehicle.watched = Array(repeating: .nan, count: watched.count)
                    }
                    vehicle.watched[slot] = reading.value
                case .companion:
                    _ = find(slot, vehicle.slots.span, &moment)
                    noteTemperature(reading, slot, &parts[moment.place], &vehicle, &moment)
                case .value:
                    _ = find(slot, vehicle.slots.span, &moment)
                    if slots[slot].group != nil {
                        let next = readings.extracting(index..<readings.count)
                        guard isOfComponent(next, slot, parts.span, &vehicle, &moment) else {
                            continue
                        }
                    }
                    noteValue(reading, slot, &parts[moment.place], &vehicle, &moment)
                }
            }
        }
        return readings.count
    }

    /// Sets the moment's place to that of a slot; false where the vehicle has none.
    @inline(__always)
    private func find(_ slot: Int, _ slots: Span<UInt16>, _ moment: inout Moment) -> Bool {
        if moment.place < slots.count, Int(slots[moment.place]) == slot { return true }
        let next = moment.place + 1
        if next < slots.count, Int(slots[next]) == slot {
            moment.place = next
            return true
        }
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
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let observedAt = reading.observedAt
        guard part.component.isNew(observedAt) else { return }
        let slots = slots.span
        if slots[slot].parameters.gate.isFirstOfTrip,
            part.component.isJudged(since: vehicle.trip, at: moment.instant)
        {
            return
        }
        if slots[slot].group != nil,
            isNearlyNothing(reading, slot, &part, &vehicle, &moment)
        {
            return
        }
        let hasCompanion = slots[slot].hasCompanion
        var context = ReadingContext()
        if slots[slot].asksForContext { context = vehicle.trip.context(at: moment.instant) }
        guard slots[slot].parameters.gate.holds(in: context) else {
            return passOver(observedAt, .gate, slot, &part, &vehicle, &moment)
        }
        guard keepsBounds(slots[slot].bounds, vehicle.watched.span) else {
            return passOver(observedAt, .ruledOut, slot, &part, &vehicle, &moment)
        }
        let value = Double(reading.value)
        guard hasCompanion else {
            guard slots[slot].parameters.usable.contains(value) else {
                return noteOutside(reading, slot, &part, &vehicle, &moment)
            }
            let measurement = slots[slot].parameters.measure.measure(
                value,
                rule: slots[slot].parameters,
                context: context
            )
            return feed(observedAt, measurement, slot, &part, &vehicle, &moment)
        }
        if let waiting = takeUnjoined(slot, &part, &vehicle) {
            feedWithoutTemperature(waiting, slot, &part, &vehicle, &moment)
        }
        if part.component.hasTemperatureSensor,
            part.join.at == UInt32(truncatingIfNeeded: observedAt.milliseconds)
        {
            let celsius = part.join.celsius
            return feed(observedAt, value, at: celsius, slot, &part, &vehicle, &moment)
        }
        context = vehicle.trip.context(at: moment.instant)
        let pending = Attention.Unjoined(
            observedAt: observedAt,
            value: value,
            parkedHours: context.parkedHours,
            ambient: context.ambient
        )
        guard part.component.hasTemperatureSensor else {
            return feedWithoutTemperature(pending, slot, &part, &vehicle, &moment)
        }
        var attention = vehicle.attentions[slot]
        attention.unjoined = pending
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
    }

    /// A reading outside what the rule can use; one that is a little better may be of a component of
    /// another kind.
    private func noteOutside(
        _ reading: HeldReading,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let parameters = slots[slot].parameters
        let value = Double(reading.value)
        let best = parameters.usable.upperBound
        let isBetter =
            parameters.direction == .fallsTo && value > best
            && value <= RuleEngine.otherKindShare * best
        guard isBetter, part.component.hasAttention else {
            return passOver(reading.observedAt, .unusable, slot, &part, &vehicle, &moment)
        }
        var attention = vehicle.attentions[slot]
        var changes: [RuleEvent.Kind] = []
        part.component.noteOutside(
            reading.observedAt,
            now: moment.now,
            parameters,
            &attention,
            &changes
        )
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
        note(changes, slot, part, vehicle, &moment)
        passOver(reading.observedAt, .unusable, slot, &part, &vehicle, &moment)
    }

    private func keepsBounds(_ places: Range<Int>, _ newest: Span<Float>) -> Bool {
        guard !newest.isEmpty else { return true }
        for place in places {
            let value = newest[bounds[place].watched]
            if !value.isNaN, !bounds[place].fact.holds(value) { return false }
        }
        return true
    }

    private func noteTemperature(
        _ reading: HeldReading,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        part.component.hasTemperatureSensor = true
        part.join.note(reading.value, at: reading.observedAt, vehicle.trip)
        guard part.component.hasAttention,
            vehicle.attentions[slot].unjoined?.observedAt == reading.observedAt,
            let waiting = takeUnjoined(slot, &part, &vehicle)
        else { return }
        let celsius = part.join.celsius
        feed(waiting.observedAt, waiting.value, at: celsius, slot, &part, &vehicle, &moment)
    }

    private func takeUnjoined(
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState
    ) -> Attention.Unjoined? {
        guard part.component.hasAttention else { return nil }
        var attention = vehicle.attentions[slot]
        guard let waiting = attention.unjoined else { return nil }
        attention.unjoined = nil
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
        return waiting
    }

    private func feed(
        _ observedAt: Timestamp,
        _ gauge: Double,
        at celsius: Float,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        guard slots[slot].parameters.usable.contains(gauge) else {
            return passOver(observedAt, .unusable, slot, &part, &vehicle, &moment)
        }
        let wasStuck = part.stuck.isStuck
        part.stuck.note(Float(gauge), celsius: celsius)
        let isStuck = part.stuck.isStuck
        if isStuck != wasStuck {
            let kind: RuleEvent.Kind = isStuck ? .trouble(.stuck) : .troubleOver(.stuck)
            note([kind], slot, part, vehicle, &moment)
        }
        guard !isStuck else { return }
        let deviation = Double(slots[slot].parameters.estimator.readingDeviation)
        let measurement = Measurement(
            value: Measure.coldPressure(gauge, at: Double(celsius)),
            variance: deviation * deviation
        )
        feed(observedAt, measurement, slot, &part, &vehicle, &moment)
    }

    private func feedWithoutTemperature(
        _ pending: Attention.Unjoined,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
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
        if measurement == nil, let ambient = pending.ambient {
            noteFallByAir(pending, ambient, slot, &part, &vehicle, &moment)
        }
        // Where the air's temperature is known, the tyre is warm from driving.
        let why: Unused = pending.ambient == nil ? .contextMissing : .gate
        feed(pending.observedAt, measurement, otherwise: why, slot, &part, &vehicle, &moment)
    }

    private func feed(
        _ observedAt: Timestamp,
        _ measurement: Measurement?,
        otherwise why: Unused = .contextMissing,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        guard var measurement else {
            return passOver(observedAt, why, slot, &part, &vehicle, &moment)
        }
        if let season = slots[slot].parameters.season {
            measurement.value -= season.swing(
                at: observedAt,
                isSouthern: vehicle.reference.isSouthern
            )
        }
        if let unit = slots[slot].parameters.drivenKilometres {
            return useDriven(
                observedAt,
                measurement.value,
                unit,
                slot,
                &part,
                &vehicle,
                &moment
            )
        }
        let limit = limit(ofSlot: slot, vehicle.reference).limit
        if let group = slots[slot].group,
            isStep(observedAt, measurement, slot, limit, &part, ofGroup: group, &vehicle, &moment)
        {
            return
        }
        use(observedAt, measurement, slot, limit, &part, &vehicle, &moment)
    }
}
