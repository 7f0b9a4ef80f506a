import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

@testable import Store

/// What programs are told from: registrations.
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
}
