import Rules
import Telemetry
package import Workshop

/// Live alerts of a vehicle → its one visit suggestion (machine suggestion).
extension Gateway {
    /// A suggestion nobody acted on ends this long after its deadline, a P0 much later.
    private static let lapseWindow = Milliseconds.days(Int64(14))
    private static let lapseWindowP0 = Milliseconds.days(Int64(60))
    /// A deadline that moves less is not worth a new version.
    private static let deadlineStep = Milliseconds.hours(6)
    /// A better slot is looked for at most this often.
    private static let lookPause = Milliseconds.hours(24)
    /// A better slot is taken when it costs at most this share of the one that is held.
    private static let betterShare = 0.75

    /// Brings the vehicle's suggestion into line with its alerts.
    mutating func replan(_ vehicle: VehicleID) {
        reviewVisit(of: vehicle)
        let entry = vehicles[Int(vehicle.index)]
        let live = entry.suggestion.flatMap { suggestions[$0] }
        let plannable = entry.alerts.compactMap { alerts[$0] }.filter {
            $0.isPlannable(now: now) || ($0.state == .planned && $0.suggestion == live?.id)
        }
        // An add-on, one a visit and the last of its jobs, rides along and makes no visit itself;
        // only for owners who agreed to offers.
        var causes = plannable.filter { !addOnRules.contains($0.ruleID) }
        if !causes.isEmpty, work[vehicle]?.facts.allowsOffers ?? false,
            let addOn = plannable.first(where: { addOnRules.contains($0.ruleID) })
        {
            causes.append(addOn)
        }
        guard !causes.isEmpty || !dueServices(of: vehicle).isEmpty else {
            if var live { loseBasis(&live) }
            return
        }
        let need = visitNeed(causes, of: vehicle, live)
        if var live {
            update(&live, causes: causes, need: need)
        } else {
            propose(vehicle, causes: causes, need: need)
        }
    }

    /// Alerts, and what else the visit would be for.
    ///
    /// What rides along never makes an urgent visit later, and nothing rides along with a P0.
    private func visitNeed(
        _ causes: [Alert],
        of vehicle: VehicleID,
        _ live: Suggestion?
    ) -> VisitNeed {
        let causes = causes.map { $0.cause(now: now) }
        let lines = lines(of: vehicle, symptoms: live?.symptoms ?? "")
        // A deadline leaves a working day to act, from the day the visit was proposed.
        let floor = stations[vehicles[Int(vehicle.index)].station]
            .instant(openDays: 1, after: live?.createdAt ?? now)
        let before = live?.need.latestBy
        let whole = planner.need(of: causes, with: lines, floor: floor, before: before, now: now)
        func ridesAlong(_ line: VisitLine) -> Bool { line.job != nil && line.reason != .stated }
        guard !causes.isEmpty, lines.contains(where: ridesAlong) else { return whole }
        let bare = planner.need(
            of: causes,
            with: lines.filter { !ridesAlong($0) },
            floor: floor,
            before: before,
            now: now
        )
        switch bare.urgency {
        case .p0: return bare
        case .p1:
            if let live { return live.need.lines.contains(where: ridesAlong) ? whole : bare }
            return start(of: whole, vehicle) > start(of: bare, vehicle) ? bare : whole
        case .p2, .p3: return whole
        }
    }

    /// The best start there is at the vehicle's own station.
    private func start(of need: VisitNeed, _ vehicle: VehicleID) -> Timestamp {
        let place = vehicles[Int(vehicle.index)].station
        return planner.offers(
            for: need,
            station: stations[place],
            calendar: calendars[place],
            now: now,
            preference: preference(of: vehicle),
            ownHold: nil
        ).first?.slot.interval.start ?? .distantFuture
    }

