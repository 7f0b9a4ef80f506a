import Telemetry

/// Readings that are durable in the journal and not yet in a chunk, vehicle by vehicle.
///
/// Purpose: gather a vehicle's readings until a chunk is worth writing, and know a repeat when it
/// comes. Invariant: what stands here is exactly what the journal says since each vehicle's last
/// seal. A unit is first taken in, then committed; when the commit fails, `rollBack` takes it out.
struct OpenReadings: Sendable {
    /// One vehicle's readings: groups of one time, `signed Δtime, varint count, items`.
    private struct Block {
        var bytes: [UInt8] = []
        /// Time of the last group, from which the next is told.
        var lastTime: Int64 = 0
        /// The latest time there is, and where its first group begins.
        var newest = Int64.min
        var newestOffset = 0
        var count = 0
        /// The journal's row in which the block began; nil when nothing is open.
        var firstRow: Int64?
        /// The end of the vehicle's chunks and of what they have become, once somebody has looked.
        var sealedUntil: Int64?
        /// What the block may hold, once a reading has come late.
        var filter: RepeatFilter?

        /// Adds a group; its readings are counted by whoever adds it.
        mutating func append(_ readings: Int, at time: Int64, items: some Collection<UInt8>) {
            if time > newest {
                newest = time
                newestOffset = bytes.count
            }
            let step = time - lastTime
            bytes.append(numbers: 2) { bytes in
                bytes.append(signed: step)
                bytes.append(varint: UInt64(readings))
            }
            bytes.append(contentsOf: items)
            lastTime = time
        }
    }

    /// A block as it was before the unit in hand.
    private struct Undo {
        var vehicle: Int
        var byteCount: Int
        var lastTime: Int64
        var newest: Int64
        var newestOffset: Int
        var count: Int
        var firstRow: Int64?
    }

    private struct JournalRow {
        var bytes: Int
        /// Blocks that began in this row.
        var opened: Int
    }

    private var blocks: [Block] = []
    private var undo: [Undo] = []
    private var touched: [Bool] = []
    private var due: [VehicleID] = []
    private var wanted: Set<VehicleID> = []
    private var rows: [JournalRow] = []
    private var firstRow: Int64 = 1
    private var journalBytes = 0
    private var scratch: [UInt8] = []
    private var scratchSignals: [UInt16] = []

    /// The row the next unit will be.
    var nextRow: Int64 { firstRow + Int64(rows.count) }
    /// Rows below are of no more use.
    var oldestRow: Int64 { firstRow }

    // MARK: Taking in

    /// What became of a group.
    struct Taken {
        /// New; the items stand in `lastItems`.
        var stored = 0
        /// Left out, because nobody can tell them from a repeat any more.
        var tooLate = 0
    }

    /// Takes a group in: readings of one packet and time, of which `standing` says what the sealed
    /// ones know of them.
    mutating func take(
        _ readings: Span<Reading>,
        signalNumbers: [UInt16],
        sealedUntil: (VehicleID) throws -> Int64,
        standing: (VehicleID, UInt16, Int64) throws -> Chunks.Standing
    ) rethrows -> Taken {
        var taken = Taken()
        let vehicle = Int(readings[0].vehicle.index)
        let time = readings[0].observedAt.milliseconds
        try prepare(vehicle, sealedUntil)
        let sealed = blocks[vehicle].sealedUntil ?? .min
        let mayRepeat = time <= blocks[vehicle].newest
        let isFiltered = mayRepeat || blocks[vehicle].filter != nil
        scratch.removeAll(keepingCapacity: true)
        scratchSignals.removeAll(keepingCapacity: true)
        for index in readings.indices {
            let signal = signalNumbers[Int(readings[index].signal.index)]
            guard !isInGroup(signal) else { continue }
            if mayRepeat, has(signal, time, in: vehicle) { continue }
            if isFiltered { blocks[vehicle].filter?.insert(signal, time) }
            if time <= sealed {
                let standing = try standing(readings[0].vehicle, signal, time)
                if standing == .summedUp { taken.tooLate += 1 }
                guard standing == .new else { continue }
            }
            scratchSignals.append(signal)
            ItemCoding.encode(
                signal: signal,
                quality: readings[index].quality,
                value: readings[index].value,
                into: &scratch
            )
        }
        taken.stored = scratchSignals.count
        guard taken.stored > 0 else { return taken }
        open(vehicle)
        blocks[vehicle].append(taken.stored, at: time, items: scratch)
        count(taken.stored, in: vehicle)
        return taken
    }

    /// Whether the group in hand has a signal already.
    private func isInGroup(_ signal: UInt16) -> Bool {
        for index in scratchSignals.indices where scratchSignals[index] == signal { return true }
        return false
    }

    private mutating func count(_ added: Int, in vehicle: Int) {
        let before = blocks[vehicle].count
        blocks[vehicle].count += added
        // A fleet that starts together would otherwise seal together: the first chunks differ.
        let isFirst = blocks[vehicle].sealedUntil ?? .min == .min
        let size = isFirst ? Limits.chunkReadings * (vehicle % 16 + 1) / 16 : Limits.chunkReadings
        if before < size, blocks[vehicle].count >= size {
            due.append(VehicleID(index: UInt32(vehicle)))
        }
    }

    /// The items of the last group that was taken, as they belong in the journal.
    var lastItems: [UInt8] { scratch }

