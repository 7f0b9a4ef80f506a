import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Synchronization
import Telemetry
import Testing

@testable import Store

/// Readings in journal and chunks: nothing lost, nothing twice, whatever the order and the number.
struct ReadingsTests {
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

    private func chunks(_ store: GatewayStore) throws -> Int {
        try store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM chunk") } ?? 0
    }

    // MARK: Coding

    @Test(arguments: 1...40)
    func aColumnOfNumbersComesBack(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let count = Int.random(in: 1...200, using: &generator)
        let width = Int.random(in: 0...63, using: &generator)
        let values = (0..<count).map { _ in
            Int64.random(in: .min ... .max, using: &generator) >> Int64(63 - width)
        }
        var bytes: [UInt8] = []
        PackedNumbers.encode(values, into: &bytes)
        var cursor = ByteCursor(bytes)
        #expect(try PackedNumbers.decode(count, &cursor) == values)
        #expect(cursor.isAtEnd)
    }

    @Test func aColumnOfTheWidestNumbersComesBack() throws {
        let values = [Int64.min, .max, 0, -1, 1, .max, .min]
        var bytes: [UInt8] = []
        PackedNumbers.encode(values, into: &bytes)
        var cursor = ByteCursor(bytes)
        #expect(try PackedNumbers.decode(values.count, &cursor) == values)
    }

    @Test(arguments: 1...20)
    func aChunkComesBackToTheLastBit(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var readings: [StoredReading] = []
        for signal in UInt16(1)...UInt16.random(in: 1...9, using: &generator) {
            let scale = pow(10, Double(Int.random(in: 0...8, using: &generator)))
            var time = Fixtures.start
            for _ in 0..<Int.random(in: 1...150, using: &generator) {
                time = time + Milliseconds(Int64.random(in: 1...90_000, using: &generator))
                readings.append(
                    StoredReading(
                        observedAt: time,
                        value: (Double.random(in: -900...900, using: &generator) * scale).rounded()
                            / scale,
                        signal: signal,
                        quality: Int.random(in: 0...9, using: &generator) == 0 ? .noReading : .good
                    )
                )
            }
        }
        var columns = ReadingColumns(readings)
        columns.order()
        let bytes = ChunkCoding.encode(columns)
        #expect(try ChunkCoding.decode(bytes) == readings)
        let one = readings.filter { $0.signal == 1 }
        #expect(try ChunkCoding.decode(bytes, signal: 1) == one)
        // Cut short it is refused, never a trap.
        for length in stride(from: 0, to: bytes.count - 1, by: 7) {
            _ = try? ChunkCoding.decode(Array(bytes[..<length]))
        }
    }

    // MARK: Storing

