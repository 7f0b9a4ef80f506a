import Telemetry

/// Readings that are durable in the journal and not yet in a chunk, vehicle by vehicle.
///
/// Purpose: gather a vehicle's readings until a chunk is worth writing, and know a repeat when it
/// comes. Invariant: what stands here is exactly what the journal says since each vehicle's last
/// seal. A unit is first taken in, then committed; when the commit fails, `rollBack` takes it out.
struct OpenReadings: Sendable {
    private struct JournalRow {
        var bytes: Int
        /// Blocks that began in this row.
        var opened: Int
    }

    private var blocks: [OpenBlock] = []
    /// Blocks as they were before the unit in hand.
    private var undo: [(vehicle: Int, before: OpenBlock.Mark)] = []
    private var due: [VehicleID] = []
    private var wanted: Set<VehicleID> = []
    private var rows: [JournalRow] = []
    private var firstRow: Int64 = 1
    private var journalBytes = 0
    private var shapes = GroupShapes()
    /// Of the group in hand: what its readings are, their values, and where each value ends.
    private var heads: [ValueHead] = []
    private var values: [UInt8] = []
    private var ends: [Int] = []
    private var ahead: [Int] = []
    /// What was read ahead; it means nothing, but without it the compiler would leave that out.
    private var warmth = 0

    /// The row the next unit will be.
    var nextRow: Int64 { firstRow + Int64(rows.count) }
    /// Rows below are of no more use.
    var oldestRow: Int64 { firstRow }

    // MARK: Taking in

    /// Vehicles whose memory is asked for together, before their readings are taken in.
    private static let vehiclesTouched = 16
    /// Vehicles whose blocks, some kilobytes each, the cache holds.
    private static let vehiclesCached = 2_000

    /// Reads a little of the blocks of the next vehicles, so that they are in the cache when their
    /// readings come: of a large fleet each block is far away, and many come as fast as one.
    /// - Returns: the place of the first reading whose block has not been touched.
    mutating func touch(_ readings: Span<Reading>, from start: Int) -> Int {
        // The blocks of few vehicles are in the cache anyhow.
        guard blocks.count > OpenReadings.vehiclesCached else { return readings.count }
        ahead.removeAll(keepingCapacity: true)
        var end = start
        while end < readings.count {
            let vehicle = Int(readings[end].vehicle.index)
            if vehicle != ahead.last {
                if ahead.count == OpenReadings.vehiclesTouched { break }
                ahead.append(vehicle)
            }
            end += 1
        }
        // One step for all before the next: each step waits for memory that the last one named.
        for index in ahead.indices where ahead[index] < blocks.count {
            warmth &+= Int(blocks[ahead[index]].count)
        }
        for index in ahead.indices where ahead[index] < blocks.count {
            warmth &+= blocks[ahead[index]].capacity
        }
        for index in ahead.indices where ahead[index] < blocks.count {
            warmth &+= Int(blocks[ahead[index]].lastByte)
        }
        return end
    }

    /// What became of a group.
    struct Taken {
        var stored = 0
        /// Left out, because nobody can tell them from a repeat any more.
        var tooLate = 0
    }

    /// Takes a group in and puts it into `journal`: readings of one packet and time, of which
    /// `standing` says what the sealed ones know of them.
    mutating func take(
        _ readings: Span<Reading>,
        signalNumbers: [UInt16],
        journal: inout JournalBody,
        sealedUntil: (VehicleID) throws -> Int64,
        standing: (VehicleID, UInt16, Int64) throws -> Chunks.Standing
    ) rethrows -> Taken {
        let vehicle = Int(readings[0].vehicle.index)
        let time = readings[0].observedAt.milliseconds
        try prepare(vehicle, sealedUntil)
        let isNew =
            time > blocks[vehicle].newest && time > blocks[vehicle].sealedUntil
            && !blocks[vehicle].isFiltered
        // Taken out while they are used, so that they need not be copied.
        var values: [UInt8] = []
        swap(&values, &self.values)
        defer { swap(&values, &self.values) }
        if readings.count == 1 {
            let signal = signalNumbers[Int(readings[0].signal.index)]
            return try takeOne(readings[0], signal, &values, &journal, standing)
        }
        if isNew, let shape = shapes.successor(of: blocks[vehicle].shape),
            shapes.write(readings, signalNumbers, as: shape, into: &values)
        {
            add(shape, values.span, of: readings[0], to: &journal)
            return Taken(stored: readings.count)
        }
        return try takeOneByOne(readings, signalNumbers, &values, &journal, standing)
    }

