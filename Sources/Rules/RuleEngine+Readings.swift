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

    /// Room made for the first reading that waits: where a vehicle's come one by one, more follow.
    private static let heldAtFirst = 8

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
        for index in readings.indices where readings[index].quality == .good {
            guard vehicle.held.count < Limits.heldReadingsMax else {
                waiting.taken = index
                waiting.isFull = true
                return waiting
            }
            vehicle.held.append(
                HeldReading(
                    observedAt: readings[index].observedAt,
                    value: Float(readings[index].value),
                    order: order[Int(readings[index].signal.index)]
                )
            )
        }
        waiting.taken = readings.count
        waiting.isFull = vehicle.held.count >= Limits.heldReadingsMax
        if vehicle.flushDue == .distantFuture, !vehicle.held.isEmpty {
            vehicle.flushDue = now + Limits.holdMilliseconds
            waiting.due = vehicle.flushDue
        }
        return waiting
    }

    /// What one flush works with beside the parts themselves.
    private struct Moment {
        var now: Timestamp
        var reference = VehicleReference()
        var trip = TripContext()
        var usage = UsageProfile()
        var watched: [Float] = []
        var attentions = AttentionList()
        var events: [RuleEvent] = []
        /// Where the next slot is looked for first: readings come in the order of the slots.
        var place = 0

        init(now: Timestamp) {
            self.now = now
        }

        /// Takes what it works with from the vehicle, or gives it back: nothing is copied.
        mutating func exchange(with vehicle: inout VehicleState) {
            swap(&reference, &vehicle.reference)
            swap(&trip, &vehicle.trip)
            swap(&usage, &vehicle.usage)
            swap(&watched, &vehicle.watched)
            swap(&attentions, &vehicle.attentions)
        }
    }

    /// Uses the readings that wait, in the order of their own times.
    package func flush(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        vehicle.flushDue = .distantFuture
        var held: [HeldReading] = []
        swap(&held, &vehicle.held)
        HeldReading.sort(&held)
        let leaders = vehicle.isAttended ? leaders(vehicle.attentions) : noLeaders
        var moment = Moment(now: now)
        moment.exchange(with: &vehicle)
        var next = 0
        while true {
            next = use(held.span, from: next, vehicle.slots, vehicle.parts.mutableSpan, &moment)
            guard next < held.count else { break }
            let signal = held[next].signal
            for place in firstUse[signal]..<firstUse[signal + 1]
            where uses[place].role.isOfComponent {
                vehicle.add(slot: uses[place].slot)
            }
        }
        moment.exchange(with: &vehicle)
        joinFamilies(&moment.events, since: leaders, now: now, vehicle)
        judgeConditions(now: now, &vehicle, &moment.events)
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
            for place in firstUse[signal]..<firstUse[signal + 1]
            where uses[place].role.isOfComponent {
                guard find(uses[place].slot, slots, &moment) else { return index }
            }
            let time = CompactInstant(reading.observedAt)
            let trip = moment.trip.note(time, opensTrip: opensTrip[signal])
            if asksForHabits, let trip { moment.usage.note(trip) }
            for place in firstUse[signal]..<firstUse[signal + 1] {
                let use = uses[place]
                switch use.role {
                case .ambient:
                    moment.trip.ambient = reading.value
                    moment.trip.ambientAt = time
                case .speed: moment.usage.note(speed: reading.value, at: time)
                case .watched:
                    if moment.watched.isEmpty {
                        moment.watched = Array(repeating: .nan, count: watched.count)
                    }
                    moment.watched[use.slot] = reading.value
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
        let gate = slots[slot].parameters.gate
        if gate.isFirstOfTrip, moment.trip.startedAt != .never,
            part.component.filter.time >= moment.trip.startedAt
        {
            return
        }
        let hasCompanion = slots[slot].hasCompanion
        var context = ReadingContext()
        if gate.needsContext || (measure.needsContext && !hasCompanion) {
            context = moment.trip.context(at: CompactInstant(observedAt))
        }
        guard gate.holds(in: context), keepsBounds(slot, moment.watched) else { return }
        let value = Double(reading.value)
        guard hasCompanion else {
            let measurement = measure.measure(
                value,
                rule: slots[slot].parameters,
                context: context
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
        context = moment.trip.context(at: CompactInstant(observedAt))
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

    private func keepsBounds(_ slot: Int, _ newest: [Float]) -> Bool {
        for place in slots[slot].bounds where !newest.isEmpty {
            let value = newest[bounds[place].watched]
            if !value.isNaN, !bounds[place].fact.holds(decimal(value)) { return false }
        }
        return true
    }

    private func noteTemperature(
        _ reading: HeldReading,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ moment: inout Moment
    ) {
        part.component.hasTemperatureSensor = true
        part.join.note(reading.value, at: reading.observedAt, moment.trip)
        guard part.component.hasAttention,
            moment.attentions[slot].unjoined?.observedAt == reading.observedAt,
            let waiting = takeUnjoined(slot, &part, &moment)
        else { return }
        feed(waiting.observedAt, waiting.value, at: part.join.celsius, slot, &part, &moment)
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
        guard var measurement else { return }
        if let season = slots[slot].parameters.season {
            measurement.value -= season.swing(at: observedAt)
        }
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

    func event(
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
}
