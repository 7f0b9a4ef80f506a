import Telemetry

/// The `readings` of a packet: `{"<path>":231.5}`, or a list.
extension ReadingDecoder {
    /// Decodes the value of `readings`.
    /// - Returns: how many of the drafts are readings.
    mutating func decode(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>,
        into drafts: inout [Draft]
    ) throws(Rejection) -> Int {
        names.beginPacket()
        var slots = drafts.mutableSpan
        switch try scanner.peek(bytes) {
        case UInt8(ascii: "{"): return try object(&scanner, bytes, &slots)
        case UInt8(ascii: "["): return try list(&scanner, bytes, &slots)
        default:
            try scanner.skipValue(bytes)
            throw scanner.failure(.wrongType, "readings")
        }
    }

    /// `{"<path>":231.5}`.
    private mutating func object(
        _ outer: inout JSONScanner,
        _ bytes: Span<UInt8>,
        _ drafts: inout MutableSpan<Draft>
    ) throws(Rejection) -> Int {
        var scanner = outer
        defer { outer = scanner }
        guard try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) else { return 0 }
        var count = 0
        repeat {
            scanner.skipSpace(bytes)
            let start = scanner
            if count < drafts.count - rejections.count,
                let reading = plainMember(&scanner, bytes)
            {
                drafts[count] = Draft(reading: reading, offset: start.position)
                count &+= 1
            } else {
                (scanner, count) = try anyMember(start, bytes, &drafts, count)
            }
        } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        return count
    }

    @inline(never)
    private mutating func anyMember(
        _ start: JSONScanner,
        _ bytes: Span<UInt8>,
        _ drafts: inout MutableSpan<Draft>,
        _ count: Int
    ) throws(Rejection) -> (after: JSONScanner, count: Int) {
        var scanner = start
        var count = count
        let path = try names.take(&scanner, bytes)
        try scanner.take(UInt8(ascii: ":"), bytes)
        let value = try scanner.value(bytes)
        try draft(path, value, nil, possible.unset, start.position, bytes, &drafts, &count)
        return (scanner, count)
    }

    private mutating func list(
        _ outer: inout JSONScanner,
        _ bytes: Span<UInt8>,
        _ drafts: inout MutableSpan<Draft>
    ) throws(Rejection) -> Int {
        var scanner = outer
        defer { outer = scanner }
        guard try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) else { return 0 }
        var count = 0
        repeat {
            scanner.skipSpace(bytes)
            let start = scanner
            if count < drafts.count - rejections.count, let item = plainRecord(start, bytes),
                let reading = reading(of: item, bytes)
            {
                drafts[count] = Draft(reading: reading, offset: start.position)
                count &+= 1
                scanner = item.end
            } else {
                (scanner, count) = try anyItem(start, bytes, &drafts, count)
            }
        } while try scanner.another(before: UInt8(ascii: "]"), bytes)
        return count
    }

    /// `{"signal":"<path>","value":231.5}`, with `unit` and `ts` where they differ.
    @inline(never)
    private mutating func anyItem(
        _ start: JSONScanner,
        _ bytes: Span<UInt8>,
        _ drafts: inout MutableSpan<Draft>,
        _ count: Int
    ) throws(Rejection) -> (after: JSONScanner, count: Int) {
        var scanner = start
        var count = count
        let isObject = try scanner.peek(bytes) == UInt8(ascii: "{")
        let at = scanner.position
        guard isObject else {
            try scanner.skipValue(bytes)
            rejections.append(Rejection(.wrongType, at: at, "object expected"))
            return (scanner, count)
        }
        var path: SignalPath?
        var number: Double??
        var unit: JSONScanner.Text?
        var observedAt = possible.unset
        var fault: Rejection?
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let field = try scanner.field(bytes)
                do throws(Rejection) {
                    switch field {
                    case .signal: path = try self.path(&scanner, bytes)
                    case .value: number = .some(try scanner.value(bytes))
                    case .unit: unit = try scanner.requireText(bytes, "unit")
                    case .time: observedAt = try time(&scanner, bytes)
                    default: try scanner.skipValue(bytes)
                    }
                } catch {
                    guard error.isAboutMeaning else { throw error }
                    fault = fault ?? error
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        if let fault {
            rejections.append(fault)
        } else if let path, let number {
            try draft(path, number, unit, observedAt, at, bytes, &drafts, &count)
        } else {
            let missing = path == nil ? "signal" : "value"
            rejections.append(Rejection(.missingField, at: at, missing))
        }
        return (scanner, count)
    }

    private mutating func draft(
        _ path: SignalPath,
        _ value: Double?,
        _ unit: JSONScanner.Text?,
        _ time: Timestamp,
        _ at: Int,
        _ bytes: Span<UInt8>,
        _ drafts: inout MutableSpan<Draft>,
        _ count: inout Int
    ) throws(Rejection) {
        // There are as many drafts as a packet may have readings.
        guard count + rejections.count < drafts.count else {
            throw Rejection(.tooManyReadings, at: at)
        }
        guard let reading = reading(path, value, unit: unit, time: time, bytes) else {
            return rejections.append(rejection(of: path, value, unit: unit, at: at, bytes))
        }
        drafts[count] = Draft(reading: reading, offset: at)
        count &+= 1
    }
}
