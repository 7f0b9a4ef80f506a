import Telemetry

/// An item of a list, or a line, all of whose fields are of the usual form.
struct PlainRecord {
    var vehicle: JSONScanner.Text?
    var signal: SignalID
    /// Whether it was the one expected, and not searched for.
    var isExpected: Bool
    var value: Double
    var unit: JSONScanner.Text?
    /// Unset where there is none.
    var observedAt: Timestamp
    /// Unset where there is none.
    var receivedAt: Timestamp
    var end: JSONScanner
}

/// What nearly all senders write: expected paths, short numbers, usual times.
///
/// Nil, and nothing taken, for everything else: these paths never have to say what is wrong.
extension ReadingDecoder {
    /// Takes the member of `readings` that is expected, with a value that needs no closer look.
    @inline(always)
    mutating func plainMember(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) -> DecodedReading? {
        guard let signal = names.expected(&scanner, bytes),
            bytes.byte(at: scanner.position) == UInt8(ascii: ":")
        else { return nil }
        scanner.position &+= 1
        scanner.skipSpace(bytes)
        guard let value = scanner.shortNumber(bytes),
            ranges.plain[Int(signal.index)].contains(value)
        else { return nil }
        names.takeNext()
        return DecodedReading(
            observedAt: possible.unset,
            value: value,
            signal: signal,
            quality: .good
        )
    }

    /// Takes an object whose signal is known.
    @inline(never)
    mutating func plainRecord(_ start: JSONScanner, _ bytes: Span<UInt8>) -> PlainRecord? {
        var scanner = start
        guard bytes.byte(at: scanner.position) == UInt8(ascii: "{") else { return nil }
        var vehicle: JSONScanner.Text?
        var signal: SignalID?
        var isExpected = true
        var value: Double?
        var unit: JSONScanner.Text?
        var observedAt = possible.unset
        var receivedAt = possible.unset
        var seen = 0
        repeat {
            scanner.position &+= 1
            scanner.skipSpace(bytes)
            guard let field = scanner.usualField(bytes), case let bit = 1 &<< field.rawValue,
                seen & bit == 0
            else { return nil }
            seen |= bit
            scanner.skipSpace(bytes)
            switch field {
            case .vehicle:
                guard let text = scanner.plainText(bytes) else { return nil }
                vehicle = text
            case .signal:
                if let expected = names.expected(&scanner, bytes) {
                    signal = expected
                } else {
                    // Where the lines of several vehicles take turns, the order of none holds.
                    guard let text = scanner.plainText(bytes),
                        let found = names.find(text, bytes)
                    else { return nil }
                    signal = found
                    isExpected = false
                }
            case .value:
                guard let number = scanner.shortNumber(bytes) else { return nil }
                value = number
            case .unit:
                guard let text = scanner.plainText(bytes) else { return nil }
                unit = text
            case .time:
                guard let time = times.takeUsual(&scanner, bytes) else { return nil }
                observedAt = time
            case .arrival:
                guard let time = times.takeUsual(&scanner, bytes) else { return nil }
                receivedAt = time
            default: return nil
            }
            scanner.skipSpace(bytes)
        } while bytes.byte(at: scanner.position) == UInt8(ascii: ",")
        guard bytes.byte(at: scanner.position) == UInt8(ascii: "}"), let signal, let value else {
            return nil
        }
        scanner.position &+= 1
        return PlainRecord(
            vehicle: vehicle,
            signal: signal,
            isExpected: isExpected,
            value: value,
            unit: unit,
            observedAt: observedAt,
            receivedAt: receivedAt,
            end: scanner
        )
    }

    /// Whether a line is a packet whose fields before its `readings` are of the usual form.
    @inline(never)
    mutating func isPlainPacket(_ bytes: Span<UInt8>) -> Bool {
        var scanner = JSONScanner()
        guard bytes.byte(at: scanner.position) == UInt8(ascii: "{") else { return false }
        var seen = 0
        repeat {
            scanner.position &+= 1
            scanner.skipSpace(bytes)
            guard let field = scanner.usualField(bytes), case let bit = 1 &<< field.rawValue,
                seen & bit == 0
            else { return false }
            seen |= bit
            scanner.skipSpace(bytes)
            switch field {
            case .readings: return true
            case .vehicle, .boot: guard scanner.plainText(bytes) != nil else { return false }
            case .version, .sequence:
                guard scanner.shortNumber(bytes) != nil else { return false }
            case .time, .arrival:
                guard times.takeUsual(&scanner, bytes) != nil else { return false }
            default: return false
            }
            scanner.skipSpace(bytes)
        } while bytes.byte(at: scanner.position) == UInt8(ascii: ",")
        return false
    }

    /// The record's reading, when its value needs no closer look.
    @inline(__always)
    mutating func reading(of record: PlainRecord, _ bytes: Span<UInt8>) -> DecodedReading? {
        var value = record.value
        if let unit = record.unit {
            guard let conversion = conversion(of: unit, to: record.signal, bytes) else {
                return nil
            }
            value = value * conversion.factor + conversion.offset
        }
        guard ranges.plain[Int(record.signal.index)].contains(value) else { return nil }
        if record.isExpected { names.takeNext() }
        return DecodedReading(
            observedAt: record.observedAt,
            value: value,
            signal: record.signal,
            quality: .good
        )
    }
}
