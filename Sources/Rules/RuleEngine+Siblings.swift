import Telemetry

/// Wheels are judged beside each other: what happens to all of them at once happened to the sender.
extension RuleEngine {
    /// A value that left what was expected of it, or came while its group is not judged.
    struct SiblingStep {
        var slot: Int
        var observedAt: Timestamp
        var measurement: Measurement
        var expected: Double

        /// Whether it is no step at all.
        var fits: Bool { abs(measurement.value - expected) < RuleEngine.tolerance(expected) }
        var share: Double { measurement.value / max(expected, 1) }
        var offset: Double { measurement.value - expected }
    }

    /// How far a value may be from what was expected before its siblings are asked, kPa: six
    /// standard deviations of a reading, or a share of it.
    private static let stepMin = 10.0
    private static let stepShare = 0.06
    /// Steps so alike are one: of a factor, or of an offset in kPa.
    private static let alikeShare = 0.03
    private static let alikeOffset = 3.0
    /// Steps further apart than this are two.
    private static let siblingDays: Float = 10 / 1_440
    /// One value for all wheels, within so much, in kPa.
    private static let coarseWidth: Float = 0.5
    private static let coarseSpan = Milliseconds.minutes(1)
    /// Above this share of the placard and of what it was, no pump put the pressure there.
    private static let highShare = 1.25
    /// Below this share of the placard the air was not let out on purpose.
    private static let lowShare = 0.92
    /// A pressure that high for so long is that of another wheel.
    private static let highDays: Float = 14

    private static func tolerance(_ expected: Double) -> Double {
        max(stepMin, stepShare * expected)
    }

    private func placard(ofSlot slot: Int, _ reference: VehicleReference) -> Double {
        let share = slots[slot].parameters.placardShare
        return share > 0 ? limit(ofSlot: slot, reference).limit / share : .infinity
    }

    // MARK: One value for all

    /// Whether the reading that comes next is one of its own wheel.
    ///
    /// A sender that says the same of all wheels while the car is parked, although they differ, tells
    /// a value of its own.
    func isOfComponent(
        _ readings: Span<HeldReading>,
        _ slot: Int,
        _ parts: Span<VehicleState.Part>,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) -> Bool {
        let at = readings[0].observedAt
        let value = readings[0].value
        guard at > moment.coarseUntil else { return false }
        guard let group = slots[slot].group, slot == groups[group].slots[0],
            vehicle.trip.context(at: moment.instant).parkedHours ?? 0 > 0
        else { return true }
        var wheels = 0
        for index in readings.indices {
            guard readings[index].observedAt - at <= RuleEngine.coarseSpan else { break }
            guard isValue(of: group, readings[index].signal) else { continue }
            guard abs(readings[index].value - value) <= RuleEngine.coarseWidth else { return true }
            wheels += 1
        }
        guard wheels >= Group.sizeMin else { return true }
        var known = 0
        var low = Double.infinity
        var high = -Double.infinity
        for place in parts.indices where parts[place].component.filter.isStarted {
            let other = Int(vehicle.slots[place])
            guard slots[other].group == group else { continue }
            let limit = limit(ofSlot: other, vehicle.reference).limit
            let level = limit + Double(parts[place].component.filter.level)
            known += 1
            low = min(low, level)
            high = max(high, level)
        }
        guard known >= Group.sizeMin, high - low > RuleEngine.alikeOffset else { return true }
        moment.coarseUntil = at + RuleEngine.coarseSpan
        return false
    }

    /// Whether a signal is the value of a component of a group.
    private func isValue(of group: Int, _ signal: Int) -> Bool {
        for place in signals[signal].uses
        where uses[place].role == .value && slots[uses[place].slot].group == group {
            return true
        }
        return false
    }

    // MARK: Steps

    /// Whether a measurement waits for those of its siblings: it left what was expected, or the
    /// whole group is not judged.
    ///
    /// Nothing but the moment is changed; the rest is passed by reference, because every reading of
    /// a wheel asks.
    func isStep(
        _ observedAt: Timestamp,
        _ measurement: Measurement,
        _ slot: Int,
        _ limit: Double,
        _ part: inout VehicleState.Part,
        ofGroup group: Int,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) -> Bool {
        guard part.component.filter.isStarted else { return false }
        let days = max(0, CompactInstant(observedAt) - part.component.filter.time)
        let level = part.component.filter.level + part.component.filter.slope * days
        let step = SiblingStep(
            slot: slot,
            observedAt: observedAt,
            measurement: measurement,
            expected: limit + Double(level)
        )
        if step.fits {
            if part.component.hasAttention { endHigh(slot, &part, &vehicle) }
            guard !vehicle.faults.isEmpty, vehicle.faults.contains(where: { $0.group == group })
            else { return false }
        }
        moment.steps.append(step)
        return true
    }

