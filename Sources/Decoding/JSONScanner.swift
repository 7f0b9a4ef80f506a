import Telemetry

/// A single pass over JSON text, strict by RFC 8259, without a tree.
///
/// The scanner holds only its position; the bytes are passed to every call, so that all reads are
/// bounds-checked spans. Names are compared after unescaping. Text must be UTF-8. Duplicate names
/// are the caller's business, because only it knows which matter.
struct JSONScanner {
    /// The inside of a string: its bytes without quotes, and whether they hold escapes.
    struct Text {
        var start: Int
        var end: Int
        var hasEscapes: Bool
    }

    var position = 0

    // MARK: Structure

    mutating func skipSpace(_ bytes: Span<UInt8>) {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not white space, without taking it.
    mutating func peek(_ bytes: Span<UInt8>) throws(Rejection) -> UInt8 {
        skipSpace(bytes)
        guard position < bytes.count else { throw failure() }
        return bytes[position]
    }

    mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) throws(Rejection) {
        guard try peek(bytes) == byte else { throw failure() }
        position += 1
    }

    /// After an item of an object or array: true when another follows, false when `close` was
    /// taken.
    mutating func another(before close: UInt8, _ bytes: Span<UInt8>) throws(Rejection) -> Bool {
        switch try peek(bytes) {
        case UInt8(ascii: ","):
            position += 1
            return true
        case close:
            position += 1
            return false
        default: throw failure()
        }
    }

