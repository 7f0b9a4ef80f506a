package import Telemetry

/// What a bay can be used for.
package enum BayKind: String, CaseIterable, Sendable {
    case normal
    case tyre
    case ev
    case diagnostic
    /// A van that goes to the customer.
    case mobile
}

/// A work place.
package struct Bay: Sendable, Equatable {
    /// Unique over all stations; it names the bay in the store.
    package var code: String
    package var kinds: Set<BayKind>

    package init(code: String, kinds: Set<BayKind>) {
        self.code = code
        self.kinds = kinds
    }
}

/// Somebody who works on cars.
package struct Technician: Sendable, Equatable {
    /// Unique over all stations; it names the technician in the store.
    package var code: String
    package var skills: Set<String>

    package init(code: String, skills: Set<String>) {
        self.code = code
        self.skills = skills
    }
}

/// Local opening times of one day, minutes after midnight.
package struct OpenHours: Sendable, Equatable {
    package var from: Int
    package var to: Int

    package init(from: Int, to: Int) {
        self.from = from
        self.to = to
    }
}

/// A stretch of time from `start` up to, not including, `end`.
package struct OpenInterval: Sendable, Equatable {
    package var start: Timestamp
    package var end: Timestamp

    package init(start: Timestamp, end: Timestamp) {
        self.start = start
        self.end = end
    }

    package func overlaps(_ other: OpenInterval) -> Bool {
        start < other.end && other.start < end
    }
}

/// A workshop: hours in its own wall-clock time, everything else in UTC.
///
/// Invariant: `weekly` has seven entries, Monday first.
package struct Station: Sendable, Equatable {
    package var code: String
    package var titleZH: String
    package var titleEN: String
    package var phone: String
    package var zone: ZoneOffsets
    package var weekly: [[OpenHours]]
    /// Days that differ from the week: closed when empty, else these hours (make-up days too).
    package var exceptions: [CivilDate: [OpenHours]]
    package var bays: [Bay]
    /// Empty: only bays bound what the station can do.
    package var technicians: [Technician]
    /// Starts lie on this grid after opening.
    package var gridMinutes: Int
    /// Between two cars on one bay.
    package var bufferMinutes: Int
    /// Share of a day's bay minutes that may be filled automatically; the rest is for walk-ins.
    package var automaticFillShare: Double
    /// Share of a day's bay minutes that holds may take: what nobody has confirmed yet.
    package var heldShare: Double
    /// Where it is; nil: not said, and distance plays no part.
    package var location: GeoPoint?
    /// How far its customers live, km (服务半径).
    package var radiusKilometres: Double
    /// Years whose holidays are known; nil at a station without a calendar.
    package var holidayYears: Set<Int>?
    /// Public holidays of its country and the weekends worked in return, ascending.
    package var publicHolidays: [CivilDate] = []
    package var makeUpDays: [CivilDate] = []

    package init(
        code: String,
        titleZH: String,
        titleEN: String,
        phone: String,
        zone: ZoneOffsets,
        weekly: [[OpenHours]],
        exceptions: [CivilDate: [OpenHours]],
        bays: [Bay],
        technicians: [Technician],
        gridMinutes: Int,
        bufferMinutes: Int,
        automaticFillShare: Double,
        heldShare: Double,
        location: GeoPoint?,
        radiusKilometres: Double
    ) {
        precondition(weekly.count == 7, "A week has seven days.")
        self.code = code
        self.titleZH = titleZH
        self.titleEN = titleEN
        self.phone = phone
        self.zone = zone
        self.weekly = weekly
        self.exceptions = exceptions
        self.bays = bays
        self.technicians = technicians
        self.gridMinutes = gridMinutes
        self.bufferMinutes = bufferMinutes
        self.automaticFillShare = automaticFillShare
        self.heldShare = heldShare
        self.location = location
        self.radiusKilometres = radiusKilometres
    }

    /// A year whose holidays somebody must enter: this one or, from 1 December, the next.
    package func missingHolidayYear(now: Timestamp) -> Int? {
        guard let holidayYears else { return nil }
        let date = zone.civil(now).date
        let needed = date.month == 12 ? [date.year, date.year + 1] : [date.year]
        return needed.first { !holidayYears.contains($0) }
    }

    /// Minutes in which the station is open in a period.
    package func openMinutes(from: Timestamp, to: Timestamp) -> Double {
        let first = zone.civil(from).date.daysSinceEpoch
        let last = zone.civil(to).date.daysSinceEpoch
        return (first...max(first, last)).flatMap {
            openIntervals(on: CivilDate(daysSinceEpoch: $0))
        }.reduce(0) { $0 + max(0, (min($1.end, to) - max($1.start, from)).minutes) }
    }

    /// km to where a customer lives; nil when either is unknown.
    package func kilometres(to home: GeoPoint?) -> Double? {
        guard let home, let location else { return nil }
        return location.kilometres(to: home)
    }

    /// When the station is open on a local date.
    package func openIntervals(on date: CivilDate) -> [OpenInterval] {
        let hours = exceptions[date] ?? weekly[date.weekday - 1]
        return hours.map {
            OpenInterval(
                start: zone.instant(of: CivilTime(date: date, minute: $0.from)),
                end: zone.instant(of: CivilTime(date: date, minute: $0.to))
            )
        }
    }

    /// The instant at which `minutes` of opening time have passed since `start`; at most 60 days
    /// ahead, so that a station that never opens cannot hold the search.
    package func instant(openMinutes minutes: Int, after start: Timestamp) -> Timestamp {
        var rest = Milliseconds.minutes(Int64(minutes))
        var day = zone.civil(start).date.daysSinceEpoch
        for _ in 0..<Limits.slotSearchDaysMax {
            for open in openIntervals(on: CivilDate(daysSinceEpoch: day)) where open.end > start {
                let from = max(open.start, start)
                if open.end - from >= rest { return from + rest }
                rest = Milliseconds(rest.rawValue - (open.end - from).rawValue)
            }
            day += 1
        }
        return start + .days(Int64(Limits.slotSearchDaysMax))
    }

    /// The instant from which `minutes` of opening time lead to `end`; at most 60 days back.
    package func instant(openMinutes minutes: Int, before end: Timestamp) -> Timestamp {
        var rest = Milliseconds.minutes(Int64(minutes))
        var day = zone.civil(end).date.daysSinceEpoch
        for _ in 0..<Limits.slotSearchDaysMax {
            for open in openIntervals(on: CivilDate(daysSinceEpoch: day)).reversed()
            where open.start < end {
                let to = min(open.end, end)
                if to - open.start >= rest { return to - rest }
                rest = Milliseconds(rest.rawValue - (to - open.start).rawValue)
            }
            day -= 1
        }
        return end - .days(Int64(Limits.slotSearchDaysMax))
    }

    /// The same time of day, `count` open days later, within that day's hours.
    package func instant(openDays count: Int, after start: Timestamp) -> Timestamp {
        let local = zone.civil(start)
        var rest = count
        for day in 1..<Limits.slotSearchDaysMax {
            let date = CivilDate(daysSinceEpoch: local.date.daysSinceEpoch + Int64(day))
            let intervals = openIntervals(on: date)
            guard let first = intervals.first, let last = intervals.last else { continue }
            rest -= 1
            guard rest == 0 else { continue }
            let same = zone.instant(of: CivilTime(date: date, minute: local.minute))
            return min(max(same, first.start), last.end)
        }
        return start + .days(Int64(Limits.slotSearchDaysMax))
    }

    /// Closing time of the `count`-th open day from `start`, the running one included.
    package func closing(ofOpenDay count: Int, from start: Timestamp) -> Timestamp {
        var rest = count
        var day = zone.civil(start).date.daysSinceEpoch
        for _ in 0..<Limits.slotSearchDaysMax {
            if let last = openIntervals(on: CivilDate(daysSinceEpoch: day)).last, last.end > start {
                rest -= 1
                if rest <= 0 { return last.end }
            }
            day += 1
        }
        return start + .days(Int64(Limits.slotSearchDaysMax))
    }
}

