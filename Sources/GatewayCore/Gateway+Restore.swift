import Rules
package import Telemetry
package import Workshop

/// What the store gives back at start.
package struct RestoredState: Sendable {
    /// In order of id, without gaps.
    package var vehicles: [VehicleRow] = []
    /// Each with the journal's row up to which it tells.
    package var checkpoints: [(vehicle: VehicleID, row: Int64, bytes: [UInt8])] = []
    /// Messages that a broker may deliver again, oldest first.
    package var deliveries: [Delivery] = []
    /// Alerts that live, ascending.
    package var alerts: [Alert] = []
    /// Suggestions that live or that may still be taken back, ascending.
    package var suggestions: [Suggestion] = []
    /// Visits that are not over, ascending, with the occupancies some of them own.
    package var appointments: [Appointment] = []
    /// Slots kept at the desk, ascending.
    package var holds: [DeskHold] = []
    package var contacts: [ContactRow] = []
    package var work: [WorkRow] = []
    /// Open ones, ascending.
    package var complaints: [Complaint] = []
    /// Open ones, in order of their beginning.
    package var troubles: [Trouble] = []
    package var closures: [ClosureRow] = []
    /// The core's time at the last commit; nil for a new store.
    package var now: Timestamp?
    /// Holds on bays that are no longer configured; the first unit gives them up.
    package var orphans: [OccupancyID] = []
    package var nextAlert: Int64 = 1
    package var nextSuggestion: Int64 = 1
    package var nextOccupancy: Int64 = 1
    package var nextAppointment: Int64 = 1
    package var nextComplaint: Int64 = 1
    package var nextClosure: Int64 = 1

    package init() {}
}

/// What one commit took in, from the store's journal.
package struct JournalUnit: Sendable {
    package var row: Int64
    package var marks: [PacketMark]
    package var readings: [Reading]

    package init(row: Int64, marks: [PacketMark], readings: [Reading]) {
        self.row = row
        self.marks = marks
        self.readings = readings
    }
}

/// Checkpoints: everything the core remembers of a vehicle that is not a record of its own.
///
/// The rules' part comes last: when its layout changes, the rest of an older checkpoint still reads.
extension Gateway {
    /// Above every version of the rules' part, which once came first.
    private static let layoutVersion: UInt8 = 66

    func checkpoint(of vehicle: VehicleID) -> [UInt8] {
        let entry = vehicles[Int(vehicle.index)]
        var writer = ByteWriter()
        writer.put(Gateway.layoutVersion)
        writer.put(entry.windows.count)
        for window in entry.windows { window.encode(into: &writer) }
        writer.put(entry.recentPackets.count)
        for hash in entry.recentPackets { writer.put(hash) }
        writer.put(entry.lastHeardAt)
        writer.put(entry.isSilent)
        entry.account.encode(into: &writer)
        entry.odometer.encode(into: &writer)
        engine.encode(entry.rules, into: &writer)
        var bytes = writer.bytes
        CheckSum.append(to: &bytes)
        return bytes
    }

    /// Takes up the records of a store, and those checkpoints that come with them; then follow
    /// `takeUp` with the others, `recall`, row by row, `relearn`, and `resume`.
    ///
    /// Until then, packets may come: they are stored and recalled in their turn. Nothing else may.
    /// - Returns: vehicles whose checkpoint could not be read, so that they have trends to learn.
    package mutating func restore(_ state: RestoredState, now: Timestamp) -> [VehicleID] {
        precondition(vehicles.isEmpty, "A gateway is restored before its first step.")
        self.advance(to: state.now ?? now)
        isRecalling = true
        unit.releasedOccupancies = state.orphans
        vehicles.reserveCapacity(state.vehicles.count)
        for row in state.vehicles {
            _ = names.intern(row.name.utf8Span.span)
            vehicles.append(
                VehicleEntry(firstSeenAt: row.firstSeenAt, lastHeardAt: row.firstSeenAt)
            )
        }
        checkpointRows = [Int64](repeating: .min, count: vehicles.count)
        for delivery in state.deliveries { deliveries.note(delivery) }
        for row in state.vehicles { adopt(row.profile, for: row.id) }
        for alert in state.alerts {
            alerts[alert.id] = alert
            vehicles[Int(alert.vehicle.index)].alerts.append(alert.id)
            if let due = scheduledDue(alert) { timers.insert(due) }
        }
        for suggestion in state.suggestions { restore(suggestion) }
        for visit in state.appointments { restore(visit) }
        for hold in state.holds { restore(hold) }
        for row in state.contacts { contacts[row.vehicle] = row.history }
        for row in state.work {
            work[row.vehicle] = row.work
            join(row.vehicle, row.work.facts.account)
            scheduleWork(row.vehicle)
        }
        complaints = state.complaints
        for trouble in state.troubles {
            troubles[trouble.vehicle, default: []].append(trouble)
            troubleCounts[Int(trouble.kind.rawValue)] += 1
        }
        for row in state.closures { calendars[row.station].insert(row.closure) }
        nextAlert = state.nextAlert
        nextSuggestion = state.nextSuggestion
        nextOccupancy = state.nextOccupancy
        nextAppointment = state.nextAppointment
        nextComplaint = state.nextComplaint
        nextClosure = state.nextClosure
        return takeUp(state.checkpoints)
    }

