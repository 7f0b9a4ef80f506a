import Foundation
import GRDB
package import Telemetry

/// What the readings of an hour or a day come to.
package struct Aggregate: Sendable, Equatable {
    package var start: Timestamp
    package var count: Int
    package var minimum: Double
    package var maximum: Double
    var sum: Double

    /// Rounded to 1/10,000 of the signal's unit.
    package var mean: Double { (sum / Double(count) * 10_000).rounded() / 10_000 }

    static func + (left: Aggregate, right: Aggregate) -> Aggregate {
        Aggregate(
            start: left.start,
            count: left.count + right.count,
            minimum: min(left.minimum, right.minimum),
            maximum: max(left.maximum, right.maximum),
            sum: left.sum + right.sum
        )
    }
}

/// Steps of time that readings are gathered into, counted from 1970 in UTC.
package enum Resolution: String, CaseIterable, Sendable {
    case hour
    case day

    var milliseconds: Int64 { self == .hour ? 3_600_000 : 86_400_000 }

    /// The table that holds them.
    var table: BodyTable { self == .hour ? .hourly : .daily }
}

/// Aggregates by signal and step; readings and other aggregates are added to them.
struct Aggregates {
    private struct Key: Hashable {
        var signal: UInt16
        var start: Int64
    }

    private let resolution: Resolution
    private var values: [Key: Aggregate] = [:]

    init(_ resolution: Resolution) {
        self.resolution = resolution
    }

    var isEmpty: Bool { values.isEmpty }

    private func start(of time: Timestamp) -> Int64 {
        let step = resolution.milliseconds
        let time = time.milliseconds
        return time - (time % step + step) % step
    }

    mutating func add(_ reading: StoredReading) {
        guard reading.quality == .good else { return }
        add(
            Aggregate(
                start: reading.observedAt,
                count: 1,
                minimum: reading.value,
                maximum: reading.value,
                sum: reading.value
            ),
            signal: reading.signal
        )
    }

    mutating func add(_ aggregate: Aggregate, signal: UInt16) {
        let key = Key(signal: signal, start: start(of: aggregate.start))
        var value = aggregate
        value.start = Timestamp(milliseconds: key.start)
        values[key] = values[key].map { $0 + value } ?? value
    }

    /// Whether a reading may be part of the aggregate of its step.
    func mayHold(_ signal: UInt16, _ time: Timestamp) -> Bool {
        values[Key(signal: signal, start: start(of: time))] != nil
    }

    func sorted(signal: UInt16) -> [Aggregate] {
        values.filter { $0.key.signal == signal }.map(\.value).sorted { $0.start < $1.start }
    }

    // MARK: Coding

    /// Four chunks one after the other: numbers, least, greatest and mean values.
    func encode() -> [UInt8] {
        let ordered = values.sorted {
            ($0.key.signal, $0.key.start) < ($1.key.signal, $1.key.start)
        }
        var bytes: [UInt8] = []
        for part in [{ Double($0.count) }, \.minimum, \.maximum, \.mean] as [(Aggregate) -> Double]
        {
            var columns = ReadingColumns(
                ordered.map { key, value in
                    StoredReading(
                        observedAt: value.start,
                        value: part(value),
                        signal: key.signal,
                        quality: .good
                    )
                }
            )
            columns.order()
            let body = ChunkCoding.encode(columns)
            bytes.append(varint: UInt64(body.count))
            bytes.append(contentsOf: body)
        }
        return bytes
    }

    /// Adds what `encode` wrote, of one signal or all; nothing of it when it does not read.
    mutating func add(encoded bytes: [UInt8], signal: UInt16? = nil) throws(CheckpointError) {
        var cursor = ByteCursor(bytes)
        var parts: [[StoredReading]] = []
        for _ in 0..<4 {
            let length = try cursor.count()
            let start = cursor.position
            try cursor.skip(length)
            let body = Array(bytes[start..<cursor.position])
            parts.append(try ChunkCoding.decode(body, signal: signal))
        }
        let counts = parts[0].compactMap { Int(exactly: $0.value) }
        guard parts.allSatisfy({ $0.count == counts.count }), counts.allSatisfy({ $0 > 0 }) else {
            throw cursor.failure()
        }
        for (index, count) in counts.enumerated() {
            add(
                Aggregate(
                    start: parts[0][index].observedAt,
                    count: count,
                    minimum: parts[1][index].value,
                    maximum: parts[2][index].value,
                    sum: parts[3][index].value * Double(count)
                ),
                signal: parts[0][index].signal
            )
        }
    }
}
