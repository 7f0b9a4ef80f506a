import Telemetry
import Workshop

/// Decisions of people → the same machines.
extension Gateway {
    /// Nobody agrees on a visit farther ahead.
    private static let bookingHorizon = Milliseconds.days(Int64(366))

    mutating func decide(_ command: Command) -> Result<Answer, Problem> {
        do throws(Problem) {
            switch command {
            case .suggestion(let id, let version, let step, let actor):
                return .success(try take(step, id, version: version, by: actor))
            case .appointment(let id, let version, let step, let actor):
                return .success(try take(step, id, version: version, by: actor))
            case .alert(let id, let step, let actor):
                return .success(try take(step, id, by: actor))
            case .walkIn(let visit, let actor): return .success(try walkIn(visit, by: actor))
            case .hold(let step, let actor): return .success(try take(step, by: actor))
            case .close(let station, let scope, let interval, let reason, let actor):
                return .success(
                    try close(station, scope, interval, reason: reason, by: actor)
                )
            case .reopen(let id, let actor): return .success(try reopen(id, by: actor))
            case .resolve(let id, let resolution, let actor):
                return .success(try resolve(id, resolution, by: actor))
            case .reingest(let packets): return .success(reingest(packets))
            case .discard(let ids):
                unit.removedDeadLetters = ids
                return .success(.deadLetters(removed: ids.count, accepted: 0, rejected: 0))
            case .register(let row, let actor):
                guard let vehicle = register(row) else { throw Problem(.unknownName) }
                let number = Int64(vehicle.index)
                record(.vehicle, number, from: "", "register", to: "", by: actor)
                return .success(.noted)
            case .facts(let news):
                learn(news)
                return .success(.noted)
            case .reload(let set, let actor): return .success(reload(set, by: actor))
            case .accept(let name, let component, let actor):
                guard let place = names.find(Array(name.utf8).span) else {
                    throw Problem(.notFound)
                }
                let vehicle = VehicleID(index: UInt32(place))
                return .success(try accept(vehicle, component: component, by: actor))
            case .note(let occurrence):
                let gateway = Actor("gateway", .system)
                record(.gateway, 0, from: "", occurrence.rawValue, to: "", by: gateway)
                return .success(.noted)
            }
        } catch {
            return .failure(error)
        }
    }

    private mutating func take(
        _ step: SuggestionStep,
        _ id: SuggestionID,
        version: Int,
        by actor: Actor
    ) throws(Problem) -> Answer {
        guard var suggestion = suggestions[id] else {
            let hasExisted = id.rawValue >= 1 && id.rawValue < nextSuggestion
            throw Problem(hasExisted ? .illegalTransition : .notFound)
        }
        guard suggestion.state.isLive || step == .undo else {
            throw Problem(.illegalTransition, currentVersion: suggestion.version)
        }
        guard suggestion.version == version else {
            throw Problem(.staleVersion, currentVersion: suggestion.version)
        }
        // Whoever names the version has seen what changed.
        suggestion.handling.hasChanged = false
        switch step {
        case .lease: try lease(&suggestion, by: actor)
        case .release(let reason): try giveBack(&suggestion, reason: reason, by: actor)
        case .book(let choice): try book(&suggestion, choice, by: actor)
        case .bookHold(let id, let reason):
            try book(&suggestion, keptBy: id, reason: reason, by: actor)
        case .decline(let reason, let note):
            try requireFinal(reason, suggestion)
            try hold(&suggestion, by: actor)
            decline(&suggestion, reason: reason, note: note, by: actor)
        case .wait(let wait, let note):
            try rest(&suggestion, wait, note: note, by: actor)
        case .escalate(let queue, let reason):
            try hold(&suggestion, by: actor)
            escalate(&suggestion, to: queue, reason: reason, by: actor)
        case .attempt(let attempt): try contact(attempt, &suggestion, by: actor)
        case .undo: try undo(&suggestion, by: actor)
        case .acknowledge: try acknowledge(&suggestion, by: actor)
        case .merge: try merge(&suggestion, by: actor)
        case .customerAccepts(let channel, let reply):
            try accept(&suggestion, channel: channel, reply: reply, by: actor)
        }
        return .suggestion(id)
    }

