package import Telemetry
import Workshop

/// Public holidays of a country, and the weekends that are worked in return.
package struct HolidayCalendar: Sendable, Equatable {
    package var daysOff: Set<CivilDate>
    /// Make-up working days, each with the weekday whose hours it has: 1 is Monday.
    package var workDays: [CivilDate: Int]
    /// Years that are listed.
    package var years: Set<Int> = []

    /// As days that differ from a station's week.
    func exceptions(weekly: [[OpenHours]]) -> [CivilDate: [OpenHours]] {
        var exceptions: [CivilDate: [OpenHours]] = [:]
        for date in daysOff { exceptions[date] = [] }
        for (date, weekday) in workDays { exceptions[date] = weekly[weekday - 1] }
        return exceptions
    }
}

/// `stations/holidays.yaml` → holiday calendars by name.
package enum HolidayFile {
    package static func load(_ file: String) throws -> [String: HolidayCalendar] {
        let root = try YAMLValue.load(file).mapping(keys: ["calendars"])
        var calendars: [String: HolidayCalendar] = [:]
        for (name, years) in try root.require("calendars").entries(keys: nil) {
            var calendar = HolidayCalendar(daysOff: [], workDays: [:])
            for (year, days) in try years.entries(keys: nil) {
                try add(days, of: year, to: &calendar)
                if let number = Int(year) { calendar.years.insert(number) }
            }
            calendars[name] = calendar
        }
        return calendars
    }

    private static func add(
        _ days: YAMLValue,
        of year: String,
        to calendar: inout HolidayCalendar
    ) throws {
        let map = try days.mapping(keys: ["off", "work"])
        for item in try map[optional: "off"]?.list() ?? [] {
            let date = try date(try item.string(), at: item)
            guard "\(date.year)" == year else { throw item.failure("\(date) is not in \(year)") }
            calendar.daysOff.insert(date)
        }
        let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        for (key, value) in try map[optional: "work"]?.entries(keys: nil) ?? [] {
            let date = try date(key, at: value)
            guard "\(date.year)" == year, !calendar.daysOff.contains(date) else {
                throw value.failure("\(date) is not in \(year), or is a day off too")
            }
            guard let weekday = weekdays.firstIndex(of: try value.string()) else {
                throw value.failure("the weekday whose hours it has was expected: mon … sun")
            }
            calendar.workDays[date] = weekday + 1
        }
    }

    static func date(_ text: String, at value: YAMLValue) throws -> CivilDate {
        let parts = text.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 3,
            case let date = CivilDate(year: parts[0], month: parts[1], day: parts[2]), date.isValid
        else { throw value.failure("'\(text)' is not a date such as 2026-10-01") }
        return date
    }
}
