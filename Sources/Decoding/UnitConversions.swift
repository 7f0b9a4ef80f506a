import Telemetry

/// Units beside values → conversions to the catalogue's units, all worked out beforehand.
struct UnitConversions: Sendable {
    private var units = InternTable()
    /// By signal, the number of the catalogue's unit among the different ones.
    private var targets: [Int] = []
    private let targetCount: Int
    /// By unit and target.
    private var conversions: [UnitConversion?] = []

    init(catalogue: Catalogue) {
        var targetUnits = InternTable()
        for signal in catalogue.signals {
            targets.append(targetUnits.intern(Array(signal.unit.utf8).span))
        }
        targetCount = targetUnits.count
        for unit in Units.names {
            _ = units.intern(Array(unit.utf8).span)
            for target in 0..<targetCount {
                conversions.append(Units.conversion(from: unit, to: targetUnits.name(target)))
            }
        }
    }

    /// Nil when the unit is unknown or measures something else.
    func find(unit: Span<UInt8>, signal: SignalID) -> UnitConversion? {
        guard let index = units.find(unit) else { return nil }
        return conversions[index * targetCount + targets[Int(signal.index)]]
    }
}
