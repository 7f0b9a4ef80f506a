import Telemetry
import Workshop

/// What takes bays and technicians; slots that people at the desk keep free while they speak with a
/// customer.
extension Gateway {
    /// However often it is lengthened: a conversation, not a reservation.
    private static let deskHoldLifetime = Milliseconds.hours(2)

    mutating func take(_ step: HoldStep, by actor: Actor) throws(Problem) -> Answer {
        switch step {
        case .take(let request): .hold(try take(request, by: actor))
        case .lengthen(let id): .hold(try lengthen(id, by: actor))
        case .giveUp(let id):
            .hold(drop(try deskHold(id, of: actor), "release_hold", by: actor))
        }
    }

    /// A live hold of the actor's own.
    private func deskHold(_ id: OccupancyID, of actor: Actor) throws(Problem) -> DeskHold {
        guard let hold = deskHolds[id] else { throw Problem(.holdExpired) }
        guard hold.holder == actor.name else { throw Problem(.leasedByOther) }
        return hold
    }

    private mutating func take(
        _ request: HoldRequest,
        by actor: Actor
    ) throws(Problem) -> OccupancyID {
        guard deskHolds.values.count(where: { $0.holder == actor.name }) < Limits.deskHoldsMax
        else { throw Problem(.tooManyHolds) }
        let station = try station(request.station)
        guard request.jobs.allSatisfy({ planner.job($0) != nil }) else {
            throw Problem(.unknownName)
        }
        var need = planner.need(ofJobs: request.jobs, now: now)
        if let id = request.suggestion {
            guard let suggestion = suggestions[id], suggestion.state.isLive else {
                throw Problem(.notFound)
            }
            need = suggestion.need
        }
        need.minutes = max(need.minutes, request.minutes)
        let slot = try place(
            need,
            at: request.start,
            station: station,
            except: nil,
            on: try places(request, stations[station])
        )
        let until = min(now + Gateway.leaseTime, slot.interval.start)
        let occupancy = occupy(
            slot,
            .hold,
            at: station,
            for: .desk(holder: actor.name, station: request.station, at: now),
            until: until
        )
        deskHolds[occupancy.id] = DeskHold(
            occupancy: occupancy,
            station: station,
            holder: actor.name,
            takenAt: now,
            until: until
        )
        scheduleEnd(of: occupancy.id, at: until)
        let start = slot.interval.start
        record(
            .gateway,
            occupancy.id.rawValue,
            from: "",
            "hold",
            to: "",
            by: actor,
            reason: "\(start)"
        )
        return occupancy.id
    }

    /// The bay and the technician a request insists on.
    private func places(
        _ request: HoldRequest,
        _ station: Station
    ) throws(Problem) -> SlotFinder.Places {
        var places = SlotFinder.Places()
        if let code = request.bay {
            places.bay = station.bays.firstIndex { $0.code == code }
            guard places.bay != nil else { throw Problem(.unknownName) }
        }
        if let code = request.technician {
            places.technician = station.technicians.firstIndex { $0.code == code }
            guard places.technician != nil else { throw Problem(.unknownName) }
        }
        return places
    }

    private mutating func lengthen(
        _ id: OccupancyID,
        by actor: Actor
    ) throws(Problem) -> OccupancyID {
        var hold = try deskHold(id, of: actor)
        hold.until = min(
            now + Gateway.leaseTime,
            hold.takenAt + Gateway.deskHoldLifetime,
            hold.occupancy.slot.interval.start
        )
        deskHolds[id] = hold
        lengthen(
            hold.occupancy,
            at: hold.station,
            for: .desk(
                holder: hold.holder,
                station: stations[hold.station].code,
                at: hold.takenAt
            ),
            until: hold.until
        )
        scheduleEnd(of: id, at: hold.until)
        return id
    }

    /// What a closure forbids is not kept for anybody.
    mutating func dropDeskHolds(at station: Int, outOf closure: Closure) {
        for id in deskHolds.keys.sorted() {
            guard let hold = deskHolds[id], hold.station == station,
                closure.forbids(hold.occupancy.slot)
            else { continue }
            drop(hold, "close_hold", by: .system)
        }
    }

