import GatewayCore
import Telemetry

/// One commit unit's inputs as a row of the journal: what a restart takes in again.
///
/// A body is a version, a base time, and entries: shapes, groups of readings, each of a shape told
/// before, packet marks, and seals, after which a vehicle's earlier groups are in a chunk and its
/// earlier marks in a checkpoint; at last a check sum.
struct JournalBody {
    private static let version: UInt8 = 3
    /// Groups said of each reading what it is, and were told from the base time.
    private static let wordyVersion: UInt8 = 2
    /// The same without a check sum.
    private static let uncheckedVersion: UInt8 = 1
    private static let wordyGroup: UInt64 = 1
    private static let numbered: UInt64 = 2
    private static let unnumbered: UInt64 = 3
    private static let seal: UInt64 = 4
    private static let skipped: UInt64 = 5
    private static let shape: UInt64 = 6
    /// A group of the first shape; of the second, one more.
    private static let firstGroup: UInt64 = 8

    private var bytes: [UInt8] = []
    /// Time of the last group, from which the next is told.
    private var lastTime: Int64
    /// Shapes that the row tells of, and the one used last.
    private var places: [Int: UInt64] = [:]
    private var lastShape: (number: Int, place: UInt64)?
    /// A row that is not kept counts its bytes, about, so that open readings stay bounded.
    private let isKept: Bool
    private var countedBytes = 0
    /// About what a group takes besides its values.
    private static let groupBytes = 6

    /// `base` is a time near the readings', so that theirs are short.
    init(base: Timestamp, isKept: Bool = true) {
        lastTime = base.milliseconds
        self.isKept = isKept
        bytes.append(JournalBody.version)
        bytes.append(signed: base.milliseconds)
    }

    var isEmpty: Bool { entries == 0 }
    private var entries = 0
    /// Without the check sum.
    var byteCount: Int { isKept ? bytes.count : countedBytes }

    /// The whole row.
    var row: [UInt8] {
        var row = bytes
        CheckSum.append(to: &row)
        return row
    }

    /// Whether the row tells of a shape.
    func knows(_ shape: Int) -> Bool {
        !isKept || lastShape?.number == shape || places[shape] != nil
    }

    /// Tells of a shape, by which number it is known outside.
    mutating func append(_ shape: Int, _ heads: ArraySlice<ValueHead>) {
        places[shape] = UInt64(places.count)
        bytes.append(numbers: 2 + heads.count) { bytes in
            bytes.append(varint: JournalBody.shape)
            bytes.append(varint: UInt64(heads.count))
            for head in heads { bytes.append(varint: UInt64(head.rawValue)) }
        }
    }

    /// Adds a group of a shape that the row knows; `reading` is one of it.
    mutating func append(_ reading: Reading, shape: Int, values: Span<UInt8>) {
        entries += 1
        guard isKept else {
            countedBytes += JournalBody.groupBytes + values.count
            return
        }
        if lastShape?.number != shape { lastShape = (shape, places[shape] ?? 0) }
        let place = lastShape?.place ?? 0
        let step = reading.observedAt.milliseconds - lastTime
        lastTime = reading.observedAt.milliseconds
        bytes.append(numbers: 4, then: values) { bytes in
            bytes.append(varint: JournalBody.firstGroup + place)
            bytes.append(varint: UInt64(reading.vehicle.index))
            bytes.append(signed: step)
            bytes.append(signed: (reading.receivedAt - reading.observedAt).rawValue)
        }
    }

    mutating func append(_ mark: PacketMark) {
        entries += 1
        guard isKept else { return }
        switch mark.kind {
        case .numbered(let boot, let sequence):
            append(JournalBody.numbered, mark.vehicle, boot, sequence)
        case .skipped(let boot, let sequence):
            append(JournalBody.skipped, mark.vehicle, boot, sequence)
        case .unnumbered(let hash):
            bytes.append(varint: JournalBody.unnumbered)
            bytes.append(varint: UInt64(mark.vehicle.index))
            bytes.append(word: hash)
        }
    }

    private mutating func append(
        _ tag: UInt64,
        _ vehicle: VehicleID,
        _ boot: [UInt8],
        _ sequence: UInt64
    ) {
        bytes.append(numbers: 3) { bytes in
            bytes.append(varint: tag)
            bytes.append(varint: UInt64(vehicle.index))
            bytes.append(varint: UInt64(boot.count))
        }
        bytes.append(contentsOf: boot)
        bytes.append(varint: sequence)
    }

    mutating func append(sealOf vehicle: VehicleID) {
        entries += 1
        guard isKept else { return }
        bytes.append(varint: JournalBody.seal)
        bytes.append(varint: UInt64(vehicle.index))
    }

    // MARK: Reading

    /// Readings of one packet and time.
    struct Group {
        var vehicle: VehicleID
        var observedAt: Timestamp
        var receivedAt: Timestamp
        var heads: [ValueHead]
        /// Where their values stand.
        var bytes: [UInt8]
        var values: Range<Int>
    }

    enum Entry {
        case group(Group)
        case mark(PacketMark)
        case seal(VehicleID)
    }

