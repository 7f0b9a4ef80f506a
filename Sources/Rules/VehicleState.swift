package import Telemetry

/// What a vehicle tells about itself, as far as rules refer to it.
package struct VehicleReference: Sendable, Equatable {
    package var placardFrontKilopascals: Double?
    package var placardRearKilopascals: Double?

    package init(placardFrontKilopascals: Double? = nil, placardRearKilopascals: Double? = nil) {
        self.placardFrontKilopascals = placardFrontKilopascals
        self.placardRearKilopascals = placardRearKilopascals
    }
}

/// When the vehicle last drove and parked, from the times of its readings alone.
struct TripContext: Equatable, Sendable {
    var activeAt = Timestamp.distantPast
    var startedAt = Timestamp.distantPast
    var parkedHours: Double?
    var ambient: Double?
    var ambientAt = Timestamp.distantPast

    /// Source: `prediction.md` §6: a gap of over 6 minutes before an odometer or ambient reading,
    /// or of over 45 minutes before any, is a parking.
    mutating func note(_ observedAt: Timestamp, opensTrip: Bool) {
        guard observedAt > activeAt else { return }
        let gap = observedAt - activeAt
        if activeAt != .distantPast, gap > .minutes(6), opensTrip || gap > .minutes(45) {
            parkedHours = gap.hours
            startedAt = observedAt
        }
        activeAt = observedAt
    }

    func context(at observedAt: Timestamp) -> ReadingContext {
        let isKnown = startedAt != .distantPast
        let isLate = isKnown && observedAt < startedAt - .minutes(3)
        let since = isKnown ? (observedAt - startedAt).hours : .infinity
        let isAmbientFresh =
            ambientAt != .distantPast
            && abs((observedAt - ambientAt).rawValue) < Milliseconds.minutes(18).rawValue
        return ReadingContext(
            parkedHours: isLate ? nil : parkedHours.map { since < 0.1 ? $0 : 0 },
            sinceStartHours: since,
            lastParkHours: parkedHours,
            isLate: isLate,
            ambient: isAmbientFresh ? ambient : nil
        )
    }
}

/// Joins a tyre's pressure with its temperature of the same instant, whichever comes first.
struct TemperatureJoin: Equatable, Sendable {
    struct Pending: Equatable, Sendable {
        var observedAt: Timestamp
        var value: Double
        var parkedHours: Double?
        var ambient: Double?
    }

    var hasSensor = false
    var temperatureAt = Timestamp.distantPast
    var temperature = 0.0
    var pending: Pending?
}

/// A reading that waits to be sorted.
struct HeldReading: Equatable, Comparable, Sendable {
    var observedAt: Timestamp
    var value: Double
    /// The signal, below its rank among those of one instant.
    var order: UInt32

    var signal: Int { Int(order & 0xffff) }

    /// By time, then rank and signal, then value, so that the order of arrival cannot matter.
    static func < (left: HeldReading, right: HeldReading) -> Bool {
        if left.observedAt != right.observedAt { return left.observedAt < right.observedAt }
        if left.order != right.order { return left.order < right.order }
        return left.value < right.value
    }

    static func areOrdered(_ readings: [HeldReading]) -> Bool {
        for index in readings.indices.dropFirst() where readings[index] < readings[index - 1] {
            return false
        }
        return true
    }
}

/// Everything the rules remember of one vehicle.
package struct VehicleState: Equatable, Sendable {
    /// One component's state, and the temperature it is read with.
    struct Part: Equatable, Sendable {
        var component: ComponentState
        var join = TemperatureJoin()
    }

    var trip = TripContext()
    /// Slots of the engine that this vehicle uses, ascending, beside their states.
    var slots: [UInt16] = []
    var parts: [Part] = []
    var held: [HeldReading] = []
    /// When the readings that wait are used; nil when none wait.
    package internal(set) var flushDue: Timestamp?
    package var reference = VehicleReference()

    package init() {}

    func place(ofSlot slot: Int) -> Int? {
        for place in slots.indices where Int(slots[place]) == slot { return place }
        return nil
    }

    package func state(ofSlot slot: Int) -> ComponentState? {
        place(ofSlot: slot).map { parts[$0].component }
    }

    package var slotsInUse: [Int] { slots.map(Int.init) }

    /// When each slot's alert fires if nothing arrives until then.
    package func forEachTimer(_ body: (_ slot: Int, _ due: Timestamp) -> Void) {
        for place in slots.indices {
            if let due = parts[place].component.timerDue { body(Int(slots[place]), due) }
        }
    }
}
