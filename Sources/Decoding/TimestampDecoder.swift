package import Telemetry

/// RFC 3339 by fixed positions: `2026-11-21T10:15:30[.fraction](Z|±hh:mm)`.
///
/// A fraction finer than a millisecond is cut. A leap second `:60` counts as the next minute's
/// first. A time without zone is refused: guessing one would move readings by hours.
///
/// The day read last is remembered by its bytes, because nearly every time is of that day.
package struct TimestampDecoder: Sendable {
    /// `1970-01-` as a word; there is always a day, as bytes that are no text could equal none.
    private var yearAndMonth: UInt64 = 0x2d31_302d_3037_3931
    /// `01T` as the low three bytes of a word.
    private var dayAndLetter: UInt64 = 0x54_3130
    private var dayStart: Int64 = 0

    package init() {}

    // MARK: The usual form

    /// Takes a string of the usual form and the day read last: `"2026-11-21T10:15:30.250Z"`, or
    /// without the fraction.
    ///
    /// Nil, and nothing taken, for every other text: this path never has to say what is wrong.
    @inline(__always)
    func takeUsual(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) -> Timestamp? {
        let start = scanner.position
        guard start >= 0, start <= bytes.count &- 22 else { return nil }
        let text = bytes.extracting(start..<(start &+ 22))
        guard text[0] == UInt8(ascii: "\""), text.word(at: 1) == yearAndMonth,
            let middle = text.word(at: 9), middle & 0xff_ffff == dayAndLetter,
            let clock = TimestampDecoder.digits(
                middle &>> 24,
                like: 0x30_303a_3030,
                separators: 0xff_0000
            )
        else { return nil }
        let seconds: UInt64
        if text[20] == UInt8(ascii: "Z") {
            guard let end = text.word(at: 14),
                let digits = TimestampDecoder.digits(
                    end &>> 24,
                    like: 0x22_5a30_303a,
                    separators: 0xff_ff00_00ff
                )
            else { return nil }
            seconds = digits &>> 8
        } else {
            guard text[17] == UInt8(ascii: ":"), let end = bytes.word(at: start &+ 18),
                let digits = TimestampDecoder.digits(
                    end,
                    like: 0x225a_3030_302e_3030,
                    separators: 0xffff_0000_00ff_0000
                )
            else { return nil }
            seconds = digits
        }
        let hour = TimestampDecoder.pair(clock)
        let minute = TimestampDecoder.pair(clock &>> 24)
        let second = TimestampDecoder.pair(seconds)
        guard hour <= 23, minute <= 59, second <= 60 else { return nil }
        let thousandths = TimestampDecoder.pair(seconds &>> 24) &* 10 &+ (seconds &>> 40) & 0xf
        let ofDay = ((hour &* 60 &+ minute) &* 60 &+ second) &* 1_000 &+ thousandths
        scanner.position = start &+ (text[20] == UInt8(ascii: "Z") ? 22 : 26)
        return Timestamp(milliseconds: dayStart &+ Int64(truncatingIfNeeded: ofDay))
    }

    /// The digits of a word's characters, each in its byte, or nil when it is not `like` the
    /// pattern: a digit for every `0`, and the same character at every separator.
    @inline(__always)
    private static func digits(
        _ word: UInt64,
        like pattern: UInt64,
        separators: UInt64
    ) -> UInt64? {
        let digits = word ^ pattern
        // Ten and more carry into the high half when six is added.
        let carried = digits &+ (0x0606_0606_0606_0606 & ~separators)
        let highHalves = 0xf0f0_f0f0_f0f0_f0f0 | separators
        return (digits | carried) & highHalves == 0 ? digits : nil
    }

    /// The number of two digits in the lowest bytes.
    @inline(__always)
    private static func pair(_ digits: UInt64) -> UInt64 {
        (digits & 0xf) &* 10 &+ (digits &>> 8) & 0xf
    }

    // MARK: Every form

    /// Reads the text from `start` to `end`.
    package mutating func decode(
        _ bytes: Span<UInt8>,
        from start: Int,
        to end: Int
    ) -> Timestamp? {
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
        remember(date, bytes, at: start)
        let minutes = date.daysSinceEpoch * 1_440 + Int64(hour * 60 + minute - offsetMinutes)
        return Timestamp(milliseconds: (minutes * 60 + Int64(second)) * 1_000 + milliseconds)
    }

    private mutating func remember(_ date: CivilDate, _ bytes: Span<UInt8>, at start: Int) {
        guard let first = bytes.word(at: start), let second = bytes.word(at: start + 8) else {
            return
        }
        yearAndMonth = first
        dayAndLetter = second & 0xff_ffff
        dayStart = date.daysSinceEpoch * 86_400_000
    }
}
