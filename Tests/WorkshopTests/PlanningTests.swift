import ConfigFiles
import Support
import Telemetry
import Testing
import Workshop

/// Visits as a workshop would plan them by hand: the worked example, and ten cases of our own.
struct PlanningTests {
    private let station: Station
    private let planner: VisitPlanner

    init() throws {
        let assembly = try Fixtures.assembly()
        station = try #require(assembly.stations.first { $0.code == "su-zhou-1" })
        planner = VisitPlanner(catalogue: assembly.jobs)
    }

    /// March 2026 in Suzhou; the 12th is a Thursday.
    private func local(_ day: Int, _ hour: Int, _ minute: Int = 0, month: Int = 3) -> Timestamp {
        station.zone.instant(
            of: CivilTime(
                date: CivilDate(year: 2026, month: month, day: day),
                minute: hour * 60 + minute
            )
        )
    }

    private func need(
        _ consequence: Consequence,
        in days: Double,
        _ jobs: [String],
        severity: Severity = .soon,
        now: Timestamp
    ) -> VisitNeed {
        planner.need(
            of: [cause(consequence, in: days, jobs, severity: severity, now: now)],
            now: now
        )
    }

    private func cause(
        _ consequence: Consequence,
        in days: Double,
        _ jobs: [String],
        severity: Severity = .soon,
        number: Int64 = 1,
        now: Timestamp
    ) -> VisitCause {
        VisitCause(
            alert: AlertID(rawValue: number),
            consequence: consequence,
            actBy: now + .days(days),
            severity: severity,
            jobs: jobs
        )
    }

    private func offers(
        _ need: VisitNeed,
        _ calendar: StationCalendar,
        now: Timestamp,
        _ preference: VisitPreference? = nil
    ) -> [Offer] {
        planner.offers(
            for: need,
            station: station,
            calendar: calendar,
            now: now,
            preference: preference,
            ownHold: nil
        )
    }

    /// A calendar on which bays, each with its technician, are taken.
    private func calendar(
        _ taken: [(bay: Int, from: Timestamp, to: Timestamp)] = []
    ) -> StationCalendar {
        var calendar = StationCalendar(bays: 3, technicians: 3)
        for (number, item) in taken.enumerated() {
            calendar.insert(
                Occupancy(
                    id: OccupancyID(rawValue: Int64(number + 1)),
                    slot: Slot(
                        bay: item.bay,
                        technician: item.bay,
                        interval: OpenInterval(start: item.from, end: item.to)
                    ),
                    kind: .appointment
                )
            )
        }
        return calendar
    }

    private func allBays(
        _ from: Timestamp,
        _ to: Timestamp
    ) -> [(bay: Int, from: Timestamp, to: Timestamp)] {
        (0..<3).map { ($0, from, to) }
    }

    private let saturdayAfternoon = VisitPreference(weekdays: [6], from: 720, to: 1_080)

