import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Rules
import Support
import Telemetry
import Testing
import Workshop

@testable import Store

struct StoreTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    private func open(_ name: String = "a.sqlite") throws -> (GatewayStore, Writer) {
        let store = try GatewayStore(path: folder.path(name), durability: .full)
        return (
            store,
            try Writer(store: store, catalogue: assembly.catalogue, stations: assembly.stations)
        )
    }

    /// A gateway whose every unit goes to the writer.
    private func run(
        _ packets: [(topic: String, payload: String, receivedAt: Timestamp)],
        _ writer: Writer
    ) throws -> Gateway {
        var gateway = assembly.makeGateway()
        for packet in packets {
            _ = try writer.commit(
                gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            )
        }
        _ = try writer.commit(gateway.finish())
        return gateway
    }

    /// What a new process makes of the file.
    private func restart(
        _ store: GatewayStore,
        now: Timestamp
    ) throws -> (gateway: Gateway, writer: Writer) {
        try store.close()
        let (again, writer) = try open(URL(fileURLWithPath: store.path).lastPathComponent)
        var (gateway, recall) = try assembly.start(again, writer, now: now)
        while try recall.step(&gateway) {}
        #expect(recall.unreadableCount == 0)
        return (gateway, writer)
    }

    private func count(_ writer: Writer) throws -> Int {
        var count = 0
        try writer.export { _ in count += 1 }
        return count
    }

    @Test func aSecondGatewayOnTheFileIsRefusedAndSaysWhy() throws {
        let (store, _) = try open()
        let text = #expect(throws: StoreError.self) { try open() }.map { "\($0)" } ?? ""
        #expect(text.contains("another gateway (process"))
        #expect(text.contains("store.path"))
        try store.close()
    }

    /// What is copied after the end is the whole store.
    @Test func aClosedStoreIsOneFile() async throws {
        let (store, writer) = try open()
        _ = try run(Fixtures.leak("v1", perDay: 3, days: 1), writer)
        // A reader's connection must not outlive the writer's, which alone moves the log.
        _ = try await ReadStore(store).deadLetters(limit: 1)
        try store.close()
        let folder = URL(fileURLWithPath: store.path).deletingLastPathComponent().path
        let name = URL(fileURLWithPath: store.path).lastPathComponent
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(files.filter { $0.hasPrefix(name) && !$0.hasSuffix(".lock") } == [name])
    }

    /// An acknowledgement means durable only when a commit waits for the disk.
    @Test func aCommitWaitsForTheDisk() throws {
        let (store, writer) = try open()
        _ = try run(Fixtures.leak("v1", perDay: 3, days: 1), writer)
        #expect(try store.synchronousLevel() == 2)
    }

    @Test func aRepeatedReadingIsCountedOnce() throws {
        let (_, writer) = try open()
        var gateway = assembly.makeGateway()
        let packet = Fixtures.packet("v1", at: Fixtures.start, ["Vehicle.Speed": 3])
        let first = try writer.commit(
            gateway.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)
        )
        let second = try writer.commit(
            gateway.step(.packets(Fixtures.batch([packet, packet])), now: Fixtures.start)
        )
        #expect(first == CommitReceipt(stored: 1, duplicate: 0))
        #expect(second == CommitReceipt(stored: 0, duplicate: 2))
    }

    @Test func whatWasStoredComesBackAsItWas() throws {
        let (store, writer) = try open()
        var gateway = try run(Fixtures.leak("v1", perDay: 3, days: 13), writer)
        let state = try Restorer.load(store, stations: assembly.stations)
        #expect(state.vehicles.map(\.name) == ["v1"])
        #expect(state.alerts.count == 1 && state.suggestions.count == 1)
        var restored = try restart(store, now: gateway.now).gateway
        // The same next inputs give the same next units.
        let more = Fixtures.leak(
            "v1",
            from: 201,
            perDay: 3,
            days: 3,
            start: Fixtures.start + .days(Int64(13))
        )
        for packet in more {
            let batch = Fixtures.batch([packet])
            let expected = gateway.step(.packets(batch), now: packet.receivedAt)
            let actual = restored.step(.packets(batch), now: packet.receivedAt)
            #expect(actual.alerts == expected.alerts)
            #expect(actual.suggestions == expected.suggestions)
            #expect(actual.transitions == expected.transitions)
        }
        let all = [VehicleID(index: 0)]
        let expected = gateway.step(.tick, now: gateway.now, checkpointing: all).checkpoints
        let actual = restored.step(.tick, now: gateway.now, checkpointing: all).checkpoints
        #expect(actual.map(\.bytes) == expected.map(\.bytes))
        #expect(restored.confirmations == gateway.confirmations)
    }

    @Test func aBookedVisitIsStillInTheCalendarAfterARestart() throws {
        let (store, writer) = try open()
        var gateway = try run(Fixtures.leak("v1", perDay: 3, days: 13), writer)
        let loaded = try Restorer.load(store, stations: assembly.stations)
        let suggestion = try #require(loaded.suggestions.first)
        let unit = gateway.step(
            .command(
                .suggestion(
                    suggestion.id,
                    version: suggestion.version,
                    .book(.held),
                    by: Actor("a")
                )
            ),
            now: gateway.now
        )
        _ = try writer.commit(unit)
        let restored = try restart(store, now: gateway.now).gateway
        let taken = restored.calendars.flatMap { $0.bays.flatMap { $0 } }
        #expect(taken.map(\.kind) == [.appointment])
        #expect(taken.map(\.slot) == [suggestion.occupancy?.slot])
    }

    // MARK: What the schema itself refuses

    private func occupy(
        _ store: GatewayStore,
        _ id: Int,
        _ bay: String,
        _ start: Int,
        _ end: Int
    ) throws {
        try store.pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO occupancy
                        (id, bay_code, start_ms, end_ms, kind, appointment_id)
                    VALUES (?, ?, ?, ?, 'appointment', 1)
                    """,
                arguments: [id, bay, start, end]
            )
        }
    }

    @Test func theSchemaRefusesEveryOverlap() throws {
        let (store, _) = try open()
        try occupy(store, 1, "b1", 100, 200)
        for (start, end) in [(100, 200), (50, 101), (199, 300), (120, 130), (0, 1_000)] {
            #expect(throws: DatabaseError.self) { try occupy(store, 2, "b1", start, end) }
        }
        try occupy(store, 2, "b1", 200, 300)
        try occupy(store, 3, "b1", 50, 100)
        try occupy(store, 4, "b2", 100, 200)
        #expect(throws: DatabaseError.self) {
            try store.pool.write {
                try $0.execute(sql: "UPDATE occupancy SET start_ms = 150 WHERE id = 2")
            }
        }
    }

    @Test func theSchemaKeepsOneLiveAlertAndOneLiveSuggestion() throws {
        let (store, writer) = try open()
        _ = try run(Fixtures.leak("v1", perDay: 3, days: 13), writer)
        for table in ["alert", "suggestion"] {
            #expect(throws: DatabaseError.self, "\(table)") {
                try store.pool.write { database in
                    let columns = try database.columns(in: table).map(\.name)
                        .filter { $0 != "id" }.joined(separator: ", ")
                    try database.execute(
                        sql: "INSERT INTO \(table) (\(columns)) SELECT \(columns) FROM \(table)"
                    )
                }
            }
        }
    }

    @Test func theHistoryCannotBeChanged() throws {
        let (store, writer) = try open()
        _ = try run(Fixtures.leak("v1", perDay: 3, days: 13), writer)
        for sql in ["UPDATE transition SET actor = 'x'", "DELETE FROM transition"] {
            #expect(throws: DatabaseError.self) {
                try store.pool.write { try $0.execute(sql: sql) }
            }
        }
    }

    /// A unit that fails half-way leaves nothing of itself behind.
    @Test func aCommitIsAllOrNothing() throws {
        let (store, writer) = try open()
        var gateway = assembly.makeGateway()
        var unit = CommitUnit()
        for packet in Fixtures.leak("v1", perDay: 3, days: 13) {
            unit = gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            guard unit.occupancies.isEmpty else { break }
            _ = try writer.commit(unit)
        }
        let row = try #require(unit.occupancies.first)
        let interval = row.occupancy.slot.interval
        try occupy(
            store,
            999,
            row.bayCode,
            Int(interval.start.milliseconds),
            Int(interval.end.milliseconds)
        )
        let before = try count(writer)
        #expect(throws: StoreError.self) { try writer.commit(unit) }
        #expect(try count(writer) == before)
        try store.pool.write { try $0.execute(sql: "DELETE FROM occupancy WHERE id = 999") }
        // The same unit again, once the cause is gone.
        #expect(try writer.commit(unit).stored == unit.readings.count)
    }

    // MARK: Reading

    @Test func theInboxPagesByUrgencyAndDeadline() async throws {
        let (store, writer) = try open()
        var packets: [(topic: String, payload: String, receivedAt: Timestamp)] = []
        for index in 0..<12 {
            packets.append(
                Fixtures.overdue(
                    "v\(index)",
                    at: Fixtures.start + .hours(Int64(index)),
                    kilometres: 1
                )
            )
        }
        _ = try run(packets, writer)
        let reads = ReadStore(store)
        var seen: [Int64] = []
        var cursor: (urgency: Int, latestBy: Int64, id: Int64)?
        while true {
            let page = try await reads.suggestions(
                SuggestionFilter(states: [.proposed]),
                after: cursor,
                limit: 5
            )
            guard let last = page.last else { break }
            seen += page.map(\.id)
            cursor = (last.urgency.rawValue, last.latestBy.milliseconds, last.id)
        }
        #expect(seen.count == 12 && Set(seen).count == 12)
        let all = try await reads.suggestions(
            SuggestionFilter(states: [.proposed]),
            after: nil,
            limit: 200
        )
        #expect(all.map(\.id) == seen)
        let keys = all.map { ($0.urgency.rawValue, $0.latestBy.milliseconds) }
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 <= $1 })
    }

    /// No page query walks a whole table.
    @Test func theInboxUsesItsIndex() throws {
        let (store, _) = try open()
        let plan = try store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    EXPLAIN QUERY PLAN SELECT * FROM suggestion s
                    WHERE s.state IN ('proposed') ORDER BY s.urgency, s.latest_by_ms, s.id LIMIT 51
                    """
            ).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains("suggestion_inbox") }, "\(plan)")
    }
}
