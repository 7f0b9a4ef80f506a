import ConfigFiles
import Support
import Telemetry
import Testing
import Workshop

/// Monday to Saturday 08:30–18:00, three bays, as the shipped station in Suzhou.
private func suzhou() throws -> Station {
    try #require(Fixtures.assembly().stations.first { $0.code == "su-zhou-1" })
}

/// 2026-03-12 is a Thursday; Suzhou is UTC+8.
private func local(_ day: Int, _ hour: Int, _ minute: Int = 0) throws -> Timestamp {
    try suzhou().zone.instant(
        of: CivilTime(
            date: CivilDate(year: 2026, month: 3, day: day),
            minute: hour * 60 + minute
        )
    )
}

private func request(
    minutes: Int = 100,
    notBefore: Timestamp,
    latestBy: Timestamp,
    early: Timestamp,
    kinds: Set<BayKind> = [.tyre, .normal]
) -> SlotRequest {
    SlotRequest(
        minutes: minutes,
        kinds: kinds,
        notBefore: notBefore,
        latestBy: latestBy,
        early: early,
        ownHold: nil
    )
}

struct StationTests {
    @Test func openingHoursAreLocalAndClosuresClose() throws {
        let station = try suzhou()
        let thursday = station.openIntervals(on: CivilDate(year: 2026, month: 3, day: 12))
        #expect(thursday.map { "\($0.start)" } == ["2026-03-12T00:30:00Z"])
        #expect(station.openIntervals(on: CivilDate(year: 2026, month: 3, day: 15)).isEmpty)
        #expect(station.openIntervals(on: CivilDate(year: 2026, month: 10, day: 1)).isEmpty)
    }

