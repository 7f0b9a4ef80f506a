package import Telemetry

/// One reason for a visit.
package struct VisitCause: Sendable, Equatable {
    package var alert: AlertID
    package var consequence: Consequence
    /// Early edge of the crossing; the time of judgement when the limit is met already.
    package var early: Timestamp
    package var isCrossed: Bool
    package var jobs: [String]

    package init(
        alert: AlertID,
        consequence: Consequence,
        early: Timestamp,
        isCrossed: Bool,
        jobs: [String]
    ) {
        self.alert = alert
        self.consequence = consequence
        self.early = early
        self.isCrossed = isCrossed
        self.jobs = jobs
    }
}

/// What a visit is for, by when, and how long it takes; independent of the calendar.
package struct VisitNeed: Sendable, Equatable {
    package var urgency: Urgency
    package var latestBy: Timestamp
    package var early: Timestamp
    /// Codes of the jobs, in catalogue order, each once.
    package var jobs: [String]
    package var minutes: Int
    package var kinds: Set<BayKind>

    package init(
        urgency: Urgency,
        latestBy: Timestamp,
        early: Timestamp,
        jobs: [String],
        minutes: Int,
        kinds: Set<BayKind>
    ) {
        self.urgency = urgency
        self.latestBy = latestBy
        self.early = early
        self.jobs = jobs
        self.minutes = minutes
        self.kinds = kinds
    }
}

/// Causes of one vehicle → one visit: need, offers, hold.
///
/// Pure: the same causes, calendar and time give the same plan. Ties are broken by catalogue
/// order, bay order and time, never by the order of causes.
package struct VisitPlanner: Sendable {
    package let catalogue: [Job]

    package init(catalogue: [Job]) {
        self.catalogue = catalogue
    }

    package func job(_ code: String) -> Job? { catalogue.first { $0.code == code } }

    /// - Precondition: there is at least one cause.
    package func need(of causes: [VisitCause], now: Timestamp) -> VisitNeed {
        precondition(!causes.isEmpty, "A visit needs a cause.")
        let wanted = Set(causes.flatMap(\.jobs))
        let jobs = catalogue.filter { wanted.contains($0.code) }
        var minutes = 0
        var groups: Set<String> = []
        for job in jobs {
            minutes += job.minutes
            if let group = job.sharedGroup, !groups.insert(group).inserted {
                minutes -= min(job.sharedMinutes, job.minutes)
            }
        }
        return VisitNeed(
            urgency: causes.map {
                $0.consequence.urgency(
                    untilEarly: ($0.early - now).days,
                    isCrossed: $0.isCrossed
                )
            }.min() ?? .p3,
            latestBy: causes.map { $0.early - $0.consequence.margin }.min() ?? now,
            early: causes.map(\.early).min() ?? now,
            jobs: jobs.map(\.code),
            minutes: minutes,
            kinds: Set(jobs.map(\.bayKind))
        )
    }

    package func offers(
        for need: VisitNeed,
        station: Station,
        calendar: StationCalendar,
        now: Timestamp,
        ownHold: OccupancyID?
    ) -> [Offer] {
        SlotFinder.offers(
            SlotRequest(
                minutes: need.minutes,
                kinds: need.kinds,
                notBefore: station.instant(
                    openMinutes: need.urgency.contactMinutes + need.urgency.noticeMinutes,
                    after: now
                ),
                latestBy: need.latestBy,
                early: need.early,
                ownHold: ownHold
            ),
            station: station,
            calendar: calendar
        )
    }

    /// When a hold on `slot` runs out: by class, but early enough that the customer still gets the
    /// notice; never in the past.
    package func holdEnd(
        of slot: Slot,
        urgency: Urgency,
        station: Station,
        now: Timestamp
    ) -> Timestamp {
        let cut = station.instant(
            openMinutes: urgency.noticeMinutes,
            before: slot.interval.start
        )
        return max(min(urgency.holdEnd(now: now, station: station), cut), now + .minutes(15))
    }
}
