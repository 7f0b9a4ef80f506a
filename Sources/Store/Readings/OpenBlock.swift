import Telemetry

/// One vehicle's open readings: groups of one time, `signed Δtime, varint shape, values`; 64 bytes.
///
/// What the numbers of shapes mean is told by the `GroupShapes` with which they were added.
struct OpenBlock: Sendable {
    /// Packets of one shape for which a seal makes room at once: of the signals that come alone, a
    /// block holds some dozens each.
    private static let packetsExpected = 64

    private var bytes: [UInt8] = []
    /// Time of the last group, from which the next is told.
    private var lastTime: Int64 = 0
    /// The latest time there is, and where its first group begins.
    private(set) var newest = Int64.min
    /// The journal's row in which the block began; 0 when nothing is open.
    var firstRow: Int64 = 0
    /// The end of the vehicle's chunks and of what they have become, once they were looked at.
    var sealedUntil = Int64.min
    /// What the block may hold, once a reading has come late.
    private var filter: RepeatFilter?
    private var newestOffset: UInt32 = 0
    private(set) var count: UInt32 = 0
    private var shapeNumber = UInt32.max
    var hasLooked = false
    /// Whether a restart took some of it from the journal.
    var isRecalled = false
    /// Whether there is a mark of what it was before the unit in hand.
    var isTouched = false

    /// The fields of a block that a rollback restores; bytes past `byteCount` are never read.
    struct Mark {
        var byteCount: Int
        var lastTime: Int64
        var newest: Int64
        var firstRow: Int64
        var newestOffset: UInt32
        var count: UInt32
    }

    /// The last group's; kept when the block is sealed, because the next is likely the same.
    var shape: Int? { shapeNumber == .max ? nil : Int(shapeNumber) }
    /// Whether a reading has come late.
    var isFiltered: Bool { filter != nil }

    /// Reads a little of where the bytes are, so that they are in the cache when they are needed.
    var capacity: Int { bytes.capacity }
    var lastByte: UInt8 { bytes.last ?? 0 }

    // MARK: Adding

    /// Adds a group of so many readings.
    mutating func append(_ shape: Int, of count: Int, at time: Int64, values: Span<UInt8>) {
        if time > newest {
            newest = time
            newestOffset = UInt32(bytes.count)
        }
        filter?.addGroup(at: bytes.count, after: lastTime, time)
        let step = time - lastTime
        bytes.append(numbers: 2, then: values) { bytes in
            bytes.append(signed: step)
            bytes.append(varint: UInt64(shape))
        }
        lastTime = time
        shapeNumber = UInt32(shape)
        self.count += UInt32(count)
    }

    var mark: Mark {
        Mark(
            byteCount: bytes.count,
            lastTime: lastTime,
            newest: newest,
            firstRow: firstRow,
            newestOffset: newestOffset,
            count: count
        )
    }

    mutating func rollBack(to mark: Mark) {
        bytes.removeLast(bytes.count - mark.byteCount)
        filter?.removeGroups(from: mark.byteCount)
        lastTime = mark.lastTime
        newest = mark.newest
        firstRow = mark.firstRow
        newestOffset = mark.newestOffset
        count = mark.count
        isTouched = false
    }

    /// The block that follows when a chunk that reaches until `end` has taken this one's readings.
    func emptied(sealedUntil end: Int64?) -> OpenBlock {
        var next = OpenBlock()
        next.sealedUntil = max(sealedUntil, end ?? .min)
        next.hasLooked = hasLooked
        next.shapeNumber = shapeNumber
        return next
    }

    // MARK: Looking

    /// Notes that a reading comes; false when the block has it already.
    mutating func note(_ signal: UInt16, _ time: Int64, _ shapes: GroupShapes) -> Bool {
        if time >= newest {
            if time == newest {
                // Nothing before the first group of the newest time is of that time.
                var place = Int(newestOffset)
                let before = newest - bytes.span.signed(at: &place)
                if holds(signal, time, within: (Int(newestOffset), nil, before), shapes) {
                    return false
                }
            }
            _ = filter?.insert(signal, time)
            return true
        }
        if filter == nil { filter = makeFilter(shapes) }
        guard filter?.insert(signal, time) == true else { return true }
        var last = -1
        while let stretch = filter?.stretch(with: time, after: last) {
            let bounds = (stretch.start, stretch.end, stretch.before)
            if holds(signal, time, within: bounds, shapes) { return false }
            last = stretch.number
        }
        return true
    }