    // MARK: Booking

    /// The slot that is meant, checked again: it is free, ahead of us, and its parts are there.
    private func slot(
        _ choice: SlotChoice,
        for suggestion: Suggestion
    ) throws(Problem) -> Slot {
        switch choice {
        case .held:
            guard let slot = suggestion.occupancy?.slot else {
                throw Problem(.noSlot, currentVersion: suggestion.version)
            }
            return slot
        case .offer(let label):
            guard let slot = suggestion.offers.first(where: { $0.label == label })?.slot else {
                throw Problem(.noSlot, currentVersion: suggestion.version)
            }
            return slot
        case .start(let start, let reason):
            try requireSense(of: start, reason, suggestion)
            return try place(
                suggestion.need,
                at: start,
                station: suggestion.station,
                except: suggestion.occupancy?.id
            )
        }
    }

    /// Within the window, or with a reason, and not before the parts are there.
    private func requireSense(
        of start: Timestamp,
        _ reason: String,
        _ suggestion: Suggestion
    ) throws(Problem) {
        let need = suggestion.need
        let window = need.earliestUseful...max(need.earliestUseful, need.latestBy)
        guard window.contains(start) || !reason.isEmpty else {
            throw Problem(.reasonMissing, currentVersion: suggestion.version)
        }
        guard start >= suggestion.createdAt + .days(Int64(need.partsLeadDays)) else {
            throw Problem(.partsNotReady, currentVersion: suggestion.version)
        }
    }

    func station(_ code: String) throws(Problem) -> Int {
        guard let place = stations.firstIndex(where: { $0.code == code }) else {
            throw Problem(.unknownName)
        }
        return place
    }

    /// A bay and a technician for work that begins at `start`.
    func place(
        _ need: VisitNeed,
        at start: Timestamp,
        station: Int,
        except: OccupancyID?,
        on places: SlotFinder.Places = SlotFinder.Places()
    ) throws(Problem) -> Slot {
        let interval = OpenInterval(
            start: start,
            end: start + .minutes(Int64(max(need.minutes, stations[station].gridMinutes)))
        )
        guard start >= now, start <= now + Gateway.bookingHorizon else {
            throw Problem(.invalidTime)
        }
        let date = stations[station].zone.civil(start).date
        let isOpen = stations[station].openIntervals(on: date).contains {
            $0.start <= interval.start && interval.end <= $0.end
        }
        guard isOpen else { throw Problem(.outsideHours) }
        let slot = SlotFinder.place(
            interval,
            kinds: need.kinds,
            skills: need.skills,
            station: stations[station],
            calendar: calendars[station],
            except: except,
            on: places
        )
        guard let slot else { throw Problem(.slotTaken) }
        return slot
    }

    /// The slot with room for what the customer has asked for since it was held.
    private func lengthened(
        _ slot: Slot,
        for suggestion: Suggestion
    ) throws(Problem) -> Slot {
        let start = slot.interval.start
        guard slot.interval.end - start < .minutes(Int64(suggestion.need.minutes)) else {
            return slot
        }
        return try place(
            suggestion.need,
            at: start,
            station: suggestion.station,
            except: suggestion.occupancy?.id
        )
    }

    /// Turns the hold, or another slot, into a confirmed visit.
    mutating func book(
        _ suggestion: inout Suggestion,
        _ choice: SlotChoice,
        by actor: Actor
    ) throws(Problem) {
        try requireLease(suggestion, by: actor)
        let chosen = try chosenSlot(choice, &suggestion)
        try hold(&suggestion, by: actor)
        var reason = ""
        if case .start(_, let given) = choice { reason = given }
        confirm(&suggestion, chosen, event: .accepted, reason: reason, by: actor)
    }

