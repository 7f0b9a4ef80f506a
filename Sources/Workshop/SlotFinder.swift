package import Telemetry

/// Why a slot is offered.
package enum OfferLabel: String, CaseIterable, Sendable {
    case best
    case earliest
    /// Later on the same day, where the best is the earliest too.
    case later
    case anotherDay = "another_day"
}

/// A slot with its reason and its price.
package struct Offer: Sendable, Equatable {
    package var label: OfferLabel
    package var slot: Slot
    /// Minute-equivalents; lower is better.
    ///
    /// Above `SlotFinder.latePenalty` the slot is too late.
    package var cost: Double

    package init(label: OfferLabel, slot: Slot, cost: Double) {
        self.label = label
        self.slot = slot
        self.cost = cost
    }
}

/// What a slot is looked for.
package struct SlotRequest: Sendable, Equatable {
    package var minutes: Int
    package var kinds: Set<BayKind>
    package var notBefore: Timestamp
    package var latestBy: Timestamp
    /// The early edge of the first crossing: what the risk of waiting is measured against.
    package var early: Timestamp
    /// The suggestion's own hold, which is not in its way.
    package var ownHold: OccupancyID?

    package init(
        minutes: Int,
        kinds: Set<BayKind>,
        notBefore: Timestamp,
        latestBy: Timestamp,
        early: Timestamp,
        ownHold: OccupancyID?
    ) {
        self.minutes = minutes
        self.kinds = kinds
        self.notBefore = notBefore
        self.latestBy = latestBy
        self.early = early
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
    }

    /// At most three offers: best, earliest, and the best on another day.
    ///
    /// Empty when nothing is free within `Limits.slotSearchDaysMax`.
    package static func offers(
        _ request: SlotRequest,
        station: Station,
        calendar: StationCalendar
    ) -> [Offer] {
        let suitable = station.bays.indices.filter {
            request.kinds.isSubset(of: station.bays[$0].kinds)
        }
        guard !suitable.isEmpty else { return [] }
        let callDay = station.zone.civil(request.notBefore).date
        let first = callDay.daysSinceEpoch
        var candidates: [(slot: Slot, day: Int64, cost: Double)] = []
        var daysWithCandidates = 0
        for day in first..<(first + Int64(Limits.slotSearchDaysMax)) {
            let before = candidates.count
            defer { daysWithCandidates += candidates.count > before ? 1 : 0 }
            let intervals = station.openIntervals(on: CivilDate(daysSinceEpoch: day))
            // Past the deadline only the first free days are of interest.
            if let opening = intervals.first?.start, opening > request.latestBy,
                daysWithCandidates >= 3
            {
                break
            }
            let load = load(of: intervals, station: station, calendar: calendar, request)
            guard load.after <= station.automaticFillShare else { continue }
            for interval in intervals {
                for start in starts(in: interval, station: station, request) {
                    let end = start + .minutes(Int64(request.minutes))
                    guard end <= interval.end else { break }
                    guard
                        let bay = suitable.first(where: {
                            let buffer = Milliseconds.minutes(Int64(station.bufferMinutes))
                            let padded = OpenInterval(start: start - buffer, end: end + buffer)
                            return calendar.isFree(
                                Slot(bay: $0, interval: padded),
                                except: request.ownHold
                            )
                        })
                    else { continue }
                    let slot = Slot(bay: bay, interval: OpenInterval(start: start, end: end))
                    candidates.append(
                        (slot, day, cost(of: start, day == first, load.before, request))
                    )
                }
            }
        }
        return rank(candidates)
    }

    private static func rank(
        _ candidates: [(slot: Slot, day: Int64, cost: Double)]
    ) -> [Offer] {
        // Candidates ascend by start, so the first of equal cost is the earlier one.
        guard let best = candidates.min(by: { $0.cost < $1.cost }) else { return [] }
        var offers = [Offer(label: .best, slot: best.slot, cost: best.cost)]
        var days: Set<Int64> = [best.day]
        if let first = candidates.first, first.slot != best.slot {
            offers.append(Offer(label: .earliest, slot: first.slot, cost: first.cost))
            days.insert(first.day)
        } else if let later = candidates.first(where: {
            $0.day == best.day
                && $0.slot.interval.start >= best.slot.interval.start + laterStep
        }) {
            offers.append(Offer(label: .later, slot: later.slot, cost: later.cost))
            days.insert(later.day)
        }
        let others = candidates.filter { !days.contains($0.day) }
        if let other = others.min(by: { $0.cost < $1.cost }) {
            offers.append(Offer(label: .anotherDay, slot: other.slot, cost: other.cost))
        }
        return offers
    }

    private static func starts(
        in interval: OpenInterval,
        station: Station,
        _ request: SlotRequest
    ) -> [Timestamp] {
        let grid = Int64(station.gridMinutes) * 60_000
        let skipped = max(0, (request.notBefore - interval.start).rawValue)
        let first = interval.start.milliseconds + (skipped + grid - 1) / grid * grid
        return stride(from: first, to: interval.end.milliseconds, by: Int(grid))
            .map(Timestamp.init(milliseconds:))
    }

    private static func load(
        of intervals: [OpenInterval],
        station: Station,
        calendar: StationCalendar,
        _ request: SlotRequest
    ) -> (before: Double, after: Double) {
        var open = 0.0
        var taken = 0.0
        for interval in intervals {
            open += (interval.end - interval.start).minutes * Double(station.bays.count)
            taken += calendar.takenMinutes(within: interval, except: request.ownHold)
        }
        guard open > 0 else { return (1, .infinity) }
        return (taken / open, (taken + Double(request.minutes)) / open)
    }

    private static func cost(
        of start: Timestamp,
        _ isCallDay: Bool,
        _ load: Double,
        _ request: SlotRequest
    ) -> Double {
        let window = max(1, (request.early - request.notBefore).minutes)
        let waited = min(2, max(0, (start - request.notBefore).minutes / window))
        var cost = Weight.risk * waited * waited
        if isCallDay { cost += Weight.sameDay }
        cost += Weight.load * max(0, load - Weight.comfortableLoad)
        if start > request.latestBy {
            cost += latePenalty + (start - request.latestBy).minutes
        }
        return cost
    }
}
