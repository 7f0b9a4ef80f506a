import Telemetry

/// What a reading says of whether the vehicle moves.
enum Movement: UInt8, Sendable {
    case moving
    case still
    case unsaid
}

/// A signal that tells whether a vehicle moves, and how its values are read.
enum MovementSignal: UInt8, Sendable {
    /// `Vehicle.Speed`, km/h.
    case speed
    /// `Vehicle.IsMoving`, or an ignition that is on: 0 or 1.
    case flag
    /// `Vehicle.Powertrain.CombustionEngine.Speed`, rpm.
    case engine
    /// `Vehicle.TraveledDistance`, metres.
    case odometer
    /// `Vehicle.LowVoltageBattery.CurrentVoltage`: the charger's tells of an engine that runs.
    case voltage
}

/// When the vehicle last drove and parked; 52 bytes.
///
/// Told by the vehicle itself where it does: speed, movement, ignition, an odometer that runs or
/// stands still, the charging voltage. The gaps between its readings count only where nothing else
/// says so: a car that is heard day and night parks as long as one that falls silent.
struct TripContext: Equatable, Sendable {
    /// A trip that is over.
    struct Trip {
        var seconds: UInt32
        /// Before it began.
        var parkedHours: Float
        /// Last heard of during the trip, °C.
        var ambient: Float?
    }

    private enum Constant {
        /// A stop longer than this is a parking where something says that the vehicle stands: longer
        /// than traffic lights and a fuel stop's pump.
        static let stopSeconds: UInt32 = 6 * 60
        /// A silence longer than this is a parking where nothing says otherwise.
        static let silenceSeconds: UInt32 = 45 * 60
        /// Readings of the odometer closer than this tell of standing still.
        static let denseSeconds: UInt32 = 15 * 60
        /// An odometer counts in steps of up to a kilometre: it must stand for so long.
        static let standingSeconds: UInt32 = 30 * 60
        /// Wheels that turn on the spot, and a step back of a rounded odometer.
        static let odometerMetres: Float = 50
        /// A vehicle that has not told of movement for so long no longer does.
        static let forgottenSeconds: UInt32 = 3 * 86_400
        static let chargingVolts: Float = 13.3
        static let restingVolts: Float = 13.15
        static let runningRevolutions: Float = 300
        static let movingSpeed: Float = 1
    }

    var activeAt = CompactInstant.never
    /// The first reading of this trip, or the newest of a parking.
    var startedAt = CompactInstant.never
    /// When the parking began that this trip ended, or that goes on.
    var parkedAt = CompactInstant.never
    var parkedHours: Float?
    var ambient: Float = 0
    var ambientAt = CompactInstant.never
    private var movedAt = CompactInstant.never
    private var stillAt = CompactInstant.never
    private var odometer: Float = -1
    private var odometerAt = CompactInstant.never
    private var odometerMovedAt = CompactInstant.never
    /// Who tells of movement: the best of what was ever heard.
    private var best = Tells.nothing

    private enum Tells: UInt32, Comparable {
        case nothing
        case voltage
        case odometer
        case movement

        static func < (left: Tells, right: Tells) -> Bool { left.rawValue < right.rawValue }
    }

    init() {}

    /// Notes that a reading came; `opensTrip` is for signals that vehicles tell at a start.
    /// - Returns: the trip that the reading shows to be over.
    mutating func note(_ observedAt: CompactInstant, opensTrip: Bool) -> Trip? {
        guard observedAt > activeAt else { return nil }
        defer { activeAt = observedAt }
        if best != .nothing,
            observedAt.seconds &- max(movedAt, stillAt).seconds > Constant.forgottenSeconds
        {
            best = .nothing
        }
        guard activeAt != .never, !isStanding(at: observedAt) else { return nil }
        let gap = observedAt.seconds - activeAt.seconds
        let isStart = opensTrip && best < .odometer
        guard gap > (isStart ? Constant.stopSeconds : Constant.silenceSeconds) else { return nil }
        // It moved until it was last heard, unless it was heard standing then.
        if !isStanding(at: activeAt) { movedAt = activeAt }
        return park(at: observedAt)
    }

    /// Notes what a reading says of movement, before `note(_:opensTrip:)`.
    /// - Returns: the trip that the reading shows to be over.
    mutating func note(
        _ signal: MovementSignal,
        _ value: Float,
        at observedAt: CompactInstant
    ) -> Trip? {
        guard observedAt >= activeAt else { return nil }
        let (tells, movement) = movement(signal, value, at: observedAt)
        guard movement != .unsaid, tells >= best else { return nil }
        let isSilenceOver =
            activeAt != .never && observedAt.seconds - activeAt.seconds > Constant.silenceSeconds
        // It moved until it was last heard, unless it was heard standing since.
        if activeAt > movedAt, activeAt < observedAt, stillAt <= movedAt, startedAt < activeAt {
            movedAt = activeAt
        }
        let isQuiet =
            movedAt != .never && observedAt > movedAt
            && observedAt.seconds - movedAt.seconds > Constant.stopSeconds
        guard movement == .moving else {
            stillAt = observedAt
            return best != .nothing && isQuiet ? park(at: observedAt) : nil
        }
        let isOver = isQuiet && (isStanding(at: observedAt) || isSilenceOver)
        // The last reading of the parking is the first of the trip.
        let trip = isOver && startedAt <= movedAt ? park(at: observedAt) : nil
        best = tells
        movedAt = observedAt
        return trip
    }

