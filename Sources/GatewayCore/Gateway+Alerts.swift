import Rules
import Telemetry
import Workshop

/// Applies the engine's events to the records of alerts.
extension Gateway {
    /// A recovered alert that fires again within this time is the same alert, with the same
    /// suggestion.
    private static let flapWindow = Milliseconds.days(Int64(14))
    /// From so many times on an alert that comes and goes is a matter for an engineer too.
    private static let flapsNamed = 1
    /// A serviced component must have cleared by then, or its alert opens again.
    private static let verifyWindow = Milliseconds.days(Int64(14))
    /// An alert about a component that has been silent for longer is closed.
    private static let silenceWindow = Milliseconds.days(Int64(30))
    /// How long an alert whose suggestion or visit came to nothing is not planned again, unless it
    /// gets worse.
    private static let pauseWindow = Milliseconds.days(Int64(7))
    /// How long a declined reason stays quiet unless it gets worse.
    private static let muteWindow = Milliseconds.days(Int64(30))
    private static let muteWindowP1 = Milliseconds.days(Int64(14))
    /// How long an advisor may mute.
    private static let advisorMuteMax = Milliseconds.days(Int64(7))
    /// How long anybody may: no state is for ever.
    private static let muteMax = Milliseconds.days(Int64(365))

    mutating func apply(_ events: [RuleEvent], to vehicle: VehicleID) {
        guard !events.isEmpty else { return }
        var hasChanged = false
        for event in events {
            let index = Int(vehicle.index)
            let isWatched = engine.isWatched(slot: event.slot, vehicles[index].rules)
            switch event.kind {
            case .raised where waits(event, vehicle): continue
            case .moved where isWatched, .refreshed where isWatched:
                guard !waits(event, vehicle) else { continue }
                raise(event, vehicle)
            case .trouble(let kind, let why):
                note(kind, because: why, event, vehicle)
                continue
            case .troubleOver(let kind):
                end(kind, vehicle, component: engine.component(ofSlot: event.slot).name)
                continue
            case .raised: raise(event, vehicle)
            case .moved:
                log(event, vehicle, .update)
                update(event, vehicle)
            case .refreshed: update(event, vehicle)
            case .cleared: clear(event, vehicle)
            }
            hasChanged = true
        }
        if hasChanged { replan(vehicle) }
    }

    func liveAlert(_ event: RuleEvent, _ vehicle: VehicleID) -> Alert? {
        let rule = engine.rule(ofSlot: event.slot)
        let component = engine.component(ofSlot: event.slot)
        for id in vehicles[Int(vehicle.index)].alerts {
            guard let alert = alerts[id], alert.component == component.name else { continue }
            if alert.ruleID == rule.id { return alert }
            if let family = rule.family, engine.family(ofRule: alert.ruleID) == family {
                return alert
            }
        }
        return nil
    }

    private func sentence(_ event: RuleEvent, _ vehicle: VehicleID) -> Bilingual {
        let rule = engine.rule(ofSlot: event.slot)
        let isOfWorkshop =
            rule.near.leadsByWorkshop && !event.evidence.isCrossed && !event.evidence.isFast
        return Explanation.sentence(
            rule: rule,
            component: engine.component(ofSlot: event.slot),
            evidence: event.evidence,
            freeSlot: isOfWorkshop ? firstSlot(for: event, vehicle) : nil,
            at: event.at,
            zone: station(of: vehicle).zone
        )
    }

