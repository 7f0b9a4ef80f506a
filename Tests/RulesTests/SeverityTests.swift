import Rules
import Telemetry
import Testing

struct SeverityTests {
    private let now = Timestamp(milliseconds: 1_772_323_200_000)

    private func evidence(
        actIn days: Double?,
        middleIn middle: Double? = nil,
        isCrossed: Bool = false,
        isFast: Bool = false
    ) -> Evidence {
        let actBy = days.map { now + .days($0) }
        return Evidence(
            limit: 180,
            isLimitAssumed: false,
            level: 200,
            slopePerDay: -2,
            firstAt: now,
            firstValue: 240,
            newestAt: now,
            newestValue: 200,
            readings: 40,
            early: actBy,
            middle: middle.map { now + .days($0) } ?? actBy.map { $0 + .days(1.0) },
            late: actBy.map { $0 + .days(20.0) },
            actBy: actBy,
            isCrossed: isCrossed,
            isFast: isFast
        )
    }

    @Test(arguments: [
        (14.1, Severity.notice), (14.0, .soon), (3.1, .soon), (3.0, .urgent), (0, .urgent),
        (-2.0, .urgent),
    ])
    func theUsualLadderGoesByTheTimeToAct(days: Double, expected: Severity) {
        #expect(SeverityLadder().severity(of: evidence(actIn: days), now: now) == expected)
    }

    /// `crossed` is said of limits that are met, and of nothing else.
    @Test func onlyALimitThatIsMetIsCrossed() {
        for days in [-9.0, 0, 0.1, 3, 20] {
            #expect(SeverityLadder().severity(of: evidence(actIn: days), now: now) != .crossed)
        }
        let met = evidence(actIn: 20, isCrossed: true)
        #expect(SeverityLadder().severity(of: met, now: now) == .crossed)
    }

    /// A range that is wide does not make a far date urgent.
    @Test func aDateMoreThanAWeekAheadIsNotUrgent() {
        let ladder = SeverityLadder()
        let wide = evidence(actIn: 1, middleIn: 26)
        #expect(ladder.severity(of: wide, now: now) == .soon)
        #expect(ladder.nextRise(of: wide, after: now) == now + .days(19.0))
        #expect(ladder.severity(of: wide, now: now + .days(19.0)) == .urgent)
    }

    @Test func aRuleMayHaveRungsOfItsOwn() {
        var ladder = SeverityLadder()
        ladder.soonDays = 60
        ladder.urgentDays = 20
        ladder.met = .urgent
        #expect(ladder.severity(of: evidence(actIn: 40), now: now) == .soon)
        #expect(ladder.severity(of: evidence(actIn: 15), now: now) == .soon)
        #expect(ladder.severity(of: evidence(actIn: 5.5), now: now) == .urgent)
        #expect(ladder.severity(of: evidence(actIn: 40, isCrossed: true), now: now) == .urgent)
        // Air that leaves at once is a matter of safety whatever the ladder says.
        #expect(ladder.severity(of: evidence(actIn: 40, isFast: true), now: now) == .crossed)
    }

    @Test func aForecastThatHasGoneIsNoReasonToHurry() {
        #expect(SeverityLadder().severity(of: evidence(actIn: nil), now: now) == .notice)
        #expect(SeverityLadder().nextRise(of: evidence(actIn: nil), after: now) == nil)
    }

    @Test func theNextRiseIsTheNextRungInTime() {
        let ladder = SeverityLadder()
        #expect(ladder.nextRise(of: evidence(actIn: 20), after: now) == now + .days(6.0))
        #expect(ladder.nextRise(of: evidence(actIn: 14), after: now) == now + .days(11.0))
        #expect(ladder.nextRise(of: evidence(actIn: 0.5), after: now) == nil)
        #expect(ladder.nextRise(of: evidence(actIn: 9, isCrossed: true), after: now) == nil)
    }
}