    /// The same for a group of one, as single lines and late readings make them.
    private mutating func takeOne(
        _ reading: Reading,
        _ signal: UInt16,
        _ values: inout [UInt8],
        _ journal: inout JournalBody,
        _ standing: (VehicleID, UInt16, Int64) throws -> Chunks.Standing
    ) rethrows -> Taken {
        let vehicle = Int(reading.vehicle.index)
        let time = reading.observedAt.milliseconds
        guard blocks[vehicle].note(signal, time, shapes) else { return Taken() }
        if time <= blocks[vehicle].sealedUntil {
            switch try standing(reading.vehicle, signal, time) {
            case .new: break
            case .stored: return Taken()
            case .summedUp: return Taken(tooLate: 1)
            }
        }
        values.removeAll(keepingCapacity: true)
        let head = shapes.write(reading.value, signal, reading.quality, into: &values)
        add(shapes.number(ofOne: head), values.span, of: reading, to: &journal)
        return Taken(stored: 1)
    }

    private mutating func takeOneByOne(
        _ readings: Span<Reading>,
        _ signalNumbers: [UInt16],
        _ values: inout [UInt8],
        _ journal: inout JournalBody,
        _ standing: (VehicleID, UInt16, Int64) throws -> Chunks.Standing
    ) rethrows -> Taken {
        var taken = Taken()
        let vehicle = Int(readings[0].vehicle.index)
        let time = readings[0].observedAt.milliseconds
        let sealed = blocks[vehicle].sealedUntil
        heads.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        for index in readings.indices {
            let signal = signalNumbers[Int(readings[index].signal.index)]
            guard !heads.contains(where: { $0.signal == signal }),
                blocks[vehicle].note(signal, time, shapes)
            else { continue }
            if time <= sealed {
                let standing = try standing(readings[0].vehicle, signal, time)
                if standing == .summedUp { taken.tooLate += 1 }
                guard standing == .new else { continue }
            }
            let (value, quality) = (readings[index].value, readings[index].quality)
            heads.append(shapes.write(value, signal, quality, into: &values))
            ends.append(values.count)
        }
        taken.stored = heads.count
        guard taken.stored > 0 else { return taken }
        if let shape = shapes.number(of: heads, after: blocks[vehicle].shape) {
            add(shape, values.span, of: readings[0], to: &journal)
            return taken
        }
        for index in heads.indices {
            let start = index == 0 ? 0 : ends[index - 1]
            let shape = shapes.number(ofOne: heads[index])
            add(shape, values.span.extracting(start..<ends[index]), of: readings[0], to: &journal)
        }
        return taken
    }

    /// Adds a group that is new to its vehicle's block and to the journal.
    private mutating func add(
        _ shape: Int,
        _ values: Span<UInt8>,
        of reading: Reading,
        to journal: inout JournalBody
    ) {
        let vehicle = Int(reading.vehicle.index)
        add(shape, values, at: reading.observedAt.milliseconds, in: vehicle)
        if !journal.knows(shape) { journal.append(shape, shapes.heads(of: shape)) }
        journal.append(reading, shape: shape, values: values)
    }

    private mutating func add(
        _ shape: Int,
        _ values: Span<UInt8>,
        at time: Int64,
        in vehicle: Int
    ) {
        if blocks[vehicle].firstRow == 0 { blocks[vehicle].firstRow = nextRow }
        let before = Int(blocks[vehicle].count)
        let after = before + shapes.count(of: shape)
        blocks[vehicle].append(shape, of: shapes.count(of: shape), at: time, values: values)
        // A fleet that starts together would otherwise seal together: the first chunks differ.
        let isFirst = blocks[vehicle].sealedUntil == .min
        let size = isFirst ? Limits.chunkReadings * (vehicle % 16 + 1) / 16 : Limits.chunkReadings
        if before < size, after >= size { due.append(VehicleID(index: UInt32(vehicle))) }
    }

    /// Notes that the vehicle's state is ahead of its checkpoint, readings or not.
    mutating func pin(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        grow(to: index)
        remember(index)
        if blocks[index].firstRow == 0 { blocks[index].firstRow = nextRow }
    }

    private mutating func grow(to vehicle: Int) {
        while blocks.count <= vehicle { blocks.append(OpenBlock()) }
    }

    private mutating func prepare(
        _ vehicle: Int,
        _ sealedUntil: (VehicleID) throws -> Int64
    ) rethrows {
        grow(to: vehicle)
        if !blocks[vehicle].hasLooked {
            let end = try sealedUntil(VehicleID(index: UInt32(vehicle)))
            blocks[vehicle].sealedUntil = max(end, blocks[vehicle].sealedUntil)
            blocks[vehicle].hasLooked = true
        }
        remember(vehicle)
    }

    private mutating func remember(_ vehicle: Int) {
        guard !blocks[vehicle].isTouched else { return }
        blocks[vehicle].isTouched = true
        undo.append((vehicle, blocks[vehicle].mark))
    }

    // MARK: Committing

