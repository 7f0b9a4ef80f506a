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
    private var heads: [ValueHead] = []
    private var numbers: [[ValueHead]: Int] = [:]
    /// The greatest scale a signal's values have needed: one shape serves 231.5 and 232.
    private var scales: [UInt16: Int] = [:]

    func heads(of shape: Int) -> ArraySlice<ValueHead> { heads[shapes[shape].heads] }

    /// How many readings a group of a shape has.
    func count(of shape: Int) -> Int { shapes[shape].heads.count }

    /// What is likely to come after a shape; nil before the first.
    func successor(of shape: Int?) -> Int? { shape.map { shapes[$0].successor } }

    /// The number of a shape, which came after `previous`; nil when there are too many, which those
    /// of one reading never are.
    mutating func number(of shape: [ValueHead], after previous: Int?) -> Int? {
        if let next = successor(of: previous), heads(of: next).elementsEqual(shape) { return next }
        let number = numbers[shape] ?? add(shape)
        if let previous, let number { shapes[previous].successor = number }
        return number
    }

    private mutating func add(_ shape: [ValueHead]) -> Int? {
        guard shape.count == 1 || heads.count + shape.count <= Limits.shapeSignalsMax else {
            return nil
        }
        let number = shapes.count
        numbers[shape] = number
        shapes.append(Shape(heads: heads.count..<heads.count + shape.count, successor: number))
        heads += shape
        for head in shape {
            if let scale = head.scale { scales[head.signal] = max(scales[head.signal] ?? 0, scale) }
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
        let usual = scales[signal] ?? 0
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
