import GatewayCore
import Support
import Telemetry
import Testing
import Workshop

/// From a booked visit to a closed one.
struct AppointmentTests {
    /// A desk whose suggestion is booked.
    private func booked() throws -> Desk {
        var desk = try Desk()
        #expect(try desk.take(.book(.held)) == nil)
        return desk
    }

    private func findings(_ desk: Desk, _ verdict: Verdict) throws -> [Finding] {
        try desk.visit.alerts.map {
            Finding(
                alert: $0,
                verdict: verdict,
                action: "patched",
                parts: "",
                note: "",
                measured: 240,
                minutes: 35
            )
        }
    }

    /// …and the car is in the bay.
    private func inService() throws -> Desk {
        var desk = try booked()
        desk.wait(until: try desk.visit.slot.interval.start)
        #expect(try desk.take(.arrive(odometerKilometres: 20_130, symptoms: "noise")) == nil)
        #expect(try desk.take(.start) == nil)
        return desk
    }

    private func finished(_ verdict: Verdict) throws -> Desk {
        var desk = try inService()
        #expect(try desk.take(.finish(findings(desk, verdict), advised: [])) == nil)
        return desk
    }

    // MARK: Before

    @Test func theReminderIsDueTheDayBefore() throws {
        var desk = try booked()
        let start = try desk.visit.slot.interval.start
        // Booked a day before at most: nobody is reminded of what was just said.
        try desk.take(.move(to: start + .days(Int64(3)), reason: "prefers later"))
        let zone = desk.gateway.stations[0].zone
        let moved = try desk.visit
        #expect(moved.sequence == 1 && moved.slot.interval.start == start + .days(Int64(3)))
        let dayBefore = zone.civil(moved.slot.interval.start).date.daysSinceEpoch - 1
        let due = zone.instant(
            of: CivilTime(date: CivilDate(daysSinceEpoch: dayBefore), minute: 600)
        )
        desk.wait(until: due - .minutes(1))
        #expect(try desk.visit.openToDos.isEmpty)
        desk.wait(.minutes(1))
        #expect(try desk.visit.openToDos.map(\.kind) == [.reminder])
        try desk.take(.settle(.reminder), by: Desk.advisor)
        #expect(try desk.visit.openToDos.isEmpty && desk.visit.toDos.first?.doneBy == "ann")
    }