    private mutating func raise(_ event: RuleEvent, _ vehicle: VehicleID) {
        let rule = engine.rule(ofSlot: event.slot)
        let component = engine.component(ofSlot: event.slot)
        let consequence = consequence(of: event)
        unit.counts.alertsRaised += 1
        engine.endWatch(slot: event.slot, &vehicles[Int(vehicle.index)].rules)
        log(event, vehicle, .raise)
        if var alert = liveAlert(event, vehicle) {
            alert.evidence = event.evidence
            alert.sentence = sentence(event, vehicle)
            alert.ruleID = rule.id
            alert.ruleVersion = rule.version
            alert.consequence = consequence
            if alert.state == .recovered {
                alert.severity = .notice
                alert.flapCount += 1
                alert.due = nil
                move(&alert, .firesAgain)
                if alert.flapCount >= Gateway.flapsNamed {
                    open(
                        .flapping,
                        vehicle,
                        component: component.name,
                        "\(component.title.en): the alert of \(rule.title.en) has come "
                            + "\(alert.flapCount + 1) times."
                    )
                }
            }
            judge(&alert)
            write(alert)
            return
        }
        var alert = Alert(
            id: AlertID(rawValue: nextAlert),
            vehicle: vehicle,
            ruleID: rule.id,
            ruleVersion: rule.version,
            component: component.name,
            state: .watching,
            outcome: nil,
            raisedAt: event.at,
            updatedAt: event.at,
            evidence: event.evidence,
            sentence: sentence(event, vehicle),
            consequence: consequence,
            severity: .notice,
            jobs: rule.jobs,
            flapCount: 0,
            suggestion: nil,
            due: nil,
            putOff: nil,
            verdict: nil,
            servicedAt: nil,
            reopenCount: 0
        )
        nextAlert += 1
        judge(&alert)
        begin(&alert, .nearThreshold)
        move(&alert, .held)
        vehicles[Int(vehicle.index)].alerts.append(alert.id)
        write(alert)
    }

    /// A value that falls away at once is a matter of safety, whatever its slow decline is.
    private func consequence(of event: RuleEvent) -> Consequence {
        event.evidence.isFast ? .safety : engine.rule(ofSlot: event.slot).consequence
    }

    private mutating func update(_ event: RuleEvent, _ vehicle: VehicleID) {
        guard var alert = liveAlert(event, vehicle), alert.state != .recovered else { return }
        let isNewlyCrossed = event.evidence.isCrossed && !alert.evidence.isCrossed
        var event = event
        if event.evidence.middle == nil, let middle = alert.evidence.middle, middle > now {
            // No crossing is in sight any more: what was told stands until the alert clears, or
            // until its day has come.
            event.evidence.early = alert.evidence.early.map { max(now, $0) }
            event.evidence.middle = middle
            event.evidence.late = alert.evidence.late
            event.evidence.actBy = alert.evidence.actBy.map { max(now, $0) }
        }
        alert.evidence = event.evidence
        alert.sentence = sentence(event, vehicle)
        // Another axis may have come first meanwhile.
        alert.ruleID = engine.rule(ofSlot: event.slot).id
        alert.ruleVersion = engine.rule(ofSlot: event.slot).version
        alert.consequence = consequence(of: event)
        alert.updatedAt = now
        judge(&alert)
        endPutOff(&alert, isNewlyCrossed: isNewlyCrossed)
        write(alert)
    }

    /// Lets the severity rise to what the rule's ladder says now; it never falls.
    private mutating func judge(_ alert: inout Alert) {
        let ladder = severityLadders[alert.ruleID] ?? SeverityLadder()
        alert.severity = max(alert.severity, ladder.severity(of: alert.evidence, now: now))
        guard let due = ladder.nextRise(of: alert.evidence, after: now) else { return }
        timers.insert(
            TimerQueue.Entry(due: due, kind: .severityRise, record: alert.id.rawValue)
        )
    }

    /// Time alone, or another ladder, has made an alert worse.
    mutating func reviewSeverity(_ id: AlertID) {
        guard var alert = alerts[id], [.open, .planned, .muted].contains(alert.state) else {
            return
        }
        let before = alert.severity
        judge(&alert)
        guard alert.severity > before else { return }
        alert.updatedAt = now
        endPutOff(&alert, isNewlyCrossed: false)
        write(alert)
        replan(alert.vehicle)
    }

    /// Whoever put the alert off did not know how bad it would get.
    private mutating func endPutOff(_ alert: inout Alert, isNewlyCrossed: Bool) {
        guard let putOff = alert.putOff, isNewlyCrossed || putOff.isOutdone(by: alert) else {
            return
        }
        if alert.state == .muted {
            unmute(&alert, reason: "worse")
        } else {
            alert.due = nil
            alert.putOff = nil
        }
    }

