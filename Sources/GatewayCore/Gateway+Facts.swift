import Customers
import Decoding
import Telemetry
package import Workshop

/// What the desk says of a vehicle, by the vehicle's name.
package struct VehicleNews: Sendable, Equatable {
    package var vehicle: String
    package var facts: VehicleFacts
    /// The last owner was erased: what they said must not be written down again.
    package var isErased: Bool

    package init(vehicle: String, facts: VehicleFacts, isErased: Bool = false) {
        self.vehicle = vehicle
        self.facts = facts
        self.isErased = isErased
    }
}

/// The desk's facts → due work, homes and owners, as far as visits depend on them.
extension Gateway {
    /// A customer who did not want a due service hears of it again after this.
    private static let declinedRest = Milliseconds.days(Int64(30))
    /// The same after a suggestion or visit that came to nothing.
    private static let brokenRest = Milliseconds.days(Int64(7))

    // MARK: News

    /// Takes up what the desk says; a vehicle that was never heard of is told again when it is.
    mutating func learn(_ news: [VehicleNews]) {
        for item in news {
            guard let place = names.find(Array(item.vehicle.utf8).span) else { continue }
            let vehicle = VehicleID(index: UInt32(place))
            if item.isErased { forgetWords(of: vehicle) }
            learn(item.facts, of: vehicle)
        }
    }

    private mutating func learn(_ facts: VehicleFacts, of vehicle: VehicleID) {
        var work = work[vehicle] ?? VehicleWork()
        let before = work.facts
        guard before != facts else { return }
        work.facts = facts
        if before.dueItems != facts.dueItems {
            work.distanceDue = nil
            work.settled.removeAll { !facts.dueItems.contains($0) }
            work.told.removeAll { !facts.dueItems.contains($0) }
        }
        let hasLeft = before.account != nil && before.account != facts.account
        if hasLeft {
            work.restUntil = nil
            work.settled = []
            work.told = []
        }
        write(work, of: vehicle)
        if before.account != facts.account {
            if let account = before.account { accounts[account]?.removeAll { $0 == vehicle } }
            join(vehicle, facts.account)
        }
        if hasLeft { leave(vehicle, hasNewOwner: facts.account != nil) }
        if let station = facts.station {
            var profile = vehicles[Int(vehicle.index)].profile
            profile.station = station
            update(vehicle, with: profile)
        }
        fireWork(vehicle)
        if before.home != facts.home || before.station != facts.station { relocate(vehicle) }
    }

    /// A visit nobody works on yet goes where the owner now belongs.
    private mutating func relocate(_ vehicle: VehicleID) {
        guard let live = vehicles[Int(vehicle.index)].suggestion,
            var suggestion = suggestions[live], suggestion.state == .proposed,
            !suggestion.isAmendment
        else { return }
        let before = suggestion
        holdBest(&suggestion)
        if suggestion != before { bump(&suggestion) }
    }

    /// Keeps an owner's vehicles together, ascending.
    mutating func join(_ vehicle: VehicleID, _ account: Int64?) {
        guard let account else { return }
        accounts[account, default: []].append(vehicle)
        accounts[account]?.sort { $0.index < $1.index }
    }

    /// The vehicle has changed hands: whoever had it is not spoken to about it any more, and a new
    /// owner begins without the old one's words.
    private mutating func leave(_ vehicle: VehicleID, hasNewOwner: Bool) {
        let index = Int(vehicle.index)
        // The car is as it was: what is near stays near for a new owner.
        for alert in vehicles[index].alerts.compactMap({ alerts[$0] }) where hasNewOwner {
            lower(alert)
        }
        if let id = upcoming[vehicle], var visit = appointments[id], visit.state == .confirmed {
            callOff(&visit, .cancel, .vehicleLeft, "", by: .system)
            visit.version += 1
            write(visit)
        }
        for id in vehicles[index].alerts {
            guard var alert = alerts[id], alert.state.allows(.vehicleLeft) else { continue }
            alert.due = nil
            move(&alert, .vehicleLeft, by: .system)
            write(alert)
        }
        if let id = vehicles[index].suggestion, var live = suggestions[id] {
            if live.state == .leased {
                move(&live, .release, by: .system, reason: "vehicle left")
                live.handling.leaseUntil = nil
            }
            end(&live, .basisGone, by: .system, reason: "vehicle left")
        }
        if contacts.removeValue(forKey: vehicle) != nil {
            unit.contacts.append(ContactRow(vehicle: vehicle, history: ContactHistory()))
        }
        for complaint in complaints where complaint.vehicle == vehicle {
            close(complaint, "vehicle left", by: .system)
        }
    }

