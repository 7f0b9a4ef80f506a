import Foundation
import Rules
package import Telemetry
package import Workshop

/// `stations/catalogue.yaml` and `stations/stations.yaml` → jobs and stations.
package enum StationFile {
    package static func loadJobs(_ file: String) throws -> [Job] {
        let root = try YAMLValue.load(file).mapping(keys: ["jobs"])
        var jobs: [Job] = []
        for item in try root.require("jobs").list() {
            let map = try item.mapping(keys: [
                "code", "title", "minutes", "bay", "shared_group", "shared_minutes", "skill",
                "parts", "answers",
            ])
            let title = try RuleFile.bilingual(map.require("title"))
            let job = Job(
                code: try map.require("code").string(),
                titleZH: title.zh,
                titleEN: title.en,
                minutes: try map.require("minutes").integer(in: 5...1_440),
                bayKind: try map.require("bay").choice(BayKind.self),
                sharedGroup: try map[optional: "shared_group"]?.string(),
                sharedMinutes: try map[optional: "shared_minutes"]?.integer(in: 0...600) ?? 0,
                skill: try map[optional: "skill"]?.string(),
                parts: try map[optional: "parts"]?.list().map(part) ?? [],
                answers: try map[optional: "answers"]?.choice(Job.Answers.self)
            )
            guard !jobs.contains(where: { $0.code == job.code }) else {
                throw item.failure("the job '\(job.code)' is listed twice")
            }
            jobs.append(job)
        }
        return jobs
    }

    private static func part(_ item: YAMLValue) throws -> Part {
        let map = try item.mapping(keys: ["code", "stocked", "lead_days"])
        return Part(
            code: try map.require("code").string(),
            isStocked: try map[optional: "stocked"]?.flag() ?? true,
            leadDays: try map[optional: "lead_days"]?.integer(in: 0...120) ?? 0
        )
    }

    /// `holidays` are the calendars of `stations/holidays.yaml`, by name.
    package static func loadStations(
        _ file: String,
        holidays: [String: HolidayCalendar]
    ) throws -> [Station] {
        let root = try YAMLValue.load(file).mapping(keys: ["stations"])
        let list = try root.require("stations")
        var stations: [Station] = []
        var bays: Set<String> = []
        var technicians: Set<String> = []
        for item in try list.list() {
            let station = try station(item, holidays)
            guard !stations.contains(where: { $0.code == station.code }) else {
                throw item.failure("the station '\(station.code)' is listed twice")
            }
            for bay in station.bays where !bays.insert(bay.code).inserted {
                throw item.failure("the bay '\(bay.code)' is listed twice")
            }
            for technician in station.technicians
            where !technicians.insert(technician.code).inserted {
                throw item.failure("the technician '\(technician.code)' is listed twice")
            }
            stations.append(station)
        }
        guard !stations.isEmpty else { throw list.failure("at least one station is needed") }
        return stations
    }

    private static func station(
        _ item: YAMLValue,
        _ holidays: [String: HolidayCalendar]
    ) throws -> Station {
        let map = try item.mapping(keys: [
            "code", "title", "phone", "time_zone", "hours", "holidays", "exceptions", "bays",
            "technicians", "grid_minutes", "buffer_minutes", "automatic_fill_share", "held_share",
            "location", "radius_km",
        ])
        let title = try RuleFile.bilingual(map.require("title"))
        let zone = try map.require("time_zone")
        guard let offsets = ZoneOffsets.named(try zone.string()) else {
            throw zone.failure("'\(try zone.string())' is not an IANA time zone")
        }
        let weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        let hours = try map.require("hours").mapping(keys: weekdays)
        let weekly = try weekdays.map { try hours[optional: $0].map(openHours) ?? [] }
        var exceptions: [CivilDate: [OpenHours]] = [:]
        var publicHolidays: [CivilDate] = []
        var makeUpDays: [CivilDate] = []
        var years: Set<Int>?
        if let name = map[optional: "holidays"] {
            guard let calendar = holidays[try name.string()] else {
                throw name.failure("holidays.yaml has no calendar '\(try name.string())'")
            }
            exceptions = calendar.exceptions(weekly: weekly)
            publicHolidays = calendar.daysOff.sorted()
            makeUpDays = calendar.workDays.keys.sorted()
            years = calendar.years
        }
        // What the station says itself goes before the calendar.
        for (key, value) in try map[optional: "exceptions"]?.entries(keys: nil) ?? [] {
            exceptions[try HolidayFile.date(key, at: value)] = try openHours(value)
        }
        let bays = try map.require("bays").list().map { bay in
            let map = try bay.mapping(keys: ["code", "kinds"])
            return Bay(
                code: try map.require("code").string(),
                kinds: Set(try map.require("kinds").list().map { try $0.choice(BayKind.self) })
            )
        }
        guard !bays.isEmpty else { throw item.failure("a station needs a bay") }
        var station = Station(
            code: try map.require("code").string(),
            titleZH: title.zh,
            titleEN: title.en,
            phone: try map.require("phone").string(),
            zone: offsets,
            weekly: weekly,
            exceptions: exceptions,
            bays: bays,
            technicians: try map[optional: "technicians"]?.list().map(technician) ?? [],
            gridMinutes: try map[optional: "grid_minutes"]?.integer(in: 5...240) ?? 30,
            bufferMinutes: try map[optional: "buffer_minutes"]?.integer(in: 0...120) ?? 10,
            automaticFillShare: try map[optional: "automatic_fill_share"]?.double(in: 0...1)
                ?? 0.8,
            heldShare: try map[optional: "held_share"]?.double(in: 0...1) ?? 0.3,
            location: try map[optional: "location"].map(location),
            radiusKilometres: try map[optional: "radius_km"]?.double(in: 1...2_000) ?? 60
        )
        station.holidayYears = years
        station.publicHolidays = publicHolidays
        station.makeUpDays = makeUpDays
        return station
    }

    private static func technician(_ item: YAMLValue) throws -> Technician {
        let map = try item.mapping(keys: ["code", "skills"])
        return Technician(
            code: try map.require("code").string(),
            skills: Set(try map[optional: "skills"]?.list().map { try $0.string() } ?? [])
        )
    }

    private static func location(_ value: YAMLValue) throws -> GeoPoint {
        let degrees = try value.list()
        guard degrees.count == 2 else {
            throw value.failure("[latitude, longitude] in degrees was expected")
        }
        return GeoPoint(
            latitude: try degrees[0].double(in: -90...90),
            longitude: try degrees[1].double(in: -180...180)
        )
    }

    private static func openHours(_ value: YAMLValue) throws -> [OpenHours] {
        var previous = 0
        return try value.list().map { pair in
            let times = try pair.list()
            guard times.count == 2 else { throw pair.failure("[from, to] was expected") }
            let hours = OpenHours(from: try minute(times[0]), to: try minute(times[1]))
            guard hours.from >= previous, hours.to > hours.from else {
                throw pair.failure("opening times must ascend and not overlap")
            }
            previous = hours.to
            return hours
        }
    }

    private static func minute(_ value: YAMLValue) throws -> Int {
        let parts = try value.string().split(separator: ":")
        guard parts.count == 2, let hour = Int(parts[0]), let minute = Int(parts[1]),
            (0...24).contains(hour), (0...59).contains(minute), hour * 60 + minute <= 1_440
        else { throw value.failure("a time of day was expected, such as \"08:30\"") }
        return hour * 60 + minute
    }
}