    @Test func openTimeRunsOverNightAndSunday() throws {
        let station = try suzhou()
        // Saturday 17:00 + 2 h of opening = Monday 09:30.
        #expect(
            try station.instant(openMinutes: 120, after: local(14, 17)) == local(16, 9, 30)
        )
        #expect(
            try station.instant(openMinutes: 120, before: local(16, 9, 30)) == local(14, 17)
        )
    }

    /// The calendar of the worked example: from Thursday 10:00, P2, the earliest offer is Friday
    /// 08:30, because four hours are for the first contact and four for the customer's notice.
    @Test func theEarliestOfferLeavesTimeForContactAndNotice() throws {
        let station = try suzhou()
        let now = try local(12, 10)
        let jobs = try StationFile.loadJobs(
            "\(Fixtures.assembly().settings.stations)/catalogue.yaml"
        )
        let planner = VisitPlanner(catalogue: jobs)
        let need = planner.need(
            of: [
                VisitCause(
                    alert: AlertID(rawValue: 1),
                    consequence: .wear,
                    actBy: now + .days(5.6),
                    severity: .soon,
                    jobs: ["puncture_repair", "oil_service"]
                )
            ],
            now: now
        )
        #expect(need.urgency == .p2 && need.minutes == 90)
        let deadline = now + .days(4.6)
        #expect(need.latestBy == deadline)
        let offers = planner.offers(
            for: need,
            station: station,
            calendar: StationCalendar(bays: 3, technicians: 3),
            now: now,
            ownHold: nil
        )
        let friday = try local(13, 8, 30)
        #expect(offers.map(\.slot.interval.start).min() == friday)
        #expect(offers.count == 3 && offers[0].label == .best)
        #expect(Set(offers.map(\.slot.interval.start)).count == 3)
        for offer in offers { #expect(offer.slot.interval.start <= need.latestBy) }
        // Held until four opening hours before the slot: contact is due by then.
        let end = planner.holdEnd(
            of: Slot(
                bay: 0,
                interval: OpenInterval(start: try local(14, 13), end: try local(14, 14, 40))
            ),
            urgency: .p2,
            station: station,
            now: now
        )
        #expect(try end == local(14, 9))
    }

    @Test func aSlotNeverMeetsAnOccupancyOrItsBuffer() throws {
        let station = try suzhou()
        var calendar = StationCalendar(bays: 3, technicians: 3)
        // All three bays are taken from 10:00 to 12:00.
        for bay in 0..<3 {
            calendar.insert(
                Occupancy(
                    id: OccupancyID(rawValue: Int64(bay)),
                    slot: Slot(
                        bay: bay,
                        interval: OpenInterval(start: try local(13, 10), end: try local(13, 12))
                    ),
                    kind: .appointment
                )
            )
        }
        let offers = SlotFinder.offers(
            request(
                notBefore: try local(13, 8, 30),
                latestBy: try local(13, 18),
                early: try local(20, 0)
            ),
            station: station,
            calendar: calendar
        )
        let starts = offers.map(\.slot.interval.start)
        #expect(try starts.contains(local(13, 12, 30)))
        // 08:30 + 100 min = 10:10; 12:00 is free only after the buffer of 10 min.
        for offer in offers {
            #expect(calendar.isFree(offer.slot))
            #expect(try offer.slot.interval.start != local(13, 12))
        }
    }

    @Test func theWalkInReserveIsNotFilled() throws {
        let station = try suzhou()
        var calendar = StationCalendar(bays: 3, technicians: 3)
        // 3 bays × 570 min = 1,710; 80 % = 1,368. Two full bays = 1,140; 240 more exceed it.
        for bay in 0..<2 {
            calendar.insert(
                Occupancy(
                    id: OccupancyID(rawValue: Int64(bay)),
                    slot: Slot(
                        bay: bay,
                        interval: OpenInterval(
                            start: try local(13, 8, 30),
                            end: try local(13, 18)
                        )
                    ),
                    kind: .appointment
                )
            )
        }
        func days(_ minutes: Int) throws -> Set<Int> {
            Set(
                SlotFinder.offers(
                    request(
                        minutes: minutes,
                        notBefore: try local(13, 8, 30),
                        latestBy: try local(13, 18),
                        early: try local(20, 0)
                    ),
                    station: station,
                    calendar: calendar
                ).map { station.zone.civil($0.slot.interval.start).date.day }
            )
        }
        #expect(try days(228).contains(13))
        #expect(try !days(229).contains(13))
    }

    @Test func workThatNoBayCanDoGetsNoSlot() throws {
        var station = try suzhou()
        for bay in station.bays.indices { station.bays[bay].kinds.remove(.ev) }
        let offers = SlotFinder.offers(
            request(
                notBefore: try local(13, 8),
                latestBy: try local(20, 8),
                early: try local(21, 0),
                kinds: [.ev]
            ),
            station: station,
            calendar: StationCalendar(bays: 3, technicians: 3)
        )
        #expect(offers.isEmpty)
    }

    /// Vienna, 29 March 2026: clocks go forward; Monday's hours are right on both sides.
    @Test func hoursFollowTheChangeOfClocks() throws {
        let vienna = try #require(Fixtures.assembly().stations.first { $0.code == "wien-1" })
        let before = vienna.openIntervals(on: CivilDate(year: 2026, month: 3, day: 27))
        let after = vienna.openIntervals(on: CivilDate(year: 2026, month: 3, day: 30))
        #expect("\(before[0].start)" == "2026-03-27T06:30:00Z")
        #expect("\(after[0].start)" == "2026-03-30T05:30:00Z")
    }

    @Test(arguments: [
        (Consequence.safety, [Urgency.p2, .p1, .p1, .p0]), (.breakdown, [.p3, .p2, .p1, .p1]),
        (.wear, [.p3, .p2, .p2, .p2]), (.comfort, [.p3, .p3, .p3, .p3]),
    ])
    func urgencyIsConsequenceTimesSeverity(consequence: Consequence, expected: [Urgency]) {
        #expect(Severity.allCases.map(consequence.urgency) == expected)
    }

    @Test func sharedOperationsCountOnce() throws {
        let planner = VisitPlanner(
            catalogue: try StationFile.loadJobs(
                "\(Fixtures.assembly().settings.stations)/catalogue.yaml"
            )
        )
        func minutes(_ jobs: [String]) -> Int {
            planner.need(
                of: [
                    VisitCause(
                        alert: AlertID(rawValue: 1),
                        consequence: .wear,
                        actBy: Fixtures.start + .days(9.0),
                        severity: .soon,
                        jobs: jobs
                    )
                ],
                now: Fixtures.start
            ).minutes
        }
        #expect(minutes(["tyre_check"]) == 20)
        // 20 + 40, the wheels come off once: 10 min saved.
        #expect(minutes(["tyre_check", "puncture_repair"]) == 50)
        #expect(minutes(["tyre_check", "tyre_check"]) == 20)
    }
}
