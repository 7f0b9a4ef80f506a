import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing
import Workshop

@testable import Store

/// The history of who changed what: complete, append-only, and a chain that shows tampering.
struct AuditTests {
    private let folder: ScratchFolder
    private let store: GatewayStore

    /// A store in which a leak became a suggestion, which `ann` booked.
    init() throws {
        folder = try ScratchFolder()
        let assembly = try Fixtures.assembly()
        store = try GatewayStore(path: folder.path("a.sqlite"), durability: .full)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var gateway = assembly.makeGateway()
        for packet in Fixtures.leak("v1", perDay: 3, days: 13) {
            _ = try writer.commit(
                gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            )
        }
        let state = try Restorer.load(store, stations: assembly.stations)
        let suggestion = try #require(state.suggestions.first)
        let unit = gateway.step(
            .command(
                .suggestion(
                    suggestion.id,
                    version: suggestion.version,
                    .book(.held),
                    by: Actor("ann", .advisor, request: "r-17")
                )
            ),
            now: gateway.now
        )
        _ = try writer.commit(unit)
    }

    /// Changes the file as somebody would who has it in hands.
    private func tamper(_ sql: String) throws {
        try store.pool.write { database in
            for trigger in ["no_update", "erase_only", "no_delete"] {
                try database.execute(sql: "DROP TRIGGER transition_\(trigger)")
            }
            try database.execute(sql: sql)
        }
    }

    @Test func everyStepSaysWhoWhenWhyAndWhatChanged() throws {
        let row = try #require(
            try store.pool.read {
                try Row.fetchOne($0, sql: "SELECT * FROM transition WHERE event = 'accepted'")
            }
        )
        let said = ["actor", "role", "request", "from_state", "to_state"].map { row[$0] as String }
        #expect(said == ["ann", "advisor", "r-17", "claimed", "booked"])
        let changes: String = row["changes"]
        #expect(changes.contains("\"field\":\"appointment\""))
        #expect(changes.contains("\"after\":\"ann\""))
        #expect(try store.verifyAudit().broken == nil)
    }

    /// The handwritten JSON equals the encoder's output; a difference would break the hash chain.
    @Test(arguments: [
        "", "2026-03-01T00:00:00Z", "a/b", "say \"no\"", "a\\b", "\u{7}\n", "换轮胎", "\u{7f}",
    ])
    func changesAreWordedAsAnEncoderWouldWordThem(text: String) throws {
        let changes = [
            FieldChange(field: "note", before: text, after: "plain"),
            FieldChange(field: "slot_start", before: "", after: text),
        ]
        #expect(try AuditChain.text(changes) == AuditChain.encoded(changes))
        #expect(try AuditChain.text([]) == "")
    }

    @Test(arguments: [
        "UPDATE transition SET actor = 'eve' WHERE id = 2",
        "UPDATE transition SET reason = 'x' WHERE id = 2",
        "UPDATE transition SET at_ms = at_ms + 1 WHERE id = 2",
        "UPDATE transition SET changes = '' , reason = 'said otherwise' WHERE id = 2",
        "DELETE FROM transition WHERE id = 2",
        "UPDATE transition SET to_state = 'open', hash = zeroblob(32) WHERE id = 2",
    ])
    func tamperingIsFoundAtItsRow(sql: String) throws {
        try tamper(sql)
        #expect(try store.verifyAudit().broken?.row == 2)
    }

    @Test func erasedWordsKeepTheChain() throws {
        try store.pool.write {
            try $0.execute(
                sql: "UPDATE transition SET reason = '', changes = '' WHERE event = 'accepted'"
            )
        }
        let report = try store.verifyAudit()
        #expect(report.broken == nil && report.erased == 1)
        #expect(throws: DatabaseError.self) {
            try store.pool.write { try $0.execute(sql: "UPDATE transition SET reason = 'x'") }
        }
    }

    @Test func aHistoryCutShortNoLongerHasItsHead() throws {
        let head = try store.verifyAudit().head
        #expect(try !store.verifyAudit(containing: head).isHeadMissing)
        try tamper("DELETE FROM transition WHERE id = (SELECT max(id) FROM transition)")
        let report = try store.verifyAudit(containing: head)
        #expect(report.broken == nil && report.isHeadMissing)
    }

    @Test func theCommandSaysTheFirstBrokenRow() throws {
        try tamper("UPDATE transition SET actor = 'eve' WHERE id = 3")
        try store.close()
        let check = try AuditCheck(configPath: Repository.config, storePath: store.path, head: nil)
        #expect(!check.isInOrder && check.text.hasPrefix("broken at row 3: "))
    }

    /// A store of before the chain: its history is taken in, its bookings become visits.
    @Test func anOlderStoreIsTakenOver() throws {
        let path = folder.path("old.sqlite")
        let queue = try DatabaseQueue(path: path)
        try Migrations.migrator.migrate(queue, upTo: "004-aggregates")
        try queue.write { database in
            try database.execute(
                sql: """
                    INSERT INTO core_time VALUES (1, 1000);
                    INSERT INTO vehicle (id, name, first_seen_ms) VALUES (0, 'v', 0);
                    INSERT INTO suggestion VALUES (4, 2, 0, 'su-zhou-1', 'booked', 2, 9, 9, 60,
                        'service', 'normal', 1, 2, 7, NULL, NULL, '');
                    INSERT INTO occupancy VALUES
                        (7, 'su-zhou-1-1', 5, 6, 'appointment', 4, NULL);
                    INSERT INTO alert (id, vehicle_id, rule_id, rule_version, component, state,
                        raised_ms, updated_ms, consequence, jobs, flap_count, suggestion_id,
                        sentence_zh, sentence_en, limit_value, is_limit_assumed, level,
                        slope_per_day, first_ms, first_value, newest_ms, newest_value, readings,
                        is_crossed)
                    VALUES (1, 0, 'r', 1, 'c', 'planned', 1, 1, 'wear', 'service', 0, 4, '', '',
                        0, 0, 0, 0, 0, 0, 0, 0, 1, 1);
                    INSERT INTO suggestion_alert VALUES (4, 1);
                    INSERT INTO transition VALUES
                        (1, 'suggestion', 4, 'claimed', 'accepted', 'booked', 'ann', 2, '');
                    """
            )
        }
        try queue.close()
        let taken = try GatewayStore(path: path, durability: .full)
        #expect(try taken.verifyAudit().rows == 1)
        let stations = try Fixtures.assembly().stations
        let state = try Restorer.load(taken, stations: stations)
        let visit = try #require(state.appointments.first)
        #expect(visit.state == .confirmed && visit.suggestion == SuggestionID(rawValue: 4))
        #expect(visit.alerts == [AlertID(rawValue: 1)] && visit.occupancy != nil)
    }
}
