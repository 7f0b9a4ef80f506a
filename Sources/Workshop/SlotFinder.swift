package import Telemetry

/// Why a slot is offered.
package enum OfferLabel: String, CaseIterable, Sendable {
    case best
    case earliest
    /// Where the best is the earliest too: the next one that is another choice.
    case later
    /// The best at a time the customer prefers.
    case preferred
    case anotherDay = "another_day"
}

/// A part of what a slot costs.
package struct CostTerm: Sendable, Equatable {
    package enum Name: String, CaseIterable, Sendable {
        /// The limit may be met before.
        case risk
        /// On the day of the call the customer has plans already.
        case sameDay = "same_day"
        /// The day is full already.
        case load
        /// Not when the customer likes to come.
        case preference
        /// Another day than the owner's other car comes.
        case apart
        /// After the deadline.
        case late
    }

    package var name: Name
    /// Minute-equivalents.
    package var minutes: Double

    package init(name: Name, minutes: Double) {
        self.name = name
        self.minutes = minutes
    }
}

/// A slot with its reason and its price.
package struct Offer: Sendable, Equatable {
    package var label: OfferLabel
    package var slot: Slot
    /// What makes up the price; terms of nothing are left out.
    package var terms: [CostTerm]

    package init(label: OfferLabel, slot: Slot, terms: [CostTerm]) {
        self.label = label
        self.slot = slot
        self.terms = terms
    }

    /// Minute-equivalents; lower is better.
    ///
    /// Above `SlotFinder.latePenalty` the slot is too late.
    package var cost: Double { terms.reduce(0) { $0 + $1.minutes } }
}

/// When a customer likes to come.
package struct VisitPreference: Sendable, Equatable, Codable {
    /// 1 is Monday; empty: any day.
    package var weekdays: Set<Int>
    /// Local minutes after midnight: from, up to and including `to`.
    package var from: Int
    package var to: Int

    package init(weekdays: Set<Int>, from: Int, to: Int) {
        self.weekdays = weekdays
        self.from = from
        self.to = to
    }

    func isMet(by local: CivilTime) -> Bool {
        (weekdays.isEmpty || weekdays.contains(local.date.weekday))
            && (from...max(from, to)).contains(local.minute)
    }
}

/// What a slot is looked for.
package struct SlotRequest: Sendable, Equatable {
    package var minutes: Int
    package var kinds: Set<BayKind>
    /// What the technician must be able to do.
    package var skills: Set<String>
    package var notBefore: Timestamp
    package var latestBy: Timestamp
    /// The early edge of the first crossing: what the risk of waiting is measured against.
    package var early: Timestamp
    package var preference: VisitPreference?
    /// Local dates on which the owner's other cars come to the station.
    package var companions: Set<CivilDate>
    /// It may take what is kept free for walk-ins.
    package var mayUseReserve: Bool
    /// The suggestion's own hold, which is not in its way.
    package var ownHold: OccupancyID?

    package init(
        minutes: Int,
        kinds: Set<BayKind>,
        skills: Set<String> = [],
        notBefore: Timestamp,
        latestBy: Timestamp,
        early: Timestamp,
        preference: VisitPreference? = nil,
        companions: Set<CivilDate> = [],
        mayUseReserve: Bool = false,
        ownHold: OccupancyID?
    ) {
        self.minutes = minutes
        self.kinds = kinds
        self.skills = skills
        self.notBefore = notBefore
        self.latestBy = latestBy
        self.early = early
        self.preference = preference
        self.companions = companions
        self.mayUseReserve = mayUseReserve
        self.ownHold = ownHold
    }
}

