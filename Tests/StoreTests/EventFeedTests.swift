import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

@testable import Store

/// What programs are told from: registrations, and the place of MQTT in the history.
struct EventFeedTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    @Test func aWebhookOfAnOlderStoreKeepsItsForm() async throws {
        let path = folder.path("old.sqlite")
        let queue = try DatabaseQueue(path: path)
        try Migrations.migrator.migrate(queue, upTo: "035-troubles")
        try await queue.write {
            try $0.execute(
                sql: """
                    INSERT INTO webhook (url, secret, events, stations, created_ms, created_by,
                        delivered, next_ms)
                    VALUES ('https://example.org/x', x'01', 'alert.*', '', 1, 'ann', 7, 0)
                    """
            )
        }
        try queue.close()
        let desk = Desk(try GatewayStore(path: path, durability: .full))
        let old = try #require(try await desk.webhooks().first)
        #expect(old.format == .gateway && old.delivered == 7)
        func add(_ format: EventFormat) async throws -> Int64? {
            try await desk.addWebhook(
                url: old.url,
                secret: Data([2]),
                events: old.events,
                stations: [],
                format: format,
                by: Actor("ann"),
                at: Fixtures.start
            )
        }
        #expect(try await add(.gateway) == nil)
        let other = try #require(try await add(.cloudEvents))
        #expect(try await desk.webhooks().first { $0.id == other }?.format == .cloudEvents)
    }

    @Test func aFeedBeginsAtTheEndGoesOnAndForgets() async throws {
        let assembly = try Fixtures.assembly()
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .full)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var gateway = assembly.makeGateway()
        func overdue(_ vehicle: String, at time: Timestamp) throws {
            let packet = Fixtures.overdue(vehicle, at: time)
            for unit in [
                gateway.step(.packets(Fixtures.batch([packet])), now: time),
                gateway.step(.tick, now: time + .minutes(3)),
            ] { _ = try writer.commit(unit) }
        }
        try overdue("v1", at: Fixtures.start + .hours(1))
        let desk = Desk(store)
        let reads = ReadStore(store)
        let begin = try await desk.eventFeedPlace()
        #expect(begin > 0)
        try overdue("v2", at: Fixtures.start + .hours(2))
        #expect(try await desk.eventFeedPlace() == begin)

        let (rows, upTo) = try await reads.vehicleAudit(after: begin, limit: 100)
        #expect(Set(rows.map(\.vehicle)) == ["v2"])
        #expect(Set(rows.map(\.row.machine)).isSuperset(of: ["alert", "suggestion"]))
        #expect(rows.map(\.row.id) == rows.map(\.row.id).sorted())
        let few = try await reads.vehicleAudit(after: begin, limit: 1)
        #expect(few.upTo == begin + 1)

        try await desk.noteFed(upTo: upTo)
        try await desk.noteFed(upTo: begin)
        #expect(try await desk.eventFeedPlace() == upTo)
        #expect(try await reads.vehicleAudit(after: upTo, limit: 100).rows.isEmpty)
        // Turned off and on again: from then on.
        try await desk.endEventFeed()
        try overdue("v3", at: Fixtures.start + .hours(3))
        #expect(try await desk.eventFeedPlace() > upTo)
    }
}
