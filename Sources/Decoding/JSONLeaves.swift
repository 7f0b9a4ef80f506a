import Telemetry

/// Every single value of a JSON document, with the pointer that leads to it.
package enum JSONLeaves {
    package enum Kind: Sendable, Equatable {
        case number(Double)
        case boolean
        case text
        case null
    }

    package struct Leaf: Sendable, Equatable {
        /// RFC 6901; empty for a document that is a single value.
        package var pointer: String
        package var kind: Kind
        /// The value as it is written, without quotes.
        package var text: String
        /// How many arrays the way leads through.
        package var arrays: Int
    }

    /// The values in the order in which they stand; of an array only the first elements.
    /// - Throws: `notJSON` or `nestingTooDeep`, or `tooManyReadings` past the packet's limit.
    package static func list(
        _ bytes: Span<UInt8>,
        elementsMax: Int = 32
    ) throws(Rejection) -> [Leaf] {
        guard !bytes.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        var leaves: [Leaf] = []
        let root = Leaf(pointer: "", kind: .null, text: "", arrays: 0)
        try walk(&scanner, bytes, root, elementsMax, depth: 0, into: &leaves)
        try scanner.end(bytes)
        return leaves
    }

    private static func walk(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>,
        _ way: Leaf,
        _ elementsMax: Int,
        depth: Int,
        into leaves: inout [Leaf]
    ) throws(Rejection) {
        guard depth <= Limits.nestingDepthMax else { throw scanner.failure(.nestingTooDeep) }
        guard leaves.count < Limits.readingsPerPacketMax else {
            throw scanner.failure(.tooManyReadings)
        }
        var inner = way
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "{"):
            guard try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) else { return }
            repeat {
                let name = scanner.string(try scanner.name(bytes), bytes)
                    .replacing("~", with: "~0").replacing("/", with: "~1")
                inner.pointer = "\(way.pointer)/\(name)"
                try walk(&scanner, bytes, inner, elementsMax, depth: depth + 1, into: &leaves)
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        case UInt8(ascii: "["):
            guard try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) else { return }
            inner.arrays += 1
            var index = 0
            repeat {
                inner.pointer = "\(way.pointer)/\(index)"
                if index < elementsMax {
                    try walk(&scanner, bytes, inner, elementsMax, depth: depth + 1, into: &leaves)
                } else {
                    try scanner.skipValue(bytes)
                }
                index += 1
            } while try scanner.another(before: UInt8(ascii: "]"), bytes)
        default:
            let start = scanner.position
            let kind = try JSONWalk.leaf(&scanner, bytes)
            let value = JSONWalk.Value(kind: kind, start: start, end: scanner.position)
            inner.text = value.string(bytes)
            inner.kind =
                switch kind {
                case .number(let number): .number(number)
                case .boolean: .boolean
                case .null: .null
                case .text, .composite: .text
                }
            leaves.append(inner)
        }
    }
}
