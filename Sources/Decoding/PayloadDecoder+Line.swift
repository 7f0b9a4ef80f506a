package import Telemetry

/// Lines of a recording.
extension PayloadDecoder {
    /// Decodes `{"vehicle","signal","ts","value"[,"unit"][,"rx"]}` into one reading, or a packet
    /// with `vehicle` and `rx` beside its own fields into many.
    ///
    /// `rx`, where present, is the arrival time; without it the line arrived when `clock`, the
    /// latest time seen so far, or its own time, whichever is later.
    /// - Throws: the rejection that costs the line.
    package mutating func decodeLine(
        _ bytes: Span<UInt8>,
        clock: Timestamp
    ) throws(Rejection) -> Timestamp {
        reset()
        do throws(Rejection) {
            guard bytes.count <= Limits.recordingLineBytesMax else {
                throw Rejection(.payloadTooLarge, at: Limits.recordingLineBytesMax)
            }
            if let receivedAt = plainLine(bytes, clock: clock) { return receivedAt }
            if !decoder.isPlainPacket(bytes),
                let receivedAt = try anyLine(bytes, clock: clock)
            {
                return receivedAt
            }
            return try packetLine(bytes, clock: clock)
        } catch {
            readings.removeAll(keepingCapacity: true)
            throw error
        }
    }

    /// Decodes a line all of whose fields are of the usual form.
    ///
    /// Nil for every other, which `anyLine` then decodes.
    @inline(__always)
    private mutating func plainLine(_ bytes: Span<UInt8>, clock: Timestamp) -> Timestamp? {
        guard let record = decoder.plainRecord(JSONScanner(), bytes), let name = record.vehicle,
            record.end.position == bytes.count
        else { return nil }
        let observedAt = record.observedAt
        let hasArrival = record.receivedAt.milliseconds != decoder.possible.unset.milliseconds
        let latest = clock.milliseconds > observedAt.milliseconds ? clock : observedAt
        let receivedAt = hasArrival ? record.receivedAt : latest
        decoder.possible.begin(receivedAt: receivedAt)
        if !vehicle.holds(name, bytes) { keepVehicle(name, bytes) }
        hasLineVehicle = true
        guard isVehicleGood, decoder.possible.contains(observedAt),
            let reading = decoder.reading(of: record, bytes)
        else { return nil }
        if hasArrival { lineReceivedAt = receivedAt }
        resizeReadings(1)
        readings[0] = reading
        return receivedAt
    }

    /// Decodes a line that is a packet.
    private mutating func packetLine(
        _ bytes: Span<UInt8>,
        clock: Timestamp
    ) throws(Rejection) -> Timestamp {
        reset()
        var fields = Fields(time: decoder.possible.unset, isLine: true)
        let unset = decoder.possible.unset
        var receivedAt = clock
        do throws(Rejection) {
            try telemetry(bytes, &fields) { fields in
                let ownTime = fields.time == unset ? clock : fields.time
                receivedAt = fields.arrival ?? max(clock, ownTime)
                return receivedAt
            }
        } catch {
            decoder.rejections.removeAll(keepingCapacity: true)
            throw error
        }
        guard let name = fields.vehicle else { throw Rejection(.missingField, at: 0, "vehicle") }
        if !vehicle.holds(name, bytes) { keepVehicle(name, bytes) }
        hasLineVehicle = true
        guard isVehicleGood else { throw Rejection(.badVehicle, at: name.start) }
        lineReceivedAt = fields.arrival
        hasRejections = !decoder.rejections.isEmpty
        return receivedAt
    }

    /// Decodes one reading; nil when the line is a packet.
    @inline(never)
    private mutating func anyLine(
        _ bytes: Span<UInt8>,
        clock: Timestamp
    ) throws(Rejection) -> Timestamp? {
        var scanner = JSONScanner()
        var vehicle: JSONScanner.Text?
        var path: SignalPath?
        var unit: JSONScanner.Text?
        var number: Double??
        var observedAt: Timestamp?
        try scanner.requireObject(bytes)
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let field = try scanner.field(bytes)
                let at = scanner.position
                switch field {
                case .vehicle:
                    try absent(vehicle == nil, "vehicle", at)
                    vehicle = try scanner.requireText(bytes, "vehicle")
                case .signal:
                    try absent(path == nil, "signal", at)
                    path = try decoder.path(&scanner, bytes)
                case .value:
                    try absent(number == nil, "value", at)
                    number = .some(try scanner.value(bytes))
                case .unit: unit = try scanner.requireText(bytes, "unit")
                case .time:
                    try absent(observedAt == nil, "ts", at)
                    observedAt = try decoder.time(&scanner, bytes)
                case .arrival: lineReceivedAt = try decoder.time(&scanner, bytes)
                case .readings: return nil
                default: try scanner.skipValue(bytes)
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        try scanner.end(bytes)
        guard let vehicle else { throw Rejection(.missingField, at: 0, "vehicle") }
        guard let path else { throw Rejection(.missingField, at: 0, "signal") }
        guard let number else { throw Rejection(.missingField, at: 0, "value") }
        guard let observedAt else { throw Rejection(.missingField, at: 0, "ts") }
        keepVehicle(vehicle, bytes)
        hasLineVehicle = true
        guard isVehicleGood else { throw Rejection(.badVehicle, at: vehicle.start) }
        let receivedAt = lineReceivedAt ?? max(clock, observedAt)
        decoder.possible.begin(receivedAt: receivedAt)
        guard decoder.possible.contains(observedAt) else {
            throw decoder.possible.rejection(of: observedAt, at: 0)
        }
        guard let reading = decoder.reading(path, number, unit: unit, time: observedAt, bytes)
        else {
            let rejection = decoder.rejection(of: path, number, unit: unit, at: 0, bytes)
            decoder.rejections.append(rejection)
            throw rejection
        }
        resizeReadings(1)
        readings[0] = reading
        return receivedAt
    }

    private func absent(_ isAbsent: Bool, _ name: String, _ at: Int) throws(Rejection) {
        guard isAbsent else { throw Rejection(.duplicateField, at: at, name) }
    }

    private mutating func keepVehicle(_ text: JSONScanner.Text, _ bytes: Span<UInt8>) {
        // Let go first, so that its bytes are overwritten and not copied.
        lineVehicle = []
        vehicle.set(text, bytes)
        lineVehicle = vehicle.bytes
        lineVehicleChanges &+= 1
        isVehicleGood = PayloadDecoder.isVehicleName(vehicle.bytes)
    }

    private static func isVehicleName(_ name: [UInt8]) -> Bool {
        VehicleName.isValid(name.span, name.indices)
    }
}
