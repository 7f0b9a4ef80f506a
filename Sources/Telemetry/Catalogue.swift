/// What a signal's values may be.
package enum Datatype: String, CaseIterable, Sendable {
    case boolean
    case uint8
    case uint16
    case uint32
    case int32
    case float
    case double
}

/// One signal of the pinned catalogue: a VSS leaf, or a leaf of our overlay where VSS has none.
package struct SignalDefinition: Sendable, Equatable {
    package var path: String
    package var datatype: Datatype
    /// A VSS unit id such as `kPa`, or empty for a boolean.
    package var unit: String
    /// Values outside `minimum...maximum` are rejected as `out_of_range`.
    package var minimum: Double
    package var maximum: Double
    /// Values, in the catalogue's unit, by which senders say "no reading".
    package var noReading: [Double]
    /// Other paths under which the same signal arrives (older VSS, other overlays).
    package var aliases: [String]

    package init(
        path: String,
        datatype: Datatype,
        unit: String,
        minimum: Double,
        maximum: Double,
        noReading: [Double],
        aliases: [String]
    ) {
        self.path = path
        self.datatype = datatype
        self.unit = unit
        self.minimum = minimum
        self.maximum = maximum
        self.noReading = noReading
        self.aliases = aliases
    }
}

/// How a value in one unit becomes a value in another: `value × factor + offset`.
package struct UnitConversion: Sendable, Equatable {
    package var factor: Double
    package var offset: Double

    package init(factor: Double, offset: Double) {
        self.factor = factor
        self.offset = offset
    }
}

/// The units a vehicle may name beside a value, and what they convert to.
package enum Units {
    /// Each unit as its quantity and its conversion to the quantity's base unit.
    ///
    /// Source: the unit ids of COVESA VSS v6.0 `units.yaml`, and SenML's of RFC 8428 §12.1 and
    /// RFC 8798 §4 (`Cel`, `/`, `/100`), and spellings that can mean nothing else; factors from the SI brochure,
    /// 9th edition (psi: NIST SP 811, Appendix B).
    private static let table: [String: (quantity: String, factor: Double, offset: Double)] = [
        "Pa": ("pressure", 0.001, 0), "hPa": ("pressure", 0.1, 0), "mbar": ("pressure", 0.1, 0),
        "kPa": ("pressure", 1, 0), "bar": ("pressure", 100, 0),
        "psi": ("pressure", 6.894_757_293_168, 0), "PSI": ("pressure", 6.894_757_293_168, 0),
        "kpa": ("pressure", 1, 0), "KPA": ("pressure", 1, 0), "Bar": ("pressure", 100, 0),
        "BAR": ("pressure", 100, 0),
        "celsius": ("temperature", 1, 0), "Celsius": ("temperature", 1, 0),
        "degC": ("temperature", 1, 0), "Cel": ("temperature", 1, 0),
        "K": ("temperature", 1, -273.15), "°C": ("temperature", 1, 0),
        "°F": ("temperature", 5.0 / 9.0, -160.0 / 9.0),
        "fahrenheit": ("temperature", 5.0 / 9.0, -160.0 / 9.0),
        "Fahrenheit": ("temperature", 5.0 / 9.0, -160.0 / 9.0),
        "degF": ("temperature", 5.0 / 9.0, -160.0 / 9.0),
        "mm": ("length", 0.001, 0), "m": ("length", 1, 0), "km": ("length", 1_000, 0),
        "mi": ("length", 1_609.344, 0), "miles": ("length", 1_609.344, 0),
        "kilometers": ("length", 1_000, 0), "kilometres": ("length", 1_000, 0),
        "KM": ("length", 1_000, 0),
        "s": ("time", 1, 0), "min": ("time", 60, 0), "h": ("time", 3_600, 0),
        "day": ("time", 86_400, 0), "days": ("time", 86_400, 0),
        "mV": ("voltage", 0.001, 0), "V": ("voltage", 1, 0), "volt": ("voltage", 1, 0),
        "volts": ("voltage", 1, 0), "Volt": ("voltage", 1, 0), "Volts": ("voltage", 1, 0),
        "mA": ("current", 0.001, 0), "A": ("current", 1, 0),
        "percent": ("ratio", 1, 0), "percentage": ("ratio", 1, 0), "%": ("ratio", 1, 0),
        "ratio": ("ratio", 100, 0),
        "/": ("ratio", 100, 0), "/100": ("ratio", 1, 0),
        "km/h": ("speed", 1, 0), "kph": ("speed", 1, 0), "kmh": ("speed", 1, 0),
        "m/s": ("speed", 3.6, 0), "mph": ("speed", 1.609_344, 0),
        "kn": ("speed", 1.852, 0),
        "rpm": ("rotation", 1, 0), "count": ("count", 1, 0), "": ("none", 1, 0),
    ]

    /// The conversion from one unit to another, or nil when either is unknown or they measure
    /// different things.
    ///
    /// A unit is never guessed.
    package static func conversion(from: String, to: String) -> UnitConversion? {
        if from == to, table[from] != nil { return UnitConversion(factor: 1, offset: 0) }
        guard let source = table[from], let target = table[to],
            source.quantity == target.quantity
        else { return nil }
        return UnitConversion(
            factor: source.factor / target.factor,
            offset: (source.offset - target.offset) / target.factor
        )
    }

    /// All known units, in no order.
    package static var names: some Collection<String> { table.keys }

    package static func isKnown(_ unit: String) -> Bool { table[unit] != nil }
}

