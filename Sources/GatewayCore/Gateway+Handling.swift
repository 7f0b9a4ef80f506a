import Telemetry
import Workshop

/// People at work on a suggestion: lease, waiting, escalation, decline and undo.
extension Gateway {
    /// How long an advisor has a suggestion alone; each use of the lease lengthens it.
    static let leaseTime = Milliseconds.minutes(20)
    /// How long a decline can be taken back by whoever made it.
    private static let undoTime = Milliseconds.minutes(10)
    /// Attempts of the specialist's own before "not reached" is final.
    private static let finalAttemptsMin = 2
    /// The longest a suggestion may wait for a customer's call or for parts.
    static let waitMax = Milliseconds.days(Int64(60))

    // MARK: Lease

    /// Takes the lease, or lengthens it for who has it.
    mutating func lease(_ suggestion: inout Suggestion, by actor: Actor) throws(Problem) {
        try hold(&suggestion, by: actor)
        suggestion.version += 1
        suggestion.updatedAt = now
        write(suggestion)
    }

    /// Whether `actor` may work on it: nobody else does, and the queue is theirs.
    func requireLease(_ suggestion: Suggestion, by actor: Actor) throws(Problem) {
        let version = suggestion.version
        switch suggestion.state {
        case .leased:
            guard suggestion.handling.owner == actor.name else {
                throw Problem(.leasedByOther, currentVersion: version)
            }
        case .proposed, .waiting:
            let queue = suggestion.handling.queue
            guard queue != .specialist || [.specialist, .manager, .system].contains(actor.role)
            else {
                throw Problem(.roleMissing, currentVersion: version)
            }
            guard [.advisor, .specialist, .manager, .system].contains(actor.role) else {
                throw Problem(.roleMissing, currentVersion: version)
            }
        case .booked, .declined, .withdrawn, .merged, .expired:
            throw Problem(.illegalTransition, currentVersion: version)
        }
    }

    /// Makes sure `actor` has the lease; a step from the list takes it in passing.
    mutating func hold(_ suggestion: inout Suggestion, by actor: Actor) throws(Problem) {
        try requireLease(suggestion, by: actor)
        if suggestion.state == .waiting {
            suggestion.handling.wait = nil
            move(&suggestion, .due, by: actor, reason: "taken up early")
        }
        if suggestion.state == .proposed {
            suggestion.handling.owner = actor.name
            move(&suggestion, .lease, by: actor)
        }
        let until = now + Gateway.leaseTime
        suggestion.handling.leaseUntil = until
        schedule(.leaseEnd, suggestion, at: until)
        // The slot one speaks of stays for as long as one speaks.
        if let held = suggestion.holdUntil, held < until, let slot = suggestion.occupancy?.slot {
            renewHold(slot, &suggestion, until: until)
        }
    }

    private mutating func renewHold(
        _ slot: Slot,
        _ suggestion: inout Suggestion,
        until: Timestamp
    ) {
        release(&suggestion)
        suggestion.occupancy = occupy(
            slot,
            .hold,
            at: suggestion.station,
            for: .suggestion(suggestion.id),
            until: until
        )
        suggestion.holdUntil = until
        schedule(.holdEnd, suggestion, at: until)
    }

    mutating func giveBack(
        _ suggestion: inout Suggestion,
        reason: String,
        by actor: Actor
    ) throws(Problem) {
        guard suggestion.state.allows(.release) else {
            throw Problem(.illegalTransition, currentVersion: suggestion.version)
        }
        try requireLease(suggestion, by: actor)
        backToList(&suggestion, .release, reason: reason, by: actor)
    }

    mutating func endLease(_ id: SuggestionID, due: Timestamp) {
        guard var suggestion = suggestions[id], suggestion.state == .leased,
            suggestion.handling.leaseUntil == due
        else { return }
        backToList(&suggestion, .release, reason: "lease over", by: .clock)
    }