    /// Turns a slot kept at the desk into a confirmed visit; its own hold is given up.
    private mutating func book(
        _ suggestion: inout Suggestion,
        keptBy id: OccupancyID,
        reason: String,
        by actor: Actor
    ) throws(Problem) {
        try requireLease(suggestion, by: actor)
        guard !suggestion.isAmendment else {
            throw Problem(.visitExists, currentVersion: suggestion.version)
        }
        let kept: (slot: Slot, hold: DeskHold)
        do throws(Problem) {
            kept = try slot(keptBy: id, for: suggestion.need, by: actor)
        } catch {
            if error.code == .slotTaken { refreshOffers(&suggestion) }
            throw Problem(error.code, currentVersion: suggestion.version)
        }
        let (slot, hold) = kept
        try requireSense(of: slot.interval.start, reason, suggestion)
        try self.hold(&suggestion, by: actor)
        drop(hold, "use_hold", by: actor)
        release(&suggestion)
        if hold.station != suggestion.station {
            suggestion.station = hold.station
            suggestion.stationReason = .chosen
            // They were the other station's.
            suggestion.offers = []
        }
        confirm(&suggestion, slot, event: .accepted, reason: reason, by: actor)
    }

    mutating func walkIn(_ visit: WalkIn, by actor: Actor) throws(Problem) -> Answer {
        guard let place = names.find(Array(visit.vehicle.utf8).span),
            visit.jobs.allSatisfy({ planner.job($0) != nil })
        else { throw Problem(.unknownName) }
        let vehicle = VehicleID(index: UInt32(place))
        guard upcoming[vehicle] == nil else { throw Problem(.visitExists) }
        let need = planner.need(ofJobs: visit.jobs, now: now)
        let station: Int
        let slot: Slot
        switch visit.slot {
        case .start(let start, let code):
            station = try self.station(code)
            slot = try self.place(need, at: start, station: station, except: nil)
        case .kept(let id):
            let (kept, hold) = try self.slot(keptBy: id, for: need, by: actor)
            drop(hold, "use_hold", by: actor)
            (station, slot) = (hold.station, kept)
        }
        let id = makeAppointment(
            need,
            slot,
            vehicle: vehicle,
            station: station,
            suggestion: nil,
            alerts: [],
            note: visit.note,
            symptoms: "",
            by: actor
        )
        amendInstead(vehicle)
        return .appointment(id)
    }

    mutating func chosenSlot(
        _ choice: SlotChoice,
        _ suggestion: inout Suggestion
    ) throws(Problem) -> Slot {
        guard !suggestion.isAmendment else {
            throw Problem(.visitExists, currentVersion: suggestion.version)
        }
        let chosen: Slot
        do throws(Problem) {
            chosen = try lengthened(try slot(choice, for: suggestion), for: suggestion)
        } catch {
            if error.code == .slotTaken { refreshOffers(&suggestion) }
            throw Problem(error.code, currentVersion: suggestion.version)
        }
        let isFree = calendars[suggestion.station]
            .isFree(chosen, except: suggestion.occupancy?.id)
        guard isFree, chosen.interval.start > now else {
            refreshOffers(&suggestion)
            throw Problem(.slotTaken, currentVersion: suggestion.version)
        }
        return chosen
    }

    mutating func confirm(
        _ suggestion: inout Suggestion,
        _ slot: Slot,
        event: SuggestionState.Event,
        reason: String,
        by actor: Actor
    ) {
        release(&suggestion)
        move(&suggestion, event, by: actor, reason: reason)
        let visit = makeAppointment(
            suggestion.need,
            slot,
            vehicle: suggestion.vehicle,
            station: suggestion.station,
            suggestion: suggestion.id,
            alerts: suggestion.alerts,
            note: "",
            symptoms: suggestion.symptoms,
            by: actor
        )
        suggestion.appointment = visit
        suggestion.handling.leaseUntil = nil
        suggestion.handling.wait = nil
        suggestion.version += 1
        vehicles[Int(suggestion.vehicle.index)].suggestion = nil
        write(suggestion)
    }

