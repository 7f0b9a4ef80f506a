import Telemetry

/// Any JSON document → the values at the pointers somebody asks for (RFC 6901).
enum JSONWalk {
    enum Kind: Equatable {
        case number(Double)
        case boolean(Bool)
        case text
        case null
        /// An object or an array, where a single value is looked for.
        case composite
    }

    /// What stands at a pointer, and where.
    struct Value {
        var kind: Kind
        var start: Int
        var end: Int
        /// Whether the way to it leads through an array, so that its place there names it.
        var isByPlace = false

        /// The text inside the quotes, or the literal as written.
        func string(_ bytes: Span<UInt8>) -> String {
            let scanner = JSONScanner()
            let text =
                kind == .text
                ? JSONScanner.Text(start: start + 1, end: end - 1, hasEscapes: true)
                : JSONScanner.Text(start: start, end: end, hasEscapes: false)
            return scanner.string(text, bytes)
        }
    }

    /// Takes one value, an object mostly, and what stands in it at the fields of `table`.
    /// - Returns: what was found, by field.
    /// - Throws: `notJSON` or `nestingTooDeep`, or `duplicateField` when a wanted value occurs
    ///   twice.
    static func collect(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>,
        _ table: FieldTable
    ) throws(Rejection) -> FoundFields {
        var search = Search(table: table)
        try search.walk(&scanner, bytes, depth: 0, isByPlace: false)
        return FoundFields(table: table, values: search.values)
    }

    private struct Search {
        let table: FieldTable
        var values: [Value?]
        private var pointer: [UInt8] = []

        init(table: FieldTable) {
            self.table = table
            values = Array(repeating: nil, count: table.count)
        }

        mutating func walk(
            _ scanner: inout JSONScanner,
            _ bytes: Span<UInt8>,
            depth: Int,
            isByPlace: Bool
        ) throws(Rejection) {
            guard depth <= Limits.nestingDepthMax else { throw scanner.failure(.nestingTooDeep) }
            let length = pointer.count
            let opening = try scanner.peek(bytes)
            let start = scanner.position
            let field = table.field(pointer.span)
            switch opening {
            case UInt8(ascii: "{"):
                guard try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) else { break }
                repeat {
                    let name = try scanner.name(bytes)
                    pointer.append(UInt8(ascii: "/"))
                    for byte in scanner.unescaped(name, bytes) {
                        switch byte {
                        case UInt8(ascii: "~"): pointer.append(contentsOf: "~0".utf8)
                        case UInt8(ascii: "/"): pointer.append(contentsOf: "~1".utf8)
                        default: pointer.append(byte)
                        }
                    }
                    try walk(&scanner, bytes, depth: depth + 1, isByPlace: isByPlace)
                    pointer.removeLast(pointer.count - length)
                } while try scanner.another(before: UInt8(ascii: "}"), bytes)
            case UInt8(ascii: "["):
                guard try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) else { break }
                var index = 0
                repeat {
                    pointer.append(contentsOf: "/\(index)".utf8)
                    try walk(&scanner, bytes, depth: depth + 1, isByPlace: true)
                    pointer.removeLast(pointer.count - length)
                    index += 1
                } while try scanner.another(before: UInt8(ascii: "]"), bytes)
            default:
                guard let field else { return try scanner.skipValue(bytes) }
                let kind = try JSONWalk.leaf(&scanner, bytes)
                let found = Value(
                    kind: kind,
                    start: start,
                    end: scanner.position,
                    isByPlace: isByPlace
                )
                return try note(found, field)
            }
            guard let field else { return }
            let found = Value(
                kind: .composite,
                start: start,
                end: scanner.position,
                isByPlace: isByPlace
            )
            try note(found, field)
        }

        private mutating func note(_ value: Value, _ field: Int) throws(Rejection) {
            guard values[field] == nil else {
                throw Rejection(
                    .duplicateField,
                    at: value.start,
                    String(decoding: pointer, as: UTF8.self)
                )
            }
            values[field] = value
        }
    }

    /// Takes the elements of an array of single values; one of another kind is `composite`.
    static func elements(_ bytes: Span<UInt8>) throws(Rejection) -> [Value] {
        var scanner = JSONScanner()
        var elements: [Value] = []
        _ = try scanner.peek(bytes)
        if try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) {
            repeat {
                guard elements.count < Limits.readingsPerPacketMax else {
                    throw scanner.failure(.tooManyReadings)
                }
                let opening = try scanner.peek(bytes)
                let start = scanner.position
                var kind = Kind.composite
                if opening == UInt8(ascii: "{") || opening == UInt8(ascii: "[") {
                    try scanner.skipValue(bytes)
                } else {
                    kind = try leaf(&scanner, bytes)
                }
                elements.append(Value(kind: kind, start: start, end: scanner.position))
            } while try scanner.another(before: UInt8(ascii: "]"), bytes)
        }
        try scanner.end(bytes)
        return elements
    }

    /// Takes one value that is no object and no array.
    static func leaf(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Kind {
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "\""):
            _ = try scanner.text(bytes)
            return .text
        case UInt8(ascii: "t"):
            try scanner.literal("true", bytes)
            return .boolean(true)
        case UInt8(ascii: "f"):
            try scanner.literal("false", bytes)
            return .boolean(false)
        case UInt8(ascii: "n"):
            try scanner.literal("null", bytes)
            return .null
        default: return .number(try scanner.number(bytes))
        }
    }
}
