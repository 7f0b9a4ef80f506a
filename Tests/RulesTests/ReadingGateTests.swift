import ConfigFiles
import GatewayApp
import Rules
import Support
import Telemetry
import Testing

/// `when` of a rule file, beyond what the shipped rules and their tests show.
struct ReadingGateTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    /// What the rule's tests say with another `when` in the rule.
    private func failures(
        rule: String,
        when shipped: String,
        is changed: String,
        test: String
    ) throws -> [String] {
        var assembly = try Fixtures.assembly()
        let text = try String(
            contentsOfFile: "\(assembly.settings.rules)/\(rule).rules.yaml",
            encoding: .utf8
        )
        #expect(text.contains(shipped))
        _ = try folder.write("\(rule).rules.yaml", text.replacing(shipped, with: changed))
        assembly.rules = try RuleFile.load(
            folder: folder.url.path,
            catalogue: assembly.catalogue,
            jobs: Set(assembly.jobs.map(\.code))
        )
        let file = try folder.write("\(rule).test.yaml", test)
        assembly.ruleTests = try RuleTestFile.load(file: file, catalogue: assembly.catalogue)
        return RuleTrial.test(assembly, filter: nil).failures
    }

    private static let charging = """
        tests:
          - name: what is read while charging does not count
            start: 2026-01-01T00:00:00Z
            interval: 7d
            series:
              Vehicle.Powertrain.TractionBattery.StateOfHealth: 80 60x9
              Vehicle.Powertrain.TractionBattery.Charging.IsCharging: 0 1x9
            alerts: []
          - name: a car that never says whether it charges is watched
            start: 2026-01-01T00:00:00Z
            interval: 7d
            series:
              Vehicle.Powertrain.TractionBattery.StateOfHealth: 80 60x9
            alerts:
              - {rule: traction_health, component: soh, raised: [7d, 70d]}
        """

    @Test func aBoundOnAnotherSignalDecidesWhichReadingsCount() throws {
        let told = try failures(
            rule: "battery",
            when: "    measure: as_read\n",
            is: """
                    measure: as_read
                    when:
                      signals:
                        - signal: Vehicle.Powertrain.TractionBattery.Charging.IsCharging
                          at_most: 0

                """,
            test: Self.charging
        )
        #expect(told.isEmpty, "\(told.joined(separator: "\n"))")
    }

    /// Without its gate the rule takes the dip of a start and the load of a drive for the battery.
    @Test func aRuleWithoutItsGateSaysWhatTheGateKeepsAway() throws {
        let test = """
            tests:
              - name: a car under way
                start: 2026-03-01T00:00:00Z
                interval: 30m
                series: {Vehicle.LowVoltageBattery.CurrentVoltage: 11.9x20}
                alerts: []
            """
        let gate = "    when: {parked_hours: 4, first_of_trip: true}\n"
        #expect(try failures(rule: "battery", when: gate, is: gate, test: test).isEmpty)
        #expect(try failures(rule: "battery", when: gate, is: "", test: test).count == 1)
    }
}
