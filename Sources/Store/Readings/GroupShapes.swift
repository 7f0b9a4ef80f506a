import Telemetry

/// What stands before a value where the order of values tells no more: signal, quality and how the
/// value is written.
struct ValueHead: Hashable, Sendable {
    /// Codes up to `ScaledDecimal.scaleMax` are scales.
    private static let double: UInt32 = 15
    private static let lacking: UInt32 = 16

    let rawValue: UInt32

    init?(rawValue: UInt32) {
        let code = rawValue & 15
        guard code == ValueHead.double || code <= UInt32(ScaledDecimal.scaleMax),
            rawValue >> 5 <= UInt32(UInt16.max)
        else { return nil }
        self.rawValue = rawValue
    }

    /// No `scale`: the value is written as the double it is.
    init(signal: UInt16, quality: Quality, scale: Int?) {
        let flag = quality == .noReading ? ValueHead.lacking : 0
        rawValue = UInt32(signal) << 5 | flag | (scale.map { UInt32($0) } ?? ValueHead.double)
    }

    var signal: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 5) }
    var isLacking: Bool { rawValue & ValueHead.lacking != 0 }
    var quality: Quality { isLacking ? .noReading : .good }
    var scale: Int? { rawValue & 15 == ValueHead.double ? nil : Int(rawValue & 15) }

    /// The value itself: a mantissa, or the bits of a double.
    func number(_ cursor: inout ByteCursor) throws(CheckpointError) -> Int64 {
        guard scale != nil else { return Int64(bitPattern: try cursor.word()) }
        return try cursor.signed()
    }

    /// The same, of bytes that we wrote ourselves.
    @inline(__always)
    func number(_ bytes: Span<UInt8>, at position: inout Int) -> Int64 {
        guard rawValue & 15 == ValueHead.double else { return bytes.signed(at: &position) }
        defer { position += 8 }
        return Int64(bitPattern: bytes.word(at: position) ?? 0)
    }

    @inline(__always)
    func skip(_ bytes: Span<UInt8>, at position: inout Int) {
        guard rawValue & 15 != ValueHead.double else {
            position += 8
            return
        }
        while bytes[position] >= 0x80 { position &+= 1 }
        position &+= 1
    }

    func value(_ number: Int64) -> Double {
        guard let scale else { return Double(bitPattern: UInt64(bitPattern: number)) }
        return ScaledDecimal.value(number, scale: scale)
    }
}

/// Which readings come together, packet after packet: told once, and then only pointed to.
///
/// A vehicle sends the same signals in the same order every time, so of a packet nothing but its
/// values need be written. Which shape comes after which is remembered: the next one is compared,
/// not searched for.
struct GroupShapes: Sendable {
    private struct Shape {
        var heads: Range<Int>
        /// The shape that came after it the last time.
        var successor: Int
    }

    private var shapes: [Shape] = []
    /// Of all shapes, one after the other.
    private(set) var heads: [ValueHead] = []
    private var numbers: [[ValueHead]: Int] = [:]
    /// Shapes of one reading, by what it is; `unknown` where there is none yet.
    private var singles: [UInt32] = []
    private static let unknown = UInt32.max
    /// The greatest scale a signal's values have needed: one shape serves 231.5 and 232.
    private var scales: [UInt8] = []

    /// Where the heads of a shape are.
    func places(of shape: Int) -> Range<Int> { shapes[shape].heads }

    func heads(of shape: Int) -> ArraySlice<ValueHead> { heads[shapes[shape].heads] }

    /// How many readings a group of a shape has.
    func count(of shape: Int) -> Int { shapes[shape].heads.count }

    /// What is likely to come after a shape; nil before the first.
    func successor(of shape: Int?) -> Int? { shape.map { shapes[$0].successor } }

    /// The number of a shape, which came after `previous`; nil when there are too many.
    mutating func number(of shape: [ValueHead], after previous: Int?) -> Int? {
        if let next = successor(of: previous), heads(of: next).elementsEqual(shape) { return next }
        let number: Int
        if shape.count == 1 {
            number = self.number(ofOne: shape[0])
        } else if let known = numbers[shape] {
            number = known
        } else {
            guard heads.count + shape.count <= Limits.shapeSignalsMax else { return nil }
            number = add(shape)
            numbers[shape] = number
        }
        if let previous { shapes[previous].successor = number }
        return number
    }

    /// The number of the shape of one reading, of which there are never too many.
    mutating func number(ofOne head: ValueHead) -> Int {
        let place = Int(head.rawValue)
        if place < singles.count, singles[place] != GroupShapes.unknown {
            return Int(singles[place])
        }
        while singles.count <= place { singles.append(GroupShapes.unknown) }
        let number = add([head])
        singles[place] = UInt32(number)
        return number
    }

    private mutating func add(_ shape: [ValueHead]) -> Int {
        let number = shapes.count
        shapes.append(Shape(heads: heads.count..<heads.count + shape.count, successor: number))
        heads += shape
        for head in shape {
            guard let scale = head.scale else { continue }
            let signal = Int(head.signal)
            while scales.count <= signal { scales.append(0) }
            scales[signal] = max(scales[signal], UInt8(scale))
        }
        return number
    }

    // MARK: Writing

    /// Writes the values of readings when they are of a shape; false, and nothing of use written,
    /// when they are not.
    @inline(__always)
    func write(
        _ readings: Span<Reading>,
        _ signalNumbers: [UInt16],
        as shape: Int,
        into values: inout [UInt8]
    ) -> Bool {
        let range = shapes[shape].heads
        guard range.count == readings.count else { return false }
        var isOfShape = true
        values.removeAll(keepingCapacity: true)
        values.append(numbers: range.count) { values in
            for index in readings.indices {
                let head = heads[range.lowerBound &+ index]
                guard head.signal == signalNumbers[Int(readings[index].signal.index)],
                    head.quality == readings[index].quality, let scale = head.scale,
                    let mantissa = ScaledDecimal.mantissa(readings[index].value, scale: scale)
                else {
                    isOfShape = false
                    return
                }
                values.append(signed: mantissa)
            }
        }
        return isOfShape
    }

    /// Writes one value at the scale its signal mostly needs, or at another where it must.
    func write(
        _ value: Double,
        _ signal: UInt16,
        _ quality: Quality,
        into values: inout [UInt8]
    ) -> ValueHead {
        let usual = Int(signal) < scales.count ? Int(scales[Int(signal)]) : 0
        if let mantissa = ScaledDecimal.mantissa(value, scale: usual) {
            values.append(signed: mantissa)
            return ValueHead(signal: signal, quality: quality, scale: usual)
        }
        if let scale = scale(of: value, among: usual...ScaledDecimal.scaleMax)
            ?? scale(of: value, among: 0...usual),
            let mantissa = ScaledDecimal.mantissa(value, scale: scale)
        {
            values.append(signed: mantissa)
            return ValueHead(signal: signal, quality: quality, scale: scale)
        }
        values.append(word: value.bitPattern)
        return ValueHead(signal: signal, quality: quality, scale: nil)
    }

    private func scale(of value: Double, among scales: ClosedRange<Int>) -> Int? {
        scales.first { ScaledDecimal.mantissa(value, scale: $0) != nil }
    }
}
