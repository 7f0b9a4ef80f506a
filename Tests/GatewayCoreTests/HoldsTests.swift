import GatewayCore
import Support
import Telemetry
import Testing
import Workshop

/// Slots kept at the desk while somebody speaks with a customer.
struct HoldsTests {
    /// Friday 10:00 in Suzhou; the bays there are three.
    private func desk() throws -> Desk {
        var desk = try Desk()
        desk.wait(untilHour: 10)
        return desk
    }

    private func request(
        _ desk: Desk,
        hours: Int64 = 4,
        bay: String? = nil,
        suggestion: SuggestionID? = nil
    ) -> HoldRequest {
        HoldRequest(
            station: "su-zhou-1",
            start: desk.gateway.now + .hours(hours),
            minutes: 30,
            suggestion: suggestion,
            bay: bay
        )
    }

    private func take(
        _ desk: inout Desk,
        _ request: HoldRequest,
        by actor: Actor = Desk.advisor
    ) throws -> OccupancyID {
        let unit = desk.gateway.step(
            .command(.hold(.take(request), by: actor)),
            now: desk.gateway.now
        )
        desk.add(unit)
        guard case .success(.hold(let id)) = unit.answer else {
            throw try #require(unit.answer.flatMap { $0.failure })
        }
        return id
    }

