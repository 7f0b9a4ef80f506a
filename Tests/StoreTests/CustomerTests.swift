import Access
import Customers
import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

@testable import Store

/// Customers in the store: whose car, what they agreed to, and that erased means erased.
struct CustomerTests {
    private let folder: ScratchFolder
    private let store: GatewayStore
    private let desk: Desk
    private let day = Fixtures.start

    init() throws {
        folder = try ScratchFolder()
        store = try GatewayStore(path: folder.path("a.sqlite"), durability: .full)
        desk = Desk(store)
    }

    private func draft(vehicles: [String], plate: String = "苏E·77777") -> CustomerDraft {
        var draft = CustomerDraft()
        draft.profile.name = "欧阳测试"
        draft.profile.phone = "13987650123"
        draft.profile.note = "终身免费保养"
        draft.vehicles = vehicles.map {
            OwnedVehicle(vehicle: $0, vin: "LSVTEST4182E21234", plate: plate)
        }
        draft.consents = [.service, .app]
        draft.dueItems = [
            DueItem(
                kind: .inspection,
                vehicle: vehicles.first ?? "v0",
                on: CivilDate(iso8601: "2026-12-31"),
                kilometres: nil
            )
        ]
        return draft
    }

    @Test func theSameDraftAgainChangesNothing() async throws {
        let draft = draft(vehicles: ["v1"])
        guard
            case .created(let first) = try await desk.put(
                draft,
                as: "C1",
                version: nil,
                by: Actor("t"),
                at: day
            )
        else { return #expect(Bool(false), "it was there before") }
        #expect(first.version == 1 && first.allows(.service) && !first.allows(.commercial))
        #expect(
            try await desk.put(draft, as: "C1", version: nil, by: Actor("t"), at: day)
                == .unchanged(first)
        )
        var other = draft
        other.profile.phone = "13900000000"
        other.consents = [.app]
        #expect(
            try await desk.put(other, as: "C1", version: nil, by: Actor("t"), at: day)
                == .versionMissing(first)
        )
        #expect(
            try await desk.put(other, as: "C1", version: 7, by: Actor("t"), at: day)
                == .stale(first)
        )
        guard
            case .updated(let second) = try await desk.put(
                other,
                as: "C1",
                version: 1,
                by: Actor("t"),
                at: day + .hours(1)
            )
        else { return #expect(Bool(false), "version 1 was refused") }
        #expect(second.version == 2 && !second.allows(.service))
        // A consent that was taken back keeps its dates.
        #expect(second.consents.first { $0.kind == .service }?.revokedAt == day + .hours(1))
    }

    @Test func aNewOwnerEndsTheOldOnesTimeAtOnce() async throws {
        _ = try await desk.put(
            draft(vehicles: ["v1", "v2"]),
            as: "old",
            version: nil,
            by: Actor("t"),
            at: day
        )
        let later = day + .days(Int64(3))
        var next = CustomerDraft()
        next.vehicles = [OwnedVehicle(vehicle: "v1")]
        _ = try await desk.put(next, as: "new", version: nil, by: Actor("crm"), at: later)
        #expect(try await desk.owner(of: "v1")?.externalID == "new")
        let old = try #require(try await desk.customer("old"))
        #expect(old.vehicles.map(\.vehicle) == ["v2"] && old.version == 2)
        #expect(old.bindings.first { $0.owned.vehicle == "v1" }?.to == later)
        let new = try #require(try await desk.customer("new"))
        let news = try await desk.vehicleNews().map(\.news)
        #expect(news.first { $0.vehicle == "v1" }?.facts.account == new.id)
        #expect(news.first { $0.vehicle == "v2" }?.facts.account == old.id)
        #expect(new.vehicles == [OwnedVehicle(vehicle: "v1")])
    }

    /// A sold car's story is told to each owner for their own time, and erased for it alone.
    @Test func whatIsAnotherOwnersIsNeitherExportedNorErased() async throws {
        let assembly = try Fixtures.assembly()
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var gateway = assembly.makeGateway()
        func feed(_ topic: String, _ payload: String, _ time: Timestamp) throws {
            let batch = Fixtures.batch([(topic, payload, time)])
            _ = try writer.commit(gateway.step(.packets(batch), now: time))
        }
        let sold = day + .days(Int64(10))
        try feed("vehicles/v1/profile", "{\"v\":1,\"plate\":\"苏E·88888\"}", day)
        for (time, level) in [(day, 61), (sold + .days(Int64(1)), 62)] {
            try feed(
                "vehicles/v1/telemetry",
                "{\"v\":1,\"ts\":\"\(time)\",\"readings\":"
                    + "{\"Vehicle.Service.DistanceToService\":\(level)000}}",
                time
            )
        }
        let first = draft(vehicles: ["v1"])
        var second = CustomerDraft()
        second.vehicles = [OwnedVehicle(vehicle: "v1", plate: "苏E·88888")]
        // The desk hears of the first owner days after the car.
        let heard = day + .days(Int64(2))
        _ = try await desk.put(first, as: "old", version: nil, by: Actor("t"), at: heard)
        _ = try await desk.put(second, as: "new", version: nil, by: Actor("t"), at: sold)
        for (text, time) in [("brakes squeal", day), ("seat is torn", sold + .days(Int64(1)))] {
            try await desk.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO complaint (vehicle_id, text, opened_ms, opened_by, resolution)
                        VALUES (0, ?, ?, 'ann', '')
                        """,
                    arguments: [text, time.milliseconds]
                )
            }
        }
        func exported(_ customer: String) async throws -> String {
            let rows = try #require(try await desk.export(customer, by: Actor("t"), at: sold))
            let readings = try await ReadStore(store).readings(ofCustomer: customer, limit: 10)
            let tables = rows + [readings]
            return String(decoding: try JSONEncoder().encode(tables), as: UTF8.self)
        }
        let old = try await exported("old")
        #expect(old.contains("brakes squeal") && old.contains("61000"))
        #expect(!old.contains("seat is torn") && !old.contains("62000"))
        #expect(!old.contains("88888"))
        let new = try await exported("new")
        #expect(new.contains("seat is torn") && new.contains("62000") && new.contains("88888"))
        #expect(!new.contains("brakes squeal") && !new.contains("61000"))

        let asker = Caller(.user(1), name: "a", capabilities: [.requestErasure])
        let other = Caller(.user(2), name: "b", capabilities: [.privacy])
        _ = try await desk.askErasure(of: "old", by: asker, at: sold)
        _ = try await desk.confirmErasure(1, of: "old", by: other, at: sold + .days(Int64(2)))
        #expect(try await rows(holding: "brakes squeal") == [])
        #expect(try await rows(holding: "seat is torn") == ["complaint"])
        #expect(try await rows(holding: "苏E·88888") == ["vehicle", "binding"])
        // The next owner does not inherit what went before.
        let after = try await exported("new")
        #expect(!after.contains("61000") && after.contains("62000"))
        // Nor does the core forget what the owner of today says.
        #expect(try await desk.vehicleNews().allSatisfy { !$0.news.isErased })
        _ = try await desk.askErasure(of: "new", by: asker, at: sold)
        _ = try await desk.confirmErasure(2, of: "new", by: other, at: sold + .days(Int64(3)))
        #expect(try await desk.vehicleNews().map(\.news.isErased) == [true])
        #expect(try await rows(holding: "seat is torn") == [])
    }

    /// What is personal, wherever it was written, is in no table and in no byte of the file.
    @Test func erasedMeansNowhere() async throws {
        let assembly = try Fixtures.assembly()
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        var gateway = assembly.makeGateway()
        for (topic, payload) in [
            ("vehicles/v1/profile", "{\"v\":1,\"plate\":\"苏E·77777\",\"model\":\"M\"}"),
            ("vehicles/v1/telemetry", "{not json 苏E·77777}"),
        ] {
            let batch = Fixtures.batch([(topic, payload, day)])
            _ = try writer.commit(gateway.step(.packets(batch), now: day))
        }
        var draft = draft(vehicles: ["v1"])
        draft.visits = [
            PastVisit(
                vehicle: "v1",
                on: try #require(CivilDate(iso8601: "2026-01-05")),
                kilometres: 12_000,
                station: nil,
                work: "前轮异响 欧阳"
            )
        ]
        _ = try await desk.put(draft, as: "CRM-0815", version: nil, by: Actor("t"), at: day)
        let words = [
            "欧阳测试", "13987650123", "LSVTEST4182E21234", "苏E·77777", "终身免费保养", "CRM-0815",
            "前轮异响",
        ]
        for word in words { #expect(try await places(of: word) != [], "\(word)") }

        let asker = Caller(.user(1), name: "a", capabilities: [.requestErasure])
        let second = Caller(.user(2), name: "b", capabilities: [.privacy])
        guard
            case .asked(let number, let counts) = try await desk.askErasure(
                of: "CRM-0815",
                by: asker,
                at: day
            )
        else { return #expect(Bool(false), "the wish was not kept") }
        #expect(counts["binding"] == 1 && counts["past_visit"] == 1 && counts["vehicle"] == 1)
        #expect(
            try await desk.confirmErasure(number, of: "CRM-0815", by: asker, at: day) == .samePerson
        )
        #expect(try await places(of: "欧阳测试") != [])
        guard
            case .erased = try await desk.confirmErasure(
                number,
                of: "CRM-0815",
                by: second,
                at: day
            )
        else { return #expect(Bool(false), "it was not erased") }
        for word in words { #expect(try await places(of: word) == [], "\(word)") }

        // Neither an import nor the vehicle itself brings it back; nor does the next start.
        #expect(
            try await desk.put(
                draft,
                as: "CRM-0815",
                version: nil,
                isImport: true,
                by: Actor("t"),
                at: day
            )
                == .erased
        )
        let again = Fixtures.batch([
            ("vehicles/v1/profile", "{\"v\":1,\"plate\":\"苏E·77777\",\"model\":\"N\"}", day)
        ])
        _ = try writer.commit(gateway.step(.packets(again), now: day))
        for word in words { #expect(try await rows(holding: word) == [], "\(word)") }
        // Readings stay, and are nobody's.
        #expect(try await desk.owner(of: "v1") == nil)
    }

    /// Tables and files that hold a word.
    private func places(of word: String) async throws -> [String] {
        var places = try await rows(holding: word)
        for name in ["a.sqlite", "a.sqlite-wal"] {
            let data = FileManager.default.contents(atPath: folder.path(name)) ?? Data()
            if data.range(of: Data(word.utf8)) != nil { places.append(name) }
        }
        return places
    }

    private func rows(holding word: String) async throws -> [String] {
        try await store.pool.read { database in
            try String.fetchAll(
                database,
                sql: "SELECT name FROM sqlite_schema WHERE type = 'table'"
            ).filter { table in
                try Row.fetchAll(database, sql: "SELECT * FROM \"\(table)\"").contains { row in
                    row.contains { _, value in
                        switch value.storage {
                        case .string(let text): text.contains(word)
                        case .blob(let data): data.range(of: Data(word.utf8)) != nil
                        default: false
                        }
                    }
                }
            }
        }
    }
}
