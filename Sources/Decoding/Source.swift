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
        /// In the table of sensors; the sensor's own name stands at a pointer or in the topic.
        indirect case sensor(Naming)
    }

    package enum Piece: Sendable, Equatable {
        case text(String)
        case capture(Int)
    }

    /// What a value becomes.
    package struct Target: Sendable, Equatable {
        package var signal: SignalID
        /// From the mapping's unit to the catalogue's.
        package var conversion: UnitConversion

        package init(signal: SignalID, conversion: UnitConversion) {
            self.signal = signal
            self.conversion = conversion
        }
    }

    /// What is sent where there is no value.
    package struct Absence: Sendable, Equatable {
        /// In lower case; blanks around a text do not count.
        package var words: Set<String>
        /// In the unit that is sent, before any factor.
        package var values: [Double]

        package init(words: Set<String>, values: [Double] = []) {
            self.words = words
            self.values = values
        }

        /// Where a source says nothing else: what Home Assistant and its bridges write.
        package static let usual = Absence(
            words: ["unavailable", "unknown", "none", "null", "nan", "n/a", ""]
        )
    }

    package struct Mapping: Sendable, Equatable {
        /// The rest of the topic, a JSON pointer, or the name of a SenML record or an element.
        package var from: String
        /// One; or one for each element of a list; or one for each wheel that it covers.
        package var targets: [Target]
        /// Of a sensor's mapping: the wheel of each target, such as `Row1.Left`.
        package var wheels: [String] = []
        /// What words stand for, such as `yes` for 1.
        package var words: [String: Double] = [:]
        package var absence = Absence.usual
        /// What is sent becomes the mapping's unit by a factor and, after it, an offset.
        package var scale = UnitConversion(factor: 1, offset: 0)
        /// The JSON pointer of the unit that is sent beside the value.
        package var unitPointer: String?
        /// The value's own time; the packet's counts where it is missing.
        package var clock: SourceClock?
        /// Whether a numeric step of `from` may name an element of an array by its place.
        package var isByPlace = false

        package init(from: String, targets: [Target]) {
            self.from = from
            self.targets = targets
        }
    }

    /// An array whose elements are taken one by one.
    package struct Walk: Sendable, Equatable {
        /// Where an element has its parts; an element without parts is a packet of its own.
        package struct Parts: Sendable, Equatable {
            package var name: String
            package var value: String
            package var clock: SourceClock?
            package var unit: String?

            package init(name: String, value: String) {
                self.name = name
                self.value = value
            }
        }

        /// The JSON pointer of the array; empty for the whole document, which may then be one
        /// element alone.
        package var pointer: String
        package var parts: Parts?

        package init(pointer: String, parts: Parts?) {
            self.pointer = pointer
            self.parts = parts
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
        /// `Row1.Left` … `Row4.Right`; of a dual wheel with `.Inner` or `.Outer`.
        package var wheel: String

        package init(vehicle: String, wheel: String) {
            self.vehicle = vehicle
            self.wheel = wheel
        }
    }

    package var name: String
    package var topic: TopicPattern
    /// What the broker is asked for; other filters than the topic's own only where it begins with
    /// a named level.
    package var filters: [String]
    package var shape: Shape
    package var naming: Naming
    /// Vehicles by the names their senders use, where ours differ.
    package var renames: [String: String] = [:]
    package var conditions: [Condition] = []
    /// Where each sensor is mounted, by its name in lower case.
    package var mountings: [String: Mounting] = [:]
    package var clock = SourceClock.arrival
    package var walk: Walk?
    /// Whether a dot in the rest of the topic separates levels, as a slash does.
    package var dotsAreLevels = false
    package var mappings: [Mapping] = []
    /// Of our own packets: signals whose bare values are in another unit than the catalogue's, as
    /// in older releases of VSS.
    package var units: [SignalID: String] = [:]

    /// Where in the body the vehicle or sensor is named, if there.
    var bodyPointer: String? {
        switch naming {
        case .pointer(let pointer), .sensor(.pointer(let pointer)): pointer
        case .topic, .senmlName, .sensor: nil
        }
    }

    package init(name: String, topic: TopicPattern, shape: Shape, naming: Naming) {
        self.name = name
        self.topic = topic
        self.shape = shape
        self.naming = naming
        filters = [topic.filter]
    }
}
