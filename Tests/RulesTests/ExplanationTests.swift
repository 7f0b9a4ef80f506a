import Rules
import Support
import Telemetry
import Testing

struct ExplanationTests {
    private let now = Fixtures.start + .days(14.0)

    private func evidence(
        isCrossed: Bool,
        value: Double = 212,
        slopePerDay: Double = -2.4,
        hasDate: Bool = true,
        isFast: Bool = false
    ) -> Evidence {
        Evidence(
            limit: 180,
            isLimitAssumed: false,
            level: 200,
            slopePerDay: slopePerDay,
            firstAt: Fixtures.start,
            firstValue: 245,
            newestAt: now - .hours(2),
            newestValue: value,
            readings: 41,
            early: hasDate ? now + .days(5.6) : nil,
            middle: hasDate ? now + .days(7.1) : nil,
            late: hasDate ? now + .days(9.7) : nil,
            actBy: hasDate ? now + .days(6.3) : nil,
            isCrossed: isCrossed,
            isFast: isFast
        )
    }

    private func sentence(
        _ evidence: Evidence,
        of id: String = "tyre_pressure"
    ) throws -> Bilingual {
        let rule = try Fixtures.rule(id)
        return Explanation.sentence(
            rule: rule,
            component: rule.components[0],
            evidence: evidence,
            at: now,
            zone: .utc
        )
    }

    @Test func theSentenceOfANearLimitSaysWhatWhenAndWhy() throws {
        let text = try sentence(evidence(isCrossed: false))
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
            try sentence(evidence(isCrossed: true, value: 172)).en
                == "Front-left tyre pressure is 1.72 bar, below the limit of 1.80 bar (corrected to "
                + "20 °C); 41 readings, newest 14 Mar 22:00."
        )
    }

    /// Some air was added, and the alert is not over yet.
    @Test func noTextSaysBelowOfAValueAboveTheLimit() throws {
        for hasDate in [true, false] {
            let topped = evidence(isCrossed: true, value: 197, hasDate: hasDate)
            let text = try sentence(topped)
            #expect(!text.en.contains("below") && !text.zh.contains("低于"), "\(text)")
            #expect(text.en.contains("1.97 bar") && text.en.contains("1.80 bar"))
        }
        #expect(try !sentence(evidence(isCrossed: false, hasDate: false)).en.contains("below"))
    }

    /// What a driver drives has no sign.
    @Test func aServiceIsToldWithoutAMinus() throws {
        for id in ["service_distance", "service_hours"] {
            let driven = evidence(isCrossed: false, value: 695, slopePerDay: -37)
            let text = try sentence(driven, of: id)
            #expect(!text.en.contains("-37") && !text.zh.contains("-37"), "\(text)")
            #expect(text.en.contains("about 37"))
        }
    }

    /// Every text of every rule, with values on both sides of the limit and trends of both signs.
    @Test func everyTextReadsWell() throws {
        for rule in try Fixtures.assembly().rules {
            for value in [0.0, 60, 212] {
                for slope in [-2.4, 0, 1e-9, 2.4] {
                    for (isCrossed, isFast) in [(false, false), (true, false), (true, true)] {
                        let text = Explanation.sentence(
                            rule: rule,
                            component: rule.components[0],
                            evidence: evidence(
                                isCrossed: isCrossed,
                                value: value,
                                slopePerDay: slope,
                                isFast: isFast
                            ),
                            at: now,
                            zone: .utc
                        )
                        for part in ["-0 ", "-0,", "--", "{", "}", "+0 "] {
                            #expect(!text.en.contains(part) && !text.zh.contains(part), "\(text)")
                        }
                    }
                }
            }
        }
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
