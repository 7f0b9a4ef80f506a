import GatewayCore
import Telemetry

/// One commit unit's inputs as a row of the journal: what a restart takes in again.
///
/// A body is a version, a base time, and entries: groups of readings, packet marks, and seals,
/// after which a vehicle's earlier groups are in a chunk and its earlier marks in a checkpoint; at
/// last a check sum.
struct JournalBody {
    private static let version: UInt8 = 2
    /// The same without a check sum.
    private static let uncheckedVersion: UInt8 = 1
    private static let group: UInt8 = 1
    private static let numbered: UInt8 = 2
    private static let unnumbered: UInt8 = 3
    private static let seal: UInt8 = 4
    private static let skipped: UInt8 = 5

    private var bytes: [UInt8] = []
    private let base: Int64

    /// `base` is a time near the readings', so that theirs are short.
    init(base: Timestamp) {
        self.base = base.milliseconds
        bytes.append(JournalBody.version)
        bytes.append(signed: base.milliseconds)
    }

    var isEmpty: Bool { entries == 0 }
    private var entries = 0

    /// The whole row.
    var row: [UInt8] {
        var row = bytes
        CheckSum.append(to: &row)
        return row
    }

    mutating func append(
        _ vehicle: VehicleID,
        observedAt: Timestamp,
        receivedAt: Timestamp,
        count: Int,
        items: [UInt8]
    ) {
        entries += 1
        let base = base
        bytes.append(numbers: 6) { bytes in
            bytes.append(JournalBody.group)
            bytes.append(varint: UInt64(vehicle.index))
            bytes.append(signed: observedAt.milliseconds - base)
            bytes.append(signed: (receivedAt - observedAt).rawValue)
            bytes.append(varint: UInt64(count))
            bytes.append(varint: UInt64(items.count))
        }
        bytes.append(contentsOf: items)
    }

    mutating func append(_ mark: PacketMark) {
        entries += 1
        switch mark.kind {
        case .numbered(let boot, let sequence):
            append(JournalBody.numbered, mark.vehicle, boot, sequence)
        case .skipped(let boot, let sequence):
            append(JournalBody.skipped, mark.vehicle, boot, sequence)
        case .unnumbered(let hash):
            bytes.append(JournalBody.unnumbered)
            bytes.append(varint: UInt64(mark.vehicle.index))
            bytes.append(word: hash)
        }
    }

    private mutating func append(
        _ tag: UInt8,
        _ vehicle: VehicleID,
        _ boot: [UInt8],
        _ sequence: UInt64
    ) {
        bytes.append(numbers: 3) { bytes in
            bytes.append(tag)
            bytes.append(varint: UInt64(vehicle.index))
            bytes.append(varint: UInt64(boot.count))
        }
        bytes.append(contentsOf: boot)
        bytes.append(varint: sequence)
    }

    mutating func append(sealOf vehicle: VehicleID) {
        entries += 1
        bytes.append(JournalBody.seal)
        bytes.append(varint: UInt64(vehicle.index))
    }

    // MARK: Reading

    enum Entry {
        case group(
            VehicleID,
            observedAt: Timestamp,
            receivedAt: Timestamp,
            count: Int,
            items: Range<Int>
        )
        case mark(PacketMark)
        case seal(VehicleID)
    }

    /// Looks through a row before anything of it is taken in.
    ///
    /// `vehicles` is the number of those that are known.
    static func verify(_ bytes: [UInt8], vehicles: Int) throws(CheckpointError) {
        if bytes.first == version { return try CheckSum.verify(bytes) }
        try read(bytes) { entry throws(CheckpointError) in
            switch entry {
            case .mark(let mark): try verify(mark.vehicle, vehicles)
            case .seal(let vehicle): try verify(vehicle, vehicles)
            case .group(let vehicle, let observedAt, _, let count, let items):
                try verify(vehicle, vehicles)
                var cursor = ByteCursor(Array(bytes[items]))
                for _ in 0..<count { _ = try ItemCoding.decode(&cursor, at: observedAt) }
                guard cursor.isAtEnd else { throw cursor.failure() }
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
        var end = bytes.count
        switch try cursor.byte() {
        case version: end -= CheckSum.bytes
        case uncheckedVersion: break
        default: throw cursor.failure()
        }
        let base = try cursor.signed()
        while cursor.position < end {
            let tag = try cursor.byte()
            let vehicle = VehicleID(index: UInt32(truncatingIfNeeded: try cursor.varint()))
            switch tag {
            case group:
                let observedAt = Timestamp(milliseconds: base &+ (try cursor.signed()))
                guard observedAt >= Limits.observedAtMin, observedAt < Limits.observedAtEnd else {
                    throw cursor.failure()
                }
                let delay = try cursor.signed()
                let receivedAt = Timestamp(milliseconds: observedAt.milliseconds &+ delay)
                let count = try cursor.count(bitsEach: 0)
                let length = try cursor.count()
                let start = cursor.position
                try cursor.skip(length)
                try body(
                    .group(
                        vehicle,
                        observedAt: observedAt,
                        receivedAt: receivedAt,
                        count: count,
                        items: start..<cursor.position
                    )
                )
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
            default: throw cursor.failure()
            }
        }
    }
}
