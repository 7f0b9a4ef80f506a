import Telemetry

/// A vehicle's readings of some days ↔ one body: columns of times, columns of values.
///
/// Layout: version, the columns of times, each once however many signals share it; then per signal
/// its number, its column of times, how its values are written, and the values; at last a check sum.
/// Every column has its length before it, so that one signal is read without the others.
enum ChunkCoding {
    private static let version: UInt8 = 2
    /// The same without a check sum.
    private static let uncheckedVersion: UInt8 = 1
    /// Times further from 1970 than this many milliseconds are no times: 35,000 years.
    private static let timeMagnitudeMax = UInt64(1) << 50
    private static let plainDoubles: UInt8 = 15
    private static let hasNoReadings: UInt8 = 0x80

    /// - Precondition: ordered, and no two readings of the same signal and time.
    static func encode(_ readings: ReadingColumns) -> [UInt8] {
        var places: [Int] = []
        var times: [[Int64]] = []
        for column in readings.columns {
            let place = times.firstIndex(of: column.times) ?? times.count
            if place == times.count { times.append(column.times) }
            places.append(place)
        }
        var bytes: [UInt8] = [version]
        bytes.append(varint: UInt64(times.count))
        var body: [UInt8] = []
        for column in times {
            body.removeAll(keepingCapacity: true)
            body.append(varint: UInt64(column.count))
            PackedNumbers.encode(column, into: &body)
            bytes.append(varint: UInt64(body.count))
            bytes.append(contentsOf: body)
        }
        bytes.append(varint: UInt64(places.count))
        for (column, place) in zip(readings.columns, places) {
            bytes.append(varint: UInt64(column.signal))
            bytes.append(varint: UInt64(place))
            body.removeAll(keepingCapacity: true)
            encode(column, into: &body)
            bytes.append(varint: UInt64(body.count))
            bytes.append(contentsOf: body)
        }
        CheckSum.append(to: &bytes)
        return bytes
    }

    private static func encode(_ column: ReadingColumn, into body: inout [UInt8]) {
        let flag = column.lacking.isEmpty ? 0 : hasNoReadings
        body.append((column.scale.map { UInt8($0) } ?? plainDoubles) | flag)
        if !column.lacking.isEmpty { PackedNumbers.encode(column.lacking, into: &body) }
        if column.scale != nil {
            PackedNumbers.encode(column.numbers, into: &body)
        } else {
            for bits in column.numbers { body.append(word: UInt64(bitPattern: bits)) }
        }
    }

    /// The readings of a body, of one signal or of all, in the order in which they were encoded.
    static func decode(
        _ bytes: [UInt8],
        signal wanted: UInt16? = nil
    ) throws(CheckpointError) -> [StoredReading] {
        var cursor = ByteCursor(bytes)
        switch try cursor.byte() {
        case version: try CheckSum.verify(bytes)
        case uncheckedVersion: break
        default: throw cursor.failure()
        }
        var starts: [Int] = []
        for _ in 0..<(try cursor.count()) {
            let length = try cursor.count()
            starts.append(cursor.position)
            try cursor.skip(length)
        }
        var times = [[Int64]?](repeating: nil, count: starts.count)
        var readings: [StoredReading] = []
        if wanted == nil { readings.reserveCapacity(Limits.chunkReadings) }
        for _ in 0..<(try cursor.count()) {
            let signal = UInt16(truncatingIfNeeded: try cursor.varint())
            let place = Int(truncatingIfNeeded: try cursor.varint())
            let length = try cursor.count()
            let start = cursor.position
            try cursor.skip(length)
            guard wanted == nil || wanted == signal else { continue }
            guard times.indices.contains(place) else { throw cursor.failure() }
            if times[place] == nil {
                var column = ByteCursor(bytes, at: starts[place])
                let count = try column.count(bitsEach: 0)
                let decoded = try PackedNumbers.decode(count, &column)
                guard decoded.allSatisfy({ $0.magnitude < timeMagnitudeMax }) else {
                    throw column.failure()
                }
                times[place] = decoded
            }
            try decode(
                ByteCursor(bytes, at: start),
                signal: signal,
                times: times[place] ?? [],
                into: &readings
            )
            if wanted != nil { break }
        }
        return readings
    }

    private static func decode(
        _ start: ByteCursor,
        signal: UInt16,
        times: [Int64],
        into readings: inout [StoredReading]
    ) throws(CheckpointError) {
        var cursor = start
        let code = try cursor.byte()
        var lacking: [Int64]?
        if code & hasNoReadings != 0 { lacking = try PackedNumbers.decode(times.count, &cursor) }
        let scale = Int(code & 15)
        var mantissas: [Int64] = []
        if scale <= ScaledDecimal.scaleMax {
            mantissas = try PackedNumbers.decode(times.count, &cursor)
        }
        for (index, time) in times.enumerated() {
            let value: Double
            if scale <= ScaledDecimal.scaleMax {
                value = ScaledDecimal.value(mantissas[index], scale: scale)
            } else {
                value = Double(bitPattern: try cursor.word())
            }
            readings.append(
                StoredReading(
                    observedAt: Timestamp(milliseconds: time),
                    value: value,
                    signal: signal,
                    quality: lacking?[index] == 1 ? .noReading : .good
                )
            )
        }
    }
}
