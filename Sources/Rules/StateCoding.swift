package import Telemetry

/// Checkpoints of the rules' state of one vehicle.
///
/// A component is found again by rule id and component name, not by place, so a rule file
/// may gain, lose or reorder rules; what no longer exists is dropped, and limits are taken from
/// the rules in force.
extension RuleEngine {
    /// Raised whenever the layout below changes; an older layout is refused, and the caller starts
    /// that vehicle afresh.
    private static let layoutVersion: UInt8 = 2

    package func encode(_ vehicle: VehicleState, into writer: inout ByteWriter) {
        writer.put(RuleEngine.layoutVersion)
        vehicle.trip.encode(into: &writer)
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
            writer.put(key(ofSlot: slot))
            vehicle.parts[place].join.encode(into: &writer)
            vehicle.parts[place].component.encode(into: &writer)
        }
    }

    package func decode(_ reader: inout ByteReader) throws(CheckpointError) -> VehicleState {
        guard try reader.byte() == RuleEngine.layoutVersion else { throw reader.failure() }
        var vehicle = VehicleState()
        vehicle.trip = try TripContext(from: &reader)
        let front = try reader.optionalDouble()
        let reference = VehicleReference(
            placardFrontKilopascals: front,
            placardRearKilopascals: try reader.optionalDouble()
        )
        vehicle.flushDue = try reader.optionalTimestamp()
        for _ in 0..<(try reader.count()) {
            let observedAt = try reader.timestamp()
            let value = try reader.double()
            let key = try reader.unsigned()
            guard let signal = signalKeys.firstIndex(of: key) else { continue }
            vehicle.held.append(
                HeldReading(
                    observedAt: observedAt,
                    value: value,
                    order: order[signal]
                )
            )
        }
        var found: [(slot: Int, part: VehicleState.Part)] = []
        for _ in 0..<(try reader.count()) {
            let key = try reader.unsigned()
            let join = try TemperatureJoin(from: &reader)
            let component = try ComponentState(from: &reader)
            if let slot = slots.indices.first(where: { self.key(ofSlot: $0) == key }) {
                found.append((slot, VehicleState.Part(component: component, join: join)))
            }
        }
        found.sort { $0.slot < $1.slot }
        vehicle.slots = found.map { UInt16($0.slot) }
        vehicle.parts = found.map(\.part)
        refer(to: reference, &vehicle)
        return vehicle
    }

    private func key(ofSlot slot: Int) -> UInt64 {
        checkpointKey("\(rule(ofSlot: slot).id)/\(component(ofSlot: slot).name)")
    }
}

/// FNV-1a, 64 bits: a name's number in checkpoints, the same in every build.
func checkpointKey(_ name: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
}

extension TripContext {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.put(activeAt)
        writer.put(startedAt)
        writer.put(parkedHours)
        writer.put(ambient)
        writer.put(ambientAt)
    }

    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        self.init()
        activeAt = try reader.timestamp()
        startedAt = try reader.timestamp()
        parkedHours = try reader.optionalDouble()
        ambient = try reader.optionalDouble()
        ambientAt = try reader.timestamp()
    }
}

extension TemperatureJoin {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.put(hasSensor)
        writer.put(temperatureAt)
        writer.put(temperature)
        writer.put(pending != nil)
        if let pending {
            writer.put(pending.observedAt)
            writer.put(pending.value)
            writer.put(pending.parkedHours)
            writer.put(pending.ambient)
        }
    }

    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        self.init()
        hasSensor = try reader.flag()
        temperatureAt = try reader.timestamp()
        temperature = try reader.double()
        if try reader.flag() {
            let observedAt = try reader.timestamp()
            let value = try reader.double()
            let parked = try reader.optionalDouble()
            pending = Pending(
                observedAt: observedAt,
                value: value,
                parkedHours: parked,
                ambient: try reader.optionalDouble()
            )
        }
    }
}

extension ComponentState.Anchor {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.put(at)
        writer.put(value)
        writer.put(readings)
    }

    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        at = try reader.timestamp()
        value = try reader.double()
        readings = Int(try reader.integer())
    }
}

extension ComponentState.RunCount {
    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        count = Int(try reader.integer())
        countedAt = try reader.timestamp()
    }
}

extension ComponentState {
    fileprivate func encode(into writer: inout ByteWriter) {
        filter.encode(into: &writer)
        writer.put(limit)
        writer.put(isLimitAssumed)
        older.encode(into: &writer)
        newer.encode(into: &writer)
        writer.put(newestAt)
        writer.put(newestValue)
        writer.put(seen.0)
        writer.put(seen.1)
        writer.put(seen.2)
        writer.put(seen.3)
        writer.put(seenNext)
        writer.put(isRaised)
        writer.put(isCrossed)
        for run in [near, crossed, recovered] {
            writer.put(run.count)
            writer.put(run.countedAt)
        }
        writer.put(minimum)
        writer.put(clearSince)
        writer.put(published)
        writer.put(publishedDeviation)
        writer.put(toldAt)
        writer.put(timerDue)
    }

    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        let filter = try TrendFilter(from: &reader)
        let limit = try reader.double()
        self.init(limit: limit, isLimitAssumed: try reader.flag())
        self.filter = filter
        older = try Anchor(from: &reader)
        newer = try Anchor(from: &reader)
        newestAt = try reader.timestamp()
        newestValue = try reader.double()
        seen.0 = try reader.timestamp()
        seen.1 = try reader.timestamp()
        seen.2 = try reader.timestamp()
        seen.3 = try reader.timestamp()
        seenNext = Int(try reader.integer()) & 3
        isRaised = try reader.flag()
        isCrossed = try reader.flag()
        near = try RunCount(from: &reader)
        crossed = try RunCount(from: &reader)
        recovered = try RunCount(from: &reader)
        minimum = try reader.double()
        clearSince = try reader.optionalTimestamp()
        published = try reader.optionalDouble()
        publishedDeviation = try reader.double()
        toldAt = try reader.timestamp()
        timerDue = try reader.optionalTimestamp()
    }
}

extension TrendFilter {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.put(level)
        writer.put(slope)
        writer.put(p00)
        writer.put(p01)
        writer.put(p11)
        writer.put(cusum)
        writer.put(noiseScale)
        writer.put(time)
        writer.put(firstTime)
        writer.put(newestTime)
        writer.put(pendingLevel)
        writer.put(pendingTime)
        writer.put(pendingCount)
        writer.put(isStarted)
    }

    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        self.init()
        level = try reader.double()
        slope = try reader.double()
        p00 = try reader.double()
        p01 = try reader.double()
        p11 = try reader.double()
        cusum = try reader.double()
        noiseScale = try reader.double()
        time = try reader.double()
        firstTime = try reader.double()
        newestTime = try reader.double()
        pendingLevel = try reader.double()
        pendingTime = try reader.double()
        pendingCount = Int(try reader.integer())
        isStarted = try reader.flag()
    }
}
