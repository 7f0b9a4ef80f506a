import Customers
import GatewayApp
import GatewayCore
import Rules
import Support
import Telemetry
import Testing
import Workshop

/// What the desk knows of owners and due work, as visits show it.
struct FactsTests {
    private func owner(_ account: Int64 = 1, _ items: [DueItem] = []) -> VehicleFacts {
        var facts = VehicleFacts()
        facts.account = account
        facts.dueItems = items
        return facts
    }

    private func service(on date: CivilDate? = nil, kilometres: Int? = nil) -> DueItem {
        DueItem(kind: .service, vehicle: "v1", on: date, kilometres: kilometres)
    }

    private func date(_ instant: Timestamp, after days: Int64) -> CivilDate {
        let day = instant.milliseconds / 86_400_000 + days
        return CivilDate(daysSinceEpoch: day)
    }

    /// A gateway that has heard of `v1`, and nothing is wrong with it.
    private func quietDesk() throws -> Desk {
        var desk = Desk(empty: try Fixtures.assembly())
        desk.feed([Desk.profile("v1")])
        return desk
    }

    private func tell(_ desk: inout Desk, _ facts: VehicleFacts, of vehicle: String = "v1") {
        #expect(desk.give(.facts([VehicleNews(vehicle: vehicle, facts: facts)])) == nil)
    }

    private func metres(
        _ value: Int,
        at time: Timestamp
    ) -> (
        topic: String, payload: String, receivedAt: Timestamp
    ) {
        Fixtures.packet("v1", at: time, ["Vehicle.TraveledDistance": Double(value)])
    }

    // MARK: Due work

    @Test func aServiceIsSuggestedThirtyDaysAheadAndNotBefore() throws {
        var desk = try quietDesk()
        let due = date(desk.gateway.now, after: 40)
        tell(&desk, owner(1, [service(on: due)]))
        desk.wait(.days(9.0))
        #expect(desk.suggestions.isEmpty)
        desk.wait(.days(2.0))
        let suggestion = try desk.suggestion
        #expect(suggestion.alerts.isEmpty && suggestion.need.jobs == ["service"])
        #expect(suggestion.need.urgency == .p3 && suggestion.occupancy != nil)
        #expect(suggestion.need.lines.map(\.reason) == [.service])
    }

    @Test func distanceComesFirstWhereItDoes() throws {
        var desk = try quietDesk()
        tell(&desk, owner(1, [service(on: date(desk.gateway.now, after: 300), kilometres: 20_000)]))
        let time = desk.gateway.now
        for step in 0..<3 {
            desk.feed([metres(18_499_000, at: time + .minutes(Int64(20 * step)))])
        }
        // Ten times too much, once.
        desk.feed([metres(184_990_000, at: time + .hours(1))])
        #expect(desk.suggestions.isEmpty)
        desk.feed([metres(18_500_000, at: time + .hours(2))])
        let line = try #require(try desk.suggestion.need.lines.first)
        #expect(line.reason == .service && line.kilometres == 20_000)
        #expect(line.due == time + .hours(2) + .days(30.0))
    }

    /// 20,000 km service, a noise in front, and a leaking tyre: one visit, shared work once (D12).
    @Test func oneVisitHoldsAllThree() throws {
        var desk = try Desk()
        tell(&desk, owner(1, [service(on: date(desk.gateway.now, after: 18))]))
        let before = try desk.suggestion
        #expect(before.alerts.count == 1 && before.need.jobs.contains("service"))
        desk.wait(untilHour: 10)
        let call = ContactAttempt(
            channel: .phone,
            outcome: .accepted,
            odometerKilometres: 19_400,
            symptoms: "颠路车前方有响声"
        )
        #expect(try desk.take(.attempt(call)) == nil)
        let visit = try desk.visit
        #expect(visit.need.jobs == before.need.jobs + ["diagnosis"])
        #expect(visit.need.lines.map(\.reason) == [.service, .stated])
        #expect(visit.symptoms == "颠路车前方有响声")
        let length = visit.slot.interval.end - visit.slot.interval.start
        #expect(length == .minutes(Int64(visit.need.minutes)))
    }

