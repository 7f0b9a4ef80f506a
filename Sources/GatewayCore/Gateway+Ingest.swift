import Decoding
import Rules
import Telemetry
import Workshop

/// Packets, lines and registry rows → readings that wait, and rejections that are kept.
///
/// Account: a packet that cannot be read at all counts as one received and one rejected; otherwise
/// each of its readings counts by itself. Profiles carry no readings and count only as packets,
/// unless they are rejected.
extension Gateway {
    mutating func take(_ packet: PacketBatch.Packet, of batch: PacketBatch) {
        if !isReingesting { advance(to: packet.receivedAt) }
        unit.counts.packets += 1
        let topic = batch.arena.span.extracting(packet.topic)
        let payload = batch.arena.span.extracting(packet.payload)
        var packet = packet
        if packet.isRedelivered {
            // What was stored before its acknowledgement was lost is as old as it was then.
            let hash = Gateway.hash(topic, payload)
            let firstAt = deliveries.arrival(of: packet.identifier, hash: hash)
            packet.isRedelivered = firstAt != nil
            packet.receivedAt = firstAt ?? packet.receivedAt
        }
        do throws(Rejection) {
            if let source = sourceDecoder.source(of: topic) {
                return try takeForeign(source, topic, payload, packet, of: batch)
            }
            let (kind, name) = try TopicParser.parse(topic)
            switch kind {
            case .telemetry:
                try takeTelemetry(payload, from: topic.extracting(name), packet, of: batch)
            case .profile:
                let profile = try ProfileDecoder.decode(payload)
                update(try vehicle(named: topic.extracting(name)), with: profile)
            }
        } catch {
            reject([error], packet, of: batch)
        }
    }

    mutating func takeTelemetry(
        _ payload: Span<UInt8>,
        from name: Span<UInt8>,
        _ packet: PacketBatch.Packet,
        of batch: PacketBatch,
        _ conversions: [SignalID: UnitConversion] = [:]
    ) throws(Rejection) {
        // It is there from its first packet on, whatever becomes of that.
        let vehicle = try vehicle(named: name)
        hear(vehicle)
        let header: PacketHeader
        do throws(Rejection) {
            header = try decoder.decodeTelemetry(payload, receivedAt: packet.receivedAt)
        } catch {
            // Kept as a dead letter, it is accounted for: its number must not hold up the others.
            if decoder.header.sequence != nil { _ = noteSequence(decoder.header, of: vehicle) }
            account([error], of: vehicle)
            throw error
        }
        // What is taken in again from the dead letters was numbered when it came first.
        let isRepeat = !isReingesting && isRepeat(header, payload, of: vehicle)
        var readings: [DecodedReading] = []
        swap(&readings, &decoder.readings)
        for index in readings.indices where !conversions.isEmpty {
            guard let conversion = conversions[readings[index].signal] else { continue }
            readings[index].value = readings[index].value * conversion.factor + conversion.offset
        }
        accept(readings, from: vehicle, packet.receivedAt, isRepeat: isRepeat)
        swap(&readings, &decoder.readings)
        if decoder.hasRejections {
            account(decoder.rejections, of: vehicle)
            reject(decoder.rejections, packet, of: batch)
        }
    }

    mutating func takeLine(_ index: Int, of batch: PacketBatch) {
        let packet = batch.packets[index]
        unit.counts.packets += 1
        let line = batch.arena.span.extracting(packet.payload)
        do throws(Rejection) {
            let receivedAt = try decoder.decodeLine(line, clock: now)
            if decoder.lineReceivedAt == nil, receivedAt > now + Limits.recordingJumpMax,
                isLoneJump(to: receivedAt, index, of: batch)
            {
                throw Rejection(.futureTimestamp, at: 0, "far ahead of the lines around it")
            }
            advance(to: receivedAt)
            let vehicle = try vehicleOfLine()
            hear(vehicle)
            let isNumbered = decoder.header.sequence != nil && !isReingesting
            let isRepeat = isNumbered && !noteSequence(decoder.header, of: vehicle)
            var readings: [DecodedReading] = []
            swap(&readings, &decoder.readings)
            accept(readings, from: vehicle, receivedAt, isRepeat: isRepeat)
            swap(&readings, &decoder.readings)
            if decoder.hasRejections {
                account(decoder.rejections, of: vehicle)
                reject(decoder.rejections, packet, of: batch)
            }
        } catch {
            if decoder.hasLineVehicle, let vehicle = try? vehicleOfLine() {
                account([error], of: vehicle)
            }
            reject([error], packet, of: batch)
        }
    }

