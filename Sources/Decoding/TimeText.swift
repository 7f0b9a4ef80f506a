/// A text that tells a time, taken part by part from its front.
struct TimeText {
    struct Fields {
        var year = 0
        var month = 1
        var day = 1
        var hour = 0
        var minute = 0
        var second = 0
        var milliseconds: Int64 = 0
        /// Of a clock of twelve hours.
        var isAfternoon: Bool?
        var offsetMinutes: Int?
        var sinceEpoch: Int64?

        var hourOfDay: Int? {
            guard let isAfternoon else { return hour <= 23 ? hour : nil }
            guard (1...12).contains(hour) else { return nil }
            return hour % 12 + (isAfternoon ? 12 : 0)
        }
    }

    private(set) var fields = Fields()
    private let bytes: [UInt8]
    private var position = 0

    /// Blanks around the text do not count.
    init(_ text: [UInt8]) {
        let start = text.firstIndex { $0 != 0x20 } ?? text.endIndex
        let last = text.lastIndex { $0 != 0x20 } ?? start
        bytes = start < text.endIndex ? Array(text[start...last]) : []
    }

    var isAtEnd: Bool { position == bytes.count }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    // MARK: Parts

    mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    mutating func takeBlanks() -> Bool {
        while next == 0x20 { position += 1 }
        return true
    }

    private var digitCount: Int {
        bytes[position...].prefix { $0 &- 0x30 <= 9 }.count
    }

    private mutating func number(_ counts: ClosedRange<Int>) -> Int? {
        let count = min(digitCount, counts.upperBound)
        guard count >= counts.lowerBound else { return nil }
        defer { position += count }
        return bytes[position..<(position + count)].reduce(0) { $0 * 10 + Int($1 &- 0x30) }
    }

    mutating func take(
        _ counts: ClosedRange<Int>,
        into field: WritableKeyPath<Fields, Int>
    ) -> Bool {
        guard let value = number(counts) else { return false }
        fields[keyPath: field] = value
        return true
    }

    /// Two digits: 69…99 are of the last century, as POSIX has it.
    mutating func takeShortYear() -> Bool {
        guard let value = number(2...2) else { return false }
        fields.year = value + (value < 69 ? 2_000 : 1_900)
        return true
    }

    mutating func takeMonthName() -> Bool {
        guard let place = takeName(TimeText.months) else { return false }
        fields.month = place + 1
        return true
    }

    /// The date says which day of the week it is; the name only has to be one.
    mutating func takeWeekdayName() -> Bool { takeName(TimeText.weekdays) != nil }

    mutating func takeHalfOfDay() -> Bool {
        guard let place = takeName(["am", "pm"]) else { return false }
        fields.isAfternoon = place == 1
        return true
    }

    private static let months = [
        "january", "february", "march", "april", "may", "june", "july", "august", "september",
        "october", "november", "december",
    ]
    private static let weekdays = [
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    ]

    /// An English name, or its first three letters; case does not matter.
    private mutating func takeName(_ names: [String]) -> Int? {
        let word = bytes[position...].prefix { ($0 | 0x20) &- 0x61 <= 25 }.map { $0 | 0x20 }
        let place = names.firstIndex {
            let name = Array($0.utf8)
            return word == name || word == Array(name.prefix(3))
        }
        if place != nil { position += word.count }
        return place
    }

    /// Digits behind the decimal point; those finer than a millisecond are cut.
    mutating func takeFraction() -> Bool {
        let digits = bytes[position...].prefix { $0 &- 0x30 <= 9 }
        guard !digits.isEmpty else { return false }
        var scale: Int64 = 100
        fields.milliseconds = 0
        for digit in digits {
            fields.milliseconds += Int64(digit &- 0x30) * scale
            scale /= 10
        }
        position += digits.count
        return true
    }

    /// `Z`, `±hh`, `±hhmm` or `±hh:mm`.
    mutating func takeOffset() -> Bool {
        if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) {
            fields.offsetMinutes = 0
            return true
        }
        let isWest = next == UInt8(ascii: "-")
        guard isWest || next == UInt8(ascii: "+") else { return false }
        position += 1
        guard let hours = number(2...2), hours <= 23 else { return false }
        var minutes = 0
        if take(UInt8(ascii: ":")) || digitCount >= 2 {
            guard let value = number(2...2), value <= 59 else { return false }
            minutes = value
        }
        fields.offsetMinutes = (isWest ? -1 : 1) * (hours * 60 + minutes)
        return true
    }

    mutating func takeSinceEpoch() -> Bool {
        // Twelve digits of seconds last for 31,000 years.
        guard let value = number(1...12) else { return false }
        fields.sinceEpoch = Int64(value)
        return true
    }

    // MARK: ISO 8601

    /// Takes a whole text: the date and the time each in the extended or the basic form, `T` or a
    /// blank between them, seconds and fraction or none, and an offset or none.
    mutating func takeISO() -> Bool {
        guard take(4...4, into: \.year) else { return false }
        let isExtendedDate = take(UInt8(ascii: "-"))
        guard take(2...2, into: \.month), !isExtendedDate || take(UInt8(ascii: "-")),
            take(2...2, into: \.day)
        else { return false }
        guard take(UInt8(ascii: "T")) || take(UInt8(ascii: "t")) || take(0x20) else { return false }
        guard take(2...2, into: \.hour) else { return false }
        let isExtendedTime = take(UInt8(ascii: ":"))
        guard take(2...2, into: \.minute) else { return false }
        if isExtendedTime ? take(UInt8(ascii: ":")) : digitCount >= 2 {
            guard take(2...2, into: \.second) else { return false }
            if take(UInt8(ascii: ".")) || take(UInt8(ascii: ",")) {
                guard takeFraction() else { return false }
            }
        }
        _ = takeBlanks()
        return isAtEnd || (takeOffset() && isAtEnd)
    }
}
