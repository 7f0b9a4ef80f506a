import Rules
package import Telemetry
package import Workshop

/// What the store gives back at start.
package struct RestoredState: Sendable {
    /// In order of id, without gaps.
    package var vehicles: [VehicleRow] = []
    package var checkpoints: [(vehicle: VehicleID, bytes: [UInt8])] = []
    /// Alerts that live, ascending.
    package var alerts: [Alert] = []
    /// Suggestions that live or whose visit is not over, ascending.
    package var suggestions: [Suggestion] = []
    /// The core's time at the last commit; nil for a new store.
    package var now: Timestamp?
    /// Holds on bays that are no longer configured; the first unit gives them up.
    package var orphans: [OccupancyID] = []
    package var nextAlert: Int64 = 1
    package var nextSuggestion: Int64 = 1
    package var nextOccupancy: Int64 = 1

    package init() {}
}

/// Checkpoints: everything the core remembers of a vehicle that is not a record of its own.
extension Gateway {
    func checkpoint(of vehicle: VehicleID) -> [UInt8] {
        let entry = vehicles[Int(vehicle.index)]
        var writer = ByteWriter()
        engine.encode(entry.rules, into: &writer)
        writer.put(entry.windows.count)
        for window in entry.windows { window.encode(into: &writer) }
        writer.put(entry.recentPackets.count)
        for hash in entry.recentPackets { writer.put(hash) }
        return writer.bytes
    }

    /// Takes up where the store left off; timers are rebuilt from the records, and what fell due
    /// since is fired by the next step, each at its own time.
    /// - Returns: vehicles whose checkpoint could not be read and who start afresh.
    package mutating func restore(_ state: RestoredState, now: Timestamp) -> [VehicleID] {
        precondition(vehicles.isEmpty, "A gateway is restored before its first step.")
        self.advance(to: state.now ?? now)
        unit.releasedOccupancies = state.orphans
        var unreadable: [VehicleID] = []
        for row in state.vehicles {
            _ = names.intern(Array(row.name.utf8).span)
            vehicles.append(VehicleEntry(firstSeenAt: row.firstSeenAt))
        }
        for (vehicle, bytes) in state.checkpoints {
            do throws(CheckpointError) {
                try restore(vehicle, bytes)
            } catch {
                unreadable.append(vehicle)
            }
        }
        for row in state.vehicles { adopt(row.profile, for: row.id) }
        for alert in state.alerts {
            alerts[alert.id] = alert
            vehicles[Int(alert.vehicle.index)].alerts.append(alert.id)
            if let due = scheduledDue(alert) { timers.insert(due) }
        }
        for suggestion in state.suggestions { restore(suggestion) }
        nextAlert = state.nextAlert
        nextSuggestion = state.nextSuggestion
        nextOccupancy = state.nextOccupancy
        return unreadable
    }

    private mutating func restore(
        _ vehicle: VehicleID,
        _ bytes: [UInt8]
    ) throws(CheckpointError) {
        var reader = ByteReader(bytes)
        let rules = try engine.decode(&reader)
        var windows: [SequenceWindow] = []
        for _ in 0..<(try reader.count()) { windows.append(try SequenceWindow(from: &reader)) }
        var recentPackets: [UInt64] = []
        for _ in 0..<(try reader.count()) { recentPackets.append(try reader.unsigned()) }
        guard reader.isAtEnd else { throw reader.failure() }
        vehicles[Int(vehicle.index)].recentPackets = recentPackets
        vehicles[Int(vehicle.index)].rules = rules
        vehicles[Int(vehicle.index)].windows = windows
        if let due = rules.flushDue {
            timers.insert(
                TimerQueue.Entry(due: due, kind: .flush, record: Int64(vehicle.index), detail: 0)
            )
        }
        scheduleForecasts(vehicle)
    }

    private mutating func restore(_ suggestion: Suggestion) {
        suggestions[suggestion.id] = suggestion
        if let occupancy = suggestion.occupancy {
            calendars[suggestion.station].insert(occupancy)
        }
        switch suggestion.state {
        case .proposed:
            vehicles[Int(suggestion.vehicle.index)].suggestion = suggestion.id
            scheduleLapse(suggestion)
            if let until = suggestion.holdUntil {
                timers.insert(
                    TimerQueue.Entry(
                        due: until,
                        kind: .holdEnd,
                        record: suggestion.id.rawValue,
                        detail: 0
                    )
                )
            }
        case .booked:
            if let past = visitPast(suggestion) { timers.insert(past) }
        case .declined, .withdrawn, .expired: break
        }
    }

    /// What every vehicle may forget, for the first moments after a start.
    package var confirmations: [Confirmation] {
        vehicles.indices.flatMap { index in
            vehicles[index].windows.filter { $0.contiguous > 0 }.map {
                Confirmation(
                    vehicle: names.name(index),
                    boot: String(decoding: $0.boot, as: UTF8.self),
                    sequence: $0.contiguous
                )
            }
        }
    }
}
