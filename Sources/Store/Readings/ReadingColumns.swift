import Telemetry

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

    mutating func append(_ time: Int64, _ number: Int64, _ head: ValueHead) {
        var number = number
        if head.scale != scale { number = meet(head, number) }
        if head.isLacking, lacking.isEmpty { lacking = times.map { _ in 0 } }
        if head.isLacking || !lacking.isEmpty { lacking.append(head.isLacking ? 1 : 0) }
        times.append(time)
        numbers.append(number)
    }

    /// Brings the column and a number of another scale together; returns the number at the column's.
    private mutating func meet(_ head: ValueHead, _ number: Int64) -> Int64 {
        if times.isEmpty {
            scale = head.scale
            return number
        }
        if let own = scale, let other = head.scale {
            if other < own, let raised = ReadingColumn.raised(number, by: own - other) {
                return raised
            }
            let raised = numbers.compactMap { ReadingColumn.raised($0, by: other - own) }
            if other > own, raised.count == numbers.count {
                numbers = raised
                scale = other
                return number
            }
        }
        if let own = scale { numbers = numbers.map { ReadingColumn.bits($0, scale: own) } }
        scale = nil
        return Int64(bitPattern: head.value(number).bitPattern)
    }

    private static func raised(_ number: Int64, by steps: Int) -> Int64? {
        var number = number
        for _ in 0..<max(0, steps) { number = number &* 10 }
        return number.magnitude < 1 << 51 ? number : nil
    }

    private static func bits(_ number: Int64, scale: Int) -> Int64 {
        Int64(bitPattern: ScaledDecimal.value(number, scale: scale).bitPattern)
    }

    /// The readings at some places.
    func at(_ places: some Sequence<Int>) -> ReadingColumn {
        var column = ReadingColumn(signal: signal)
        column.scale = scale
        for place in places {
            column.times.append(times[place])
            column.numbers.append(numbers[place])
            if !lacking.isEmpty { column.lacking.append(lacking[place]) }
        }
        return column
    }

    mutating func append(contentsOf other: ReadingColumn) {
        for place in other.times.indices {
            let isLacking = !other.lacking.isEmpty && other.lacking[place] == 1
            let head = ValueHead(
                signal: signal,
                quality: isLacking ? .noReading : .good,
                scale: other.scale
            )
            append(other.times[place], other.numbers[place], head)
        }
    }

    /// By time, and with the least scale that writes all.
    mutating func order() {
        if !zip(times, times.dropFirst()).allSatisfy({ $0 <= $1 }) {
            let times = times
            self = at(times.indices.sorted { (times[$0], $0) < (times[$1], $1) })
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
    /// Where the next reading's column is looked for first: packets tell of their signals in the
    /// same order.
    private var next = 0

    init() {}

    init(_ readings: [StoredReading]) {
        for reading in readings {
            let scale = (0...ScaledDecimal.scaleMax).first {
                ScaledDecimal.mantissa(reading.value, scale: $0) != nil
            }
            let bits = Int64(bitPattern: reading.value.bitPattern)
            append(
                reading.observedAt.milliseconds,
                scale.flatMap { ScaledDecimal.mantissa(reading.value, scale: $0) } ?? bits,
                ValueHead(signal: reading.signal, quality: reading.quality, scale: scale)
            )
        }
    }

    /// How many readings there are.
    var count: Int { columns.reduce(0) { $0 + $1.times.count } }
    var first: Int64? { columns.lazy.compactMap { $0.times.min() }.min() }
    var last: Int64? { columns.lazy.compactMap { $0.times.max() }.max() }

    mutating func append(_ time: Int64, _ number: Int64, _ head: ValueHead) {
        if next >= columns.count || columns[next].signal != head.signal {
            next = place(of: head.signal)
        }
        columns[next].append(time, number, head)
        next = next + 1 < columns.count ? next + 1 : 0
    }

    private mutating func place(of signal: UInt16) -> Int {
        if let place = columns.firstIndex(where: { $0.signal == signal }) { return place }
        columns.append(ReadingColumn(signal: signal))
        return columns.count - 1
    }

    mutating func append(contentsOf other: ReadingColumns) {
        for column in other.columns {
            let place = place(of: column.signal)
            columns[place].append(contentsOf: column)
        }
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
