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

    private enum Use: Sendable {
        case value(slot: Int)
        case companion(slot: Int)
        case ambient
    }

    package let rules: [Rule]
    package let slots: [Slot]
    private let uses: [[Use]]
    private let opensTrip: [Bool]
    /// 0 for signals that tell of a trip, 1 for temperatures of a component, 2 for values.
    private let rank: [Int]
    /// What stands for a signal in a checkpoint, so that a new catalogue cannot mix them up.
    let signalKeys: [UInt64]

    package init(rules: [Rule], catalogue: Catalogue) {
        self.rules = rules
        var slots: [Slot] = []
        var uses = [[Use]](repeating: [], count: catalogue.signals.count)
        for (ruleIndex, rule) in rules.enumerated() {
            for (index, component) in rule.components.enumerated() {
                uses[Int(component.signal.index)].append(.value(slot: slots.count))
                if let companion = component.companion {
                    uses[Int(companion.index)].append(.companion(slot: slots.count))
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
            uses[Int(ambient.index)].append(.ambient)
            opensTrip[Int(ambient.index)] = true
        }
        if let odometer = catalogue.find(path: "Vehicle.TraveledDistance") {
            opensTrip[Int(odometer.index)] = true
        }
        rank = zip(uses, opensTrip).map { uses, opensTrip in
            if opensTrip { return 0 }
            let isCompanion = uses.contains { if case .companion = $0 { true } else { false } }
            return isCompanion ? 1 : 2
        }
        self.slots = slots
        self.uses = uses
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
                signal: reading.signal
            )
        )
        if vehicle.flushDue == nil { vehicle.flushDue = now + Limits.holdMilliseconds }
        return vehicle.held.count >= Limits.heldReadingsMax
    }

    /// Uses the readings that wait, in the order of their own times.
    package func flush(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        var events: [RuleEvent] = []
        // Of one instant, what others are judged by comes first; then signal and value decide, so
        // that the order of arrival cannot matter.
        let readings = vehicle.held.sorted {
            ($0.observedAt, rank[Int($0.signal.index)], $0.signal.index, $0.value)
                < ($1.observedAt, rank[Int($1.signal.index)], $1.signal.index, $1.value)
        }
        vehicle.held.removeAll(keepingCapacity: true)
        vehicle.flushDue = nil
        for reading in readings { use(reading, now: now, &vehicle, &events) }
        return events
    }

    private func use(
        _ reading: HeldReading,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        vehicle.trip.note(
            reading.observedAt,
            opensTrip: opensTrip[Int(reading.signal.index)]
        )
        for use in uses[Int(reading.signal.index)] {
            switch use {
            case .ambient:
                vehicle.trip.ambient = reading.value
                vehicle.trip.ambientAt = reading.observedAt
            case .companion(let slot):
                noteTemperature(reading, slot: slot, now: now, &vehicle, &events)
            case .value(let slot):
                noteValue(reading, slot: slot, now: now, &vehicle, &events)
            }
        }
    }

    private func noteValue(
        _ reading: HeldReading,
        slot: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        let place = place(ofSlot: slot, in: &vehicle)
        guard vehicle.components[place].isNew(reading.observedAt) else { return }
        let rule = slots[slot].parameters
        if rule.measure.needsFirstOfTrip,
            vehicle.components[place].newestAt >= vehicle.trip.startedAt,
            vehicle.trip.startedAt != .distantPast
        {
            return
        }
        let context = vehicle.trip.context(at: reading.observedAt)
        guard slots[slot].hasCompanion else {
            return feed(
                reading.observedAt,
                rule.measure.measure(reading.value, rule: rule, context: context),
                place: place,
                now: now,
                &vehicle,
                &events
            )
        }
        if let waiting = vehicle.joins[place].pending {
            vehicle.joins[place].pending = nil
            feedWithoutTemperature(waiting, place: place, now: now, &vehicle, &events)
        }
        let pending = TemperatureJoin.Pending(
            observedAt: reading.observedAt,
            value: reading.value,
            parkedHours: context.parkedHours,
            ambient: context.ambient
        )
        if vehicle.joins[place].temperatureAt == reading.observedAt {
            feed(
                pending,
                temperature: vehicle.joins[place].temperature,
                place: place,
                now: now,
                &vehicle,
                &events
            )
        } else if vehicle.joins[place].hasSensor {
            vehicle.joins[place].pending = pending
        } else {
            feedWithoutTemperature(pending, place: place, now: now, &vehicle, &events)
        }
    }

    private func noteTemperature(
        _ reading: HeldReading,
        slot: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        let place = place(ofSlot: slot, in: &vehicle)
        vehicle.joins[place].hasSensor = true
        vehicle.joins[place].temperatureAt = reading.observedAt
        vehicle.joins[place].temperature = reading.value
        if let pending = vehicle.joins[place].pending, pending.observedAt == reading.observedAt {
            vehicle.joins[place].pending = nil
            feed(
                pending,
                temperature: reading.value,
                place: place,
                now: now,
                &vehicle,
                &events
            )
        }
    }

    private func feed(
        _ pending: TemperatureJoin.Pending,
        temperature: Double,
        place: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        let rule = slots[vehicle.slots[place]].parameters
        guard rule.usable.contains(pending.value) else { return }
        let deviation = rule.estimator.readingDeviation
        feed(
            pending.observedAt,
            Measurement(
                value: Measure.coldPressure(pending.value, at: temperature),
                variance: deviation * deviation
            ),
            place: place,
            now: now,
            &vehicle,
            &events
        )
    }

    private func feedWithoutTemperature(
        _ pending: TemperatureJoin.Pending,
        place: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        let rule = slots[vehicle.slots[place]].parameters
        let context = ReadingContext(
            parkedHours: pending.parkedHours,
            sinceStartHours: 0,
            lastParkHours: nil,
            isLate: false,
            ambient: pending.ambient
        )
        feed(
            pending.observedAt,
            rule.measure.measure(pending.value, rule: rule, context: context),
            place: place,
            now: now,
            &vehicle,
            &events
        )
    }

    private func feed(
        _ observedAt: Timestamp,
        _ measurement: Measurement?,
        place: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        guard let measurement else { return }
        let slot = vehicle.slots[place]
        let rule = slots[slot].parameters
        let changes = vehicle.components[place].update(
            observedAt: observedAt,
            now: now,
            measurement: measurement,
            rule: rule
        )
        for kind in changes {
            events.append(
                RuleEvent(
                    kind: kind,
                    slot: slot,
                    at: now,
                    evidence: vehicle.components[place].evidence(now: now, rule: rule)
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
        guard let place = vehicle.slots.firstIndex(of: slot),
            let due = vehicle.components[place].timerDue, due <= now,
            !vehicle.components[place].isRaised
        else { return nil }
        vehicle.components[place].fireTimer()
        return RuleEvent(
            kind: .raised,
            slot: slot,
            at: now,
            evidence: vehicle.components[place].evidence(
                now: now,
                rule: slots[slot].parameters
            )
        )
    }

    /// Takes back a raise whose alert was closed for want of data.
    package func lower(slot: Int, _ vehicle: inout VehicleState) {
        guard let place = vehicle.slots.firstIndex(of: slot) else { return }
        vehicle.components[place].clear()
    }

    // MARK: Reference values

    /// Moves the limits that follow the vehicle's own reference values.
    package func refer(to reference: VehicleReference, _ vehicle: inout VehicleState) {
        vehicle.reference = reference
        for (place, slot) in vehicle.slots.enumerated() {
            let (limit, isAssumed) = limit(ofSlot: slot, reference)
            vehicle.components[place].relimit(
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
        if let place = vehicle.slots.firstIndex(of: slot) { return place }
        let place = vehicle.slots.firstIndex { $0 > slot } ?? vehicle.slots.count
        let (limit, isAssumed) = limit(ofSlot: slot, vehicle.reference)
        vehicle.slots.insert(slot, at: place)
        vehicle.components.insert(
            ComponentState(limit: limit, isLimitAssumed: isAssumed),
            at: place
        )
        vehicle.joins.insert(TemperatureJoin(), at: place)
        return place
    }
}
