import Rules
package import Telemetry
package import Workshop

/// How a vehicle's feed is doing.
package struct VehicleStatus: Sendable, Equatable {
    package var number: Int
    package var vehicle: String
    package var firstSeenAt: Timestamp
    package var lastHeardAt: Timestamp
    package var isSilent: Bool
    /// Numbers of packets missing between others, over the boots that are followed.
    package var missingPackets: Int
    /// What of it cannot be judged, and since when.
    package var troubles: [Trouble]
}

extension Station {
    /// On which days those who live near it have off.
    var drivingCalendar: DrivingCalendar {
        DrivingCalendar(zone: zone, off: publicHolidays, work: makeUpDays)
    }
}

/// Silence and gaps: noticed by the clock and by the numbers, vehicle by vehicle.
extension Gateway {
    /// The status of vehicles in order of first sight, from number `first` on; those with silence
    /// or gaps only, if asked; those of some stations only, where their codes are given.
    ///
    /// A page costs a page, not the fleet: the core waits while somebody looks.
    package func statuses(
        from first: Int,
        troubledOnly: Bool,
        stations codes: Set<String>? = nil,
        limit: Int
    ) -> [VehicleStatus] {
        var statuses: [VehicleStatus] = []
        for index in vehicles.indices.dropFirst(max(0, first)) {
            let missing = vehicles[index].windows.reduce(0) { $0 + $1.missing }
            let station = stations[vehicles[index].station].code
            guard codes?.contains(station) ?? true else { continue }
            let troubles = troubles[VehicleID(index: UInt32(index))] ?? []
            guard !troubledOnly || vehicles[index].isSilent || missing > 0 || !troubles.isEmpty
            else { continue }
            statuses.append(
                VehicleStatus(
                    number: index,
                    vehicle: names.name(index),
                    firstSeenAt: vehicles[index].firstSeenAt,
                    lastHeardAt: vehicles[index].lastHeardAt,
                    isSilent: vehicles[index].isSilent,
                    missingPackets: missing,
                    troubles: troubles
                )
            )
            if statuses.count == limit { break }
        }
        return statuses
    }

    /// Whose station answers for a live alert, by code; nil when there is none such.
    package func stationCode(of alert: AlertID) -> String? {
        alerts[alert].map { station(of: $0.vehicle).code }
    }

    /// The same of a complaint.
    package func stationCode(of complaint: ComplaintID) -> String? {
        complaints.first { $0.id == complaint }.map { station(of: $0.vehicle).code }
    }

    /// A packet of the vehicle has come.
    mutating func hear(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        guard !isReingesting else { return }
        guard !isRecalling else {
            _ = heardMeanwhile.insert(vehicle)
            return
        }
        vehicles[index].lastHeardAt = now
        guard vehicles[index].isSilent else { return }
        vehicles[index].isSilent = false
        silentCount -= 1
        end(.silent, vehicle)
        record(.vehicle, Int64(index), from: "silent", "heard", to: "heard", by: .clock)
        touch(vehicle)
        scheduleSilence(vehicle)
    }

    /// One timer a vehicle: when it fires, it asks when the vehicle was last heard.
    mutating func scheduleSilence(_ vehicle: VehicleID) {
        // Of all vehicles at once when the journal has been recalled.
        guard let silentAfter, !isRecalling else { return }
        timers.insert(
            TimerQueue.Entry(
                due: vehicles[Int(vehicle.index)].lastHeardAt + silentAfter,
                kind: .silence,
                record: Int64(vehicle.index)
            )
        )
    }

    mutating func fireSilence(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        guard let silentAfter, !vehicles[index].isSilent else { return }
        guard now >= vehicles[index].lastHeardAt + silentAfter else {
            return scheduleSilence(vehicle)
        }
        vehicles[index].isSilent = true
        silentCount += 1
        // A vehicle of the registry that no packet has come from is not silent yet.
        let heardAt = vehicles[index].lastHeardAt
        if heardAt > .distantPast {
            open(.silent, vehicle, since: heardAt, "Nothing has been heard since \(heardAt).")
        }
        record(.vehicle, Int64(index), from: "heard", "silent_too_long", to: "silent", by: .clock)
        touch(vehicle)
    }

    /// Takes dead letters in again; what is still rejected becomes a dead letter anew, with its
    /// first time of arrival.
    mutating func reingest(_ packets: [StoredPacket]) -> Answer {
        let before = unit.counts
        isReingesting = true
        for packet in packets {
            var batch = PacketBatch()
            batch.append(
                topic: packet.topic,
                payload: packet.payload,
                receivedAt: packet.receivedAt
            )
            if packet.topic.isEmpty {
                takeLine(0, of: batch)
            } else {
                take(batch.packets[0], of: batch)
            }
        }
        isReingesting = false
        // Of a letter that came more than once there is more than one packet, in a row.
        var removed = packets.map(\.id)
        removed = removed.indices.filter { $0 == 0 || removed[$0] != removed[$0 - 1] }
            .map { removed[$0] }
        unit.removedDeadLetters = removed
        return .deadLetters(
            removed: removed.count,
            accepted: unit.counts.accepted - before.accepted,
            rejected: unit.counts.rejectedTotal - before.rejectedTotal
        )
    }
}