    /// Leaves the lease for the list, and makes good what was put off while it was held.
    mutating func backToList(
        _ suggestion: inout Suggestion,
        _ event: SuggestionState.Event,
        reason: String,
        by actor: Actor
    ) {
        move(&suggestion, event, by: actor, reason: reason)
        suggestion.handling.leaseUntil = nil
        let hold = suggestion.occupancy
        let isFree = hold.map { calendars[suggestion.station].isFree($0.slot, except: $0.id) }
        let isInTime = hold.map { $0.slot.interval.start <= suggestion.need.latestBy }
        let isRunning = suggestion.holdUntil.map { $0 > now }
        let isLongEnough = hold.map {
            $0.slot.interval.end - $0.slot.interval.start
                >= .minutes(Int64(suggestion.need.minutes))
        }
        let isGood =
            isFree ?? false && isInTime ?? false && isRunning ?? false && isLongEnough ?? false
        if !suggestion.isAmendment, !isGood { holdBest(&suggestion) }
        suggestion.version += 1
        write(suggestion)
        breach(suggestion.id)
        replan(suggestion.vehicle)
    }

    // MARK: Waiting

    mutating func rest(
        _ suggestion: inout Suggestion,
        _ wait: Wait,
        note: String,
        by actor: Actor
    ) throws(Problem) {
        guard wait.until > now, wait.until <= now + Gateway.waitMax else {
            throw Problem(.invalidTime, currentVersion: suggestion.version)
        }
        try hold(&suggestion, by: actor)
        startWaiting(&suggestion, wait, reason: note, by: actor)
    }

    mutating func startWaiting(
        _ suggestion: inout Suggestion,
        _ wait: Wait,
        reason: String,
        by actor: Actor
    ) {
        move(&suggestion, .wait, by: actor, reason: reason)
        suggestion.handling.leaseUntil = nil
        suggestion.handling.wait = wait
        schedule(.waitEnd, suggestion, at: wait.until)
        suggestion.version += 1
        write(suggestion)
        if suggestion.handling.isBasisGone { replan(suggestion.vehicle) }
    }

    mutating func endWait(_ id: SuggestionID, due: Timestamp) {
        guard var suggestion = suggestions[id], suggestion.state == .waiting,
            suggestion.handling.wait?.until == due
        else { return }
        move(&suggestion, .due, by: .clock)
        suggestion.handling.wait = nil
        if !suggestion.isAmendment, suggestion.occupancy == nil { holdBest(&suggestion) }
        suggestion.version += 1
        write(suggestion)
        replan(suggestion.vehicle)
    }

    // MARK: Escalation

    /// Nobody has tried in time: the manager is told, the owner still sees it.
    ///
    /// A call that was forbidden is not late: its time runs from when it is allowed.
    mutating func breach(_ id: SuggestionID) {
        guard var suggestion = suggestions[id], suggestion.state.allows(.slaBreach),
            suggestion.handling.attempts == 0, !suggestion.handling.isBreached,
            suggestion.handling.contactDue <= now
        else { return }
        if let block = contactBlock(id), block.reason != .hours {
            suggestion.handling.contactDue = suggestion.need.urgency.contactDue(
                from: block.until ?? now,
                station: stations[suggestion.station]
            )
            schedule(.contactDue, suggestion, at: suggestion.handling.contactDue)
            suggestion.version += 1
            return write(suggestion)
        }
        let late = (now - suggestion.handling.contactDue).minutes
        move(&suggestion, .slaBreach, by: .clock, reason: "\(Int(late)) min late")
        suggestion.handling.isBreached = true
        suggestion.handling.queue = .manager
        suggestion.version += 1
        write(suggestion)
    }

    mutating func escalate(
        _ suggestion: inout Suggestion,
        to queue: Queue,
        reason: String,
        by actor: Actor
    ) {
        hand(&suggestion, to: queue)
        backToList(&suggestion, .escalate, reason: reason, by: actor)
    }

    func hand(_ suggestion: inout Suggestion, to queue: Queue) {
        suggestion.handling.queue = queue
        suggestion.handling.failures = 0
        suggestion.handling.messages = 0
    }

    // MARK: Decline and undo

    /// "Not reached" is final only for the specialist, who has tried twice and left a message.
    func requireFinal(_ reason: DeclineReason, _ suggestion: Suggestion) throws(Problem) {
        let handling = suggestion.handling
        guard
            reason != .unreachableFinal
                || handling.queue != .advisor && handling.failures >= Gateway.finalAttemptsMin
                    && handling.messages > 0
        else { throw Problem(.attemptsMissing, currentVersion: suggestion.version) }
    }

