package import Decoding
package import Rules
package import Telemetry
package import Workshop

/// The core: inputs in, one commit unit out.
///
/// Purpose: joins decoding, rules and workshop into one deterministic machine that live traffic,
/// replay and tests all run. State: what every vehicle's rules remember, live alerts and
/// suggestions, the stations' calendars, timers. Inputs: `Input` and the time. Outputs:
/// `CommitUnit`, only data. Invariants: time never goes backwards; the same inputs give the same
/// units, whatever the batches; every packet is judged at its own arrival and every timer at its
/// own due time; nothing is iterated in the order of a hash table. Left out on purpose: threads,
/// clocks, SQL; a failed commit is the loop's business.
package struct Gateway: Sendable {
    /// What a vehicle is to the core.
    struct VehicleEntry: Sendable {
        var rules = VehicleState()
        var profile = VehicleProfile()
        var station = 0
        var windows: [SequenceWindow] = []
        /// Hashes of the last packets without a number.
        var recentPackets: [UInt64] = []
        /// Live alerts, ascending.
        var alerts: [AlertID] = []
        /// The live suggestion.
        var suggestion: SuggestionID?
        var firstSeenAt: Timestamp
        var lastHeardAt: Timestamp
        /// Whether nothing was heard for longer than `silentAfter`, and that is on record.
        var isSilent = false
        /// What has become of readings since the last good one.
        var account = FeedAccount()
        /// Followed where a service is due by distance.
        var odometer = OdometerWatch()
        var isTouched = false
        /// When the queue's forecast timer for this vehicle fires; `distantFuture` for none.
        var forecastDue = Timestamp.distantFuture
    }

    /// Forecasts come true on this grid: nothing against a lead of days, and a forecast that moves
    /// with every reading seldom needs another timer.
    private static let forecastGrid = Milliseconds.minutes(30)
    /// What a reading takes in a packet with full paths, about: a unit's readings find room at once.
    private static let readingBytes = 64
    /// Vehicles whose memory is asked for together, before they are flushed one after the other.
    private static let vehiclesTouched = 8

    package internal(set) var engine: RuleEngine {
        didSet {
            addOnRules = Gateway.addOns(of: engine)
            severityLadders = Gateway.ladders(of: engine)
            slotPlaces = Gateway.places(of: engine)
        }
    }
    /// Rules whose alerts make no visit of their own.
    private(set) var addOnRules: Set<String>
    /// How severe an alert is, by rule.
    private(set) var severityLadders: [String: SeverityLadder]
    /// Slots of the engine, by what an alert says of them.
    private(set) var slotPlaces: [SlotName: Int]
    /// Limits of single vehicles, by name.
    var limits: [String: [VehicleLimit]]
    package let planner: VisitPlanner
    package let stations: [Station]
    let catalogue: Catalogue
    /// How long a vehicle may say nothing before that is put on record; nil: for ever.
    let silentAfter: Milliseconds?
    /// Whether every component's forecast goes into the unit at midnight (UTC).
    let tellsForecasts: Bool
    /// Signals that tell a vehicle's own reference values.
    let placardFrontSignal: SignalID?
    let placardRearSignal: SignalID?
    /// Metres driven.
    let odometerSignal: SignalID?
    var decoder: PayloadDecoder
    var sourceDecoder: SourceDecoder
    /// Decoders of sources whose own packets are in other units, and what brings them to ours.
    var variants: [Int: (decoder: PayloadDecoder, conversions: [SignalID: UnitConversion])] = [:]

    /// What to subscribe to for the sources, in the order in which they are asked.
    package var sourceFilters: [String] { sourceDecoder.sources.flatMap(\.filters) }
    /// Topics of which no source maps anything, since the start.
    package internal(set) var ignored = IgnoredTopics()

    package private(set) var now = Timestamp.distantPast
    var names = InternTable()
    /// Whose the last line was, and the count of the decoder's vehicles then.
    var lineVehicle: (id: VehicleID, changes: Int)?
    var vehicles: [VehicleEntry] = []
    /// Vehicles whose state changed other than by readings and marks.
    var touched: [VehicleID] = []
    var deliveries = DeliveryMemory()
    /// Whether what the store holds of readings is still being recalled; packets are then stored, and
    /// all that is to come of them waits until they are recalled too.
    package internal(set) var isRecalling = false
    /// Vehicles heard meanwhile, and what they said they are: in force when all is recalled.
    var heardMeanwhile: Set<VehicleID> = []
    var profilesMeanwhile: [VehicleID: VehicleProfile] = [:]
    /// While the journal is recalled: the row each vehicle's checkpoint covers, by vehicle; a
    /// million readings ask.
    var checkpointRows: [Int64] = []
    /// Vehicles that learn their trends again, and the row up to which they have.
    var relearning: [VehicleID: Int64] = [:]
    /// What changed rules make of recalled readings; drawn in the next step.
    var recalledEvents: [(vehicle: VehicleID, events: [RuleEvent])] = []
    var alerts: [AlertID: Alert] = [:]
    var suggestions: [SuggestionID: Suggestion] = [:]
    /// Visits that are not over: confirmed, going on, or still to be followed up.
    var appointments: [AppointmentID: Appointment] = [:]
    /// The visit of a vehicle to which more work could be added.
    var upcoming: [VehicleID: AppointmentID] = [:]
    /// The visit that a vehicle is being worked on for.
    var inService: [VehicleID: AppointmentID] = [:]
    /// Slots kept at the desk.
    var deskHolds: [OccupancyID: DeskHold] = [:]
    /// Of vehicles whose owner was ever contacted.
    var contacts: [VehicleID: ContactHistory] = [:]
    /// Of vehicles of whom the desk or the workshop said something.
    var work: [VehicleID: VehicleWork] = [:]
    /// Vehicles by owner, ascending.
    var accounts: [Int64: [VehicleID]] = [:]
    /// Open ones, ascending.
    var complaints: [Complaint] = []
    /// Open ones, by vehicle.
    var troubles: [VehicleID: [Trouble]] = [:]
    /// How many are open, by kind.
    var troubleCounts = [Int](repeating: 0, count: TroubleKind.allCases.count)
    package var calendars: [StationCalendar]
    var timers = TimerQueue()
    /// Flushes to come whose vehicles' memory has been asked for.
    private var touchedFlushes = 0
    /// By timer kind.
    private var lastFired = [Timestamp?](repeating: nil, count: TimerKind.allCases.count)
    /// While dead letters are taken in: their times of arrival are past, and the clock stays.
    var isReingesting = false
    var nextAlert: Int64 = 1
    var nextSuggestion: Int64 = 1
    var nextOccupancy: Int64 = 1
    var nextAppointment: Int64 = 1
    var nextComplaint: Int64 = 1
    var nextClosure: Int64 = 1
    var unit = CommitUnit()
    /// Places in the unit's transitions whose records have not been written since.
    var unauditedTransitions: [Int] = []

    /// - Precondition: there is a station, and every job a rule names is in `jobs`.
    package init(
        catalogue: Catalogue,
        sources: [Source] = [],
        rules: [Rule],
        stations: [Station],
        jobs: [Job],
        silentAfter: Milliseconds? = nil,
        limits: [String: [VehicleLimit]] = [:],
        tellsForecasts: Bool = false
    ) {
        precondition(!stations.isEmpty, "The gateway books visits, so it needs a station.")
        self.catalogue = catalogue
        self.silentAfter = silentAfter
        self.limits = limits
        self.tellsForecasts = tellsForecasts
        placardFrontSignal = catalogue.find(
            path: "Private.Chassis.Axle.Row1.Tire.PlacardPressure"
        )
        placardRearSignal = catalogue.find(
            path: "Private.Chassis.Axle.Row2.Tire.PlacardPressure"
        )
        odometerSignal = catalogue.find(path: "Vehicle.TraveledDistance")
        engine = RuleEngine(
            rules: rules,
            catalogue: catalogue,
            places: stations.map(\.drivingCalendar)
        )
        addOnRules = Gateway.addOns(of: engine)
        severityLadders = Gateway.ladders(of: engine)
        slotPlaces = Gateway.places(of: engine)
        planner = VisitPlanner(catalogue: jobs)
        decoder = PayloadDecoder(catalogue: catalogue)
        sourceDecoder = SourceDecoder(sources: sources, catalogue: catalogue)
        for (place, source) in sourceDecoder.sources.enumerated() where !source.units.isEmpty {
            variants[place] = (
                PayloadDecoder(catalogue: catalogue.measured(in: source.units)),
                Dictionary(
                    uniqueKeysWithValues: source.units.compactMap { signal, unit in
                        Units.conversion(from: unit, to: catalogue[signal].unit).map {
                            (signal, $0)
                        }
                    }
                )
            )
        }
        self.stations = stations
        calendars = stations.map {
            StationCalendar(bays: $0.bays.count, technicians: $0.technicians.count)
        }
    }

    private static func addOns(of engine: RuleEngine) -> Set<String> {
        Set(engine.rules.filter(\.isAddOn).map(\.id))
    }

    private static func ladders(of engine: RuleEngine) -> [String: SeverityLadder] {
        Dictionary(engine.rules.map { ($0.id, $0.severity) }, uniquingKeysWith: { $1 })
    }

    /// A rule and one of its components.
    struct SlotName: Hashable, Sendable {
        var rule: String
        var component: String
    }

    private static func places(of engine: RuleEngine) -> [SlotName: Int] {
        let places = engine.slots.indices.map { slot in
            let component = engine.component(ofSlot: slot).name
            return (SlotName(rule: engine.rule(ofSlot: slot).id, component: component), slot)
        }
        return Dictionary(places, uniquingKeysWith: { first, _ in first })
    }

    package var vehicleCount: Int { vehicles.count }
    package internal(set) var silentCount = 0
    /// Numbers of packets that are missing between others, over all vehicles.
    package internal(set) var missingPackets = 0
    package var liveAlertCount: Int { alerts.count }
    package var liveSuggestionCount: Int { suggestions.values.count { $0.state.isLive } }
    package func name(of vehicle: VehicleID) -> String { names.name(Int(vehicle.index)) }
    /// When something falls due next, if nothing arrives.
    package var nextDue: Timestamp? { timers.nextDue }

    /// Takes an input in at `now` and returns everything that changed.
    ///
    /// The unit holds a checkpoint of each vehicle of `checkpointing`, and of each whose state its
    /// stored readings and marks do not explain.
    package mutating func step(
        _ input: Input,
        now: Timestamp,
        checkpointing: [VehicleID] = []
    ) -> CommitUnit {
        if !isRecalling { applyRecalled() }
        for vehicle in checkpointing { touch(vehicle) }
        switch input {
        case .packets(let batch):
            unit.readings.reserveCapacity(batch.arena.count / Gateway.readingBytes)
            for packet in batch.packets { take(packet, of: batch) }
        case .lines(let batch):
            unit.readings.reserveCapacity(batch.arena.count / Gateway.readingBytes)
            for index in batch.packets.indices { takeLine(index, of: batch) }
        case .registry(let rows):
            advance(to: now)
            for row in rows { register(row) }
        case .command(let command):
            advance(to: now)
            unit.answer = decide(command)
        case .tick: break
        }
        advance(to: now)
        if !isRecalling { checkpointTouched() }
        unauditedTransitions.removeAll(keepingCapacity: true)
        var finished = CommitUnit()
        swap(&finished, &unit)
        finished.now = now
        return finished
    }

    private mutating func checkpointTouched() {
        for vehicle in touched {
            vehicles[Int(vehicle.index)].isTouched = false
            unit.checkpoints.append((vehicle, checkpoint(of: vehicle)))
        }
        touched.removeAll(keepingCapacity: true)
    }

    /// Uses the readings that still wait, as at the end of a recording.
    package mutating func finish() -> CommitUnit {
        step(.tick, now: now + Limits.holdMilliseconds)
    }

    // MARK: Time

    /// Lets everything happen that falls due up to `instant`, each at its own time.
    mutating func advance(to instant: Timestamp) {
        guard !isRecalling else {
            now = max(now, instant)
            return
        }
        if instant < now { unit.counts.clockClamped += 1 }
        if tellsForecasts, now == .distantPast, instant > now { scheduleMidnight(after: instant) }
        let target = max(now, instant)
        while let timer = timers.next(dueBy: target) {
            now = max(now, timer.due)
            fire(timer)
        }
        now = target
    }

    /// Work by the clock, and when it last ran since the start.
    package var lastRuns: [(job: String, at: Timestamp?)] {
        TimerKind.allCases.map { ($0.name, lastFired[Int($0.rawValue)]) }
    }

    private mutating func fire(_ timer: TimerQueue.Entry) {
        lastFired[Int(timer.kind.rawValue)] = now
        switch timer.kind {
        case .flush:
            touchNextFlushes()
            let vehicle = VehicleID(index: UInt32(timer.record))
            guard vehicles[Int(timer.record)].rules.flushDue == timer.due else { return }
            flush(vehicle)
        case .forecast: fireForecast(timer)
        case .holdEnd: endHold(SuggestionID(rawValue: timer.record), due: timer.due)
        case .alertDue: leaveState(AlertID(rawValue: timer.record), due: timer.due)
        case .severityRise: reviewSeverity(AlertID(rawValue: timer.record))
        case .leaseEnd: endLease(SuggestionID(rawValue: timer.record), due: timer.due)
        case .waitEnd: endWait(SuggestionID(rawValue: timer.record), due: timer.due)
        case .contactDue: breach(SuggestionID(rawValue: timer.record))
        case .undoEnd: forget(SuggestionID(rawValue: timer.record))
        case .visit: fireVisit(AppointmentID(rawValue: timer.record))
        case .lapse: lapse(SuggestionID(rawValue: timer.record))
        case .silence: fireSilence(VehicleID(index: UInt32(timer.record)))
        case .forecastsTold: tellForecasts()
        case .dueWork: fireWork(VehicleID(index: UInt32(timer.record)))
        case .watch: fireWatch(VehicleID(index: UInt32(timer.record)))
        case .deskHoldEnd: endDeskHold(OccupancyID(rawValue: timer.record), due: timer.due)
        }
    }

    /// Asks for the memory of the vehicles to be flushed next, some at a time.
    private mutating func touchNextFlushes() {
        touchedFlushes -= 1
        guard touchedFlushes <= 0 else { return }
        touchedFlushes = Gateway.vehiclesTouched
        let next = timers.nextFlushes(atMost: Gateway.vehiclesTouched)
        for entry in next { _ = vehicles[Int(entry.record)].rules.touchFirst() }
        for entry in next { _ = vehicles[Int(entry.record)].rules.touch() }
    }

    /// Uses a vehicle's waiting readings and draws the consequences.
    mutating func flush(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        let events = engine.flush(now: now, &vehicles[index].rules)
        if !events.isEmpty { touch(vehicle) }
        scheduleForecasts(vehicle)
        apply(events, to: vehicle)
    }

    /// Plans the next moment at which a forecast of the vehicle's may come true by itself.
    mutating func scheduleForecasts(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        guard let exact = engine.nextTimer(of: &vehicles[index].rules) else { return }
        let grid = Gateway.forecastGrid.rawValue
        let steps = (exact.milliseconds - 1).dividedFloor(by: grid) + 1
        let due = Timestamp(milliseconds: steps * grid)
        // An entry that comes earlier asks again then.
        guard vehicles[index].forecastDue > due else { return }
        vehicles[index].forecastDue = due
        timers.insert(TimerQueue.Entry(due: due, kind: .forecast, record: Int64(index)))
    }

    private mutating func fireForecast(_ timer: TimerQueue.Entry) {
        let index = Int(timer.record)
        guard vehicles[index].forecastDue == timer.due else { return }
        vehicles[index].forecastDue = .distantFuture
        let events = engine.fireTimers(now: now, &vehicles[index].rules)
        let vehicle = VehicleID(index: UInt32(index))
        scheduleForecasts(vehicle)
        // A timer that came to nothing is over too, which no reading tells.
        touch(vehicle)
        guard !events.isEmpty else { return }
        apply(events, to: vehicle)
    }

    private mutating func scheduleMidnight(after instant: Timestamp) {
        let day = instant.milliseconds.dividedFloor(by: Milliseconds.days(Int64(1)).rawValue)
        let due = Timestamp(milliseconds: 0) + .days(day + 1)
        timers.insert(TimerQueue.Entry(due: due, kind: .forecastsTold, record: 0))
    }

    private mutating func tellForecasts() {
        for index in vehicles.indices {
            for forecast in engine.forecasts(now: now, vehicles[index].rules) {
                unit.forecastLog.append(
                    ForecastLogEntry(
                        vehicle: VehicleID(index: UInt32(index)),
                        rule: engine.rule(ofSlot: forecast.slot).id,
                        component: engine.component(ofSlot: forecast.slot).name,
                        at: now,
                        early: forecast.early,
                        middle: forecast.middle,
                        late: forecast.late
                    )
                )
            }
        }
        scheduleMidnight(after: now)
    }

    mutating func touch(_ vehicle: VehicleID) {
        guard !vehicles[Int(vehicle.index)].isTouched else { return }
        vehicles[Int(vehicle.index)].isTouched = true
        touched.append(vehicle)
    }

    func station(of vehicle: VehicleID) -> Station {
        stations[vehicles[Int(vehicle.index)].station]
    }
}
