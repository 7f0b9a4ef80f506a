import Support
import Telemetry
import Testing

@testable import Rules

/// Alerts of one component that come and go.
struct FlappingTests {
    private let rule: RuleParameters

    init() throws {
        let tyre = try Fixtures.assembly().rules.first { $0.id == "tyre_pressure" }
        rule = RuleParameters(try #require(tyre))
    }

    /// Raises an alert that often; each but the last is over after three good readings.
    private func swinging(raises: Int) -> (attention: Attention, now: Timestamp) {
        var attention = Attention()
        var now = Fixtures.start
        for raise in 1...raises {
            now = now + .days(Int64(3))
            attention.raise(margin: 0, now: now)
            if raise < raises { attention.clear(now: now + .days(Int64(2))) }
        }
        return (attention, now)
    }

    private func recovers(_ attention: inout Attention, after now: Timestamp) -> Bool {
        var isOver = false
        for reading in 1...3 {
            isOver = attention.hasRecovered(margin: 100, at: now + .hours(Int64(reading)), rule)
        }
        return isOver
    }

    @Test(arguments: [(1, true), (2, true), (3, false), (7, false)])
    func readingsEndTheFirstTwoAlertsOnly(raises: Int, isOver: Bool) {
        var (attention, now) = swinging(raises: raises)
        #expect(recovers(&attention, after: now) == isOver)
    }

    @Test func airThatIsAddedEndsAnyAlert() {
        var (attention, now) = swinging(raises: 7)
        attention.noteService()
        #expect(recovers(&attention, after: now))
    }

    /// A tyre that holds its pressure again is not to be stopped for.
    @Test func aFastLossIsOverHoweverOftenItCame() {
        var (attention, now) = swinging(raises: 7)
        attention.isFast = true
        #expect(recovers(&attention, after: now))
    }
}
