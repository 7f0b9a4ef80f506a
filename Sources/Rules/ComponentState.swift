package import Telemetry

/// What the engine remembers of one component of one vehicle under one rule, always.
///
/// Invariant: 88 bytes, without references; nothing here grows with the number of readings. What
/// matters only while something goes on is in `Attention`, which few components have.
package struct ComponentState: Sendable, Equatable {
    /// A reading the explanation can point to.
    struct Anchor: Sendable, Equatable {
        private var at = CompactInstant.never
        var value: Float = 0
        /// Readings since, this one included, above the milliseconds of `time`; they stop at four
        /// million, which nobody reads out.
        private var countAndMilliseconds: UInt32 = 0

        init() {}

        init(at time: Timestamp, value: Float) {
            at = CompactInstant(time)
            self.value = value
            countAndMilliseconds = ComponentState.milliseconds(of: time)
        }

        init(from reader: inout ByteReader) throws(CheckpointError) {
            at = try CompactInstant(from: &reader)
            value = try reader.float()
            countAndMilliseconds = try reader.word()
        }

        func encode(into writer: inout ByteWriter) {
            at.encode(into: &writer)
            writer.put(value)
            writer.put(countAndMilliseconds)
        }

        var time: Timestamp { at.timestamp + Milliseconds(Int64(countAndMilliseconds & 0x3ff)) }
        var readings: Int { Int(countAndMilliseconds >> 10) }

        mutating func count() {
            if countAndMilliseconds < UInt32.max - 0x3ff { countAndMilliseconds += 0x400 }
        }
    }

    /// Flags, and the milliseconds of the newest reading in the lowest ten bits.
    private enum Bit {
        static let attention: UInt32 = 1 << 10
        static let temperatureSensor: UInt32 = 1 << 11
    }

    /// A raised alert's numbers are brought up to date this often, so that what an advisor reads
    /// out is never older.
    private static let refreshSpan = Milliseconds.hours(12)
    /// An error this share of the one that was told tells the date and its range again.
    private static let sharper: Float = 0.35
    /// How long an anchor serves before the explanation moves on to a newer one.
    private static let anchorSpan = Milliseconds.days(Int64(14))

    var filter = TrendFilter()
    var older = Anchor()
    var newer = Anchor()
    var newestValue: Float = 0
    /// Observation times of the last readings, against repeats (`prediction.md` §5.0): the low half
    /// of the milliseconds, which repeats only after 49 days and 17 hours.
    private var seen: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    private var timer = CompactInstant.never
    private var bits: UInt32 = 0

    init() {}

    package static func == (left: ComponentState, right: ComponentState) -> Bool {
        left.filter == right.filter && left.older == right.older && left.newer == right.newer
            && left.newestValue == right.newestValue && left.seen == right.seen
            && left.timer == right.timer && left.bits == right.bits
    }

    /// Whether the vehicle keeps an `Attention` for this component.
    var hasAttention: Bool {
        get { bits & Bit.attention != 0 }
        set { bits = newValue ? bits | Bit.attention : bits & ~Bit.attention }
    }

    /// Whether readings of this component come with a temperature of their own.
    var hasTemperatureSensor: Bool {
        get { bits & Bit.temperatureSensor != 0 }
        set { bits = newValue ? bits | Bit.temperatureSensor : bits & ~Bit.temperatureSensor }
    }

    /// Time of the newest reading used; `distantPast` before the first.
    package var newestAt: Timestamp {
        guard filter.isStarted else { return .distantPast }
        return filter.time.timestamp + Milliseconds(Int64(bits & 0x3ff))
    }

    /// When the alert fires if nothing arrives until then.
    package internal(set) var timerDue: Timestamp? {
        get { timer == .never ? nil : timer.timestamp }
        set { timer = newValue.map { CompactInstant(roundingUp: $0) } ?? .never }
    }

    private static func milliseconds(of time: Timestamp) -> UInt32 {
        UInt32(clamping: time.milliseconds % 1_000)
    }

    /// False for a repeat of one of the last four observation times.
    mutating func isNew(_ observedAt: Timestamp) -> Bool {
        let time = UInt32(truncatingIfNeeded: observedAt.milliseconds)
        guard seen != (0, 0, 0, 0) else {
            seen = (time, time, time, time)
            return true
        }
        if seen.0 == time || seen.1 == time || seen.2 == time || seen.3 == time { return false }
        seen = (time, seen.0, seen.1, seen.2)
        return true
    }

    // MARK: One measurement

    /// Takes a measurement in.
    ///
    /// Returns what changed, in order.
    mutating func update(
        observedAt: Timestamp,
        now: Timestamp,
        measurement: Measurement,
        limit: Double,
        rule: RuleParameters,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        var changes: [RuleEvent.Kind] = []
        let margin = Float(rule.direction.sign * (measurement.value - limit))
        if attention.isRaised, attention.hasRecovered(margin: margin, at: observedAt, rule) {
            attention.clear()
            changes.append(.cleared)
        }
        let value = Float(measurement.value)
        noteReading(observedAt, value)
        let measured = CompactInstant(observedAt)
        let expected = filter.level + filter.slope * max(0, measured - filter.time)
        let step = filter.update(
            at: measured,
            margin: margin,
            variance: Float(measurement.variance),
            rule.estimator,
            &attention.service
        )
        if step == .restarted {
            attention.published = nil
            older = Anchor(at: observedAt, value: value)
            older.count()
            newer = older
        }
        // What runs down by itself, such as a date, is known from its first reading.
        let hasForecast = step == .moved || (step == .started && rule.near.warmUpDays == 0)
        if hasForecast, let change = forecast(observedAt, now: now, rule, &attention) {
            changes.append(change)
        }
        if let change = compareWithLimit(observedAt, margin: margin, now: now, rule, &attention) {
            changes.append(change)
        }
        // What a late reading says may be from before a service.
        let isNewest = filter.time == measured
        if let drop = rule.near.fastDrop, step != .started, isNewest {
            let isRaisedNow = changes.contains(.raised)
            attention.isFast =
                isRaisedNow ? Double(expected - margin) >= drop : attention.isFast
            let isFalling =
                isWarm(rule) && !measurement.isByAmbient
                && attention.fall.note(
                    margin: margin,
                    expected: expected,
                    at: measured,
                    drop: Float(drop)
                )
            if isFalling, !attention.isFast {
                let wasRaised = attention.isRaised
                if !wasRaised { raise(margin: margin, now: now, rule, &attention) }
                attention.isFast = true
                attention.published = min(attention.published ?? now, now)
                if !isRaisedNow { changes.append(wasRaised ? .moved : .raised) }
            }
        }
        if !changes.isEmpty {
            attention.toldAt = CompactInstant(now)
        } else if attention.isRaised, step == .moved,
            now - attention.toldAt.timestamp >= ComponentState.refreshSpan
        {
            attention.toldAt = CompactInstant(now)
            changes.append(.refreshed)
        }
        return changes
    }

    private mutating func noteReading(_ observedAt: Timestamp, _ value: Float) {
        if older.readings == 0 {
            older = Anchor(at: observedAt, value: value)
            newer = older
        }
        if observedAt - newer.time > ComponentState.anchorSpan {
            older = newer
            newer = Anchor(at: observedAt, value: value)
        }
        older.count()
        newer.count()
        if observedAt >= newestAt {
            bits = bits & ~0x3ff | ComponentState.milliseconds(of: observedAt)
            newestValue = value
        }
    }

    /// Decides whether the limit is near, and moves the date of a raised alert.
    private mutating func forecast(
        _ observedAt: Timestamp,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> RuleEvent.Kind? {
        let isWarm = isWarm(rule)
        if attention.isRaised {
            let days = filter.daysToCrossing(ahead: ahead(now))
            // What falls away at once has no date but now.
            let change = attention.isFast ? nil : publish(days, now: now, rule, &attention)
            guard isWarm else { return change }
            return attention.settle(days: days, now: now, rule) ? .cleared : change
        }
        timerDue = nil
        guard isWarm else { return nil }
        let lead = Float(rule.near.leadDays)
        let horizon = lead + Float(rule.near.timerDays)
        let days = filter.daysToCrossing(ahead: ahead(now), horizon: horizon)
        guard let days, isLikely(now: now, rule) else {
            attention.near.note(false, at: observedAt, rule.near)
            return nil
        }
        attention.near.note(days <= lead, at: observedAt, rule.near)
        if attention.near.count >= rule.near.sustainReadings {
            raise(margin: filter.level, now: now, rule, &attention)
            return .raised
        }
        if days > lead { timerDue = now + .days(Double(days - lead)) }
        return nil
    }

    /// Whether there is history enough to expect anything from.
    private func isWarm(_ rule: RuleParameters) -> Bool {
        filter.time - filter.firstTime >= Float(rule.near.warmUpDays)
    }

    /// Whether the limit is crossed within twice the lead, as probably as the rule asks.
    private func isLikely(now: Timestamp, _ rule: RuleParameters) -> Bool {
        filter.isCrossed(
            within: 2 * Float(rule.near.leadDays) + ahead(now),
            quantile: Float(rule.near.gateQuantile),
            rule.estimator
        )
    }

    /// Days from the level's time to `now`.
    private func ahead(_ now: Timestamp) -> Float {
        Float((now - filter.time.timestamp).days)
    }

    /// Moves the date last told, and with it its range, where the forecast has left it far enough
    /// or has become three times as sharp.
    ///
    /// A date that moves with every reading cannot be told to a customer. One that has come stays
    /// what it was. The range stays with its date: that of today around a date of last week would
    /// claim more than is known.
    private func publish(
        _ days: Float?,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> RuleEvent.Kind? {
        guard let days else {
            attention.published = nil
            return nil
        }
        let deviation = filter.crossingDeviation(days: days, rule.estimator)
        let date = now + .days(Double(days))
        if let published = attention.published {
            let step = max(2, rule.near.dateStepDeviations * Double(deviation))
            let moves =
                days == 0
                ? published > now
                : published < now || abs((date - published).days) > step
                    || deviation < ComponentState.sharper * attention.publishedDeviation
            guard moves else { return nil }
        }
        let isFirst = attention.published == nil
        attention.published = date
        attention.publishedDeviation = deviation
        return isFirst ? nil : .moved
    }

    /// Days from `now` until the median crossing: 0 when crossed, nil when none is in sight.
    func daysToCrossing(now: Timestamp) -> Double? {
        guard filter.isStarted else { return nil }
        return filter.daysToCrossing(ahead: ahead(now)).map { Double($0) }
    }

    /// The attention with what is foreseen now in it; an alert's is what it tells.
    func outlook(
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: Attention
    ) -> Attention {
        guard filter.isStarted, !attention.isRaised else { return attention }
        var outlook = attention
        outlook.published = nil
        _ = publish(filter.daysToCrossing(ahead: ahead(now)), now: now, rule, &outlook)
        return outlook
    }

    /// The limit itself: met is met, with or without a trend.
    private mutating func compareWithLimit(
        _ observedAt: Timestamp,
        margin: Float,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> RuleEvent.Kind? {
        attention.crossed.note(margin <= 0, at: observedAt, rule.near)
        guard attention.crossed.count >= rule.near.crossedReadings, !attention.isCrossed else {
            return nil
        }
        let wasRaised = attention.isRaised
        if !wasRaised { raise(margin: margin, now: now, rule, &attention) }
        attention.isCrossed = true
        if attention.published ?? .distantFuture > now { attention.published = now }
        return wasRaised ? .moved : .raised
    }

    /// Fires the timer: the alert the forecast promised while nothing arrived.
    mutating func fireTimer(
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) {
        raise(margin: .infinity, now: now, rule, &attention)
    }

    private mutating func raise(
        margin: Float,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) {
        timerDue = nil
        attention.raise(margin: margin)
        _ = publish(filter.daysToCrossing(ahead: ahead(now)), now: now, rule, &attention)
    }

    // MARK: Limits

    /// Moves the limit without losing what was learnt: the margin shifts, the slope stays.
    mutating func shiftMargin(by shift: Double, _ attention: inout Attention) {
        filter.level += Float(shift)
        attention.service.level += Float(shift)
        attention.minimum += Float(shift)
    }

    // MARK: Explanation

    func evidence(
        now: Timestamp,
        limit: Double,
        isLimitAssumed: Bool,
        rule: RuleParameters,
        _ attention: Attention
    ) -> Evidence {
        let sign = rule.direction.sign
        let halfWidth = Milliseconds.days(
            1.282 * Double(rule.estimator.kappa * attention.publishedDeviation)
        )
        let middle = attention.published
        let level = filter.level + filter.slope * max(0, ahead(now))
        return Evidence(
            limit: limit,
            isLimitAssumed: isLimitAssumed,
            level: limit + sign * decimal(level),
            slopePerDay: sign * decimal(filter.slope),
            firstAt: older.time,
            firstValue: decimal(older.value),
            newestAt: newestAt,
            newestValue: decimal(newestValue),
            readings: older.readings,
            early: middle.map { max(min($0, now), $0 - halfWidth) },
            middle: middle,
            late: middle.map { $0 + halfWidth },
            isCrossed: attention.isCrossed,
            isFast: attention.isFast
        )
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        filter.encode(into: &writer)
        older.encode(into: &writer)
        newer.encode(into: &writer)
        for word in [newestValue.bitPattern, seen.0, seen.1, seen.2, seen.3, timer.seconds, bits] {
            writer.put(word)
        }
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        filter = try TrendFilter(from: &reader)
        older = try Anchor(from: &reader)
        newer = try Anchor(from: &reader)
        newestValue = try reader.float()
        seen.0 = try reader.word()
        seen.1 = try reader.word()
        seen.2 = try reader.word()
        seen.3 = try reader.word()
        timer = try CompactInstant(from: &reader)
        bits = try reader.word()
    }
}

/// The shortest decimal that is this number in single precision: what a vehicle wrote as 212.3
/// reads 212.3 again.
func decimal(_ value: Float) -> Double {
    // A whole number is its own decimal.
    if abs(value) < 0x1p24, value == Float(Int32(value)) { return Double(value) }
    return Double(value.description) ?? Double(value)
}
