import Telemetry
import Workshop

/// Decisions of people → the same machines.
extension Gateway {
    mutating func decide(_ command: Command) -> Result<Answer, Problem> {
        do throws(Problem) {
            switch command {
            case .book(let id, let version, let offer, let actor):
                var suggestion = try proposed(id, version: version)
                try book(&suggestion, offer: offer, actor: actor)
                return .success(.suggestion(id))
            case .decline(let id, let version, let reason, let note, let actor):
                var suggestion = try proposed(id, version: version)
                decline(&suggestion, reason: reason, note: note, actor: actor)
                return .success(.suggestion(id))
            case .reingest(let packets): return .success(reingest(packets))
            case .discard(let ids):
                unit.removedDeadLetters = ids
                return .success(.deadLetters(removed: ids.count, accepted: 0, rejected: 0))
            case .reload(let set, let actor): return .success(reload(set, actor: actor))
            case .note(let occurrence):
                record(.gateway, 0, from: "", occurrence.rawValue, to: "", by: "gateway")
                return .success(.noted)
            }
        } catch {
            return .failure(error)
        }
    }

    private func proposed(
        _ id: SuggestionID,
        version: Int
    ) throws(Problem) -> Suggestion {
        guard let suggestion = suggestions[id] else {
            let hasExisted = id.rawValue >= 1 && id.rawValue < nextSuggestion
            throw Problem(hasExisted ? .illegalTransition : .notFound)
        }
        guard suggestion.state == .proposed else {
            throw Problem(.illegalTransition, currentVersion: suggestion.version)
        }
        guard suggestion.version == version else {
            throw Problem(.staleVersion, currentVersion: suggestion.version)
        }
        return suggestion
    }

    /// Turns the hold, or another offered slot, into an appointment; checks again that it is free.
    private mutating func book(
        _ suggestion: inout Suggestion,
        offer label: OfferLabel?,
        actor: String
    ) throws(Problem) {
        let chosen =
            label == nil
            ? suggestion.occupancy?.slot
            : suggestion.offers.first { $0.label == label }?.slot
        guard let chosen else { throw Problem(.noSlot, currentVersion: suggestion.version) }
        let isFree = calendars[suggestion.station]
            .isFree(chosen, except: suggestion.occupancy?.id)
        guard isFree, chosen.interval.start > now else {
            refreshOffers(&suggestion)
            throw Problem(.slotTaken, currentVersion: suggestion.version)
        }
        release(&suggestion)
        occupy(chosen, .appointment, for: &suggestion, until: nil)
        recordLease(suggestion, actor)
        suggestion.state = .booked
        suggestion.version += 1
        suggestion.updatedAt = now
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: "claimed",
            "accepted",
            to: "booked",
            by: actor
        )
        if let occupancy = suggestion.occupancy {
            record(
                .appointment,
                occupancy.id.rawValue,
                from: "",
                "book",
                to: "confirmed",
                by: actor
            )
        }
        vehicles[Int(suggestion.vehicle.index)].suggestion = nil
        if let past = visitPast(suggestion) { timers.insert(past) }
        write(suggestion)
    }

    private mutating func refreshOffers(_ suggestion: inout Suggestion) {
        suggestion.offers = planner.offers(
            for: suggestion.need,
            station: stations[suggestion.station],
            calendar: calendars[suggestion.station],
            now: now,
            ownHold: suggestion.occupancy?.id
        )
        bump(&suggestion, "replan", by: "planner")
    }

    private mutating func decline(
        _ suggestion: inout Suggestion,
        reason: DeclineReason,
        note: String,
        actor: String
    ) {
        release(&suggestion)
        recordLease(suggestion, actor)
        suggestion.state = .declined
        suggestion.version += 1
        suggestion.updatedAt = now
        suggestion.declineReason = reason
        suggestion.note = note
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: "claimed",
            "decline",
            to: "declined",
            by: actor,
            reason: reason.rawValue
        )
        vehicles[Int(suggestion.vehicle.index)].suggestion = nil
        write(suggestion)
        for id in suggestion.alerts {
            guard var alert = alerts[id], alert.state == .planned else { continue }
            switch reason {
            case .doneElsewhere: markServiced(&alert, actor: actor)
            case .soldOrWrongPerson: close(&alert, "vehicle_left", .vehicleLeft, by: actor)
            case .notInterested, .complaintLastBooking, .unreachableFinal, .otherTime,
                .priceOrAuthority, .doNotContact:
                mute(&alert, reason: reason, actor: actor)
            }
            write(alert)
        }
    }

    /// A decision from the list is taken and made in one go: the audit shows both steps.
    private mutating func recordLease(_ suggestion: Suggestion, _ actor: String) {
        record(
            .suggestion,
            suggestion.id.rawValue,
            from: "proposed",
            "claim",
            to: "claimed",
            by: actor
        )
    }
}