extension ZoneOffsets {
    /// The years for which offsets are taken from the system's time-zone database.
    private static let years = 2000...2045

    /// The offsets of an IANA zone, or nil when the system does not know it.
    package static func named(_ name: String) -> ZoneOffsets? {
        guard let zone = TimeZone(identifier: name) else { return nil }
        func offset(_ seconds: Int64) -> Int64 {
            Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))))
        }
        func start(of year: Int) -> Int64 {
            CivilDate(year: year, month: 1, day: 1).daysSinceEpoch * 86_400
        }
        // A week is shorter than any two changes of an offset are apart in this range.
        let step: Int64 = 7 * 86_400
        var changes: [Change] = []
        var last = start(of: years.lowerBound)
        while last < start(of: years.upperBound + 1) {
            let next = last + step
            if offset(next) != offset(last) {
                var low = last
                var high = next
                while high - low > 1 {
                    let middle = (low + high) / 2
                    if offset(middle) == offset(last) { low = middle } else { high = middle }
                }
                changes.append(
                    Change(
                        from: Timestamp(milliseconds: high * 1_000),
                        offsetSeconds: offset(high)
                    )
                )
            }
            last = next
        }
        return ZoneOffsets(
            name: name,
            initialOffsetSeconds: offset(start(of: years.lowerBound)),
            changes: changes
        )
    }
}
