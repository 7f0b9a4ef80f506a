import Decoding
package import GatewayCore
import Telemetry

/// A CSV of vehicles and their reference values → registry rows.
///
/// The first line names the columns; `vehicle` is needed, the others may be absent or empty.
/// Unknown columns are an error, except those the fleet generator of the benchmark adds.
package enum RegistryFile {
    private static let columns = [
        "vehicle", "model", "plate", "powertrain", "placard_kpa", "placard_front_kpa",
        "placard_rear_kpa", "battery_type", "station",
    ]

    package static func load(_ file: String) throws -> [RegistryRow] {
        let table = try CSVTable.load(
            file,
            columns: columns,
            required: ["vehicle"],
            ignored: ["has_tyre_temperature", "climate_zone"]
        )
        return try table.rows.map(row)
    }

    private static func row(_ row: CSVTable.Row) throws -> RegistryRow {
        func placard(_ column: String) throws -> Double? {
            guard let text = row[column] else { return nil }
            guard let number = Double(text), ProfileDecoder.placardRange.contains(number) else {
                throw row.failure("'\(text)' is not a placard pressure in kPa")
            }
            return number
        }
        let both = try placard("placard_kpa")
        var profile = VehicleProfile()
        profile.model = row["model"]
        profile.plate = row["plate"]
        profile.powertrain = row["powertrain"]
        profile.placardFrontKilopascals = try placard("placard_front_kpa") ?? both
        profile.placardRearKilopascals = try placard("placard_rear_kpa") ?? both
        profile.batteryType = row["battery_type"]
        profile.station = row["station"]
        return RegistryRow(vehicle: try vehicleName(row), profile: profile)
    }

    /// The column `vehicle`, fit to be a topic level.
    static func vehicleName(_ row: CSVTable.Row) throws -> String {
        let vehicle = row["vehicle"] ?? ""
        guard VehicleName.isValid(vehicle) else {
            throw row.failure("'\(vehicle)' cannot be a vehicle's name")
        }
        return vehicle
    }
}