    private mutating func propose(_ vehicle: VehicleID, causes: [Alert], need: VisitNeed) {
        let station = vehicles[Int(vehicle.index)].station
        var suggestion = Suggestion(
            id: SuggestionID(rawValue: nextSuggestion),
            version: 1,
            vehicle: vehicle,
            station: station,
            state: .proposed,
            alerts: causes.map(\.id),
            need: need,
            offers: [],
            occupancy: nil,
            holdUntil: nil,
            createdAt: now,
            updatedAt: now,
            handling: Handling(
                contactDue: need.urgency.contactDue(from: now, station: stations[station])
            ),
            appointment: upcoming[vehicle],
            reopenedFrom: causes.compactMap(\.suggestion).max(),
            lookedAt: now,
            declineReason: nil,
            note: ""
        )
        nextSuggestion += 1
        unit.counts.suggestionsMade += 1
        vehicles[Int(vehicle.index)].suggestion = suggestion.id
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: "",
            SuggestionState.Event.plan.rawValue,
            to: suggestion.state.rawValue,
            by: .planner
        )
        bind(causes, to: suggestion.id)
        if !suggestion.isAmendment { holdBest(&suggestion) }
        schedule(.lapse, suggestion, at: lapseDue(suggestion))
        schedule(.contactDue, suggestion, at: suggestion.handling.contactDue)
        write(suggestion)
    }

    /// What has changed: the need itself, and whether the slot must move for it.
    private mutating func update(_ suggestion: inout Suggestion, causes: [Alert], need: VisitNeed) {
        let ids = causes.map(\.id)
        let start = suggestion.occupancy?.slot.interval.start
        let length = suggestion.occupancy.map { $0.slot.interval.end - $0.slot.interval.start }
        let isTooShort = length.map { $0 < .minutes(Int64(need.minutes)) } ?? false
        let isTooLate = start.map { $0 > need.latestBy && need.latestBy < suggestion.need.latestBy }
        let mustMove =
            !suggestion.isAmendment
            && (start == nil || need.jobs != suggestion.need.jobs || isTooShort
                || isTooLate ?? false)
        let deadlineMove = (need.latestBy - suggestion.need.latestBy).rawValue.magnitude
        let hasMoved =
            mustMove || ids != suggestion.alerts || need.lines != suggestion.need.lines
            || suggestion.handling.isBasisGone
            || causes.contains { $0.state == .open } || need.urgency != suggestion.need.urgency
            || deadlineMove >= Gateway.deadlineStep.rawValue.magnitude
        guard hasMoved else { return lookForBetter(&suggestion) }
        bind(causes, to: suggestion.id)
        if need.urgency < suggestion.need.urgency {
            let due = need.urgency.contactDue(from: now, station: stations[suggestion.station])
            suggestion.handling.contactDue = min(suggestion.handling.contactDue, due)
            schedule(.contactDue, suggestion, at: suggestion.handling.contactDue)
        }
        suggestion.alerts = ids
        suggestion.need = need
        suggestion.handling.isBasisGone = false
        if suggestion.state == .proposed {
            if mustMove { holdBest(&suggestion) }
        } else {
            // Whoever works on it is told, and keeps the slot they speak of.
            suggestion.handling.hasChanged = true
        }
        bump(&suggestion)
    }

    /// A clearly better slot is taken, but not one after the other.
    private mutating func lookForBetter(_ suggestion: inout Suggestion) {
        guard suggestion.state == .proposed, let held = suggestion.occupancy,
            now >= suggestion.lookedAt + Gateway.lookPause
        else { return }
        suggestion.lookedAt = now
        let station = stations[suggestion.station]
        let calendar = calendars[suggestion.station]
        let request = request(for: suggestion, at: suggestion.station)
        let offers = SlotFinder.offers(request, station: station, calendar: calendar)
        let cost = SlotFinder.cost(
            of: held.slot,
            request,
            station: station,
            calendar: calendar
        )
        if let best = offers.first, best.slot != held.slot,
            best.cost <= Gateway.betterShare * cost
        {
            hold(offers, &suggestion)
            bump(&suggestion)
        } else {
            write(suggestion)
        }
    }

    /// No alert asks for the visit any more.
    private mutating func loseBasis(_ suggestion: inout Suggestion) {
        guard suggestion.state.allows(.basisGone) else {
            guard !suggestion.handling.isBasisGone else { return }
            suggestion.handling.isBasisGone = true
            suggestion.handling.hasChanged = true
            return bump(&suggestion)
        }
        end(&suggestion, .basisGone, by: .system)
    }

    // MARK: Slots

    private func request(for suggestion: Suggestion, at station: Int) -> SlotRequest {
        planner.request(
            for: suggestion.need,
            station: stations[station],
            now: now,
            preference: preference(of: suggestion.vehicle),
            companions: companionDates(of: suggestion.vehicle, at: station),
            ownHold: suggestion.occupancy?.id
        )
    }

    /// What the customer said last, or what the desk has on file.
    private func preference(of vehicle: VehicleID) -> VisitPreference? {
        contacts[vehicle]?.preference ?? work[vehicle]?.facts.preference
    }

    /// What could be offered for a live suggestion now.
    package func offers(for id: SuggestionID, at station: Int? = nil) -> [Offer]? {
        suggestions[id].flatMap { suggestion in
            suggestion.state.isLive
                ? freshOffers(suggestion, at: station ?? suggestion.station) : nil
        }
    }

    /// All slots that would do for a live suggestion, within a window, at any station.
    package func freeSlots(
        for id: SuggestionID,
        at station: Int,
        within window: OpenInterval
    ) -> [(slot: Slot, terms: [CostTerm])]? {
        suggestions[id].flatMap { suggestion in
            guard suggestion.state.isLive else { return nil }
            return SlotFinder.free(
                request(for: suggestion, at: station),
                within: window,
                station: stations[station],
                calendar: calendars[station]
            )
        }
    }

    func freshOffers(_ suggestion: Suggestion) -> [Offer] {
        freshOffers(suggestion, at: suggestion.station)
    }

    func freshOffers(_ suggestion: Suggestion, at station: Int) -> [Offer] {
        SlotFinder.offers(
            request(for: suggestion, at: station),
            station: stations[station],
            calendar: calendars[station]
        )
    }

    /// Takes a hold on the best slot there is, giving up the one before.
    ///
    /// Whoever works on a suggestion speaks of its station, which then stays.
    /// - Returns: whether the hold before goes on.
    @discardableResult
    mutating func holdBest(
        _ suggestion: inout Suggestion,
        mayLengthen: Bool = false
    ) -> Bool {
        guard suggestion.state == .proposed else {
            return hold(freshOffers(suggestion), &suggestion, mayLengthen: mayLengthen)
        }
        let (station, reason, offers) = chooseStation(for: suggestion)
        suggestion.stationReason = reason
        if station != suggestion.station {
            release(&suggestion)
            suggestion.station = station
        }
        return hold(offers, &suggestion, mayLengthen: mayLengthen)
    }

    @discardableResult
    private mutating func hold(
        _ offers: [Offer],
        _ suggestion: inout Suggestion,
        mayLengthen: Bool = false
    ) -> Bool {
        suggestion.offers = offers
        suggestion.lookedAt = now
        guard let best = offers.first?.slot else {
            release(&suggestion)
            return false
        }
        let held = suggestion.occupancy.flatMap { $0.slot == best ? $0 : nil }
        if held != nil, (suggestion.holdUntil ?? now) > now { return true }
        let until = planner.holdEnd(
            of: best,
            urgency: suggestion.need.urgency,
            station: stations[suggestion.station],
            now: now
        )
        if let held, mayLengthen {
            lengthen(held, at: suggestion.station, for: .suggestion(suggestion.id), until: until)
        } else {
            release(&suggestion)
            suggestion.occupancy = occupy(
                best,
                .hold,
                at: suggestion.station,
                for: .suggestion(suggestion.id),
                until: until
            )
        }
        suggestion.holdUntil = until
        schedule(.holdEnd, suggestion, at: until)
        return held != nil && mayLengthen
    }

    // MARK: By the clock

    /// A hold ran out: the best slot there is now is held.
    ///
    /// Where that is the same one for the same visit, the hold is lengthened, and there is no new
    /// version: near its slot a hold lasts minutes, and a page that shows the suggestion stays good.
    mutating func endHold(_ id: SuggestionID, due: Timestamp) {
        guard var suggestion = suggestions[id], suggestion.state.allows(.replan),
            suggestion.holdUntil == due
        else { return }
        let causes = suggestion.alerts.compactMap { alerts[$0] }.filter { $0.state == .planned }
        if !causes.isEmpty, causes.allSatisfy({ isSilent($0) }) {
            for cause in causes {
                var alert = cause
                closeSilent(&alert)
                write(alert)
            }
            return replan(suggestion.vehicle)
        }
        guard !causes.isEmpty || !dueServices(of: suggestion.vehicle).isEmpty else {
            return replan(suggestion.vehicle)
        }
        let before = suggestion
        suggestion.need = visitNeed(causes, of: suggestion.vehicle, suggestion)
        let isSame = suggestion.need.asksForTheSame(as: before.need)
        let goesOn = holdBest(&suggestion, mayLengthen: isSame)
        if goesOn, suggestion.stationReason == before.stationReason { return write(suggestion) }
        if suggestion.state == .waiting { suggestion.handling.hasChanged = true }
        bump(&suggestion)
    }

    mutating func lapse(_ id: SuggestionID) {
        guard var suggestion = suggestions[id], suggestion.state.isLive else { return }
        guard lapseDue(suggestion) <= now, suggestion.state.allows(.lapse) else {
            // Somebody has the lease, or the deadline has moved: look again then.
            let due = max(lapseDue(suggestion), suggestion.handling.leaseUntil ?? now)
            return schedule(.lapse, suggestion, at: max(due, now + .minutes(1)))
        }
        end(&suggestion, .lapse, by: .clock)
        restWork(of: suggestion.vehicle, suggestion.need, isDeclined: false)
        // The alerts open again, but pause, so that the row does not come back the same minute.
        for alert in suggestion.alerts {
            guard var alert = alerts[alert], alert.state == .planned else { continue }
            unplan(&alert, reason: "nobody acted", by: .clock)
            write(alert)
        }
    }

    private func lapseDue(_ suggestion: Suggestion) -> Timestamp {
        max(suggestion.need.latestBy, suggestion.createdAt)
            + (suggestion.need.urgency == .p0 ? Gateway.lapseWindowP0 : Gateway.lapseWindow)
    }

    mutating func schedule(_ kind: TimerKind, _ suggestion: Suggestion, at due: Timestamp) {
        timers.insert(
            TimerQueue.Entry(due: due, kind: kind, record: suggestion.id.rawValue)
        )
    }

    /// After a restart: everything that a suggestion's state lets fall due.
    mutating func scheduleAll(_ suggestion: Suggestion) {
        let handling = suggestion.handling
        switch suggestion.state {
        case .proposed, .leased, .waiting:
            schedule(.lapse, suggestion, at: lapseDue(suggestion))
            schedule(.contactDue, suggestion, at: handling.contactDue)
            if let until = suggestion.holdUntil { schedule(.holdEnd, suggestion, at: until) }
            if let until = handling.leaseUntil { schedule(.leaseEnd, suggestion, at: until) }
            if let wait = handling.wait { schedule(.waitEnd, suggestion, at: wait.until) }
        case .declined: schedule(.undoEnd, suggestion, at: undoEnd(suggestion))
        case .booked, .withdrawn, .merged, .expired: break
        }
    }

    // MARK: Records

    mutating func bind(_ causes: [Alert], to suggestion: SuggestionID) {
        for cause in causes where cause.state == .open {
            var alert = cause
            alert.suggestion = suggestion
            alert.due = nil
            alert.putOff = nil
            move(&alert, .planned, by: .planner)
            write(alert)
        }
    }

    mutating func release(_ suggestion: inout Suggestion) {
        guard let occupancy = suggestion.occupancy else { return }
        free(occupancy.id, at: suggestion.station)
        suggestion.occupancy = nil
        suggestion.holdUntil = nil
    }

    /// The one way a suggestion changes its state.
    /// - Precondition: the machine allows it.
    mutating func move(
        _ suggestion: inout Suggestion,
        _ event: SuggestionState.Event,
        by actor: Actor,
        reason: String = ""
    ) {
        guard let target = SuggestionState.target(from: suggestion.state, on: event) else {
            preconditionFailure("A suggestion that is \(suggestion.state) knows no \(event).")
        }
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: suggestion.state.rawValue,
            event.rawValue,
            to: target.rawValue,
            by: actor,
            reason: reason
        )
        suggestion.state = target
        suggestion.updatedAt = now
    }

    /// Ends a suggestion: its slot is free, and its vehicle may have another.
    mutating func end(
        _ suggestion: inout Suggestion,
        _ event: SuggestionState.Event,
        by actor: Actor,
        reason: String = ""
    ) {
        release(&suggestion)
        move(&suggestion, event, by: actor, reason: reason)
        suggestion.handling.leaseUntil = nil
        suggestion.handling.wait = nil
        suggestion.version += 1
        vehicles[Int(suggestion.vehicle.index)].suggestion = nil
        write(suggestion)
    }

    /// Something about a live suggestion has changed; where the machine knows it, it is a re-plan.
    mutating func bump(_ suggestion: inout Suggestion) {
        if suggestion.state.allows(.replan) {
            move(&suggestion, .replan, by: .planner)
        }
        suggestion.version += 1
        suggestion.updatedAt = now
        write(suggestion)
    }

    mutating func write(_ suggestion: Suggestion) {
        audit(suggestion, before: suggestions[suggestion.id])
        unit.suggestions.append(suggestion)
        // A declined one can be taken back for a while.
        let isKept = suggestion.state.isLive || suggestion.state == .declined
        suggestions[suggestion.id] = isKept ? suggestion : nil
    }
}

