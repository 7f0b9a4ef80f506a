import Foundation
import GRDB
import GatewayApp
import Support
import Telemetry
import Testing

@testable import GatewayCore
@testable import Store

/// Readings between journal and chunk.
struct OpenReadingsTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    private func open() throws -> (GatewayStore, Writer) {
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        return (store, writer)
    }

    /// Packets whose signals change from one to the next, and whose values need more digits, fewer,
    /// or all a double has.
    @Test(arguments: 1...20)
    func openReadingsComeBackToTheLastBit(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let (store, writer) = try open()
        var unit = CommitUnit()
        unit.now = Fixtures.start
        unit.vehicles = [
            VehicleRow(
                id: VehicleID(index: 0),
                name: "v",
                profile: .init(),
                firstSeenAt: Fixtures.start
            )
        ]
        var expected: [String] = []
        for minute in 0..<200 {
            let time = Fixtures.start + .minutes(Int64(minute))
            for signal in UInt16(0)..<9 where Bool.random(using: &generator) {
                let scale = pow(10, Double([0, 0, 1, 3, 6, 9].randomElement(using: &generator)!))
                let value =
                    (Double.random(in: -9_000...9_000, using: &generator) * scale).rounded()
                    / scale
                let isLacking = Int.random(in: 0..<20, using: &generator) == 0
                unit.readings.append(
                    Reading(
                        vehicle: VehicleID(index: 0),
                        signal: SignalID(index: signal),
                        observedAt: time,
                        receivedAt: time,
                        value: value,
                        quality: isLacking ? .noReading : .good
                    )
                )
                expected.append("\(time) \(signal) \(value) \(isLacking)")
            }
        }
        #expect(try writer.commit(unit).stored == expected.count)
        var recalled: [String] = []
        let tell: (JournalUnit) -> Void = { unit in
            recalled += unit.readings.map {
                "\($0.observedAt) \($0.signal.index) \($0.value) \($0.quality != .good)"
            }
        }
        #expect(try writer.recall(after: 0, tell) == (1, true))
        #expect(recalled == expected)
        let open = store.open.withLock { $0.readings(of: VehicleID(index: 0)) }
        #expect(open.map(\.value) == unit.readings.map(\.value))
        #expect(open.map(\.quality) == unit.readings.map(\.quality))
        let columns = store.open.withLock { $0.columns(of: VehicleID(index: 0)) }
        #expect(columns.count == expected.count)
        // The same once more, sealed.
        var seal = CommitUnit()
        seal.now = Fixtures.start
        seal.checkpoints = [(VehicleID(index: 0), [])]
        _ = try writer.commit(seal)
        let chunks = try store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM chunk") }
        #expect(chunks ?? 0 > 0)
        var sealed: [String] = []
        try writer.export { sealed.append("\($0.observedAt) \($0.value)") }
        #expect(sealed.count == expected.count)
        #expect(
            Set(sealed) == Set(unit.readings.map { "\($0.observedAt) \($0.value)" })
        )
    }

    /// Readings in any order, alone and together, some of them again: in the newest group, in the
    /// middle of the block, and after a unit that was not stored; doubles among decimals.
    @Test(arguments: 1...20)
    func aRepeatIsToldWhereverItsFirstStands(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let vehicle = VehicleID(index: 0)
        var open = OpenReadings()
        open.begin(atRow: 1, vehicles: 1)
        var stored: [String: Double] = [:]
        for _ in 0..<40 {
            var journal = JournalBody(base: Fixtures.start)
            var unit = stored
            for _ in 0..<20 {
                let time = Fixtures.start + .minutes(Int64.random(in: 0..<300, using: &generator))
                var readings: [Reading] = []
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    let value = Double.random(in: 0...300, using: &generator)
                    readings.append(
                        Reading(
                            vehicle: vehicle,
                            signal: SignalID(index: UInt16.random(in: 0..<6, using: &generator)),
                            observedAt: time,
                            receivedAt: time,
                            value: Bool.random(using: &generator) ? value : value.rounded(),
                            quality: .good
                        )
                    )
                }
                var new = 0
                for reading in readings {
                    let key = "\(reading.signal.index) \(time)"
                    guard unit[key] == nil else { continue }
                    unit[key] = reading.value
                    new += 1
                }
                let taken = open.take(
                    readings.span,
                    signalNumbers: Array(0..<6),
                    journal: &journal,
                    sealedUntil: { _ in .min },
                    standing: { _, _, _ in .new }
                )
                #expect(taken.stored == new)
            }
            if Int.random(in: 0..<4, using: &generator) == 0 {
                open.rollBack()
            } else {
                open.settle(bytes: 1)
                stored = unit
            }
        }
        let readings = open.readings(of: vehicle)
        #expect(readings.count == stored.count)
        #expect(readings.allSatisfy { stored["\($0.signal) \($0.observedAt)"] == $0.value })
        var columns = open.columns(of: vehicle)
        columns.order()
        var other = ReadingColumns(readings)
        other.order()
        #expect(columns == other)
    }

    /// A look finds every stretch whose times include the one asked for; after a roll-back those
    /// that began behind it are gone.
    @Test func aFilterSaysWhereATimeMayStand() throws {
        var filter = RepeatFilter()
        #expect(!filter.insert(1, 5) && filter.insert(1, 5))
        for group in 0..<100 {
            filter.addGroup(at: 10 * group, after: Int64(group) - 1, Int64(group))
        }
        let first = try #require(filter.stretch(with: 20, after: -1))
        #expect((first.number, first.start, first.end, first.before) == (0, 0, 320, -1))
        #expect(filter.stretch(with: 20, after: 0) == nil)
        let last = try #require(filter.stretch(with: 99, after: -1))
        #expect((last.number, last.start, last.end, last.before) == (3, 960, nil, 95))
        filter.removeGroups(from: 640)
        #expect(filter.stretch(with: 64, after: -1) == nil)
        #expect(filter.stretch(with: 63, after: -1)?.end == nil)
        filter.addGroup(at: 640, after: 63, 7)
        #expect(filter.stretch(with: 7, after: 0)?.start == 640)
    }

    /// A row as earlier builds wrote it, each reading with its head.
    @Test func aJournalOfAnEarlierBuildIsTakenUp() throws {
        let time = Fixtures.start.milliseconds
        var bytes: [UInt8] = [2]
        bytes.append(signed: time)
        for minute in Int64(0)..<2 {
            var items: [UInt8] = []
            for (signal, mantissa) in [(UInt64(1), Int64(2_315)), (2, -40)] {
                items.append(varint: signal << 5 | 1)
                items.append(signed: mantissa + minute)
            }
            bytes.append(varint: 1)
            bytes.append(varint: 0)
            bytes.append(signed: minute * 60_000)
            bytes.append(signed: 5)
            bytes.append(varint: 2)
            bytes.append(varint: UInt64(items.count))
            bytes += items
        }
        CheckSum.append(to: &bytes)
        var groups: [JournalBody.Group] = []
        try JournalBody.read(bytes) { entry throws(CheckpointError) in
            if case .group(let group) = entry { groups.append(group) }
        }
        var open = OpenReadings()
        open.begin(atRow: 1, vehicles: 1)
        for group in groups { try open.recall(group) }
        let readings = open.readings(of: VehicleID(index: 0))
        #expect(readings.map(\.value) == [231.5, -4, 231.6, -3.9])
        #expect(
            readings.map(\.observedAt.milliseconds) == [time, time, time + 60_000, time + 60_000]
        )
        #expect(groups.map(\.receivedAt.milliseconds) == [time + 5, time + 60_005])
    }

    /// Past the limit of shapes, what comes in another is written reading by reading.
    @Test func shapesAreRememberedUpToTheLimit() {
        var shapes = GroupShapes()
        func heads(_ number: Int) -> [ValueHead] {
            [number >> 9, number & 511 | 512].map {
                ValueHead(signal: UInt16($0), quality: .good, scale: 1)
            }
        }
        let most = Limits.shapeSignalsMax / 2
        for number in 0..<most {
            #expect(shapes.number(of: heads(number), after: nil) == number)
        }
        #expect(shapes.number(of: heads(most), after: nil) == nil)
        #expect(shapes.number(of: heads(7), after: nil) == 7)
        #expect(
            shapes.number(of: [heads(1)[0]], after: nil) == most
        )
    }
}
