import Rules
import Telemetry
import Workshop

/// What the engine sees → the records of alerts (`states.tsv`, machine alert).
extension Gateway {
    /// A recovered alert that fires again within this time is the same alert.
    private static let flapWindow = Milliseconds.days(Int64(7))
    /// A serviced component must have cleared by then, or its alert opens again.
    private static let verifyWindow = Milliseconds.days(Int64(14))
    /// An alert about a component that has been silent for longer is closed.
    private static let silenceWindow = Milliseconds.days(Int64(30))
    /// How long a declined reason stays quiet unless it gets worse.
    private static let muteWindow = Milliseconds.days(Int64(30))
    private static let muteWindowP1 = Milliseconds.days(Int64(14))

    mutating func apply(_ events: [RuleEvent], to vehicle: VehicleID) {
        guard !events.isEmpty else { return }
        for event in events {
            switch event.kind {
            case .raised: raise(event, vehicle)
            case .moved:
                log(event, vehicle, .update)
                update(event, vehicle)
            case .refreshed: update(event, vehicle)
            case .cleared: clear(event, vehicle)
            }
        }
        replan(vehicle)
    }

    private func liveAlert(_ event: RuleEvent, _ vehicle: VehicleID) -> Alert? {
        let rule = engine.rule(ofSlot: event.slot)
        let component = engine.component(ofSlot: event.slot)
        for id in vehicles[Int(vehicle.index)].alerts {
            if let alert = alerts[id], alert.ruleID == rule.id, alert.component == component.name {
                return alert
            }
        }
        return nil
    }

    private func sentence(_ event: RuleEvent, _ vehicle: VehicleID) -> Bilingual {
        Explanation.sentence(
            rule: engine.rule(ofSlot: event.slot),
            component: engine.component(ofSlot: event.slot),
            evidence: event.evidence,
            at: event.at,
            zone: station(of: vehicle).zone
        )
    }

    private mutating func raise(_ event: RuleEvent, _ vehicle: VehicleID) {
        let rule = engine.rule(ofSlot: event.slot)
        let component = engine.component(ofSlot: event.slot)
        // A value that falls away at once is a matter of safety, whatever its slow decline is.
        let consequence = event.evidence.isFast ? .safety : rule.consequence
        unit.counts.alertsRaised += 1
        log(event, vehicle, .raise)
        if var alert = liveAlert(event, vehicle) {
            alert.evidence = event.evidence
            alert.sentence = sentence(event, vehicle)
            alert.ruleVersion = rule.version
            alert.consequence = consequence
            if alert.state == .recovered {
                alert.flapCount += 1
                alert.due = nil
                alert.suggestion = nil
                enter(.open, "fires_again", &alert)
            }
            write(alert)
            return
        }
        var alert = Alert(
            id: AlertID(rawValue: nextAlert),
            vehicle: vehicle,
            ruleID: rule.id,
            ruleVersion: rule.version,
            component: component.name,
            state: .open,
            outcome: nil,
            raisedAt: event.at,
            updatedAt: event.at,
            evidence: event.evidence,
            sentence: sentence(event, vehicle),
            consequence: consequence,
            jobs: rule.jobs,
            flapCount: 0,
            suggestion: nil,
            due: nil,
            mutedUrgency: nil
        )
        nextAlert += 1
        record(.alert, alert.id.rawValue, from: "", "near_threshold", to: "watching", by: "engine")
        record(.alert, alert.id.rawValue, from: "watching", "held", to: "open", by: "engine")
        alert.updatedAt = now
        vehicles[Int(vehicle.index)].alerts.append(alert.id)
        write(alert)
    }

    private mutating func update(_ event: RuleEvent, _ vehicle: VehicleID) {
        guard var alert = liveAlert(event, vehicle), alert.state != .recovered else { return }
        let isNewlyCrossed = event.evidence.isCrossed && !alert.evidence.isCrossed
        alert.evidence = event.evidence
        alert.sentence = sentence(event, vehicle)
        alert.updatedAt = now
        if alert.state == .muted, let muted = alert.mutedUrgency,
            isNewlyCrossed || alert.urgency(now: now) < muted
        {
            unmute(&alert, reason: "worse")
        }
        write(alert)
    }

