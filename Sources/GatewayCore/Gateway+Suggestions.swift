import Rules
import Telemetry
import Workshop

/// Live alerts of a vehicle → its one visit suggestion (`states.tsv`, machine suggestion).
extension Gateway {
    /// A suggestion nobody acted on ends this long after its deadline, a P0 much later.
    private static let lapseWindow = Milliseconds.days(Int64(14))
    private static let lapseWindowP0 = Milliseconds.days(Int64(60))
    /// After a booked visit an alert that still fires is planned again.
    private static let visitWindow = Milliseconds.days(Int64(7))
    /// A deadline that moves less is not worth a new version.
    private static let deadlineStep = Milliseconds.hours(6)

    /// Brings the vehicle's suggestion into line with its alerts.
    mutating func replan(_ vehicle: VehicleID) {
        let entry = vehicles[Int(vehicle.index)]
        let live = entry.suggestion.flatMap { suggestions[$0] }
        let plannable = entry.alerts.compactMap { alerts[$0] }.filter {
            $0.state == .open || ($0.state == .planned && $0.suggestion == live?.id)
        }
        // An add-on, one a visit and the last of its jobs, rides along and makes no visit itself.
        var causes = plannable.filter { !addOnRules.contains($0.ruleID) }
        if !causes.isEmpty, let addOn = plannable.first(where: { addOnRules.contains($0.ruleID) }) {
            causes.append(addOn)
        }
        guard !causes.isEmpty else {
            if var live { withdraw(&live) }
            return
        }
        let need = planner.need(of: causes.map { $0.cause(now: now) }, now: now)
        if var live {
            update(&live, causes: causes, need: need)
        } else {
            propose(vehicle, causes: causes, need: need)
        }
    }

    private mutating func propose(_ vehicle: VehicleID, causes: [Alert], need: VisitNeed) {
        var suggestion = Suggestion(
            id: SuggestionID(rawValue: nextSuggestion),
            version: 1,
            vehicle: vehicle,
            station: vehicles[Int(vehicle.index)].station,
            state: .proposed,
            alerts: causes.map(\.id),
            need: need,
            offers: [],
            occupancy: nil,
            holdUntil: nil,
            createdAt: now,
            updatedAt: now,
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
            "plan",
            to: "proposed",
            by: "planner"
        )
        bind(causes, to: suggestion.id)
        holdBest(&suggestion)
        scheduleLapse(suggestion)
        write(suggestion)
    }

    private mutating func update(_ suggestion: inout Suggestion, causes: [Alert], need: VisitNeed) {
        let ids = causes.map(\.id)
        let start = suggestion.occupancy?.slot.interval.start
        let isTooLate = start.map { $0 > need.latestBy && need.latestBy < suggestion.need.latestBy }
        let mustMove =
            start == nil || need.jobs != suggestion.need.jobs || isTooLate ?? false
        let deadlineMove = (need.latestBy - suggestion.need.latestBy).rawValue.magnitude
        guard
            mustMove || ids != suggestion.alerts || need.urgency != suggestion.need.urgency
                || deadlineMove >= Gateway.deadlineStep.rawValue.magnitude
        else { return }
        bind(causes, to: suggestion.id)
        suggestion.alerts = ids
        suggestion.need = need
        if mustMove { holdBest(&suggestion) }
        bump(&suggestion, "replan", by: "planner")
    }

    /// Takes a hold on the best slot there is, giving up the one before.
    private mutating func holdBest(_ suggestion: inout Suggestion) {
        let station = stations[suggestion.station]
        suggestion.offers = planner.offers(
            for: suggestion.need,
            station: station,
            calendar: calendars[suggestion.station],
            now: now,
            ownHold: suggestion.occupancy?.id
        )
        let best = suggestion.offers.first?.slot
        if let best, best == suggestion.occupancy?.slot, (suggestion.holdUntil ?? now) > now {
            return
        }
        release(&suggestion)
        guard let best else { return }
        let until = planner.holdEnd(
            of: best,
            urgency: suggestion.need.urgency,
            station: station,
            now: now
        )
        occupy(best, .hold, for: &suggestion, until: until)
        timers.insert(
            TimerQueue.Entry(
                due: until,
                kind: .holdEnd,
                record: suggestion.id.rawValue
            )
        )
    }

    // MARK: By the clock

    /// A hold ran out: the slot is free again, and the best one there is now is held.
    mutating func endHold(_ id: SuggestionID, due: Timestamp) {
        guard var suggestion = suggestions[id], suggestion.state == .proposed,
            suggestion.holdUntil == due
        else { return }
        let causes = suggestion.alerts.compactMap { alerts[$0] }
        if causes.allSatisfy(isSilent) {
            for cause in causes {
                var alert = cause
                closeSilent(&alert)
                write(alert)
            }
            return replan(suggestion.vehicle)
        }
        suggestion.need = planner.need(of: causes.map { $0.cause(now: now) }, now: now)
        holdBest(&suggestion)
        bump(&suggestion, "replan", by: "planner")
    }

