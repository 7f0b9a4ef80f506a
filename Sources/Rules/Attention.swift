import Telemetry

/// What is remembered of a component only while something goes on with it: an alert, readings in
/// a row that may become one, a service to be confirmed, a value that another must confirm.
struct Attention: Equatable, Sendable {
    /// How many readings in a row agreed, counting those close together once.
    struct RunCount: Equatable, Sendable {
        private var agreed: UInt32 = 0
        private var countedAt = CompactInstant.never

        init() {}

        var count: Int { Int(agreed) }

        mutating func note(_ agrees: Bool, at observedAt: Timestamp, _ near: NearCondition) {
            guard agrees else {
                agreed = 0
                return
            }
            let isSpaced = (observedAt - countedAt.timestamp).minutes >= near.spacingMinutes
            guard agreed == 0 || isSpaced else { return }
            agreed &+= 1
            countedAt = CompactInstant(observedAt)
        }

        func encode(into writer: inout ByteWriter) {
            writer.put(agreed)
            countedAt.encode(into: &writer)
        }

        init(from reader: inout ByteReader) throws(CheckpointError) {
            agreed = try reader.word()
            countedAt = try CompactInstant(from: &reader)
        }
    }

    /// A reading far below what was expected, which waits for the next to say the same.
    struct Odd: Equatable, Sendable {
        var observedAt: Timestamp
        var margin: Float
        var variance: Float
        /// Whether it was the first of a trip, when some devices say 0 before they know better.
        var isFirstOfTrip: Bool
        /// Whether it said exactly 0, as nothing does that has not been read yet.
        var isZero: Bool
    }

    /// A value of this wheel that left what was expected of it, for comparison with its siblings.
    struct Step: Equatable, Sendable {
        var at: CompactInstant
        var expected: Float
        var told: Float
    }

    /// A pressure whose temperature has not arrived.
    struct Unjoined: Equatable, Sendable {
        var observedAt: Timestamp
        var value: Double
        var parkedHours: Double?
        var ambient: Double?
    }

    var isRaised = false
    var isCrossed = false
    /// Whether the value fell away at once, when the alert was raised or since.
    var isFast = false
    var fall = Fall()
    var near = RunCount()
    var crossed = RunCount()
    /// Readings clearly beyond the limit.
    var sure = RunCount()
    var recovered = RunCount()
    /// Readings better than the rule knows what to do with.
    var outside = RunCount()
    /// Sum of the margins that count in `recovered`.
    var recoveredSum: Float = 0
    var service = TrendFilter.PendingService()
    /// Lowest margin since the raise.
    var minimum: Float = .infinity
    /// Since when what is raised, or not, has no longer been so.
    var pendingSince: Timestamp?
    /// The date last told.
    var published: Timestamp?
    /// When the numbers behind the alert were last told.
    var toldAt = CompactInstant.never
    var unjoined: Unjoined?
    var odd: Odd?
    var step: Step?
    /// Since when the value has been higher than any pump makes it.
    var highSince = CompactInstant.never
    /// When the alert was last over, and how often it was raised since it was over for good.
    var clearedAt = CompactInstant.never
    var raises: UInt32 = 0
    /// How many of these were fast losses that were soon over.
    var briefFalls: UInt32 = 0
    var raisedAt = CompactInstant.never
    /// When a raise that is not told yet is looked at again: its workshop needs less lead.
    var watchDue: Timestamp?

    /// An alert that is raised again within this time is the same matter.
    static let flapDays: Float = 14
    /// From so many raises on it stays, until it is over beyond doubt.
    private static let flappingRaises: UInt32 = 2
    /// From so many on no readings end it: only a fortnight with no crossing in sight does.
    private static let swingingRaises: UInt32 = 3
    /// So many fast losses, each over soon after the one before, are a loose contact.
    private static let looseFalls: UInt32 = 3
    /// It is forgotten when its values have been well for so long.
    private static let looseDays: Float = 56
    /// A fast loss that is over within this was mended, or was none.
    private static let briefDays: Float = 7
    /// A step is compared with its siblings' for so long.
    private static let stepDays: Float = 10 / 1_440

    init() {}

    /// Whether there is nothing to remember.
    var isIdle: Bool {
        !isRaised && near.count == 0 && crossed.count == 0 && service.count == 0
            && pendingSince == nil && unjoined == nil && fall.isIdle && odd == nil && step == nil
            && highSince == .never && clearedAt == .never
    }

    /// Whether the alert comes and goes: it is one matter, which clears only when that is sure.
    var isFlapping: Bool { raises >= Attention.flappingRaises }

    /// Whether fast losses come and go: a loose contact, not a tyre.
    var isLoose: Bool { briefFalls >= Attention.looseFalls }

    /// Forgets what is too long ago to matter.
    mutating func fade(at measured: CompactInstant) {
        if let step, measured - step.at > Attention.stepDays { self.step = nil }
        let days = isLoose ? Attention.looseDays : Attention.flapDays
        guard !isRaised, clearedAt != .never, measured - clearedAt > days else { return }
        clearedAt = .never
        raises = 0
        briefFalls = 0
    }

    mutating func raise(margin: Float, now: Timestamp) {
        raises = raises &+ 1
        raisedAt = CompactInstant(now)
        isRaised = true
        isCrossed = false
        isFast = false
        minimum = margin
        recovered = RunCount()
        recoveredSum = 0
        pendingSince = nil
        published = nil
        near = RunCount()
    }

