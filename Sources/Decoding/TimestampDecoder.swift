package import Telemetry

/// RFC 3339 by fixed positions: `2026-11-21T10:15:30[.fraction](Z|±hh:mm)`.
///
/// A fraction finer than a millisecond is cut. A leap second `:60` counts as the next minute's
/// first. A time without zone is refused: guessing one would move readings by hours.
package enum TimestampDecoder {
    package static func decode(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> Timestamp? {
        guard end - start >= 20 else { return nil }
        func digits(_ offset: Int, _ count: Int) -> Int? {
            var value = 0
            for index in (start + offset)..<(start + offset + count) {
                let digit = bytes[index] &- UInt8(ascii: "0")
                guard digit <= 9 else { return nil }
                value = value * 10 + Int(digit)
            }
            return value
        }
        func byte(_ offset: Int) -> UInt8 { bytes[start + offset] }
        guard let year = digits(0, 4), byte(4) == UInt8(ascii: "-"), let month = digits(5, 2),
            byte(7) == UInt8(ascii: "-"), let day = digits(8, 2),
            byte(10) | 0x20 == UInt8(ascii: "t") || byte(10) == 0x20,
            let hour = digits(11, 2), hour <= 23, byte(13) == UInt8(ascii: ":"),
            let minute = digits(14, 2), minute <= 59, byte(16) == UInt8(ascii: ":"),
            let second = digits(17, 2), second <= 60
        else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        guard date.isValid else { return nil }

        var position = start + 19
        var milliseconds: Int64 = 0
        if bytes[position] == UInt8(ascii: ".") {
            position += 1
            let fractionStart = position
            var scale: Int64 = 100
            while position < end, case let digit = bytes[position] &- UInt8(ascii: "0"), digit <= 9
            {
                milliseconds += Int64(digit) * scale
                scale /= 10
                position += 1
            }
            guard position > fractionStart, position < end else { return nil }
        }
        var offsetMinutes = 0
        switch bytes[position] {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"):
            guard position + 1 == end else { return nil }
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard position + 6 == end, bytes[position + 3] == UInt8(ascii: ":"),
                let hours = digits(position - start + 1, 2), hours <= 23,
                let minutes = digits(position - start + 4, 2), minutes <= 59
            else { return nil }
            offsetMinutes = hours * 60 + minutes
            if bytes[position] == UInt8(ascii: "-") { offsetMinutes = -offsetMinutes }
        default: return nil
        }
        let minutes = date.daysSinceEpoch * 1_440 + Int64(hour * 60 + minute - offsetMinutes)
        return Timestamp(milliseconds: (minutes * 60 + Int64(second)) * 1_000 + milliseconds)
    }
}
