import Decoding
package import Rules
package import Telemetry

/// Something of a vehicle that cannot be judged: for an engineer, never for the owner.
package struct Trouble: Sendable, Equatable {
    package var vehicle: VehicleID
    /// Empty where it is the vehicle's.
    package var component: String
    package var kind: TroubleKind
    package var since: Timestamp
    /// Nil while it lasts.
    package var until: Timestamp?
    /// What was seen, in one sentence.
    package var text: String

    package init(
        vehicle: VehicleID,
        component: String,
        kind: TroubleKind,
        since: Timestamp,
        until: Timestamp?,
        text: String
    ) {
        self.vehicle = vehicle
        self.component = component
        self.kind = kind
        self.since = since
        self.until = until
        self.text = text
    }
}

/// What has become of a vehicle's readings since the last that could be judged; 48 bytes.
///
/// While all is well it is empty, and costs a look.
struct FeedAccount: Sendable, Equatable {
    private enum Constant {
        /// So many readings, over so long, and not one that can be judged.
        static let readings: UInt32 = 20
        static let span = Milliseconds.days(Int64(1))
        /// Lags below this are those of a slow upload.
        static let lag = Milliseconds.minutes(30)
    }

    private var since = Timestamp.distantPast
    private var late: UInt32 = 0
    private var future: UInt32 = 0
    /// From before any connected vehicle: a clock that was never set.
    private var unset: UInt32 = 0
    private var rejected: UInt32 = 0
    private var noReading: UInt32 = 0
    /// The smallest lag of the late ones; of those from the future it is not known.
    private var lagMin = Milliseconds(.max)

    /// What is wrong, and how it is said.
    struct Verdict {
        var kind: TroubleKind
        var text: String
    }

    init() {}

    var isEmpty: Bool { since == .distantPast }

    mutating func note(late lag: Milliseconds, at now: Timestamp) {
        begin(at: now)
        late &+= 1
        lagMin = min(lagMin, lag)
    }

    mutating func noteNoReading(at now: Timestamp) {
        begin(at: now)
        noReading &+= 1
    }

    mutating func note(rejectedFor reason: RejectionReason, at now: Timestamp) {
        begin(at: now)
        switch reason {
        case .futureTimestamp: future &+= 1
        case .timestampTooOld: unset &+= 1
        default: rejected &+= 1
        }
    }

    private mutating func begin(at now: Timestamp) {
        if isEmpty { since = now }
    }

    /// What is wrong with the feed by now; nil while that is not sure.
    func verdict(at now: Timestamp) -> Verdict? {
        let count = late + future + unset + rejected + noReading
        guard !isEmpty, count >= Constant.readings, now - since >= Constant.span else { return nil }
        let most = max(max(late, future, unset), rejected, noReading)
        if most == late, lagMin >= Constant.lag {
            return Verdict(
                kind: .clock,
                text: "All readings are at least \(FeedAccount.span(lagMin)) old when they arrive: "
                    + "the clock is behind, or they are sent late."
            )
        }
        if most == future {
            return Verdict(
                kind: .clock,
                text: "All readings are from the future: the clock is ahead, or local time is sent "
                    + "as UTC."
            )
        }
        if most == unset {
            return Verdict(
                kind: .clock,
                text: "All readings are from before the year 2000: the clock was never set."
            )
        }
        if most == rejected {
            return Verdict(
                kind: .allRejected,
                text: "All readings are rejected; the dead letters say why."
            )
        }
        guard most == noReading else { return nil }
        return Verdict(kind: .noReading, text: "All readings say that there is no value.")
    }

    private static func span(_ span: Milliseconds) -> String {
        span < .days(Int64(2)) ? "\(Int(span.hours)) h" : "\(Int(span.days)) days"
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        writer.put(isEmpty)
        guard !isEmpty else { return }
        writer.put(since)
        for count in [late, future, unset, rejected, noReading] { writer.put(count) }
        writer.put(lagMin.rawValue)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        guard !(try reader.flag()) else { return }
        since = try reader.timestamp()
        late = try reader.word()
        future = try reader.word()
        unset = try reader.word()
        rejected = try reader.word()
        noReading = try reader.word()
        lagMin = Milliseconds(Int64(bitPattern: try reader.unsigned()))
    }
}

/// The newest odometer reading that is believed; 32 bytes.
///
/// One reading never decides: it counts when it fits the last one, or when two more agree with it.
struct OdometerWatch: Sendable, Equatable {
    private enum Constant {
        /// More than a car can drive in a day.
        static let metresPerDay = 2_500_000.0
        /// A rounded odometer may step back.
        static let backMetres = 1_000.0
        /// What fits always: a few kilometres of one packet's delay.
        static let metresAtOnce = 5_000.0
        static let agreeing: UInt32 = 3
    }

    /// Metres; nil before one is believed.
    private(set) var metres: Double?
    private var at = Timestamp.distantPast
    private var pending = 0.0
    private var pendingAt = Timestamp.distantPast
    private var pendingCount: UInt32 = 0

    init() {}

    /// Whether a reading of a time goes on from another.
    private static func follows(
        _ metres: Double,
        at now: Timestamp,
        after known: Double,
        at then: Timestamp
    ) -> Bool {
        let days = max(0, (now - then).days)
        let driven = metres - known
        return driven >= -Constant.backMetres
            && driven <= Constant.metresAtOnce + Constant.metresPerDay * days
    }

    mutating func note(_ reading: Double, at now: Timestamp) {
        if let metres, OdometerWatch.follows(reading, at: now, after: metres, at: at) {
            believe(reading, at: now)
            return
        }
        let goesOn =
            pendingCount > 0
            && OdometerWatch.follows(reading, at: now, after: pending, at: pendingAt)
        pendingCount = goesOn ? pendingCount + 1 : 1
        pending = reading
        pendingAt = now
        if pendingCount >= Constant.agreeing { believe(reading, at: now) }
    }

    private mutating func believe(_ reading: Double, at now: Timestamp) {
        metres = reading
        at = now
        pendingCount = 0
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        writer.put(metres)
        writer.put(at)
        writer.put(pending)
        writer.put(pendingAt)
        writer.put(pendingCount)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        metres = try reader.optionalDouble()
        at = try reader.timestamp()
        pending = try reader.double()
        pendingAt = try reader.timestamp()
        pendingCount = try reader.word()
    }
}