    mutating func clear(now: Timestamp) {
        clearedAt = CompactInstant(now)
        let isBrief = clearedAt - raisedAt <= Attention.briefDays
        if isFast, isBrief { briefFalls = briefFalls &+ 1 }
        isRaised = false
        isCrossed = false
        isFast = false
        watchDue = nil
        pendingSince = nil
        crossed = RunCount()
        sure = RunCount()
        near = RunCount()
        recovered = RunCount()
        recoveredSum = 0
    }

    /// Whether readings in a row say that the component is well again.
    ///
    /// Recovered is measured from the lowest reading, which may have been an outlier; a limit
    /// that is still met has not recovered in any case.
    mutating func hasRecovered(
        margin: Float,
        at observedAt: Timestamp,
        _ rule: RuleParameters
    ) -> Bool {
        minimum = min(minimum, margin)
        // A tyre that holds its pressure again is not to be stopped for, however often it fell.
        let isSticky = isFlapping && !isFast
        let recovery = minimum + Float(rule.clear.recovery) * (isSticky ? 2 : 1)
        let before = recovered.count
        recovered.note(
            margin > (isCrossed ? max(0, recovery) : recovery),
            at: observedAt,
            rule.near
        )
        if recovered.count == 0 { recoveredSum = 0 }
        if recovered.count > before { recoveredSum += margin }
        guard isFast || raises < Attention.swingingRaises else { return false }
        return recovered.count >= rule.clear.recoveryReadings
    }

    /// Notes a jump to a better level: what was mended or topped up does not swing.
    mutating func noteService() {
        raises = min(raises, Attention.swingingRaises - 1)
    }

    /// What the readings that proved the recovery said, in the middle.
    var recoveredMargin: Float { recoveredSum / Float(max(1, recovered.count)) }

    /// Clears an alert whose crossing has moved out of sight for long enough; true when it did.
    ///
    /// Not while readings meet the limit: the forecast would clear what they raise again.
    mutating func settle(days: Float?, now: Timestamp, _ rule: RuleParameters) -> Bool {
        guard crossed.count == 0,
            Double(days ?? .infinity) > rule.clear.leadFactor * rule.near.leadDays
        else {
            pendingSince = nil
            return false
        }
        let since = pendingSince ?? now
        pendingSince = since
        let wait = isFlapping ? Double(Attention.flapDays) * 24 : rule.clear.hours
        guard (now - since).hours >= wait else { return false }
        clear(now: now)
        return true
    }

    /// Whether the crossing has been out of sight for long enough.
    mutating func isOver(_ days: Double, now: Timestamp, _ rule: RuleParameters) -> Bool {
        guard days > rule.clear.leadFactor * rule.near.leadDays else {
            pendingSince = nil
            return false
        }
        let since = pendingSince ?? now
        pendingSince = since
        return (now - since).hours >= rule.clear.hours
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        writer.put(isRaised)
        writer.put(isCrossed)
        writer.put(isFast)
        for run in [near, crossed, sure, recovered, outside] { run.encode(into: &writer) }
        writer.put(recoveredSum)
        writer.put(service.level)
        service.at.encode(into: &writer)
        writer.put(service.count)
        writer.put(minimum)
        writer.put(pendingSince)
        writer.put(watchDue)
        writer.put(published)
        for instant in [toldAt, highSince, clearedAt, raisedAt] { instant.encode(into: &writer) }
        writer.put(raises)
        writer.put(briefFalls)
        fall.encode(into: &writer)
        writer.put(unjoined != nil)
        if let unjoined {
            writer.put(unjoined.observedAt)
            writer.put(unjoined.value)
            writer.put(unjoined.parkedHours)
            writer.put(unjoined.ambient)
        }
        writer.put(odd != nil)
        if let odd {
            writer.put(odd.observedAt)
            writer.put(odd.margin)
            writer.put(odd.variance)
            writer.put(odd.isFirstOfTrip)
            writer.put(odd.isZero)
        }
        writer.put(step != nil)
        if let step {
            step.at.encode(into: &writer)
            writer.put(step.expected)
            writer.put(step.told)
        }
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        isRaised = try reader.flag()
        isCrossed = try reader.flag()
        isFast = try reader.flag()
        near = try RunCount(from: &reader)
        crossed = try RunCount(from: &reader)
        sure = try RunCount(from: &reader)
        recovered = try RunCount(from: &reader)
        outside = try RunCount(from: &reader)
        recoveredSum = try reader.float()
        service.level = try reader.float()
        service.at = try CompactInstant(from: &reader)
        service.count = try reader.word()
        minimum = try reader.float()
        pendingSince = try reader.optionalTimestamp()
        watchDue = try reader.optionalTimestamp()
        published = try reader.optionalTimestamp()
        toldAt = try CompactInstant(from: &reader)
        highSince = try CompactInstant(from: &reader)
        clearedAt = try CompactInstant(from: &reader)
        raisedAt = try CompactInstant(from: &reader)
        raises = try reader.word()
        briefFalls = try reader.word()
        fall = try Fall(from: &reader)
        if try reader.flag() {
            let observedAt = try reader.timestamp()
            let value = try reader.double()
            let parked = try reader.optionalDouble()
            unjoined = Unjoined(
                observedAt: observedAt,
                value: value,
                parkedHours: parked,
                ambient: try reader.optionalDouble()
            )
        }
        if try reader.flag() {
            odd = Odd(
                observedAt: try reader.timestamp(),
                margin: try reader.float(),
                variance: try reader.float(),
                isFirstOfTrip: try reader.flag(),
                isZero: try reader.flag()
            )
        }
        guard try reader.flag() else { return }
        step = Step(
            at: try CompactInstant(from: &reader),
            expected: try reader.float(),
            told: try reader.float()
        )
    }
}
