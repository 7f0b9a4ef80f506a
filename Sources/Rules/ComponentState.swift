package import Telemetry

/// What the engine remembers of one component of one vehicle under one rule, always.
///
/// Invariant: 100 bytes, without references; nothing here grows with the number of readings. What
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
    enum Bit {
        static let attention: UInt32 = 1 << 10
        static let temperatureSensor: UInt32 = 1 << 11
        static let notJudged: UInt32 = 1 << 12
        /// Trips whose first reading the next one contradicted, up to three.
        static let bootStep: UInt32 = 1 << 13
        static let boots: UInt32 = 3 << 13
        static let sleepy: UInt32 = 1 << 15
    }

    /// A raised alert's numbers are brought up to date this often, so that what an advisor reads
    /// out is never older.
    private static let refreshSpan = Milliseconds.hours(12)
    /// While a loss is fast, what is told is of now.
    private static let fastRefreshSpan = Milliseconds.minutes(1)
    /// A first reading that the next contradicts within this was none.
    private static let bootSpan = Milliseconds.minutes(10)
    /// A level that was set anew is believed once it has stood for so long, days; at the limit or at
    /// 0 past the trip.
    private static let jumpDays: Float = 1 / 24
    private static let dueJumpDays: Float = 8 / 24
    /// Readings that arrive for so long, and none of which is used, are a matter for an engineer.
    static let unusedSpan = Milliseconds.days(Int64(14))
    /// A single reading is believed when none contradicts it for so long.
    static let lonelyDays: Float = 1
    /// How long an anchor serves before the explanation moves on to a newer one.
    private static let anchorSpan = Milliseconds.days(Int64(14))

    var filter = TrendFilter()
    var older = Anchor()
    var newer = Anchor()
    var newestValue: Float = 0
    private var newest = CompactInstant.never
    /// The highest level since its history began.
    private(set) var peak: Float = -.infinity
    /// Observation times of the last readings, against repeats: the low half of the milliseconds,
    /// which repeats only after 49 days and 17 hours.
    private var seen: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    private var timer = CompactInstant.never
    /// The first of the readings in a row that were not used.
    var unusedSince = CompactInstant.never
    var bits: UInt32 = 0

    init() {}

    package static func == (left: ComponentState, right: ComponentState) -> Bool {
        left.filter == right.filter && left.older == right.older && left.newer == right.newer
            && left.newestValue == right.newestValue && left.newest == right.newest
            && left.peak == right.peak
            && left.seen == right.seen
            && left.timer == right.timer && left.unusedSince == right.unusedSince
            && left.bits == right.bits
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

    /// Whether a sensor once said nearly nothing from the beginning of a trip, and then woke up.
    var isSleepy: Bool {
        get { bits & Bit.sleepy != 0 }
        set { bits = newValue ? bits | Bit.sleepy : bits & ~Bit.sleepy }
    }

    /// Whether the first readings of three trips were contradicted by the next.
    private var isBootUnreliable: Bool { bits & Bit.boots == Bit.boots }

    /// Time of the newest reading used; `distantPast` before the first.
    package var newestAt: Timestamp {
        guard newest != .never else { return .distantPast }
        return newest.timestamp + Milliseconds(Int64(bits & 0x3ff))
    }

    /// When the alert fires if nothing arrives until then.
    package internal(set) var timerDue: Timestamp? {
        get { timer == .never ? nil : timer.timestamp }
        set { timer = newValue.map { CompactInstant(roundingUp: $0) } ?? .never }
    }

    /// Whether a reading was used since the vehicle parked before this trip; of a long parking, since
    /// yesterday.
    func isJudged(since trip: TripContext, at measured: CompactInstant) -> Bool {
        trip.startedAt != .never && filter.time > trip.parkedAt
            && filter.time.seconds &+ 86_400 > measured.seconds
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

    /// Takes a measurement in, told in a trip that began at `tripStart`.
    ///
    /// `isExcused` says that the siblings fall as well. What has siblings was compared with them, so
    /// that no other reading need confirm it. Returns what changed, in order.
    mutating func update(
        observedAt: Timestamp,
        now: Timestamp,
        measurement: Measurement,
        limit: Double,
        tripStart: CompactInstant,
        isExcused: Bool,
        hasSiblings: Bool,
        rule: RuleParameters,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        var changes: [RuleEvent.Kind] = []
        let measured = CompactInstant(observedAt)
        noteUse(&changes)
        let wasLoose = attention.isLoose
        attention.fade(at: measured)
        if wasLoose, !attention.isLoose { changes.append(.troubleOver(.dataFault)) }
        let margin = Float(rule.direction.sign * (measurement.value - limit))
        guard attention.isRaised || !attention.isLoose else {
            if margin <= 0 { attention.clearedAt = measured }
            // Values that come and go by a loose contact are not judged until they have been well
            // for long, or an engineer accepts them.
            noteNewest(observedAt, Float(measurement.value))
            timerDue = nil
            return changes
        }
        attention.outside = Attention.RunCount()
        let isFirstOfTrip = filter.isStarted && filter.time < tripStart && measured >= tripStart
        let isZero = measurement.isZero
        if !isZero, !attention.isRaised, hasZerosOnly { beginAfresh() }
        if let odd = attention.odd {
            attention.odd = nil
            let isSaidAgain = isSaid(again: margin, odd)
            // Of a first reading and others that contradict it, the first is the wrong one.
            if isSaidAgain, older.readings > 1,
                isZero || rule.estimator.changeLimit == 0,
                observedAt - odd.observedAt < ComponentState.standing(margin: margin, isZero)
            {
                // A device that wakes up may repeat its error for as long as a trip.
                attention.odd = odd
                return changes
            }
            if isSaidAgain, rule.estimator.changeLimit == 0 {
                // What never changes its pace was set to another value.
                filter.adopt(
                    at: CompactInstant(odd.observedAt),
                    margin: odd.margin,
                    variance: odd.variance
                )
            } else if isSaidAgain {
                _ = filter.update(
                    at: CompactInstant(odd.observedAt),
                    margin: odd.margin,
                    variance: odd.variance,
                    isSure: true,
                    rule.estimator,
                    &attention.service
                )
            } else if odd.isFirstOfTrip, observedAt - odd.observedAt <= ComponentState.bootSpan {
                noteBoot(&changes)
            }
        }
        let value = Float(measurement.value)
        if attention.isRaised, attention.hasRecovered(margin: margin, at: observedAt, rule) {
            recover(at: observedAt, value, measurement, now: now, rule, &attention)
            changes.append(.cleared)
            if attention.isLoose { changes.append(.trouble(.dataFault)) }
            return changes
        }
        let previous = filter.time
        let expected = filter.expectedAtMost(at: measured)
        let step = filter.update(
            at: measured,
            margin: margin,
            variance: Float(measurement.variance),
            isSure: hasSiblings,
            rule.estimator,
            &attention.service
        )
        if step == .odd {
            attention.odd = Attention.Odd(
                observedAt: observedAt,
                margin: margin,
                variance: Float(measurement.variance),
                isFirstOfTrip: isFirstOfTrip,
                isZero: isZero
            )
        } else {
            noteReading(observedAt, value)
        }
        peak = max(peak, filter.level)
        if step == .restarted {
            // What the old part promised is none of the new one's.
            timerDue = nil
            attention.published = nil
            attention.noteService()
            older = Anchor(at: observedAt, value: value)
            older.count()
            newer = older
        }
        let isDoubtful =
            isZero
            && (step == .odd || measured - filter.firstTime < ComponentState.dueJumpDays)
        // What runs down by itself, such as a date, is known from its first reading.
        let hasForecast = step == .moved || (step == .started && rule.near.warmUpDays == 0)
        if hasForecast, !isDoubtful, let change = forecast(observedAt, now: now, rule, &attention) {
            changes.append(change)
        }
        if !isDoubtful,
            let change = compareWithLimit(observedAt, margin: margin, now: now, rule, &attention)
        {
            changes.append(change)
        }
        // What a late reading says may be from before a service.
        if var fast = rule.near.fast, step != .started, filter.time == measured, !isExcused {
            // The air may have warmed faster than the tyre.
            if measurement.isByAmbient { fast.drop *= 2 }
            changes += noteFall(
                observedAt,
                margin: margin,
                expected: expected,
                previous: previous,
                limit: limit,
                now: now,
                fast,
                rule,
                &attention
            )
        }
        tell(&changes, isMoved: step == .moved, now: now, &attention)
        return changes
    }

    /// What an alert tells is brought up to date, seldom while nothing happens.
    func tell(
        _ changes: inout [RuleEvent.Kind],
        isMoved: Bool,
        now: Timestamp,
        _ attention: inout Attention
    ) {
        let span =
            attention.isFast ? ComponentState.fastRefreshSpan : ComponentState.refreshSpan
        if changes.contains(where: \.isOfAlert) {
            attention.toldAt = CompactInstant(now)
        } else if attention.isRaised, isMoved || attention.isFast,
            now - attention.toldAt.timestamp >= span
        {
            attention.toldAt = CompactInstant(now)
            changes.append(.refreshed)
        }
    }

    /// Whether all readings so far were exactly 0: those of a device that had not read anything yet.
    private var hasZerosOnly: Bool {
        older.readings > 0 && older.value == 0 && newestValue == 0
    }

    private static func standing(margin: Float, _ isZero: Bool) -> Milliseconds {
        .days(Double(isZero || margin <= 0 ? dueJumpDays : jumpDays))
    }

    /// Whether a reading confirms the odd one before it, rather than the forecast.
    private func isSaid(again margin: Float, _ odd: Attention.Odd) -> Bool {
        let days = max(0, CompactInstant(odd.observedAt) - filter.time)
        let expected = filter.level + filter.slope * days
        return abs(margin - odd.margin) < abs(margin - expected)
    }

    private mutating func noteBoot(_ changes: inout [RuleEvent.Kind]) {
        guard !isBootUnreliable else { return }
        bits += Bit.bootStep
        if isBootUnreliable { changes.append(.trouble(.dataFault)) }
    }

    /// Readings proved that the component is well again: they are the new level, so that what the
    /// filter has not learnt yet raises nothing in the same instant.
    private mutating func recover(
        at observedAt: Timestamp,
        _ value: Float,
        _ measurement: Measurement,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) {
        filter.recover(
            at: CompactInstant(observedAt),
            level: attention.recoveredMargin,
            variance: Float(measurement.variance),
            rule.estimator
        )
        attention.clear(now: now)
        attention.published = nil
        attention.service.count = 0
        older = Anchor(at: observedAt, value: value)
        newer = older
        noteReading(observedAt, value)
    }

    mutating func noteReading(_ observedAt: Timestamp, _ value: Float) {
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
        noteNewest(observedAt, value)
    }

    mutating func noteNewest(_ observedAt: Timestamp, _ value: Float) {
        guard observedAt >= newestAt else { return }
        newest = CompactInstant(observedAt)
        bits = bits & ~0x3ff | ComponentState.milliseconds(of: observedAt)
        newestValue = value
    }

    // MARK: History

    /// Takes over what is known of another component, which is this one now.
    mutating func takeHistory(of other: ComponentState) {
        filter = other.filter
        peak = other.peak
        older = other.older
        newer = other.newer
    }

    /// Forgets the trend; the next reading begins another.
    mutating func beginAfresh() {
        filter = TrendFilter()
        peak = -.infinity
        older = Anchor()
        newer = older
        bits &= ~(Bit.boots | Bit.notJudged)
        unusedSince = .never
        timerDue = nil
    }

    // MARK: Limits

    /// Moves level and peak to another limit.
    mutating func shiftLevel(by shift: Double) {
        filter.level += Float(shift)
        peak += Float(shift)
    }

    /// Moves the limit without losing what was learnt: the margin shifts, the slope stays.
    mutating func shiftMargin(by shift: Double, _ attention: inout Attention) {
        shiftLevel(by: shift)
        attention.service.level += Float(shift)
        attention.minimum += Float(shift)
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        filter.encode(into: &writer)
        older.encode(into: &writer)
        newer.encode(into: &writer)
        for word in [
            newestValue.bitPattern, peak.bitPattern, newest.seconds, seen.0, seen.1, seen.2, seen.3,
            timer.seconds,
            unusedSince.seconds, bits,
        ] {
            writer.put(word)
        }
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        filter = try TrendFilter(from: &reader)
        older = try Anchor(from: &reader)
        newer = try Anchor(from: &reader)
        newestValue = try reader.float()
        peak = try reader.float()
        newest = try CompactInstant(from: &reader)
        seen.0 = try reader.word()
        seen.1 = try reader.word()
        seen.2 = try reader.word()
        seen.3 = try reader.word()
        timer = try CompactInstant(from: &reader)
        unusedSince = try CompactInstant(from: &reader)
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