    mutating func decline(
        _ suggestion: inout Suggestion,
        reason: DeclineReason,
        note: String,
        by actor: Actor
    ) {
        suggestion.declineReason = reason
        suggestion.note = note
        suggestion.handling.owner = actor.name
        end(&suggestion, .decline, by: actor, reason: reason.rawValue)
        schedule(.undoEnd, suggestion, at: undoEnd(suggestion))
        if reason == .doneElsewhere {
            settleWork(of: suggestion.vehicle, suggestion.need, advised: [])
        } else {
            restWork(of: suggestion.vehicle, suggestion.need, isDeclined: true)
        }
        for id in suggestion.alerts {
            guard var alert = alerts[id], alert.state == .planned else { continue }
            switch reason {
            case .doneElsewhere:
                markServiced(&alert, verdict: nil, reason: "claimed_by_customer", actor: actor)
            case .soldOrWrongPerson:
                alert.due = nil
                move(&alert, .vehicleLeft, by: actor)
            case .notInterested, .complaintLastBooking, .unreachableFinal, .otherTime,
                .priceOrAuthority, .doNotContact:
                quiet(&alert, reason: reason, actor: actor)
            }
            write(alert)
        }
    }

    func undoEnd(_ suggestion: Suggestion) -> Timestamp { suggestion.updatedAt + Gateway.undoTime }

    /// A declined suggestion can no longer be taken back, and leaves memory.
    mutating func forget(_ id: SuggestionID) {
        guard let suggestion = suggestions[id], suggestion.state == .declined,
            undoEnd(suggestion) <= now
        else { return }
        suggestions[id] = nil
    }

    mutating func undo(_ suggestion: inout Suggestion, by actor: Actor) throws(Problem) {
        let version = suggestion.version
        guard suggestion.state.allows(.undo) else {
            throw Problem(.illegalTransition, currentVersion: version)
        }
        guard suggestion.handling.owner == actor.name else {
            throw Problem(.leasedByOther, currentVersion: version)
        }
        guard vehicles[Int(suggestion.vehicle.index)].suggestion == nil else {
            throw Problem(.liveSuggestionExists, currentVersion: version)
        }
        // A vehicle that left does not come back by a click.
        let causes = suggestion.alerts.compactMap { alerts[$0] }
            .filter { $0.state == .muted || $0.state == .serviced }
        guard now < undoEnd(suggestion), causes.count == suggestion.alerts.count else {
            throw Problem(.undoTooLate, currentVersion: version)
        }
        move(&suggestion, .undo, by: actor)
        for cause in causes {
            var alert = cause
            alert.due = nil
            alert.putOff = nil
            alert.servicedAt = nil
            move(
                &alert,
                alert.state == .muted ? .unmute : .stillFiring,
                by: actor,
                reason: "decline undone"
            )
            bind([alert], to: suggestion.id)
        }
        vehicles[Int(suggestion.vehicle.index)].suggestion = suggestion.id
        if suggestion.declineReason == .doNotContact, var history = contacts[suggestion.vehicle] {
            history.isForbidden = false
            contacts[suggestion.vehicle] = history
            unit.contacts.append(ContactRow(vehicle: suggestion.vehicle, history: history))
        }
        suggestion.declineReason = nil
        suggestion.note = ""
        wakeWork(of: suggestion.vehicle)
        if upcoming[suggestion.vehicle] == nil { holdBest(&suggestion) }
        try hold(&suggestion, by: actor)
        schedule(.lapse, suggestion, at: suggestion.handling.leaseUntil ?? now)
        suggestion.version += 1
        write(suggestion)
    }

    /// The cause went while somebody had the lease, who has now seen it.
    mutating func acknowledge(
        _ suggestion: inout Suggestion,
        by actor: Actor
    ) throws(Problem) {
        guard suggestion.state.allows(.basisGoneSeen), suggestion.handling.isBasisGone else {
            throw Problem(.illegalTransition, currentVersion: suggestion.version)
        }
        try requireLease(suggestion, by: actor)
        end(&suggestion, .basisGoneSeen, by: actor)
    }
}
