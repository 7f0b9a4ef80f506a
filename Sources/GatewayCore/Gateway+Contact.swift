import Telemetry
package import Workshop

/// Contact with customers: whether it may be, what came of it, and complaints.
extension Gateway {
    /// Failed attempts in a row after which the next queue takes over.
    private static let failuresMax = 2

    // MARK: Attempts

    /// Why the customer of a live suggestion must not be contacted now; nil when nothing forbids it.
    package func contactBlock(_ id: SuggestionID) -> ContactBlock? {
        suggestions[id].flatMap { block($0) }
    }

    private func block(_ suggestion: Suggestion) -> ContactBlock? {
        ContactRules.block(
            suggestion,
            history: contacts[suggestion.vehicle] ?? ContactHistory(),
            facts: work[suggestion.vehicle]?.facts ?? VehicleFacts(),
            companionContact: companionContact(of: suggestion.vehicle),
            hasComplaint: complaints.contains { $0.vehicle == suggestion.vehicle },
            zone: stations[suggestion.station].zone,
            now: now
        )
    }

    /// Writes an attempt down, and what it came to, in one.
    mutating func contact(
        _ attempt: ContactAttempt,
        _ suggestion: inout Suggestion,
        by actor: Actor
    ) throws(Problem) {
        let version = suggestion.version
        try requireLease(suggestion, by: actor)
        if attempt.channel != .incoming, let block = block(suggestion) {
            throw Problem(.contactBlocked, currentVersion: version, block: block)
        }
        let wait = try wait(after: attempt, suggestion)
        hear(attempt.symptoms, &suggestion)
        if attempt.outcome == .accepted {
            let choice = attempt.offer.map(SlotChoice.offer) ?? .held
            let slot = try chosenSlot(choice, &suggestion)
            try hold(&suggestion, by: actor)
            note(attempt, &suggestion, by: actor)
            return confirm(&suggestion, slot, event: .accepted, reason: "", by: actor)
        }
        try hold(&suggestion, by: actor)
        let isRedial = note(attempt, &suggestion, by: actor)
        switch attempt.outcome {
        case .accepted: break
        case .doneElsewhere, .notInterested, .soldOrWrongPerson, .doNotContact:
            guard let reason = attempt.outcome.declineReason else { return }
            decline(&suggestion, reason: reason, note: attempt.note, by: actor)
        case .complaintLastBooking:
            open(
                complaint: attempt.note,
                vehicle: suggestion.vehicle,
                suggestion: suggestion.id,
                appointment: nil,
                by: actor
            )
            escalate(&suggestion, to: .specialist, reason: attempt.outcome.rawValue, by: actor)
        case .unreachable where !isRedial && suggestion.handling.failures >= Gateway.failuresMax:
            if suggestion.handling.queue != .specialist { hand(&suggestion, to: .specialist) }
            backToList(
                &suggestion,
                .unreachableTwice,
                reason: "\(suggestion.handling.attempts) attempts",
                by: .system
            )
        case .unreachable, .inconvenient, .otherTime, .priceOrAuthority, .offerSent:
            startWaiting(&suggestion, wait, reason: attempt.outcome.rawValue, by: actor)
        }
    }

    /// What the customer says is wrong is looked into at the same visit.
    private func hear(_ symptoms: String, _ suggestion: inout Suggestion) {
        // A call that is written down again, after its slot was taken, says nothing new.
        guard !symptoms.isEmpty, !suggestion.symptoms.contains(symptoms) else { return }
        suggestion.symptoms =
            suggestion.symptoms.isEmpty ? symptoms : "\(suggestion.symptoms); \(symptoms)"
        var need = suggestion.need
        need.lines.removeAll { $0.reason == .stated }
        let line = VisitLine(
            reason: .stated,
            job: planner.symptomJob,
            text: suggestion.symptoms
        )
        suggestion.need = planner.adding([], [line], to: need)
    }

