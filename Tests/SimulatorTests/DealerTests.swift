import SimulatorParts
import Telemetry
import Testing

@testable import dealer_simulator

/// What the simulated dealer does, and when.
struct DealerTests {
    /// Tuesday 2026-03-03, 10:00 in Vienna.
    private let now = Timestamp(milliseconds: 1_772_528_400_000)
    private let zone = ZoneOffsets(name: "Vienna", initialOffsetSeconds: 3_600, changes: [])

    private func suggestion(
        _ urgency: String = "P2",
        age: Milliseconds = .hours(4),
        due: Milliseconds = .days(Int64(2)),
        attempts: Int = 0,
        appointment: Int64? = nil
    ) -> SuggestionRecord {
        SuggestionRecord(
            id: 7,
            version: 3,
            state: "proposed",
            class: urgency,
            vehicle: "sim-0007",
            attempts: attempts,
            appointment: appointment,
            createdAt: "\(now - age)",
            contactDue: "\(now + due)",
            latestBy: "\(now + .days(Int64(9)))",
            stationTz: "Europe/Vienna",
            offers: [SuggestionRecord.Offer(offer: "best", start: "\(now + .hours(2))")],
            alerts: [SuggestionRecord.Alert(id: 1, rule: "oil_life", isCrossed: false)]
        )
    }

    private func act(_ record: SuggestionRecord, present: Timestamp) -> Desk.Act? {
        Desk(seed: 1, present: present).act(on: record, now: now, zone: zone)
    }

    @Test func theDeskCallsInItsHoursAndLeavesTheNewestToThePerson() {
        let longAgo = now + .days(Int64(20))
        #expect(act(suggestion(), present: longAgo) != nil)
        #expect(act(suggestion(age: .minutes(5)), present: longAgo) == nil, "just made")
        let night = Desk(seed: 1, present: longAgo)
            .act(on: suggestion(), now: now + .hours(12), zone: zone)
        #expect(night == nil)
        // At the hand-over the young ones are left, but none that would be late by then.
        #expect(act(suggestion(), present: now + .hours(1)) == nil)
        #expect(act(suggestion(due: .minutes(30)), present: now + .hours(1)) != nil)
        #expect(act(suggestion(), present: now - .hours(1)) == nil, "the person's turn")
    }

    @Test func aCarThatMustStopIsCalledUnlessThePersonIsFaster() {
        let present = now - .hours(1)
        #expect(act(suggestion("P0", age: .minutes(3)), present: present) == nil)
        guard case .call(let body)? = act(suggestion("P0", age: .minutes(5)), present: present)
        else {
            Issue.record("the desk does not call")
            return
        }
        #expect(body.contains(#""outcome":"accepted""#) && body.contains(#""offer":"best""#))
    }

    @Test func whatIsNeverReachedEndsAndWorkIsAddedToAVisit() {
        let present = now + .days(Int64(20))
        #expect(
            act(suggestion(attempts: 4), present: present)
                == .decline(#"{"reason":"unreachable_final"}"#)
        )
        #expect(act(suggestion(appointment: 5), present: present) == .merge)
    }

    @Test func theSameSeedGivesTheSameAnswers() {
        let present = now + .days(Int64(20))
        #expect(act(suggestion(), present: present) == act(suggestion(), present: present))
    }

    private func visit(_ state: String, start: Milliseconds = .minutes(-60)) -> VisitRecord {
        VisitRecord(
            id: 9,
            version: 2,
            state: state,
            vehicle: "sim-0007",
            minutes: 30,
            slot: VisitRecord.Slot(start: "\(now + start)", end: "\(now + start + .minutes(30))"),
            alerts: [1, 2],
            startedAt: "\(now + start)",
            arrivedAt: "\(now + start)",
            toDos: []
        )
    }

    /// The finding is the car's own: a rule that was wrong is told so.
    @Test func theWorkshopFindsWhatTheCarHas() {
        let workshop = Workshop(desk: Desk(seed: 1, present: now))
        let causes: [Workshop.Cause] = [(1, "battery_crank", false), (2, "tyre_pressure", true)]
        func finding(_ condition: String?) -> String {
            let act = workshop.act(
                on: visit("in_service"),
                causes: causes,
                condition: condition,
                now: now
            )
            return act?.body ?? ""
        }
        #expect(finding("battery").contains(#""alert":1,"verdict":"worn_early""#))
        #expect(finding("battery").contains(#""alert":2,"verdict":"no_fault""#))
        #expect(finding("tyre").contains(#""alert":2,"verdict":"confirmed""#))
        #expect(finding(nil).contains("worn_early") == false)
        let early = workshop.act(
            on: visit("in_service", start: .minutes(-5)),
            causes: causes,
            condition: nil,
            now: now
        )
        #expect(early == nil, "the work takes its time")
    }

    /// While a busy machine looks away, played hours pass.
    @Test func aSlowMachineLosesNoVisit() {
        let workshop = Workshop(desk: Desk(seed: 1, present: now))
        func act(_ visit: VisitRecord, ahead: Milliseconds) -> String? {
            workshop.act(on: visit, causes: [], condition: nil, now: now, ahead: ahead)?.step
        }
        let soon = visit("confirmed", start: .hours(2))
        #expect(act(soon, ahead: .minutes(10)) == nil && act(soon, ahead: .hours(3)) == "arrive")
        #expect(act(visit("no_show", start: .hours(-3)), ahead: .hours(3)) == "arrive")
        #expect(act(visit("no_show", start: .hours(-9)), ahead: .hours(3)) == nil)
    }

    @Test func everyCarHasOneOwner() {
        let lines = OwnerList(vehicles: 120, language: "en").lines
        #expect(lines.count == 121)
        let cars = Set(lines.dropFirst().map { $0.split(separator: ",")[7] })
        #expect(cars.count == 120)
    }
}