    /// A value that fits ends what was higher than any pump makes it.
    private func endHigh(
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState
    ) {
        var attention = vehicle.attentions[slot]
        guard attention.highSince != .never else { return }
        attention.highSince = .never
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
    }

    /// Decides, with all that a flush says of the wheels, what the steps of each mean.
    func resolveSteps(_ vehicle: inout VehicleState, _ moment: inout Moment) {
        var waiting: [SiblingStep] = []
        swap(&waiting, &moment.steps)
        for group in groups.indices {
            let steps = waiting.filter { slots[$0.slot].group == group }
            guard !steps.isEmpty else { continue }
            if let fault = vehicle.faults.firstIndex(where: { $0.group == group }) {
                resolve(steps, fault: fault, &vehicle, &moment)
            } else {
                resolve(steps, ofGroup: group, &vehicle, &moment)
            }
        }
    }

    /// Judges a group again when its newest values fit.
    private func resolve(
        _ steps: [SiblingStep],
        fault: Int,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        vehicle.faults[fault].heardAt = moment.instant
        let newest = RuleEngine.newest(steps)
        let fitting = newest.count(where: \.fits)
        guard fitting >= min(2, newest.count), fitting * 2 > newest.count else { return }
        let group = groups[vehicle.faults[fault].group]
        vehicle.faults.remove(at: fault)
        for (place, slot) in vehicle.slotsInUse.enumerated() where group.slots.contains(slot) {
            note([.troubleOver(.dataFault)], slot, vehicle.parts[place], vehicle, &moment)
        }
        for step in steps where step.fits { use(step, &vehicle, &moment) }
    }

    private func resolve(
        _ steps: [SiblingStep],
        ofGroup group: Int,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let first = RuleEngine.oldest(steps)
        if exchange(first, &vehicle) {
            for step in steps { use(step, &vehicle, &moment) }
            return
        }
        let alike = RuleEngine.alike(first, with: remembered(first, ofGroup: group, vehicle))
        if alike.count >= Group.sizeMin {
            return resolveAlike(steps, alike, ofGroup: group, &vehicle, &moment)
        }
        for step in steps {
            guard let place = vehicle.place(ofSlot: step.slot) else { continue }
            let instant = CompactInstant(step.observedAt)
            var attention = vehicle.attentions[step.slot]
            attention.step = Attention.Step(
                at: instant,
                expected: Float(step.expected),
                told: Float(step.measurement.value)
            )
            let isHigh = isHigh(step, vehicle.reference)
            if isHigh, attention.highSince == .never { attention.highSince = instant }
            if !isHigh { attention.highSince = .never }
            let since = attention.highSince
            vehicle.keep(attention, at: place)
            // A sensor's way to say nothing, or air for a load that will be let out again.
            guard !isHigh || instant - since > RuleEngine.highDays else { continue }
            use(step, &vehicle, &moment)
        }
    }

    /// All wheels stepped together.
    private func resolveAlike(
        _ steps: [SiblingStep],
        _ alike: [SiblingStep],
        ofGroup group: Int,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let isUp = alike.count(where: { $0.offset > 0 }) * 2 > alike.count
        let isFault =
            isUp
            ? alike.allSatisfy { isHigh($0, vehicle.reference) }
            : alike.contains {
                $0.measurement.value
                    < RuleEngine.lowShare * placard(ofSlot: $0.slot, vehicle.reference)
            }
        guard isFault else {
            // Pumped up, or let down to the placard: a service, and each wheel begins again there.
            for step in steps {
                guard let place = vehicle.place(ofSlot: step.slot) else { continue }
                if !isUp {
                    let limit = limit(ofSlot: step.slot, vehicle.reference).limit
                    vehicle.parts[place].component.filter.recover(
                        at: CompactInstant(step.observedAt),
                        level: Float(step.measurement.value - limit),
                        variance: Float(step.measurement.variance),
                        slots[step.slot].parameters.estimator
                    )
                }
                use(step, &vehicle, &moment)
            }
            return
        }
        vehicle.faults.append(
            GroupFault(
                group: group,
                since: moment.instant,
                heardAt: moment.instant
            )
        )
        for (place, slot) in vehicle.slotsInUse.enumerated()
        where groups[group].slots.contains(slot) {
            var attention = vehicle.attentions[slot]
            attention.fall = Fall()
            attention.step = nil
            vehicle.keep(attention, at: place)
            note([.trouble(.dataFault)], slot, vehicle.parts[place], vehicle, &moment)
        }
    }