    /// Whether the vehicle was said to stand, and nothing else since.
    private func isStanding(at observedAt: CompactInstant) -> Bool {
        best != .nothing && stillAt > movedAt
            && observedAt.seconds - stillAt.seconds <= Constant.stopSeconds
    }

    private mutating func movement(
        _ signal: MovementSignal,
        _ value: Float,
        at observedAt: CompactInstant
    ) -> (Tells, Movement) {
        switch signal {
        case .speed: return (.movement, value > Constant.movingSpeed ? .moving : .still)
        case .flag: return (.movement, value >= 0.5 ? .moving : .still)
        case .engine:
            return (.movement, value > Constant.runningRevolutions ? .moving : .unsaid)
        case .voltage:
            // A charger that keeps a parked battery full says the same: it counts where nothing
            // better does.
            if value >= Constant.chargingVolts { return (.voltage, .moving) }
            return (.voltage, value <= Constant.restingVolts ? .still : .unsaid)
        case .odometer:
            defer {
                odometer = value
                odometerAt = observedAt
            }
            guard odometerAt != .never, observedAt > odometerAt else {
                odometerMovedAt = observedAt
                return (.odometer, .unsaid)
            }
            let hasMoved = abs(value - odometer) > Constant.odometerMetres
            if hasMoved { odometerMovedAt = observedAt }
            guard observedAt.seconds - odometerAt.seconds <= Constant.denseSeconds else {
                // Told seldom: the time at which it moved is not known.
                return (.odometer, .unsaid)
            }
            if hasMoved { return (.odometer, best == .odometer ? .moving : .unsaid) }
            guard observedAt.seconds - odometerMovedAt.seconds > Constant.standingSeconds else {
                return (.odometer, .unsaid)
            }
            // Heard while it stands: from now on the odometer tells.
            if best < .odometer {
                best = .odometer
                movedAt = odometerMovedAt
            }
            return (.odometer, .still)
        }
    }

    /// The vehicle stands, since it last moved; each reading may be the first of the next trip.
    private mutating func park(at observedAt: CompactInstant) -> Trip? {
        var trip: Trip?
        if startedAt != .never, startedAt <= movedAt {
            trip = Trip(
                seconds: movedAt.seconds - startedAt.seconds,
                parkedHours: parkedHours ?? 0,
                ambient: ambientAt >= startedAt ? ambient : nil
            )
        }
        parkedAt = movedAt
        parkedHours = Float(observedAt.seconds - movedAt.seconds) / 3_600
        startedAt = observedAt
        return trip
    }

    func context(at observedAt: CompactInstant) -> ReadingContext {
        var context = ReadingContext()
        context.sinceStartHours =
            startedAt == .never ? .infinity : Double(observedAt - startedAt) * 24
        context.isLate = context.sinceStartHours < -0.05
        context.lastParkHours = parkedHours.map(Double.init)
        if !context.isLate {
            context.parkedHours = context.lastParkHours.map {
                context.sinceStartHours < 0.1 ? $0 : 0
            }
        }
        if ambientAt != .never, abs(observedAt - ambientAt) * 1_440 < 18 {
            context.ambient = Double(ambient)
        }
        return context
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        for instant in [
            activeAt, startedAt, parkedAt, ambientAt, movedAt, stillAt, odometerAt,
            odometerMovedAt,
        ] {
            instant.encode(into: &writer)
        }
        writer.put(parkedHours ?? .nan)
        writer.put(ambient)
        writer.put(odometer)
        writer.put(best.rawValue)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        activeAt = try CompactInstant(from: &reader)
        startedAt = try CompactInstant(from: &reader)
        parkedAt = try CompactInstant(from: &reader)
        ambientAt = try CompactInstant(from: &reader)
        movedAt = try CompactInstant(from: &reader)
        stillAt = try CompactInstant(from: &reader)
        odometerAt = try CompactInstant(from: &reader)
        odometerMovedAt = try CompactInstant(from: &reader)
        let parked = try reader.float()
        parkedHours = parked.isNaN ? nil : parked
        ambient = try reader.float()
        odometer = try reader.float()
        guard let best = Tells(rawValue: try reader.word()) else { throw reader.failure() }
        self.best = best
    }
}
