import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing
import Workshop

@testable import Store

/// What a unit of many steps leaves in the store.
struct UnitRowsTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    private func open(
        _ name: String,
        _ content: GatewayStore.Content = .everything
    ) throws -> (GatewayStore, Writer) {
        let store = try GatewayStore(
            path: folder.path(name),
            durability: .scratch,
            content: content
        )
        return (
            store,
            try Writer(store: store, catalogue: assembly.catalogue, stations: assembly.stations)
        )
    }

    /// A tyre that leaks until its visit is planned, and a service that then rides along.
    private func units() -> [CommitUnit] {
        var gateway = assembly.makeGateway()
        let leak = Fixtures.leak("v1", perDay: 3, days: 13)
        let end = leak.map(\.receivedAt).max() ?? Fixtures.start
        let service = Fixtures.overdue("v1", at: end + .minutes(15))
        let units = (leak + [service]).map { packet in
            gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
        }
        return units + [gateway.finish()]
    }

    private func joined(_ units: [CommitUnit]) -> CommitUnit {
        var whole = CommitUnit()
        for unit in units {
            whole.readings += unit.readings
            whole.marks += unit.marks
            whole.vehicles += unit.vehicles
            whole.checkpoints += unit.checkpoints
            whole.alerts += unit.alerts
            whole.suggestions += unit.suggestions
            whole.transitions += unit.transitions
            whole.occupancies.removeAll {
                unit.releasedOccupancies.contains($0.occupancy.id)
            }
            whole.occupancies += unit.occupancies
            whole.now = unit.now
        }
        return whole
    }

    private func rows(_ store: GatewayStore) throws -> [String] {
        let tables = [
            "vehicle", "alert", "suggestion", "suggestion_alert", "suggestion_offer",
            "occupancy", "transition",
        ]
        return try store.pool.read { database in
            try tables.flatMap { table in
                try Row.fetchAll(database, sql: "SELECT * FROM \(table)").map { "\(table) \($0)" }
                    .sorted()
            }
        }
    }

    /// Only the version that the unit leaves is written, and every transition.
    @Test func severalVersionsInAUnitLeaveTheRowsOfTheLast() throws {
        let units = units()
        let whole = joined(units)
        #expect(Set(whole.suggestions.map(\.id)).count == 1)
        #expect(Set(whole.suggestions.map(\.alerts)).count > 1)
        #expect(Set(whole.suggestions.map { $0.offers.map(\.slot.interval.start) }).count > 1)
        let (one, oneWriter) = try open("one.sqlite")
        _ = try oneWriter.commit(whole)
        let (many, manyWriter) = try open("many.sqlite")
        for unit in units { _ = try manyWriter.commit(unit) }
        #expect(try rows(one) == rows(many))
        #expect(try rows(one).count { $0.hasPrefix("suggestion [") } == 1)
        #expect(try one.verifyAudit().rows == whole.transitions.count)
    }

    /// Nothing else is read of a replay's store that is not kept: repeats are told all the same.
    @Test func aStoreOfReadingsKeepsChunksAlone() throws {
        let units = units()
        let (store, writer) = try open("a.sqlite", .readings)
        for unit in units { _ = try writer.commit(unit) }
        let first = units[0].readings[0].vehicle
        var seal = CommitUnit()
        seal.checkpoints = [(first, [])]
        store.open.withLock { $0.want([first]) }
        _ = try writer.commit(seal)
        #expect(try rows(store).isEmpty)
        let counts = try store.pool.read { database in
            try ["chunk", "journal", "checkpoint"].map {
                try Int.fetchOne(database, sql: "SELECT count(*) FROM \($0)")
            }
        }
        #expect(counts == [1, 0, 0])
        var again = CommitUnit()
        again.readings = units.flatMap(\.readings)
        #expect(try writer.commit(again).duplicate == again.readings.count)
    }

    // MARK: Dead letters

    /// A device that sends the same nonsense every minute fills no page.
    @Test func equalDeadLettersAreOneWithACount() async throws {
        let (store, writer) = try open("letters.sqlite")
        var gateway = assembly.makeGateway()
        func send(_ payload: String, _ minutes: Int64) throws {
            let now = Fixtures.start + .minutes(minutes)
            let packet = ("teslamate/cars/1/odometer", payload, now)
            _ = try writer.commit(gateway.step(.packets(Fixtures.batch([packet])), now: now))
        }
        for minute in 0..<5 { try send("XXX", Int64(minute)) }
        try send("YYY", 5)
        try send("XXX", 6)
        let reads = ReadStore(store)
        let letters = try await reads.deadLetters(limit: 10)
        #expect(letters.map(\.count) == [1, 6])
        let letter = try #require(letters.last)
        #expect(letter.receivedAt == Fixtures.start)
        #expect(letter.lastReceivedAt == Fixtures.start + .minutes(6))
        // Between the first and the last the value stayed: both come in again, as one letter.
        let again = gateway.step(
            .command(.reingest(letter.packets)),
            now: Fixtures.start + .minutes(7)
        )
        #expect(again.answer == .success(.deadLetters(removed: 1, accepted: 0, rejected: 2)))
        _ = try writer.commit(again)
        #expect(try await reads.deadLetters(limit: 10).map(\.count) == [2, 1])
    }
}