    /// Judges a group again from its next readings on: an engineer has accepted what it tells.
    /// - Returns: the components that begin afresh.
    package func accept(slot: Int, _ vehicle: inout VehicleState) -> [Int] {
        let group = slots[slot].group.map { groups[$0] }
        if let place = slots[slot].group { vehicle.faults.removeAll { $0.group == place } }
        let accepted = group?.slots ?? [slot]
        for slot in accepted {
            guard let place = vehicle.place(ofSlot: slot) else { continue }
            vehicle.parts[place].component.beginAfresh()
            vehicle.keep(Attention(), at: place)
        }
        return accepted
    }

    private func use(
        _ step: SiblingStep,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        guard let place = vehicle.place(ofSlot: step.slot) else { return }
        var parts: [VehicleState.Part] = []
        swap(&parts, &vehicle.parts)
        let limit = limit(ofSlot: step.slot, vehicle.reference).limit
        use(step.observedAt, step.measurement, step.slot, limit, &parts[place], &vehicle, &moment)
        swap(&parts, &vehicle.parts)
    }

    private func isHigh(_ step: SiblingStep, _ reference: VehicleReference) -> Bool {
        let placard = placard(ofSlot: step.slot, reference)
        return step.share > RuleEngine.highShare
            && step.measurement.value > RuleEngine.highShare * placard
    }

    /// Gives wheels that changed places each other's history; false where they did not.
    private func exchange(_ steps: [SiblingStep], _ vehicle: inout VehicleState) -> Bool {
        guard steps.count >= 2, steps.contains(where: { $0.offset > 0 }),
            steps.contains(where: { $0.offset < 0 })
        else { return false }
        var sources: [Int] = []
        for step in steps {
            func distance(_ other: Int) -> Double {
                abs(steps[other].expected - step.measurement.value)
            }
            let source = steps.indices
                .filter { !sources.contains($0) && steps[$0].slot != step.slot }
                .min { distance($0) < distance($1) }
            guard let source,
                abs(steps[source].expected - step.measurement.value)
                    < RuleEngine.tolerance(steps[source].expected)
            else { return false }
            sources.append(source)
        }
        let before = vehicle.parts
        for (step, source) in zip(steps, sources) {
            guard let place = vehicle.place(ofSlot: step.slot),
                let other = vehicle.place(ofSlot: steps[source].slot)
            else { continue }
            let limits = (
                limit(ofSlot: step.slot, vehicle.reference).limit,
                limit(ofSlot: steps[source].slot, vehicle.reference).limit
            )
            var attention = vehicle.attentions[step.slot]
            attention.fall = Fall()
            vehicle.parts[place].component.takeHistory(of: before[other].component)
            vehicle.parts[place].component.shiftLevel(by: limits.1 - limits.0)
            vehicle.keep(attention, at: place)
        }
        return true
    }

    /// Steps of siblings that came with an earlier flush, a few minutes ago.
    private func remembered(
        _ steps: [SiblingStep],
        ofGroup group: Int,
        _ vehicle: VehicleState
    ) -> [SiblingStep] {
        let at = steps.map { CompactInstant($0.observedAt) }.min() ?? .never
        return groups[group].slots.compactMap { slot in
            guard !steps.contains(where: { $0.slot == slot }),
                let step = vehicle.attentions[slot].step,
                abs(step.at - at) <= RuleEngine.siblingDays
            else { return nil }
            return SiblingStep(
                slot: slot,
                observedAt: step.at.timestamp,
                measurement: Measurement(value: Double(step.told), variance: 0),
                expected: Double(step.expected)
            )
        }
    }

    /// The steps that one factor, or one offset, explains.
    private static func alike(_ steps: [SiblingStep], with others: [SiblingStep]) -> [SiblingStep] {
        let all = steps + others
        let shares = all.map(\.share).sorted()
        let offsets = all.map(\.offset).sorted()
        let share = shares[shares.count / 2]
        let offset = offsets[offsets.count / 2]
        let byShare = all.filter {
            let told = $0.measurement.value
            return abs(told - share * $0.expected) <= max(alikeOffset, alikeShare * told)
        }
        let byOffset = all.filter { abs($0.offset - offset) <= alikeOffset }
        return byShare.count >= byOffset.count ? byShare : byOffset
    }

    private static func oldest(_ steps: [SiblingStep]) -> [SiblingStep] {
        var seen: Set<Int> = []
        return steps.filter { seen.insert($0.slot).inserted }
    }

    private static func newest(_ steps: [SiblingStep]) -> [SiblingStep] {
        oldest(steps.reversed())
    }
}

extension RuleEngine.Group {
    /// Fewer components cannot outvote one.
    static let sizeMin = 3
}