    private func makeFilter(_ shapes: GroupShapes) -> RepeatFilter {
        let bytes = bytes.span
        let heads = shapes.heads.span
        var filter = RepeatFilter()
        var (position, at) = (0, Int64(0))
        while position < bytes.count {
            let (start, before) = (position, at)
            at += bytes.signed(at: &position)
            filter.addGroup(at: start, after: before, at)
            for place in shapes.places(of: Int(bytes.varint(at: &position))) {
                _ = filter.insert(heads[place].signal, at)
                heads[place].skip(bytes, at: &position)
            }
        }
        return filter
    }

    /// Whether the groups from `start` to `end`, or to the last, which follow one of the time
    /// `before`, have a reading.
    private func holds(
        _ signal: UInt16,
        _ time: Int64,
        within bounds: (start: Int, end: Int?, before: Int64),
        _ shapes: GroupShapes
    ) -> Bool {
        let bytes = bytes.span
        let heads = shapes.heads.span
        let end = bounds.end ?? bytes.count
        var (position, at) = (bounds.start, bounds.before)
        while position < end {
            at += bytes.signed(at: &position)
            for place in shapes.places(of: Int(bytes.varint(at: &position))) {
                if at == time, heads[place].signal == signal { return true }
                heads[place].skip(bytes, at: &position)
            }
        }
        return false
    }

    /// The readings of one signal or all, in the order of their arrival.
    func readings(_ signal: UInt16?, _ shapes: GroupShapes) -> [StoredReading] {
        let bytes = bytes.span
        let heads = shapes.heads.span
        var readings: [StoredReading] = []
        if signal == nil { readings.reserveCapacity(Int(count)) }
        var (position, at) = (0, Int64(0))
        while position < bytes.count {
            at += bytes.signed(at: &position)
            for place in shapes.places(of: Int(bytes.varint(at: &position))) {
                let head = heads[place]
                let number = head.number(bytes, at: &position)
                guard signal ?? head.signal == head.signal else { continue }
                readings.append(
                    StoredReading(
                        observedAt: Timestamp(milliseconds: at),
                        value: head.value(number),
                        signal: head.signal,
                        quality: head.quality
                    )
                )
            }
        }
        return readings
    }

    /// The readings, one run for each shape.
    func runs(_ shapes: GroupShapes) -> [PacketRun] {
        let bytes = bytes.span
        let heads = shapes.heads.span
        var runs: [PacketRun] = []
        /// Of each run: its shape, and the run that came after it the last time.
        var order: [(shape: Int, next: Int)] = []
        var found: [Int: Int] = [:]
        var last = 0
        var (position, at) = (0, Int64(0))
        while position < bytes.count {
            at += bytes.signed(at: &position)
            let shape = Int(bytes.varint(at: &position))
            let group = shapes.places(of: shape)
            var run = order.isEmpty ? 0 : order[last].next
            if order.isEmpty || order[run].shape != shape {
                run = found[shape] ?? runs.count
                if run == runs.count {
                    found[shape] = run
                    order.append((shape, run))
                    var new = PacketRun(heads: group.map { shapes.heads[$0] })
                    new.times.reserveCapacity(OpenBlock.packetsExpected)
                    new.numbers.reserveCapacity(OpenBlock.packetsExpected * group.count)
                    runs.append(new)
                }
                order[last].next = run
            }
            runs[run].times.append(at)
            for place in group {
                runs[run].numbers.append(heads[place].number(bytes, at: &position))
            }
            last = run
        }
        return runs
    }
}

/// Numbers of bytes that we wrote ourselves, and which therefore read.
extension Span<UInt8> {
    @inline(__always)
    func varint(at position: inout Int) -> UInt64 {
        var next = self[position]
        position &+= 1
        if next < 0x80 { return UInt64(next) }
        var value = UInt64(next & 0x7f)
        var shift: UInt64 = 7
        repeat {
            next = self[position]
            position &+= 1
            value |= UInt64(next & 0x7f) << shift
            shift &+= 7
        } while next >= 0x80
        return value
    }

    @inline(__always)
    func signed(at position: inout Int) -> Int64 {
        let value = varint(at: &position)
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}
