package import Telemetry

/// One reason for a visit.
package struct VisitCause: Sendable, Equatable {
    package var alert: AlertID
    package var consequence: Consequence
    /// The day to act by; nil when the limit is met already: now.
    package var actBy: Timestamp?
    package var severity: Severity
    package var jobs: [String]

    package init(
        alert: AlertID,
        consequence: Consequence,
        actBy: Timestamp?,
        severity: Severity,
        jobs: [String]
    ) {
        self.alert = alert
        self.consequence = consequence
        self.actBy = actBy
        self.severity = severity
        self.jobs = jobs
    }
}

/// What a visit is for, by when, and how long it takes; independent of the calendar.
package struct VisitNeed: Sendable, Equatable {
    package var urgency: Urgency
    package var latestBy: Timestamp
    package var early: Timestamp
    /// Before, the work would be waste.
    package var earliestUseful: Timestamp
    /// Codes of the jobs, in catalogue order, each once.
    package var jobs: [String]
    package var minutes: Int
    package var kinds: Set<BayKind>
    package var skills: Set<String>
    /// Days until every part is there.
    package var partsLeadDays: Int
    /// What it is for besides its alerts.
    package var lines: [VisitLine]

    package init(
        urgency: Urgency,
        latestBy: Timestamp,
        early: Timestamp,
        earliestUseful: Timestamp,
        jobs: [String],
        minutes: Int,
        kinds: Set<BayKind>,
        skills: Set<String>,
        partsLeadDays: Int,
        lines: [VisitLine]
    ) {
        self.urgency = urgency
        self.latestBy = latestBy
        self.early = early
        self.earliestUseful = earliestUseful
        self.jobs = jobs
        self.minutes = minutes
        self.kinds = kinds
        self.skills = skills
        self.partsLeadDays = partsLeadDays
        self.lines = lines
    }

    /// Whether a customer would be told the same of it: the same work, as soon.
    package func asksForTheSame(as other: VisitNeed) -> Bool {
        urgency == other.urgency && latestBy == other.latestBy && jobs == other.jobs
            && lines == other.lines
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

    /// The job a due service is; nil when the catalogue has none.
    package var serviceJob: String? { catalogue.first { $0.answers == .dueService }?.code }

    /// The job that looks into what a customer says; nil when the catalogue has none.
    package var symptomJob: String? { catalogue.first { $0.answers == .symptoms }?.code }

    /// What a visit for these causes, and these lines with it, comes to.
    ///
    /// A due service is due like a cause; other lines ride along. `floor` is the earliest deadline
    /// that leaves time to act: while no limit is met, none is before it. `before` is the deadline
    /// told before: of a limit that is met it stays the moment when that was seen.
    /// - Precondition: there is at least one cause or line.
    package func need(
        of causes: [VisitCause],
        with lines: [VisitLine] = [],
        floor: Timestamp = .distantPast,
        before: Timestamp? = nil,
        now: Timestamp
    ) -> VisitNeed {
        precondition(!(causes.isEmpty && lines.isEmpty), "A visit needs a cause.")
        let work = work(causes.flatMap(\.jobs) + lines.compactMap(\.job))
        let due = lines.filter { $0.reason == .service }.compactMap(\.due)
        let early = (causes.map { $0.actBy ?? now } + due).min() ?? now
        // One cause that wants work at once makes the whole visit useful now.
        let useful = causes.map { cause in
            guard let actBy = cause.actBy, let lead = cause.consequence.usefulLead else {
                return now
            }
            return max(now, actBy - lead)
        }
        let deadlines = causes.map { cause in
            cause.actBy.map { max($0 - cause.consequence.margin, floor) } ?? min(now, before ?? now)
        }
        return VisitNeed(
            urgency: causes.map { $0.consequence.urgency($0.severity) }.min() ?? .p3,
            latestBy: (deadlines + due).min() ?? now,
            early: early,
            earliestUseful: useful.min() ?? now,
            jobs: work.map(\.code),
            minutes: minutes(of: work),
            kinds: Set(work.map(\.bayKind)),
            skills: Set(work.compactMap(\.skill)),
            partsLeadDays: work.map(\.partsLeadDays).max() ?? 0,
            lines: lines
        )
    }

    /// The same need with more jobs and lines in it.
    package func adding(
        _ codes: [String],
        _ lines: [VisitLine] = [],
        to need: VisitNeed
    ) -> VisitNeed {
        let work = work(need.jobs + codes + lines.compactMap(\.job))
        var wider = need
        wider.lines += lines.filter { !need.lines.contains($0) }
        wider.jobs = work.map(\.code)
        wider.minutes = minutes(of: work)
        wider.kinds = Set(work.map(\.bayKind))
        wider.skills = Set(work.compactMap(\.skill))
        wider.partsLeadDays = work.map(\.partsLeadDays).max() ?? 0
        return wider
    }

    /// Work nobody's alert asks for: a walk-in, or what a customer says.
    package func need(ofJobs codes: [String], now: Timestamp) -> VisitNeed {
        adding(
            codes,
            to: VisitNeed(
                urgency: .p3,
                latestBy: .distantFuture,
                early: .distantFuture,
                earliestUseful: now,
                jobs: [],
                minutes: 0,
                kinds: [],
                skills: [],
                partsLeadDays: 0,
                lines: []
            )
        )
    }

    /// Jobs in catalogue order, each once.
    private func work(_ codes: [String]) -> [Job] {
        // A few codes are compared sooner than hashed.
        catalogue.filter { codes.contains($0.code) }
    }

    private func minutes(of work: [Job]) -> Int {
        var minutes = 0
        var groups: Set<String> = []
        for job in work {
            minutes += job.minutes
            if let group = job.sharedGroup, !groups.insert(group).inserted {
                minutes -= min(job.sharedMinutes, job.minutes)
            }
        }
        return minutes
    }

    /// What the finder is asked for a need: after first contact, notice and parts, and not before
    /// the work is useful unless that would be too late.
    package func request(
        for need: VisitNeed,
        station: Station,
        now: Timestamp,
        preference: VisitPreference?,
        companions: Set<CivilDate> = [],
        ownHold: OccupancyID?
    ) -> SlotRequest {
        let contacted = station.instant(
            openMinutes: need.urgency.contactMinutes + need.urgency.noticeMinutes,
            after: now
        )
        let supplied = now + .days(Int64(need.partsLeadDays))
        let useful = need.earliestUseful <= need.latestBy ? need.earliestUseful : now
        return SlotRequest(
            minutes: need.minutes,
            kinds: need.kinds,
            skills: need.skills,
            notBefore: max(contacted, need.partsLeadDays > 0 ? supplied : now, useful),
            latestBy: need.latestBy,
            early: need.early,
            preference: preference,
            companions: companions,
            mayUseReserve: need.urgency == .p0,
            ownHold: ownHold
        )
    }

    package func offers(
        for need: VisitNeed,
        station: Station,
        calendar: StationCalendar,
        now: Timestamp,
        preference: VisitPreference? = nil,
        ownHold: OccupancyID?
    ) -> [Offer] {
        SlotFinder.offers(
            request(
                for: need,
                station: station,
                now: now,
                preference: preference,
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
