import Telemetry

/// SenML in JSON (RFC 8428) → resolved records.
enum SenMLPack {
    /// A record with the base values of the records before it (§4.6).
    struct Record {
        var name = ""
        var unit: String?
        /// Number, truth value as 0 or 1; nil for a record that only sets bases.
        var value: Double?
        /// Whether the value is a truth value.
        var isTruth = false
        var seconds = 0.0
        var start = 0

        /// §4.5.3: below 2^28 a time counts from now, otherwise from 1970.
        func time(receivedAt: Timestamp) -> Timestamp {
            let milliseconds = (seconds * 1_000).rounded()
            guard milliseconds.magnitude < 1e15 else { return .distantFuture }
            return seconds < 0x1p28
                ? receivedAt + Milliseconds(Int64(milliseconds))
                : Timestamp(milliseconds: Int64(milliseconds))
        }
    }

    static func records(_ bytes: Span<UInt8>) throws(Rejection) -> [Record] {
        guard !bytes.isEmpty else { throw Rejection(.empty, at: 0) }
        var scanner = JSONScanner()
        guard try scanner.peek(bytes) == UInt8(ascii: "[") else {
            try scanner.skipValue(bytes)
            try scanner.end(bytes)
            throw Rejection(.wrongType, at: 0, "SenML array expected")
        }
        var records: [Record] = []
        var base = Base()
        if try scanner.open(UInt8(ascii: "["), UInt8(ascii: "]"), bytes) {
            repeat {
                _ = try scanner.peek(bytes)
                let record = try record(&scanner, bytes, &base)
                guard records.count < Limits.readingsPerPacketMax else {
                    throw scanner.failure(.tooManyReadings)
                }
                records.append(record)
            } while try scanner.another(before: UInt8(ascii: "]"), bytes)
        }
        try scanner.end(bytes)
        guard !records.isEmpty else { throw Rejection(.noReadings, at: 0) }
        return records
    }

    /// `urn:dev:vin:WVW1:Vehicle.Speed` → `WVW1` and `Vehicle.Speed`: `:` and `/` separate.
    static func split(_ name: String) -> (owner: String, path: String) {
        let parts = name.split { $0 == ":" || $0 == "/" }
        guard let path = parts.last else { return ("", "") }
        return (parts.count > 1 ? String(parts[parts.count - 2]) : "", String(path))
    }

    private struct Base {
        var name = ""
        var unit: String?
        var value = 0.0
        var seconds = 0.0
    }

    private static func record(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>,
        _ base: inout Base
    ) throws(Rejection) -> Record {
        var record = Record()
        record.start = scanner.position
        var name = ""
        var number: Double?
        try scanner.requireObject(bytes)
        if try scanner.open(UInt8(ascii: "{"), UInt8(ascii: "}"), bytes) {
            repeat {
                let key = scanner.string(try scanner.name(bytes), bytes)
                switch key {
                case "bn": base.name = scanner.string(try scanner.requireText(bytes, key), bytes)
                case "bt": base.seconds = try scanner.requireNumber(bytes, key)
                case "bu": base.unit = scanner.string(try scanner.requireText(bytes, key), bytes)
                case "bv": base.value = try scanner.requireNumber(bytes, key)
                case "n": name = scanner.string(try scanner.requireText(bytes, key), bytes)
                case "u": record.unit = scanner.string(try scanner.requireText(bytes, key), bytes)
                case "t": record.seconds = try scanner.requireNumber(bytes, key)
                case "v": number = try scanner.requireNumber(bytes, key)
                case "vb":
                    let isTrue = try scanner.peek(bytes) == UInt8(ascii: "t")
                    try scanner.literal(isTrue ? "true" : "false", bytes)
                    record.value = isTrue ? 1 : 0
                    record.isTruth = true
                default: try scanner.skipValue(bytes)
                }
            } while try scanner.another(before: UInt8(ascii: "}"), bytes)
        }
        record.name = base.name + name
        record.unit = record.unit ?? base.unit
        record.seconds += base.seconds
        if let number { record.value = base.value + number }
        return record
    }
}