    private mutating func clear(_ event: RuleEvent, _ vehicle: VehicleID) {
        guard var alert = liveAlert(event, vehicle), alert.state != .recovered else { return }
        unit.counts.alertsCleared += 1
        log(event, vehicle, .clear)
        if alert.state == .serviced {
            move(&alert, .healthy)
        } else {
            alert.due = now + Gateway.flapWindow
            alert.putOff = nil
            move(&alert, .cleared)
            scheduleDue(alert)
        }
        write(alert)
    }

    // MARK: By the clock

    mutating func leaveState(_ id: AlertID, due: Timestamp) {
        guard var alert = alerts[id], alert.due == due else { return }
        switch alert.state {
        case .muted where isSilent(alert), .open where isSilent(alert): closeSilent(&alert)
        case .muted: unmute(&alert, reason: "until reached", by: .clock)
        case .open:
            alert.due = nil
            alert.putOff = nil
        case .recovered: move(&alert, .stayedOK, by: .clock)
        case .serviced:
            if newestAt(alert) <= alert.servicedAt ?? .distantPast {
                move(&alert, .unverifiable, by: .clock)
            } else {
                alert.due = nil
                alert.suggestion = nil
                alert.reopenCount += 1
                // While it was believed to be mended, time went on.
                judge(&alert)
                move(&alert, .stillFiring)
            }
        case .watching, .planned, .closed: return
        }
        write(alert)
        replan(alert.vehicle)
    }

    private func slot(of alert: Alert) -> Int? {
        slotPlaces[SlotName(rule: alert.ruleID, component: alert.component)]
    }

    private func newestAt(_ alert: Alert) -> Timestamp {
        let state = slot(of: alert).flatMap {
            vehicles[Int(alert.vehicle.index)].rules.state(ofSlot: $0)
        }
        return state?.newestAt ?? alert.evidence.newestAt
    }

    func isSilent(_ alert: Alert) -> Bool {
        now - newestAt(alert) > Gateway.silenceWindow
    }

    /// Ends an alert that no data supports any more; the next reading may raise a new one.
    mutating func closeSilent(_ alert: inout Alert) {
        lower(alert)
        if alert.state == .muted { unmute(&alert, reason: "no data", by: .clock) }
        if alert.state == .planned { unplan(&alert, reason: "no data", by: .clock) }
        alert.due = nil
        move(&alert, .noData, by: .clock)
    }

    /// Lets the next reading that is near raise an alert again.
    mutating func lower(_ alert: Alert) {
        guard let slot = slot(of: alert) else { return }
        engine.lower(slot: slot, now: now, &vehicles[Int(alert.vehicle.index)].rules)
        touch(alert.vehicle)
    }

    /// It still names the suggestion that was declined: the next one says so.
    mutating func unmute(_ alert: inout Alert, reason: String, by actor: Actor = .engine) {
        alert.due = nil
        alert.putOff = nil
        move(&alert, .unmute, by: actor, reason: reason)
    }

    /// Its suggestion or visit came to nothing: it opens again, and is left alone for a week
    /// unless it gets worse.
    mutating func unplan(
        _ alert: inout Alert,
        reason: String,
        by actor: Actor = .system,
        isPaused: Bool = true
    ) {
        alert.suggestion = nil
        move(&alert, .unplanned, by: actor, reason: reason)
        guard isPaused else { return }
        alert.due = now + Gateway.pauseWindow
        alert.putOff = PutOff(alert, at: now)
        scheduleDue(alert)
    }

    // MARK: By people

    /// Keeps a declined alert quiet until it gets worse or the cool-down is over.
    mutating func quiet(_ alert: inout Alert, reason: DeclineReason, actor: Actor) {
        let urgency = alert.urgency
        alert.putOff = PutOff(alert, at: now)
        alert.due = now + (urgency <= .p1 ? Gateway.muteWindowP1 : Gateway.muteWindow)
        move(&alert, .declined, by: actor, reason: reason.rawValue)
        scheduleDue(alert)
    }

