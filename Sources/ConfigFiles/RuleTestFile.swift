package import Decoding
import Foundation
package import Rules
package import Telemetry

/// A rule test: what a vehicle says from a start on, and the alerts that must come of it.
package struct RuleTest: Sendable {
    /// One signal's values, a place per interval; nil where the vehicle says nothing.
    package struct Series: Sendable {
        package var path: String
        package var values: [Double?]
    }

    /// An alert that must be raised, and what must be true of it then.
    ///
    /// Spans count from the test's start; a bound that is absent asks nothing.
    package struct Expectation: Sendable {
        package var line: Int
        package var rule: String?
        package var component: String
        package var raised: ClosedRange<Milliseconds>
        /// Nil: it is still raised at the end.
        package var cleared: ClosedRange<Milliseconds>?
        package var crossing: ClosedRange<Milliseconds>?
        package var limit: ClosedRange<Double>?
        package var value: ClosedRange<Double>?
        package var slopePerDay: ClosedRange<Double>?
        package var readings: ClosedRange<Double>?
        package var severity: Severity?
        package var isCrossed: Bool?
        package var isFast: Bool?
        /// Parts of the sentence, in any of the two languages.
        package var texts: [String]
    }

    /// Something that must be found not to be judgeable.
    package struct ExpectedTrouble: Sendable {
        package var line: Int
        package var kind: TroubleKind
        /// Empty where it is the vehicle's.
        package var component: String
        package var since: ClosedRange<Milliseconds>
    }

    /// What the home workshop is like.
    package struct Workshop: Sendable {
        /// When it is closed, from the start; nil: as its calendar says.
        package var closed: ClosedRange<Milliseconds>?
        /// Rules that leave their lead to it in this test, and the most that may come to, in days.
        package var leads: [(rule: String, leadDays: Double)] = []
    }

    package var file: String
    package var line: Int
    package var name: String
    package var start: Timestamp
    package var interval: Milliseconds
    /// How long is waited, from the start.
    package var until: Milliseconds
    package var profile: VehicleProfile
    package var series: [Series]
    package var expected: [Expectation]
    /// What is not expected must not happen; nil asks nothing.
    package var troubles: [ExpectedTrouble]?
    package var workshop = Workshop()
}

