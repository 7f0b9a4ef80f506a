import Telemetry

/// A topic with named levels: `ovms/{user}/{vehicle}/metric/{metric...}`.
package struct TopicPattern: Sendable, Equatable {
    private enum Level: Sendable, Equatable {
        case literal([UInt8])
        case capture
        case rest
    }

    private let levels: [Level]
    /// The names in braces, in order; the rest's is last.
    package let names: [String]
    package let hasRest: Bool

    /// Nil when the text is no pattern: an empty level, a wildcard, a brace inside a level, or a
    /// rest that is not the end.
    package init?(_ text: String) {
        var levels: [Level] = []
        var names: [String] = []
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            // `/a` is a topic whose first level is empty.
            let isLeading = part.isEmpty && index == 0 && parts.count > 1
            guard !part.isEmpty || isLeading, !part.contains("+"), !part.contains("#") else {
                return nil
            }
            guard part.first == "{" else {
                guard !part.contains("{"), !part.contains("}") else { return nil }
                levels.append(.literal(Array(part.utf8)))
                continue
            }
            guard part.last == "}", part.count > 2 else { return nil }
            let name = part.dropFirst().dropLast()
            if name.hasSuffix("...") {
                guard index == parts.count - 1, name.count > 3 else { return nil }
                levels.append(.rest)
                names.append(String(name.dropLast(3)))
            } else {
                levels.append(.capture)
                names.append(String(name))
            }
        }
        self.levels = levels
        self.names = names
        hasRest = levels.last == .rest
    }

    /// What to subscribe to.
    package var filter: String {
        levels.map { level in
            switch level {
            case .literal(let bytes): String(decoding: bytes, as: UTF8.self)
            case .capture: "+"
            case .rest: "#"
            }
        }.joined(separator: "/")
    }

    /// Whether the topics begin with a level that names something, and not with a word of their own.
    package var beginsOpen: Bool { levels.first != nil && opening == nil }

    /// Whether every topic of a subscription is one of the pattern: the same levels, or `+` for a
    /// named one, and `#` for the rest at most.
    package func covers(filter: String) -> Bool {
        let parts = filter.split(separator: "/", omittingEmptySubsequences: false)
        guard hasRest ? parts.count >= levels.count : parts.count == levels.count else {
            return false
        }
        let named = hasRest ? levels.dropLast() : levels[...]
        return zip(parts, named).allSatisfy(TopicPattern.covers)
    }

    private static func covers(_ part: Substring, _ level: Level) -> Bool {
        guard part != "#" else { return false }
        return if case .literal(let bytes) = level { Array(part.utf8) == bytes } else { true }
    }

    /// The first byte of every topic of the pattern; nil when that differs.
    var opening: UInt8? {
        guard case .literal(let bytes)? = levels.first else { return nil }
        return bytes.first ?? UInt8(ascii: "/")
    }

    /// Where the named levels stand, or nil when the topic is another.
    ///
    /// Topics below `vehicles/` are our own, and those of `$SYS` the broker's: a named first level
    /// stands for neither.
    func captures(in topic: Span<UInt8>) -> [Range<Int>]? {
        guard !beginsOpen || !TopicPattern.isReserved(topic) else { return nil }
        var captures: [Range<Int>] = []
        var start = 0
        for level in levels {
            guard start <= topic.count else { return nil }
            if level == .rest {
                guard start < topic.count else { return nil }
                captures.append(start..<topic.count)
                return captures
            }
            var end = start
            while end < topic.count, topic[end] != UInt8(ascii: "/") { end += 1 }
            switch level {
            case .literal(let bytes):
                guard end - start == bytes.count else { return nil }
                for (offset, byte) in bytes.enumerated() where topic[start + offset] != byte {
                    return nil
                }
            case .capture, .rest: captures.append(start..<end)
            }
            start = end + 1
        }
        return start == topic.count + 1 ? captures : nil
    }

    private static let ownLevel = Array("vehicles/".utf8)

    private static func isReserved(_ topic: Span<UInt8>) -> Bool {
        if topic.byte(at: 0) == UInt8(ascii: "$") { return true }
        for (index, byte) in ownLevel.enumerated() where topic.byte(at: index) != byte {
            return false
        }
        return true
    }
}
