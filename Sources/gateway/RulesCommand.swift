import ArgumentParser
import Foundation
import GatewayApp

/// `gateway rules`: rules and their tests, checked without a broker or a database.
struct RulesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "Checks and tests the rules of config/rules.",
        discussion: """
            Examples:
              gateway rules check
              gateway rules test
              gateway rules test --filter leak
            """,
        subcommands: [Check.self, Test.self]
    )

    /// The configuration with the tests of its rules.
    private static func assembly(_ settings: ConfigOption) throws -> Assembly {
        var assembly = try settings.assembly()
        do { try assembly.loadRuleTests() } catch { throw failure(error) }
        return assembly
    }

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Reads rules, limits and rule tests; says what is wrong, and where."
        )

        @OptionGroup var settings: ConfigOption

        func run() throws {
            let assembly = try RulesCommand.assembly(settings)
            for line in RuleTrial.list(assembly) { print(line) }
            for rule in RuleTrial.untested(assembly) {
                print("warning: no test expects an alert of '\(rule)'")
            }
            print("\(assembly.rules.count) rules, \(assembly.ruleTests.count) tests: read")
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs config/rules/*.test.yaml through the engine.",
            discussion: "Exit code 1 when a test fails; each failure names file and line."
        )

        @OptionGroup var settings: ConfigOption

        @Option(help: "Only tests whose name contains this.")
        var filter: String?

        func run() throws {
            let (tests, failures) = RuleTrial.test(
                try RulesCommand.assembly(settings),
                filter: filter
            )
            for failure in failures { print(failure) }
            print("\(tests) tests, \(failures.count) failed")
            if tests == 0 {
                let next = filter.map { "no test's name contains '\($0)'" } ?? "write a test"
                print("Next: \(next).")
            }
            if !failures.isEmpty || tests == 0 { throw ExitCode.failure }
        }
    }
}