    /// What a suggestion waits for after an attempt that settled nothing.
    private func wait(
        after attempt: ContactAttempt,
        _ suggestion: Suggestion
    ) throws(Problem) -> Wait {
        let version = suggestion.version
        let called = attempt.callBackAt
        if let called, called <= now || called > now + Gateway.waitMax {
            throw Problem(.invalidTime, currentVersion: version)
        }
        switch attempt.outcome {
        case .inconvenient:
            guard let called else { throw Problem(.invalidTime, currentVersion: version) }
            return Wait(kind: .callBack, until: called)
        case .priceOrAuthority, .offerSent, .otherTime:
            let last = now + ContactRules.thinkingMax
            return Wait(kind: .reply, until: min(called ?? last, last))
        case .accepted, .doneElsewhere, .notInterested, .complaintLastBooking, .unreachable,
            .soldOrWrongPerson, .doNotContact:
            let zone = stations[suggestion.station].zone
            return Wait(kind: .retry, until: ContactRules.retry(after: now, zone: zone))
        }
    }

    /// The attempt in the books.
    /// - Returns: whether it was only a quick redial.
    @discardableResult
    private mutating func note(
        _ attempt: ContactAttempt,
        _ suggestion: inout Suggestion,
        by actor: Actor
    ) -> Bool {
        let isRedial =
            attempt.outcome == .unreachable && suggestion.handling.failures > 0
            && suggestion.handling.lastAttemptAt.map {
                now < $0 + ContactRules.redialWindow
            } ?? false
        if !isRedial {
            suggestion.handling.attempts += 1
            suggestion.handling.lastAttemptAt = now
            suggestion.handling.failures =
                attempt.outcome == .unreachable ? suggestion.handling.failures + 1 : 0
        }
        if attempt.channel == .sms || attempt.channel == .app { suggestion.handling.messages += 1 }
        unit.attempts.append(
            AttemptRow(
                suggestion: suggestion.id,
                vehicle: suggestion.vehicle,
                at: now,
                actor: actor,
                isRedial: isRedial,
                attempt: attempt
            )
        )
        var history = contacts[suggestion.vehicle] ?? ContactHistory()
        if attempt.channel != .incoming {
            history.lastAt = now
            history.lastSuggestion = suggestion.id
        }
        if attempt.outcome == .doNotContact { history.isForbidden = true }
        if let preference = attempt.preference { history.preference = preference }
        contacts[suggestion.vehicle] = history
        unit.contacts.append(ContactRow(vehicle: suggestion.vehicle, history: history))
        return isRedial
    }

    // MARK: Complaints

    mutating func open(
        complaint text: String,
        vehicle: VehicleID,
        suggestion: SuggestionID?,
        appointment: AppointmentID?,
        by actor: Actor
    ) {
        let complaint = Complaint(
            id: ComplaintID(rawValue: nextComplaint),
            vehicle: vehicle,
            suggestion: suggestion,
            appointment: appointment,
            text: text,
            openedAt: now,
            openedBy: actor.name,
            handledAt: nil,
            handledBy: nil,
            resolution: ""
        )
        nextComplaint += 1
        complaints.append(complaint)
        unit.complaints.append(complaint)
    }

    mutating func resolve(
        _ id: ComplaintID,
        _ resolution: String,
        by actor: Actor
    ) throws(Problem) -> Answer {
        guard [.specialist, .manager].contains(actor.role) else { throw Problem(.roleMissing) }
        guard let index = complaints.firstIndex(where: { $0.id == id }) else {
            let hasExisted = id.rawValue >= 1 && id.rawValue < nextComplaint
            throw Problem(hasExisted ? .illegalTransition : .notFound)
        }
        close(complaints[index], resolution, by: actor)
        return .complaint(id)
    }

    mutating func close(_ complaint: Complaint, _ resolution: String, by actor: Actor) {
        complaints.removeAll { $0.id == complaint.id }
        var closed = complaint
        closed.handledAt = now
        closed.handledBy = actor.name
        closed.resolution = resolution
        unit.complaints.append(closed)
    }
}