    /// The unit in hand is durable as the row `nextRow` of `bytes` bytes.
    mutating func settle(bytes: Int) {
        var opened = 0
        for entry in undo {
            blocks[entry.vehicle].isTouched = false
            if entry.before.firstRow == 0, blocks[entry.vehicle].firstRow == nextRow { opened += 1 }
        }
        undo.removeAll(keepingCapacity: true)
        rows.append(JournalRow(bytes: bytes, opened: opened))
        journalBytes += bytes
        dropRows()
        if journalBytes > Limits.journalBytesMax || rows.count > Limits.journalRowsMax {
            askForTheOldest()
        }
    }

    /// The unit in hand was not stored.
    mutating func rollBack() {
        for entry in undo { blocks[entry.vehicle].rollBack(to: entry.before) }
        undo.removeAll(keepingCapacity: true)
    }

    private mutating func dropRows() {
        var dropped = 0
        while dropped < rows.count, rows[dropped].opened == 0 {
            journalBytes -= rows[dropped].bytes
            dropped += 1
        }
        rows.removeFirst(dropped)
        firstRow += Int64(dropped)
    }

    /// A journal that grows too long is held up by vehicles that seldom speak: the blocks of its
    /// older half are sealed though they are small.
    private mutating func askForTheOldest() {
        guard wanted.isEmpty, due.isEmpty else { return }
        let until = firstRow + Int64(rows.count / 2)
        for (index, block) in blocks.enumerated() {
            if block.firstRow != 0, block.firstRow <= until {
                due.append(VehicleID(index: UInt32(index)))
            }
        }
    }

    /// Seals these with their next checkpoint, however small they are.
    mutating func want(_ vehicles: [VehicleID]) {
        wanted.formUnion(vehicles)
    }

    // MARK: Sealing

    /// Vehicles whose next unit should hold a checkpoint, so that they can be sealed.
    mutating func takeWanted(atMost limit: Int) -> [VehicleID] {
        let taken = Array(due.prefix(limit))
        due.removeFirst(taken.count)
        want(taken)
        return taken
    }

    /// Whether a vehicle that has a checkpoint in the unit in hand is worth a chunk.
    func shouldSeal(_ vehicle: VehicleID) -> Bool {
        let index = Int(vehicle.index)
        guard index < blocks.count, blocks[index].firstRow != 0 else { return false }
        return wanted.contains(vehicle) || blocks[index].count >= Limits.chunkReadings / 2
    }

    /// Forgets what a chunk now holds.
    ///
    /// Call it after `settle`.
    mutating func seal(_ vehicle: VehicleID, until end: Int64?) {
        let index = Int(vehicle.index)
        // Of a vehicle sealed before a restart, the journal may hold nothing but the seal.
        grow(to: index)
        wanted.remove(vehicle)
        let before = blocks[index]
        if before.firstRow >= firstRow { rows[Int(before.firstRow - firstRow)].opened -= 1 }
        blocks[index] = before.emptied(sealedUntil: end)
        dropRows()
    }

    // MARK: Looking

    /// A vehicle's open readings of one signal or all, in the order of their arrival.
    func readings(of vehicle: VehicleID, signal: UInt16? = nil) -> [StoredReading] {
        let index = Int(vehicle.index)
        return index < blocks.count ? blocks[index].readings(signal, shapes) : []
    }

    /// Whether no reading of a vehicle's block can be in a chunk: those that came late were looked
    /// for when they were taken in, but not those that a restart took from the journal.
    func areNew(_ vehicle: VehicleID) -> Bool {
        let index = Int(vehicle.index)
        return index < blocks.count && !blocks[index].isRecalled
    }

    /// A vehicle's open readings, signal by signal, as a chunk takes them.
    func columns(of vehicle: VehicleID) -> ReadingColumns {
        let index = Int(vehicle.index)
        return ReadingColumns(index < blocks.count ? blocks[index].runs(shapes) : [])
    }

    // MARK: Starting

    /// The journal begins at this row, the first one there is, and tells of so many vehicles.
    mutating func begin(atRow row: Int64, vehicles: Int) {
        precondition(rows.isEmpty, "A journal begins once.")
        firstRow = row
        blocks.reserveCapacity(vehicles)
    }

    /// Takes a group back in from the journal, without looking for repeats: it has none.
    mutating func recall(_ group: JournalBody.Group) throws(CheckpointError) {
        let vehicle = Int(group.vehicle.index)
        let time = group.observedAt.milliseconds
        grow(to: vehicle)
        remember(vehicle)
        blocks[vehicle].isRecalled = true
        if let shape = shapes.number(of: group.heads, after: blocks[vehicle].shape) {
            add(shape, group.bytes.span.extracting(group.values), at: time, in: vehicle)
            return
        }
        var cursor = ByteCursor(group.bytes, at: group.values.lowerBound)
        for head in group.heads {
            let start = cursor.position
            _ = try head.number(&cursor)
            add(
                shapes.number(ofOne: head),
                group.bytes.span.extracting(start..<cursor.position),
                at: time,
                in: vehicle
            )
        }
    }
}