    /// A slow leak with an oil service, on a Thursday morning.
    @Test func theWorkedExample() {
        let now = local(12, 10)
        let need = need(.wear, in: 5.6, ["puncture_repair", "oil_service"], now: now)
        #expect(need.urgency == .p2 && need.minutes == 90)
        #expect(need.latestBy == now + .days(4.6))
        // Bays 1 and 2 are full on Saturday afternoon, the third until 12:50 (13:00 with the
        // buffer); on Monday the day begins with other cars.
        let taken =
            [(0, local(14, 12), local(14, 18)), (1, local(14, 12), local(14, 18))]
            + [(2, local(14, 12), local(14, 12, 50))]
            + allBays(local(16, 8, 30), local(16, 9, 50))
        let offers = offers(need, calendar(taken), now: now, saturdayAfternoon)
        #expect(offers.map(\.label) == [.best, .earliest, .anotherDay])
        #expect(
            offers.map(\.slot.interval.start) == [
                local(14, 13), local(13, 8, 30), local(16, 10),
            ]
        )
        #expect(offers.first?.slot.bay == 2)
        // Held, and first contact due, until four opening hours before.
        let hold = planner.holdEnd(
            of: offers[0].slot,
            urgency: need.urgency,
            station: station,
            now: now
        )
        #expect(hold == local(14, 9))
        // By the class alone it would be Saturday 10:00.
        #expect(need.urgency.contactDue(from: now, station: station) == local(14, 10))
    }

    @Test func aFastLeakIsP0AndMayUseTheWalkInReserve() {
        let now = local(12, 10)
        let need = need(.safety, in: 0.5, ["puncture_repair"], severity: .crossed, now: now)
        #expect(need.urgency == .p0)
        // Two bays are full all day, the third in the morning: 83 % are taken.
        let taken = [
            (0, local(12, 8, 30), local(12, 18)), (1, local(12, 8, 30), local(12, 18)),
            (2, local(12, 8, 30), local(12, 13)),
        ]
        let best = offers(need, calendar(taken), now: now).first
        #expect(best?.slot.interval.start == local(12, 13, 30) && best?.slot.bay == 2)
    }

    @Test func aP2LeavesTheWalkInReserveAlone() {
        let now = local(12, 8, 30)
        let need = need(.wear, in: 2, ["puncture_repair"], severity: .crossed, now: now)
        let taken = [
            (0, local(13, 8, 30), local(13, 18)), (1, local(13, 8, 30), local(13, 18)),
            (2, local(13, 8, 30), local(13, 13)),
        ]
        let days = offers(need, calendar(taken), now: now).map {
            station.zone.civil($0.slot.interval.start).date.day
        }
        #expect(!days.contains(13) && !days.isEmpty)
    }

    @Test func workThatIsNotYetOfUseIsNotOfferedYet() {
        let now = local(12, 10)
        let need = need(.wear, in: 50, ["oil_service"], severity: .notice, now: now)
        #expect(need.urgency == .p3 && need.earliestUseful == now + .days(20.0))
        for offer in offers(need, calendar(), now: now) {
            #expect(offer.slot.interval.start >= need.earliestUseful)
        }
    }

    @Test func oneUrgentCauseMakesTheWholeVisitUsefulNow() {
        let now = local(12, 10)
        let need = planner.need(
            of: [
                cause(.wear, in: 50, ["oil_service"], severity: .notice, now: now),
                cause(.breakdown, in: 5, ["battery_test"], number: 2, now: now),
            ],
            now: now
        )
        #expect(need.earliestUseful == now && need.urgency == .p2)
        #expect(need.latestBy == now + .days(3.0))
        #expect(need.jobs == ["battery_test", "oil_service"] && need.minutes == 65)
    }

    @Test func sharedWorkIsCountedOnceInABundleOfThree() {
        let now = local(12, 10)
        let need = need(
            .wear,
            in: 9,
            ["brake_pads", "tyre_check", "puncture_repair"],
            now: now
        )
        // 20 + 40 + 90, the wheels come off once: 10 and 20 min saved.
        #expect(need.minutes == 120 && need.kinds == [.tyre, .normal])
    }

    @Test func onlyWhoCanDoItIsGivenIt() {
        let now = local(12, 8, 30)
        let need = need(.wear, in: 9, ["hv_health"], now: now)
        for offer in offers(need, calendar(), now: now) {
            #expect(offer.slot.bay == 2 && offer.slot.technician == 2)
        }
        var short = station
        short.technicians.removeLast()
        let none = planner.offers(
            for: need,
            station: short,
            calendar: StationCalendar(bays: 3, technicians: 2),
            now: now,
            ownHold: nil
        )
        #expect(none.isEmpty)
    }

    @Test func partsThatMustBeOrderedMoveTheVisit() {
        let now = local(12, 10)
        let pads = Job(
            code: "pads",
            titleZH: "",
            titleEN: "",
            minutes: 60,
            bayKind: .normal,
            sharedGroup: nil,
            sharedMinutes: 0,
            skill: nil,
            parts: [
                Part(code: "p1", isStocked: true, leadDays: 30),
                Part(code: "p2", isStocked: false, leadDays: 5),
            ]
        )
        let planner = VisitPlanner(catalogue: [pads])
        let need = planner.need(
            of: [cause(.wear, in: 12, ["pads"], now: now)],
            now: now
        )
        let offers = planner.offers(
            for: need,
            station: station,
            calendar: calendar(),
            now: now,
            ownHold: nil
        )
        #expect(need.partsLeadDays == 5 && !offers.isEmpty)
        for offer in offers { #expect(offer.slot.interval.start >= now + .days(5.0)) }
    }

    @Test func aSlotAfterTheDeadlineIsOfferedLastAndSaysSo() throws {
        let now = local(12, 10)
        let need = need(.wear, in: 2.2, ["puncture_repair"], now: now)
        let offers = offers(
            need,
            calendar(allBays(local(13, 8, 30), local(13, 18))),
            now: now
        )
        let best = try #require(offers.first)
        #expect(best.slot.interval.start > need.latestBy)
        #expect(best.terms.contains { $0.name == .late } && best.cost > SlotFinder.latePenalty)
    }

    @Test func thePreferredTimeIsAnOfferWhereItIsNotTheBest() {
        let now = local(12, 10)
        let need = need(.wear, in: 5.6, ["oil_service"], now: now)
        // A customer who likes Monday evening, close to the deadline.
        let evening = VisitPreference(weekdays: [1], from: 16 * 60, to: 18 * 60)
        let offers = offers(need, calendar(), now: now, evening)
        #expect(Set(offers.map(\.slot.interval.start)).count == 3)
        let liked = offers.filter { offer in
            let local = station.zone.civil(offer.slot.interval.start)
            return local.date.weekday == 1 && local.minute >= 16 * 60
        }
        #expect(liked.count == 1)
        for offer in offers where offer.slot != liked.first?.slot {
            #expect(offer.terms.contains { $0.name == .preference })
        }
    }

    /// National Day: closed from the 1st to the 7th, open on Saturday the 10th with Saturday's
    /// own hours anyway; the Sunday before the holiday is worked instead.
    @Test func holidaysCloseAndMakeUpDaysOpen() {
        func hours(_ month: Int, _ day: Int) -> Int {
            station.openIntervals(on: CivilDate(year: 2026, month: month, day: day)).count
        }
        #expect((1...7).map { hours(10, $0) } == [0, 0, 0, 0, 0, 0, 0])
        #expect(hours(9, 20) == 1 && hours(9, 27) == 0)
        let now = local(29, 17, month: 9)
        let need = need(.wear, in: 14, ["service"], now: now)
        let days = offers(need, calendar(), now: now).map {
            station.zone.civil($0.slot.interval.start).date.day
        }
        #expect(!days.isEmpty && !days.contains { (1...7).contains($0) })
    }

    @Test func aClosureAndAnAbsenceAreNotOffered() {
        let now = local(12, 10)
        var calendar = calendar()
        calendar.insert(
            Closure(
                id: ClosureID(rawValue: 1),
                scope: .station,
                interval: OpenInterval(start: local(13, 0), end: local(14, 0)),
                reason: "stocktaking"
            )
        )
        calendar.insert(
            Closure(
                id: ClosureID(rawValue: 2),
                scope: .technician(2),
                interval: OpenInterval(start: local(14, 0), end: local(16, 0)),
                reason: "sick"
            )
        )
        let need = need(.wear, in: 9, ["hv_health"], now: now)
        let starts = offers(need, calendar, now: now).map(\.slot.interval.start)
        #expect(starts.min() == local(16, 8, 30))
    }

    /// At most three tenths of a day are held for people who have not said yes.
    @Test func holdsLeaveMostOfADayFree() {
        let now = local(12, 8, 30)
        let need = need(.wear, in: 30, ["service"], severity: .notice, now: now)
        var calendar = calendar()
        var days: [Int: Int] = [:]
        for number in 0..<20 {
            guard let slot = offers(need, calendar, now: now).first?.slot else { continue }
            calendar.insert(
                Occupancy(id: OccupancyID(rawValue: Int64(number)), slot: slot, kind: .hold)
            )
            days[station.zone.civil(slot.interval.start).date.day, default: 0] += 60
        }
        // Three bays of 570 min.
        #expect(days.values.allSatisfy { Double($0) <= 0.3 * 1_710 })
        #expect(days.values.reduce(0, +) == 20 * 60)
    }

    // MARK: Clocks that change

    /// Vienna, a station that is open at night, so that the change of clocks falls into its hours.
    private func nightStation() throws -> Station {
        var vienna = try #require(try Fixtures.assembly().stations.first { $0.code == "wien-1" })
        vienna.weekly = [[OpenHours]](repeating: [OpenHours(from: 0, to: 480)], count: 7)
        vienna.exceptions = [:]
        return vienna
    }

    @Test func theNightThatIsShorterHasFewerMinutesAndNoLostHour() throws {
        let vienna = try nightStation()
        let spring = vienna.openIntervals(on: CivilDate(year: 2026, month: 3, day: 29))
        let autumn = vienna.openIntervals(on: CivilDate(year: 2026, month: 10, day: 25))
        #expect(spring.map { ($0.end - $0.start).hours } == [7])
        #expect(autumn.map { ($0.end - $0.start).hours } == [9])
        // Two opening hours from 01:00 local: over the gap, and once through the overlap.
        let one = vienna.zone.instant(
            of: CivilTime(date: CivilDate(year: 2026, month: 3, day: 29), minute: 60)
        )
        #expect(
            vienna.zone.civil(vienna.instant(openMinutes: 120, after: one)).clock == "04:00"
        )
        let autumnOne = vienna.zone.instant(
            of: CivilTime(date: CivilDate(year: 2026, month: 10, day: 25), minute: 60)
        )
        #expect(
            vienna.zone.civil(vienna.instant(openMinutes: 120, after: autumnOne)).clock == "02:00"
        )
    }

    @Test func slotsInTheNightOfTheChangeAreAllOfFullLength() throws {
        let vienna = try nightStation()
        for date in [
            CivilDate(year: 2026, month: 3, day: 29), CivilDate(year: 2026, month: 10, day: 25),
        ] {
            let night = try #require(vienna.openIntervals(on: date).first)
            var calendar = StationCalendar(bays: 2, technicians: 2)
            var taken = 0.0
            for number in 0..<40 {
                let request = SlotRequest(
                    minutes: 60,
                    kinds: [.normal],
                    notBefore: night.start,
                    latestBy: night.end - .minutes(1),
                    early: night.end,
                    mayUseReserve: true,
                    ownHold: nil
                )
                let best = SlotFinder.offers(request, station: vienna, calendar: calendar).first
                guard let slot = best?.slot, slot.interval.start < night.end else { break }
                #expect((slot.interval.end - slot.interval.start).minutes == 60)
                #expect(slot.interval.end <= night.end)
                calendar.insert(
                    Occupancy(id: OccupancyID(rawValue: Int64(number)), slot: slot, kind: .hold)
                )
                taken += 60
            }
            #expect(taken > 0 && taken <= 2 * (night.end - night.start).minutes)
        }
    }

    // MARK: How right rules are

    @Test func precisionHasARangeAndIsHiddenWhileFewAreJudged() throws {
        let nine = Precision(right: 9, wrong: 0, serviced: 20, inspected: 10)
        #expect(nine.share == nil && nine.coverage == 0.5)
        let ten = try #require(Precision(right: 8, wrong: 2, serviced: 10, inspected: 10).share)
        // Wilson's interval of 8 in 10, from tables: 0.490 … 0.943.
        #expect(ten.value == 0.8)
        #expect((0.489...0.491).contains(ten.low) && (0.942...0.944).contains(ten.high))
        let none = Precision(right: 0, wrong: 0, serviced: 0, inspected: 0)
        #expect(none.coverage == nil && none.share == nil)
    }
}