    private mutating func clear(_ event: RuleEvent, _ vehicle: VehicleID) {
        guard var alert = liveAlert(event, vehicle), alert.state != .recovered else { return }
        unit.counts.alertsCleared += 1
        log(event, vehicle, .clear)
        if alert.state == .serviced {
            close(&alert, "healthy", .fixed)
        } else {
            alert.due = now + Gateway.flapWindow
            enter(.recovered, "cleared", &alert)
            scheduleDue(alert)
        }
        write(alert)
    }

    // MARK: By the clock

    mutating func leaveState(_ id: AlertID, due: Timestamp) {
        guard var alert = alerts[id], alert.due == due else { return }
        if alert.state != .recovered, isSilent(alert) {
            closeSilent(&alert)
            return write(alert)
        }
        switch alert.state {
        case .muted: unmute(&alert, reason: "until reached")
        case .recovered: close(&alert, "stayed_ok", .recovered)
        case .serviced:
            alert.due = nil
            alert.suggestion = nil
            enter(.open, "still_firing", &alert)
        case .open, .planned, .closed: return
        }
        write(alert)
        replan(alert.vehicle)
    }

    private func slot(of alert: Alert) -> Int? {
        engine.slots.indices.first {
            engine.rule(ofSlot: $0).id == alert.ruleID
                && engine.component(ofSlot: $0).name == alert.component
        }
    }

    func isSilent(_ alert: Alert) -> Bool {
        let state = slot(of: alert).flatMap {
            vehicles[Int(alert.vehicle.index)].rules.state(ofSlot: $0)
        }
        return now - (state?.newestAt ?? alert.evidence.newestAt) > Gateway.silenceWindow
    }

    /// Ends an alert that no data supports any more; the next reading may raise a new one.
    mutating func closeSilent(_ alert: inout Alert) {
        if let slot = slot(of: alert) {
            engine.lower(slot: slot, &vehicles[Int(alert.vehicle.index)].rules)
            touch(alert.vehicle)
        }
        close(&alert, "no_data", .noData, by: "clock")
    }

    private mutating func unmute(_ alert: inout Alert, reason: String) {
        alert.due = nil
        alert.mutedUrgency = nil
        alert.suggestion = nil
        enter(.open, "unmute", &alert, reason: reason)
    }

    // MARK: By people

    mutating func mute(_ alert: inout Alert, reason: DeclineReason, actor: String) {
        let urgency = alert.urgency(now: now)
        alert.mutedUrgency = urgency
        alert.due = now + (urgency <= .p1 ? Gateway.muteWindowP1 : Gateway.muteWindow)
        enter(.muted, "declined", &alert, by: actor, reason: reason.rawValue)
        scheduleDue(alert)
    }

    mutating func markServiced(_ alert: inout Alert, actor: String) {
        alert.due = now + Gateway.verifyWindow
        enter(.serviced, "serviced", &alert, by: actor, reason: "claimed_by_customer")
        scheduleDue(alert)
    }

    mutating func close(
        _ alert: inout Alert,
        _ event: String,
        _ outcome: AlertOutcome,
        by actor: String = "engine"
    ) {
        alert.outcome = outcome
        alert.due = nil
        enter(.closed, event, &alert, by: actor)
    }

    // MARK: Records

    mutating func enter(
        _ state: AlertState,
        _ event: String,
        _ alert: inout Alert,
        by actor: String = "engine",
        reason: String = ""
    ) {
        let target =
            state == .closed ? "closed:\(alert.outcome?.rawValue ?? "")" : state.rawValue
        record(
            .alert,
            alert.id.rawValue,
            from: alert.state.rawValue,
            event,
            to: target,
            by: actor,
            reason: reason
        )
        alert.state = state
        alert.updatedAt = now
    }

    /// Keeps the record in memory while it lives, and hands it to the store.
    mutating func write(_ alert: Alert) {
        unit.alerts.append(alert)
        if alert.state.isLive {
            alerts[alert.id] = alert
        } else {
            alerts[alert.id] = nil
            vehicles[Int(alert.vehicle.index)].alerts.removeAll { $0 == alert.id }
        }
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

    mutating func record(
        _ machine: Transition.Machine,
        _ id: Int64,
        from: String,
        _ event: String,
        to: String,
        by actor: String,
        reason: String = ""
    ) {
        unit.transitions.append(
            Transition(
                machine: machine,
                record: id,
                from: from,
                event: event,
                to: to,
                actor: actor,
                at: now,
                reason: reason
            )
        )
    }
}