    /// The desk has erased what the owner said: what is still in memory is not to bring it back.
    private mutating func forgetWords(of vehicle: VehicleID) {
        for id in suggestions.keys.sorted() where suggestions[id]?.vehicle == vehicle {
            suggestions[id]?.note = ""
            suggestions[id]?.symptoms = ""
            suggestions[id]?.need.lines = []
        }
        for id in appointments.keys.sorted() where appointments[id]?.vehicle == vehicle {
            appointments[id]?.note = ""
            appointments[id]?.symptoms = ""
            appointments[id]?.need.lines = []
            appointments[id]?.followUp?.expectation = ""
            appointments[id]?.followUp?.issue = ""
            appointments[id]?.followUp?.dueReminders = ""
        }
        for index in complaints.indices where complaints[index].vehicle == vehicle {
            complaints[index].text = ""
        }
    }

    // MARK: Due work

    /// Everything a visit of the vehicle is for besides its alerts, and that no visit under way is
    /// for already.
    func lines(of vehicle: VehicleID, symptoms: String) -> [VisitLine] {
        var lines = dueServices(of: vehicle)
        if let work = work[vehicle] {
            lines += work.recommendations.map { VisitLine(reason: .recommended, job: $0.job) }
            lines += work.mentions(now: now, zone: station(of: vehicle).zone)
        }
        let booked = bookedLines(of: vehicle)
        lines.removeAll { line in
            booked.contains { $0.reason == line.reason && $0.job == line.job }
        }
        if !symptoms.isEmpty {
            lines.append(VisitLine(reason: .stated, job: planner.symptomJob, text: symptoms))
        }
        return lines
    }

    /// Services that make a visit by themselves.
    func dueServices(of vehicle: VehicleID) -> [VisitLine] {
        guard let work = work[vehicle], let job = planner.serviceJob,
            !bookedLines(of: vehicle).contains(where: { $0.reason == .service })
        else { return [] }
        return work.servicesDue(now: now, zone: station(of: vehicle).zone).map {
            var line = $0
            line.job = job
            return line
        }
    }

    private func bookedLines(of vehicle: VehicleID) -> [VisitLine] {
        (upcoming[vehicle] ?? inService[vehicle]).flatMap { appointments[$0]?.need.lines } ?? []
    }

    /// A reading of the odometer; most vehicles have no service that is due by distance.
    mutating func noteOdometer(_ metres: Double, of vehicle: VehicleID) {
        guard var work = work[vehicle], let near = work.distanceNear else { return }
        vehicles[Int(vehicle.index)].odometer.note(metres, at: now)
        guard let believed = vehicles[Int(vehicle.index)].odometer.metres else { return }
        let isNear = believed >= Double(near) * 1_000
        guard isNear != (work.distanceDue != nil) else { return }
        // A due service that a wrong reading made is taken back, with its suggestion.
        work.distanceDue = isNear ? now + VehicleWork.serviceLead : nil
        write(work, of: vehicle)
        replan(vehicle)
    }

    mutating func scheduleWork(_ vehicle: VehicleID) {
        guard let work = work[vehicle],
            let due = work.nextDue(after: now, zone: station(of: vehicle).zone)
        else { return }
        timers.insert(
            TimerQueue.Entry(due: due, kind: .dueWork, record: Int64(vehicle.index))
        )
    }

    mutating func fireWork(_ vehicle: VehicleID) {
        scheduleWork(vehicle)
        replan(vehicle)
        tellDates(of: vehicle)
    }

    /// A date that comes near is told once: by the visit that is near, or by a message.
    private mutating func tellDates(of vehicle: VehicleID) {
        guard var work = work[vehicle] else { return }
        let untold = work.untold(now: now, zone: station(of: vehicle).zone)
        guard !untold.isEmpty else { return }
        work.told += untold
        write(work, of: vehicle)
        let hasVisit = vehicles[Int(vehicle.index)].suggestion != nil || upcoming[vehicle] != nil
        guard !hasVisit else { return }
        unit.dueNotices += untold.map { DueNotice(vehicle: vehicle, item: $0) }
    }

    /// A suggestion or visit with due work in it came to nothing.
    mutating func restWork(of vehicle: VehicleID, _ need: VisitNeed, isDeclined: Bool) {
        guard need.lines.contains(where: { $0.reason == .service }), var work = work[vehicle]
        else { return }
        work.restUntil = now + (isDeclined ? Gateway.declinedRest : Gateway.brokenRest)
        write(work, of: vehicle)
        scheduleWork(vehicle)
    }

