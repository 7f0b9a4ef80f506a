package import Telemetry

/// The days of a place as driving follows them: where local days begin, which are days off, and
/// which are public holidays.
///
/// A day is its number since 1970-01-01 in local time. A weekend is Saturday and Sunday.
package struct DrivingCalendar: Sendable, Equatable {
    /// A day that differs from the week, with the sums over all such days before it.
    private struct Exception: Sendable, Equatable {
        var day: Int32
        /// A public holiday; else a working day.
        var isHoliday: Bool
        var holidaysBefore: Int32
        /// Days off that the week would not have, less weekend days that are worked.
        var extraDaysOffBefore: Int32
    }

    package let zone: ZoneOffsets
    /// Ascends by day.
    private let exceptions: [Exception]
    /// The sums over all exceptions.
    private let holidays: Int32
    private let extraDaysOff: Int32

    /// A calendar of weekends, public holidays and make-up working days (调休).
    ///
    /// `off` are the public holidays, weekend days among them too. `work` are the days worked
    /// though they lie on a weekend; a day in both lists is a holiday.
    package init(zone: ZoneOffsets, off: [CivilDate] = [], work: [CivilDate] = []) {
        self.zone = zone
        var isHoliday: [Int32: Bool] = [:]
        for date in work { isHoliday[Int32(clamping: date.daysSinceEpoch)] = false }
        for date in off { isHoliday[Int32(clamping: date.daysSinceEpoch)] = true }
        var exceptions: [Exception] = []
        exceptions.reserveCapacity(isHoliday.count)
        var holidays: Int32 = 0
        var extra: Int32 = 0
        for (day, isHoliday) in isHoliday.sorted(by: { $0.key < $1.key }) {
            exceptions.append(
                Exception(
                    day: day,
                    isHoliday: isHoliday,
                    holidaysBefore: holidays,
                    extraDaysOffBefore: extra
                )
            )
            let isWeekend = DrivingCalendar.isWeekend(day)
            holidays += isHoliday ? 1 : 0
            extra += isHoliday == isWeekend ? 0 : isHoliday ? 1 : -1
        }
        self.exceptions = exceptions
        self.holidays = holidays
        self.extraDaysOff = extra
    }

    // MARK: Days

    /// The local day an instant lies in.
    package func day(of instant: Timestamp) -> Int32 {
        let local = (instant + zone.offset(at: instant)).milliseconds
        return Int32(clamping: local.dividedFloor(by: 86_400_000))
    }

    /// Local hours after midnight, 0..<24, with a fraction.
    func hours(of instant: Timestamp) -> Double {
        let local = (instant + zone.offset(at: instant)).milliseconds
        return Milliseconds(local - local.dividedFloor(by: 86_400_000) * 86_400_000).hours
    }

    /// The instant `minute` minutes of wall-clock time after the local midnight of a day; the
    /// minute may lie on another day.
    package func instant(day: Int32, minute: Int = 0) -> Timestamp {
        let shift = Int64(minute).dividedFloor(by: 1_440)
        return zone.instant(
            of: CivilTime(
                date: CivilDate(daysSinceEpoch: Int64(day) + shift),
                minute: minute - Int(shift) * 1_440
            )
        )
    }

    /// Whether a day is a weekend day or public holiday and not worked.
    package func isDayOff(_ day: Int32) -> Bool {
        exception(day)?.isHoliday ?? DrivingCalendar.isWeekend(day)
    }

    package func isPublicHoliday(_ day: Int32) -> Bool { exception(day)?.isHoliday ?? false }

    // MARK: Sums

    /// Days off since 1970 before a day.
    func daysOff(before day: Int32) -> Int32 {
        // Counted from a Monday, three days before 1970 began.
        let days = max(day, 0) + 3
        let weekends = days / 7 * 2 + max(0, days % 7 - 5)
        let place = place(day)
        return weekends
            + (place < exceptions.count ? exceptions[place].extraDaysOffBefore : extraDaysOff)
    }

    /// Public holidays listed before a day.
    func publicHolidays(before day: Int32) -> Int32 {
        let place = place(day)
        return place < exceptions.count ? exceptions[place].holidaysBefore : holidays
    }

    /// The place of the first exception that is not before a day.
    private func place(_ day: Int32) -> Int {
        var low = 0
        var high = exceptions.count
        while low < high {
            let middle = (low + high) / 2
            if exceptions[middle].day < day { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func exception(_ day: Int32) -> Exception? {
        let place = place(day)
        return place < exceptions.count && exceptions[place].day == day ? exceptions[place] : nil
    }

    /// 1970-01-01 was a Thursday.
    private static func isWeekend(_ day: Int32) -> Bool {
        let weekday = (Int64(day) + 3) % 7
        return (weekday < 0 ? weekday + 7 : weekday) >= 5
    }
}
