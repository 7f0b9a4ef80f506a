import ConfigFiles
import Decoding
import GatewayCore
import Rules
import Telemetry
import Workshop

/// Rule tests run through the same core as live traffic.
package enum RuleTrial {
    /// What became of one alert of a test.
    private struct Raised {
        var alert: Alert
        var at: Milliseconds
        var clearedAt: Milliseconds?
    }

    /// A file's rules, one line each.
    package static func list(_ assembly: Assembly) -> [String] {
        assembly.rules.map { rule in
            let components = rule.components.map(\.name).joined(separator: " ")
            let limit =
                switch (rule.condition, rule.limit) {
                case (.some, _): "condition"
                case (nil, .absolute(let value)): "\(rule.direction.rawValue) \(value)"
                case (nil, .fractionOfPlacard(let fraction, _)):
                    "\(rule.direction.rawValue) \(fraction) of the placard pressure"
                }
            return "\(rule.id) v\(rule.version)   \(limit)   "
                + "\(rule.consequence.rawValue)   \(components)"
        }
    }

    /// Rules that no test names an alert of.
    package static func untested(_ assembly: Assembly) -> [String] {
        let tested = Set(assembly.ruleTests.flatMap { $0.expected.compactMap(\.rule) })
        return assembly.rules.map(\.id).filter { !tested.contains($0) }
    }

    /// Runs the tests whose name contains `filter`.
    /// - Returns: how many ran, and for each that failed what was expected and what came.
    package static func test(
        _ assembly: Assembly,
        filter: String?
    ) -> (tests: Int, failures: [String]) {
        let tests = assembly.ruleTests.filter { test in
            filter.map { test.name.contains($0) } ?? true
        }
        return (tests.count, tests.compactMap { complaint(about: $0, assembly) })
    }

    private static func complaint(about test: RuleTest, _ assembly: Assembly) -> String? {
        let (raised, rejected, troubles) = run(test, assembly)
        var lines: [String] = []
        if let first = rejected.first {
            lines.append("  rejected  \(first) (\(rejected.count) times)")
        }
        var unexpected = raised
        for expectation in test.expected {
            let place = unexpected.firstIndex {
                $0.alert.component == expectation.component
                    && $0.alert.ruleID == expectation.rule ?? $0.alert.ruleID
                    && expectation.raised.contains($0.at)
            }
            guard let place else {
                lines.append("  expected  \(describe(expectation))")
                continue
            }
            lines += differences(unexpected.remove(at: place), expectation, test)
        }
        lines += unexpected.map { "  got       \(describe($0))" }
        if let expected = test.troubles { lines += differences(troubles, expected, test) }
        guard !lines.isEmpty else { return nil }
        return (["\(test.file):\(test.line): \(test.name)"] + lines).joined(separator: "\n")
    }

    // MARK: Running

    private static func run(
        _ test: RuleTest,
        _ assembly: Assembly
    ) -> (raised: [Raised], rejected: [String], troubles: [Trouble]) {
        var gateway = gateway(for: test, assembly)
        var troubles: [Trouble] = []
        var raised: [Raised] = []
        var rejected: [String] = []
        func note(_ unit: CommitUnit) {
            for letter in unit.deadLetters {
                rejected.append("\(letter.rejection.reason.rawValue) \(letter.rejection.detail)")
            }
            troubles += unit.troubles.filter { $0.until == nil }
            for alert in unit.alerts where !raised.contains(where: { $0.alert.id == alert.id }) {
                raised.append(Raised(alert: alert, at: alert.raisedAt - test.start))
            }
            for transition in unit.transitions
            where transition.machine == .alert && ["cleared", "healthy"].contains(transition.event)
            {
                guard
                    let place = raised.firstIndex(where: {
                        $0.alert.id.rawValue == transition.record
                    })
                else { continue }
                raised[place].clearedAt = transition.at - test.start
            }
        }
        let row = RegistryRow(vehicle: "test", profile: test.profile)
        note(gateway.step(.registry([row]), now: test.start))
        let count = test.series.map(\.values.count).max() ?? 0
        for step in 0..<count {
            let now = test.start + Milliseconds(test.interval.rawValue * Int64(step))
            let readings = test.series.compactMap { series in
                (step < series.values.count ? series.values[step] : nil).map {
                    "\"\(series.path)\":\($0)"
                }
            }
            guard !readings.isEmpty else { continue }
            let payload =
                "{\"v\":1,\"ts\":\"\(now)\",\"readings\":{\(readings.joined(separator: ","))}}"
            var batch = PacketBatch()
            batch.append(
                topic: "vehicles/test/telemetry".utf8,
                payload: payload.utf8,
                receivedAt: now
            )
            note(gateway.step(.packets(batch), now: now))
        }
        note(gateway.step(.tick, now: test.start + test.until))
        return (raised, rejected, troubles)
    }

    /// A gateway with the workshop of a test.
    private static func gateway(for test: RuleTest, _ assembly: Assembly) -> Gateway {
        var assembly = assembly
        for (rule, leadDays) in test.workshop.leads {
            for index in assembly.rules.indices where assembly.rules[index].id == rule {
                assembly.rules[index].near.leadsByWorkshop = true
                assembly.rules[index].near.leadDays = leadDays
            }
        }
        var gateway = assembly.makeGateway()
        guard let closed = test.workshop.closed else { return gateway }
        let interval = OpenInterval(
            start: test.start + closed.lowerBound,
            end: test.start + closed.upperBound
        )
        let close = Command.close(
            station: assembly.stations[0].code,
            .station,
            interval,
            reason: "closed in this test",
            by: Actor("rule test", .manager)
        )
        _ = gateway.step(.command(close), now: test.start)
        return gateway
    }

    // MARK: Comparing

    private static func differences(
        _ raised: Raised,
        _ expected: RuleTest.Expectation,
        _ test: RuleTest
    ) -> [String] {
        let evidence = raised.alert.evidence
        let subject = "\(expected.component), line \(expected.line)"
        var lines: [String] = []
        func compare<Value>(_ name: String, _ wanted: ClosedRange<Value>?, _ got: Value?) {
            guard let wanted else { return }
            if let got, wanted.contains(got) { return }
            lines.append(
                "  expected  \(subject): \(name) \(text(wanted)), got "
                    + "\(got.map { text($0) } ?? "none")"
            )
        }
        compare("limit", expected.limit, evidence.limit)
        compare("value", expected.value, evidence.newestValue)
        compare("slope_per_day", expected.slopePerDay, evidence.slopePerDay)
        compare("readings", expected.readings, Double(evidence.readings))
        compare("crossing", expected.crossing, evidence.middle.map { $0 - test.start })
        if let wanted = expected.severity, wanted != raised.alert.severity {
            lines.append(
                "  expected  \(subject): severity \(wanted), got \(raised.alert.severity)"
            )
        }
        if let wanted = expected.isCrossed, wanted != evidence.isCrossed {
            lines.append("  expected  \(subject): crossed \(wanted), got \(evidence.isCrossed)")
        }
        if let wanted = expected.isFast, wanted != evidence.isFast {
            lines.append("  expected  \(subject): fast \(wanted), got \(evidence.isFast)")
        }
        let sentence = raised.alert.sentence
        for part in expected.texts
        where !sentence.en.contains(part) && !sentence.zh.contains(part) {
            lines.append("  expected  \(subject): text '\(part)', got '\(sentence.en)'")
        }
        switch (expected.cleared, raised.clearedAt) {
        case (nil, let at?):
            lines.append("  expected  \(subject): not cleared, got cleared at \(text(at))")
        case (let wanted?, let got): compare("cleared", wanted, got)
        case (nil, nil): break
        }
        return lines
    }

    private static func differences(
        _ troubles: [Trouble],
        _ expected: [RuleTest.ExpectedTrouble],
        _ test: RuleTest
    ) -> [String] {
        var unexpected = troubles
        var lines: [String] = []
        for expectation in expected {
            let place = unexpected.firstIndex {
                $0.kind == expectation.kind && $0.component == expectation.component
                    && expectation.since.contains($0.since - test.start)
            }
            if let place {
                unexpected.remove(at: place)
            } else {
                lines.append(
                    "  expected  trouble \(expectation.kind.name) of '\(expectation.component)', line "
                        + "\(expectation.line): since \(text(expectation.since)), got none"
                )
            }
        }
        return lines
            + unexpected.map {
                "  got       trouble \($0.kind.name) of '\($0.component)' since "
                    + "\(text($0.since - test.start)): \($0.text)"
            }
    }

    private static func describe(_ expected: RuleTest.Expectation) -> String {
        let rule = expected.rule.map { " by \($0)" } ?? ""
        return "\(expected.component)\(rule), line \(expected.line): raised "
            + text(expected.raised) + ", got none"
    }

    private static func describe(_ raised: Raised) -> String {
        "\(raised.alert.component) by \(raised.alert.ruleID): raised \(text(raised.at))"
            + (raised.clearedAt.map { ", cleared \(text($0))" } ?? "") + ": "
            + raised.alert.sentence.en
    }

    private static func text<Value>(_ range: ClosedRange<Value>) -> String {
        let low = text(range.lowerBound)
        let high = text(range.upperBound)
        return low == high ? low : "\(low)…\(high)"
    }

    /// A span as rule tests write it: `9d8h`.
    private static func text<Value>(_ value: Value) -> String {
        guard let span = value as? Milliseconds else { return "\(value)" }
        var rest = abs(span.rawValue) / 1_000
        var text = span.rawValue < 0 ? "-" : ""
        for (unit, seconds) in [("d", Int64(86_400)), ("h", 3_600), ("m", 60), ("s", 1)] {
            if rest >= seconds { text += "\(rest / seconds)\(unit)" }
            rest %= seconds
        }
        return text.isEmpty || text == "-" ? "0s" : text
    }
}
