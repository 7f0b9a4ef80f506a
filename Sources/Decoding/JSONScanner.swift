import Telemetry

/// A single pass over JSON text, strict by RFC 8259, without a tree.
///
/// The scanner holds only its position; the bytes are passed to every call, so that all reads are
/// bounds-checked spans. Names are compared after unescaping. Text must be UTF-8. Duplicate names
/// are the caller's business, because only it knows which matter.
///
/// What nearly every text needs is inlined into the caller's loop, which keeps the position in a
/// register. The rest returns the scanner behind what was taken, and does not change this one,
/// because a variable whose address is passed on lives in memory.
struct JSONScanner {
    /// The inside of a string: its bytes without quotes, and whether they hold escapes.
    struct Text {
        var start: Int
        var end: Int
        var hasEscapes: Bool
    }

    var position = 0

    // MARK: Structure

    @inline(__always)
    mutating func skipSpace(_ bytes: Span<UInt8>) {
        guard let byte = bytes.byte(at: position), byte <= 0x20 else { return }
        // One space is what most encoders that write any put after a comma or colon.
        if byte == 0x20, let next = bytes.byte(at: position &+ 1), next > 0x20 {
            position &+= 1
        } else {
            position = behindSpace(bytes)
        }
    }

    @inline(never)
    private func behindSpace(_ bytes: Span<UInt8>) -> Int {
        var position = position
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return position
            }
        }
        return position
    }

    /// The next byte that is not white space, without taking it.
    @inline(__always)
    mutating func peek(_ bytes: Span<UInt8>) throws(Rejection) -> UInt8 {
        if let byte = bytes.byte(at: position), byte > 0x20 { return byte }
        skipSpace(bytes)
        guard let byte = bytes.byte(at: position) else { throw failure() }
        return byte
    }

    @inline(__always)
    mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) throws(Rejection) {
        guard try peek(bytes) == byte else { throw failure() }
        position &+= 1
    }

    /// After an item of an object or array: true when another follows, false when `close` was
    /// taken.
    @inline(__always)
    mutating func another(before close: UInt8, _ bytes: Span<UInt8>) throws(Rejection) -> Bool {
        let byte = try peek(bytes)
        guard byte == UInt8(ascii: ",") || byte == close else { throw failure() }
        position &+= 1
        return byte == UInt8(ascii: ",")
    }

    /// Opens an object or array: false when it is empty, and then it is closed too.
    @inline(__always)
    mutating func open(
        _ opening: UInt8,
        _ close: UInt8,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Bool {
        try take(opening, bytes)
        guard try peek(bytes) == close else { return true }
        position &+= 1
        return false
    }

    /// Takes a name and the colon behind it.
    @inline(__always)
    mutating func name(_ bytes: Span<UInt8>) throws(Rejection) -> Text {
        skipSpace(bytes)
        let name = try text(bytes)
        try take(UInt8(ascii: ":"), bytes)
        return name
    }

    /// Nothing but white space may follow the document.
    @inline(__always)
    mutating func end(_ bytes: Span<UInt8>) throws(Rejection) {
        skipSpace(bytes)
        guard position == bytes.count else { throw failure() }
    }

    @inline(never)
    func failure(_ reason: RejectionReason = .notJSON, _ detail: String = "") -> Rejection {
        Rejection(reason, at: position, detail)
    }

    // MARK: Values of a known type

    /// The next value must be an object; anything else is taken, so that bad JSON is still told
    /// apart from good JSON of the wrong shape.
    @inline(__always)
    mutating func requireObject(_ bytes: Span<UInt8>) throws(Rejection) {
        guard try peek(bytes) == UInt8(ascii: "{") else {
            throw try wrongType(bytes, "object expected")
        }
    }

    @inline(__always)
    mutating func requireText(_ bytes: Span<UInt8>, _ name: String) throws(Rejection) -> Text {
        guard try peek(bytes) == UInt8(ascii: "\"") else { throw try wrongType(bytes, name) }
        return try text(bytes)
    }

    @inline(__always)
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

    /// Takes the value that is of the wrong type.
    @inline(__always)
    mutating func wrongType(
        _ bytes: Span<UInt8>,
        _ name: String
    ) throws(Rejection) -> Rejection {
        let at = position
        try skipValue(bytes)
        return Rejection(.wrongType, at: at, name)
    }

    // MARK: Values

    /// A number, or a boolean as 0 or 1; nil for anything else that is JSON.
    @inline(__always)
    mutating func value(_ bytes: Span<UInt8>) throws(Rejection) -> Double? {
        switch try peek(bytes) {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number(bytes)
        default:
            let (value, after) = try otherValue(bytes)
            self = after
            return value
        }
    }

    @inline(never)
    private func otherValue(
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> (value: Double?, after: JSONScanner) {
        var scanner = self
        var value: Double?
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "t"):
            try scanner.literal("true", bytes)
            value = 1
        case UInt8(ascii: "f"):
            try scanner.literal("false", bytes)
            value = 0
        default: try scanner.skipValue(bytes)
        }
        return (value, scanner)
    }

    /// Takes one value of any kind and forgets it.
    @inline(__always)
    mutating func skipValue(_ bytes: Span<UInt8>) throws(Rejection) {
        self = try behindValue(bytes, depth: 0)
    }

    @inline(never)
    private func behindValue(
        _ bytes: Span<UInt8>,
        depth: Int
    ) throws(Rejection) -> JSONScanner {
        guard depth <= Limits.nestingDepthMax else { throw failure(.nestingTooDeep) }
        var scanner = self
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "{"):
            guard try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) else { break }
            repeat {
                _ = try scanner.name(bytes)
                scanner = try scanner.behindValue(bytes, depth: depth + 1)
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        case UInt8(ascii: "["):
            guard try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) else { break }
            repeat {
                scanner = try scanner.behindValue(bytes, depth: depth + 1)
            } while try scanner.another(before: UInt8(ascii: "]"), bytes)
        case UInt8(ascii: "\""): _ = try scanner.text(bytes)
        case UInt8(ascii: "t"): try scanner.literal("true", bytes)
        case UInt8(ascii: "f"): try scanner.literal("false", bytes)
        case UInt8(ascii: "n"): try scanner.literal("null", bytes)
        default: _ = try scanner.number(bytes)
        }
        return scanner
    }

    mutating func literal(_ word: String, _ bytes: Span<UInt8>) throws(Rejection) {
        for byte in word.utf8 {
            guard position < bytes.count, bytes[position] == byte else { throw failure() }
            position += 1
        }
    }
}
