package import Telemetry

/// A limit of one vehicle that replaces its rule's.
package struct VehicleLimit: Sendable, Equatable {
    /// Place in `RuleEngine.slots`.
    package var slot: Int
    /// In the signal's unit, at the rule's reference conditions.
    package var value: Double

    package init(slot: Int, value: Double) {
        self.slot = slot
        self.value = value
    }
}

/// What is known of a vehicle, as far as rules refer to it.
package struct VehicleReference: Sendable, Equatable {
    package var placardFrontKilopascals: Double?
    package var placardRearKilopascals: Double?
    package var limits: [VehicleLimit]
    /// Place in the engine's `places`: whose days off the vehicle's driver has.
    package var place: Int
    /// Whether it is at home south of the equator.
    package var isSouthern: Bool

    package init(
        placardFrontKilopascals: Double? = nil,
        placardRearKilopascals: Double? = nil,
        limits: [VehicleLimit] = [],
        place: Int = 0,
        isSouthern: Bool = false
    ) {
        self.placardFrontKilopascals = placardFrontKilopascals
        self.placardRearKilopascals = placardRearKilopascals
        self.limits = limits
        self.place = place
        self.isSouthern = isSouthern
    }
}

/// The newest temperature that came with a component, for the reading of the same instant, and the
/// error of its thermometer; 8 bytes.
///
/// A tyre's thermometer is wrong by a constant kelvin or two, which is a kilopascal or two of its
/// pressure: a month of what a sound tyre loses. After a night every tyre is as warm as the air, so
/// the difference to the car's own outside thermometer, over many such starts, is that error.
struct TemperatureJoin: Equatable, Sendable {
    /// What is learnt of the thermometer, from starts after so many hours of parking.
    ///
    /// A tyre loses its heat with a time constant of about an hour. One start counts for a
    /// thirtieth, and never for more than a kelvin (sun on one side, a garage just left). A
    /// thermometer further off than `errorMax` is broken, or tells what it was before the night.
    /// Measured: record 0013.
    private enum Constant {
        static let parkedHours: Float = 8
        static let gain: Float = 0.033
        static let step: Float = 1
        static let differenceMax: Float = 15
        static let errorMax: Float = 4
        /// Steps of a kelvin that are kept.
        static let celsiusSteps: Float = 128
        static let celsiusMax: Float = 255
        static let errorSteps: Float = 4_096
    }

    /// The low half of the instant's milliseconds.
    var at: UInt32 = 0
    private var celsiusInSteps: Int16 = 0
    private var errorInSteps: Int16 = 0

    init() {}

    /// Of the newest temperature, without the thermometer's error.
    var celsius: Float {
        Float(celsiusInSteps) / Constant.celsiusSteps - Float(errorInSteps) / Constant.errorSteps
    }

    /// Takes a temperature in; `trip` tells whether the tyre is as warm as the air.
    mutating func note(_ reading: Float, at observedAt: Timestamp, _ trip: TripContext) {
        let before = at
        at = UInt32(truncatingIfNeeded: observedAt.milliseconds)
        // What no tyre can be, not-a-number too, stays as absurd as it was.
        let bounded = abs(reading) < Constant.celsiusMax ? reading : Constant.celsiusMax
        celsiusInSteps = Int16((bounded * Constant.celsiusSteps).rounded())
        guard trip.parkedHours ?? 0 >= Constant.parkedHours else { return }
        // Only the first after so long: driving warms a tyre within minutes.
        let cooled = trip.parkedAt.timestamp + .days(Double(Constant.parkedHours) / 24)
        let cooledAt = UInt32(truncatingIfNeeded: cooled.milliseconds)
        guard at &- before > at &- cooledAt else { return }
        let context = trip.context(at: CompactInstant(observedAt))
        guard context.parkedHours ?? 0 >= Double(Constant.parkedHours),
            let ambient = context.ambient
        else { return }
        let difference = reading - Float(ambient)
        guard abs(difference) < Constant.differenceMax else { return }
        let error = Float(errorInSteps) / Constant.errorSteps
        let step = min(max(difference - error, -Constant.step), Constant.step)
        let next = min(max(error + Constant.gain * step, -Constant.errorMax), Constant.errorMax)
        errorInSteps = Int16((next * Constant.errorSteps).rounded())
    }