    /// Lines of one vehicle mostly come in a row: it is looked up where it changes.
    private mutating func vehicleOfLine() throws(Rejection) -> VehicleID {
        if let last = lineVehicle, last.changes == decoder.lineVehicleChanges { return last.id }
        let name = decoder.lineVehicle
        let vehicle = try vehicle(named: name.span)
        lineVehicle = (vehicle, decoder.lineVehicleChanges)
        return vehicle
    }

    /// A recording's clock is its lines' own time, so one wild time would carry it away: a jump
    /// counts only when the next line makes it too.
    private func isLoneJump(
        to receivedAt: Timestamp,
        _ index: Int,
        of batch: PacketBatch
    ) -> Bool {
        guard now != .distantPast, index + 1 < batch.packets.count else { return false }
        var probe = decoder
        let next = batch.arena.span.extracting(batch.packets[index + 1].payload)
        guard let nextAt = try? probe.decodeLine(next, clock: now) else { return true }
        return nextAt < receivedAt - .days(Int64(1))
    }

    /// - Returns: the vehicle, or nil where its name cannot be one.
    @discardableResult
    mutating func register(_ row: RegistryRow) -> VehicleID? {
        let name = Array(row.vehicle.utf8)
        guard let vehicle = try? vehicle(named: name.span) else { return nil }
        update(vehicle, with: row.profile)
        return vehicle
    }

    // MARK: Readings

    /// Takes in the readings of one packet or line.
    mutating func accept(
        _ decoded: [DecodedReading],
        from vehicle: VehicleID,
        _ receivedAt: Timestamp,
        isRepeat: Bool
    ) {
        let first = unit.readings.count
        unit.counts.received += decoded.count
        unit.counts.accepted += decoded.count
        let (taken, now) = (decoded.span, now)
        unit.readings.append(addingCapacity: taken.count) { readings in
            for index in taken.indices {
                readings.append(
                    Reading(
                        vehicle: vehicle,
                        signal: taken[index].signal,
                        observedAt: taken[index].observedAt,
                        receivedAt: now,
                        value: taken[index].value,
                        quality: taken[index].quality
                    )
                )
            }
        }
        for index in decoded.indices {
            let reading = decoded[index]
            if receivedAt - reading.observedAt > Limits.lateMilliseconds { unit.counts.late += 1 }
            if reading.quality == .good {
                noteReference(reading, of: vehicle)
            } else {
                unit.counts.noReading += 1
            }
        }
        if !isRepeat, !isRecalling, !isReingesting { account(decoded, of: vehicle, receivedAt) }
        // A repeated packet goes to the store, which knows best what it has, but not to the rules;
        // while the journal is recalled, they get every packet from there.
        if !isRepeat, !isRecalling { hold(from: first, of: vehicle) }
    }

    /// Some signals tell of the vehicle itself.
    private mutating func noteReference(_ reading: DecodedReading, of vehicle: VehicleID) {
        if reading.signal == odometerSignal, !work.isEmpty, !isRecalling {
            noteOdometer(reading.value, of: vehicle)
        }
        let isFront = reading.signal == placardFrontSignal
        guard isFront || reading.signal == placardRearSignal else { return }
        var profile = VehicleProfile()
        if isFront { profile.placardFrontKilopascals = reading.value }
        if !isFront { profile.placardRearKilopascals = reading.value }
        update(vehicle, with: profile)
    }