    @Test func doneWorkIsNotSuggestedAgainAndAdvisedWorkRidesAlong() throws {
        var desk = try Desk()
        tell(&desk, owner(1, [service(on: date(desk.gateway.now, after: 5))]))
        desk.wait(untilHour: 10)
        #expect(try desk.call(.accepted) == nil)
        let visit = try desk.visit
        desk.wait(until: visit.slot.interval.start)
        #expect(try desk.take(.arrive(odometerKilometres: nil, symptoms: "")) == nil)
        #expect(try desk.take(.start) == nil)
        let findings = visit.alerts.map {
            Finding(
                alert: $0,
                verdict: .confirmed,
                action: "",
                parts: "",
                note: "",
                measured: nil,
                minutes: nil
            )
        }
        #expect(
            try desk.take(.finish(findings, advised: ["no_such_job"]))?.code == .unknownName
        )
        #expect(try desk.take(.finish(findings, advised: ["brake_pads"])) == nil)
        desk.wait(.days(10.0))
        #expect(desk.suggestions.count == 1)
        // The desk lists the next service; the pads come with it.
        tell(&desk, owner(1, [service(on: date(desk.gateway.now, after: 20))]))
        let next = try desk.suggestion
        #expect(next.alerts.isEmpty && next.need.jobs == ["brake_pads", "service"])
        #expect(next.need.lines.map(\.reason) == [.service, .recommended])
    }

    @Test func aDeclinedServiceRestsForAMonth() throws {
        var desk = try quietDesk()
        tell(&desk, owner(1, [service(on: date(desk.gateway.now, after: 45))]))
        desk.wait(.days(16.0))
        desk.wait(untilHour: 10)
        #expect(try desk.call(.notInterested) == nil)
        let declined = try desk.suggestion
        #expect(declined.state == .declined)
        desk.wait(.days(29.0))
        #expect(try desk.suggestion.id == declined.id)
        desk.wait(.days(2.0))
        #expect(try desk.suggestion.id != declined.id)
    }

    @Test func datesAreMentionedAndTakeNoTime() throws {
        var desk = try Desk()
        let before = try desk.suggestion
        let items = [
            DueItem(
                kind: .inspection,
                vehicle: "v1",
                on: date(desk.gateway.now, after: 50),
                kilometres: nil
            ),
            DueItem(
                kind: .insurance,
                vehicle: "v1",
                on: date(desk.gateway.now, after: 90),
                kilometres: nil
            ),
        ]
        tell(&desk, owner(1, items))
        let after = try desk.suggestion
        #expect(after.id == before.id && after.need.minutes == before.need.minutes)
        #expect(after.need.lines.map(\.reason) == [.inspection])
    }

    /// What is urgent at once takes nothing along.
    @Test func nothingRidesAlongWithAStopAndCheck() throws {
        var desk = try Desk(perDay: 0.1, days: 11)
        // A nail: readings that fall away.
        let nail = desk.gateway.now + .hours(1)
        desk.feed(
            Fixtures.leak("v1", from: 215, perDay: 60, days: 2, start: nail)
        )
        desk.add(desk.gateway.finish())
        try #require(try desk.suggestion.need.urgency == .p0)
        let jobs = try desk.suggestion.need.jobs
        tell(&desk, owner(1, [service(on: date(desk.gateway.now, after: 5))]))
        #expect(try desk.suggestion.need.jobs == jobs)
    }

    // MARK: Owners

    @Test func anOwnerWhoSoldTheCarIsLeftAlone() throws {
        var desk = try Desk()
        tell(&desk, owner(1))
        desk.wait(untilHour: 10)
        #expect(try desk.call(.inconvenient, at: desk.gateway.now + .hours(3)) == nil)
        tell(&desk, owner(2))
        #expect(try desk.suggestion.state == .withdrawn)
        #expect(desk.alerts.values.allSatisfy { $0.outcome == .vehicleLeft })
    }

    @Test func aLeaseAndAVisitEndWithTheOwner() throws {
        var leased = try Desk()
        tell(&leased, owner(1))
        #expect(try leased.take(.lease) == nil)
        tell(&leased, VehicleFacts())
        #expect(try leased.suggestion.state == .withdrawn)

        var booked = try Desk()
        tell(&booked, owner(1))
        booked.wait(untilHour: 10)
        #expect(try booked.call(.accepted) == nil)
        tell(&booked, VehicleFacts())
        #expect(try booked.visit.state == .cancelled)
        #expect(try booked.visit.cancelCode == .vehicleLeft)
        #expect(booked.alerts.values.allSatisfy { $0.outcome == .vehicleLeft })
    }

    /// The tyre leaks on: the new owner is told, and nobody remembers the old one's refusals.
    @Test func aNewOwnerHearsOfWhatIsStillWrong() throws {
        var desk = try Desk()
        tell(&desk, owner(1))
        desk.wait(untilHour: 10)
        #expect(try desk.call(.doNotContact) == nil)
        tell(&desk, owner(2))
        desk.feed(
            Fixtures.leak("v1", from: 198, perDay: 3, days: 3, start: desk.gateway.now + .hours(2))
        )
        desk.add(desk.gateway.finish())
        let next = try desk.suggestion
        #expect(next.state == .proposed && next.alerts.count == 1)
        desk.wait(untilHour: 10)
        #expect(desk.gateway.contactBlock(next.id) == nil)
    }

    // MARK: Contact

    @Test func withoutConsentNobodyCalls() throws {
        var desk = try Desk()
        var facts = owner()
        facts.allowsService = false
        tell(&desk, facts)
        desk.wait(untilHour: 10)
        #expect(try desk.call(.unreachable)?.block?.reason == .consent)
        facts.allowsService = true
        tell(&desk, facts)
        #expect(try desk.call(.unreachable) == nil)
    }

    @Test func theCustomersOwnHoursAreKept() throws {
        var desk = try Desk()
        var facts = owner()
        facts.contactMinutes = 18 * 60..<23 * 60
        tell(&desk, facts)
        desk.wait(untilHour: 10)
        let block = try #require(try desk.call(.unreachable)?.block)
        #expect(block.reason == .hours && block.until == desk.gateway.now + .hours(8))
        desk.wait(untilHour: 18)
        #expect(try desk.call(.unreachable) == nil)
    }

    /// One call may speak of all an owner's cars; the next call about another car waits.
    @Test func anAccountIsCalledOnce() throws {
        var desk = Desk(empty: try Fixtures.assembly())
        desk.feed([Desk.profile("v1"), Desk.profile("v2")])
        let packets =
            Fixtures.leak("v1", perDay: 3, days: 13)
            + Fixtures.leak("v2", perDay: 3, days: 13)
        desk.feed(packets.sorted { $0.receivedAt < $1.receivedAt })
        desk.add(desk.gateway.finish())
        let ids = desk.suggestions.keys.sorted()
        try #require(ids.count == 2)
        tell(&desk, owner(7), of: "v1")
        tell(&desk, owner(7), of: "v2")
        desk.wait(untilHour: 10)
        let first = try #require(desk.suggestions[ids[0]])
        let call = ContactAttempt(channel: .phone, outcome: .unreachable)
        let done = desk.give(
            .suggestion(first.id, version: first.version, .attempt(call), by: Desk.advisor)
        )
        #expect(done == nil)
        #expect(desk.gateway.contactBlock(ids[1]) == nil)
        desk.wait(.hours(3))
        #expect(desk.gateway.contactBlock(ids[1])?.reason == .frequency)
    }

    // MARK: Stations

    /// Suzhou's bays are closed until after the deadline; a station in reach takes the car.
    @Test func theNearestStationWithASlotInTime() throws {
        var desk = try Desk(assembly: Desk.twoStationsInSuzhou())
        tell(&desk, owner())
        let before = try desk.suggestion
        #expect(before.station == 0 && before.stationReason == .home)
        let all = OpenInterval(start: desk.gateway.now, end: before.need.latestBy + .days(3.0))
        let closed = desk.give(
            .close(station: "su-zhou-1", .station, all, reason: "flood", by: Desk.manager)
        )
        #expect(closed == nil)
        let after = try desk.suggestion
        #expect(desk.gateway.stations[after.station].code == "su-zhou-2")
        #expect(after.stationReason == .nearest)
        #expect(after.occupancy.map { $0.slot.interval.start <= after.need.latestBy } == true)
    }

    /// Vienna is too far to be a help, and who lives there belongs there.
    @Test func whoLivesFarAwayIsOfferedTheNearest() throws {
        var desk = try Desk()
        var facts = owner()
        facts.home = GeoPoint(latitude: 48.25, longitude: 16.40)
        tell(&desk, facts)
        let moved = try desk.suggestion
        #expect(desk.gateway.stations[moved.station].code == "wien-1")
        #expect(moved.stationReason == .nearest && moved.occupancy != nil)
        // Somewhere between: no station reaches that far, and the nearest says so.
        facts.home = GeoPoint(latitude: 41.0, longitude: 69.0)
        tell(&desk, facts)
        #expect(try desk.suggestion.stationReason == .outOfRadius)
        #expect(desk.gateway.stations[try desk.suggestion.station].code == "wien-1")
    }
}

