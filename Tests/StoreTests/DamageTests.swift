import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

@testable import Store

/// Rows that a disk has spoilt: set aside and counted, and everything else goes on.
struct DamageTests {
    private let folder: ScratchFolder
    private let assembly: Assembly
    private let vehicle = VehicleID(index: 0)

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    /// A store and its gateway; `days` of readings twice an hour, each day in a chunk of its own.
    private final class House {
        let store: GatewayStore
        let writer: Writer
        var gateway: Gateway

        init(_ folder: ScratchFolder, _ assembly: Assembly) throws {
            store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
            writer = try Writer(
                store: store,
                catalogue: assembly.catalogue,
                stations: assembly.stations,
                retention: RetentionPolicy(
                    raw: .days(Int64(90)),
                    hourly: .days(Int64(180)),
                    daily: nil
                )
            )
            gateway = assembly.makeGateway()
        }

        func send(_ name: String = "v", minute: Int64, seal: Bool = false) throws -> CommitReceipt {
            let now = Fixtures.start + .minutes(minute)
            let packet = Fixtures.packet(name, at: now, ["Vehicle.Speed": Double(minute % 97)])
            let receipt = try writer.commit(
                gateway.step(.packets(Fixtures.batch([packet])), now: now)
            )
            if seal { try self.seal() }
            return receipt
        }

        func start(_ assembly: Assembly) throws {
            var recall: Recall
            (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
            while try recall.step(&gateway) {}
        }

        func seal() throws {
            let vehicle = VehicleID(index: 0)
            store.open.withLock { $0.want([vehicle]) }
            _ = try writer.commit(
                gateway.step(.tick, now: gateway.now, checkpointing: [vehicle])
            )
        }

        func spoil(_ table: String, _ place: String) throws {
            try store.pool.write { database in
                let row = try #require(
                    try Row.fetchOne(
                        database,
                        sql: "SELECT id, body FROM \(table) ORDER BY id LIMIT 1 OFFSET \(place)"
                    )
                )
                var body = row["body"] as Data
                body[body.count / 2] ^= 0x10
                try database.execute(
                    sql: "UPDATE \(table) SET body = ? WHERE id = ?",
                    arguments: [body, row["id"] as Int64]
                )
            }
        }

        func minutes() throws -> [Int64] {
            try store.pool.read { try store.readings($0, of: VehicleID(index: 0)) }
                .map { ($0.observedAt - Fixtures.start).rawValue / 60_000 }
        }
    }

    /// Each in a chunk of its own: too far apart to be one.
    private let far: [Int64] = [0, 100_000, 200_000]

    @Test func aSpoiltChunkCostsOnlyItself() throws {
        let house = try House(folder, assembly)
        for minute in far { _ = try house.send(minute: minute, seal: true) }
        try house.spoil("chunk", "1")
        #expect(try house.minutes() == [0, 200_000])
        let found = try house.writer.setAsideDamage()
        #expect(found.count == 1 && found.moved.count == 1)
        #expect(found.moved[0].table == .chunk)
        // Once, and the bytes are kept.
        #expect(try house.writer.setAsideDamage() == ([], 1))
        let kept = try house.store.pool.read {
            try Int.fetchOne($0, sql: "SELECT length(body) FROM damaged WHERE source = 'chunk'")
        }
        #expect(kept ?? 0 > 0)
        // What it held may come again.
        #expect(try house.send(minute: 200_001).stored == 1)
        #expect(try house.minutes() == [0, 200_000, 200_001])
    }

    /// Ingest and the growing old of readings meet it first.
    @Test func aSpoiltChunkDoesNotStopTheWriter() throws {
        let house = try House(folder, assembly)
        for minute in far { _ = try house.send(minute: minute, seal: true) }
        try house.spoil("chunk", "2")
        // The next seal would take the last small chunk in.
        #expect(try house.send(minute: 200_010, seal: true).stored == 1)
        #expect(try house.minutes() == [0, 100_000, 200_010])
        try house.spoil("chunk", "0")
        while try house.writer.makeRoom(now: Fixtures.start + .days(Int64(150))) {}
        #expect(try house.minutes() == [100_000, 200_010])
        #expect(try house.writer.setAsideDamage().count == 2)
    }

    @Test func spoiltHoursCostOnlyThemselves() async throws {
        let house = try House(folder, assembly)
        for minute in far { _ = try house.send(minute: minute, seal: true) }
        let now = Fixtures.start + .days(Int64(300))
        while try house.writer.makeRoom(now: Fixtures.start + .days(Int64(290))) {}
        func days() async throws -> Int {
            try await ReadStore(house.store).aggregates(
                of: vehicle,
                path: "Vehicle.Speed",
                resolution: .day,
                from: Fixtures.start,
                to: now
            ).count
        }
        #expect(try await days() == 3)
        try house.spoil("daily", "0")
        try house.spoil("hourly", "0")
        #expect(try await days() == 1)
        #expect(try house.writer.setAsideDamage().count == 2)
        // The place of what was lost is free again; nothing else is counted twice.
        let again = try house.send(minute: far[1])
        #expect((again.stored, again.tooLate) == (0, 1))
    }

    /// A start goes on without the row; what was in it comes again, and nothing is stored twice.
    @Test func aSpoiltJournalRowCostsOnlyItself() throws {
        var house = try House(folder, assembly)
        for minute in 0..<Int64(6) { _ = try house.send("v\(minute % 2)", minute: minute) }
        try house.spoil("journal", "2")
        try house.store.close()
        house = try House(folder, assembly)
        for turn in 0..<2 {
            try house.start(assembly)
            var rows: [Int64] = []
            _ = try house.writer.recall(after: 0) { rows.append($0.row) }
            #expect(rows == [1, 2, 4, 5, 6])
            #expect(try house.minutes() == [0, 4])
            #expect(try house.writer.setAsideDamage().count == 1)
            guard turn == 0 else { break }
            // The gap it leaves does not confuse the next start.
            try house.store.close()
            house = try House(folder, assembly)
        }
        #expect(try house.send("v0", minute: 2).stored == 1)
        #expect(try house.send("v0", minute: 4).duplicate == 1)
    }

    /// The row that said "sealed" is gone, so readings are open and sealed at once for a while.
    @Test func aLostSealDoesNotDoubleAChunk() throws {
        var house = try House(folder, assembly)
        _ = try house.send(minute: 0)
        _ = try house.send("other", minute: 1)
        try house.seal()
        try house.spoil("journal", "2")
        try house.store.close()
        house = try House(folder, assembly)
        try house.start(assembly)
        #expect(try house.minutes() == [0])
        _ = try house.send(minute: 5, seal: true)
        #expect(try house.minutes() == [0, 5])
        let counts = try house.store.pool.read {
            try Int.fetchAll($0, sql: "SELECT count FROM chunk")
        }
        #expect(counts.reduce(0, +) == 2)
    }
}
