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
    /// The oldest number the vehicle still holds: what is missing below never comes.
    package var oldest: UInt64?
}

/// The native payload → readings and rejections.
///
/// `{"v":1,"boot":"b7","seq":4182,"oldest":4180,"ts":"…Z","readings":{"<path>":231.5}}`, or `readings` as a list
/// of `{"signal","value","unit"?,"ts"?}`. Fields come in any order; unknown ones are skipped.
/// Text that is not JSON costs the packet; a single reading that cannot be used costs only itself.
/// The buffers are kept between packets, so that a steady stream allocates nothing.
package struct PayloadDecoder: Sendable {
    /// Of the last packet or line; whoever uses them may take them, and gives the buffer back.
    package var readings: [DecodedReading] = []
    /// Arrival of the last line, where it names one (`decodeLine` only).
    package internal(set) var lineReceivedAt: Timestamp?
    /// Boot and number of the last packet, also when it was rejected but told them before what is
    /// wrong with it.
    ///
    /// Stored, as is whether there are rejections: what is worked out on demand costs its caller, in
    /// another module, a copy of the whole decoder.
    package private(set) var header = PacketHeader()
    /// Whether there are `rejections`.
    package internal(set) var hasRejections = false
    /// Vehicle name of the last line that was one (`decodeLine` only).
    package internal(set) var lineVehicle: [UInt8] = []
    /// How often `lineVehicle` has changed: while it has not, nobody need look it up again.
    package internal(set) var lineVehicleChanges = 0
    /// Whether the last line told its vehicle, rejected or not; else `lineVehicle` is of one before.
    package internal(set) var hasLineVehicle = false

    var decoder: ReadingDecoder
    /// The readings of this packet, until its time is known.
    private var drafts: [Draft]
    /// The boot met last, which is this packet's when `hasHeader`.
    private var boot = KeptText()
    /// The vehicle met last.
    var vehicle = KeptText()
    var isVehicleGood = false

    package init(catalogue: Catalogue) {
        decoder = ReadingDecoder(catalogue: catalogue)
        drafts = [Draft](repeating: decoder.emptyDraft, count: Limits.readingsPerPacketMax)
    }

    /// Readings of the last packet that could not be used.
    package var rejections: [Rejection] { decoder.rejections }

    /// Decodes a telemetry payload into `readings` and `rejections`.
    /// - Throws: a rejection that costs the whole packet; both buffers are then empty.
    package mutating func decodeTelemetry(
        _ bytes: Span<UInt8>,
        receivedAt: Timestamp
    ) throws(Rejection) -> PacketHeader {
        reset()
        var fields = Fields(time: decoder.possible.unset)
        do throws(Rejection) {
            try telemetry(bytes, &fields, receivedAt: { _ in receivedAt })
        } catch {
            readings.removeAll(keepingCapacity: true)
            decoder.rejections.removeAll(keepingCapacity: true)
            throw error
        }
        hasRejections = !decoder.rejections.isEmpty
        return header
    }

    /// Forgets the last packet or line, but for its readings, which the next ones overwrite.
    mutating func reset() {
        if !decoder.rejections.isEmpty { decoder.rejections.removeAll(keepingCapacity: true) }
        lineReceivedAt = nil
        hasRejections = false
        hasLineVehicle = false
        if header.sequence != nil { header = PacketHeader() }
    }

    /// Makes room for as many readings.
    mutating func resizeReadings(_ count: Int) {
        guard readings.count != count else { return }
        readings.removeAll(keepingCapacity: true)
        readings.append(contentsOf: repeatElement(decoder.emptyDraft.reading, count: count))
    }

    // MARK: Fields

    /// The fields of a packet as they come.
    struct Fields {
        /// Vehicle and arrival, which only lines of a recording have.
        var vehicle: JSONScanner.Text?
        var arrival: Timestamp?
        var isLine = false
        /// The boot, when it is not the one before.
        var boot: JSONScanner.Text?
        var isBootKept = false
        var sequence: UInt64?
        var oldest: UInt64?
        var time: Timestamp
        var draftCount = 0
        fileprivate var seen: Seen = []
        /// Those behind which another began, so that nothing of them is cut off.
        fileprivate var whole: Seen = []
        /// The first field that is JSON but cannot be used.
        var fault: Rejection?

        var hasBoot: Bool { isBootKept || boot != nil }

        init(time: Timestamp, isLine: Bool = false) {
            self.time = time
            self.isLine = isLine
        }
    }

    fileprivate struct Seen: OptionSet {
        let rawValue: UInt8
        static let version = Seen(rawValue: 1)
        static let boot = Seen(rawValue: 2)
        static let sequence = Seen(rawValue: 4)
        static let time = Seen(rawValue: 8)
        static let readings = Seen(rawValue: 16)
    }

    /// Decodes a packet; `receivedAt` is asked for its arrival once its fields are known.
    mutating func telemetry(
        _ bytes: Span<UInt8>,
        _ fields: inout Fields,
        receivedAt: (Fields) -> Timestamp
    ) throws(Rejection) {
        do throws(Rejection) {
            try scan(bytes, &fields)
        } catch {
            if fields.whole.isSuperset(of: [.boot, .sequence]) { keepHeader(fields, bytes) }
            throw error
        }
        keepHeader(fields, bytes)
        if let fault = fields.fault { throw fault }
        guard fields.seen.contains(.version) else { throw Rejection(.missingField, at: 0, "v") }
        guard fields.seen.contains(.readings) else {
            throw Rejection(.missingField, at: 0, "readings")
        }
        guard fields.hasBoot == (fields.sequence != nil) else {
            throw Rejection(.missingField, at: 0, fields.hasBoot ? "seq" : "boot")
        }
        guard fields.draftCount > 0 || !rejections.isEmpty else {
            throw Rejection(.noReadings, at: 0)
        }
        decoder.possible.begin(receivedAt: receivedAt(fields))
        settle(fields.draftCount, fields.time)
    }

    private mutating func keepHeader(_ fields: Fields, _ bytes: Span<UInt8>) {
        guard fields.hasBoot == (fields.sequence != nil) else { return }
        if let text = fields.boot { boot.set(text, bytes) }
        guard fields.hasBoot else { return }
        header = PacketHeader(boot: boot.bytes, sequence: fields.sequence, oldest: fields.oldest)
    }

    private mutating func scan(
        _ bytes: Span<UInt8>,
        _ fields: inout Fields
    ) throws(Rejection) {
        guard bytes.count <= Limits.payloadBytesMax else {
            throw Rejection(.payloadTooLarge, at: Limits.payloadBytesMax)
        }
        guard !bytes.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        try scanner.requireObject(bytes)
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                fields.whole = fields.seen
                let field = try scanner.field(bytes)
                let start = scanner
                if !takePlain(field, &fields, &scanner, bytes) {
                    scanner = try takeAny(field, &fields, start, bytes)
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        try scanner.end(bytes)
    }

    /// Takes a value of the form that nearly all packets have.
    ///
    /// False, and nothing taken, for every other, which `takeAny` then takes.
    @inline(__always)
    private mutating func takePlain(
        _ field: Field,
        _ fields: inout Fields,
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) -> Bool {
        switch field {
        case .version:
            guard !fields.seen.contains(.version), scanner.takeOne(bytes) else { return false }
            fields.seen.formUnion(.version)
        case .boot:
            guard !fields.seen.contains(.boot), boot.take(&scanner, bytes) else { return false }
            fields.seen.formUnion(.boot)
            fields.isBootKept = true
        case .sequence:
            guard !fields.seen.contains(.sequence), let number = scanner.shortWholeNumber(bytes)
            else { return false }
            fields.seen.formUnion(.sequence)
            fields.sequence = number
        case .time:
            guard !fields.seen.contains(.time), let time = decoder.usualTime(&scanner, bytes)
            else { return false }
            fields.seen.formUnion(.time)
            fields.time = time
        default: return false
        }
        return true
    }

    @inline(never)
    private mutating func takeAny(
        _ field: Field,
        _ fields: inout Fields,
        _ start: JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> JSONScanner {
        var scanner = start
        do throws(Rejection) {
            try take(field, &fields, &scanner, bytes)
        } catch {
            // Read on: the packet's number may still come, and is needed to account for it.
            guard error.isAboutMeaning else { throw error }
            fields.fault = fields.fault ?? error
            if scanner.position == start.position { try scanner.skipValue(bytes) }
        }
        return scanner
    }

    private mutating func take(
        _ field: Field,
        _ fields: inout Fields,
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) {
        let at = scanner.position
        func enter(_ field: Seen, _ name: String) throws(Rejection) {
            guard fields.seen.insert(field).inserted else {
                throw Rejection(.duplicateField, at: at, name)
            }
        }
        switch field {
        case .version:
            try enter(.version, "v")
            guard try scanner.requireNumber(bytes, "v") == 1 else {
                throw Rejection(.unsupportedVersion, at: at)
            }
        case .boot:
            try enter(.boot, "boot")
            let text = try scanner.requireText(bytes, "boot")
            guard (1...Limits.bootNameBytesMax).contains(scanner.unescapedCount(text, bytes)) else {
                throw Rejection(.outOfRange, at: at, "boot")
            }
            fields.boot = text
        case .sequence:
            try enter(.sequence, "seq")
            fields.sequence = try number("seq", &scanner, bytes)
        case .oldest: fields.oldest = try number("oldest", &scanner, bytes)
        case .vehicle where fields.isLine:
            fields.vehicle = try scanner.requireText(bytes, "vehicle")
        case .arrival where fields.isLine:
            fields.arrival = try decoder.time(&scanner, bytes)
        case .time:
            try enter(.time, "ts")
            fields.time = try decoder.time(&scanner, bytes)
        case .readings:
            try enter(.readings, "readings")
            fields.draftCount = try decoder.decode(&scanner, bytes, into: &drafts)
        default: try scanner.skipValue(bytes)
        }
    }

    /// The number of a packet.
    private func number(
        _ name: String,
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> UInt64 {
        let at = scanner.position
        let value = try scanner.requireNumber(bytes, name)
        guard value >= 1, value <= 0x1p53, value == value.rounded() else {
            throw Rejection(.outOfRange, at: at, name)
        }
        return UInt64(value)
    }

    // MARK: Times

    /// Drafts → readings: those without a time get the packet's, those whose time is impossible are
    /// rejected.
    private mutating func settle(_ count: Int, _ packetTime: Timestamp) {
        resizeReadings(count)
        let possible = decoder.possible
        let kept = PayloadDecoder.copy(&drafts, count, packetTime, possible, to: &readings)
        guard kept < count else { return }
        readings.removeLast(count - kept)
        for draft in drafts[..<count] where !possible.contains(draft.reading.observedAt) {
            let time = draft.reading.observedAt
            decoder.rejections.append(possible.rejection(of: time, at: draft.offset))
        }
    }

    /// Gives the drafts their times, and copies the readings whose time is possible.
    /// - Returns: how many these are.
    private static func copy(
        _ drafts: inout [Draft],
        _ count: Int,
        _ packetTime: Timestamp,
        _ possible: PossibleTimes,
        to readings: inout [DecodedReading]
    ) -> Int {
        var drafts = drafts.mutableSpan
        var slots = readings.mutableSpan
        var kept = 0
        for index in 0..<count {
            var reading = drafts[index].reading
            if reading.observedAt.milliseconds == possible.unset.milliseconds {
                reading.observedAt = packetTime
                drafts[index].reading.observedAt = packetTime
            }
            guard possible.contains(reading.observedAt) else { continue }
            slots[kept] = reading
            kept &+= 1
        }
        return kept
    }
}
