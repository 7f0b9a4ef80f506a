import GatewayCore
import Support
import Telemetry
import Testing
import Workshop

/// Lease, contact, waiting, escalation, decline and undo: what an advisor relies on.
struct HandlingTests {
    // MARK: Lease

    @Test func aLeaseIsForOneAndEndsByItself() throws {
        var desk = try Desk()
        try desk.take(.lease)
        #expect(try desk.suggestion.state == .leased && desk.suggestion.handling.owner == "ann")
        #expect(try desk.take(.book(.held), by: Actor("bob"))?.code == .leasedByOther)
        desk.wait(.minutes(19))
        #expect(try desk.suggestion.state == .leased)
        desk.wait(.minutes(2))
        #expect(try desk.suggestion.state == .proposed)
        #expect(try desk.take(.book(.held), by: Actor("bob")) == nil)
    }

    @Test func usingTheLeaseLengthensIt() throws {
        var desk = try Desk()
        try desk.take(.lease)
        desk.wait(.minutes(15))
        try desk.take(.lease)
        desk.wait(.minutes(15))
        #expect(try desk.suggestion.state == .leased)
        try desk.take(.release(reason: "lunch"))
        #expect(try desk.suggestion.state == .proposed)
        #expect(desk.transitions.last { $0.event == "release" }?.reason == "lunch")
    }

    /// The slot somebody talks about must not vanish under them.
    @Test func aLeaseKeepsItsSlotPastTheEndOfTheHold() throws {
        var desk = try Desk()
        let until = try #require(desk.suggestion.holdUntil)
        desk.wait(until: until - .minutes(5))
        let slot = try desk.suggestion.occupancy?.slot
        try desk.take(.lease)
        desk.wait(.minutes(10))
        #expect(try desk.suggestion.state == .leased && desk.suggestion.occupancy?.slot == slot)
        desk.wait(.minutes(15))
        #expect(try desk.suggestion.state == .proposed)
        #expect((try desk.suggestion.holdUntil ?? .distantPast) > desk.gateway.now)
    }

