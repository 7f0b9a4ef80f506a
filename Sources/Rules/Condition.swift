package import Telemetry

/// Something true or false of a vehicle, over several of its components, signals and habits.
package indirect enum Condition: Sendable, Equatable {
    /// A quantity and the bound it must reach.
    package struct Fact: Sendable, Equatable {
        package enum Quantity: Sendable, Equatable {
            /// The newest reading of a signal, in its unit; a count of trouble codes, for instance.
            case value(SignalID)
            /// Days until the component in a slot crosses its limit.
            case daysToCrossing(slot: Int)
            /// Change a day of the component in a slot, in its signal's unit.
            case rate(slot: Int)
            /// The share of its placard pressure that the tyre in a slot holds, at 20 °C; unknown
            /// while the placard is assumed, and while its own limit is near.
            case placardShare(slot: Int)
            /// The same at the outside temperature of the last day.
            case coldShare(slot: Int)
            /// A habit's share of the trips seen, 0…1; unknown before as many trips.
            case share(UsageProfile.Habit, trips: Int)
            /// Hours since the vehicle was last heard of.
            case silentHours
        }

        package var quantity: Quantity
        package var isAtLeast: Bool
        package var bound: Double

        package init(quantity: Quantity, isAtLeast: Bool, bound: Double) {
            self.quantity = quantity
            self.isAtLeast = isAtLeast
            self.bound = bound
        }

        /// Asks for nothing: what a clearing is told with.
        static let none = Fact(quantity: .silentHours, isAtLeast: true, bound: 0)

        func holds(_ value: Double) -> Bool { isAtLeast ? value >= bound : value <= bound }

        /// The same of the decimal that a number in single precision stands for, which lies on the
        /// same side of the bound as the number itself, unless both are the same number.
        func holds(_ value: Float) -> Bool {
            let rounded = Float(bound)
            guard value != rounded else { return holds(decimal(value)) }
            return isAtLeast ? value > rounded : value < rounded
        }
    }

    case fact(Fact)
    case all([Condition])
    case any([Condition])

    /// The facts, in the order in which they stand.
    package var facts: [Fact] {
        switch self {
        case .fact(let fact): [fact]
        case .all(let parts), .any(let parts): parts.flatMap(\.facts)
        }
    }
}

/// How a vehicle is used, from the times of its readings, its speed and the air's temperature.
///
/// Counts fade with each trip, so that a changed habit shows within a few dozen; 24 bytes.
package struct UsageProfile: Equatable, Sendable {
    package enum Habit: String, CaseIterable, Sendable {
        /// Time above 80 km/h among time under way.
        case highway
        /// Trips shorter than ten minutes.
        case shortTrips = "short_trips"
        /// Starts below 5 °C after four hours of parking and more.
        case coldStarts = "cold_starts"
    }

    private enum Constant {
        /// A trip's weight after each further one: the last fifty or so count.
        static let fading: Float = 0.98
        static let highwaySpeed: Float = 80
        static let coldCelsius: Float = 5
        static let coldParkedHours: Float = 4
        static let shortSeconds: UInt32 = 600
        /// A speed holds until the next one, at most for so long.
        static let speedSecondsMax: Float = 300
    }

    private var trips: Float = 0
    private var shortTrips: Float = 0
    private var coldStarts: Float = 0
    private var movingSeconds: Float = 0
    private var highwaySeconds: Float = 0
    private var speedAt = CompactInstant.never

    init() {}

    /// A trip is over.
    mutating func note(_ trip: TripContext.Trip) {
        trips = trips * Constant.fading + 1
        let isShort = trip.seconds < Constant.shortSeconds
        shortTrips = shortTrips * Constant.fading + (isShort ? 1 : 0)
        let isCold =
            trip.parkedHours >= Constant.coldParkedHours
            && trip.ambient ?? .infinity < Constant.coldCelsius
        coldStarts = coldStarts * Constant.fading + (isCold ? 1 : 0)
        movingSeconds *= Constant.fading
        highwaySeconds *= Constant.fading
    }

    mutating func note(speed: Float, at time: CompactInstant) {
        guard time > speedAt else { return }
        let seconds = Float(time.seconds - speedAt.seconds)
        speedAt = time
        guard speed > 0, seconds <= Constant.speedSecondsMax else { return }
        movingSeconds += seconds
        if speed > Constant.highwaySpeed { highwaySeconds += seconds }
    }

    /// Trips that still count; at most 1 / (1 - 0.98) = 50.
    package var tripsSeen: Double { Double(trips) }

    /// A habit's share, 0…1; nil before `trips` trips were seen.
    package func share(_ habit: Habit, trips needed: Int) -> Double? {
        guard trips >= Float(needed) else { return nil }
        switch habit {
        case .highway: return movingSeconds > 0 ? Double(highwaySeconds / movingSeconds) : nil
        case .shortTrips: return Double(shortTrips / trips)
        case .coldStarts: return Double(coldStarts / trips)
        }
    }

    // MARK: Checkpoint

    func encode(into writer: inout ByteWriter) {
        for value in [trips, shortTrips, coldStarts, movingSeconds, highwaySeconds] {
            writer.put(value)
        }
        speedAt.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        trips = try reader.float()
        shortTrips = try reader.float()
        coldStarts = try reader.float()
        movingSeconds = try reader.float()
        highwaySeconds = try reader.float()
        speedAt = try CompactInstant(from: &reader)
    }
}