/// `rules/*.test.yaml` → rule tests.
///
/// Values stand in promtool's notation: `240-1x3` is 240 239 238 237, `20x3` is 20 four times, `_`
/// and `_x3` are gaps, `stale` ends the series.
package enum RuleTestFile {
    /// All tests of a folder, in order of file name.
    package static func load(folder: String, catalogue: Catalogue) throws -> [RuleTest] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return try names.filter { $0.hasSuffix(".test.yaml") }.sorted().flatMap {
            try load(file: "\(folder)/\($0)", catalogue: catalogue)
        }
    }

    package static func load(file: String, catalogue: Catalogue) throws -> [RuleTest] {
        let root = try YAMLValue.load(file).mapping(keys: ["tests"])
        return try root.require("tests").list().map { try test($0, catalogue) }
    }

    private static func test(_ item: YAMLValue, _ catalogue: Catalogue) throws -> RuleTest {
        let map = try item.mapping(keys: [
            "name", "start", "interval", "until", "vehicle", "series", "alerts", "troubles",
            "workshop",
        ])
        let startText = Array(try map.require("start").string().utf8)
        var times = TimestampDecoder()
        guard let start = times.decode(startText.span, from: 0, to: startText.count) else {
            throw try map.require("start").failure(
                "a time such as 2026-03-01T00:00:00Z was expected"
            )
        }
        let interval = try span(map.require("interval"))
        guard interval > Milliseconds(0) else {
            throw try map.require("interval").failure("must be above 0")
        }
        let series = try map.require("series").entries(keys: nil).map { path, value in
            guard catalogue.find(path: path) != nil else {
                throw value.failure("'\(path)' is not in the catalogue \(catalogue.version)")
            }
            return RuleTest.Series(path: path, values: try values(value))
        }
        let count = series.map(\.values.count).max() ?? 0
        let end = Milliseconds(
            interval.rawValue * Int64(max(0, count - 1)) + Limits.holdMilliseconds.rawValue
        )
        var test = RuleTest(
            file: item.file,
            line: item.line,
            name: try map.require("name").string(),
            start: start,
            interval: interval,
            until: try map[optional: "until"].map(span) ?? end,
            profile: try map[optional: "vehicle"].map(profile) ?? VehicleProfile(),
            series: series,
            expected: try map.require("alerts").list().map(expectation),
            troubles: try map[optional: "troubles"]?.list().map(trouble)
        )
        if let item = map[optional: "workshop"] { test.workshop = try workshop(item) }
        return test
    }

    private static func workshop(_ item: YAMLValue) throws -> RuleTest.Workshop {
        let map = try item.mapping(keys: ["closed", "leads"])
        return RuleTest.Workshop(
            closed: try map[optional: "closed"].map(spans),
            leads: try map[optional: "leads"]?.entries(keys: nil)
                .map { (rule: $0, leadDays: try $1.double(in: 0.1...365)) } ?? []
        )
    }

    private static func trouble(_ item: YAMLValue) throws -> RuleTest.ExpectedTrouble {
        let map = try item.mapping(keys: ["kind", "component", "since"])
        let name = try map.require("kind").string()
        guard let kind = TroubleKind.allCases.first(where: { $0.name == name }) else {
            let known = TroubleKind.allCases.map(\.name).joined(separator: ", ")
            throw try map.require("kind").failure("'\(name)' is not one of: \(known)")
        }
        return RuleTest.ExpectedTrouble(
            line: item.line,
            kind: kind,
            component: try map[optional: "component"]?.string() ?? "",
            since: try spans(map.require("since"))
        )
    }

    private static func profile(_ item: YAMLValue) throws -> VehicleProfile {
        let map = try item.mapping(keys: ["placard_front_kpa", "placard_rear_kpa"])
        var profile = VehicleProfile()
        let range = ProfileDecoder.placardRange
        profile.placardFrontKilopascals = try map[optional: "placard_front_kpa"]?.double(in: range)
        profile.placardRearKilopascals = try map[optional: "placard_rear_kpa"]?.double(in: range)
        return profile
    }

    private static func expectation(_ item: YAMLValue) throws -> RuleTest.Expectation {
        let map = try item.mapping(keys: [
            "rule", "component", "raised", "cleared", "crossing", "limit", "value", "slope_per_day",
            "readings", "severity", "crossed", "fast", "text",
        ])
        return RuleTest.Expectation(
            line: item.line,
            rule: try map[optional: "rule"]?.string(),
            component: try map.require("component").string(),
            raised: try spans(map.require("raised")),
            cleared: try map[optional: "cleared"].map(spans),
            crossing: try map[optional: "crossing"].map(spans),
            limit: try map[optional: "limit"].map(numbers),
            value: try map[optional: "value"].map(numbers),
            slopePerDay: try map[optional: "slope_per_day"].map(numbers),
            readings: try map[optional: "readings"].map(numbers),
            severity: try map[optional: "severity"]?.choice(Severity.self),
            isCrossed: try map[optional: "crossed"]?.flag(),
            isFast: try map[optional: "fast"]?.flag(),
            texts: try map[optional: "text"]?.list().map { try $0.string() } ?? []
        )
    }

    // MARK: Values

    private static func values(_ item: YAMLValue) throws -> [Double?] {
        var values: [Double?] = []
        for word in try item.string().split(separator: " ") {
            if word == "stale" { return values }
            guard let more = expand(word) else {
                throw item.failure(
                    "'\(word)' is no series; expected are a, axN, a+bxN, a-bxN, _, _xN and stale"
                )
            }
            values += more
            guard values.count <= Limits.ruleTestValuesMax else {
                throw item.failure("a series has at most \(Limits.ruleTestValuesMax) values")
            }
        }
        return values
    }

    private static func expand(_ word: Substring) -> [Double?]? {
        let parts = word.split(separator: "x", omittingEmptySubsequences: false)
        guard parts.count <= 2, let head = parts.first else { return nil }
        var count = 0
        if parts.count == 2 {
            guard let number = Int(parts[1]), (0...Limits.ruleTestValuesMax).contains(number) else {
                return nil
            }
            count = number
        }
        if head == "_" { return Array(repeating: nil, count: parts.count == 2 ? count : 1) }
        if let value = Double(head) { return Array(repeating: value, count: count + 1) }
        // The sign of the step is the last one that is neither at the front nor of an exponent.
        let signs = head.indices.dropFirst().filter {
            "+-".contains(head[$0]) && head[head.index(before: $0)] != "e"
        }
        guard parts.count == 2, let sign = signs.last, let begin = Double(head[..<sign]),
            let step = Double(head[sign...])
        else { return nil }
        return (0...count).map { begin + Double($0) * step }
    }

    // MARK: Spans

    private static func spans(_ item: YAMLValue) throws -> ClosedRange<Milliseconds> {
        let (low, high) = try pair(item, span)
        guard low <= high else { throw item.failure("the first must not be above the second") }
        return low...high
    }

    private static func numbers(_ item: YAMLValue) throws -> ClosedRange<Double> {
        let (low, high) = try pair(item) { try $0.double() }
        guard low <= high else { throw item.failure("the first must not be above the second") }
        return low...high
    }

    /// `[low, high]`, or one value for both.
    private static func pair<Value>(
        _ item: YAMLValue,
        _ read: (YAMLValue) throws -> Value
    ) throws -> (Value, Value) {
        guard let list = try? item.list() else {
            let value = try read(item)
            return (value, value)
        }
        guard list.count == 2 else { throw item.failure("[from, to] was expected") }
        return (try read(list[0]), try read(list[1]))
    }

    /// `9d`, `8h`, `90m`, `1d12h`: Prometheus's durations.
    private static func span(_ item: YAMLValue) throws -> Milliseconds {
        var total: Int64 = 0
        var number: Int64?
        for character in try item.string() {
            if let digit = character.wholeNumberValue, character.isASCII {
                number = (number ?? 0) * 10 + Int64(digit)
                guard number ?? 0 <= 1_000_000 else { throw item.failure("is too long") }
                continue
            }
            let unit: Int64? =
                switch character {
                case "d": 86_400_000
                case "h": 3_600_000
                case "m": 60_000
                case "s": 1_000
                default: nil
                }
            guard let unit, let count = number else {
                throw item.failure("a duration was expected, such as 9d, 8h, 30m or 1d12h")
            }
            total += count * unit
            number = nil
        }
        guard number == nil || number == 0 else {
            throw item.failure("a duration needs a unit: d, h, m or s")
        }
        return Milliseconds(total)
    }
}
