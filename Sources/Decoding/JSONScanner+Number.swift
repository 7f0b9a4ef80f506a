import Telemetry

/// Numbers by RFC 8259, correctly rounded.
///
/// A number of at most 18 digits with at most 22 after the point comes from one exact division
/// (Clinger, 1990: both operands are exact doubles); the rest goes through the standard library.
extension JSONScanner {
    /// Takes a number; one too large for a double is infinite, and whoever wants it says so.
    @inline(__always)
    mutating func number(_ bytes: Span<UInt8>) throws(Rejection) -> Double {
        if let value = shortNumber(bytes) { return value }
        let (value, after) = try anyNumber(bytes)
        self = after
        return value
    }

    /// Takes a number that ends within eight bytes of its first digit, such as `231.5` or `-12,`.
    ///
    /// Nil, and nothing taken, for every other text: this path never has to say what is wrong.
    @inline(__always)
    mutating func shortNumber(_ bytes: Span<UInt8>) -> Double? {
        let isNegative = bytes.byte(at: position) == UInt8(ascii: "-")
        let start = isNegative ? position &+ 1 : position
        guard let word = bytes.paddedWord(at: start) else { return nil }
        let block = DigitBlock(word)
        let whole = block.digits
        guard whole > 0, whole < 8, !block.startsWithZero || whole == 1 else { return nil }
        var end = whole
        var magnitude: Double
        if block.character(at: whole) == UInt8(ascii: ".") {
            end = block.secondOther
            guard end > whole &+ 1, end < 8 else { return nil }
            magnitude =
                Double(Int64(truncatingIfNeeded: block.value(of: end, withoutPointAt: whole)))
                / JSONScanner.powersOfTen[end &- whole &- 1]
        } else {
            magnitude = Double(Int64(truncatingIfNeeded: block.value(of: whole)))
        }
        guard block.character(at: end) | 0x20 != UInt8(ascii: "e") else { return nil }
        position = start &+ end
        return isNegative ? -magnitude : magnitude
    }

    /// Takes a whole number of one to seven digits that is not zero.
    @inline(__always)
    mutating func shortWholeNumber(_ bytes: Span<UInt8>) -> UInt64? {
        skipSpace(bytes)
        guard let word = bytes.word(at: position) else { return nil }
        let block = DigitBlock(word)
        let count = block.digits
        guard count > 0, count < 8, !block.startsWithZero, endsNumber(block.character(at: count))
        else { return nil }
        position &+= count
        return block.value(of: count)
    }

    /// Takes a `1`.
    @inline(__always)
    mutating func takeOne(_ bytes: Span<UInt8>) -> Bool {
        skipSpace(bytes)
        guard bytes.byte(at: position) == UInt8(ascii: "1"),
            let next = bytes.byte(at: position &+ 1), endsNumber(next)
        else { return false }
        position &+= 1
        return true
    }

    @inline(__always)
    private func endsNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}")
    }

    @inline(never)
    private func anyNumber(
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> (value: Double, after: JSONScanner) {
        var scanner = self
        return (try scanner.takeAnyNumber(bytes), scanner)
    }

    private mutating func takeAnyNumber(_ bytes: Span<UInt8>) throws(Rejection) -> Double {
        let start = position
        var mantissa: UInt64 = 0
        var digits = 0
        var fractionDigits = 0
        let isNegative = position < bytes.count && bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        guard position < bytes.count else { throw failure() }
        if bytes[position] == UInt8(ascii: "0") {
            position += 1
        } else {
            digits = try takeDigits(bytes, into: &mantissa)
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            fractionDigits = try takeDigits(bytes, into: &mantissa)
            digits += fractionDigits
        }
        var hasExponent = false
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            hasExponent = true
            position += 1
            if position < bytes.count,
                bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-")
            {
                position += 1
            }
            var exponent: UInt64 = 0
            _ = try takeDigits(bytes, into: &exponent)
        }
        if digits <= 18, mantissa <= 1 << 53, fractionDigits <= 22, !hasExponent {
            let magnitude = Double(mantissa) / JSONScanner.powersOfTen[fractionDigits]
            return isNegative ? -magnitude : magnitude
        }
        var literal: [UInt8] = []
        for index in start..<position { literal.append(bytes[index]) }
        return Double(String(decoding: literal, as: UTF8.self)) ?? .infinity
    }

    /// At least one digit; wraps silently beyond 19 digits, which `anyNumber` never trusts.
    private mutating func takeDigits(
        _ bytes: Span<UInt8>,
        into mantissa: inout UInt64
    ) throws(Rejection) -> Int {
        let start = position
        while position < bytes.count {
            let digit = bytes[position] &- UInt8(ascii: "0")
            guard digit <= 9 else { break }
            // Wrapping is harmless: more than 18 digits take the slow, exact path.
            mantissa = mantissa &* 10 &+ UInt64(digit)
            position += 1
        }
        guard position > start else { throw failure() }
        return position - start
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
