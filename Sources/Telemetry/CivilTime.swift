/// A day of the proleptic Gregorian calendar.
///
/// Source of the arithmetic: H. Hinnant, "chrono-compatible low-level date algorithms", 2013.
package struct CivilDate: Hashable, Comparable, Sendable, Codable {
    package var year: Int
    package var month: Int
    package var day: Int

    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// ISO 8601, `2026-03-19`; nil for anything else, and for days no month has.
    package init?(iso8601 text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [4, 2, 2], parts.allSatisfy({ $0.allSatisfy(\.isNumber) }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
        else { return nil }
        self.init(year: year, month: month, day: day)
        guard isValid else { return nil }
    }

    package init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted.dividedFloor(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        self.init(
            year: Int(yearOfEra + era * 400 + (month <= 2 ? 1 : 0)),
            month: Int(month),
            day: Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        )
    }

    package var daysSinceEpoch: Int64 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = shiftedYear.dividedFloor(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let shiftedMonth = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * shiftedMonth + 2) / 5 + Int64(day) - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    /// 1 is Monday, 7 is Sunday, as in ISO 8601.
    package var weekday: Int {
        let weekday = (daysSinceEpoch + 3) % 7
        return Int(weekday < 0 ? weekday + 7 : weekday) + 1
    }

    /// Whether the month has such a day; a year outside 1...9999 has none.
    package var isValid: Bool {
        (1...9_999).contains(year) && (1...12).contains(month)
            && (1...CivilDate.days(inMonth: month, year: year)).contains(day)
    }

    package static func days(inMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    package static func < (left: CivilDate, right: CivilDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }
}

extension CivilDate: CustomStringConvertible {
    /// ISO 8601: `2026-03-19`.
    package var description: String {
        "\(padded(Int64(year), width: 4))-\(padded(Int64(month)))-\(padded(Int64(day)))"
    }
}

/// A local date and minute of that day.
package struct CivilTime: Hashable, Sendable {
    package var date: CivilDate
    /// Minutes after local midnight, 0...1440.
    package var minute: Int

    package init(date: CivilDate, minute: Int) {
        self.date = date
        self.minute = minute
    }

    /// `13:05`.
    package var clock: String { "\(padded(Int64(minute / 60))):\(padded(Int64(minute % 60)))" }
}

/// The UTC offsets of one time zone, as data: the pure ring knows no time-zone database.
///
/// Invariant: `changes` ascends by instant.
package struct ZoneOffsets: Sendable, Equatable {
    package struct Change: Sendable, Equatable {
        package var from: Timestamp
        package var offsetSeconds: Int64

        package init(from: Timestamp, offsetSeconds: Int64) {
            self.from = from
            self.offsetSeconds = offsetSeconds
        }
    }

    /// The IANA name, for people.
    package let name: String
    package let initialOffsetSeconds: Int64
    package let changes: [Change]

    package init(name: String, initialOffsetSeconds: Int64, changes: [Change]) {
        precondition(
            zip(changes, changes.dropFirst()).allSatisfy { $0.from < $1.from },
            "The offset changes of a zone ascend by instant."
        )
        self.name = name
        self.initialOffsetSeconds = initialOffsetSeconds
        self.changes = changes
    }

    package static let utc = ZoneOffsets(name: "UTC", initialOffsetSeconds: 0, changes: [])

    /// The offset in force at `instant`; the last one listed continues for ever.
    package func offset(at instant: Timestamp) -> Milliseconds {
        var low = 0
        var high = changes.count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].from <= instant { low = middle + 1 } else { high = middle }
        }
        return .seconds(low == 0 ? initialOffsetSeconds : changes[low - 1].offsetSeconds)
    }

    package func civil(_ instant: Timestamp) -> CivilTime {
        let local = (instant + offset(at: instant)).milliseconds
        let day = local.dividedFloor(by: 86_400_000)
        return CivilTime(
            date: CivilDate(daysSinceEpoch: day),
            minute: Int((local - day * 86_400_000) / 60_000)
        )
    }

    /// The instant of a local time.
    ///
    /// In an overlap (clocks go back) the first of the two; in a gap (clocks go forward) the time
    /// the same distance after the gap, as RFC 5545 §3.3.5 has it.
    package func instant(of local: CivilTime) -> Timestamp {
        let naive = Timestamp(
            milliseconds: local.date.daysSinceEpoch * 86_400_000 + Int64(local.minute) * 60_000
        )
        let before = offset(at: naive - .days(Int64(1)))
        let candidate = Timestamp(milliseconds: naive.milliseconds - before.rawValue)
        if offset(at: candidate) == before { return candidate }
        let after = offset(at: naive + .days(Int64(1)))
        let second = Timestamp(milliseconds: naive.milliseconds - after.rawValue)
        return offset(at: second) == after ? second : candidate
    }
}