    @Test func aKeptSlotIsNobodyElsesAndBooksTheSuggestion() throws {
        var desk = try desk()
        let suggestion = try desk.suggestion
        let bay = desk.gateway.stations[0].bays[0].code
        let id = try take(&desk, request(desk, bay: bay, suggestion: suggestion.id))
        let same = request(desk, bay: bay)
        #expect(throws: Problem(.slotTaken)) { try take(&desk, same, by: Actor("bob")) }
        #expect(
            try desk.take(.bookHold(id, reason: "as agreed"), by: Actor("bob"))?.code
                == .leasedByOther
        )
        #expect(try desk.take(.bookHold(id, reason: "as agreed")) == nil)
        let visit = try desk.visit
        #expect(visit.state == .confirmed && visit.slot.bay == 0)
        #expect(visit.slot.interval.start == desk.gateway.now + .hours(4))
        // Used once; and the suggestion's own hold is free again.
        #expect(try desk.take(.bookHold(id, reason: ""))?.code != nil)
        let taken = desk.gateway.calendars[0].bays.flatMap { $0 }
        #expect(taken.map(\.kind) == [.appointment])
    }

    @Test func aHoldEndsByItselfAndCanBeLengthenedForTwoHours() throws {
        var desk = try desk()
        let id = try take(&desk, request(desk))
        for _ in 0..<7 {
            desk.wait(.minutes(15))
            #expect(desk.give(.hold(.lengthen(id), by: Desk.advisor)) == nil)
        }
        desk.wait(.minutes(14))
        #expect(desk.give(.hold(.lengthen(id), by: Desk.advisor)) == nil)
        desk.wait(.minutes(2))
        #expect(desk.give(.hold(.lengthen(id), by: Desk.advisor))?.code == .holdExpired)
        #expect(desk.transitions.last { $0.event == "hold_expired" }?.actor.role == .system)
        #expect(!desk.gateway.calendars[0].bays.joined().contains { $0.id == id })
    }

    @Test func oneGivesUpOnlyOnesOwnAndKeepsFewAtATime() throws {
        var desk = try desk()
        let id = try take(&desk, request(desk))
        #expect(desk.give(.hold(.giveUp(id), by: Actor("bob")))?.code == .leasedByOther)
        #expect(desk.give(.hold(.giveUp(id), by: Desk.advisor)) == nil)
        #expect(desk.give(.hold(.giveUp(id), by: Desk.advisor))?.code == .holdExpired)
        for hour in 0..<Int64(Limits.deskHoldsMax) {
            _ = try take(&desk, request(desk, hours: 24 * (hour + 3)))
        }
        let oneMore = request(desk)
        #expect(throws: Problem(.tooManyHolds)) { try take(&desk, oneMore) }
        #expect(throws: Never.self) { try take(&desk, oneMore, by: Actor("bob")) }
    }

    @Test func aWalkInTakesAKeptSlot() throws {
        var desk = try desk()
        desk.feed([Desk.profile("v2")])
        let id = try take(&desk, request(desk))
        let walkIn = WalkIn(vehicle: "v2", jobs: ["battery_test"], slot: .kept(id), note: "")
        #expect(desk.give(.walkIn(walkIn, by: Desk.advisor)) == nil)
        #expect(try desk.visit.slot.interval.start == desk.gateway.now + .hours(4))
        #expect(desk.give(.walkIn(walkIn, by: Desk.advisor)) != nil)
    }

    /// As long as it was kept; and where the kept bay cannot do the work, another one does it.
    @Test func aKeptSlotStaysAsLongAsItWasAndGoesWhereTheWorkCanBeDone() throws {
        var desk = try desk()
        desk.feed([Desk.profile("v2"), Desk.profile("v3")])
        var long = request(desk, bay: desk.gateway.stations[0].bays[0].code)
        long.minutes = 90
        let id = try take(&desk, long)
        let walkIn = WalkIn(vehicle: "v2", jobs: ["battery_test"], slot: .kept(id), note: "")
        #expect(desk.give(.walkIn(walkIn, by: Desk.advisor)) == nil)
        let slot = try desk.visit.slot
        #expect(slot.interval.end - slot.interval.start == .minutes(90) && slot.bay == 0)
        let next = try take(&desk, request(desk, hours: 76, bay: long.bay))
        let hard = WalkIn(vehicle: "v3", jobs: ["diagnosis"], slot: .kept(next), note: "")
        #expect(desk.give(.walkIn(hard, by: Desk.advisor)) == nil)
        let kinds = try desk.gateway.stations[0].bays[desk.visit.slot.bay].kinds
        #expect(kinds.contains(.diagnostic))
    }

    /// Booked at another station: nothing of the first one's is left on the suggestion.
    @Test func aHoldElsewhereTakesTheSuggestionThere() throws {
        var desk = try Desk(assembly: Desk.twoStationsInSuzhou())
        desk.wait(untilHour: 10)
        let suggestion = try desk.suggestion
        let other = try #require(desk.gateway.stations.last)
        var wish = request(desk, suggestion: suggestion.id)
        wish.station = other.code
        let id = try take(&desk, wish)
        #expect(try desk.take(.bookHold(id, reason: "nearer to work")) == nil)
        #expect(try desk.suggestion.offers.isEmpty && desk.suggestion.stationReason == .chosen)
        #expect(try desk.gateway.stations[desk.visit.station].code == other.code)
        #expect(desk.gateway.calendars[0].bays.joined().isEmpty)
    }

    @Test func aClosureEndsWhatIsKeptThere() throws {
        var desk = try desk()
        let id = try take(&desk, request(desk))
        let day = OpenInterval(start: desk.gateway.now, end: desk.gateway.now + .hours(8))
        let close = Command.close(
            station: "su-zhou-1",
            .station,
            day,
            reason: "no power",
            by: Desk.manager
        )
        #expect(desk.give(close) == nil)
        #expect(desk.give(.hold(.lengthen(id), by: Desk.advisor))?.code == .holdExpired)
    }

    @Test func whatIsClosedOrUnknownCannotBeKept() throws {
        var desk = try desk()
        let night = request(desk, hours: 14)
        #expect(throws: Problem(.outsideHours)) { try take(&desk, night) }
        let past = request(desk, hours: -1)
        #expect(throws: Problem(.invalidTime)) { try take(&desk, past) }
        let far = request(desk, hours: 24 * 400)
        #expect(throws: Problem(.invalidTime)) { try take(&desk, far) }
        let strange = request(desk, bay: "nowhere")
        #expect(throws: Problem(.unknownName)) { try take(&desk, strange) }
    }

    // MARK: Holds of suggestions

    /// A tyre with a nail in it, in the evening: the slot at opening is held for minutes at a time.
    private func nail() throws -> Desk {
        var desk = try Desk(perDay: 0.1, days: 11)
        let start = desk.gateway.now + .hours(1)
        desk.feed(Fixtures.leak("v1", from: 215, perDay: 60, days: 2, start: start))
        desk.add(desk.gateway.finish())
        desk.wait(untilHour: 20)
        try #require(try desk.suggestion.need.urgency == .p0)
        return desk
    }

    @Test func aHoldThatEndsOnTheSameSlotIsLengthened() throws {
        var desk = try nail()
        let before = try desk.suggestion
        let transitions = desk.transitions.count
        for _ in 0..<10 {
            let until = try #require(desk.suggestion.holdUntil)
            desk.wait(until: until)
            #expect((try desk.suggestion.holdUntil ?? .distantPast) > until)
        }
        let after = try desk.suggestion
        #expect(after.occupancy == before.occupancy && after.version == before.version)
        #expect(desk.transitions.count == transitions)
        // A page that shows it is not too old for what it offers.
        #expect(try desk.take(.lease) == nil)
    }

    @Test func aSlotThatMovesWhenItsHoldEndsIsAnotherVersion() throws {
        var desk = try Desk()
        let before = try desk.suggestion
        desk.wait(until: try #require(before.holdUntil))
        let after = try desk.suggestion
        #expect(after.occupancy?.slot != before.occupancy?.slot)
        #expect(after.version == before.version + 1)
        #expect(desk.events(.suggestion).last == "replan")
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
