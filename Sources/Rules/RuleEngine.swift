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
        /// Whether a reading is used only for what the vehicle was doing.
        var asksForContext: Bool
        var limit: LimitDefinition
        var axle: PlacardAxle?
        /// The places in `bounds` that a reading must keep.
        var bounds: Range<Int>
    }

    /// What the newest of the watched readings must say.
    struct Bound: Sendable {
        /// Place among `watched`.
        var watched: Int
        var fact: Condition.Fact
    }

    /// What a signal is to a slot; plain numbers, because every reading asks.
    struct Use: Sendable {
        enum Role: UInt8, Sendable {
            case value
            case companion
            case ambient
            /// Tells how the vehicle is driven.
            case speed
            /// A condition asks for the newest value; the slot is the place among `watched`.
            case watched

            var isOfComponent: Bool { self == .value || self == .companion }
        }

        var role: Role
        var slot: Int
    }

    package let rules: [Rule]
    package let slots: [Slot]
    /// What a signal is to the rules.
    struct Signal: Sendable {
        /// Its part of `uses`.
        var uses: Range<Int>
        /// Whether some of these are of components.
        var hasComponent: Bool
        var opensTrip: Bool
    }

    /// The uses of all signals, one after the other.
    let uses: [Use]
    let signals: [Signal]
    /// Composite rules, and the signals whose newest values they and the bounds ask for.
    let composites: [Composite]
    let steps: [Step]
    let watched: [SignalID]
    let bounds: [Bound]
    let families: [Family]
    /// As many as there are families: none of them has an alert.
    let noLeaders: [Int?]
    let asksForHabits: Bool
    /// The composite rules that a silence may make true.
    let silences: [Composite]
    /// The order in which readings of one instant are used, by signal: what tells of a trip first,
    /// then temperatures of components and what bounds ask for, then values.
    let order: [UInt32]
    /// What stands for a signal in a checkpoint, so that a new catalogue cannot mix them up.
    let signalKeys: [UInt64]
    /// What stands for a slot: rule and component, so that a rule file may reorder them.
    let slotKeys: [UInt64]

    package init(rules: [Rule], catalogue: Catalogue) {
        self.rules = rules
        var slots: [Slot] = []
        var uses = [[Use]](repeating: [], count: catalogue.signals.count)
        var watched: [SignalID] = []
        func watch(_ signal: SignalID) -> Int {
            if let place = watched.firstIndex(of: signal) { return place }
            uses[Int(signal.index)].append(Use(role: .watched, slot: watched.count))
            watched.append(signal)
            return watched.count - 1
        }
        var bounds: [Bound] = []
        for (ruleIndex, rule) in rules.enumerated() {
            let firstBound = bounds.count
            for fact in rule.bounds {
                guard case .value(let signal) = fact.quantity else { continue }
                bounds.append(Bound(watched: watch(signal), fact: fact))
            }
            for (index, component) in rule.components.enumerated() {
                if rule.condition == nil {
                    uses[Int(component.signal.index)].append(Use(role: .value, slot: slots.count))
                }
                if let companion = component.companion {
                    uses[Int(companion.index)].append(Use(role: .companion, slot: slots.count))
                }
                slots.append(
                    Slot(
                        rule: ruleIndex,
                        component: index,
                        parameters: RuleParameters(rule),
                        hasCompanion: component.companion != nil,
                        asksForContext: rule.gate.needsContext
                            || (rule.measure.needsContext && component.companion == nil),
                        limit: rule.limit,
                        axle: component.axle,
                        bounds: firstBound..<bounds.count
                    )
                )
            }
        }
        var steps: [Step] = []
        composites = slots.indices.compactMap { slot in
            Composite(rules[slots[slot].rule], slot: slot, &steps)
        }
        self.steps = steps
        silences = composites.filter { $0.silentHours != nil }
        let facts = rules.compactMap(\.condition).flatMap(\.facts).map(\.quantity)
        asksForHabits = facts.contains { if case .share = $0 { true } else { false } }
        for case .value(let signal) in facts { _ = watch(signal) }
        self.watched = watched
        self.bounds = bounds
        if asksForHabits, let speed = catalogue.find(path: "Vehicle.Speed") {
            uses[Int(speed.index)].append(Use(role: .speed, slot: 0))
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
            let isCompanion = signal.0.contains { use in
                use.role == .companion
                    || use.role == .watched && bounds.contains { $0.watched == use.slot }
            }
            let rank: UInt32 = signal.1 ? 0 : isCompanion ? 1 : 2
            return rank << 16 | UInt32(index)
        }
        slotKeys = slots.map {
            checkpointKey("\(rules[$0.rule].id)/\(rules[$0.rule].components[$0.component].name)")
        }
        families = Family.all(slots, rules)
        noLeaders = Array(repeating: nil, count: families.count)
        self.slots = slots
        self.uses = uses.flatMap(\.self)
        var end = 0
        signals = zip(uses, opensTrip).map { uses, opensTrip in
            defer { end += uses.count }
            return Signal(
                uses: end..<(end + uses.count),
                hasComponent: uses.contains(where: \.role.isOfComponent),
                opensTrip: opensTrip
            )
        }
        signalKeys = catalogue.signals.map { checkpointKey($0.path) }
    }

    package func rule(ofSlot slot: Int) -> Rule { rules[slots[slot].rule] }

    package func component(ofSlot slot: Int) -> RuleComponent {
        rules[slots[slot].rule].components[slots[slot].component]
    }

    /// What a rule is an axis of; nil where it stands alone, or is not in force.
    package func family(ofRule id: String) -> String? {
        rules.first { $0.id == id }?.family
    }

    // MARK: Forecasts

    /// What is foreseen of each component the vehicle has told of, alert or not: the crossing and
    /// its 80 % range, as `ComponentState.evidence` has them, without the numbers behind them.
    package func forecasts(
        now: Timestamp,
        _ vehicle: VehicleState
    ) -> [(slot: Int, early: Timestamp?, middle: Timestamp?, late: Timestamp?)] {
        vehicle.slotsInUse.enumerated().map { place, slot in
            let parameters = slots[slot].parameters
            let attention = vehicle.parts[place].component.outlook(
                now: now,
                parameters,
                vehicle.attentions[slot]
            )
            guard let middle = attention.published else { return (slot, nil, nil, nil) }
            let halfWidth = Milliseconds.days(
                1.282 * Double(parameters.estimator.kappa * attention.publishedDeviation)
            )
            return (slot, max(min(middle, now), middle - halfWidth), middle, middle + halfWidth)
        }
    }

    /// Lets alerts begin afresh, but for those of slots that `isLive` names; trends stay.
    package func calm(_ vehicle: inout VehicleState, isLive: (Int) -> Bool) {
        for (place, slot) in vehicle.slotsInUse.enumerated()
        where vehicle.attentions[slot].isRaised && !isLive(slot) {
            vehicle.keep(Attention(), at: place)
        }
        for slot in composites.map(\.slot)
        where vehicle.attentions[slot].isRaised && !isLive(slot) {
            _ = vehicle.attentions.keep(Attention(), ofSlot: slot)
        }
    }

    // MARK: Silence

    /// When something comes true if nothing arrives until then.
    ///
    /// The vehicle is not changed; it is passed by reference, because every flush asks.
    package func nextTimer(of vehicle: inout VehicleState) -> Timestamp? {
        var next = vehicle.nextTimer
        for composite in silences where vehicle.trip.activeAt != .never {
            guard let hours = composite.silentHours,
                !vehicle.attentions[composite.slot].isRaised
            else { continue }
            let due = vehicle.trip.activeAt.timestamp + .days(hours / 24)
            next = next.map { min($0, due) } ?? due
        }
        return next
    }

    /// Raises what was promised for a time at which nothing arrived.
    package func fireTimers(now: Timestamp, _ vehicle: inout VehicleState) -> [RuleEvent] {
        var events: [RuleEvent] = []
        let leaders = leaders(vehicle.attentions)
        for (place, slot) in vehicle.slotsInUse.enumerated() {
            guard let due = vehicle.parts[place].component.timerDue, due <= now else { continue }
            var attention = vehicle.attentions[slot]
            vehicle.parts[place].component.fireTimer(
                now: now,
                slots[slot].parameters,
                &attention
            )
            vehicle.keep(attention, at: place)
            events.append(
                event(.raised, slot, now, vehicle.parts[place], vehicle.reference, attention)
            )
        }
        joinFamilies(&events, since: leaders, now: now, vehicle)
        judgeConditions(now: now, &vehicle, &events)
        return events
    }

    /// Takes back a raise whose alert was closed for want of data.
    package func lower(slot: Int, _ vehicle: inout VehicleState) {
        let family = families.first { $0.slots.contains(slot) }
        for slot in family?.slots ?? [slot] { lower(one: slot, &vehicle) }
    }

    private func lower(one slot: Int, _ vehicle: inout VehicleState) {
        var attention = vehicle.attentions[slot]
        attention.clear()
        if let place = vehicle.place(ofSlot: slot) {
            vehicle.keep(attention, at: place)
        } else {
            _ = vehicle.attentions.keep(attention, ofSlot: slot)
        }
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