/// Free slots of one station, ranked.
package enum SlotFinder {
    /// An alternative half an hour later is no choice.
    private static let laterStep = Milliseconds.hours(2)
    /// Added to the cost of a slot after `latestBy`: any slot in time is better.
    package static let latePenalty = 10_000.0
    /// Weights of the cost terms, in minutes of inconvenience.
    private enum Weight {
        /// Waiting until the early edge of the crossing, at its end.
        static let risk = 60.0
        /// A visit on the day of the call: the customer has plans already.
        static let sameDay = 20.0
        /// A full day, from 65 % load on.
        static let load = 40.0
        static let comfortableLoad = 0.65
        /// A time the customer does not like.
        static let preference = 30.0
        /// A second way for an owner of several cars.
        static let apart = 15.0
    }

    /// What the price of a start depends on besides its time: the same for a whole day.
    private struct Day {
        /// The station's own.
        var date: CivilDate
        /// The day of the call.
        var isCallDay: Bool
        /// Share of the day that is taken.
        var load: Double
    }

    private struct Candidate {
        var slot: Slot
        var day: Day
        var cost: Double
    }

    /// Starts for which there is room at once: some days of a small station.
    private static let candidatesExpected = 256

    /// At most three offers: best, earliest, and the best at a preferred time or on another day.
    ///
    /// Empty when nothing is free within `Limits.slotSearchDaysMax`.
    package static func offers(
        _ request: SlotRequest,
        station: Station,
        calendar: StationCalendar
    ) -> [Offer] {
        let suitable = bays(for: request.kinds, of: station)
        let able = technicians(for: request.skills, of: station)
        guard !suitable.isEmpty, able.map({ !$0.isEmpty }) ?? true else { return [] }
        let first = station.zone.civil(request.notBefore).date.daysSinceEpoch
        var found: [Candidate] = []
        found.reserveCapacity(candidatesExpected)
        var daysWithCandidates = 0
        for day in first..<(first + Int64(Limits.slotSearchDaysMax)) {
            let date = CivilDate(daysSinceEpoch: day)
            let intervals = station.openIntervals(on: date)
            // Past the deadline only the first free days are of interest.
            if let opening = intervals.first?.start, opening > request.latestBy,
                daysWithCandidates >= 3
            {
                break
            }
            let load = load(of: intervals, station: station, calendar: calendar, request)
            guard load.isBelowReserve || request.mayUseReserve else { continue }
            let before = found.count
            find(
                within: intervals,
                bays: suitable,
                technicians: able,
                Day(date: date, isCallDay: day == first, load: load.before),
                request,
                station,
                calendar,
                into: &found
            )
            daysWithCandidates += found.count > before ? 1 : 0
        }
        return rank(found, request, station)
    }

    /// Every start on the grid within some days of a window that would do, with what it costs.
    ///
    /// What is kept for walk-ins counts as free: a person chooses.
    /// - Returns: by start.
    package static func free(
        _ request: SlotRequest,
        within window: OpenInterval,
        station: Station,
        calendar: StationCalendar
    ) -> [(slot: Slot, terms: [CostTerm])] {
        let suitable = bays(for: request.kinds, of: station)
        let able = technicians(for: request.skills, of: station)
        let today = station.zone.civil(request.notBefore).date.daysSinceEpoch
        let first = station.zone.civil(max(window.start, request.notBefore)).date.daysSinceEpoch
        var found: [Candidate] = []
        for day in first..<(first + Int64(Limits.slotSearchDaysMax)) {
            let date = CivilDate(daysSinceEpoch: day)
            let intervals = station.openIntervals(on: date)
            if let opening = intervals.first?.start, opening >= window.end { break }
            let load = load(of: intervals, station: station, calendar: calendar, request)
            find(
                within: intervals,
                bays: suitable,
                technicians: able,
                Day(date: date, isCallDay: day == today, load: load.before),
                request,
                station,
                calendar,
                into: &found
            )
        }
        return found.compactMap { candidate in
            let start = candidate.slot.interval.start
            guard window.start <= start, start < window.end else { return nil }
            return (candidate.slot, terms(of: candidate, request, station))
        }
    }

    /// Appends the starts of one day that would do, ascending.
    private static func find(
        within intervals: [OpenInterval],
        bays: [Int],
        technicians: [Int]?,
        _ day: Day,
        _ request: SlotRequest,
        _ station: Station,
        _ calendar: StationCalendar,
        into found: inout [Candidate]
    ) {
        for interval in intervals {
            for instant in starts(in: interval, station: station, request) {
                let start = Timestamp(milliseconds: instant)
                let end = start + .minutes(Int64(request.minutes))
                guard end <= interval.end else { break }
                guard
                    let slot = place(
                        OpenInterval(start: start, end: end),
                        bays: bays,
                        technicians: technicians,
                        buffer: .minutes(Int64(station.bufferMinutes)),
                        calendar,
                        except: request.ownHold
                    )
                else { continue }
                let cost = sum(prices(start, day, request, station))
                found.append(Candidate(slot: slot, day: day, cost: cost))
            }
        }
    }

    /// What a slot would cost now.
    package static func cost(
        of slot: Slot,
        _ request: SlotRequest,
        station: Station,
        calendar: StationCalendar
    ) -> Double {
        let date = station.zone.civil(slot.interval.start).date
        let load = load(
            of: station.openIntervals(on: date),
            station: station,
            calendar: calendar,
            request
        )
        let isCallDay = date == station.zone.civil(request.notBefore).date
        let day = Day(date: date, isCallDay: isCallDay, load: load.before)
        return sum(prices(slot.interval.start, day, request, station))
    }

    /// What a slot must be on, where that matters: places in `Station.bays` and `.technicians`.
    package struct Places: Sendable {
        package var bay: Int?
        package var technician: Int?

        package init(bay: Int? = nil, technician: Int? = nil) {
            self.bay = bay
            self.technician = technician
        }
    }

    /// A bay and a technician for a time somebody chose, without regard to reserve and buffer.
    package static func place(
        _ interval: OpenInterval,
        kinds: Set<BayKind>,
        skills: Set<String>,
        station: Station,
        calendar: StationCalendar,
        except: OccupancyID?,
        on places: Places = Places()
    ) -> Slot? {
        place(
            interval,
            bays: bays(for: kinds, of: station).filter { places.bay ?? $0 == $0 },
            technicians: technicians(for: skills, of: station)?
                .filter { places.technician ?? $0 == $0 },
            buffer: Milliseconds(0),
            calendar,
            except: except
        )
    }

    private static func bays(for kinds: Set<BayKind>, of station: Station) -> [Int] {
        station.bays.indices.filter { kinds.isSubset(of: station.bays[$0].kinds) }
    }

    /// Nil at a station that lists no technicians.
    private static func technicians(for skills: Set<String>, of station: Station) -> [Int]? {
        station.technicians.isEmpty
            ? nil
            : station.technicians.indices.filter {
                skills.isSubset(of: station.technicians[$0].skills)
            }
    }

    /// The first bay, and with it the first technician, that are free.
    private static func place(
        _ interval: OpenInterval,
        bays: [Int],
        technicians: [Int]?,
        buffer: Milliseconds,
        _ calendar: StationCalendar,
        except: OccupancyID?
    ) -> Slot? {
        let padded = OpenInterval(start: interval.start - buffer, end: interval.end + buffer)
        let bay = bays.first {
            calendar.isFree(Slot(bay: $0, interval: padded), except: except)
        }
        guard let bay else { return nil }
        guard let technicians else { return Slot(bay: bay, interval: interval) }
        return technicians.lazy.map { Slot(bay: bay, technician: $0, interval: interval) }
            .first { calendar.isFree($0, except: except) }
    }

    private static func rank(
        _ candidates: [Candidate],
        _ request: SlotRequest,
        _ station: Station
    ) -> [Offer] {
        // Candidates ascend by start, so the first of equal cost is the earlier one.
        guard let best = candidates.min(by: { $0.cost < $1.cost }) else { return [] }
        var offers: [Offer] = []
        var dates: [CivilDate] = []
        func add(_ label: OfferLabel, _ candidate: Candidate) {
            let terms = terms(of: candidate, request, station)
            offers.append(Offer(label: label, slot: candidate.slot, terms: terms))
            dates.append(candidate.day.date)
        }
        add(.best, best)
        if let first = candidates.first, first.slot != best.slot {
            add(.earliest, first)
        } else if let later = candidates.first(where: {
            $0.slot.interval.start >= best.slot.interval.start + laterStep
        }) {
            add(.later, later)
        }
        func isLiked(_ candidate: Candidate, by preference: VisitPreference) -> Bool {
            preference.isMet(by: station.zone.civil(candidate.slot.interval.start))
        }
        if let preference = request.preference, !isLiked(best, by: preference),
            let liked = candidates.lazy.filter({ isLiked($0, by: preference) })
                .min(by: { $0.cost < $1.cost }),
            !offers.contains(where: { $0.slot == liked.slot })
        {
            add(.preferred, liked)
            return offers
        }
        let others = candidates.lazy.filter { !dates.contains($0.day.date) }
        if let other = others.min(by: { $0.cost < $1.cost }) { add(.anotherDay, other) }
        return offers
    }

    /// In milliseconds since 1970.
    private static func starts(
        in interval: OpenInterval,
        station: Station,
        _ request: SlotRequest
    ) -> StrideTo<Int64> {
        let grid = Int64(station.gridMinutes) * 60_000
        let skipped = max(0, (request.notBefore - interval.start).rawValue)
        let first = interval.start.milliseconds + (skipped + grid - 1) / grid * grid
        return stride(from: first, to: interval.end.milliseconds, by: Int(grid))
    }

    private static func load(
        of intervals: [OpenInterval],
        station: Station,
        calendar: StationCalendar,
        _ request: SlotRequest
    ) -> (before: Double, isBelowReserve: Bool) {
        var open = 0.0
        var taken = 0.0
        var held = 0.0
        for interval in intervals {
            open += (interval.end - interval.start).minutes * Double(station.bays.count)
            let minutes = calendar.takenMinutes(within: interval, except: request.ownHold)
            taken += minutes.all
            held += minutes.held
        }
        guard open > 0 else { return (1, false) }
        let minutes = Double(request.minutes)
        return (
            taken / open,
            (taken + minutes) / open <= station.automaticFillShare
                // One hold a day there is always room for.
                && (held == 0 || (held + minutes) / open <= station.heldShare)
        )
    }

    /// What each part of the price is, in the order of `CostTerm.Name`.
    private static func prices(
        _ start: Timestamp,
        _ day: Day,
        _ request: SlotRequest,
        _ station: Station
    ) -> InlineArray<6, Double> {
        let window = max(1, (request.early - request.notBefore).minutes)
        let waited = min(2, max(0, (start - request.notBefore).minutes / window))
        let isLiked = request.preference?.isMet(by: station.zone.civil(start)) ?? true
        let isApart = !request.companions.isEmpty && !request.companions.contains(day.date)
        let late = (start - request.latestBy).minutes
        return [
            Weight.risk * waited * waited,
            day.isCallDay ? Weight.sameDay : 0,
            Weight.load * max(0, day.load - Weight.comfortableLoad),
            isLiked ? 0 : Weight.preference,
            isApart ? Weight.apart : 0,
            late > 0 ? latePenalty + late : 0,
        ]
    }

    private static func sum(_ prices: InlineArray<6, Double>) -> Double {
        var sum = 0.0
        for place in prices.indices { sum += prices[place] }
        return sum
    }

    private static func terms(
        of candidate: Candidate,
        _ request: SlotRequest,
        _ station: Station
    ) -> [CostTerm] {
        let prices = prices(candidate.slot.interval.start, candidate.day, request, station)
        return zip(CostTerm.Name.allCases, prices.indices).compactMap { name, place in
            prices[place] > 0 ? CostTerm(name: name, minutes: prices[place]) : nil
        }
    }
}