    mutating func lapse(_ id: SuggestionID) {
        guard var suggestion = suggestions[id], suggestion.state == .proposed else { return }
        guard lapseDue(suggestion) <= now else { return scheduleLapse(suggestion) }
        release(&suggestion)
        end(&suggestion, .expired, "lapse", by: "clock")
        // The alerts open again, muted until they get worse, so that the row does not come back
        // the same minute.
        for alert in suggestion.alerts {
            guard var alert = alerts[alert], alert.state == .planned else { continue }
            mute(&alert, reason: .unreachableFinal, actor: "clock")
            write(alert)
        }
    }

    private func lapseDue(_ suggestion: Suggestion) -> Timestamp {
        max(suggestion.need.latestBy, suggestion.createdAt)
            + (suggestion.need.urgency == .p0 ? Gateway.lapseWindowP0 : Gateway.lapseWindow)
    }

    mutating func scheduleLapse(_ suggestion: Suggestion) {
        timers.insert(
            TimerQueue.Entry(
                due: lapseDue(suggestion),
                kind: .lapse,
                record: suggestion.id.rawValue
            )
        )
    }

    /// A week after a booked visit: what still fires is planned again.
    mutating func closeVisit(_ id: SuggestionID) {
        guard let suggestion = suggestions[id], suggestion.state == .booked else { return }
        suggestions[id] = nil
        if let occupancy = suggestion.occupancy {
            calendars[suggestion.station].remove(occupancy.id)
        }
        for alert in suggestion.alerts {
            guard var alert = alerts[alert], alert.state == .planned else { continue }
            alert.suggestion = nil
            enter(.open, "unplanned", &alert, by: "clock", reason: "still firing after the visit")
            write(alert)
        }
        replan(suggestion.vehicle)
    }

    func visitPast(_ suggestion: Suggestion) -> TimerQueue.Entry? {
        suggestion.occupancy.map {
            TimerQueue.Entry(
                due: $0.slot.interval.end + Gateway.visitWindow,
                kind: .visitPast,
                record: suggestion.id.rawValue
            )
        }
    }

    // MARK: Records

    private mutating func withdraw(_ suggestion: inout Suggestion) {
        release(&suggestion)
        end(&suggestion, .withdrawn, "basis_gone", by: "system")
    }

    private mutating func bind(_ causes: [Alert], to suggestion: SuggestionID) {
        for cause in causes where cause.state == .open {
            var alert = cause
            alert.suggestion = suggestion
            enter(.planned, "planned", &alert, by: "planner")
            write(alert)
        }
    }

    mutating func occupy(
        _ slot: Slot,
        _ kind: Occupancy.Kind,
        for suggestion: inout Suggestion,
        until: Timestamp?
    ) {
        let occupancy = Occupancy(
            id: OccupancyID(rawValue: nextOccupancy),
            slot: slot,
            kind: kind
        )
        nextOccupancy += 1
        calendars[suggestion.station].insert(occupancy)
        suggestion.occupancy = occupancy
        suggestion.holdUntil = until
        unit.occupancies.append(
            OccupancyRow(
                occupancy: occupancy,
                bayCode: stations[suggestion.station].bays[slot.bay].code,
                suggestion: suggestion.id,
                expiresAt: until
            )
        )
    }

    mutating func release(_ suggestion: inout Suggestion) {
        guard let occupancy = suggestion.occupancy else { return }
        calendars[suggestion.station].remove(occupancy.id)
        if let index = unit.occupancies.firstIndex(where: { $0.occupancy.id == occupancy.id }) {
            // Taken and given back within one step: the store need not know.
            unit.occupancies.remove(at: index)
        } else {
            unit.releasedOccupancies.append(occupancy.id)
        }
        suggestion.occupancy = nil
        suggestion.holdUntil = nil
    }

    /// Ends a suggestion: it leaves memory, and its vehicle may have another.
    mutating func end(
        _ suggestion: inout Suggestion,
        _ state: SuggestionState,
        _ event: String,
        by actor: String,
        reason: String = ""
    ) {
        suggestion.state = state
        suggestion.version += 1
        suggestion.updatedAt = now
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: "proposed",
            event,
            to: state.rawValue,
            by: actor,
            reason: reason
        )
        vehicles[Int(suggestion.vehicle.index)].suggestion = nil
        write(suggestion)
    }

    mutating func bump(_ suggestion: inout Suggestion, _ event: String, by actor: String) {
        suggestion.version += 1
        suggestion.updatedAt = now
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: "proposed",
            event,
            to: "proposed",
            by: actor
        )
        write(suggestion)
    }

    mutating func write(_ suggestion: Suggestion) {
        unit.suggestions.append(suggestion)
        let isKept = suggestion.state.isLive || suggestion.state == .booked
        suggestions[suggestion.id] = isKept ? suggestion : nil
    }
}
