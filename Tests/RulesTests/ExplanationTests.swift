import Rules
import Support
import Telemetry
import Testing

struct ExplanationTests {
    private let now = Fixtures.start + .days(14.0)

    private func evidence(isCrossed: Bool) -> Evidence {
        Evidence(
            limit: 180,
            isLimitAssumed: false,
            level: 200,
            slopePerDay: -2.4,
            firstAt: Fixtures.start,
            firstValue: 245,
            newestAt: now - .hours(2),
            newestValue: 212,
            readings: 41,
            early: now + .days(5.6),
            middle: now + .days(7.1),
            late: now + .days(9.7),
            isCrossed: isCrossed,
            isFast: false
        )
    }

    private func sentence(isCrossed: Bool) throws -> Bilingual {
        let rule = try Fixtures.rule("tyre_pressure")
        return Explanation.sentence(
            rule: rule,
            component: rule.components[0],
            evidence: evidence(isCrossed: isCrossed),
            at: now,
            zone: .utc
        )
    }

    @Test func theSentenceOfANearLimitSaysWhatWhenAndWhy() throws {
        let text = try sentence(isCrossed: false)
        #expect(
            text.en
                == "Front-left tyre pressure went from 2.45 to 2.12 bar in 14 days (about -0.024 a day, "
                + "corrected to 20 °C); expected below the limit of 1.80 bar on 22 Mar "
                + "(20 Mar to 24 Mar); 41 readings, newest 14 Mar 22:00."
        )
        #expect(
            text.zh
                == "左前轮胎胎压14天内由2.45变为2.12 bar(每天约-0.024,已折算到20 °C),预计3月22日"
                + "(3月20日至3月24日)低于下限1.80 bar;41个读数,最新3月14日 22:00。"
        )
    }

    @Test func aCrossedLimitIsSaidAsAFact() throws {
        #expect(
            try sentence(isCrossed: true).en
                == "Front-left tyre pressure is 2.12 bar, below the limit of 1.80 bar (corrected to "
                + "20 °C); 41 readings, newest 14 Mar 22:00."
        )
    }

    /// A battery manager's health can't be dated: months, never a day.
    @Test func healthOfATractionBatteryIsSaidInMonths() throws {
        let rule = try Fixtures.rule("traction_health")
        let names =
            Explanation.names(in: rule.nearText.en) + Explanation.names(in: rule.nearText.zh)
        #expect(names.contains("months"))
        #expect(!names.contains("middle") && !names.contains("range"))
    }

    @Test(arguments: [
        (0.0, 2, "0.00"), (-0.0004, 3, "0.000"), (-0.024, 3, "-0.024"), (1.995, 2, "2.00"),
        (12, 0, "12"), (-7.5, 0, "-8"),
    ])
    func numbersAreFixedWithoutALocale(value: Double, decimals: Int, text: String) {
        #expect(fixed(value, decimals: decimals) == text)
    }
}