    /// Lets the unit's readings of a vehicle from a place on wait for their neighbours.
    private mutating func hold(from first: Int, of vehicle: VehicleID) {
        let index = Int(vehicle.index)
        // Taken from the unit and given back: a copy would be counted up and down.
        var readings: [Reading] = []
        swap(&readings, &unit.readings)
        defer { swap(&readings, &unit.readings) }
        var next = first
        while next < readings.count {
            let waiting = engine.hold(
                readings.span.extracting(next..<readings.count),
                now: now,
                &vehicles[index].rules
            )
            next += waiting.taken
            if let due = waiting.due {
                timers.insert(TimerQueue.Entry(due: due, kind: .flush, record: Int64(index)))
            }
            if waiting.isFull { flush(vehicle) }
        }
    }

    mutating func reject(
        _ rejections: [Rejection],
        _ packet: PacketBatch.Packet,
        of batch: PacketBatch
    ) {
        guard !rejections.isEmpty else { return }
        for rejection in rejections {
            unit.counts.received += 1
            unit.counts.rejected[rejection.reason.place] += 1
        }
        unit.deadLetters.append(
            DeadLetter(
                receivedAt: isReingesting ? packet.receivedAt : max(packet.receivedAt, now),
                topic: Array(batch.arena[packet.topic]),
                payload: Array(batch.arena[packet.payload]),
                rejections: rejections
            )
        )
    }

    // MARK: Repeats

    /// A repeat by its number or, from vehicles that number nothing, by its bytes.
    private mutating func isRepeat(
        _ header: PacketHeader,
        _ payload: Span<UInt8>,
        of vehicle: VehicleID
    ) -> Bool {
        guard header.sequence == nil else { return !noteSequence(header, of: vehicle) }
        return !keep(PacketMark(vehicle: vehicle, kind: .unnumbered(Gateway.hash(payload))))
    }

    /// FNV-1a, 64 bits, over parts one after the other.
    static func hash(_ first: Span<UInt8>, _ second: Span<UInt8>) -> UInt64 {
        hash(second, from: hash(first))
    }