extension Suggestion: AuditedRecord {
    static var machine: Transition.Machine { .suggestion }
    var recordNumber: Int64 { id.rawValue }

    var auditFields: [(name: String, value: String)] {
        func text(_ time: Timestamp?) -> String { time.map { "\($0)" } ?? "" }
        return [
            ("version", "\(version)"),
            ("class", need.urgency.name),
            ("latest_by", "\(need.latestBy)"),
            ("jobs", need.jobs.joined(separator: ",")),
            ("alerts", alerts.map { "\($0.rawValue)" }.joined(separator: ",")),
            ("slot_start", text(occupancy?.slot.interval.start)),
            ("hold_until", text(holdUntil)),
            ("queue", handling.queue.rawValue),
            ("owner", handling.owner ?? ""),
            ("lease_until", text(handling.leaseUntil)),
            ("wait", handling.wait?.kind.rawValue ?? ""),
            ("wait_until", text(handling.wait?.until)),
            ("attempts", "\(handling.attempts)"),
            ("failures", "\(handling.failures)"),
            ("appointment", appointment.map { "\($0.rawValue)" } ?? ""),
            ("decline_reason", declineReason?.rawValue ?? ""),
            ("note", note),
            ("symptoms", symptoms),
            ("station_reason", stationReason.rawValue),
        ]
    }
}
