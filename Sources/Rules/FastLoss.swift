import Telemetry

/// What makes a loss a fast one: stop and check, instead of a visit some day.
package struct FastLoss: Equatable, Sendable {
    /// How far below what was expected, at least, in the signal's unit.
    package var drop: Double
    /// And how much of that an hour, over the time since the last reading before it: what a week of
    /// silence took away is a slow leak.
    package var perHour: Double
    /// A value below this share of the limit has lost so much that its rate no longer matters.
    package var farShare = 0.5
    /// Above this share of the placard nothing is lost: air was let out to the placard.
    package var placardShare = 0.9
    /// Below this, in the signal's unit, a component is flat or has no reading.
    ///
    /// The other components decide which.
    package var flatBelow = 0.0

    package init(drop: Double, perHour: Double) {
        self.drop = drop
        self.perHour = perHour
    }
}

/// Readings that have fallen away from what was expected, since the first that did.
///
/// The filter follows such a fall within a minute or, where a device tells every second, while it
/// goes on, so that no single reading may look strange; for this long they are compared with what
/// was expected before.
struct Fall: Equatable, Sendable {
    private enum Constant {
        /// Days for which a fall is compared with its beginning.
        static let window: Float = 60 / 1_440
        /// A fall that goes on for as much again is believed after this, one that has ended after
        /// three readings and five minutes: one strange reading is no puncture.
        static let minute: Float = 1 / 1_440
        static let standing: Float = 5 / 1_440
        static let standingReadings: UInt32 = 3
        /// A sensor that wakes up may say 0 for the first minutes of a trip.
        static let waking: Float = 20 / 1_440
        /// One that did so before is flat in a later trip only after this.
        static let sleepyDays: Float = 1
        static let sleepyReadings: UInt32 = 6
        /// Readings closer than this count as this far apart, in hours.
        static let hoursMin: Float = 1 / 12
    }

    private var expected: Float = 0
    private var first: Float = 0
    private var at = CompactInstant.never
    /// The last reading before the fall.
    private var since = CompactInstant.never
    private var readings: UInt32 = 0
    /// Whether the readings say nearly nothing.
    private(set) var isFlat = false

    init() {}

    /// Since when; never while nothing falls.
    var beganAt: CompactInstant { at }
    var isIdle: Bool { readings == 0 }

    /// Whether nothing good was told since before a trip began.
    func isSinceStart(of tripStart: CompactInstant) -> Bool { since < tripStart }

    /// Whether a fall is going on at a time.
    func isGoingOn(at measured: CompactInstant) -> Bool {
        readings > 0 && abs(measured - at) <= Constant.window
    }

    /// Notes a reading of which `expected` was expected; true when its component is losing air, or
    /// what it may be, at once.
    ///
    /// `far` is the margin below which the rate no longer matters.
    mutating func note(
        margin: Float,
        expected now: Float,
        at measured: CompactInstant,
        previous: CompactInstant,
        far: Float,
        _ fast: FastLoss
    ) -> Bool {
        let drop = Float(fast.drop)
        // Of a vehicle that is seldom heard a fall is as long as three readings.
        let isOver = measured - at > Constant.window && readings >= Constant.standingReadings
        if readings == 0 || isFlat || isOver {
            isFlat = false
            expected = now
            first = margin
            at = measured
            since = previous
            readings = 0
        }
        guard expected - margin >= drop / 2 else {
            self = Fall()
            return false
        }
        readings += 1
        guard expected - margin >= drop else { return false }
        let hours = max((measured - since) * 24, Constant.hoursMin)
        guard margin <= far || expected - margin >= Float(fast.perHour) * hours else {
            return false
        }
        let span = measured - at
        let goesOn = first - margin >= drop && span >= Constant.minute
        let stands = readings >= Constant.standingReadings && span >= Constant.standing
        return goesOn || stands
    }

    /// Notes a reading of nearly nothing, where good ones came before; true when it stands.
    ///
    /// Within a trip that had good readings it stands like any fall. From the beginning of a trip on
    /// it may be a sensor that sleeps: then it takes a third of an hour, or another trip;
    /// of one that did sleep, a day.
    mutating func noteFlat(
        at measured: CompactInstant,
        previous: CompactInstant,
        tripStart: CompactInstant,
        isSleepy: Bool
    ) -> Bool {
        if readings == 0 || !isFlat {
            self = Fall()
            isFlat = true
            at = measured
            since = previous
        }
        readings += 1
        let span = measured - at
        guard readings >= Constant.standingReadings, span >= Constant.standing else { return false }
        let isWithinTrip = since >= tripStart
        let isAwake =
            !isSleepy
            || readings >= Constant.sleepyReadings && span >= Constant.sleepyDays
        let isOfOlderTrip = at < tripStart && isAwake
        return isWithinTrip || isOfOlderTrip || measured - tripStart >= Constant.waking
    }

    func encode(into writer: inout ByteWriter) {
        writer.put(expected)
        writer.put(first)
        at.encode(into: &writer)
        since.encode(into: &writer)
        writer.put(readings)
        writer.put(isFlat)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        expected = try reader.float()
        first = try reader.float()
        at = try CompactInstant(from: &reader)
        since = try CompactInstant(from: &reader)
        readings = try reader.word()
        isFlat = try reader.flag()
    }
}