    /// A stream with repeats, late packets and restarts → what a set would hold.
    @Test(arguments: [1, 2, 3, 4])
    func everyReadingIsStoredOnce(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var (store, writer) = try open()
        var gateway = assembly.makeGateway()
        var expected: [String: Double] = [:]
        var sent = 0
        var counted = CommitReceipt()
        var wanted: [VehicleID] = []
        let paths = [
            "Vehicle.Speed", "Vehicle.LowVoltageBattery.CurrentVoltage",
            "Vehicle.Exterior.AirTemperature",
        ]
        for step in 0..<300 {
            let clock = Fixtures.start + .minutes(Int64(step * 30))
            var packets: [(topic: String, payload: String, receivedAt: Timestamp)] = []
            for _ in 0..<12 {
                let vehicle = "v\(Int.random(in: 0...2, using: &generator))"
                // Times of a coarse grid, up to five days late: many repeats of (signal, time).
                let late = Int64.random(in: 0...7_200, using: &generator) / 7 * 7
                let age = Int.random(in: 0...9, using: &generator) == 0 ? late : late % 60
                let time = clock - .minutes(age)
                var readings: [String: Double] = [:]
                for path in paths {
                    let key = "\(vehicle) \(path) \(time)"
                    let value = Double(key.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) % 50 })
                    readings[path] = value
                    expected[key] = value
                }
                let packet = Fixtures.packet(vehicle, at: time, readings)
                packets.append((packet.topic, packet.payload, clock))
                sent += readings.count
            }
            let unit = gateway.step(
                .packets(Fixtures.batch(packets)),
                now: clock,
                checkpointing: wanted
            )
            let receipt = try writer.commit(unit)
            counted.stored += receipt.stored
            counted.duplicate += receipt.duplicate
            wanted = receipt.wanted
            if step % 77 == 50 {
                try store.close()
                (store, writer) = try open()
                var recall: Recall
                (gateway, recall) = try assembly.start(store, writer, now: clock)
                while try recall.step(&gateway) {}
                wanted = []
            }
        }
        var found: [String: Double] = [:]
        try writer.export { reading in
            let key = "\(reading.vehicle) \(reading.path) \(reading.observedAt)"
            #expect(found.updateValue(reading.value, forKey: key) == nil, "\(key) twice")
        }
        #expect(found == expected)
        #expect(counted.stored == expected.count)
        #expect(counted.stored + counted.duplicate == sent)
        #expect(try chunks(store) >= 3)
    }

    /// What a failed commit took in is out again, and the same unit can be stored afterwards.
    @Test func aFailedCommitLeavesNoTrace() throws {
        let (store, writer) = try open()
        var gateway = assembly.makeGateway()
        func packet(_ minute: Int) -> PacketBatch {
            Fixtures.batch([
                Fixtures.packet(
                    "v",
                    at: Fixtures.start + .minutes(Int64(minute)),
                    ["Vehicle.Speed": 1]
                )
            ])
        }
        _ = try writer.commit(gateway.step(.packets(packet(0)), now: Fixtures.start))
        let unit = gateway.step(.packets(packet(1)), now: Fixtures.start + .minutes(1))
        try store.pool.write { try $0.execute(sql: "ALTER TABLE journal RENAME TO hidden") }
        #expect(throws: StoreError.self) { try writer.commit(unit) }
        try store.pool.write { try $0.execute(sql: "ALTER TABLE hidden RENAME TO journal") }
        let vehicle = VehicleID(index: 0)
        #expect(store.open.withLock { $0.readings(of: vehicle).count } == 1)
        #expect(try writer.commit(unit).stored == 1)
        #expect(try writer.commit(unit).duplicate == 1)
    }

    /// Looks at the moment before a transaction goes to the disk whether readers have to wait.
    private final class Watcher: TransactionObserver, Sendable {
        private let store: GatewayStore
        let looks = Mutex<[Bool]>([])

        init(_ store: GatewayStore) {
            self.store = store
        }

        func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
        func databaseDidChange(with event: DatabaseEvent) {}
        func databaseDidCommit(_ database: Database) {}
        func databaseDidRollback(_ database: Database) {}

        func databaseWillCommit() {
            let isFree = store.open.withLockIfAvailable { _ in true } ?? false
            looks.withLock { $0.append(isFree) }
        }
    }

    /// Whoever looks at a chart does not wait for the disk together with the writer.
    @Test func readersDoNotWaitForACommit() throws {
        let (store, writer) = try open()
        var gateway = assembly.makeGateway()
        let watcher = Watcher(store)
        store.pool.add(transactionObserver: watcher)
        let batch = Fixtures.batch([
            Fixtures.packet("v", at: Fixtures.start, ["Vehicle.Speed": 1])
        ])
        let unit = gateway.step(.packets(batch), now: Fixtures.start)
        #expect(try writer.commit(unit).stored == 1)
        #expect(watcher.looks.withLock { $0 } == [true])
    }

    /// The journal does not grow for ever behind a vehicle that has fallen silent.
    @Test func aSilentVehicleDoesNotHoldTheJournal() throws {
        let (store, writer) = try open()
        var gateway = assembly.makeGateway()
        var wanted: [VehicleID] = []
        for step in 0..<3_000 {
            let time = Fixtures.start + .minutes(Int64(step))
            let name = step == 0 ? "silent" : "loud"
            let batch = Fixtures.batch([
                Fixtures.packet(name, at: time, ["Vehicle.Speed": Double(step % 90)])
            ])
            let receipt = try writer.commit(
                gateway.step(.packets(batch), now: time, checkpointing: wanted)
            )
            wanted = receipt.wanted
        }
        // The loud one was sealed three times; the rows since are all that must be kept, and the
        // silent one's first row.
        #expect(try chunks(store) >= 2)
        let before = try store.pool.read {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM journal")
        }
        #expect(before == 3_000)
        let unit = gateway.step(
            .tick,
            now: gateway.now,
            checkpointing: [VehicleID(index: 0), VehicleID(index: 1)]
        )
        store.open.withLock { $0.want([VehicleID(index: 0), VehicleID(index: 1)]) }
        _ = try writer.commit(unit)
        let batch = Fixtures.batch([
            Fixtures.packet("loud", at: gateway.now + .minutes(1), ["Vehicle.Speed": 1])
        ])
        _ = try writer.commit(
            gateway.step(.packets(batch), now: gateway.now + .minutes(1))
        )
        let after = try store.pool.read {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM journal")
        }
        #expect(after == 1)
    }

    /// A row that seals one vehicle may be kept for another's sake, when the first one's are gone.
    @Test func aSealWithoutItsReadingsIsTakenUpAgain() throws {
        var (store, writer) = try open()
        var gateway = assembly.makeGateway()
        func packet(_ name: String, _ minute: Int64) -> PacketBatch {
            Fixtures.batch([
                Fixtures.packet(name, at: Fixtures.start + .minutes(minute), ["Vehicle.Speed": 1])
            ])
        }
        _ = try writer.commit(gateway.step(.packets(packet("a", 0)), now: Fixtures.start))
        store.open.withLock { $0.want([VehicleID(index: 0)]) }
        let unit = gateway.step(
            .packets(packet("b", 1)),
            now: Fixtures.start + .minutes(1),
            checkpointing: [VehicleID(index: 0)]
        )
        _ = try writer.commit(unit)
        let last = gateway.step(.packets(packet("b", 2)), now: Fixtures.start + .minutes(2))
        _ = try writer.commit(last)
        try store.close()
        (store, writer) = try open()
        try writer.reopen()
        var rows: [Int64] = []
        _ = try writer.recall(after: 0) { rows.append($0.row) }
        #expect(rows == [2, 3])
        var count = 0
        try writer.export { _ in count += 1 }
        #expect(count == 3)
    }

    // MARK: Growing old

    /// Raw readings become hours, hours become days, days go; what is young stays as it came.
    @Test func oldReadingsBecomeHoursAndDays() async throws {
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations,
            retention: RetentionPolicy(
                raw: .days(Int64(20)),
                hourly: .days(Int64(60)),
                daily: .days(Int64(90))
            )
        )
        var gateway = assembly.makeGateway()
        var wanted: [VehicleID] = []
        // Four readings an hour for 100 days: 1, 2, 3, 4.
        for step in 0..<(100 * 96) {
            let time = Fixtures.start + .minutes(Int64(step * 15))
            let packet = Fixtures.packet("v", at: time, ["Vehicle.Speed": Double(step % 4 + 1)])
            let unit = gateway.step(
                .packets(Fixtures.batch([packet])),
                now: time,
                checkpointing: wanted
            )
            wanted = try writer.commit(unit).wanted
        }
        let now = Fixtures.start + .days(Int64(100))
        var steps = 0
        while try writer.makeRoom(now: now) { steps += 1 }
        #expect(steps >= 2)
        let reads = ReadStore(store)
        let vehicle = try #require(try await reads.vehicle(named: "v")).id
        let hours = try await reads.aggregates(
            of: vehicle,
            path: "Vehicle.Speed",
            resolution: .hour,
            from: Fixtures.start,
            to: now
        )
        // The first hour may be cut by the chunk that has become days.
        let whole = hours.dropFirst()
        #expect(whole.allSatisfy { $0.count == 4 && $0.minimum == 1 && $0.maximum == 4 })
        #expect(whole.allSatisfy { $0.mean == 2.5 })
        // A chunk leaves as a whole once its last reading is old: up to ten days later here.
        #expect((60 * 24...71 * 24).contains(hours.count), "\(hours.count)")
        let days = try await reads.aggregates(
            of: vehicle,
            path: "Vehicle.Speed",
            resolution: .day,
            from: Fixtures.start,
            to: now
        )
        #expect((70...100).contains(days.count), "\(days.count)")
        let wrong = days.dropFirst().dropLast().filter { $0.count != 96 || $0.mean != 2.5 }
        #expect(wrong.isEmpty, "\(wrong)")
        let raw = try await reads.readings(
            of: vehicle,
            path: "Vehicle.Speed",
            companion: nil,
            from: Fixtures.start,
            to: now,
            limit: 100_000
        )
        #expect(raw.count < 31 * 96 && raw.count >= 20 * 96)
        #expect(raw.allSatisfy { $0.at >= Fixtures.start + .days(Int64(69)) })
    }

    /// What was summed up is not added again; what comes late for the first time still counts.
    @Test func aReadingThatWasSummedUpIsNotCountedTwice() async throws {
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations,
            retention: RetentionPolicy(raw: .days(Int64(20)), hourly: .days(Int64(60)), daily: nil)
        )
        var gateway = assembly.makeGateway()
        let vehicle = VehicleID(index: 0)
        func send(
            _ minutes: [Int64],
            _ path: String,
            on day: Int64,
            seal: Bool = false
        ) throws -> CommitReceipt {
            let now = Fixtures.start + .days(day)
            var batch = PacketBatch()
            for minute in minutes {
                let time = Fixtures.start + .minutes(minute)
                let packet = Fixtures.packet("v", at: time, [path: Double(minute % 97)])
                batch.append(
                    topic: packet.topic.utf8,
                    payload: packet.payload.utf8,
                    receivedAt: now
                )
            }
            let receipt = try writer.commit(gateway.step(.packets(batch), now: now))
            if seal {
                store.open.withLock { $0.want([vehicle]) }
                _ = try writer.commit(gateway.step(.tick, now: now, checkpointing: [vehicle]))
            }
            return receipt
        }
        func grow(to day: Int64) throws {
            while try writer.makeRoom(now: Fixtures.start + .days(day)) {}
        }
        func hours() async throws -> [Int] {
            try await ReadStore(store).aggregates(
                of: vehicle,
                path: "Vehicle.Speed",
                resolution: .hour,
                from: Fixtures.start,
                to: Fixtures.start + .days(Int64(1))
            ).map(\.count)
        }
        let sent: [Int64] = [10, 20, 70, 200]
        #expect(try send(sent, "Vehicle.Speed", on: 1, seal: true).stored == 4)
        try grow(to: 30)
        #expect(try await hours() == [2, 1, 1])
        // The same again, and one of the first hour that may be one of them.
        let again = try send(sent + [15], "Vehicle.Speed", on: 30, seal: true)
        #expect((again.stored, again.duplicate, again.tooLate) == (0, 0, 5))
        // Of an hour without any, before and behind the others, and of another signal: new.
        let late = try send([130, 500], "Vehicle.Speed", on: 30)
        #expect((late.stored, late.tooLate) == (2, 0))
        let other = try send([10], "Vehicle.TraveledDistance", on: 30, seal: true)
        #expect((other.stored, other.tooLate) == (1, 0))
        try grow(to: 40)
        #expect(try await hours() == [2, 1, 1, 1, 1])
        #expect(try send([130, 500], "Vehicle.Speed", on: 40).tooLate == 2)
        // By the day it is the same, also after a restart.
        try grow(to: 100)
        #expect(try send(sent, "Vehicle.Speed", on: 100).tooLate == 4)
        let next = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        let batch = Fixtures.batch([
            Fixtures.packet("v", at: Fixtures.start + .minutes(10), ["Vehicle.Speed": 10])
        ])
        let unit = gateway.step(.packets(batch), now: Fixtures.start + .days(Int64(101)))
        #expect(try next.commit(unit).tooLate == 1)
    }
}
