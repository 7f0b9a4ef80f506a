import Telemetry

/// Wheels that lose their air at once, told from sensors that sleep and from the weather.
extension RuleEngine {
    /// A reading of nearly nothing.
    struct FlatReading {
        var slot: Int
        var observedAt: Timestamp
        var value: Double
        var tripStart: CompactInstant
    }

    /// Puts a reading of nearly nothing aside until its siblings' are known; false when it is none.
    func isNearlyNothing(
        _ reading: HeldReading,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) -> Bool {
        guard let fast = slots[slot].parameters.near.fast else { return false }
        let value = Double(reading.value)
        if value >= 0, value < fast.flatBelow {
            moment.flats.append(
                FlatReading(
                    slot: slot,
                    observedAt: reading.observedAt,
                    value: value,
                    tripStart: vehicle.trip.startedAt
                )
            )
            return true
        }
        guard part.component.hasAttention else { return false }
        var attention = vehicle.attentions[slot]
        guard attention.fall.isFlat else { return false }
        if !attention.isRaised, attention.fall.isSinceStart(of: vehicle.trip.startedAt) {
            part.component.isSleepy = true
        }
        attention.fall = Fall()
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
        return false
    }

    /// A wheel that told good values and tells none, while its siblings go on, is flat.
    ///
    /// One that never did, or all of them at once, has no reading.
    func resolveFlats(_ vehicle: inout VehicleState, _ moment: inout Moment) {
        var flats: [FlatReading] = []
        swap(&flats, &moment.flats)
        for flat in flats {
            guard let place = vehicle.place(ofSlot: flat.slot) else { continue }
            let instant = CompactInstant(flat.observedAt)
            guard vehicle.parts[place].component.filter.time <= instant else { continue }
            var attention = vehicle.attentions[flat.slot]
            let began = attention.fall.isFlat ? attention.fall.beganAt : instant
            let siblings = groups[slots[flat.slot].group ?? 0].slots.filter { $0 != flat.slot }
            let known = siblings.compactMap { vehicle.state(ofSlot: $0) }.filter(\.filter.isStarted)
            // While the group is not judged its wheels go on telling all the same.
            let isHeard = vehicle.faults.contains {
                $0.group == slots[flat.slot].group && $0.heardAt > began
            }
            let telling = isHeard ? known.count : known.count { $0.filter.time > began }
            let changes = vehicle.parts[place].component.noteFlat(
                flat.observedAt,
                flat.value,
                areSiblingsTelling: !known.isEmpty && telling * 2 >= known.count,
                tripStart: flat.tripStart,
                limit: limit(ofSlot: flat.slot, vehicle.reference).limit,
                now: moment.now,
                slots[flat.slot].parameters,
                &attention
            )
            vehicle.keep(attention, at: place)
            note(changes, flat.slot, vehicle.parts[place], vehicle, &moment)
            guard !attention.isRaised else { continue }
            var unused: [RuleEvent.Kind] = []
            vehicle.parts[place].component.noteUnused(flat.observedAt, .unusable, &unused)
            note(unused, flat.slot, vehicle.parts[place], vehicle, &moment)
        }
    }

    /// A wheel without a thermometer, under way: it is warmer than the air, so that by the air's
    /// temperature it holds less than this.
    func noteFallByAir(
        _ pending: Attention.Unjoined,
        _ ambient: Double,
        _ slot: Int,
        _ part: inout VehicleState.Part,
        _ vehicle: inout VehicleState,
        _ moment: inout Moment
    ) {
        let parameters = slots[slot].parameters
        guard var fast = parameters.near.fast, parameters.usable.contains(pending.value),
            part.component.filter.isStarted, let group = slots[slot].group,
            !vehicle.faults.contains(where: { $0.group == group })
        else { return }
        // The air may have warmed faster than the tyre.
        fast.drop *= 2
        let limit = limit(ofSlot: slot, vehicle.reference).limit
        let filter = part.component.filter
        let instant = CompactInstant(pending.observedAt)
        let value = Measure.coldPressure(pending.value, at: ambient)
        let expected = filter.expectedAtMost(at: instant)
        var attention = vehicle.attentions[slot]
        guard !areSiblingsFalling(slot, ofGroup: group, at: instant, vehicle.attentions) else {
            return
        }
        let changes = part.component.noteFall(
            pending.observedAt,
            margin: Float(value - limit),
            expected: expected,
            previous: filter.time,
            limit: limit,
            now: moment.now,
            fast,
            parameters,
            &attention
        )
        if attention.isFast { part.component.noteNewest(pending.observedAt, Float(value)) }
        part.component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
        note(changes, slot, part, vehicle, &moment)
    }

    /// Whether two siblings and more fall as well: the weather, not a nail.
    func areSiblingsFalling(
        _ slot: Int,
        ofGroup group: Int,
        at instant: CompactInstant,
        _ attentions: AttentionList
    ) -> Bool {
        guard !attentions.isEmpty else { return false }
        return groups[group].slots.count {
            $0 != slot && attentions[$0].fall.isGoingOn(at: instant)
        } >= 2
    }
}