/// The signals the gateway understands, pinned: version, definitions, aliases.
///
/// Invariant: a path or alias names one signal; `SignalID.index` is the place in `signals`.
package struct Catalogue: Sendable {
    package let version: String
    package let signals: [SignalDefinition]
    /// What the signals' values may be.
    package let ranges: SignalRanges
    private var paths = InternTable()
    private var signalOfPath: [SignalID] = []

    /// - Precondition: no path or alias occurs twice; `CatalogueFile` checks it with line numbers.
    package init(version: String, signals: [SignalDefinition]) {
        precondition(signals.count <= Int(UInt16.max), "A catalogue has at most 65,535 signals.")
        self.version = version
        self.signals = signals
        ranges = SignalRanges(signals)
        for (index, signal) in signals.enumerated() {
            for name in [signal.path] + signal.aliases {
                let number = paths.intern(Array(name.utf8).span)
                precondition(number == signalOfPath.count, "\(name) names two signals.")
                signalOfPath.append(SignalID(index: UInt16(index)))
            }
        }
    }

    package subscript(_ id: SignalID) -> SignalDefinition { signals[Int(id.index)] }

    /// The same signals, some in other units; ranges and values of no reading with them.
    /// - Precondition: each unit measures what its signal's own does.
    package func measured(in units: [SignalID: String]) -> Catalogue {
        var definitions = signals
        for (signal, unit) in units {
            let index = Int(signal.index)
            guard let change = Units.conversion(from: definitions[index].unit, to: unit) else {
                preconditionFailure("\(unit) does not measure \(definitions[index].path).")
            }
            func convert(_ value: Double) -> Double { value * change.factor + change.offset }
            definitions[index] = SignalDefinition(
                path: definitions[index].path,
                datatype: definitions[index].datatype,
                unit: unit,
                minimum: convert(definitions[index].minimum),
                maximum: convert(definitions[index].maximum),
                noReading: definitions[index].noReading.map(convert),
                aliases: definitions[index].aliases
            )
        }
        return Catalogue(version: version, signals: definitions)
    }

    package func find(path: Span<UInt8>) -> SignalID? {
        paths.find(path).map { signalOfPath[$0] }
    }

    package func find(path: String) -> SignalID? {
        find(path: Array(path.utf8).span)
    }

    /// What a value in the signal's own unit is worth, or nil when it lies outside the range.
    package func quality(of value: Double, signal: SignalID) -> Quality? {
        ranges.quality(of: value, signal: signal)
    }
}