/// An item of the service catalogue.
package struct Job: Sendable, Equatable {
    package var code: String
    package var titleZH: String
    package var titleEN: String
    package var minutes: Int
    package var bayKind: BayKind
    /// Jobs of one group share an operation: each beyond the first saves `sharedMinutes`.
    package var sharedGroup: String?
    package var sharedMinutes: Int
    /// What the technician must be able to do; nil: anybody can.
    package var skill: String?
    package var parts: [Part]
    /// What it is done for when no rule asks for it.
    package var answers: Answers?

    package enum Answers: String, CaseIterable, Sendable {
        /// A service that is due by date or distance.
        case dueService = "due_service"
        /// What a customer says is wrong.
        case symptoms
    }

    package init(
        code: String,
        titleZH: String,
        titleEN: String,
        minutes: Int,
        bayKind: BayKind,
        sharedGroup: String?,
        sharedMinutes: Int,
        skill: String?,
        parts: [Part],
        answers: Answers? = nil
    ) {
        self.code = code
        self.titleZH = titleZH
        self.titleEN = titleEN
        self.minutes = minutes
        self.bayKind = bayKind
        self.sharedGroup = sharedGroup
        self.sharedMinutes = sharedMinutes
        self.skill = skill
        self.parts = parts
        self.answers = answers
    }

    /// Days until every part of it is there.
    var partsLeadDays: Int { parts.map { $0.isStocked ? 0 : $0.leadDays }.max() ?? 0 }
}

/// A part a job needs.
package struct Part: Sendable, Equatable {
    package var code: String
    package var isStocked: Bool
    /// From order to delivery, calendar days; without meaning for one in stock.
    package var leadDays: Int

    package init(code: String, isStocked: Bool, leadDays: Int) {
        self.code = code
        self.isStocked = isStocked
        self.leadDays = leadDays
    }
}