    @Test func movingTakesTheNewSlotBeforeTheOldOneIsFree() throws {
        var desk = try booked()
        let old = try desk.visit.slot
        let late = old.interval.start + .days(Int64(1))
        #expect(try desk.take(.move(to: late, reason: "x")) == nil)
        #expect(desk.gateway.calendars[0].isFree(old))
        #expect(try !desk.gateway.calendars[0].isFree(desk.visit.slot))
        #expect(try desk.take(.move(to: late + .hours(12), reason: "x"))?.code == .outsideHours)
        #expect(
            try desk.take(.move(to: desk.gateway.now - .hours(1), reason: ""))?.code
                == .invalidTime
        )
        #expect(try desk.visit.sequence == 1)
    }

    @Test func theCareCallIsDueAtFifteenMinutesAndTheNoShowAtSixty() throws {
        var desk = try booked()
        let visit = try desk.visit
        let start = visit.slot.interval.start
        desk.wait(until: start + .minutes(14))
        #expect(try desk.visit.toDo(.careCall) == nil)
        desk.wait(.minutes(1))
        #expect(try desk.visit.toDo(.careCall) != nil)
        desk.wait(.minutes(44))
        #expect(try desk.visit.state == .confirmed)
        desk.wait(.minutes(1))
        #expect(try desk.visit.state == .noShow)
        #expect(try desk.visit.openToDos.map(\.kind) == [.noShowCall])
        #expect(desk.gateway.calendars[0].isFree(visit.slot))
        #expect(desk.alerts.values.map(\.state) == [.open])
        // Nobody is asked again within the week …
        desk.wait(.days(Int64(6)))
        #expect(desk.suggestions.count == 1)
        // … and then once.
        desk.wait(.days(Int64(1)))
        #expect(desk.suggestions.count == 2)
    }

    @Test func whoComesLateIsTakenWhereABayIsFree() throws {
        var desk = try booked()
        desk.wait(until: try desk.visit.slot.interval.start + .minutes(75))
        #expect(try desk.visit.state == .noShow)
        #expect(try desk.take(.arrive(odometerKilometres: nil, symptoms: "")) == nil)
        #expect(try desk.visit.state == .arrived && desk.visit.openToDos.isEmpty)
        #expect(desk.transitions.last { $0.event == "arrive_late" }?.reason == "75 min late")
    }

    @Test func aMissedVisitIsBookedAgainAsTheSameVisit() throws {
        var desk = try booked()
        let start = try desk.visit.slot.interval.start
        desk.wait(until: start + .hours(2))
        #expect(try desk.take(.move(to: start + .days(Int64(2)), reason: "forgot")) == nil)
        #expect(try desk.visit.state == .confirmed && desk.visit.sequence == 1)
        #expect(desk.alerts.values.map(\.state) == [.planned])
        #expect(desk.events(.appointment).last == "rebook")
        desk.wait(.days(Int64(1)))
        #expect(desk.suggestions.count == 1)
    }

    @Test func aMissedVisitNobodyRebooksEnds() throws {
        var desk = try booked()
        desk.wait(until: try desk.visit.slot.interval.start + .days(Int64(15)))
        #expect(desk.appointments.values.contains { $0.state == .closed })
        #expect(desk.events(.appointment).contains("give_up"))
    }

    @Test func ourOwnFaultIsMadeGoodAtOnce() throws {
        var desk = try booked()
        #expect(try desk.take(.cancel(.shop, note: "lift broken")) == nil)
        #expect(try desk.visit.state == .cancelled)
        #expect(try desk.suggestion.id.rawValue == 2 && desk.suggestion.occupancy != nil)
        var other = try booked()
        #expect(try other.take(.cancel(.customer, note: "")) == nil)
        #expect(other.suggestions.count == 1)
    }

    // MARK: In the workshop

    @Test func aVisitEndsOnlyWithAFindingForEveryAlert() throws {
        var desk = try inService()
        #expect(try desk.visit.odometerKilometres == 20_130 && desk.visit.symptoms == "noise")
        #expect(try desk.take(.finish([], advised: []))?.code == .findingMissing)
        let twice = try findings(desk, .confirmed) + findings(desk, .noFault)
        #expect(try desk.take(.finish(twice, advised: []))?.code == .findingMissing)
        #expect(
            try desk.take(.finish(findings(desk, .confirmed), advised: []), by: Desk.advisor)?.code
                == .roleMissing
        )
        #expect(try desk.take(.finish(findings(desk, .confirmed), advised: [])) == nil)
        #expect(try desk.visit.state == .done)
        #expect(desk.alerts.values.map(\.state) == [.serviced])
    }

    @Test func noFaultIsAFalseAlarm() throws {
        let desk = try finished(.noFault)
        #expect(desk.alerts.values.map(\.outcome) == [.falseAlarm])
    }

    @Test func whatWasNotInspectedIsOpenAgain() throws {
        var desk = try finished(.notInspected)
        #expect(desk.alerts.values.map(\.state) == [.open])
        desk.wait(.days(Int64(8)))
        #expect(desk.suggestions.count == 2)
    }

    @Test func aCarThatStaysOverNightIsCarriedOver() throws {
        var desk = try inService()
        desk.wait(untilHour: 18)
        #expect(try desk.visit.openToDos.map(\.kind) == [.carryOver])
        #expect(try desk.visit.state == .inService)
    }

    @Test func failedQualityIsReworkedAsTheSameVisit() throws {
        var desk = try finished(.confirmed)
        desk.wait(.days(Int64(13)))
        #expect(try desk.take(.rework(reason: "still leaks")) == nil)
        #expect(try desk.visit.state == .inService)
    }

    // MARK: Afterwards

    private let followUp = FollowUp(
        at: .distantPast,
        by: "",
        isThanked: true,
        score: 9,
        expectation: "as expected",
        issue: "",
        dueReminders: "inspection in May"
    )

    @Test func theFollowUpHasThreePartsAndNoneMayMiss() throws {
        var desk = try finished(.confirmed)
        desk.wait(.days(Int64(3)))
        #expect(try desk.visit.openToDos.map(\.kind) == [.followUp])
        var noThanks = followUp
        noThanks.isThanked = false
        var noScore = followUp
        noScore.score = -1
        var noExpectation = followUp
        noExpectation.expectation = ""
        var noReminders = followUp
        noReminders.dueReminders = ""
        for incomplete in [noThanks, noScore, noExpectation, noReminders] {
            #expect(try desk.take(.followUp(incomplete))?.code == .followUpIncomplete)
        }
        #expect(try desk.take(.followUp(followUp), by: Desk.specialist) == nil)
        #expect(try desk.visit.followUp?.by == "sun" && desk.visit.openToDos.isEmpty)
    }

    @Test func whatACustomerComplainsOfAfterwardsIsAComplaint() throws {
        var desk = try finished(.confirmed)
        desk.wait(.days(Int64(3)))
        var unhappy = followUp
        unhappy.issue = "car was dirty"
        try desk.take(.followUp(unhappy))
        #expect(desk.complaints.map(\.text) == ["car was dirty"])
        #expect(try desk.complaints.first?.appointment == desk.visit.id)
    }

    @Test func healthyReadingsCloseTheAlertAndWithTheFollowUpTheVisit() throws {
        var desk = try finished(.confirmed)
        try desk.take(.followUp(followUp))
        #expect(try desk.visit.state == .done)
        desk.feed(
            Fixtures.leak("v1", from: 242, perDay: 0.05, days: 4, start: desk.gateway.now)
        )
        desk.wait(.hours(1))
        #expect(desk.alerts.values.map(\.outcome) == [.fixed])
        #expect(try desk.visit.state == .closed)
        #expect(desk.events(.appointment).last == "settled")
    }

    @Test func stillFiringReopensTheAlert() throws {
        var desk = try finished(.confirmed)
        desk.feed(
            Fixtures.leak("v1", from: 195, perDay: 1, days: 15, start: desk.gateway.now)
        )
        #expect(desk.events(.alert).contains("still_firing"))
        #expect(desk.alerts.values.contains { $0.reopenCount == 1 })
    }

    @Test func silenceAfterTheWorkIsNotCalledFixed() throws {
        var desk = try finished(.confirmed)
        desk.wait(.days(Int64(15)))
        #expect(desk.alerts.values.map(\.outcome) == [.unverified])
        desk.wait(.days(Int64(16)))
        #expect(try desk.visit.state == .closed)
        #expect(desk.transitions.last { $0.event == "settle_late" }?.reason == "follow_up")
    }

    // MARK: Never a second visit

    @Test func aSecondAlertAddsToTheVisit() throws {
        var desk = try booked()
        let start = try desk.visit.slot.interval.start
        desk.feed([Fixtures.overdue("v1", at: desk.gateway.now)])
        desk.wait(.minutes(3))
        let second = try desk.suggestion
        #expect(second.isAmendment && second.occupancy == nil && !second.hasNoSlot)
        #expect(try second.appointment == desk.visit.id)
        #expect(try desk.take(.book(.held))?.code == .visitExists)
        desk.wait(.minutes(21))
        #expect(try desk.take(.merge) == nil)
        #expect(try desk.suggestion.state == .merged)
        let visit = try desk.visit
        #expect(visit.id.rawValue == 1 && visit.alerts.count == 2)
        #expect(visit.need.jobs.contains("service") && visit.need.jobs.contains("tyre_check"))
        #expect(visit.slot.interval.start == start)
        #expect((visit.slot.interval.end - start).minutes == Double(visit.need.minutes))
        #expect(desk.gateway.calendars[0].bays.joined().count == 1)
    }

    @Test func whenTheVisitIsOffTheAmendmentGetsASlotOfItsOwn() throws {
        var desk = try booked()
        desk.feed([Fixtures.overdue("v1", at: desk.gateway.now)])
        desk.wait(.minutes(3))
        try desk.take(.cancel(.customer, note: ""))
        let alone = try desk.suggestion
        #expect(alone.state == .proposed && alone.appointment == nil && alone.occupancy != nil)
    }

    @Test func aConfirmedVisitThatLostItsCauseIsAskedAboutNotMoved() throws {
        var desk = try booked()
        try desk.take(
            .move(
                to: desk.visit.slot.interval.start + .days(Int64(7)),
                reason: "holidays"
            )
        )
        let slot = try desk.visit.slot
        desk.feed(
            Fixtures.leak("v1", from: 245, perDay: 0.1, days: 3, start: desk.gateway.now)
        )
        #expect(try desk.visit.state == .confirmed && desk.visit.slot == slot)
        #expect(try desk.visit.openToDos.contains { $0.kind == .askToKeep })
    }

    // MARK: Walk-ins, absences

    @Test func aWalkInTakesAFreeBayAndASecondVisitIsRefused() throws {
        var desk = try Desk()
        desk.wait(untilHour: 9)
        let walkIn = WalkIn(
            vehicle: "v1",
            jobs: ["battery_test"],
            slot: .start(desk.gateway.now, station: "su-zhou-1"),
            note: ""
        )
        #expect(desk.give(.walkIn(walkIn, by: Desk.advisor)) == nil)
        #expect(try desk.visit.state == .confirmed && desk.visit.suggestion == nil)
        // What was suggested would now add to it.
        #expect(try desk.suggestion.isAmendment && desk.suggestion.occupancy == nil)
        #expect(desk.give(.walkIn(walkIn, by: Desk.advisor))?.code == .visitExists)
        var unknown = walkIn
        unknown.vehicle = "v9"
        #expect(desk.give(.walkIn(unknown, by: Desk.advisor))?.code == .unknownName)
    }

    @Test func aSickTechnicianIsReplacedOrTheVisitIsListed() throws {
        var desk = try booked()
        let visit = try desk.visit
        let technician = try #require(visit.slot.technician)
        let day = OpenInterval(
            start: visit.slot.interval.start - .hours(12),
            end: visit.slot.interval.start + .hours(12)
        )
        func sick(_ technician: Int) -> Command {
            .close(
                station: "su-zhou-1",
                .technician(technician),
                day,
                reason: "sick",
                by: Desk.manager
            )
        }
        let first = desk.gateway.step(.command(sick(technician)), now: desk.gateway.now)
        desk.add(first)
        #expect(first.answer == .success(.closure(ClosureID(rawValue: 1), impossible: [])))
        #expect(try desk.visit.slot.technician != technician && desk.visit.sequence == 0)
        var last = first
        for other in 0..<3 where other != technician {
            last = desk.gateway.step(.command(sick(other)), now: desk.gateway.now)
            desk.add(last)
        }
        #expect(
            last.answer == .success(.closure(ClosureID(rawValue: 3), impossible: [visit.id]))
        )
        #expect(try desk.visit.state == .confirmed)
        #expect(try desk.visit.openToDos.map(\.kind) == [.findAnother])
    }

    @Test func aClosureSendsHoldsElsewhere() throws {
        var desk = try Desk()
        let slot = try #require(desk.suggestion.occupancy?.slot)
        let command = Command.close(
            station: "su-zhou-1",
            .station,
            OpenInterval(
                start: slot.interval.start - .hours(12),
                end: slot.interval.start + .hours(12)
            ),
            reason: "power cut",
            by: Desk.manager
        )
        #expect(desk.give(command) == nil)
        let other = try #require(desk.suggestion.occupancy?.slot)
        let isBefore = other.interval.end <= slot.interval.start - .hours(12)
        #expect(isBefore || other.interval.start >= slot.interval.start + .hours(12))
        #expect(desk.give(.reopen(ClosureID(rawValue: 1), by: Desk.manager)) == nil)
        #expect(desk.give(.reopen(ClosureID(rawValue: 1), by: Desk.manager))?.code == .notFound)
    }
}