    /// Takes up checkpoints, of any vehicles, before the rows that go on from them.
    /// - Returns: vehicles whose checkpoint could not be read, so that they have trends to learn.
    package mutating func takeUp(
        _ checkpoints: [(vehicle: VehicleID, row: Int64, bytes: [UInt8])]
    ) -> [VehicleID] {
        var unreadable: [VehicleID] = []
        for (vehicle, row, bytes) in checkpoints {
            checkpointRows[Int(vehicle.index)] = row
            do throws(CheckpointError) {
                try restore(vehicle, bytes)
                adopt(vehicles[Int(vehicle.index)].profile, for: vehicle)
            } catch {
                unreadable.append(vehicle)
            }
        }
        for vehicle in unreadable { relearning[vehicle] = .max }
        return unreadable
    }

    /// Takes in again what the store holds beyond a vehicle's checkpoint: the same readings in the
    /// same order, so the same state.
    package mutating func recall(_ unit: JournalUnit) {
        // What was counted then is not counted now.
        let counts = self.unit.counts
        defer { self.unit.counts = counts }
        for mark in unit.marks where isBeyond(unit.row, mark.vehicle) { _ = note(mark) }
        Gateway.eachPacket(of: unit.readings.span) { packet in
            let vehicle = packet[0].vehicle
            guard isBeyond(unit.row, vehicle),
                relearning.isEmpty || relearning[vehicle].map({ $0 < unit.row }) ?? true
            else { return }
            recall(packet)
        }
    }

    /// Calls `body` with the readings of each packet, which came from one vehicle at one time.
    private static func eachPacket(of readings: Span<Reading>, _ body: (Span<Reading>) -> Void) {
        var start = 0
        while start < readings.count {
            var end = start + 1
            while end < readings.count, readings[end].vehicle == readings[start].vehicle,
                readings[end].receivedAt == readings[start].receivedAt
            {
                end += 1
            }
            body(readings.extracting(start..<end))
            start = end
        }
    }

    private mutating func recall(_ packet: Span<Reading>) {
        guard packet.indices.contains(where: { engine.takes(packet[$0]) }) else { return }
        let vehicle = packet[0].vehicle
        let index = Int(vehicle.index)
        let now = packet[0].receivedAt
        recallOdometer(packet)
        vehicles[index].lastHeardAt = max(vehicles[index].lastHeardAt, now)
        let due = vehicles[index].rules.flushDue
        if due <= now { recallFlush(vehicle, now: due) }
        var next = 0
        while next < packet.count {
            let waiting = engine.hold(
                packet.extracting(next..<packet.count),
                now: now,
                &vehicles[index].rules
            )
            next += waiting.taken
            if waiting.isFull { recallFlush(vehicle, now: now) }
        }
    }

    /// The odometer's history, without what came of it.
    private mutating func recallOdometer(_ packet: Span<Reading>) {
        let vehicle = packet[0].vehicle
        guard work[vehicle]?.distanceNear != nil else { return }
        for index in packet.indices {
            let reading = packet[index]
            guard reading.signal == odometerSignal, reading.quality == .good else { continue }
            vehicles[Int(vehicle.index)].odometer.note(reading.value, at: reading.receivedAt)
        }
    }

    /// Learns a vehicle's trends from what the store has of it, in order of time, the journal up to
    /// `row` included.
    ///
    /// What would have been alerts on the way is past: those that live go on, others begin afresh
    /// with the next readings.
    package mutating func relearn(
        _ vehicle: VehicleID,
        from readings: [Reading],
        upToRow row: Int64
    ) {
        let recalled = recalledEvents.count
        Gateway.eachPacket(of: readings.span) { recall($0) }
        recalledEvents.removeLast(recalledEvents.count - recalled)
        let index = Int(vehicle.index)
        let live = Set(
            vehicles[index].alerts.compactMap { alerts[$0] }.map { "\($0.ruleID)/\($0.component)" }
        )
        engine.calm(&vehicles[index].rules) { slot in
            let component = engine.component(ofSlot: slot).name
            return live.contains("\(engine.rule(ofSlot: slot).id)/\(component)")
        }
        relearning[vehicle] = row
    }

    /// Lets vehicles that were to learn their trends again do so from what comes after a row.
    package mutating func beginAfresh(fromRow row: Int64) {
        for (vehicle, told) in relearning where told == .max { relearning[vehicle] = row }
    }

    /// Whether a row tells more than a vehicle's checkpoint; vehicles first seen since have none.
    private func isBeyond(_ row: Int64, _ vehicle: VehicleID) -> Bool {
        Int(vehicle.index) >= checkpointRows.count || checkpointRows[Int(vehicle.index)] < row
    }

