import Telemetry

/// What is remembered of a component only while something goes on with it: an alert, readings in
/// a row that may become one, a service to be confirmed, a pressure that waits for its temperature.
struct Attention: Equatable, Sendable {
    /// How many readings in a row agreed, counting those close together once.
    struct RunCount: Equatable, Sendable {
        private(set) var count = 0
        private var countedAt = CompactInstant.never

        init() {}

        mutating func note(_ agrees: Bool, at observedAt: Timestamp, _ near: NearCondition) {
            guard agrees else {
                count = 0
                return
            }
            let isSpaced = (observedAt - countedAt.timestamp).minutes >= near.spacingMinutes
            guard count == 0 || isSpaced else { return }
            count += 1
            countedAt = CompactInstant(observedAt)
        }

        func encode(into writer: inout ByteWriter) {
            writer.put(UInt32(clamping: count))
            countedAt.encode(into: &writer)
        }

        init(from reader: inout ByteReader) throws(CheckpointError) {
            count = Int(try reader.word())
            countedAt = try CompactInstant(from: &reader)
        }
    }

    /// Readings that have fallen away from what was expected, since the first that did.
    ///
    /// The filter follows such a fall within a minute or, where a device tells every second, while
    /// it happens: what was expected is remembered from before.
    struct Fall: Equatable, Sendable {
        private enum Constant {
            static let window: Float = 60 / 1_440
            /// A fall that goes on for as much again is believed after this, one that has ended
            /// beyond the limit after three readings and this: one strange reading is no puncture.
            static let minute: Float = 1 / 1_440
            static let standing: Float = 5 / 1_440
            static let standingReadings: UInt32 = 3
        }

        private var expected: Float = 0
        private var first: Float = 0
        private var at = CompactInstant.never
        private var readings: UInt32 = 0

        init() {}

        var isIdle: Bool { readings == 0 }

        /// Notes a reading of which `expected` was expected; true when its component is losing
        /// `drop` and more at once.
        mutating func note(
            margin: Float,
            expected now: Float,
            at measured: CompactInstant,
            drop: Float
        ) -> Bool {
            if readings == 0 || measured - at > Constant.window {
                expected = now
                first = margin
                at = measured
                readings = 0
            }
            guard expected - margin >= drop / 2 else {
                self = Fall()
                return false
            }
            readings += 1
            guard expected - margin >= drop else { return false }
            let span = measured - at
            let goesOn = first - margin >= drop && span >= Constant.minute
            let stands =
                margin <= 0 && readings >= Constant.standingReadings && span >= Constant.standing
            return goesOn || stands
        }

        func encode(into writer: inout ByteWriter) {
            writer.put(expected)
            writer.put(first)
            at.encode(into: &writer)
            writer.put(readings)
        }

        init(from reader: inout ByteReader) throws(CheckpointError) {
            expected = try reader.float()
            first = try reader.float()
            at = try CompactInstant(from: &reader)
            readings = try reader.word()
        }
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
    var recovered = RunCount()
    var service = TrendFilter.PendingService()
    /// Lowest margin since the raise.
    var minimum: Float = .infinity
    /// Since when what is raised, or not, has no longer been so.
    var pendingSince: Timestamp?
    /// The date last told.
    var published: Timestamp?
    var publishedDeviation: Float = 0
    /// When the numbers behind the alert were last told.
    var toldAt = CompactInstant.never
    var unjoined: Unjoined?

    init() {}

    /// Whether there is nothing to remember.
    var isIdle: Bool {
        !isRaised && near.count == 0 && crossed.count == 0 && service.count == 0
            && pendingSince == nil && unjoined == nil && fall.isIdle
    }

    mutating func raise(margin: Float) {
        isRaised = true
        isCrossed = false
        isFast = false
        minimum = margin
        recovered = RunCount()
        pendingSince = nil
        published = nil
        near = RunCount()
    }

    mutating func clear() {
        isRaised = false
        isCrossed = false
        pendingSince = nil
        crossed = RunCount()
        near = RunCount()
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
        let recovery = minimum + Float(rule.clear.recovery)
        recovered.note(
            margin > (isCrossed ? max(0, recovery) : recovery),
            at: observedAt,
            rule.near
        )
        return recovered.count >= rule.clear.recoveryReadings
    }

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
        guard (now - since).hours >= rule.clear.hours else { return false }
        clear()
        return true
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        writer.put(isRaised)
        writer.put(isCrossed)
        writer.put(isFast)
        for run in [near, crossed, recovered] { run.encode(into: &writer) }
        writer.put(service.level)
        service.at.encode(into: &writer)
        writer.put(service.count)
        writer.put(minimum)
        writer.put(pendingSince)
        writer.put(published)
        writer.put(publishedDeviation)
        toldAt.encode(into: &writer)
        fall.encode(into: &writer)
        writer.put(unjoined != nil)
        if let unjoined {
            writer.put(unjoined.observedAt)
            writer.put(unjoined.value)
            writer.put(unjoined.parkedHours)
            writer.put(unjoined.ambient)
        }
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        isRaised = try reader.flag()
        isCrossed = try reader.flag()
        isFast = try reader.flag()
        near = try RunCount(from: &reader)
        crossed = try RunCount(from: &reader)
        recovered = try RunCount(from: &reader)
        service.level = try reader.float()
        service.at = try CompactInstant(from: &reader)
        service.count = try reader.word()
        minimum = try reader.float()
        pendingSince = try reader.optionalTimestamp()
        published = try reader.optionalTimestamp()
        publishedDeviation = try reader.float()
        toldAt = try CompactInstant(from: &reader)
        fall = try Fall(from: &reader)
        guard try reader.flag() else { return }
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
}
