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
        /// Place in `groups`; nil for a component without siblings.
        var group: Int?
    }

    /// Components that share a fate: the wheels of a vehicle.
    struct Group: Sendable {
        /// Ascending.
        var slots: [Int]
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
            /// Tells whether the vehicle moves; the slot is the kind of signal.
            case movement
            /// A condition asks for the newest value; the slot is the place among `watched`.
            case watched

            var isOfComponent: Bool { self == .value || self == .companion }
        }

        var role: Role
        var slot: Int
    }

    package let rules: [Rule]
    /// Time zones and days off, by place.
    let places: [DrivingCalendar]
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
    let groups: [Group]
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

    /// - Precondition: there is a place.
    package init(
        rules: [Rule],
        catalogue: Catalogue,
        places: [DrivingCalendar] = [DrivingCalendar(zone: .utc)]
    ) {
        precondition(!places.isEmpty, "A vehicle's driver has days off somewhere.")
        self.rules = rules
        self.places = places
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
        var groups: [Group] = []
        var flat: Set<Int> = []
        for (ruleIndex, rule) in rules.enumerated() {
            let hasSiblings = rule.near.fast != nil && rule.components.count >= Group.sizeMin
            if hasSiblings {
                groups.append(
                    Group(slots: Array(slots.count..<(slots.count + rule.components.count)))
                )
            }
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
                if rule.near.fast.map({ $0.flatBelow > 0 }) ?? false {
                    flat.insert(Int(component.signal.index))
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
                        bounds: firstBound..<bounds.count,
                        group: hasSiblings ? groups.count - 1 : nil
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
        for (path, kind) in RuleEngine.movementSignals {
            guard let signal = catalogue.find(path: path) else { continue }
            uses[Int(signal.index)].append(Use(role: .movement, slot: Int(kind.rawValue)))
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
            let tellsMovement = signal.0.contains { $0.role == .movement }
            let isJudged = signal.0.contains(where: \.role.isOfComponent)
            if flat.contains(index) { return RuleEngine.noReadingOrder | UInt32(index) }
            let rank: UInt32 =
                tellsMovement && !isJudged ? 0 : signal.1 ? 1 : isCompanion ? 2 : 3
            return rank << 16 | UInt32(index)
        }
        slotKeys = slots.map {
            checkpointKey("\(rules[$0.rule].id)/\(rules[$0.rule].components[$0.component].name)")
        }
        families = Family.all(slots, rules)
        self.groups = groups
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

    /// What tells whether a vehicle moves.
    private static let movementSignals: [(String, MovementSignal)] = [
        ("Vehicle.Speed", .speed), ("Vehicle.IsMoving", .flag), ("Private.IsIgnitionOn", .flag),
        ("Vehicle.Powertrain.CombustionEngine.Speed", .engine),
        ("Vehicle.TraveledDistance", .odometer),
        ("Vehicle.LowVoltageBattery.CurrentVoltage", .voltage),
    ]

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
            let component = vehicle.parts[place].component
            var attention = vehicle.attentions[slot]
            var forecast: DrivingForecast?
            if parameters.drivenKilometres != nil {
                // A day without a reading is a day less: each row is foreseen anew.
                var counter = vehicle.counter(ofSlot: slot)
                counter?.foresee(now: now, isNew: true, calendar(of: vehicle))
                forecast = counter?.forecast
            } else {
                attention = component.outlook(now: now, parameters, attention)
            }
            let range = component.range(now: now, parameters, attention, forecast)
            return (slot, range?.early, range?.middle, range?.late)
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
            if slots[slot].parameters.drivenKilometres != nil {
                fireDriven(slot, place, now: now, &vehicle, &events)
                continue
            }
            let isRaised = vehicle.parts[place].component.fireTimer(
                now: now,
                slots[slot].parameters,
                &attention
            )
            vehicle.keep(attention, at: place)
            guard isRaised else { continue }
            events.append(event(.raised, slot, now, vehicle.parts[place], vehicle, attention))
        }
        joinFamilies(&events, since: leaders, now: now, vehicle)
        judgeConditions(now: now, &vehicle, &events)
        return events
    }

    /// Takes back a raise whose alert was closed for want of data.
    package func lower(slot: Int, now: Timestamp, _ vehicle: inout VehicleState) {
        let family = families.first { $0.slots.contains(slot) }
        for slot in family?.slots ?? [slot] { lower(one: slot, now: now, &vehicle) }
    }

    private func lower(one slot: Int, now: Timestamp, _ vehicle: inout VehicleState) {
        var attention = vehicle.attentions[slot]
        attention.clear(now: now)
        // It was not over: what is near may be told again at once.
        attention.clearedAt = .never
        if let place = vehicle.place(ofSlot: slot) {
            vehicle.keep(attention, at: place)
        } else {
            _ = vehicle.attentions.keep(attention, ofSlot: slot)
        }
    }

    /// The first days of a counter are over: what it foresees now may be near.
    private func fireDriven(
        _ slot: Int,
        _ place: Int,
        now: Timestamp,
        _ vehicle: inout VehicleState,
        _ events: inout [RuleEvent]
    ) {
        guard let index = vehicle.counters.firstIndex(where: { $0.slot == slot }) else { return }
        vehicle.counters[index].foresee(now: now, isNew: true, calendar(of: vehicle))
        let counter = vehicle.counters[index]
        var attention = vehicle.attentions[slot]
        let isRaised = vehicle.parts[place].component.fireTimer(
            now: now,
            counter.forecast,
            slots[slot].parameters,
            &attention
        )
        vehicle.keep(attention, at: place)
        guard isRaised else { return }
        events.append(event(.raised, slot, now, vehicle.parts[place], vehicle, attention))
    }

    func calendar(of vehicle: VehicleState) -> DrivingCalendar {
        places[min(vehicle.reference.place, places.count - 1)]
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
