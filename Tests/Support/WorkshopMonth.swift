import Customers
package import GatewayCore
import Rules
package import Telemetry
package import Workshop

/// A month of a fleet, advisors and a workshop, from one seed: who acts when, and how, is chance;
/// what may never happen is checked at each step.
package struct WorkshopMonth {
    package var gateway: Gateway
    /// What was found wrong, with the seed's time.
    package private(set) var faults: [String] = []
    package private(set) var suggestions: [SuggestionID: Suggestion] = [:]
    package private(set) var appointments: [AppointmentID: Appointment] = [:]
    package private(set) var alerts: [AlertID: Alert] = [:]
    package private(set) var events: [String: Int] = [:]
    package private(set) var refusals: [String: Int] = [:]
    private var occupancies: [OccupancyID: OccupancyRow] = [:]
    /// The time of the last step; a gateway that starts again knows the last commit's.
    private var now = Fixtures.start
    /// Kept at the desk, the newest last; some have ended since.
    private var holds: [(id: OccupancyID, holder: String)] = []
    private var complaints: [ComplaintID: Complaint] = [:]
    private var contacts: [VehicleID: (at: Timestamp, suggestion: SuggestionID)] = [:]
    private var random: SeededGenerator
    private let vehicles: Int
    private var packets: [(topic: String, payload: String, receivedAt: Timestamp)] = []
    private var next = 0

    private static let people = [
        Actor("ann"), Actor("bob"), Actor("sun", .specialist), Actor("max", .manager),
    ]

    package init(seed: UInt64, vehicles: Int = 24) throws {
        gateway = try Fixtures.assembly().makeGateway()
        random = SeededGenerator(seed: seed)
        self.vehicles = vehicles
        for vehicle in 0..<vehicles { plan(vehicle) }
        packets.sort { $0.receivedAt < $1.receivedAt }
    }

    /// Some leak, some are due for service, some are mended in between, some fall silent.
    private mutating func plan(_ vehicle: Int) {
        let name = "s\(vehicle)"
        let begin = Fixtures.start + .hours(Int64.random(in: 0..<48, using: &random))
        let slope = Double.random(in: 1...4, using: &random)
        let first = Int.random(in: 8...20, using: &random)
        packets += Fixtures.leak(name, perDay: slope, days: first, start: begin)
        let middle = begin + .days(Int64(first))
        if Bool.random(using: &random) {
            packets += Fixtures.leak(
                name,
                from: Bool.random(using: &random) ? 242 : 240 - slope * Double(first),
                perDay: Double.random(in: 0.05...2, using: &random),
                days: 30 - first,
                start: middle
            )
        }
        if Bool.random(using: &random) {
            packets.append(
                Fixtures.overdue(
                    name,
                    at: begin + .days(Double.random(in: 2...28, using: &random)),
                    kilometres: 50
                )
            )
        }
    }

    // MARK: Running

    /// Plays hours up to the end of the month; `commit` sees every unit.
    package mutating func run(
        days: Int = 30,
        commit: (CommitUnit, inout Gateway) throws -> Void = { _, _ in }
    ) throws {
        for hour in 0..<days * 24 {
            let time = Fixtures.start + .hours(Int64(hour))
            while next < packets.count, packets[next].receivedAt <= time {
                let packet = packets[next]
                next += 1
                try take(.packets(Fixtures.batch([packet])), at: packet.receivedAt, commit)
            }
            try take(.tick, at: time, commit)
            for _ in 0..<4 {
                let moment = now + .minutes(Int64.random(in: 1...12, using: &random))
                guard let command = chooseCommand(at: moment) else { continue }
                try take(.command(command), at: moment, commit)
            }
        }
    }

    /// Lets the clock alone go on, day by day.
    package mutating func idle(days: Int) {
        for _ in 0..<days { take(.tick, at: gateway.now + .days(1.0)) { _, _ in } }
    }

    private mutating func take(
        _ input: Input,
        at time: Timestamp,
        _ commit: (CommitUnit, inout Gateway) throws -> Void
    ) rethrows {
        now = max(now, time)
        let unit = gateway.step(input, now: time)
        check(unit)
        if case .failure(let problem) = unit.answer {
            refusals[problem.code.rawValue, default: 0] += 1
        }
        try commit(unit, &gateway)
    }

    // MARK: People

    private mutating func chooseCommand(at moment: Timestamp) -> Command? {
        let actor = WorkshopMonth.people.randomElement(using: &random) ?? Actor("ann")
        switch Int.random(in: 0..<11, using: &random) {
        case 0..<5:
            let live = suggestions.values.filter { $0.state.isLive || $0.state == .declined }
                .sorted { $0.id < $1.id }
            guard let suggestion = live.randomElement(using: &random) else { return nil }
            return .suggestion(
                suggestion.id,
                version: suggestion.version,
                chooseStep(suggestion, at: moment),
                by: actor
            )
        case 5..<8:
            let live = appointments.values.filter(\.state.isLive).sorted { $0.id < $1.id }
            guard let visit = live.randomElement(using: &random) else { return nil }
            return .appointment(
                visit.id,
                version: visit.version,
                chooseStep(visit, at: moment),
                by: actor
            )
        case 8: return chooseClosure(at: moment, by: actor)
        case 9: return chooseHold(at: moment, by: actor)
        default:
            let open = complaints.values.filter { $0.handledAt == nil }.sorted { $0.id < $1.id }
            if let complaint = open.randomElement(using: &random) {
                return .resolve(complaint.id, resolution: "settled", by: actor)
            }
            if Int.random(in: 0..<3, using: &random) == 0 { return chooseNews(at: moment) }
            let live = alerts.values.filter(\.state.isLive).sorted { $0.id < $1.id }
            guard let alert = live.randomElement(using: &random) else { return nil }
            return .alert(
                alert.id,
                Bool.random(using: &random)
                    ? .mute(until: .time(moment + .days(3.0)), reason: "known") : .unmute,
                by: actor
            )
        }
    }

    /// The desk hears of an owner: several cars, a due service, other hours, no consent, or a sale.
    private mutating func chooseNews(at moment: Timestamp) -> Command {
        let vehicle = Int.random(in: 0..<vehicles, using: &random)
        var facts = VehicleFacts()
        let isSold = Int.random(in: 0..<8, using: &random) == 0
        facts.account = isSold ? Int64(1_000 + vehicle) : Int64(vehicle / 2 + 1)
        let day = moment.milliseconds / 86_400_000 + Int64.random(in: 10...60, using: &random)
        facts.dueItems = [
            DueItem(
                kind: .service,
                vehicle: "s\(vehicle)",
                on: CivilDate(daysSinceEpoch: day),
                kilometres: nil
            )
        ]
        facts.allowsService = Int.random(in: 0..<6, using: &random) > 0
        if Bool.random(using: &random) { facts.contactMinutes = 17 * 60..<21 * 60 }
        return .facts([VehicleNews(vehicle: "s\(vehicle)", facts: facts)])
    }

    private mutating func chooseStep(
        _ suggestion: Suggestion,
        at moment: Timestamp
    ) -> SuggestionStep {
        let later = moment + .hours(Int64.random(in: 1...60, using: &random))
        switch Int.random(in: 0..<14, using: &random) {
        case 0: return .lease
        case 1: return .release(reason: "")
        case 2: return .book(.held)
        case 3: return .book(.offer(OfferLabel.allCases.randomElement(using: &random) ?? .best))
        case 4:
            return .decline(
                DeclineReason.allCases.randomElement(using: &random) ?? .otherTime,
                note: ""
            )
        case 5: return .wait(Wait(kind: .parts, until: later), note: "")
        case 6: return .escalate(.specialist, reason: "please")
        case 7: return .undo
        case 8: return .acknowledge
        case 9: return .merge
        case 10: return .customerAccepts(channel: .app, reply: "1")
        case 11: return .book(.start(later, reason: "wish"))
        default:
            return .attempt(
                ContactAttempt(
                    channel: ContactChannel.allCases.randomElement(using: &random) ?? .phone,
                    outcome: ContactOutcome.allCases.randomElement(using: &random) ?? .unreachable,
                    callBackAt: Bool.random(using: &random) ? later : nil
                )
            )
        }
    }

    private mutating func chooseStep(
        _ visit: Appointment,
        at moment: Timestamp
    ) -> AppointmentStep {
        let verdicts = Verdict.allCases
        switch Int.random(in: 0..<11, using: &random) {
        case 0:
            return .move(
                to: visit.slot.interval.start + .hours(Int64.random(in: -48...96, using: &random)),
                reason: ""
            )
        case 1...3: return .arrive(odometerKilometres: 20_000, symptoms: "")
        case 4, 5: return .start
        case 6, 7:
            return .finish(
                visit.alerts.map {
                    Finding(
                        alert: $0,
                        verdict: verdicts.randomElement(using: &random) ?? .confirmed,
                        action: "",
                        parts: "",
                        note: "",
                        measured: nil,
                        minutes: nil
                    )
                },
                advised: []
            )
        case 8:
            return .cancel(CancelCode.allCases.randomElement(using: &random) ?? .shop, note: "")
        case 9: return .rework(reason: "check")
        case 10: return .abort(.partsMissing, note: "")
        default:
            return .followUp(
                FollowUp(
                    at: moment,
                    by: "",
                    isThanked: true,
                    score: 8,
                    expectation: "met",
                    issue: Bool.random(using: &random) ? "slow" : "",
                    dueReminders: "none"
                )
            )
        }
    }

    private mutating func chooseClosure(at moment: Timestamp, by actor: Actor) -> Command {
        if Int.random(in: 0..<4, using: &random) > 0 {
            return .walkIn(
                WalkIn(
                    vehicle: "s\(Int.random(in: 0..<vehicles, using: &random))",
                    jobs: ["battery_test"],
                    slot: .start(
                        moment + .hours(Int64.random(in: 0...8, using: &random)),
                        station: "su-zhou-1"
                    ),
                    note: ""
                ),
                by: actor
            )
        }
        let start = moment + .hours(Int64.random(in: 0...72, using: &random))
        return .close(
            station: "su-zhou-1",
            Bool.random(using: &random) ? .technician(0) : .bay(2),
            OpenInterval(start: start, end: start + .hours(10)),
            reason: "sick",
            by: actor
        )
    }

    /// A slot is kept; what was kept is lengthened, given up, or used for a car at the door.
    private mutating func chooseHold(at moment: Timestamp, by actor: Actor) -> Command {
        if let hold = holds.last {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: return .hold(.lengthen(hold.id), by: Actor(hold.holder))
            case 1:
                holds.removeLast()
                return .hold(.giveUp(hold.id), by: Actor(hold.holder))
            case 2:
                holds.removeLast()
                let vehicle = "s\(Int.random(in: 0..<vehicles, using: &random))"
                let walkIn = WalkIn(
                    vehicle: vehicle,
                    jobs: ["battery_test"],
                    slot: .kept(hold.id),
                    note: ""
                )
                return .walkIn(walkIn, by: Actor(hold.holder))
            default: break
            }
        }
        return .hold(
            .take(
                HoldRequest(
                    station: "su-zhou-1",
                    start: moment + .hours(Int64.random(in: 0...48, using: &random)),
                    minutes: 45
                )
            ),
            by: actor
        )
    }

    // MARK: What may never happen

    private mutating func fault(_ text: String) {
        faults.append("\(gateway.now): \(text)")
    }

    private mutating func check(_ unit: CommitUnit) {
        for row in unit.occupancies {
            guard case .desk(let holder, _, _) = row.owner else { continue }
            holds.removeAll { $0.id == row.occupancy.id }
            holds.append((row.occupancy.id, holder))
        }
        for transition in unit.transitions { check(transition) }
        for row in unit.attempts { check(row) }
        // A new owner has not been spoken to.
        for row in unit.contacts where row.history.lastAt == nil { contacts[row.vehicle] = nil }
        for id in unit.releasedOccupancies where occupancies.removeValue(forKey: id) == nil {
            fault("the occupancy \(id.rawValue) was given back, but nobody had it")
        }
        for row in unit.occupancies {
            for other in occupancies.values where overlaps(row, other) {
                fault("\(row) overlaps \(other)")
            }
            occupancies[row.occupancy.id] = row
        }
        for alert in unit.alerts { alerts[alert.id] = alert }
        for suggestion in unit.suggestions { suggestions[suggestion.id] = suggestion }
        for visit in unit.appointments { appointments[visit.id] = visit }
        for complaint in unit.complaints { complaints[complaint.id] = complaint }
        checkRecords(unit)
    }

    private func overlaps(_ row: OccupancyRow, _ other: OccupancyRow) -> Bool {
        row.occupancy.slot.interval.overlaps(other.occupancy.slot.interval)
            && (row.bayCode == other.bayCode
                || row.technicianCode.map { $0 == other.technicianCode } ?? false)
    }

    private mutating func check(_ transition: Transition) {
        events["\(transition.machine.rawValue) \(transition.event)", default: 0] += 1
        guard transition.machine != .gateway, transition.machine != .vehicle else { return }
        let from = transition.from.isEmpty ? nil : transition.from
        let to = String(transition.to.prefix { $0 != ":" })
        let isListed =
            switch transition.machine {
            case .alert: isStep(AlertState.self, from, transition.event, to)
            case .suggestion: isStep(SuggestionState.self, from, transition.event, to)
            case .appointment: isStep(AppointmentState.self, from, transition.event, to)
            case .vehicle, .customer, .gateway, .user, .token, .webhook: true
            }
        if !isListed { fault("\(transition) is not in the table") }
    }

    private func isStep<State: MachineState>(
        _ type: State.Type,
        _ from: String?,
        _ event: String,
        _ to: String
    ) -> Bool {
        guard let event = State.Event(rawValue: event) else { return false }
        return State.target(from: from.flatMap(State.init(rawValue:)), on: event)?.rawValue == to
    }

    /// The rules on contacts, told anew from the attempts themselves.
    private mutating func check(_ row: AttemptRow) {
        guard row.attempt.channel != .incoming, let suggestion = suggestions[row.suggestion] else {
            return
        }
        let minute = gateway.stations[suggestion.station].zone.civil(row.at).minute
        if minute < 540 || minute >= 1_200 { fault("contact at minute \(minute)") }
        let urgency = suggestion.need.urgency
        if let last = contacts[row.vehicle], last.suggestion != row.suggestion, urgency != .p0,
            row.at - last.at < .days(urgency == .p1 ? 3.0 : 7.0)
        {
            fault("a second contact after \((row.at - last.at).days) days")
        }
        let isOpen = complaints.values.contains { $0.vehicle == row.vehicle && $0.handledAt == nil }
        if isOpen, suggestion.handling.queue == .advisor, urgency != .p0 {
            fault("contact in spite of a complaint")
        }
        contacts[row.vehicle] = (row.at, row.suggestion)
    }

    private mutating func checkRecords(_ unit: CommitUnit) {
        let live = suggestions.values.filter(\.state.isLive)
        if Set(live.map(\.vehicle)).count != live.count { fault("two suggestions of one vehicle") }
        var owned: Set<OccupancyID> = []
        for suggestion in live {
            if suggestion.state == .leased, suggestion.handling.leaseUntil == nil {
                fault("a lease without end")
            }
            if let id = suggestion.occupancy?.id { owned.insert(id) }
        }
        for visit in appointments.values {
            let isTaken =
                visit.state == .confirmed || visit.state == .arrived || visit.state == .inService
            if isTaken != (visit.occupancy != nil) {
                fault("a visit that is \(visit.state) with occupancy \(visit.occupancy != nil)")
            }
            if let id = visit.occupancy { owned.insert(id) }
        }
        for row in occupancies.values {
            guard case .desk = row.owner else { continue }
            owned.insert(row.occupancy.id)
            if (row.expiresAt ?? .distantFuture) < unit.now {
                fault("a hold that outlives its end")
            }
        }
        if owned != Set(occupancies.keys) { fault("occupancies nobody owns, or owned by nobody") }
        for alert in unit.alerts.compactMap({ alerts[$0.id] }) where alert.state == .planned {
            guard let id = alert.suggestion, let suggestion = suggestions[id] else {
                fault("a planned alert without suggestion")
                continue
            }
            let isSeenTo =
                suggestion.state.isLive
                || appointments.values.contains {
                    $0.alerts.contains(alert.id) && $0.state.isLive
                }
            if !isSeenTo { fault("alert \(alert.id.rawValue) is planned, but nothing is") }
        }
    }

    /// What still lives after everybody has gone home for good.
    package var rotting: [String] {
        suggestions.values.filter(\.state.isLive).map { "suggestion \($0.id.rawValue)" }
            + alerts.values.filter { alert in
                alert.state.isLive
                    && !appointments.values.contains {
                        $0.state == .inService && $0.alerts.contains(alert.id)
                    }
            }.map { "alert \($0.id.rawValue) \($0.state)" }
            + appointments.values.filter { visit in
                // A car that is worked on is told every evening, not moved by the clock.
                visit.state.isLive && !(visit.state == .inService && visit.toDo(.carryOver) != nil)
            }.map { "visit \($0.id.rawValue) \($0.state)" }
    }
}
