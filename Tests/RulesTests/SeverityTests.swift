import Rules
import Telemetry
import Testing

struct SeverityTests {
    private let now = Timestamp(milliseconds: 1_772_323_200_000)

    private func evidence(
        earlyIn days: Double?,
        isCrossed: Bool = false,
        isFast: Bool = false
    ) -> Evidence {
        let early = days.map { now + .days($0) }
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
            early: early,
            middle: early.map { $0 + .days(1.0) },
            late: early.map { $0 + .days(2.0) },
            isCrossed: isCrossed,
            isFast: isFast
        )
    }

    @Test(arguments: [
        (14.1, Severity.notice), (14.0, .soon), (3.1, .soon), (3.0, .urgent), (1.1, .urgent),
        (1.0, .crossed), (-2.0, .crossed),
    ])
    func theUsualLadderGoesByTheTimeToTheEarlyEdge(days: Double, expected: Severity) {
        #expect(SeverityLadder().severity(of: evidence(earlyIn: days), now: now) == expected)
    }

    @Test func aRuleMayHaveRungsOfItsOwn() {
        var ladder = SeverityLadder()
        ladder.soonDays = 60
        ladder.urgentDays = 20
        ladder.met = .urgent
        #expect(ladder.severity(of: evidence(earlyIn: 40), now: now) == .soon)
        #expect(ladder.severity(of: evidence(earlyIn: 15), now: now) == .urgent)
        #expect(ladder.severity(of: evidence(earlyIn: 40, isCrossed: true), now: now) == .urgent)
        // Air that leaves at once is a matter of safety whatever the ladder says.
        #expect(ladder.severity(of: evidence(earlyIn: 40, isFast: true), now: now) == .crossed)
    }

    @Test func aForecastThatHasGoneIsNoReasonToHurry() {
        #expect(SeverityLadder().severity(of: evidence(earlyIn: nil), now: now) == .notice)
        #expect(SeverityLadder().nextRise(of: evidence(earlyIn: nil), after: now) == nil)
    }

    @Test func theNextRiseIsTheNextRungInTime() {
        let ladder = SeverityLadder()
        #expect(ladder.nextRise(of: evidence(earlyIn: 20), after: now) == now + .days(6.0))
        #expect(ladder.nextRise(of: evidence(earlyIn: 14), after: now) == now + .days(11.0))
        #expect(ladder.nextRise(of: evidence(earlyIn: 0.5), after: now) == nil)
        #expect(ladder.nextRise(of: evidence(earlyIn: 9, isCrossed: true), after: now) == nil)
    }
}
