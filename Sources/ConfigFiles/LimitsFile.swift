package import Rules
package import Telemetry

/// A CSV of limits that hold for single vehicles → limits by vehicle and slot.
///
/// Columns: `vehicle,component,signal,direction,threshold`; the component, signal and direction
/// together name the part of a rule whose limit is replaced. A column `reference` is skipped: it
/// tells people the condition at which the threshold is meant, which is the rule's own.
package enum LimitsFile {
    package static func load(
        _ file: String,
        engine: RuleEngine,
        catalogue: Catalogue
    ) throws -> [String: [VehicleLimit]] {
        let columns = ["vehicle", "component", "signal", "direction", "threshold"]
        let table = try CSVTable.load(
            file,
            columns: columns,
            required: columns,
            ignored: ["reference"]
        )
        var limits: [String: [VehicleLimit]] = [:]
        for row in table.rows {
            let vehicle = try RegistryFile.vehicleName(row)
            let limit = try limit(row, engine: engine, catalogue: catalogue)
            guard !limits[vehicle, default: []].contains(where: { $0.slot == limit.slot }) else {
                throw row.failure("the limit of '\(vehicle)' for this component occurs twice")
            }
            limits[vehicle, default: []].append(limit)
        }
        return limits
    }

    private static func limit(
        _ row: CSVTable.Row,
        engine: RuleEngine,
        catalogue: Catalogue
    ) throws -> VehicleLimit {
        let path = try row.require("signal")
        guard let signal = catalogue.find(path: path) else {
            throw row.failure("'\(path)' is not in the catalogue \(catalogue.version)")
        }
        let component = try row.require("component")
        let direction = try row.require("direction")
        let matching = engine.slots.indices.filter {
            engine.component(ofSlot: $0).name == component
                && engine.component(ofSlot: $0).signal == signal
                && engine.rule(ofSlot: $0).direction.rawValue == direction
        }
        guard let slot = matching.first else {
            throw row.failure(
                "no rule watches the component '\(component)' by '\(path)' in the direction "
                    + "'\(direction)'"
            )
        }
        let text = try row.require("threshold")
        guard let threshold = Double(text), threshold.isFinite else {
            throw row.failure("'\(text)' is not a number")
        }
        return VehicleLimit(slot: slot, value: threshold)
    }
}