    /// The customer answers an offer that was sent: the hold becomes the visit.
    private mutating func accept(
        _ suggestion: inout Suggestion,
        channel: ContactChannel,
        reply: String,
        by actor: Actor
    ) throws(Problem) {
        // An offer also goes out while nobody works on it: the answer takes it up and confirms it.
        let isUntouched = suggestion.state == .proposed
        guard isUntouched || suggestion.state.allows(.customerAccepts) else {
            throw Problem(.illegalTransition, currentVersion: suggestion.version)
        }
        let slot = try chosenSlot(.held, &suggestion)
        if isUntouched {
            suggestion.handling.owner = actor.name
            move(&suggestion, .lease, by: actor)
        }
        confirm(
            &suggestion,
            slot,
            event: isUntouched ? .accepted : .customerAccepts,
            reason: "\(channel.rawValue): \(reply)",
            by: actor
        )
    }

    private mutating func refreshOffers(_ suggestion: inout Suggestion) {
        suggestion.offers = freshOffers(suggestion)
        bump(&suggestion)
    }

    /// Adds the work to the vehicle's confirmed visit: one visit, never two.
    private mutating func merge(
        _ suggestion: inout Suggestion,
        by actor: Actor
    ) throws(Problem) {
        guard suggestion.state.allows(.merge), let id = suggestion.appointment,
            var visit = appointments[id], visit.state == .confirmed || visit.state == .arrived
        else { throw Problem(.illegalTransition, currentVersion: suggestion.version) }
        var need = planner.adding(
            suggestion.need.jobs,
            suggestion.need.lines,
            to: visit.need
        )
        need.urgency = min(need.urgency, suggestion.need.urgency)
        need.latestBy = min(need.latestBy, suggestion.need.latestBy)
        need.early = min(need.early, suggestion.need.early)
        let start = visit.slot.interval.start
        // Work somebody lengthened by hand is not shortened.
        let minutes = max(Int64(need.minutes), Int64((visit.slot.interval.end - start).minutes))
        let wanted = Slot(
            bay: visit.slot.bay,
            technician: visit.slot.technician,
            interval: OpenInterval(start: start, end: start + .minutes(minutes))
        )
        let slot = try widened(wanted, need, of: visit)
        visit.need = need
        visit.alerts = Set(visit.alerts + suggestion.alerts).sorted()
        take(slot, for: &visit)
        for id in suggestion.alerts {
            guard var alert = alerts[id] else { continue }
            alert.suggestion = visit.suggestion ?? suggestion.id
            write(alert)
        }
        end(&suggestion, .merge, by: actor, reason: "appointment \(visit.id.rawValue)")
        visit.version += 1
        visit.updatedAt = now
        write(visit)
    }

    /// The slot with more time, on the same bay where that can do the work and is free.
    private func widened(
        _ slot: Slot,
        _ need: VisitNeed,
        of visit: Appointment
    ) throws(Problem) -> Slot {
        let station = stations[visit.station]
        let canStay =
            need.kinds.isSubset(of: station.bays[slot.bay].kinds)
            && slot.technician.map {
                need.skills.isSubset(of: station.technicians[$0].skills)
            } ?? true
        if canStay, calendars[visit.station].isFree(slot, except: visit.occupancy) { return slot }
        let other = SlotFinder.place(
            slot.interval,
            kinds: need.kinds,
            skills: need.skills,
            station: station,
            calendar: calendars[visit.station],
            except: visit.occupancy
        )
        guard let other else { throw Problem(.slotTaken) }
        return other
    }
}