    mutating func endDeskHold(_ id: OccupancyID, due: Timestamp) {
        guard let hold = deskHolds[id], hold.until == due else { return }
        drop(hold, "hold_expired", by: .clock)
    }

    mutating func restore(_ hold: DeskHold) {
        deskHolds[hold.occupancy.id] = hold
        calendars[hold.station].insert(hold.occupancy)
        scheduleEnd(of: hold.occupancy.id, at: hold.until)
    }

    private mutating func scheduleEnd(of id: OccupancyID, at due: Timestamp) {
        timers.insert(TimerQueue.Entry(due: due, kind: .deskHoldEnd, record: id.rawValue))
    }

    @discardableResult
    mutating func drop(_ hold: DeskHold, _ event: String, by actor: Actor) -> OccupancyID {
        let id = hold.occupancy.id
        deskHolds[id] = nil
        free(id, at: hold.station)
        record(.gateway, id.rawValue, from: "", event, to: "", by: actor)
        return id
    }

    // MARK: Used for a visit

    /// The slot a hold keeps, with room for all of `need`; the hold itself is not in its way.
    func slot(
        keptBy id: OccupancyID,
        for need: VisitNeed,
        by actor: Actor
    ) throws(Problem) -> (slot: Slot, hold: DeskHold) {
        let hold = try deskHold(id, of: actor)
        let kept = hold.occupancy.slot
        var need = need
        need.minutes = max(need.minutes, Int((kept.interval.end - kept.interval.start).minutes))
        // Where the kept bay or technician cannot do the work, others may at the same time.
        func slot(on places: SlotFinder.Places) throws(Problem) -> Slot {
            try place(
                need,
                at: kept.interval.start,
                station: hold.station,
                except: id,
                on: places
            )
        }
        do throws(Problem) {
            let same = SlotFinder.Places(bay: kept.bay, technician: kept.technician)
            return (try slot(on: same), hold)
        } catch {
            guard error.code == .slotTaken else { throw error }
            return (try slot(on: SlotFinder.Places()), hold)
        }
    }

    // MARK: Occupancies

    mutating func occupy(
        _ slot: Slot,
        _ kind: Occupancy.Kind,
        at station: Int,
        for owner: OccupancyRow.Owner,
        until: Timestamp?
    ) -> Occupancy {
        let occupancy = Occupancy(
            id: OccupancyID(rawValue: nextOccupancy),
            slot: slot,
            kind: kind
        )
        nextOccupancy += 1
        take(occupancy, at: station, for: owner, until: until)
        return occupancy
    }

    mutating func take(
        _ occupancy: Occupancy,
        at station: Int,
        for owner: OccupancyRow.Owner,
        until: Timestamp?
    ) {
        calendars[station].insert(occupancy)
        store(occupancy, at: station, for: owner, until: until)
    }

    /// Lets an occupancy run out later: the calendar does not change.
    mutating func lengthen(
        _ occupancy: Occupancy,
        at station: Int,
        for owner: OccupancyRow.Owner,
        until: Timestamp?
    ) {
        forget(occupancy.id)
        store(occupancy, at: station, for: owner, until: until)
    }

    mutating func free(_ id: OccupancyID, at station: Int) {
        calendars[station].remove(id)
        forget(id)
    }

    private mutating func store(
        _ occupancy: Occupancy,
        at station: Int,
        for owner: OccupancyRow.Owner,
        until: Timestamp?
    ) {
        let slot = occupancy.slot
        unit.occupancies.append(
            OccupancyRow(
                occupancy: occupancy,
                bayCode: stations[station].bays[slot.bay].code,
                technicianCode: slot.technician.map { stations[station].technicians[$0].code },
                owner: owner,
                expiresAt: until
            )
        )
    }

    private mutating func forget(_ id: OccupancyID) {
        if let index = unit.occupancies.firstIndex(where: { $0.occupancy.id == id }) {
            // Taken and given back within one step: the store need not know.
            unit.occupancies.remove(at: index)
        } else {
            unit.releasedOccupancies.append(id)
        }
    }
}