    /// Opens an object or array: false when it is empty, and then it is closed too.
    mutating func open(
        _ opening: UInt8,
        _ close: UInt8,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Bool {
        try take(opening, bytes)
        if try peek(bytes) == close {
            position += 1
            return false
        }
        return true
    }

    mutating func name(_ bytes: Span<UInt8>) throws(Rejection) -> Text {
        skipSpace(bytes)
        let name = try text(bytes)
        try take(UInt8(ascii: ":"), bytes)
        return name
    }

    /// Nothing but white space may follow the document.
    mutating func end(_ bytes: Span<UInt8>) throws(Rejection) {
        skipSpace(bytes)
        guard position == bytes.count else { throw failure() }
    }

    func failure(_ reason: RejectionReason = .notJSON, _ detail: String = "") -> Rejection {
        Rejection(reason, at: position, detail)
    }

    // MARK: Values of a known type

    /// The next value must be an object; anything else is taken, so that bad JSON is still told
    /// apart from good JSON of the wrong shape.
    mutating func requireObject(_ bytes: Span<UInt8>) throws(Rejection) {
        guard try peek(bytes) == UInt8(ascii: "{") else {
            throw try wrongType(bytes, "object expected")
        }
    }

    mutating func requireText(_ bytes: Span<UInt8>, _ name: String) throws(Rejection) -> Text {
        guard try peek(bytes) == UInt8(ascii: "\"") else { throw try wrongType(bytes, name) }
        return try text(bytes)
    }

    mutating func requireNumber(_ bytes: Span<UInt8>, _ name: String) throws(Rejection) -> Double {
        switch try peek(bytes) {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let at = position
            let value = try number(bytes)
            guard value.isFinite else { throw Rejection(.outOfRange, at: at, name) }
            return value
        default: throw try wrongType(bytes, name)
        }
    }

    private mutating func wrongType(
        _ bytes: Span<UInt8>,
        _ name: String
    ) throws(Rejection) -> Rejection {
        let at = position
        try skipValue(bytes)
        return Rejection(.wrongType, at: at, name)
    }

    // MARK: Values

    /// Takes one value of any kind and forgets it.
    mutating func skipValue(_ bytes: Span<UInt8>, depth: Int = 0) throws(Rejection) {
        guard depth <= Limits.nestingDepthMax else { throw failure(.nestingTooDeep) }
        switch try peek(bytes) {
        case UInt8(ascii: "{"):
            guard try open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) else { return }
            repeat {
                _ = try name(bytes)
                try skipValue(bytes, depth: depth + 1)
            } while try another(before: UInt8(ascii: "}"), bytes)
        case UInt8(ascii: "["):
            guard try open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) else { return }
            repeat {
                try skipValue(bytes, depth: depth + 1)
            } while try another(before: UInt8(ascii: "]"), bytes)
        case UInt8(ascii: "\""): _ = try text(bytes)
        case UInt8(ascii: "t"): try literal("true", bytes)
        case UInt8(ascii: "f"): try literal("false", bytes)
        case UInt8(ascii: "n"): try literal("null", bytes)
        default: _ = try number(bytes)
        }
    }

    mutating func literal(_ word: String, _ bytes: Span<UInt8>) throws(Rejection) {
        for byte in word.utf8 {
            guard position < bytes.count, bytes[position] == byte else { throw failure() }
            position += 1
        }
    }

    /// A number by RFC 8259, correctly rounded.
    ///
    /// Up to 18 digits with at most 22 after the point come from one exact division
    /// (Clinger, 1990: both operands are exact doubles); the rest goes through the standard
    /// library. A number too large for a double is infinite, and whoever wants it says so.
    mutating func number(_ bytes: Span<UInt8>) throws(Rejection) -> Double {
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

    /// At least one digit; wraps silently beyond 19 digits, which `number` never trusts.
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

    // MARK: Text

    /// A string: escapes and UTF-8 are checked here, decoded by `unescaped`.
    mutating func text(_ bytes: Span<UInt8>) throws(Rejection) -> Text {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            throw failure()
        }
        position += 1
        let start = position
        var hasEscapes = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return Text(start: start, end: position - 1, hasEscapes: hasEscapes)
            }
            guard byte >= 0x20 else { throw failure() }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                _ = try escape(bytes)
            } else if byte < 0x80 {
                position += 1
            } else {
                try multibyte(bytes)
            }
        }
        throw failure()
    }

    /// The bytes a string stands for.
    func unescaped(_ text: Text, _ bytes: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.end - text.start)
        var inner = JSONScanner(position: text.start)
        while inner.position < text.end {
            if bytes[inner.position] == UInt8(ascii: "\\"),
                let scalar = try? inner.escape(bytes)
            {
                result.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
            } else {
                result.append(bytes[inner.position])
                inner.position += 1
            }
        }
        return result
    }

    func string(_ text: Text, _ bytes: Span<UInt8>) -> String {
        String(decoding: unescaped(text, bytes), as: UTF8.self)
    }

    /// One escape sequence; a pair of surrogates counts as one, a lone surrogate is not JSON text
    /// we can store.
    private mutating func escape(_ bytes: Span<UInt8>) throws(Rejection) -> Unicode.Scalar {
        position += 1
        guard position < bytes.count else { throw failure() }
        let kind = bytes[position]
        let plain: Unicode.Scalar? =
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): Unicode.Scalar(kind)
            case UInt8(ascii: "b"): "\u{8}"
            case UInt8(ascii: "f"): "\u{c}"
            case UInt8(ascii: "n"): "\n"
            case UInt8(ascii: "r"): "\r"
            case UInt8(ascii: "t"): "\t"
            default: nil
            }
        if let plain {
            position += 1
            return plain
        }
        guard kind == UInt8(ascii: "u") else { throw failure() }
        position += 1
        let first = try hexadecimal(bytes)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xdc00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw failure() }
        position += 2
        let second = try hexadecimal(bytes)
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw failure() }
        return scalar
    }

    private mutating func hexadecimal(_ bytes: Span<UInt8>) throws(Rejection) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count else { throw failure() }
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw failure()
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// One UTF-8 sequence of two to four bytes, by the table of the Unicode Standard, §3.9 (D92).
    private mutating func multibyte(_ bytes: Span<UInt8>) throws(Rejection) {
        let lead = bytes[position]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch lead {
        case 0xc2...0xdf: length = 2
        case 0xe0:
            length = 3
            second = 0xa0...0xbf
        case 0xed:
            length = 3
            second = 0x80...0x9f
        case 0xe1...0xef: length = 3
        case 0xf0:
            length = 4
            second = 0x90...0xbf
        case 0xf1...0xf3: length = 4
        case 0xf4:
            length = 4
            second = 0x80...0x8f
        default: throw failure()
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else {
            throw failure()
        }
        for index in 2..<max(length, 2) where bytes[position + index] & 0xc0 != 0x80 {
            throw failure()
        }
        position += length
    }
}
