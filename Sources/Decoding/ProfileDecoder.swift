import Telemetry

/// What the registry knows of a vehicle; every field may be unknown.
package struct VehicleProfile: Sendable, Equatable {
    package var model: String?
    package var powertrain: String?
    /// Recommended cold pressure of the front and rear tyres, gauge kPa.
    package var placardFrontKilopascals: Double?
    package var placardRearKilopascals: Double?
    package var batteryType: String?
    /// The code of the station that looks after the vehicle.
    package var station: String?
    /// Licence plate, shown masked.
    package var plate: String?

    package init() {}

    /// The same profile with the fields of `newer` that are known put over it.
    package func merged(with newer: VehicleProfile) -> VehicleProfile {
        var merged = self
        merged.model = newer.model ?? model
        merged.powertrain = newer.powertrain ?? powertrain
        merged.placardFrontKilopascals = newer.placardFrontKilopascals ?? placardFrontKilopascals
        merged.placardRearKilopascals = newer.placardRearKilopascals ?? placardRearKilopascals
        merged.batteryType = newer.batteryType ?? batteryType
        merged.station = newer.station ?? station
        merged.plate = newer.plate ?? plate
        return merged
    }
}

/// `{"v":1,"model":…,"powertrain":…,"placard_front_kpa":…,"placard_rear_kpa":…,"battery_type":…,
/// "station":…,"plate":…}` → profile.
///
/// Unknown fields are skipped.
package enum ProfileDecoder {
    package static func decode(_ bytes: Span<UInt8>) throws(Rejection) -> VehicleProfile {
        guard bytes.count <= Limits.payloadBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.payloadBytesMax)
        }
        guard !bytes.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        var profile = VehicleProfile()
        try scanner.requireObject(bytes)
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let name = try scanner.name(bytes)
                switch name.end - name.start <= 60 ? scanner.string(name, bytes) : "" {
                case "v":
                    let version = try scanner.requireNumber(bytes, "v")
                    guard version == 1 else {
                        throw Rejection(.unsupportedVersion, at: name.end)
                    }
                case "model": profile.model = try text(&scanner, bytes, "model")
                case "powertrain": profile.powertrain = try text(&scanner, bytes, "powertrain")
                case "placard_front_kpa":
                    profile.placardFrontKilopascals = try placard(&scanner, bytes)
                case "placard_rear_kpa":
                    profile.placardRearKilopascals = try placard(&scanner, bytes)
                case "battery_type": profile.batteryType = try text(&scanner, bytes, "battery_type")
                case "station": profile.station = try text(&scanner, bytes, "station")
                case "plate": profile.plate = try text(&scanner, bytes, "plate")
                default: try scanner.skipValue(bytes)
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        try scanner.end(bytes)
        return profile
    }

    /// A placard pressure, gauge kPa: passenger cars 150-400, vans up to 600.
    package static let placardRange = 100.0...1_000.0

    private static func placard(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Double {
        let at = scanner.position
        let value = try scanner.requireNumber(bytes, "placard")
        guard placardRange.contains(value) else { throw Rejection(.outOfRange, at: at, "placard") }
        return value
    }

    private static func text(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>,
        _ name: String
    ) throws(Rejection) -> String {
        let text = try scanner.requireText(bytes, name)
        let at = text.start
        let value = scanner.unescaped(text, bytes)
        guard value.count <= Limits.profileTextBytesMax, !value.contains(0) else {
            throw Rejection(.outOfRange, at: at, name)
        }
        return String(decoding: value, as: UTF8.self)
    }
}