    /// A decline was taken back.
    mutating func wakeWork(of vehicle: VehicleID) {
        guard var work = work[vehicle], work.restUntil != nil else { return }
        work.restUntil = nil
        write(work, of: vehicle)
    }

    /// Work was done, here or elsewhere: the desk may list it for a while yet.
    mutating func settleWork(of vehicle: VehicleID, _ need: VisitNeed, advised: [Recommendation]) {
        guard work[vehicle] != nil || !advised.isEmpty else { return }
        var work = work[vehicle] ?? VehicleWork()
        let before = work
        if need.lines.contains(where: { $0.reason == .service }) {
            work.settled += work.facts.dueItems.filter {
                $0.kind == .service && !work.settled.contains($0)
            }
            work.distanceDue = nil
        }
        work.recommendations.removeAll { need.jobs.contains($0.job) }
        let known = work.recommendations.map(\.job)
        work.recommendations += advised.filter { !known.contains($0.job) }
        if work != before { write(work, of: vehicle) }
    }

    private mutating func write(_ work: VehicleWork, of vehicle: VehicleID) {
        self.work[vehicle] = work
        unit.work.append(WorkRow(vehicle: vehicle, work: work))
    }

    // MARK: The owner's other cars

    /// Vehicles of the same owner, this one left out.
    func companions(of vehicle: VehicleID) -> [VehicleID] {
        guard let account = work[vehicle]?.facts.account else { return [] }
        return (accounts[account] ?? []).filter { $0 != vehicle }
    }

    /// Local dates on which the owner's other cars come to a station.
    func companionDates(of vehicle: VehicleID, at station: Int) -> Set<CivilDate> {
        var dates: Set<CivilDate> = []
        for other in companions(of: vehicle) {
            var slot: Slot?
            if let visit = upcoming[other].flatMap({ appointments[$0] }), visit.station == station {
                slot = visit.slot
            } else if let live = vehicles[Int(other.index)].suggestion.flatMap({ suggestions[$0] }),
                live.station == station
            {
                slot = live.occupancy?.slot
            }
            if let slot { dates.insert(stations[station].zone.civil(slot.interval.start).date) }
        }
        return dates
    }

    /// The last contact about one of the owner's other cars.
    func companionContact(of vehicle: VehicleID) -> Timestamp? {
        companions(of: vehicle).compactMap { contacts[$0]?.lastAt }.max()
    }

    // MARK: Station

    /// Where a visit is to be, why there, and what can be offered.
    ///
    /// The home dealer, when it lies within its radius and has a slot in time; else the nearest
    /// station that has; else the home dealer, or the nearest of all when that is out of reach.
    func chooseStation(
        for suggestion: Suggestion
    ) -> (station: Int, reason: StationReason, offers: [Offer]) {
        let home = vehicles[Int(suggestion.vehicle.index)].station
        let area = work[suggestion.vehicle]?.facts.home
        let atHome = freshOffers(suggestion, at: home)
        let isNear =
            stations[home].kilometres(to: area).map { $0 <= stations[home].radiusKilometres }
            ?? true
        // Where the deadline has passed, nobody has a slot in time.
        let isPast = suggestion.need.latestBy < now
        if isNear, isPast || isInTime(atHome, suggestion) { return (home, .home, atHome) }
        let origin = area ?? stations[home].location
        let others = stations.indices.compactMap { place -> (place: Int, distance: Double)? in
            stations[place].kilometres(to: origin).map { (place, $0) }
        }.sorted { ($0.distance, $0.place) < ($1.distance, $1.place) }
        let reachable = others.filter {
            $0.place != home && $0.distance <= stations[$0.place].radiusKilometres
        }
        for other in reachable.prefix(Limits.stationsTriedMax) {
            let offers = freshOffers(suggestion, at: other.place)
            if isInTime(offers, suggestion) { return (other.place, .nearest, offers) }
        }
        if !isNear, let nearest = others.first, nearest.place != home {
            return (nearest.place, .outOfRadius, freshOffers(suggestion, at: nearest.place))
        }
        return (home, isNear ? .home : .outOfRadius, atHome)
    }

    private func isInTime(_ offers: [Offer], _ suggestion: Suggestion) -> Bool {
        offers.first.map { $0.slot.interval.start <= suggestion.need.latestBy } ?? false
    }
}
