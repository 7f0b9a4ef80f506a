import ConfigFiles
import GatewayApp
import Support
import Telemetry
import Testing

struct RuleTestFileTests {
    private func load(_ text: String) throws -> [RuleTest] {
        let folder = try ScratchFolder()
        return try RuleTestFile.load(
            file: folder.write("one.test.yaml", text),
            catalogue: Fixtures.assembly().catalogue
        )
    }

    private func values(_ series: String) throws -> [Double?] {
        let tests = try load(
            """
            tests:
              - name: one
                start: 2026-03-01T00:00:00Z
                interval: 1h
                series: {Vehicle.Exterior.AirTemperature: "\(series)"}
                alerts: []
            """
        )
        return try #require(tests.first?.series.first).values
    }

    /// As promtool documents it.
    @Test(arguments: [
        ("1+2x3", [1, 3, 5, 7]), ("4-1x2", [4, 3, 2]), ("-2+4x2", [-2, 2, 6]), ("7x2", [7, 7, 7]),
        ("5 6", [5, 6]), ("1e-1+1e-1x1", [0.1, 0.2]), ("3 stale 4", [3]),
    ])
    func aSeriesIsWrittenInPromtoolsNotation(series: String, expected: [Double]) throws {
        #expect(try values(series) == expected)
    }

    @Test func gapsAreKept() throws {
        #expect(try values("1 _ 2 _x2 3") == [1, nil, 2, nil, nil, 3])
    }

    @Test(arguments: ["1+x3", "x3", "1+2", "a", "1+2x-1", "1x2x3", "1+2x999999"])
    func whatIsNoSeriesIsRefusedWithItsLine(series: String) throws {
        let error = #expect(throws: ConfigError.self) { try values(series) }
        #expect(error?.line == 5)
    }

    @Test func aDurationNeedsItsUnit() throws {
        let error = #expect(throws: ConfigError.self) {
            try load(
                """
                tests:
                  - {name: one, start: 2026-03-01T00:00:00Z, interval: 8, series: {}, alerts: []}
                """
            )
        }
        #expect(error?.message.contains("unit") == true)
    }
}

struct ShippedRuleTests {
    @Test func everyShippedRuleIsTestedAndEveryTestPasses() throws {
        var assembly = try Fixtures.assembly()
        try assembly.loadRuleTests()
        let (tests, failures) = RuleTrial.test(assembly, filter: nil)
        #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
        #expect(tests > 20)
        #expect(RuleTrial.untested(assembly).isEmpty)
    }

    /// A test that expects what does not come, or does not expect what comes, fails and says so.
    @Test func aFailureSaysWhatWasExpectedAndWhatCame() throws {
        var assembly = try Fixtures.assembly()
        try assembly.loadRuleTests()
        let place = try #require(
            assembly.ruleTests.firstIndex { $0.name.hasPrefix("a slow leak") }
        )
        assembly.ruleTests[place].expected[0].raised =
            Milliseconds.days(Int64(1))...Milliseconds.days(Int64(2))
        let (_, failures) = RuleTrial.test(assembly, filter: "a slow leak")
        let failure = try #require(failures.first)
        #expect(failure.contains("expected  tyre_fl by tyre_pressure"))
        #expect(failure.contains("got       tyre_fl by tyre_pressure: raised"))
    }
}