    static func hash(
        _ bytes: Span<UInt8>,
        from start: UInt64 = 0xcbf2_9ce4_8422_2325
    ) -> UInt64 {
        var hash = start
        for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3 }
        return hash
    }

    /// False when the packet is a repeat by its number.
    private mutating func noteSequence(_ header: PacketHeader, of vehicle: VehicleID) -> Bool {
        guard let sequence = header.sequence else { return true }
        let isNew = keep(PacketMark(vehicle: vehicle, kind: .numbered(header.boot, sequence)))
        if let oldest = header.oldest, oldest > 1 {
            _ = keep(PacketMark(vehicle: vehicle, kind: .skipped(header.boot, oldest - 1)))
        }
        if !isRecalling { confirm(vehicle) }
        return isNew
    }

    /// Remembers a packet, here and in the unit; false when it is a repeat.
    private mutating func keep(_ mark: PacketMark) -> Bool {
        // What was before is not known yet: the journal tells it in its turn.
        guard isRecalling || note(mark) else { return false }
        unit.marks.append(mark)
        return true
    }

    /// Remembers a packet; false when it is a repeat.
    mutating func note(_ mark: PacketMark) -> Bool {
        let index = Int(mark.vehicle.index)
        switch mark.kind {
        case .unnumbered(let hash):
            if vehicles[index].recentPackets.contains(hash) { return false }
            if vehicles[index].recentPackets.count >= Limits.recentPacketsMax {
                vehicles[index].recentPackets.removeFirst()
            }
            vehicles[index].recentPackets.append(hash)
            return true
        case .skipped(let boot, let last):
            guard let place = vehicles[index].windows.firstIndex(where: { $0.boot == boot }) else {
                return false
            }
            missingPackets -= vehicles[index].windows[place].missing
            defer { missingPackets += vehicles[index].windows[place].missing }
            let skipped = vehicles[index].windows[place].skip(to: last)
            unit.counts.skippedPackets += skipped
            return skipped > 0
        case .numbered(let boot, let sequence):
            let newest = vehicles[index].windows.count - 1
            if newest >= 0, vehicles[index].windows[newest].follow(boot, sequence) { return true }
            // The boot heard last is kept longest.
            if let known = vehicles[index].windows.lastIndex(where: { $0.boot == boot }) {
                if known < vehicles[index].windows.count - 1 {
                    vehicles[index].windows.append(vehicles[index].windows.remove(at: known))
                }
            } else {
                if vehicles[index].windows.count >= Limits.bootsPerVehicleMax {
                    missingPackets -= vehicles[index].windows.removeFirst().missing
                }
                vehicles[index].windows.append(SequenceWindow(boot: boot))
            }
            let place = vehicles[index].windows.count - 1
            missingPackets -= vehicles[index].windows[place].missing
            defer { missingPackets += vehicles[index].windows[place].missing }
            return vehicles[index].windows[place].insert(sequence)
        }
    }

    /// Tells a vehicle what it may forget of the boot heard last.
    private mutating func confirm(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        let newest = vehicles[index].windows.count - 1
        // Nothing to forget yet; and a boot heard again after it was forgotten must not be told less
        // than it was told before.
        guard newest >= 0, vehicles[index].windows[newest].contiguous > 0 else { return }
        let sequence = vehicles[index].windows[newest].contiguous
        // One vehicle's packets mostly come in a row: the last word replaces the one before.
        let last = unit.confirmations.count - 1
        if last >= 0, unit.confirmations[last].vehicle == vehicle,
            unit.confirmations[last].boot == vehicles[index].windows[newest].boot
        {
            unit.confirmations[last].sequence = sequence
        } else {
            let boot = vehicles[index].windows[newest].boot
            unit.confirmations.append(
                Contiguity(vehicle: vehicle, boot: boot, sequence: sequence)
            )
        }
    }

    // MARK: Vehicles

    mutating func vehicle(named name: Span<UInt8>) throws(Rejection) -> VehicleID {
        if let known = names.find(name) { return VehicleID(index: UInt32(known)) }
        guard vehicles.count < Limits.vehiclesMax else { throw Rejection(.tooManyVehicles, at: 0) }
        let vehicle = VehicleID(index: UInt32(names.intern(name)))
        vehicles.append(VehicleEntry(firstSeenAt: now, lastHeardAt: now))
        adopt(VehicleProfile(), for: vehicle)
        scheduleSilence(vehicle)
        writeRow(of: vehicle, VehicleProfile())
        return vehicle
    }

    mutating func update(_ vehicle: VehicleID, with profile: VehicleProfile) {
        let index = Int(vehicle.index)
        let known = profilesMeanwhile[vehicle] ?? vehicles[index].profile
        var merged = known.merged(with: profile)
        // The owner's home dealer goes before what the vehicle or the registry says.
        if let station = work[vehicle]?.facts.station { merged.station = station }
        guard merged != known else { return }
        writeRow(of: vehicle, merged)
        // What is recalled was read by the profile of then.
        guard !isRecalling else {
            profilesMeanwhile[vehicle] = merged
            return
        }
        adopt(merged, for: vehicle)
        touch(vehicle)
    }

    /// Puts a profile in force without storing it.
    mutating func adopt(_ profile: VehicleProfile, for vehicle: VehicleID) {
        let index = Int(vehicle.index)
        vehicles[index].profile = profile
        vehicles[index].station = stations.firstIndex { $0.code == profile.station } ?? 0
        engine.refer(
            to: VehicleReference(
                placardFrontKilopascals: profile.placardFrontKilopascals,
                placardRearKilopascals: profile.placardRearKilopascals,
                limits: limits.isEmpty ? [] : limits[name(of: vehicle)] ?? [],
                place: vehicles[index].station,
                isSouthern: stations[vehicles[index].station].location?.latitude ?? 0 < 0
            ),
            &vehicles[index].rules
        )
    }

    private mutating func writeRow(of vehicle: VehicleID, _ profile: VehicleProfile) {
        unit.vehicles.append(
            VehicleRow(
                id: vehicle,
                name: name(of: vehicle),
                profile: profile,
                firstSeenAt: vehicles[Int(vehicle.index)].firstSeenAt
            )
        )
    }
}
