package import Telemetry

/// How the packets of one kind of sender become readings: only data, from `config/sources`.
///
/// Invariant: every target's conversion ends in the catalogue's unit of its signal.
package struct Source: Sendable, Equatable {
    /// What a payload looks like.
    package enum Shape: String, CaseIterable, Sendable {
        /// One value, or a list with commas; the topic names it.
        case scalar
        /// A JSON object; JSON pointers (RFC 6901) name the values.
        case object
        /// A SenML pack in JSON (RFC 8428); the records name themselves.
        case senml
        /// Our own packet, on another topic.
        case native
    }

    /// Where a packet's vehicle stands.
    package enum Naming: Sendable, Equatable {
        /// Text and captured levels of the topic, in turn.
        case topic([Piece])
        /// At a JSON pointer in the body.
        case pointer(String)
        /// In the SenML name, before the signal.
        case senmlName
        /// In the table of sensors.
        case sensor
    }

    package enum Piece: Sendable, Equatable {
        case text(String)
        case capture(Int)
    }

    /// What a value becomes.
    package struct Target: Sendable, Equatable {
        package var signal: SignalID
        package var conversion: UnitConversion

        package init(signal: SignalID, conversion: UnitConversion) {
            self.signal = signal
            self.conversion = conversion
        }
    }

    package struct Mapping: Sendable, Equatable {
        /// The rest of the topic, a JSON pointer, or a SenML name.
        package var from: String
        /// One; or one for each element of a list; or one for each wheel of a sensor's vehicle.
        package var targets: [Target]
        /// What words stand for, such as `yes` for 1.
        package var words: [String: Double]

        package init(from: String, targets: [Target], words: [String: Double]) {
            self.from = from
            self.targets = targets
            self.words = words
        }
    }

    /// What must hold at a JSON pointer for a packet to be this source's; numbers and truth values
    /// compare by their text, and `null` is absent.
    package struct Condition: Sendable, Equatable {
        package enum Test: Sendable, Equatable {
            case oneOf([String])
            /// None of these; holds too where nothing stands.
            case noneOf([String])
            case present
            case absent
        }

        package var pointer: String
        package var test: Test

        package init(pointer: String, test: Test) {
            self.pointer = pointer
            self.test = test
        }

        func holds(for value: JSONWalk.Value?, in payload: Span<UInt8>) -> Bool {
            let isPresent = value.map { $0.kind != .null } ?? false
            let text =
                value.flatMap { isPresent && $0.kind != .composite ? $0.string(payload) : nil }
            return switch test {
            case .oneOf(let texts): text.map(texts.contains) ?? false
            case .noneOf(let texts): !(text.map(texts.contains) ?? false)
            case .present: isPresent
            case .absent: !isPresent
            }
        }
    }

    /// Whose wheel a sensor sits on.
    package struct Mounting: Sendable, Equatable {
        package var vehicle: String
        /// Place among the four targets of a mapping: front left, front right, rear left, rear
        /// right.
        package var wheel: Int

        package init(vehicle: String, wheel: Int) {
            self.vehicle = vehicle
            self.wheel = wheel
        }
    }

    package var name: String
    package var topic: TopicPattern
    package var shape: Shape
    package var naming: Naming
    /// Vehicles by the names their senders use, where ours differ.
    package var renames: [String: String] = [:]
    package var conditions: [Condition] = []
    /// The JSON pointer of a sensor's number, and where each sensor is mounted.
    package var sensorPointer: String?
    package var mountings: [String: Mounting] = [:]
    /// The JSON pointer of the time; nil when a value is as old as its arrival.
    package var timePointer: String?
    /// Whether a dot in the rest of the topic separates levels, as a slash does.
    package var dotsAreLevels = false
    package var mappings: [Mapping] = []
    /// Of our own packets: signals whose bare values are in another unit than the catalogue's, as
    /// in older releases of VSS.
    package var units: [SignalID: String] = [:]

    package init(name: String, topic: TopicPattern, shape: Shape, naming: Naming) {
        self.name = name
        self.topic = topic
        self.shape = shape
        self.naming = naming
    }

    /// A value that tells no time may be hours old when the broker kept it for new subscribers.
    package var refusesRetained: Bool {
        switch shape {
        case .scalar: true
        case .object: timePointer == nil
        case .senml, .native: false
        }
    }
}

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
            guard !part.isEmpty, !part.contains("+"), !part.contains("#") else { return nil }
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

    /// The first byte of every topic of the pattern; nil when that differs.
    var opening: UInt8? {
        if case .literal(let bytes)? = levels.first { bytes.first } else { nil }
    }

    /// Where the named levels stand, or nil when the topic is another.
    func captures(in topic: Span<UInt8>) -> [Range<Int>]? {
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
}
