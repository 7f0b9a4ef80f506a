package import Telemetry

/// Checkpoints of the rules' state of one vehicle.
///
/// A component is found again by rule id and component name, not by place, so a rule file
/// may gain, lose or reorder rules; what no longer exists is dropped, and limits are taken from
/// the rules in force.
extension RuleEngine {
    /// Raised whenever the layout below changes; an older layout is refused, and the caller starts
    /// that vehicle afresh.
    private static let layoutVersion: UInt8 = 9

    package func encode(_ vehicle: VehicleState, into writer: inout ByteWriter) {
        writer.put(RuleEngine.layoutVersion)
        vehicle.trip.encode(into: &writer)
        vehicle.usage.encode(into: &writer)
        writer.put(vehicle.watched.count)
        for (signal, value) in zip(watched, vehicle.watched) {
            writer.put(signalKeys[Int(signal.index)])
            writer.put(value)
        }
        writer.put(vehicle.reference.placardFrontKilopascals)
        writer.put(vehicle.reference.placardRearKilopascals)
        writer.put(vehicle.flushDue)
        writer.put(vehicle.held.count)
        for reading in vehicle.held {
            writer.put(reading.observedAt)
            writer.put(reading.value)
            writer.put(signalKeys[reading.signal])
        }
        writer.put(vehicle.slots.count)
        for (place, slot) in vehicle.slotsInUse.enumerated() {
            writer.put(slotKeys[slot])
            writer.put(limit(ofSlot: slot, vehicle.reference).limit)
            vehicle.parts[place].join.encode(into: &writer)
            vehicle.parts[place].stuck.encode(into: &writer)
            vehicle.parts[place].component.encode(into: &writer)
            if vehicle.parts[place].component.hasAttention {
                vehicle.attentions[slot].encode(into: &writer)
            }
        }
        let raised = composites.map(\.slot).filter { !vehicle.attentions[$0].isIdle }
        writer.put(raised.count)
        for slot in raised {
            writer.put(slotKeys[slot])
            vehicle.attentions[slot].encode(into: &writer)
        }
        vehicle.levelsAt.encode(into: &writer)
        writer.put(vehicle.counters.count)
        for counter in vehicle.counters {
            writer.put(slotKeys[counter.slot])
            counter.encode(into: &writer)
        }
        writer.put(vehicle.faults.count)
        for fault in vehicle.faults {
            writer.put(slotKeys[groups[fault.group].slots[0]])
            fault.since.encode(into: &writer)
            fault.heardAt.encode(into: &writer)
        }
    }

    /// Reads a checkpoint of a vehicle for which `limits` hold today.
    package func decode(
        _ reader: inout ByteReader,
        limits: [VehicleLimit] = []
    ) throws(CheckpointError) -> VehicleState {
        guard try reader.byte() == RuleEngine.layoutVersion else { throw reader.failure() }
        var vehicle = VehicleState()
        vehicle.trip = try TripContext(from: &reader)
        vehicle.usage = try UsageProfile(from: &reader)
        for _ in 0..<(try reader.count()) {
            let key = try reader.unsigned()
            let value = try reader.float()
            guard let place = watched.firstIndex(where: { signalKeys[Int($0.index)] == key })
            else { continue }
            if vehicle.watched.isEmpty {
                vehicle.watched = Array(repeating: .nan, count: watched.count)
            }
            vehicle.watched[place] = value
        }
        vehicle.reference.placardFrontKilopascals = try reader.optionalDouble()
        vehicle.reference.placardRearKilopascals = try reader.optionalDouble()
        vehicle.reference.limits = limits
        vehicle.flushDue = try reader.timestamp()
        for _ in 0..<(try reader.count()) {
            let observedAt = try reader.timestamp()
            let value = try reader.float()
            let key = try reader.unsigned()
            guard let signal = signalKeys.firstIndex(of: key) else { continue }
            vehicle.held.append(
                HeldReading(observedAt: observedAt, value: value, order: order[signal])
            )
        }
        var found: [(slot: Int, part: VehicleState.Part)] = []
        for _ in 0..<(try reader.count()) {
            let key = try reader.unsigned()
            let oldLimit = try reader.double()
            let join = try TemperatureJoin(from: &reader)
            let stuck = try StuckWatch(from: &reader)
            var component = try ComponentState(from: &reader)
            var attention =
                component.hasAttention ? try Attention(from: &reader) : Attention()
            guard let slot = slotKeys.firstIndex(of: key) else { continue }
            let newLimit = limit(ofSlot: slot, vehicle.reference).limit
            let sign = slots[slot].parameters.direction.sign
            component.shiftMargin(by: sign * (oldLimit - newLimit), &attention)
            component.hasAttention = vehicle.attentions.keep(attention, ofSlot: slot)
            found.append((slot, VehicleState.Part(component: component, join: join, stuck: stuck)))
        }
        for _ in 0..<(try reader.count()) {
            let key = try reader.unsigned()
            let attention = try Attention(from: &reader)
            guard let slot = slotKeys.firstIndex(of: key) else { continue }
            _ = vehicle.attentions.keep(attention, ofSlot: slot)
        }
        vehicle.levelsAt = try CompactInstant(from: &reader)
        for _ in 0..<(try reader.count()) {
            let slot = slotKeys.firstIndex(of: try reader.unsigned())
            let counter = try DrivenCounter(slot: slot ?? 0, from: &reader)
            if slot != nil { vehicle.counters.append(counter) }
        }
        for _ in 0..<(try reader.count()) {
            let key = try reader.unsigned()
            let since = try CompactInstant(from: &reader)
            let heardAt = try CompactInstant(from: &reader)
            guard let group = groups.firstIndex(where: { slotKeys[$0.slots[0]] == key }) else {
                continue
            }
            vehicle.faults.append(GroupFault(group: group, since: since, heardAt: heardAt))
        }
        found.sort { $0.slot < $1.slot }
        vehicle.slots = found.map { UInt16($0.slot) }
        vehicle.parts = found.map(\.part)
        return vehicle
    }
}

/// FNV-1a, 64 bits: a name's number in checkpoints, the same in every build.
func checkpointKey(_ name: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
}

extension CompactInstant {
    func encode(into writer: inout ByteWriter) { writer.put(seconds) }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        self.init(seconds: try reader.word())
    }
}

extension TrendFilter {
    func encode(into writer: inout ByteWriter) {
        for value in [level, slope, p00, p01, p11, cusum, noiseScale] { writer.put(value) }
        time.encode(into: &writer)
        firstTime.encode(into: &writer)
    }

    init(from reader: inout ByteReader) throws(CheckpointError) {
        level = try reader.float()
        slope = try reader.float()
        p00 = try reader.float()
        p01 = try reader.float()
        p11 = try reader.float()
        cusum = try reader.float()
        noiseScale = try reader.float()
        time = try CompactInstant(from: &reader)
        firstTime = try CompactInstant(from: &reader)
    }
}