    @Test func aLeasedSuggestionIsFlaggedNotYanked() throws {
        var desk = try Desk()
        try desk.take(.lease)
        let slot = try desk.suggestion.occupancy?.slot
        desk.feed([
            Fixtures.overdue("v1", at: desk.gateway.now)
        ])
        desk.wait(.minutes(3))
        let flagged = try desk.suggestion
        #expect(flagged.state == .leased && flagged.handling.hasChanged)
        #expect(flagged.alerts.count == 2 && flagged.occupancy?.slot == slot)
        #expect(
            desk.give(
                .suggestion(
                    flagged.id,
                    version: flagged.version - 1,
                    .book(.held),
                    by: Desk.advisor
                )
            )?.code == .staleVersion
        )
    }

    @Test func whenTheCauseGoesDuringALeaseTheAdvisorAcknowledges() throws {
        var desk = try Desk()
        try desk.take(.lease)
        for alert in desk.alerts.keys.sorted() {
            desk.give(.alert(alert, .dataFault(reason: "sensor"), by: Desk.manager))
        }
        #expect(try desk.suggestion.state == .leased && desk.suggestion.handling.isBasisGone)
        #expect(try desk.take(.acknowledge) == nil)
        #expect(try desk.suggestion.state == .withdrawn)
        #expect(desk.alerts.values.map(\.outcome) == [.dataFault])
    }

    // MARK: Contact

    @Test func theSecondFailedAttemptGoesToTheSpecialistAndAQuickRedialDoesNotCount() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.unreachable) == nil)
        #expect(try desk.suggestion.state == .waiting)
        #expect(try desk.suggestion.handling.wait?.kind == .retry)
        desk.wait(.minutes(30))
        #expect(try desk.call(.unreachable) == nil)
        #expect(try desk.suggestion.state == .waiting)
        #expect(try desk.suggestion.handling.queue != .specialist)
        #expect(desk.attempts.map(\.isRedial) == [false, true])
        desk.wait(.hours(3))
        #expect(try desk.call(.unreachable) == nil)
        #expect(try desk.suggestion.state == .proposed)
        #expect(try desk.suggestion.handling.queue == .specialist)
        #expect(desk.events(.suggestion).last == "unreachable_2")
        // It is the specialist's now.
        #expect(try desk.take(.lease)?.code == .roleMissing)
        #expect(try desk.take(.lease, by: Desk.specialist) == nil)
    }

    @Test func notReachedIsFinalOnlyAfterTheSpecialistsOwnAttemptsAndAMessage() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        try desk.take(.escalate(.specialist, reason: "asks for you"))
        let final = SuggestionStep.decline(.unreachableFinal, note: "")
        #expect(try desk.take(final, by: Desk.specialist)?.code == .attemptsMissing)
        #expect(try desk.call(.unreachable, by: Desk.specialist) == nil)
        desk.wait(.hours(4))
        #expect(try desk.call(.unreachable, .sms, by: Desk.specialist) == nil)
        #expect(try desk.take(final, by: Desk.specialist) == nil)
        #expect(try desk.suggestion.state == .declined)
    }

    @Test func aCallBackComesToTheTopWhenItIsDue() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.inconvenient)?.code == .invalidTime)
        let due = desk.gateway.now + .hours(5)
        #expect(try desk.call(.inconvenient, at: due) == nil)
        desk.wait(until: due - .minutes(1))
        #expect(try desk.suggestion.state == .waiting)
        desk.wait(.minutes(1))
        #expect(try desk.suggestion.state == .proposed)
        #expect(try desk.suggestion.handling.owner == "ann")
        #expect(try desk.suggestion.handling.failures == 0)
    }

    @Test func acceptedBooksInOneStep() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.accepted) == nil)
        #expect(try desk.suggestion.state == .booked && desk.visit.state == .confirmed)
        #expect(desk.attempts.count == 1)
    }

    @Test func aComplaintBlocksUntilTheSpecialistHasHandledIt() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.complaintLastBooking, note: "waited two hours") == nil)
        #expect(try desk.suggestion.handling.queue == .specialist)
        #expect(desk.complaints.map(\.text) == ["waited two hours"])
        let complaint = try #require(desk.complaints.first)
        try desk.take(.escalate(.advisor, reason: "sorted"), by: Desk.specialist)
        #expect(try desk.call(.accepted)?.block?.reason == .complaint)
        #expect(
            desk.give(.resolve(complaint.id, resolution: "apology", by: Desk.advisor))?.code
                == .roleMissing
        )
        #expect(desk.give(.resolve(complaint.id, resolution: "ok", by: Desk.specialist)) == nil)
        #expect(try desk.call(.accepted) == nil)
    }

    @Test func nobodyIsCalledAtNight() throws {
        var desk = try Desk()
        desk.wait(untilHour: 8, minute: 59)
        let problem = try desk.call(.unreachable)
        #expect(problem?.code == .contactBlocked && problem?.block?.reason == .hours)
        let nine = desk.gateway.now + .minutes(1)
        #expect(problem?.block?.until == nine)
        #expect(try desk.gateway.contactBlock(desk.suggestion.id)?.reason == .hours)
        // A customer who calls us may.
        #expect(try desk.call(.accepted, .incoming) == nil)
    }

    @Test func aVehicleIsNotCalledAboutSomethingNewTheSameWeek() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.notInterested) == nil)
        desk.feed([
            Fixtures.overdue("v1", at: desk.gateway.now)
        ])
        desk.wait(.hours(1))
        #expect(try desk.suggestion.state == .proposed && desk.suggestion.id.rawValue == 2)
        let problem = try desk.call(.unreachable)
        #expect(problem?.code == .contactBlocked && problem?.block?.reason == .frequency)
        desk.wait(.days(Int64(7)))
        #expect(try desk.call(.unreachable) == nil)
    }

    @Test func whoAsksNotToBeContactedIsNot() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.doNotContact) == nil)
        desk.feed([
            Fixtures.overdue("v1", at: desk.gateway.now)
        ])
        desk.wait(.days(Int64(10)))
        #expect(try desk.call(.unreachable)?.block?.reason == .doNotContact)
    }

    @Test func nobodyTriedInTimeSoTheManagerIsTold() throws {
        var desk = try Desk()
        let due = try desk.suggestion.handling.contactDue
        desk.wait(until: due)
        #expect(try desk.suggestion.handling.queue == .manager)
        #expect(try desk.suggestion.handling.isBreached && desk.suggestion.state == .proposed)
        #expect(desk.events(.suggestion).contains("sla_breach"))
        #expect(try desk.take(.lease) == nil)
    }

    @Test func aCallThatIsForbiddenIsNotLate() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.notInterested) == nil)
        desk.feed([Fixtures.overdue("v1", at: desk.gateway.now)])
        desk.wait(.hours(1))
        let due = try desk.suggestion.handling.contactDue
        let allowed = try #require(try desk.gateway.contactBlock(desk.suggestion.id)?.until)
        #expect(due < allowed)
        desk.wait(until: due)
        #expect(try !desk.suggestion.handling.isBreached)
        let later = try desk.suggestion.handling.contactDue
        #expect(later > allowed)
        desk.wait(until: later)
        #expect(try desk.suggestion.handling.isBreached)
    }

    // MARK: Decline and undo

    @Test func aDeclineCanBeTakenBackForTenMinutesByWhoMadeIt() throws {
        var desk = try Desk()
        let slot = try desk.suggestion.occupancy?.slot
        try desk.take(.decline(.notInterested, note: "wrong row"))
        #expect(try desk.take(.undo, by: Actor("bob"))?.code == .leasedByOther)
        desk.wait(.minutes(9))
        #expect(try desk.take(.undo) == nil)
        let back = try desk.suggestion
        #expect(back.state == .leased && back.declineReason == nil && back.note.isEmpty)
        #expect(back.occupancy?.slot == slot)
        #expect(desk.alerts.values.map(\.state) == [.planned])
        try desk.take(.decline(.notInterested, note: ""))
        desk.wait(.minutes(11))
        #expect(try desk.take(.undo)?.code == .illegalTransition)
    }

    @Test func doneElsewhereIsBelievedUntilTelemetrySaysOtherwise() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        try desk.call(.doneElsewhere)
        #expect(desk.alerts.values.map(\.state) == [.serviced])
        // Still leaking two weeks later.
        desk.feed(
            Fixtures.leak("v1", from: 201, perDay: 1, days: 15, start: desk.gateway.now)
        )
        #expect(desk.events(.alert).contains("still_firing"))
        #expect(desk.alerts.values.map(\.reopenCount) == [1])
        #expect(try desk.suggestion.id.rawValue == 2)
    }

    @Test func aDeclinedReasonThatComesBackSaysWhatWasSaidBefore() throws {
        var desk = try Desk()
        let first = try desk.suggestion.id
        try desk.take(.decline(.notInterested, note: ""))
        desk.wait(.days(Int64(28)))
        desk.feed(
            Fixtures.leak("v1", from: 200, perDay: 0.1, days: 1, start: desk.gateway.now)
        )
        desk.wait(.days(Int64(2)))
        let reopened = try desk.suggestion
        #expect(reopened.id != first && reopened.reopenedFrom == first)
    }

    // MARK: Every other pair

    /// A step on a suggestion that is settled is refused, whatever it is.
    @Test func aSettledSuggestionTakesNoStep() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        try desk.call(.accepted)
        let steps: [SuggestionStep] = [
            .lease, .release(reason: ""), .book(.held), .decline(.otherTime, note: ""),
            .wait(Wait(kind: .reply, until: desk.gateway.now + .hours(1)), note: ""),
            .escalate(.manager, reason: "x"), .undo, .acknowledge, .merge,
            .customerAccepts(channel: .app, reply: "1"),
        ]
        for step in steps {
            #expect(try desk.take(step)?.code == .illegalTransition, "\(step)")
        }
        #expect(desk.transitions.last?.event == "book")
    }

    @Test func aCustomerWhoAnswersAnOfferGetsTheHeldSlot() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        try desk.call(.offerSent, .sms)
        let slot = try desk.suggestion.occupancy?.slot
        #expect(try desk.suggestion.state == .waiting)
        let customer = Actor("customer", .customer)
        #expect(try desk.take(.customerAccepts(channel: .app, reply: "1"), by: customer) == nil)
        #expect(try desk.suggestion.state == .booked && desk.visit.slot == slot)
    }

    /// An offer goes out by message before anybody calls; the answer takes it up and confirms it.
    @Test func anAnswerToAnUntouchedOfferBooksItInTwoSteps() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        let customer = Actor("customer", .customer)
        #expect(try desk.take(.customerAccepts(channel: .app, reply: "1"), by: customer) == nil)
        #expect(try desk.suggestion.state == .booked)
        let steps = desk.transitions.filter { $0.machine == .suggestion }
        #expect(steps.map(\.event).suffix(2) == ["claim", "accepted"])
        #expect(steps.suffix(2).allSatisfy { $0.actor == customer })
    }

    // MARK: Muted

    @Test func mutedUntilTheNextVisitSpeaksAfterIt() throws {
        var desk = try Desk()
        let alert = try #require(desk.alerts.values.first)
        let step = AlertStep.mute(until: .nextVisit, reason: "tyres are changed then")
        #expect(desk.give(.alert(alert.id, step, by: Desk.manager)) == nil)
        #expect(try desk.suggestion.state == .withdrawn)
        // Monday.
        desk.wait(.days(2.0))
        desk.wait(untilHour: 10)
        let walkIn = WalkIn(
            vehicle: "v1",
            jobs: ["oil_service"],
            slot: .start(desk.gateway.now, station: "su-zhou-1"),
            note: ""
        )
        #expect(desk.give(.walkIn(walkIn, by: Desk.manager)) == nil)
        #expect(try desk.take(.arrive(odometerKilometres: nil, symptoms: "")) == nil)
        #expect(try desk.take(.start) == nil)
        #expect(desk.alerts[alert.id]?.state == .muted)
        #expect(try desk.take(.finish([], advised: [])) == nil)
        #expect(desk.transitions.contains { $0.event == "unmute" && $0.reason == "next visit" })
    }

    /// Coming a quarter sooner than was said is worse, though the class is the same.
    @Test func soonerThanSaidEndsAMute() throws {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        #expect(try desk.call(.notInterested) == nil)
        let muted = try #require(desk.alerts.values.first)
        let putOff = try #require(muted.putOff)
        desk.feed(
            Fixtures.leak("v1", from: 199, perDay: 8, days: 2, start: desk.gateway.now)
        )
        let unmuted = try #require(desk.transitions.first { $0.event == "unmute" })
        #expect(unmuted.reason == "worse")
        let change = unmuted.changes.first { $0.field == "muted_class" }
        #expect(change?.before == putOff.urgency.name)
        let suggestion = try desk.suggestion
        #expect(suggestion.state == .proposed && suggestion.need.urgency == putOff.urgency)
    }
}