    private mutating func recallFlush(_ vehicle: VehicleID, now: Timestamp) {
        // By the rules of then nothing came of it, or there would be a later checkpoint.
        let events = engine.flush(now: now, &vehicles[Int(vehicle.index)].rules)
        if !events.isEmpty { recalledEvents.append((vehicle, events)) }
    }

    /// Goes on: timers are rebuilt, and what fell due since is fired by the next step, each at its
    /// own time.
    package mutating func resume() {
        isRecalling = false
        checkpointRows.removeAll()
        relearning.removeAll()
        for (vehicle, profile) in profilesMeanwhile.sorted(by: { $0.key.index < $1.key.index }) {
            adopt(profile, for: vehicle)
            touch(vehicle)
        }
        profilesMeanwhile.removeAll()
        for index in vehicles.indices {
            let vehicle = VehicleID(index: UInt32(index))
            let due = vehicles[index].rules.flushDue
            if due <= now {
                // It was used before the stop, and nothing came of it that a checkpoint tells.
                recallFlush(vehicle, now: due)
            } else if due != .distantFuture {
                timers.insert(
                    TimerQueue.Entry(due: due, kind: .flush, record: Int64(index))
                )
            }
            scheduleForecasts(vehicle)
            scheduleWatches(vehicle)
            if vehicles[index].isSilent { silentCount += 1 } else { scheduleSilence(vehicle) }
        }
        _ = supersede()
        reviewSeverities()
        for vehicle in heardMeanwhile.sorted(by: { $0.index < $1.index })
        where vehicles[Int(vehicle.index)].isSilent {
            hear(vehicle)
        }
        heardMeanwhile.removeAll()
        missingPackets = vehicles.reduce(0) { $0 + $1.windows.reduce(0) { $0 + $1.missing } }
    }

    /// Draws what has come of recalled readings.
    mutating func applyRecalled() {
        for (vehicle, events) in recalledEvents {
            touch(vehicle)
            apply(events, to: vehicle)
        }
        recalledEvents.removeAll()
    }

    private mutating func restore(
        _ vehicle: VehicleID,
        _ bytes: [UInt8]
    ) throws(CheckpointError) {
        try CheckSum.verify(bytes)
        var reader = ByteReader(bytes)
        guard try reader.byte() == Gateway.layoutVersion else { throw reader.failure() }
        var windows: [SequenceWindow] = []
        for _ in 0..<(try reader.count()) { windows.append(try SequenceWindow(from: &reader)) }
        var recentPackets: [UInt64] = []
        for _ in 0..<(try reader.count()) { recentPackets.append(try reader.unsigned()) }
        let lastHeardAt = try reader.timestamp()
        let isSilent = try reader.flag()
        let account = try FeedAccount(from: &reader)
        let odometer = try OdometerWatch(from: &reader)
        vehicles[Int(vehicle.index)].lastHeardAt = lastHeardAt
        vehicles[Int(vehicle.index)].isSilent = isSilent
        vehicles[Int(vehicle.index)].account = account
        vehicles[Int(vehicle.index)].odometer = odometer
        vehicles[Int(vehicle.index)].recentPackets = recentPackets
        vehicles[Int(vehicle.index)].windows = windows
        let limits = limits.isEmpty ? [] : limits[name(of: vehicle)] ?? []
        vehicles[Int(vehicle.index)].rules = try engine.decode(&reader, limits: limits)
    }

    private mutating func restore(_ suggestion: Suggestion) {
        suggestions[suggestion.id] = suggestion
        if let occupancy = suggestion.occupancy {
            calendars[suggestion.station].insert(occupancy)
        }
        if suggestion.state.isLive {
            vehicles[Int(suggestion.vehicle.index)].suggestion = suggestion.id
        }
        scheduleAll(suggestion)
    }

    private mutating func restore(_ visit: Appointment) {
        appointments[visit.id] = visit
        if let occupancy = visit.occupancy {
            calendars[visit.station].insert(
                Occupancy(id: occupancy, slot: visit.slot, kind: .appointment)
            )
        }
        follow(visit)
        if let due = nextDue(visit) { scheduleVisit(visit, at: due) }
    }

    /// What every vehicle may forget, for the first moments after a start.
    package var confirmations: [Confirmation] {
        vehicles.indices.flatMap { index in
            vehicles[index].windows.filter { $0.contiguous > 0 }.map {
                confirmation(
                    Contiguity(
                        vehicle: VehicleID(index: UInt32(index)),
                        boot: $0.boot,
                        sequence: $0.contiguous
                    )
                )
            }
        }
    }

    /// What a vehicle is told.
    package func confirmation(_ contiguity: Contiguity) -> Confirmation {
        Confirmation(
            vehicle: name(of: contiguity.vehicle),
            boot: String(decoding: contiguity.boot, as: UTF8.self),
            sequence: contiguity.sequence
        )
    }
}