    /// The work is done, or said to be: telemetry has the last word.
    mutating func markServiced(
        _ alert: inout Alert,
        verdict: Verdict?,
        reason: String,
        actor: Actor
    ) {
        alert.verdict = verdict
        alert.servicedAt = now
        alert.putOff = nil
        move(&alert, .serviced, by: actor, reason: reason)
        guard verdict != .noFault else {
            alert.due = nil
            return move(&alert, .noFaultFound, by: actor)
        }
        alert.due = now + Gateway.verifyWindow
        scheduleDue(alert)
    }

    mutating func take(
        _ step: AlertStep,
        _ id: AlertID,
        by actor: Actor
    ) throws(Problem) -> Answer {
        guard var alert = alerts[id] else {
            let hasExisted = id.rawValue >= 1 && id.rawValue < nextAlert
            throw Problem(hasExisted ? .illegalTransition : .notFound)
        }
        guard alert.state.allows(step.event) else { throw Problem(.illegalTransition) }
        switch step {
        case .mute(let end, let reason):
            let most = actor.role == .advisor ? Gateway.advisorMuteMax : Gateway.muteMax
            var until = now + most
            if case .time(let time) = end {
                guard time > now else { throw Problem(.invalidTime) }
                guard time <= until else { throw Problem(.roleMissing) }
                until = time
            }
            alert.suggestion = nil
            alert.due = until
            alert.putOff = PutOff(alert, at: now, untilVisit: end == .nextVisit)
            move(&alert, .mute, by: actor, reason: reason)
            scheduleDue(alert)
        case .unmute: unmute(&alert, reason: "by hand", by: actor)
        case .dataFault(let reason):
            guard [.engineer, .manager, .admin].contains(actor.role) else {
                throw Problem(.roleMissing)
            }
            alert.due = nil
            move(&alert, .badData, by: actor, reason: reason)
        }
        write(alert)
        replan(alert.vehicle)
        return .alert(id)
    }

    // MARK: Records

    private mutating func begin(_ alert: inout Alert, _ event: AlertState.Event) {
        record(
            .alert,
            alert.id.rawValue,
            from: "",
            event.rawValue,
            to: alert.state.rawValue,
            by: .engine
        )
    }

    /// The one way an alert changes its state.
    /// - Precondition: the machine allows it.
    mutating func move(
        _ alert: inout Alert,
        _ event: AlertState.Event,
        by actor: Actor = .engine,
        reason: String = ""
    ) {
        guard let target = AlertState.target(from: alert.state, on: event) else {
            preconditionFailure("An alert that is \(alert.state) knows no \(event).")
        }
        let outcome = target == .closed ? event.outcome : nil
        record(
            .alert,
            alert.id.rawValue,
            from: alert.state.rawValue,
            event.rawValue,
            to: outcome.map { "closed:\($0.rawValue)" } ?? target.rawValue,
            by: actor,
            reason: reason
        )
        alert.state = target
        alert.outcome = outcome
        alert.updatedAt = now
    }

    /// Keeps the record in memory while it lives, and hands it to the store.
    mutating func write(_ alert: Alert) {
        audit(alert, before: alerts[alert.id])
        unit.alerts.append(alert)
        if alert.state.isLive {
            alerts[alert.id] = alert
        } else {
            end(.flapping, alert.vehicle, component: alert.component)
            alerts[alert.id] = nil
            vehicles[Int(alert.vehicle.index)].alerts.removeAll { $0 == alert.id }
        }
        if alert.servicedAt != nil, alert.state != .serviced { settleVisits(of: alert) }
    }

    func scheduledDue(_ alert: Alert) -> TimerQueue.Entry? {
        alert.due.map {
            TimerQueue.Entry(due: $0, kind: .alertDue, record: alert.id.rawValue)
        }
    }

    private mutating func scheduleDue(_ alert: Alert) {
        if let entry = scheduledDue(alert) { timers.insert(entry) }
    }

    private mutating func log(
        _ event: RuleEvent,
        _ vehicle: VehicleID,
        _ kind: AlertLogEntry.Kind
    ) {
        unit.alertLog.append(
            AlertLogEntry(
                vehicle: vehicle,
                component: engine.component(ofSlot: event.slot).name,
                at: event.at,
                predictedCrossing: kind == .clear ? nil : event.evidence.middle,
                kind: kind
            )
        )
    }
}
