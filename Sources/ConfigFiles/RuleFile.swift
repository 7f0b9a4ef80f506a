import Foundation
package import Rules
package import Telemetry

/// `rules/*.rules.yaml` → rules, checked against catalogue and service catalogue.
package enum RuleFile {
    /// All rules of a folder, in order of file name.
    package static func load(
        folder: String,
        catalogue: Catalogue,
        jobs: Set<String>
    ) throws -> [Rule] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let files = names.filter { $0.hasSuffix(".rules.yaml") }.sorted()
        guard !files.isEmpty else {
            throw ConfigError(
                file: folder,
                line: 0,
                column: 0,
                message: "holds no *.rules.yaml file"
            )
        }
        var rules: [Rule] = []
        func add(_ rule: Rule, _ item: YAMLValue) throws {
            guard !rules.contains(where: { $0.id == rule.id }) else {
                throw item.failure("the rule id '\(rule.id)' is used twice")
            }
            rules.append(rule)
        }
        var composites: [YAMLValue] = []
        for file in files {
            let root = try YAMLValue.load("\(folder)/\(file)")
                .mapping(keys: ["rules", "composites"])
            for item in try root[optional: "rules"]?.list() ?? [] {
                for rule in try axes(item, catalogue: catalogue, jobs: jobs) {
                    try add(rule, item)
                }
            }
            composites += try root[optional: "composites"]?.list() ?? []
        }
        // They refer to components of any file, so they come last.
        let plain = rules
        for item in composites {
            try add(try composite(item, over: plain, catalogue: catalogue, jobs: jobs), item)
        }
        return rules
    }

    /// What all axes of a rule have in common, and what each says for itself.
    private static let commonKeys = ["title", "consequence", "severity", "jobs"]
    private static let ownKeys = [
        "measure", "when", "reading_offset", "season", "direction", "limit", "usable", "components",
        "near", "clear", "estimator", "driven", "display", "near_text", "crossed_text",
        "fast_text",
    ]

    /// A rule, or one for each of its axes: `service` with an axis `date` is the rule `service_date`.
    private static func axes(
        _ item: YAMLValue,
        catalogue: Catalogue,
        jobs known: Set<String>
    ) throws -> [Rule] {
        let map = try item.mapping(keys: ["id", "version", "axes"] + commonKeys + ownKeys)
        let id = try map.require("id").string()
        let version = try map.require("version").integer(in: 1...1_000_000)
        guard let axes = try map[optional: "axes"]?.list() else {
            return [try rule(map, id: id, version, catalogue: catalogue, jobs: known)]
        }
        var rules: [Rule] = []
        for axis in axes {
            let own = try axis.mapping(keys: ["name"] + ownKeys)
            let whole = YAMLMapping(
                value: axis,
                entries: map.entries.merging(own.entries) { $1 }
            )
            let name = try own.require("name").string()
            var rule = try rule(
                whole,
                id: "\(id)_\(name)",
                version,
                catalogue: catalogue,
                jobs: known
            )
            rule.family = id
            let components = rule.components.map(\.name)
            guard rules.first.map({ $0.components.map(\.name) == components }) ?? true else {
                throw axis.failure("all axes of a rule watch the same components")
            }
            rules.append(rule)
        }
        return rules
    }

    private static func rule(
        _ map: YAMLMapping,
        id: String,
        _ version: Int,
        catalogue: Catalogue,
        jobs known: Set<String>
    ) throws -> Rule {
        let usable = try map.require("usable").list()
        guard usable.count == 2, try usable[0].double() < usable[1].double() else {
            throw try map.require("usable").failure("two numbers were expected: [lowest, highest]")
        }
        let near = try near(map.require("near"))
        let fastText = try map[optional: "fast_text"].map(template)
        guard (near.fast == nil) == (fastText == nil) else {
            throw map.value.failure("near.fast and fast_text go together")
        }
        let driven = try map[optional: "driven"].map(driven)
        if driven != nil, let item = map[optional: "estimator"] {
            throw item.failure("a driven counter has an estimator of its own: leave this out")
        }
        let measure = try map.require("measure").choice(Measure.self)
        let limit = try limit(map.require("limit"))
        var rule = Rule(
            id: id,
            version: version,
            title: try bilingual(map.require("title")),
            components: try map.require("components").list().map {
                try component($0, catalogue: catalogue, measure: measure, limit: limit)
            },
            measure: measure,
            direction: try map.require("direction").choice(Direction.self),
            limit: limit,
            consequence: try map.require("consequence").choice(Consequence.self),
            near: near,
            clear: try clear(map.require("clear")),
            estimator: driven == nil ? try estimator(map.require("estimator")) : .ofDriven,
            display: try display(map.require("display")),
            jobs: try jobs(map.require("jobs"), known: known),
            readingOffset: try map[optional: "reading_offset"]?.double() ?? 0,
            season: try map[optional: "season"].map(season),
            usable: try usable[0].double()...usable[1].double(),
            nearText: try template(map.require("near_text")),
            crossedText: try template(map.require("crossed_text")),
            fastText: fastText
        )
        rule.drivenKilometres = driven
        if let item = map[optional: "when"] { try gate(item, &rule, catalogue) }
        if let item = map[optional: "severity"] { rule.severity = try ladder(item) }
        return rule
    }

    /// Under which circumstances a reading counts.
    private static func gate(_ item: YAMLValue, _ rule: inout Rule, _ catalogue: Catalogue) throws {
        let map = try item.mapping(keys: [
            "parked_hours", "parked_hours_without_temperature", "first_of_trip", "warm", "signals",
        ])
        let hours = 0.0...720
        rule.gate.parkedHours = try map[optional: "parked_hours"]?.double(in: hours)
        if let item = map[optional: "parked_hours_without_temperature"] {
            guard rule.measure == .tyreCold else {
                throw item.failure("only the measure tyre_cold uses a temperature of its own")
            }
            rule.gate.parkedHoursWithoutTemperature = try item.double(in: hours)
        }
        rule.gate.isFirstOfTrip = try map[optional: "first_of_trip"]?.flag() ?? false
        if let warm = try map[optional: "warm"]?
            .mapping(keys: ["minutes", "restart_minutes", "stop_minutes", "cooling_hours"])
        {
            let minutes = 0.0...1_440
            rule.gate.warm = ReadingGate.Warm(
                minutes: try warm.require("minutes").double(in: minutes),
                restartMinutes: try warm.require("restart_minutes").double(in: minutes),
                stopMinutes: try warm.require("stop_minutes").double(in: minutes),
                coolingHours: try warm[optional: "cooling_hours"]?.double(in: 0...100) ?? 0
            )
        }
        rule.bounds = try map[optional: "signals"]?.list().map { try bound($0, catalogue) } ?? []
    }

    /// The rungs a rule names; the others stay where every rule has them.
    private static func ladder(_ item: YAMLValue) throws -> SeverityLadder {
        let map = try item.mapping(keys: ["soon_days", "urgent_days"])
        var ladder = SeverityLadder()
        let range = 0.0...730
        ladder.soonDays = try map[optional: "soon_days"]?.double(in: range) ?? ladder.soonDays
        ladder.urgentDays = try map[optional: "urgent_days"]?.double(in: range) ?? ladder.urgentDays
        guard ladder.soonDays >= ladder.urgentDays else {
            throw item.failure(
                "urgent_days \(ladder.urgentDays) must not be above soon_days \(ladder.soonDays)"
            )
        }
        return ladder
    }

    static func jobs(_ item: YAMLValue, known: Set<String>) throws -> [String] {
        let jobs = try item.list().map { item in
            let code = try item.string()
            guard known.contains(code) else {
                throw item.failure("'\(code)' is not in the service catalogue")
            }
            return code
        }
        guard !jobs.isEmpty else { throw item.failure("a rule needs at least one job") }
        return jobs
    }

    private static func component(
        _ item: YAMLValue,
        catalogue: Catalogue,
        measure: Measure,
        limit: LimitDefinition
    ) throws -> RuleComponent {
        let map = try item.mapping(keys: ["name", "title", "signal", "companion", "axle"])
        func signal(_ value: YAMLValue) throws -> SignalID {
            let path = try value.string()
            guard let signal = catalogue.find(path: path) else {
                throw value.failure("'\(path)' is not in the catalogue \(catalogue.version)")
            }
            return signal
        }
        let axle = try map[optional: "axle"]?.choice(PlacardAxle.self)
        if case .fractionOfPlacard = limit, axle == nil {
            throw item.failure("a limit by placard needs an axle: front or rear")
        }
        let companion = try map[optional: "companion"].map(signal)
        guard companion == nil || measure == .tyreCold else {
            throw item.failure("only the measure tyre_cold uses a companion")
        }
        return RuleComponent(
            name: try map.require("name").string(),
            title: try bilingual(map.require("title")),
            signal: try signal(map.require("signal")),
            companion: companion,
            axle: axle
        )
    }

    private static func limit(_ item: YAMLValue) throws -> LimitDefinition {
        let map = try item.mapping(keys: ["value", "fraction_of_placard", "assumed_placard_kpa"])
        if let value = map[optional: "value"] { return .absolute(try value.double()) }
        return .fractionOfPlacard(
            try map.require("fraction_of_placard").double(in: 0.3...1),
            assumed: try map.require("assumed_placard_kpa").double(in: 100...1_000)
        )
    }

    private static func season(_ item: YAMLValue) throws -> Season {
        let map = try item.mapping(keys: ["amplitude", "peak_day"])
        return Season(
            amplitude: try map.require("amplitude").double(in: 0...1e6),
            peakDay: try map.require("peak_day").double(in: 1...366)
        )
    }

    private static func near(_ item: YAMLValue) throws -> NearCondition {
        let map = try item.mapping(keys: [
            "lead", "lead_days", "lead_margin_days", "gate_quantile", "timer_days", "warm_up_days",
            "sustain_readings",
            "crossed_readings", "sure_margin", "spacing_minutes", "fast", "date_step",
        ])
        var near = NearCondition()
        near.leadDays = try map.require("lead_days").double(in: 0.1...365)
        if let item = map[optional: "lead"] {
            guard try item.string() == "workshop" else {
                throw item.failure("'workshop' was expected, or lead_days alone")
            }
            near.leadsByWorkshop = true
        }
        near.leadMarginDays =
            try map[optional: "lead_margin_days"]?.double(in: 0...90) ?? near.leadMarginDays
        near.gateQuantile = try map.require("gate_quantile").double(in: 0...3)
        near.timerDays = try timerDays(map.require("timer_days"))
        near.warmUpDays = try map.require("warm_up_days").double(in: 0...365)
        near.sustainReadings = try map.require("sustain_readings").integer(in: 1...100)
        near.crossedReadings = try map.require("crossed_readings").integer(in: 1...100)
        near.spacingMinutes = try map.require("spacing_minutes").double(in: 0...10_080)
        near.sureMargin = try map[optional: "sure_margin"]?.double(in: 0...1e12)
        near.fast = try map[optional: "fast"].map(fastLoss)
        near.dateStep = try map[optional: "date_step"]?.double(in: 0.1...10) ?? near.dateStep
        return near
    }

    /// Days, or `unlimited` for what runs down by the calendar.
    private static func timerDays(_ item: YAMLValue) throws -> Double {
        if let word = try? item.string(), word == "unlimited" { return .infinity }
        return try item.double(in: 0...90)
    }

    private static func fastLoss(_ item: YAMLValue) throws -> FastLoss {
        let map = try item.mapping(keys: [
            "drop", "drop_per_hour", "flat_below", "far_share", "placard_share",
        ])
        var fast = FastLoss(
            drop: try map.require("drop").double(in: 1e-6...1e12),
            perHour: try map.require("drop_per_hour").double(in: 0...1e12)
        )
        let share = 0.0...1
        fast.flatBelow = try map[optional: "flat_below"]?.double(in: 0...1e12) ?? fast.flatBelow
        fast.farShare = try map[optional: "far_share"]?.double(in: share) ?? fast.farShare
        fast.placardShare =
            try map[optional: "placard_share"]?.double(in: share) ?? fast.placardShare
        return fast
    }

    /// Kilometres that a unit of the counter stands for.
    private static func driven(_ item: YAMLValue) throws -> Double {
        let map = try item.mapping(keys: ["unit_kilometres"])
        return try map.require("unit_kilometres").double(in: 0.001...1_000)
    }

    private static func clear(_ item: YAMLValue) throws -> ClearCondition {
        let map = try item.mapping(keys: ["lead_factor", "hours", "recovery", "recovery_readings"])
        var clear = ClearCondition()
        clear.leadFactor = try map.require("lead_factor").double(in: 1...10)
        clear.hours = try map.require("hours").double(in: 0...720)
        clear.recovery = try map.require("recovery").double(in: 0...(.greatestFiniteMagnitude))
        clear.recoveryReadings = try map.require("recovery_readings").integer(in: 1...100)
        return clear
    }

    private static func estimator(_ item: YAMLValue) throws -> EstimatorConstants {
        let fields: [(String, WritableKeyPath<EstimatorConstants, Float>)] = [
            ("slope", \.slope), ("slope_deviation", \.slopeDeviation),
            ("level_noise", \.levelNoise), ("slope_noise", \.slopeNoise),
            ("reading_deviation", \.readingDeviation),
            ("ambient_reading_deviation", \.ambientReadingDeviation),
            ("shared_error_days", \.sharedErrorDays),
            ("change_limit", \.changeLimit),
            ("change_slope_deviation", \.changeSlopeDeviation),
            ("change_level_variances", \.changeLevelVariances),
            ("service_jump", \.serviceJump),
            ("service_slope_deviation", \.serviceSlopeDeviation),
            ("service_slope_kept", \.serviceSlopeKept),
            ("service_slope_memory", \.serviceSlopeMemory), ("wander", \.wander),
        ]
        let optional = [
            "ambient_reading_deviation", "change_level_variances", "shared_error_days",
            "service_slope_kept", "service_slope_memory", "wander",
        ]
        let map = try item.mapping(keys: fields.map(\.0) + ["kappa", "range"])
        var constants = EstimatorConstants()
        for (name, path) in fields {
            if optional.contains(name), map[optional: name] == nil { continue }
            let range = name == "slope" ? -1e9...1e9 : 0...1e12
            constants[keyPath: path] = Float(try map.require(name).double(in: range))
        }
        constants.range = try range(map, item)
        guard constants.readingDeviation > 0, constants.slopeDeviation > 0 else {
            throw item.failure("reading_deviation and slope_deviation must be above 0")
        }
        return constants
    }

    /// `range`, or what `kappa` widens.
    private static func range(_ map: YAMLMapping, _ item: YAMLValue) throws -> CrossingRange {
        guard let range = try map[optional: "range"]?.mapping(keys: ["early", "late"]) else {
            return CrossingRange(kappa: Float(try map.require("kappa").double(in: 0...1e12)))
        }
        guard map[optional: "kappa"] == nil else {
            throw item.failure("range says all that kappa does: leave kappa out")
        }
        func terms(_ item: YAMLValue) throws -> SIMD4<Float> {
            let terms = try item.list().map { Float(try $0.double(in: 0...1e9)) }
            guard terms.count == 4 else {
                throw item.failure("four numbers were expected: [days², deviation², tau, tau²]")
            }
            return SIMD4(terms)
        }
        return CrossingRange(
            early: try terms(range.require("early")),
            late: try terms(range.require("late"))
        )
    }

    static func display(_ item: YAMLValue) throws -> Display {
        let map = try item.mapping(keys: ["unit", "factor", "decimals", "slope_decimals"])
        var display = Display(unit: try bilingual(map.require("unit")))
        display.factor = try map.require("factor").double()
        display.decimals = try map.require("decimals").integer(in: 0...6)
        display.slopeDecimals = try map.require("slope_decimals").integer(in: 0...6)
        return display
    }

    static func bilingual(_ item: YAMLValue) throws -> Bilingual {
        let map = try item.mapping(keys: ["zh", "en"])
        return Bilingual(
            zh: try map.require("zh").string(),
            en: try map.require("en").string()
        )
    }

    static func template(_ item: YAMLValue) throws -> Bilingual {
        let text = try bilingual(item)
        for name in Explanation.names(in: text.zh) + Explanation.names(in: text.en)
        where !Explanation.placeholders.contains(name) {
            let known = Explanation.placeholders.sorted().joined(separator: ", ")
            throw item.failure("unknown placeholder {\(name)}; known are: \(known)")
        }
        return text
    }
}