    /// Notes that the vehicle's state is ahead of its checkpoint, readings or not.
    mutating func pin(_ vehicle: VehicleID) {
        let index = Int(vehicle.index)
        grow(to: index)
        remember(index)
        open(index)
    }

    private mutating func grow(to vehicle: Int) {
        while blocks.count <= vehicle {
            blocks.append(Block())
            touched.append(false)
        }
    }

    private mutating func prepare(
        _ vehicle: Int,
        _ sealedUntil: (VehicleID) throws -> Int64
    ) rethrows {
        grow(to: vehicle)
        if blocks[vehicle].sealedUntil == nil {
            blocks[vehicle].sealedUntil = try sealedUntil(VehicleID(index: UInt32(vehicle)))
        }
        remember(vehicle)
    }

    private mutating func remember(_ vehicle: Int) {
        guard !touched[vehicle] else { return }
        touched[vehicle] = true
        undo.append(
            Undo(
                vehicle: vehicle,
                byteCount: blocks[vehicle].bytes.count,
                lastTime: blocks[vehicle].lastTime,
                newest: blocks[vehicle].newest,
                newestOffset: blocks[vehicle].newestOffset,
                count: blocks[vehicle].count,
                firstRow: blocks[vehicle].firstRow
            )
        )
    }

    private mutating func open(_ vehicle: Int) {
        if blocks[vehicle].firstRow == nil { blocks[vehicle].firstRow = nextRow }
    }

    /// Whether a block has a reading; only groups from the newest time on need be looked at when
    /// the time is that one.
    private mutating func has(_ signal: UInt16, _ time: Int64, in vehicle: Int) -> Bool {
        let isNewest = time == blocks[vehicle].newest
        if !isNewest {
            if blocks[vehicle].filter == nil {
                var filter = RepeatFilter()
                for reading in readings(of: VehicleID(index: UInt32(vehicle))) {
                    filter.insert(reading.signal, reading.observedAt.milliseconds)
                }
                blocks[vehicle].filter = filter
            }
            guard blocks[vehicle].filter?.mayHold(signal, time) == true else { return false }
        }
        var cursor = ByteCursor(
            blocks[vehicle].bytes,
            at: isNewest ? blocks[vehicle].newestOffset : 0
        )
        var at: Int64 = 0
        var isFirst = isNewest
        do throws(CheckpointError) {
            while !cursor.isAtEnd {
                let step = try cursor.signed()
                at = isFirst ? time : at + step
                isFirst = false
                for _ in 0..<(try cursor.count()) {
                    let item = try ItemCoding.decode(&cursor, at: Timestamp(milliseconds: at))
                    if at == time, item.signal == signal { return true }
                }
            }
        } catch {
            preconditionFailure("We wrote the block ourselves, so it reads.")
        }
        return false
    }

    // MARK: Committing

    /// The unit in hand is durable as the row `nextRow` of `bytes` bytes.
    mutating func settle(bytes: Int) {
        var opened = 0
        for entry in undo {
            touched[entry.vehicle] = false
            if entry.firstRow == nil, blocks[entry.vehicle].firstRow == nextRow { opened += 1 }
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
        for entry in undo {
            touched[entry.vehicle] = false
            var block = blocks[entry.vehicle]
            block.bytes.removeLast(block.bytes.count - entry.byteCount)
            block.lastTime = entry.lastTime
            block.newest = entry.newest
            block.newestOffset = entry.newestOffset
            block.count = entry.count
            block.firstRow = entry.firstRow
            blocks[entry.vehicle] = block
        }
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
            if let row = block.firstRow, row <= until {
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
        guard index < blocks.count, blocks[index].firstRow != nil else { return false }
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
        if let row = blocks[index].firstRow, row >= firstRow {
            rows[Int(row - firstRow)].opened -= 1
        }
        let sealed = blocks[index].sealedUntil
        blocks[index] = Block()
        blocks[index].sealedUntil = end.map { max($0, sealed ?? .min) } ?? sealed
        dropRows()
    }

    // MARK: Looking

    /// A vehicle's open readings of one signal or all, in the order of their arrival.
    func readings(of vehicle: VehicleID, signal: UInt16? = nil) -> [StoredReading] {
        let index = Int(vehicle.index)
        guard index < blocks.count else { return [] }
        var cursor = ByteCursor(blocks[index].bytes)
        var at: Int64 = 0
        var readings: [StoredReading] = []
        do throws(CheckpointError) {
            while !cursor.isAtEnd {
                at += try cursor.signed()
                for _ in 0..<(try cursor.count()) {
                    let item = try ItemCoding.decode(&cursor, at: Timestamp(milliseconds: at))
                    if signal == nil || signal == item.signal { readings.append(item) }
                }
            }
        } catch {
            preconditionFailure("We wrote the block ourselves, so it reads.")
        }
        return readings
    }

    // MARK: Starting

    /// The journal begins at this row, the first one there is, and tells of so many vehicles.
    mutating func begin(atRow row: Int64, vehicles: Int) {
        precondition(rows.isEmpty, "A journal begins once.")
        firstRow = row
        blocks.reserveCapacity(vehicles)
    }

    /// Takes a group back in from the journal, without looking for repeats: it has none.
    mutating func recall(_ vehicle: VehicleID, time: Int64, count: Int, items: ArraySlice<UInt8>) {
        let index = Int(vehicle.index)
        grow(to: index)
        remember(index)
        open(index)
        blocks[index].append(count, at: time, items: items)
        self.count(count, in: index)
    }
}
