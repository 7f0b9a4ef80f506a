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
                        hasCompanion: component.companion != nil
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

    /// Lets a reading wait for its neighbours.
    ///
    /// Returns true when the vehicle's readings must be used at once because no more can wait.
    package func hold(
        _ reading: Reading,
        now: Timestamp,
        _ vehicle: inout VehicleState
    ) -> Bool {
        vehicle.held.append(
            HeldReading(
                observedAt: reading.observedAt,
                value: reading.value,
                order: order[Int(reading.signal.index)]
            )
        )
        if vehicle.flushDue == nil { vehicle.flushDue = now + Limits.holdMilliseconds }
        return vehicle.held.count >= Limits.heldReadingsMax
    }

    /// Uses the readings that wait, in the order of their own times.
    package func flush(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        var events: [RuleEvent] = []
        vehicle.flushDue = nil
        var held: [HeldReading] = []
        swap(&held, &vehicle.held)
        if !HeldReading.areOrdered(held) { held.sort() }
        for reading in held { use(reading, now: now, &vehicle, &events) }
        // The room is kept for the next packet, unless a backlog made it large.
        held.removeAll(keepingCapacity: held.count <= RuleEngine.roomKept)
        swap(&held, &vehicle.held)
        return events
    }

    private static let roomKept = 64

    private func use(
        _ reading: HeldReading,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        let signal = reading.signal
        vehicle.trip.note(reading.observedAt, opensTrip: opensTrip[signal])
        for index in firstUse[signal]..<firstUse[signal + 1] {
            let slot = uses[index].slot
            switch uses[index].role {
            case .ambient:
                vehicle.trip.ambient = reading.value
                vehicle.trip.ambientAt = reading.observedAt
            case .companion:
                let place = place(ofSlot: slot, in: &vehicle)
                noteTemperature(reading, slot, now, &vehicle.parts[place], &events)
            case .value:
                let place = place(ofSlot: slot, in: &vehicle)
                noteValue(reading, slot, now, vehicle.trip, &vehicle.parts[place], &events)
            }
        }
    }

    private func noteValue(
        _ reading: HeldReading,
        _ slot: Int,
        _ now: Timestamp,
        _ trip: TripContext,
        _ part: inout VehicleState.Part,
        _ events: inout [RuleEvent]
    ) {
        guard part.component.isNew(reading.observedAt) else { return }
        let measure = slots[slot].parameters.measure
        if measure.needsFirstOfTrip, part.component.newestAt >= trip.startedAt,
            trip.startedAt != .distantPast
        {
            return
        }
        let context = trip.context(at: reading.observedAt)
        guard slots[slot].hasCompanion else {
            let measurement = measure.measure(
                reading.value,
                rule: slots[slot].parameters,
                context: context
            )
            return feed(reading.observedAt, measurement, slot, now, &part, &events)
        }
        if let waiting = part.join.pending {
            part.join.pending = nil
            feedWithoutTemperature(waiting, slot, now, &part, &events)
        }
        let pending = TemperatureJoin.Pending(
            observedAt: reading.observedAt,
            value: reading.value,
            parkedHours: context.parkedHours,
            ambient: context.ambient
        )
        if part.join.temperatureAt == reading.observedAt {
            feed(pending, temperature: part.join.temperature, slot, now, &part, &events)
        } else if part.join.hasSensor {
            part.join.pending = pending
        } else {
            feedWithoutTemperature(pending, slot, now, &part, &events)
        }
    }

    private func noteTemperature(
        _ reading: HeldReading,
        _ slot: Int,
        _ now: Timestamp,
        _ part: inout VehicleState.Part,
        _ events: inout [RuleEvent]
    ) {
        part.join.hasSensor = true
        part.join.temperatureAt = reading.observedAt
        part.join.temperature = reading.value
        if let pending = part.join.pending, pending.observedAt == reading.observedAt {
            part.join.pending = nil
            feed(pending, temperature: reading.value, slot, now, &part, &events)
        }
    }

    private func feed(
        _ pending: TemperatureJoin.Pending,
        temperature: Double,
        _ slot: Int,
        _ now: Timestamp,
        _ part: inout VehicleState.Part,
        _ events: inout [RuleEvent]
    ) {
        guard slots[slot].parameters.usable.contains(pending.value) else { return }
        let deviation = slots[slot].parameters.estimator.readingDeviation
        let measurement = Measurement(
            value: Measure.coldPressure(pending.value, at: temperature),
            variance: deviation * deviation
        )
        feed(pending.observedAt, measurement, slot, now, &part, &events)
    }

    private func feedWithoutTemperature(
        _ pending: TemperatureJoin.Pending,
        _ slot: Int,
        _ now: Timestamp,
        _ part: inout VehicleState.Part,
        _ events: inout [RuleEvent]
    ) {
        let context = ReadingContext(
            parkedHours: pending.parkedHours,
            sinceStartHours: 0,
            lastParkHours: nil,
            isLate: false,
            ambient: pending.ambient
        )
        let measurement = slots[slot].parameters.measure.measure(
            pending.value,
            rule: slots[slot].parameters,
            context: context
        )
        feed(pending.observedAt, measurement, slot, now, &part, &events)
    }

    private func feed(
        _ observedAt: Timestamp,
        _ measurement: Measurement?,
        _ slot: Int,
        _ now: Timestamp,
        _ part: inout VehicleState.Part,
        _ events: inout [RuleEvent]
    ) {
        guard let measurement else { return }
        let changes = part.component.update(
            observedAt: observedAt,
            now: now,
            measurement: measurement,
            rule: slots[slot].parameters
        )
        for kind in changes {
            events.append(
                RuleEvent(
                    kind: kind,
                    slot: slot,
                    at: now,
                    evidence: part.component.evidence(now: now, rule: slots[slot].parameters)
                )
            )
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
            let due = vehicle.parts[place].component.timerDue, due <= now,
            !vehicle.parts[place].component.isRaised
        else { return nil }
        vehicle.parts[place].component.fireTimer()
        return RuleEvent(
            kind: .raised,
            slot: slot,
            at: now,
            evidence: vehicle.parts[place].component.evidence(
                now: now,
                rule: slots[slot].parameters
            )
        )
    }

    /// Takes back a raise whose alert was closed for want of data.
    package func lower(slot: Int, _ vehicle: inout VehicleState) {
        guard let place = vehicle.place(ofSlot: slot) else { return }
        vehicle.parts[place].component.clear()
    }

    // MARK: Reference values

    /// Moves the limits that follow the vehicle's own reference values.
    package func refer(to reference: VehicleReference, _ vehicle: inout VehicleState) {
        vehicle.reference = reference
        for (place, slot) in vehicle.slotsInUse.enumerated() {
            let (limit, isAssumed) = limit(ofSlot: slot, reference)
            vehicle.parts[place].component.relimit(
                to: limit,
                isAssumed: isAssumed,
                sign: slots[slot].parameters.direction.sign
            )
        }
    }

    private func limit(
        ofSlot slot: Int,
        _ reference: VehicleReference
    ) -> (limit: Double, isAssumed: Bool) {
        switch rule(ofSlot: slot).limit {
        case .absolute(let value): return (value, false)
        case .fractionOfPlacard(let fraction, let assumed):
            let placard =
                component(ofSlot: slot).axle == .rear
                ? reference.placardRearKilopascals : reference.placardFrontKilopascals
            return (fraction * (placard ?? assumed), placard == nil)
        }
    }

    private func place(ofSlot slot: Int, in vehicle: inout VehicleState) -> Int {
        if let place = vehicle.place(ofSlot: slot) { return place }
        let place = vehicle.slots.firstIndex { $0 > slot } ?? vehicle.slots.count
        let (limit, isAssumed) = limit(ofSlot: slot, vehicle.reference)
        vehicle.slots.insert(UInt16(slot), at: place)
        vehicle.parts.insert(
            VehicleState.Part(component: ComponentState(limit: limit, isLimitAssumed: isAssumed)),
            at: place
        )
        return place
    }
}