    /// Looks through a row before anything of it is taken in.
    ///
    /// `vehicles` is the number of those that are known.
    static func verify(_ bytes: [UInt8], vehicles: Int) throws(CheckpointError) {
        if bytes.first != uncheckedVersion { return try CheckSum.verify(bytes) }
        try read(bytes) { entry throws(CheckpointError) in
            switch entry {
            case .mark(let mark): try verify(mark.vehicle, vehicles)
            case .seal(let vehicle): try verify(vehicle, vehicles)
            case .group(let group): try verify(group.vehicle, vehicles)
            }
        }
    }

    private static func verify(
        _ vehicle: VehicleID,
        _ vehicles: Int
    ) throws(CheckpointError) {
        guard vehicle.index < vehicles else { throw CheckpointError(byteOffset: 0) }
    }

    /// Calls `body` with every entry of a row that is sound, in order.
    static func read(
        _ bytes: [UInt8],
        _ body: (Entry) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        var cursor = ByteCursor(bytes)
        let version = try cursor.byte()
        guard (uncheckedVersion...JournalBody.version).contains(version) else {
            throw cursor.failure()
        }
        let end = bytes.count - (version == uncheckedVersion ? 0 : CheckSum.bytes)
        var shapes: [[ValueHead]] = []
        var lastTime = try cursor.signed()
        while cursor.position < end {
            let tag = try cursor.varint()
            guard tag != shape else {
                shapes.append(try heads(&cursor))
                continue
            }
            let vehicle = VehicleID(index: UInt32(truncatingIfNeeded: try cursor.varint()))
            switch tag {
            case wordyGroup:
                try body(.group(try group(of: vehicle, from: lastTime, wordy: &cursor)))
            case numbered, skipped:
                let length = try cursor.count()
                let start = cursor.position
                try cursor.skip(length)
                let boot = Array(bytes[start..<cursor.position])
                let sequence = try cursor.varint()
                let kind: PacketMark.Kind =
                    tag == numbered ? .numbered(boot, sequence) : .skipped(boot, sequence)
                try body(.mark(PacketMark(vehicle: vehicle, kind: kind)))
            case unnumbered:
                let kind = PacketMark.Kind.unnumbered(try cursor.word())
                try body(.mark(PacketMark(vehicle: vehicle, kind: kind)))
            case seal: try body(.seal(vehicle))
            default:
                guard tag >= firstGroup, tag - firstGroup < UInt64(shapes.count) else {
                    throw cursor.failure()
                }
                let heads = shapes[Int(tag - firstGroup)]
                let group = try group(of: vehicle, from: lastTime, heads, &cursor)
                lastTime = group.observedAt.milliseconds
                try body(.group(group))
            }
        }
    }

    private static func heads(_ cursor: inout ByteCursor) throws(CheckpointError) -> [ValueHead] {
        let count = try cursor.count()
        var heads: [ValueHead] = []
        for _ in 0..<count { heads.append(try head(&cursor)) }
        return heads
    }

    private static func head(_ cursor: inout ByteCursor) throws(CheckpointError) -> ValueHead {
        guard let rawValue = UInt32(exactly: try cursor.varint()),
            let head = ValueHead(rawValue: rawValue)
        else { throw cursor.failure() }
        return head
    }

    private static func group(
        of vehicle: VehicleID,
        from time: Int64,
        _ heads: [ValueHead],
        _ cursor: inout ByteCursor
    ) throws(CheckpointError) -> Group {
        let (observedAt, receivedAt) = try times(from: time, &cursor)
        let start = cursor.position
        for head in heads { _ = try head.number(&cursor) }
        return Group(
            vehicle: vehicle,
            observedAt: observedAt,
            receivedAt: receivedAt,
            heads: heads,
            bytes: cursor.bytes,
            values: start..<cursor.position
        )
    }

    /// A group as earlier builds wrote it: each reading with its head.
    private static func group(
        of vehicle: VehicleID,
        from time: Int64,
        wordy cursor: inout ByteCursor
    ) throws(CheckpointError) -> Group {
        let (observedAt, receivedAt) = try times(from: time, &cursor)
        let count = try cursor.count(bitsEach: 0)
        let length = try cursor.count()
        let end = cursor.position + length
        var heads: [ValueHead] = []
        var values: [UInt8] = []
        for _ in 0..<count {
            let head = try head(&cursor)
            let start = cursor.position
            _ = try head.number(&cursor)
            heads.append(head)
            values += cursor.bytes[start..<cursor.position]
        }
        guard cursor.position == end else { throw cursor.failure() }
        return Group(
            vehicle: vehicle,
            observedAt: observedAt,
            receivedAt: receivedAt,
            heads: heads,
            bytes: values,
            values: values.indices
        )
    }

    private static func times(
        from time: Int64,
        _ cursor: inout ByteCursor
    ) throws(CheckpointError) -> (observedAt: Timestamp, receivedAt: Timestamp) {
        let observedAt = Timestamp(milliseconds: time &+ (try cursor.signed()))
        guard observedAt >= Limits.observedAtMin, observedAt < Limits.observedAtEnd else {
            throw cursor.failure()
        }
        let delay = try cursor.signed()
        return (observedAt, Timestamp(milliseconds: observedAt.milliseconds &+ delay))
    }
}