    func encode(into writer: inout ByteWriter) {
        writer.put(at)
        let words = (UInt16(bitPattern: celsiusInSteps), UInt16(bitPattern: errorInSteps))
        writer.put(UInt32(words.0) | UInt32(words.1) << 16)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        at = try reader.word()
        let words = try reader.word()
        celsiusInSteps = Int16(bitPattern: UInt16(truncatingIfNeeded: words))
        errorInSteps = Int16(bitPattern: UInt16(truncatingIfNeeded: words >> 16))
    }
}

/// Notices a pressure that stands still while its temperature moves; 8 bytes.
struct StuckWatch: Equatable, Sendable {
    private enum Constant {
        /// Readings of one value in a row.
        static let readings: UInt8 = 8
        /// Kelvin between them: by 12 kPa at 240, more than the step of any sensor.
        static let kelvin: Int8 = 10
    }

    private var value: Float = .nan
    private var readings: UInt8 = 0
    private var lowest: Int8 = 0
    private var highest: Int8 = 0

    init() {}

    static func == (left: StuckWatch, right: StuckWatch) -> Bool {
        left.value.bitPattern == right.value.bitPattern && left.readings == right.readings
            && left.lowest == right.lowest && left.highest == right.highest
    }

    var isStuck: Bool {
        readings >= Constant.readings && Int(highest) - Int(lowest) >= Int(Constant.kelvin)
    }

    mutating func note(_ pressure: Float, celsius: Float) {
        let degrees = Int8(min(max(celsius.rounded(), -100), 120))
        if pressure == value {
            if readings < .max { readings += 1 }
            lowest = min(lowest, degrees)
            highest = max(highest, degrees)
        } else {
            value = pressure
            readings = 1
            lowest = degrees
            highest = degrees
        }
    }

    func encode(into writer: inout ByteWriter) {
        writer.put(value)
        let degrees = (UInt8(bitPattern: lowest), UInt8(bitPattern: highest))
        for byte in [readings, degrees.0, degrees.1] { writer.put(byte) }
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        value = try reader.float()
        readings = try reader.byte()
        lowest = Int8(bitPattern: try reader.byte())
        highest = Int8(bitPattern: try reader.byte())
    }
}

/// Siblings whose values changed as no component changes: not judged until they fit again.
struct GroupFault: Equatable, Sendable {
    /// Place in the engine's groups.
    var group: Int
    var since: CompactInstant
    /// When its wheels last told anything.
    var heardAt: CompactInstant
}

/// A reading that waits to be sorted.
struct HeldReading: Equatable, Comparable, Sendable {
    var observedAt: Timestamp
    var value: Float
    /// The signal, below its rank among those of one instant.
    var order: UInt32

    var signal: Int { Int(order & 0xffff) }

    /// By time, then rank and signal, then value, so that the order of arrival cannot matter.
    static func < (left: HeldReading, right: HeldReading) -> Bool {
        if left.observedAt != right.observedAt { return left.observedAt < right.observedAt }
        if left.order != right.order { return left.order < right.order }
        return left.value < right.value
    }

    /// Sorts in place; a packet, which most waiting readings come from, is nearly in order.
    static func sort(_ readings: inout [HeldReading]) {
        guard readings.count <= 32 else { return readings.sort() }
        var span = readings.mutableSpan
        for index in 1..<max(1, span.count) {
            let reading = span[index]
            var place = index
            while place > 0, reading < span[place - 1] {
                span[place] = span[place - 1]
                place -= 1
            }
            if place < index { span[place] = reading }
        }
    }
}

/// The few components of a vehicle with which something goes on, ascending by slot.
struct AttentionList: Equatable, Sendable {
    private struct Entry: Equatable, Sendable {
        var slot: Int
        var attention: Attention
    }

    private var entries: [Entry] = []

    init() {}

    var isEmpty: Bool { entries.isEmpty }
    var hasRaised: Bool { entries.contains { $0.attention.isRaised } }

