package import Telemetry

/// One reading as decoded: the vehicle is known from topic or line.
package struct DecodedReading: Sendable, Equatable {
    package var observedAt: Timestamp
    package var value: Double
    package var signal: SignalID
    package var quality: Quality
}

/// What a packet said beside its readings.
package struct PacketHeader: Sendable, Equatable {
    /// The boot's name as bytes, empty when the vehicle sends none.
    package var boot: [UInt8] = []
    /// Sequence number within the boot, from 1; nil when the vehicle sends none.
    package var sequence: UInt64?
}

/// The native payload → readings and rejections.
///
/// `{"v":1,"boot":"b7","seq":4182,"ts":"…Z","readings":{"<path>":231.5}}`, or `readings` as a list
/// of `{"signal","value","unit"?,"ts"?}`. Fields come in any order; unknown ones are skipped.
/// Text that is not JSON costs the packet; a single reading that cannot be used costs only itself.
/// The buffers are kept between packets, so that a steady stream allocates nothing.
package struct PayloadDecoder: Sendable {
    package private(set) var readings: [DecodedReading] = []
    /// Readings of the last packet that could not be used.
    package private(set) var rejections: [Rejection] = []
    /// Boot and number of the last packet, also when it was rejected but was good JSON.
    package private(set) var header = PacketHeader()
    /// Vehicle name and arrival of the last line (`decodeLine` only).
    package private(set) var lineVehicle: [UInt8] = []
    package private(set) var lineReceivedAt: Timestamp?
    /// Where readings without a time of their own stand, until the packet's time is known.
    private var offsets: [Int] = []
    private var conversions: [String: [SignalID: UnitConversion]] = [:]
    private let catalogue: Catalogue

    private static let unset = Timestamp.distantFuture

    package init(catalogue: Catalogue) {
        self.catalogue = catalogue
    }

    // MARK: Packets

    /// Decodes a telemetry payload into `readings` and `rejections`.
    /// - Throws: a rejection that costs the whole packet; both buffers are then empty.
    package mutating func decodeTelemetry(
        _ bytes: Span<UInt8>,
        receivedAt: Timestamp
    ) throws(Rejection) -> PacketHeader {
        reset()
        do {
            return try telemetry(bytes, receivedAt: receivedAt)
        } catch {
            readings.removeAll(keepingCapacity: true)
            rejections.removeAll(keepingCapacity: true)
            throw error
        }
    }

    private mutating func reset() {
        readings.removeAll(keepingCapacity: true)
        rejections.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        lineReceivedAt = nil
        header = PacketHeader()
    }

    /// The fields of a packet as they come.
    private struct Fields {
        var header = PacketHeader()
        var time = PayloadDecoder.unset
        var seen: Set<String> = []
        /// The first field that is JSON but cannot be used.
        var fault: Rejection?
    }

    private mutating func telemetry(
        _ bytes: Span<UInt8>,
        receivedAt: Timestamp
    ) throws(Rejection) -> PacketHeader {
        guard bytes.count <= Limits.payloadBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.payloadBytesMax)
        }
        guard !bytes.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        var fields = Fields()
        try scanner.requireObject(bytes)
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let name = try scanner.name(bytes)
                let at = scanner.position
                do throws(Rejection) {
                    try take(field(name, scanner, bytes), at: at, &fields, &scanner, bytes)
                } catch {
                    // Read on: the packet's number may still come, and is needed to account for it.
                    guard error.isAboutMeaning else { throw error }
                    fields.fault = fields.fault ?? error
                    if scanner.position == at { try scanner.skipValue(bytes) }
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        try scanner.end(bytes)
        let hasBoot = !fields.header.boot.isEmpty
        if hasBoot == (fields.header.sequence != nil) { header = fields.header }
        if let fault = fields.fault { throw fault }
        for name in ["v", "readings"] where !fields.seen.contains(name) {
            throw Rejection(.missingField, at: 0, name)
        }
        guard hasBoot == (fields.header.sequence != nil) else {
            throw Rejection(.missingField, at: 0, hasBoot ? "seq" : "boot")
        }
        guard !readings.isEmpty || !rejections.isEmpty else { throw Rejection(.noReadings, at: 0) }
        settleTimes(fields.time, receivedAt: receivedAt)
        return fields.header
    }

    private mutating func take(
        _ name: String,
        at: Int,
        _ fields: inout Fields,
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) {
        guard ["v", "boot", "seq", "ts", "readings"].contains(name) else {
            return try scanner.skipValue(bytes)
        }
        try absent(fields.seen.insert(name).inserted, name, at)
        switch name {
        case "v":
            guard try scanner.requireNumber(bytes, name) == 1 else {
                throw Rejection(.unsupportedVersion, at: at)
            }
        case "boot":
            let boot = scanner.unescaped(try scanner.requireText(bytes, name), bytes)
            guard (1...Limits.bootNameBytesMax).contains(boot.count) else {
                throw Rejection(.outOfRange, at: at, name)
            }
            fields.header.boot = boot
        case "seq":
            let value = try scanner.requireNumber(bytes, name)
            guard value >= 1, value <= 0x1p53, value == value.rounded() else {
                throw Rejection(.outOfRange, at: at, name)
            }
            fields.header.sequence = UInt64(value)
        case "ts": fields.time = try time(&scanner, bytes)
        default: try readings(&scanner, bytes)
        }
    }

    /// Gives readings without a time the packet's, and takes out those whose time is impossible.
    private mutating func settleTimes(
        _ packetTime: Timestamp,
        receivedAt: Timestamp
    ) {
        var kept = 0
        for index in readings.indices {
            var reading = readings[index]
            if reading.observedAt == PayloadDecoder.unset { reading.observedAt = packetTime }
            if reading.observedAt == PayloadDecoder.unset {
                reject(Rejection(.missingField, at: offsets[index], "ts"))
            } else if let reason = PayloadDecoder.impossible(reading.observedAt, receivedAt) {
                rejections.append(Rejection(reason, at: offsets[index]))
            } else {
                readings[kept] = reading
                kept += 1
            }
        }
        readings.removeLast(readings.count - kept)
    }

    /// Why no reading can be of this time, if so.
    static func impossible(
        _ observedAt: Timestamp,
        _ receivedAt: Timestamp
    ) -> RejectionReason? {
        if observedAt < Limits.observedAtMin { return .timestampTooOld }
        if observedAt > receivedAt + Limits.futureMillisecondsMax { return .futureTimestamp }
        return nil
    }

    private mutating func readings(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) {
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "{"):
            guard try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) else { return }
            repeat {
                scanner.skipSpace(bytes)
                let at = scanner.position
                let path = try scanner.name(bytes)
                let value = try value(&scanner, bytes)
                try append(
                    path: path,
                    value: value,
                    unit: nil,
                    time: PayloadDecoder.unset,
                    at: at,
                    scanner,
                    bytes
                )
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        case UInt8(ascii: "["):
            guard try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) else { return }
            repeat {
                try listItem(&scanner, bytes)
            } while try scanner.another(before: UInt8(ascii: "]"), bytes)
        default:
            try scanner.skipValue(bytes)
            throw scanner.failure(.wrongType, "readings")
        }
    }

    private mutating func listItem(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) {
        _ = try scanner.peek(bytes)
        let at = scanner.position
        var path: JSONScanner.Text?
        var number: Double??
        var unit: JSONScanner.Text?
        var observedAt = PayloadDecoder.unset
        var fault: Rejection?
        guard try scanner.peek(bytes) == UInt8(ascii: "{") else {
            try scanner.skipValue(bytes)
            return reject(Rejection(.wrongType, at: at, "object expected"))
        }
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let name = try scanner.name(bytes)
                do throws(Rejection) {
                    switch field(name, scanner, bytes) {
                    case "signal": path = try scanner.requireText(bytes, "signal")
                    case "value": number = .some(try value(&scanner, bytes))
                    case "unit": unit = try scanner.requireText(bytes, "unit")
                    case "ts": observedAt = try time(&scanner, bytes)
                    default: try scanner.skipValue(bytes)
                    }
                } catch {
                    guard error.isAboutMeaning else { throw error }
                    fault = fault ?? error
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        if let fault { return reject(fault) }
        guard let path else { return reject(Rejection(.missingField, at: at, "signal")) }
        guard let number else { return reject(Rejection(.missingField, at: at, "value")) }
        try append(
            path: path,
            value: number,
            unit: unit,
            time: observedAt,
            at: at,
            scanner,
            bytes
        )
    }

    // MARK: Lines of a recording

    /// Decodes `{"vehicle","signal","ts","value"[,"unit"][,"rx"]}` into one reading.
    ///
    /// `rx`, where present, is the arrival time; without it the line arrived when `clock`, the
    /// latest time seen so far, or its own time, whichever is later.
    /// - Throws: the rejection that costs the line.
    package mutating func decodeLine(
        _ bytes: Span<UInt8>,
        clock: Timestamp
    ) throws(Rejection) -> Timestamp {
        reset()
        lineVehicle.removeAll(keepingCapacity: true)
        guard bytes.count <= Limits.recordingLineBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.recordingLineBytesMax)
        }
        var scanner = JSONScanner()
        var vehicle: JSONScanner.Text?
        var path: JSONScanner.Text?
        var unit: JSONScanner.Text?
        var number: Double??
        var observedAt: Timestamp?
        try scanner.requireObject(bytes)
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let name = try scanner.name(bytes)
                let at = scanner.position
                switch field(name, scanner, bytes) {
                case "vehicle":
                    try absent(vehicle == nil, "vehicle", at)
                    vehicle = try scanner.requireText(bytes, "vehicle")
                case "signal":
                    try absent(path == nil, "signal", at)
                    path = try scanner.requireText(bytes, "signal")
                case "value":
                    try absent(number == nil, "value", at)
                    number = .some(try value(&scanner, bytes))
                case "unit": unit = try scanner.requireText(bytes, "unit")
                case "ts":
                    try absent(observedAt == nil, "ts", at)
                    observedAt = try time(&scanner, bytes)
                case "rx": lineReceivedAt = try time(&scanner, bytes)
                default: try scanner.skipValue(bytes)
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        try scanner.end(bytes)
        guard let vehicle else { throw Rejection(.missingField, at: 0, "vehicle") }
        guard let path else { throw Rejection(.missingField, at: 0, "signal") }
        guard let number else { throw Rejection(.missingField, at: 0, "value") }
        guard let observedAt else { throw Rejection(.missingField, at: 0, "ts") }
        lineVehicle = scanner.unescaped(vehicle, bytes)
        guard TopicParser.isVehicleName(lineVehicle.span, 0..<lineVehicle.count) else {
            throw Rejection(.badVehicle, at: vehicle.start)
        }
        let receivedAt = lineReceivedAt ?? max(clock, observedAt)
        if let reason = PayloadDecoder.impossible(observedAt, receivedAt) {
            throw Rejection(reason, at: 0)
        }
        try append(
            path: path,
            value: number,
            unit: unit,
            time: observedAt,
            at: 0,
            scanner,
            bytes
        )
        if let rejection = rejections.first { throw rejection }
        return receivedAt
    }

    // MARK: Parts

    /// A field's name as a literal to switch over; long or unknown names are all alike.
    private func field(
        _ name: JSONScanner.Text,
        _ scanner: JSONScanner,
        _ bytes: Span<UInt8>
    ) -> String {
        name.end - name.start <= 60 ? scanner.string(name, bytes) : ""
    }

    private func absent(_ isAbsent: Bool, _ name: String, _ at: Int) throws(Rejection) {
        guard isAbsent else { throw Rejection(.duplicateField, at: at, name) }
    }

    private func time(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Timestamp {
        let text = try scanner.requireText(bytes, "ts")
        guard !text.hasEscapes,
            let time = TimestampDecoder.decode(bytes, from: text.start, to: text.end)
        else { throw Rejection(.badTimestamp, at: text.start) }
        return time
    }

    /// A number, or a boolean as 0 or 1; nil for anything else that is JSON.
    private func value(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Double? {
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return try scanner.number(bytes)
        case UInt8(ascii: "t"):
            try scanner.literal("true", bytes)
            return 1
        case UInt8(ascii: "f"):
            try scanner.literal("false", bytes)
            return 0
        default:
            try scanner.skipValue(bytes)
            return nil
        }
    }

    private mutating func reject(_ rejection: Rejection) {
        rejections.append(rejection)
    }

    private mutating func append(
        path: JSONScanner.Text,
        value: Double?,
        unit: JSONScanner.Text?,
        time: Timestamp,
        at: Int,
        _ scanner: JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) {
        guard readings.count + rejections.count < Limits.readingsPerPacketMax else {
            throw Rejection(.tooManyReadings, at: at)
        }
        guard path.end - path.start <= Limits.signalPathBytesMax else {
            return reject(Rejection(.unknownSignal, at: at))
        }
        let found =
            path.hasEscapes
            ? catalogue.find(path: scanner.unescaped(path, bytes).span)
            : catalogue.find(path: bytes.extracting(path.start..<path.end))
        guard let signal = found else {
            return reject(Rejection(.unknownSignal, at: at, scanner.string(path, bytes)))
        }
        guard var value else {
            return reject(Rejection(.wrongType, at: at, catalogue[signal].path))
        }
        if let unit {
            let name = unit.end - unit.start <= 16 ? scanner.string(unit, bytes) : ""
            guard let conversion = conversion(of: name, to: signal) else {
                return reject(Rejection(.unknownUnit, at: unit.start, name))
            }
            value = value * conversion.factor + conversion.offset
        }
        guard let quality = catalogue.quality(of: value, signal: signal) else {
            return reject(Rejection(.outOfRange, at: at, catalogue[signal].path))
        }
        readings.append(
            DecodedReading(observedAt: time, value: value, signal: signal, quality: quality)
        )
        offsets.append(at)
    }

    private mutating func conversion(of unit: String, to signal: SignalID) -> UnitConversion? {
        if let known = conversions[unit]?[signal] { return known }
        guard let found = Units.conversion(from: unit, to: catalogue[signal].unit) else {
            return nil
        }
        conversions[unit, default: [:]][signal] = found
        return found
    }
}
