import Decoding
import Telemetry

extension SourceFile {
    /// `arrival`, a JSON pointer, `{from: /t, format: …, zone: …}` or
    /// `{arrival_minus: /age, unit: s}`.
    static func clock(_ value: YAMLValue) throws -> SourceClock {
        if let text = try? value.string() {
            if text == "arrival" { return .arrival }
            return .told(pointer: try pointer(value), TimeForm())
        }
        let map = try value.mapping(keys: ["from", "format", "zone", "arrival_minus", "unit"])
        if let age = map[optional: "arrival_minus"] {
            for key in ["from", "format", "zone"] {
                if let other = map[optional: key] {
                    throw other.failure("does not go with arrival_minus")
                }
            }
            return .arrivalMinus(pointer: try pointer(age), unit: try milliseconds(map))
        }
        if let unit = map[optional: "unit"] { throw unit.failure("belongs to arrival_minus") }
        let from = try pointer(map.require("from"))
        var form = TimeForm()
        if let zone = map[optional: "zone"] {
            guard let offsets = ZoneOffsets.named(try zone.string()) else {
                throw zone.failure("is no time zone; one is Europe/Vienna")
            }
            form.zone = offsets
        }
        guard let format = map[optional: "format"], try format.string() != "auto" else {
            return .told(pointer: from, form)
        }
        form.format = TimeFormat(try format.string())
        guard let read = form.format else {
            throw format.failure(
                "a format of strftime was expected, with \(TimeFormat.letters) behind the %"
            )
        }
        guard read.isWhole else {
            throw format.failure(
                "tells no whole time: year, month, day, hour (%H, or %I with %p) and minute, or %s"
            )
        }
        guard read.tellsOffset || form.zone != nil else {
            throw format.failure("tells no offset from UTC (%z): add the key 'zone'")
        }
        return .told(pointer: from, form)
    }

    private static func milliseconds(_ map: YAMLMapping) throws -> Int64 {
        guard let unit = map[optional: "unit"] else { return 1_000 }
        switch try unit.string() {
        case "ms": return 1
        case "s": return 1_000
        case "min": return 60_000
        case "h": return 3_600_000
        case "day": return 86_400_000
        default: throw unit.failure("an age is in ms, s, min, h or day")
        }
    }
}