    subscript(slot: Int) -> Attention {
        for entry in entries where entry.slot == slot { return entry.attention }
        return Attention()
    }

    /// Keeps what goes on with a component, or forgets it where nothing does; false for the latter.
    mutating func keep(_ attention: Attention, ofSlot slot: Int) -> Bool {
        let place = entries.firstIndex { $0.slot >= slot } ?? entries.count
        let isKnown = place < entries.count && entries[place].slot == slot
        switch (isKnown, attention.isIdle) {
        case (true, true): entries.remove(at: place)
        case (true, false): entries[place].attention = attention
        case (false, false):
            entries.insert(Entry(slot: slot, attention: attention), at: place)
        case (false, true): break
        }
        return !attention.isIdle
    }
}

/// Everything the rules remember of one vehicle.
package struct VehicleState: Equatable, Sendable {
    /// One component's state, and the temperature it is read with.
    struct Part: Equatable, Sendable {
        var component = ComponentState()
        var join = TemperatureJoin()
        var stuck = StuckWatch()
    }

    var trip = TripContext()
    /// Kept only where a rule asks for habits.
    package internal(set) var usage = UsageProfile()
    /// Newest values of the signals conditions ask for, in the engine's order; NaN before the first.
    var watched: [Float] = []
    /// Slots of the engine that this vehicle uses, ascending, beside their states.
    var slots: [UInt16] = []
    var parts: [Part] = []
    var attentions = AttentionList()
    var faults: [GroupFault] = []
    /// When conditions on levels were last judged.
    var levelsAt = CompactInstant.never
    /// Counters that run down with use, as they were heard of.
    var counters: [DrivenCounter] = []
    var held: [HeldReading] = []
    /// When the readings that wait are used; `distantFuture` when none wait.
    package internal(set) var flushDue = Timestamp.distantFuture
    package var reference = VehicleReference()

    package init() {}

    func place(ofSlot slot: Int) -> Int? {
        for place in slots.indices where Int(slots[place]) == slot { return place }
        return nil
    }

    /// Makes room for slots of which the vehicle had told nothing.
    mutating func add(slot: Int) {
        guard place(ofSlot: slot) == nil else { return }
        let place = slots.firstIndex { $0 > slot } ?? slots.count
        slots.insert(UInt16(slot), at: place)
        parts.insert(Part(), at: place)
    }

    /// Keeps what goes on with the component at a place.
    mutating func keep(_ attention: Attention, at place: Int) {
        parts[place].component.hasAttention = attentions.keep(
            attention,
            ofSlot: Int(slots[place])
        )
    }

    /// Reads a little of the state itself, which knows where everything else is.
    ///
    /// The sum means nothing; without it the compiler would leave the reading out.
    package mutating func touchFirst() -> UInt32 {
        trip.activeAt.seconds &+ UInt32(truncatingIfNeeded: flushDue.milliseconds)
            &+ UInt32(truncatingIfNeeded: reference.limits.count)
    }

    /// Reads a little of everything a flush works with, so that it is in the cache when the flush
    /// comes: of a large fleet each vehicle's memory is far away, and that of several at once comes
    /// as fast as that of one.
    package mutating func touch() -> UInt32 {
        var sum = UInt32(truncatingIfNeeded: slots.last ?? 0)
        for place in parts.indices {
            sum &+= parts[place].component.filter.time.seconds
            sum &+= parts[place].join.at
        }
        return sum &+ (held.last?.order ?? 0) &+ (watched.last?.bitPattern ?? 0)
    }

    func counter(ofSlot slot: Int) -> DrivenCounter? { counters.first { $0.slot == slot } }

    package func state(ofSlot slot: Int) -> ComponentState? {
        place(ofSlot: slot).map { parts[$0].component }
    }

    package var slotsInUse: [Int] { slots.map(Int.init) }

    /// When the first forecast comes true if nothing arrives until then.
    var nextTimer: Timestamp? {
        var next: Timestamp?
        for place in parts.indices {
            guard let due = parts[place].component.timerDue else { continue }
            next = next.map { min($0, due) } ?? due
        }
        return next
    }
}
