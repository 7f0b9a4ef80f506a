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

    /// Readings of one signal, apart.
    private struct Column {
        var signal: UInt16
        var timeColumn: Int
        var readings: ArraySlice<StoredReading>
    }

    /// - Precondition: sorted by signal, then time; no two of the same signal and time.
    static func encode(_ readings: [StoredReading]) -> [UInt8] {
        var columns: [Column] = []
        var times: [[Int64]] = []
        var start = 0
        while start < readings.count {
            var end = start
            var column: [Int64] = []
            while end < readings.count, readings[end].signal == readings[start].signal {
                column.append(readings[end].observedAt.milliseconds)
                end += 1
            }
            let place = times.firstIndex(of: column) ?? times.count
            if place == times.count { times.append(column) }
            columns.append(
                Column(
                    signal: readings[start].signal,
                    timeColumn: place,
                    readings: readings[start..<end]
                )
            )
            start = end
        }
        var bytes: [UInt8] = [version]
        bytes.append(varint: UInt64(times.count))
        for column in times {
            var body: [UInt8] = []
            body.append(varint: UInt64(column.count))
            PackedNumbers.encode(column, into: &body)
            bytes.append(varint: UInt64(body.count))
            bytes.append(contentsOf: body)
        }
        bytes.append(varint: UInt64(columns.count))
        for column in columns {
            bytes.append(varint: UInt64(column.signal))
            bytes.append(varint: UInt64(column.timeColumn))
            let body = encode(column.readings)
            bytes.append(varint: UInt64(body.count))
            bytes.append(contentsOf: body)
        }
        CheckSum.append(to: &bytes)
        return bytes
    }

    private static func encode(_ readings: ArraySlice<StoredReading>) -> [UInt8] {
        var body: [UInt8] = []
        let lacking = readings.contains { $0.quality == .noReading }
        let flag = lacking ? hasNoReadings : 0
        var scale = 0
        var mantissas: [Int64] = []
        mantissas.reserveCapacity(readings.count)
        // The least scale that writes all: one that does not shows after a few values.
        while scale <= ScaledDecimal.scaleMax, mantissas.count < readings.count {
            mantissas.removeAll(keepingCapacity: true)
            for reading in readings {
                guard let mantissa = ScaledDecimal.mantissa(reading.value, scale: scale) else {
                    scale += 1
                    break
                }
                mantissas.append(mantissa)
            }
        }
        let isDecimal = scale <= ScaledDecimal.scaleMax
        body.append((isDecimal ? UInt8(scale) : plainDoubles) | flag)
        if lacking {
            PackedNumbers.encode(readings.map { $0.quality == .noReading ? 1 : 0 }, into: &body)
        }
        if isDecimal {
            PackedNumbers.encode(mantissas, into: &body)
        } else {
            for reading in readings { body.append(word: reading.value.bitPattern) }
        }
        return body
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
        readings.reserveCapacity(readings.count + times.count)
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
