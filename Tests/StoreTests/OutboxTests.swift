import Access
import Customers
import Foundation
import GRDB
import GatewayApp
import GatewayCore
import Messages
import Support
import Telemetry
import Testing
import Workshop

@testable import Store

/// Messages are queued with their cause, to whom may hear them.
struct OutboxTests {
    private let folder: ScratchFolder
    private let store: GatewayStore
    private let desk: Desk
    private let writer: Writer
    private let assembly: Assembly
    /// 2026-03-01 is a Sunday; all of this is far into a weekday in Suzhou.
    private let noon = Fixtures.start + .days(Int64(2)) + .hours(4)

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
        store = try GatewayStore(path: folder.path("a.sqlite"), durability: .full)
        desk = Desk(store)
        writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations,
            outbox: assembly.outbox
        )
    }

    private func owner(
        _ id: String,
        of vehicle: String,
        channel: Customers.ContactChannel = .app,
        consents: Set<ConsentKind> = [.service, .app]
    ) async throws {
        var draft = CustomerDraft()
        draft.profile.name = "张伟"
        draft.profile.salutation = "先生"
        draft.profile.phone = "13812345678"
        draft.profile.channel = channel
        draft.vehicles = [OwnedVehicle(vehicle: vehicle)]
        draft.consents = consents
        let outcome = try await desk.put(
            draft,
            as: id,
            version: nil,
            by: Actor("t"),
            at: Fixtures.start
        )
        guard case .created = outcome else { return #expect(Bool(false), "\(outcome)") }
    }

    /// A vehicle whose service is overdue; readings wait two minutes to be sorted.
    private func overdue(_ vehicle: String, _ gateway: inout Gateway, at time: Timestamp) throws {
        let packet = Fixtures.overdue(vehicle, at: time, kilometres: 10)
        _ = try writer.commit(gateway.step(.packets(Fixtures.batch([packet])), now: time))
        _ = try writer.commit(gateway.step(.tick, now: time + .minutes(3)))
    }

    private func messages() throws -> [Row] {
        try store.pool.read { try Row.fetchAll($0, sql: "SELECT * FROM message ORDER BY id") }
    }

    /// A rule that came by a reload is told of like any other, without a restart.
    @Test func aRuleThatWasAddedByAReloadIsTold() async throws {
        try await owner("C1", of: "app")
        var before = assembly
        before.rules.removeAll { $0.id == "service_distance" }
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations,
            outbox: before.outbox
        )
        var gateway = before.makeGateway()
        let set = RuleSet(rules: assembly.rules, limits: [:])
        let reload = Input.command(.reload(set, by: Actor("test", .engineer)))
        _ = try writer.commit(gateway.step(reload, now: noon))
        let packet = Fixtures.overdue("app", at: noon, kilometres: 10)
        _ = try writer.commit(gateway.step(.packets(Fixtures.batch([packet])), now: noon))
        _ = try writer.commit(gateway.step(.tick, now: noon + .minutes(3)))
        let alert = try #require(try messages().first { $0["kind"] == "alert" })
        #expect(alert["state"] == "queued")
    }

    /// A slow leak that becomes a puncture is told again, at once and in other words.
    @Test func anAlertThatBecomesAFastLossIsToldAgain() async throws {
        try await owner("C1", of: "app")
        var gateway = assembly.makeGateway()
        let nail = noon + .days(Int64(13))
        var packets = Fixtures.leak("app", perDay: 3, days: 13, start: noon)
        for second in stride(from: 0, to: 600, by: 5) {
            packets.append(
                Fixtures.packet(
                    "app",
                    at: nail + .seconds(Int64(second)),
                    [
                        "\(Fixtures.leftFront).Pressure": max(60, 200 - Double(second) / 2),
                        "\(Fixtures.leftFront).AirTemperature": 20,
                    ]
                )
            )
        }
        for packet in packets {
            let input = Input.packets(Fixtures.batch([packet]))
            _ = try writer.commit(gateway.step(input, now: packet.receivedAt))
        }
        let rows = try messages().filter { $0["kind"] == "alert" }
        #expect(rows.map { $0["template"] as String } == ["tyre_forecast", "urgent_stop"])
        #expect(rows.allSatisfy { $0["state"] == "queued" })
        let due: Int64 = try #require(rows.last?["due_ms"])
        #expect(Timestamp(milliseconds: due) < nail + .minutes(6))
    }

    @Test func whoMayHearItIsDecidedWithTheCause() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "app")
        try await owner("C2", of: "sms", channel: .sms, consents: [.service])
        try await owner("C3", of: "phone", channel: .phone, consents: [.service])
        try await owner("C4", of: "silent", consents: [.app])
        for (place, vehicle) in ["app", "sms", "phone", "silent", "nobody"].enumerated() {
            try overdue(vehicle, &gateway, at: noon + .minutes(Int64(10 * place)))
        }
        let rows = try messages()
        func states(_ kind: String) -> [String: String] {
            Dictionary(
                uniqueKeysWithValues: rows.filter { $0["kind"] == kind }.map { row in
                    (row["vehicle"], row["reason"] as String? ?? row["state"])
                }
            )
        }
        let expected = [
            "app": "queued", "sms": "queued", "phone": "by_phone", "silent": "no_consent",
            "nobody": "no_owner",
        ]
        #expect(states("alert") == expected)
        #expect(states("offer") == expected)
        let text: String = try #require(
            rows.first { $0["vehicle"] == "app" && $0["kind"] == "alert" }?["text"]
        )
        #expect(text.hasPrefix("张伟先生您好,") && !text.contains("{"))
        // A suppressed message says nothing, so there is nothing to leak.
        #expect(rows.filter { $0["state"] == "suppressed" }.allSatisfy { $0["text"] == nil })
    }

    @Test func aNewOwnerHearsNothingMeantForTheOldOne() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        try overdue("v1", &gateway, at: noon)
        #expect(try await desk.dueMessages(at: noon + .hours(1)).count == 2)
        try await owner("C2", of: "v1")
        #expect(try await desk.dueMessages(at: noon + .hours(1)).isEmpty)
        let reasons = try messages().map { $0["reason"] as String? }
        #expect(reasons.allSatisfy { $0 == "owner_changed" })
    }

    /// What the broker keeps for the app of the old owner goes with them.
    @Test func whatIsKeptForAVehicleGoesWithItsOwner() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        try overdue("v1", &gateway, at: noon)
        for message in try await desk.dueMessages(at: noon + .hours(1)) {
            try await desk.noteSent(message.id, at: noon)
            try await desk.noteDelivered(message.id, at: noon)
        }
        try await owner("C2", of: "v1")
        let clear = try await desk.dueMessages(at: noon + .hours(1))
        #expect(clear.map(\.kind) == [.clear] && clear.map(\.text) == [""])
        let all = try await desk.messages(
            before: .max,
            state: nil,
            vehicle: "v1",
            limit: 10,
            stations: nil,
            standardStation: ""
        )
        #expect(all.map(\.state) == [.queued, .delivered, .delivered])
    }

    private func tell(_ gateway: inout Gateway, at time: Timestamp) async throws {
        let news = try await desk.vehicleNews()
        let unit = gateway.step(.command(.facts(news.map(\.news))), now: time)
        _ = try writer.commit(unit)
        try await desk.forgetNews(news.map(\.id))
    }

    private func book(_ gateway: inout Gateway, at time: Timestamp) throws -> Appointment {
        let id = SuggestionID(rawValue: 1)
        let version = try #require(
            try store.pool.read {
                try Int.fetchOne($0, sql: "SELECT version FROM suggestion WHERE id = 1")
            }
        )
        // Friday at ten.
        let choice = SlotChoice.start(noon + .hours(70), reason: "as the customer wished")
        let unit = gateway.step(
            .command(.suggestion(id, version: version, .book(choice), by: Actor("ann"))),
            now: time
        )
        _ = try writer.commit(unit)
        return try #require(unit.appointments.last)
    }

    /// What an owner said is in no record of the core's that is written after the erasure.
    @Test func erasedWordsAreNotWrittenAgain() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        try overdue("v1", &gateway, at: noon)
        try await tell(&gateway, at: noon + .minutes(4))
        let call = ContactAttempt(
            channel: .phone,
            outcome: .inconvenient,
            callBackAt: noon + .hours(4),
            symptoms: "rattle-4711"
        )
        let id = SuggestionID(rawValue: 1)
        let version = try await store.pool.read {
            try Int.fetchOne($0, sql: "SELECT version FROM suggestion WHERE id = 1") ?? 0
        }
        _ = try writer.commit(
            gateway.step(
                .command(.suggestion(id, version: version, .attempt(call), by: Actor("ann"))),
                now: noon + .minutes(5)
            )
        )
        func words() throws -> Int {
            try store.pool.read {
                try Int.fetchOne(
                    $0,
                    sql: """
                        SELECT (SELECT count(*) FROM suggestion
                                WHERE symptoms || lines LIKE '%rattle-4711%')
                            + (SELECT count(*) FROM transition WHERE changes LIKE '%rattle-4711%')
                        """
                ) ?? 0
            }
        }
        #expect(try words() > 0)
        let ann = Caller(.user(1), name: "ann", capabilities: [.requestErasure])
        let bob = Caller(.user(2), name: "bob", capabilities: [.privacy])
        guard case .asked(let number, _) = try await desk.askErasure(of: "C1", by: ann, at: noon)
        else { return #expect(Bool(false), "nothing was asked") }
        _ = try await desk.confirmErasure(number, of: "C1", by: bob, at: noon)
        #expect(try words() == 0)
        try await tell(&gateway, at: noon + .minutes(6))
        let state = try await store.pool.read {
            try String.fetchOne($0, sql: "SELECT state FROM suggestion WHERE id = 1")
        }
        #expect(state == "withdrawn")
        #expect(try words() == 0)
    }

    /// Agreed, the day before, and a quarter of an hour late: each said once.
    @Test func aVisitIsRememberedForTheCustomer() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        try overdue("v1", &gateway, at: noon)
        try await tell(&gateway, at: noon + .minutes(4))
        let visit = try book(&gateway, at: noon + .minutes(5))
        let start = visit.slot.interval.start
        var time = noon
        while time < start + .minutes(30) {
            time = time + .minutes(30)
            _ = try writer.commit(gateway.step(.tick, now: time))
        }
        let rows = try messages().filter { $0["record_id"] == visit.id.rawValue }
        let kinds = rows.map { $0["kind"] as String }.filter { $0 != "alert" && $0 != "offer" }
        #expect(kinds == ["booked", "reminder", "care_call"])
        let reminder: String = try #require(rows.first { $0["kind"] == "reminder" }?["text"])
        #expect(reminder.contains("明天预约进站服务的时间是") && !reminder.contains("{"))
    }

    /// With no visit near, the date itself is the message, once; the licence needs a consent.
    @Test func aDateIsToldWhenNoVisitIsNear() async throws {
        var gateway = assembly.makeGateway()
        _ = try writer.commit(
            gateway.step(
                .packets(Fixtures.batch([Fixtures.packet("v1", at: noon, ["Vehicle.Speed": 0])])),
                now: noon
            )
        )
        var draft = CustomerDraft()
        draft.profile.name = "李娜"
        draft.profile.channel = .app
        draft.vehicles = [OwnedVehicle(vehicle: "v1")]
        draft.consents = [.service, .app]
        let on = CivilDate(year: 2026, month: 4, day: 20)
        draft.dueItems = [
            DueItem(kind: .insurance, vehicle: "v1", on: on, kilometres: nil),
            DueItem(kind: .licence, vehicle: nil, on: on, kilometres: nil),
        ]
        _ = try await desk.put(draft, as: "C1", version: nil, by: Actor("t"), at: noon)
        try await tell(&gateway, at: noon)
        for day in 1...40 {
            let time = noon + .days(Int64(day))
            _ = try writer.commit(gateway.step(.tick, now: time))
        }
        let rows = try messages()
        #expect(rows.map { $0["template"] as String? } == ["due_insurance"])
        let text: String = try #require(rows.first?["text"])
        #expect(text.hasPrefix("李娜您好,您的车辆保险将于4月20日"))
    }

    /// What arises at night waits for the morning.
    @Test func aMessageKeepsTheHours() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        let night = Fixtures.start + .days(Int64(2)) + .hours(15)  // 23:00 in Suzhou
        try overdue("v1", &gateway, at: night)
        #expect(try await desk.dueMessages(at: night + .hours(9)).isEmpty)
        let morning = Fixtures.start + .days(Int64(3)) + .hours(1)  // 09:00
        #expect(try await desk.dueMessages(at: morning).count == 2)
    }

    @Test func aMessageDoesNotGoBack() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        try overdue("v1", &gateway, at: noon)
        let message = try #require(try await desk.dueMessages(at: noon + .hours(1)).first)
        try await desk.noteSent(message.id, at: noon)
        try await desk.noteDelivered(message.id, at: noon)
        await #expect(throws: DatabaseError.self) {
            try await desk.noteSent(message.id, at: noon)
        }
    }

    /// The word in an offer is for this vehicle, this slot, and once.
    @Test func anOfferIsAnsweredOnce() async throws {
        var gateway = assembly.makeGateway()
        try await owner("C1", of: "v1")
        try overdue("v1", &gateway, at: noon)
        let due = try await desk.dueMessages(at: noon + .hours(1))
        let offer = try #require(due.first { $0.kind == .offer })
        let nonce = try #require(offer.nonce)
        #expect(try await desk.offer(offer.id, vehicle: "v1", nonce: nonce)?.isOpen == true)
        #expect(try await desk.offer(offer.id, vehicle: "v2", nonce: nonce) == nil)
        #expect(try await desk.offer(offer.id, vehicle: "v1", nonce: "guess") == nil)
        try await desk.noteAnswer("accept", to: offer.id, at: noon)
        #expect(try await desk.offer(offer.id, vehicle: "v1", nonce: nonce) == nil)
    }
}
