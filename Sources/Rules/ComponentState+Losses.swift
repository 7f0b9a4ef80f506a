import Telemetry

/// Losses that are a matter of minutes or hours, and readings a rule cannot use.
extension ComponentState {
    // MARK: Fast losses

    /// Notes a reading for a loss that is a matter of minutes or hours.
    mutating func noteFall(
        _ observedAt: Timestamp,
        margin: Float,
        expected: Float,
        previous: CompactInstant,
        limit: Double,
        now: Timestamp,
        _ fast: FastLoss,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        guard isWarm(rule) else { return [] }
        let isFalling = attention.fall.note(
            margin: margin,
            expected: expected,
            at: CompactInstant(observedAt),
            previous: previous,
            far: Float(-fast.farShare * limit),
            fast
        )
        // Air that was let out to the placard is not lost.
        let ceiling = Float((fast.placardShare / rule.placardShare - 1) * limit)
        guard isFalling, margin < ceiling else { return [] }
        return raiseFast(margin: margin, now: now, rule, &attention)
    }

    /// Notes a reading of nearly nothing, of a wheel that told good values.
    mutating func noteFlat(
        _ observedAt: Timestamp,
        _ value: Double,
        areSiblingsTelling: Bool,
        tripStart: CompactInstant,
        limit: Double,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        guard filter.isStarted, isWarm(rule) else { return [] }
        let isFlat = attention.fall.noteFlat(
            at: CompactInstant(observedAt),
            previous: filter.time,
            tripStart: tripStart,
            isSleepy: isSleepy
        )
        guard isFlat, areSiblingsTelling, attention.isRaised || !attention.isLoose else {
            return []
        }
        let margin = Float(rule.direction.sign * (value - limit))
        noteNewest(observedAt, Float(value))
        var changes = raiseFast(margin: margin, now: now, rule, &attention)
        attention.isCrossed = true
        attention.minimum = min(attention.minimum, margin)
        tell(&changes, isMoved: false, now: now, &attention)
        return changes
    }

    mutating func raiseFast(
        margin: Float,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        guard !attention.isFast, !attention.isLoose else { return [] }
        let wasRaised = attention.isRaised
        if !wasRaised { raise(margin: margin, now: now, rule, &attention) }
        attention.isFast = true
        attention.published = now
        var changes: [RuleEvent.Kind] = [wasRaised ? .moved : .raised]
        if attention.isFlapping { changes.append(.trouble(.flapping)) }
        return changes
    }

    // MARK: Readings that are not used

    /// Notes a reading that the rule cannot use.
    mutating func noteUnused(
        _ observedAt: Timestamp,
        _ why: Unused,
        _ changes: inout [RuleEvent.Kind]
    ) {
        guard unusedSince != .never else {
            unusedSince = CompactInstant(observedAt)
            return
        }
        guard bits & Bit.notJudged == 0,
            observedAt - unusedSince.timestamp >= ComponentState.unusedSpan
        else { return }
        bits |= Bit.notJudged
        changes.append(.trouble(.notJudged, why))
    }

    /// Notes a reading that is better than anything the rule knows, such as that of a battery of
    /// another kind: three in a row end an alert, and nothing more is judged.
    mutating func noteOutside(
        _ observedAt: Timestamp,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention,
        _ changes: inout [RuleEvent.Kind]
    ) {
        guard attention.isRaised else { return }
        attention.outside.note(true, at: observedAt, rule.near)
        guard attention.outside.count >= rule.clear.recoveryReadings else { return }
        attention.clear(now: now)
        changes.append(.cleared)
        guard bits & Bit.notJudged == 0 else { return }
        if unusedSince == .never { unusedSince = CompactInstant(observedAt) }
        bits |= Bit.notJudged
        changes.append(.trouble(.notJudged, .unusable))
    }

    mutating func noteUse(_ changes: inout [RuleEvent.Kind]) {
        guard unusedSince != .never else { return }
        unusedSince = .never
        guard bits & Bit.notJudged != 0 else { return }
        bits &= ~Bit.notJudged
        changes.append(.troubleOver(.notJudged))
    }
}