/// Slots that two people want, and slots that others would be better than.
struct ContestTests {
    /// Suzhou with a single bay.
    private func oneBay() throws -> Assembly {
        var assembly = try Fixtures.assembly()
        assembly.stations[0].bays.removeLast(2)
        assembly.stations[0].technicians.removeLast(2)
        assembly.stations[0].bays[0].kinds = Set(BayKind.allCases)
        assembly.stations[0].technicians[0].skills = ["tyre", "engine", "diagnosis"]
        return assembly
    }

    /// Two advisors on one slot: one wins, the other is told what is still free.
    @Test func theLoserGetsThreeFreshOffers() throws {
        var desk = Desk(empty: try oneBay())
        desk.feed([Desk.profile("v1"), Desk.profile("v2")])
        let packets =
            Fixtures.leak("v1", perDay: 3, days: 13) + Fixtures.leak("v2", perDay: 3, days: 13)
        desk.feed(packets.sorted { $0.receivedAt < $1.receivedAt })
        desk.add(desk.gateway.finish())
        desk.wait(untilHour: 10)
        let ids = desk.suggestions.values.filter(\.state.isLive).map(\.id).sorted()
        try #require(ids.count == 2)
        let first = try #require(desk.suggestions[ids[0]])
        let second = try #require(desk.suggestions[ids[1]])
        let wanted = try #require(first.occupancy?.slot.interval)
        let won = desk.give(
            .suggestion(first.id, version: first.version, .book(.held), by: Desk.advisor)
        )
        #expect(won == nil)
        let lost = desk.give(
            .suggestion(
                second.id,
                version: second.version,
                .book(.start(wanted.start, reason: "as asked")),
                by: Actor("bob")
            )
        )
        #expect(lost?.code == .slotTaken)
        let offers = try #require(desk.suggestions[second.id]).offers
        #expect(offers.count == 3)
        #expect(offers.allSatisfy { !$0.slot.interval.overlaps(wanted) })
    }

