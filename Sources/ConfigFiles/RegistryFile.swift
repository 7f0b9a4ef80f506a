import Decoding
import Foundation
package import GatewayCore

/// A CSV of vehicles and their reference values → registry rows.
///
/// The first line names the columns; `vehicle` is needed, the others may be absent or empty.
/// Unknown columns are an error, except those the fleet generator of the benchmark adds.
package enum RegistryFile {
    private static let columns = [
        "vehicle", "model", "plate", "powertrain", "placard_kpa", "placard_front_kpa",
        "placard_rear_kpa", "battery_type", "station",
    ]
    private static let ignored = ["has_tyre_temperature", "climate_zone"]

    package static func load(_ file: String) throws -> [RegistryRow] {
        guard let data = FileManager.default.contents(atPath: file),
            let text = String(data: data, encoding: .utf8)
        else {
            throw ConfigError(
                file: file,
                line: 0,
                column: 0,
                message: "cannot be read as UTF-8 text"
            )
        }
        var lines = text.split(
            omittingEmptySubsequences: false,
            whereSeparator: \.isNewline
        )
        guard !lines.isEmpty else {
            throw ConfigError(file: file, line: 1, column: 1, message: "the file is empty")
        }
        let header = try fields(lines.removeFirst(), file: file, line: 1)
        for name in header where !columns.contains(name) && !ignored.contains(name) {
            throw ConfigError(
                file: file,
                line: 1,
                column: 1,
                message:
                    "unknown column '\(name)'; known are: \(columns.joined(separator: ", "))"
            )
        }
        guard header.contains("vehicle") else {
            throw ConfigError(
                file: file,
                line: 1,
                column: 1,
                message: "the column 'vehicle' is missing"
            )
        }
        var rows: [RegistryRow] = []
        for (index, line) in lines.enumerated() where !line.isEmpty {
            rows.append(try row(line, header: header, file: file, line: index + 2))
        }
        return rows
    }

    private static func row(
        _ text: Substring,
        header: [String],
        file: String,
        line: Int
    ) throws -> RegistryRow {
        let values = try fields(text, file: file, line: line)
        func failure(_ message: String) -> ConfigError {
            ConfigError(file: file, line: line, column: 1, message: message)
        }
        guard values.count == header.count else {
            throw failure("\(header.count) fields were expected, not \(values.count)")
        }
        var profile = VehicleProfile()
        var vehicle = ""
        for (name, value) in zip(header, values) where !value.isEmpty {
            func placard() throws -> Double {
                guard let number = Double(value), ProfileDecoder.placardRange.contains(number)
                else { throw failure("'\(value)' is not a placard pressure in kPa") }
                return number
            }
            switch name {
            case "vehicle": vehicle = value
            case "model": profile.model = value
            case "plate": profile.plate = value
            case "powertrain": profile.powertrain = value
            case "placard_kpa":
                profile.placardFrontKilopascals = try placard()
                profile.placardRearKilopascals = try placard()
            case "placard_front_kpa": profile.placardFrontKilopascals = try placard()
            case "placard_rear_kpa": profile.placardRearKilopascals = try placard()
            case "battery_type": profile.batteryType = value
            case "station": profile.station = value
            default: break
            }
        }
        let name = Array(vehicle.utf8)
        guard TopicParser.isVehicleName(name.span, 0..<name.count) else {
            throw failure("'\(vehicle)' cannot be a vehicle's name")
        }
        return RegistryRow(vehicle: vehicle, profile: profile)
    }

    /// RFC 4180: fields in quotes may hold commas and doubled quotes; line breaks are not taken.
    private static func fields(_ text: Substring, file: String, line: Int) throws -> [String] {
        var fields: [String] = []
        var field = ""
        var isQuoted = false
        var previous: Character = ","
        for character in text {
            switch character {
            case "\"":
                if !isQuoted, previous == "\"" { field.append("\"") }
                isQuoted.toggle()
            case "," where !isQuoted:
                fields.append(field)
                field = ""
            default: field.append(character)
            }
            previous = character == "\"" && isQuoted ? " " : character
        }
        guard !isQuoted else {
            throw ConfigError(
                file: file,
                line: line,
                column: text.count,
                message: "a quote is not closed"
            )
        }
        fields.append(field)
        return fields
    }
}
