import Telemetry

/// Packets of one shape, one after the other.
struct PacketRun {
    /// Of each packet, in milliseconds since 1970.
    var times: [Int64] = []
    /// What the readings of each packet are.
    var heads: [ValueHead] = []
    /// Packet after packet, each in the order of `heads`.
    var numbers: [Int64] = []
}

/// Readings of one signal: times, and values that share a scale.
struct ReadingColumn: Sendable, Equatable {
    let signal: UInt16
    /// Milliseconds since 1970.
    private(set) var times: [Int64] = []
    /// Mantissas at `scale`; the bits of doubles where there is none that writes all.
    private(set) var numbers: [Int64] = []
    private(set) var scale: Int? = 0
    /// 1 for each reading that is none; empty while there is no such.
    private(set) var lacking: [Int64] = []

    init(signal: UInt16) {
        self.signal = signal
    }

    /// Adds of each packet the reading at a place.
    mutating func append(_ run: PacketRun, at place: Int) {
        let head = run.heads[place]
        let old = times.count
        if head.isLacking || !lacking.isEmpty {
            lacking += repeatElement(0, count: old - lacking.count)
            lacking += repeatElement(head.isLacking ? 1 : 0, count: run.times.count)
        }
        if old == 0 {
            scale = head.scale
            times = run.times
        } else {
            times += run.times
        }
        if old == 0, run.heads.count == 1 {
            numbers = run.numbers
            return
        }
        numbers.reserveCapacity(times.count)
        for index in run.times.indices {
            numbers.append(run.numbers[index &* run.heads.count &+ place])
        }
        if head.scale != scale { meet(head, from: old) }
    }

    /// Adds a reading: at the column's own scale where that will do, for another is brought to it at
    /// a cost.
    mutating func append(_ reading: StoredReading) {
        if let scale, !times.isEmpty, lacking.isEmpty, reading.quality == .good,
            let mantissa = ScaledDecimal.mantissa(reading.value, scale: scale)
        {
            times.append(reading.observedAt.milliseconds)
            numbers.append(mantissa)
            return
        }
        let scale = ([scale ?? 0] + (0...ScaledDecimal.scaleMax)).first {
            ScaledDecimal.mantissa(reading.value, scale: $0) != nil
        }
        let mantissa = scale.flatMap { ScaledDecimal.mantissa(reading.value, scale: $0) }
        let run = PacketRun(
            times: [reading.observedAt.milliseconds],
            heads: [ValueHead(signal: signal, quality: reading.quality, scale: scale)],
            numbers: [mantissa ?? Int64(bitPattern: reading.value.bitPattern)]
        )
        append(run, at: 0)
    }

    /// Brings the numbers before a place and those from there on, which are of another scale,
    /// together.
    private mutating func meet(_ head: ValueHead, from place: Int) {
        if let own = scale, let other = head.scale {
            let (old, new) = (numbers[..<place], numbers[place...])
            let raised =
                old.compactMap { ReadingColumn.raised($0, by: other - own) }
                + new.compactMap { ReadingColumn.raised($0, by: own - other) }
            if raised.count == numbers.count {
                numbers = raised
                scale = max(own, other)
                return
            }
        }
        for index in numbers.indices {
            guard let scale = index < place ? scale : head.scale else { continue }
            numbers[index] = ReadingColumn.bits(numbers[index], scale: scale)
        }
        scale = nil
    }

    private static func raised(_ number: Int64, by steps: Int) -> Int64? {
        var number = number
        for _ in 0..<max(0, steps) {
            guard number.magnitude < 1 << 51 else { return nil }
            number *= 10
        }
        return number.magnitude < 1 << 51 ? number : nil
    }

    private static func bits(_ number: Int64, scale: Int) -> Int64 {
        Int64(bitPattern: ScaledDecimal.value(number, scale: scale).bitPattern)
    }

    /// The readings at some places.
    func at(_ places: some Sequence<Int>) -> ReadingColumn {
        var column = ReadingColumn(signal: signal)
        column.scale = scale
        column.times.reserveCapacity(places.underestimatedCount)
        column.numbers.reserveCapacity(places.underestimatedCount)
        for place in places {
            column.times.append(times[place])
            column.numbers.append(numbers[place])
            if !lacking.isEmpty { column.lacking.append(lacking[place]) }
        }
        return column
    }

    private var isInOrder: Bool {
        for place in times.indices.dropFirst() where times[place] < times[place - 1] {
            return false
        }
        return true
    }

    /// By time, and with the least scale that writes all.
    mutating func order() {
        if !isInOrder {
            // Pairs rather than places: a comparison then looks at nothing but what it compares.
            var order: [(time: Int64, place: Int)] = []
            order.reserveCapacity(times.count)
            for place in times.indices { order.append((times[place], place)) }
            order.sort { ($0.time, $0.place) < ($1.time, $1.place) }
            self = at(order.lazy.map(\.place))
        }
        while let own = scale, own > 0, numbers.allSatisfy({ $0 % 10 == 0 }) {
            numbers = numbers.map { $0 / 10 }
            scale = own - 1
        }
    }
}

/// A vehicle's readings, signal by signal.
struct ReadingColumns: Sendable, Equatable {
    private(set) var columns: [ReadingColumn] = []

    init() {}

    /// Of each signal's readings the order does not matter, for `order` makes it.
    init(_ runs: [PacketRun]) {
        for run in runs where !run.times.isEmpty { append(run) }
    }

    init(_ readings: [StoredReading]) { append(contentsOf: readings) }

    /// How many readings there are.
    var count: Int { columns.reduce(0) { $0 + $1.times.count } }

    /// The first and the last time, once they are ordered; nil where there are no readings.
    var times: ClosedRange<Int64>? {
        var times: ClosedRange<Int64>?
        for column in columns {
            guard let first = column.times.first, let last = column.times.last else { continue }
            times = min(first, times?.lowerBound ?? first)...max(last, times?.upperBound ?? last)
        }
        return times
    }

    mutating func append(_ run: PacketRun) {
        for place in run.heads.indices {
            columns[self.place(of: run.heads[place].signal)].append(run, at: place)
        }
    }

    mutating func append(contentsOf readings: [StoredReading]) {
        var place = 0
        for reading in readings {
            // They come signal by signal.
            if place >= columns.count || columns[place].signal != reading.signal {
                place = self.place(of: reading.signal)
            }
            columns[place].append(reading)
        }
    }

    private mutating func place(of signal: UInt16) -> Int {
        if let place = columns.firstIndex(where: { $0.signal == signal }) { return place }
        columns.append(ReadingColumn(signal: signal))
        return columns.count - 1
    }

    /// Those of which `isWanted` says so, by signal and time.
    func filter(_ isWanted: (UInt16, Int64) -> Bool) -> ReadingColumns {
        var wanted = ReadingColumns()
        wanted.columns = columns.map { column in
            column.at(column.times.indices.filter { isWanted(column.signal, column.times[$0]) })
        }.filter { !$0.times.isEmpty }
        return wanted
    }

    /// By signal, each by time, as a chunk is written.
    mutating func order() {
        for place in columns.indices { columns[place].order() }
        columns.sort { $0.signal < $1.signal }
    }
}