    /// A better slot comes free: it is not taken the same hour, but it is the next day.
    @Test func aBetterSlotIsTakenOnceADay() throws {
        var desk = try Desk(assembly: oneBay())
        let before = try desk.suggestion
        let held = try #require(before.occupancy).slot.interval
        let closed = OpenInterval(start: desk.gateway.now, end: held.end + .days(3.0))
        #expect(
            desk.give(
                .close(station: "su-zhou-1", .bay(0), closed, reason: "lift", by: Desk.manager)
            ) == nil
        )
        let moved = try #require(try desk.suggestion.occupancy).slot.interval
        #expect(moved.start >= closed.end)
        #expect(desk.give(.reopen(ClosureID(rawValue: 1), by: Desk.manager)) == nil)
        // Readings come, and the slot stays for a day.
        desk.wait(.hours(1))
        let soon = Fixtures.leak("v1", from: 200, perDay: 2, days: 1, start: desk.gateway.now)
        desk.feed([soon[0]])
        desk.wait(.minutes(3))
        #expect(try desk.suggestion.occupancy?.slot.interval == moved)
        desk.wait(.hours(25))
        desk.feed(Fixtures.leak("v1", from: 197, perDay: 2, days: 1, start: desk.gateway.now))
        desk.wait(.minutes(3))
        let taken = try #require(try desk.suggestion.occupancy).slot.interval
        #expect(taken.start < moved.start)
    }
}
