import Rules
import Telemetry

/// Composite rules: a condition over several components, signals and habits of a vehicle.
extension RuleFile {
    static func composite(
        _ item: YAMLValue,
        over rules: [Rule],
        catalogue: Catalogue,
        jobs known: Set<String>
    ) throws -> Rule {
        let map = try item.mapping(keys: [
            "id", "version", "title", "when", "hold_hours", "clear_hours", "consequence",
            "severity", "display",
            "jobs", "add_on", "text",
        ])
        let id = try map.require("id").string()
        let title = try bilingual(map.require("title"))
        let when = try map.require("when")
        let condition = try condition(when, rules, catalogue)
        guard let signal = signal(of: condition, rules, catalogue) else {
            throw when.failure("the condition names nothing a chart could show")
        }
        var clear = ClearCondition()
        clear.hours = try map.require("clear_hours").double(in: 0...8_760)
        let text = try template(map.require("text"))
        var rule = Rule(
            id: id,
            version: try map.require("version").integer(in: 1...1_000_000),
            title: title,
            components: [
                RuleComponent(name: id, title: title, signal: signal, companion: nil, axle: nil)
            ],
            measure: .asRead,
            direction: .risesTo,
            limit: .absolute(condition.facts[0].bound),
            consequence: try map.require("consequence").choice(Consequence.self),
            near: NearCondition(),
            clear: clear,
            estimator: EstimatorConstants(),
            display: try display(map.require("display")),
            jobs: try jobs(map.require("jobs"), known: known),
            readingOffset: 0,
            season: nil,
            usable: -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude,
            nearText: text,
            crossedText: text,
            fastText: nil
        )
        if let item = map[optional: "severity"] {
            rule.severity.met = try item.choice(Severity.self)
        }
        rule.condition = condition
        rule.holdHours = try map[optional: "hold_hours"]?.double(in: 0...8_760) ?? 0
        rule.isAddOn = try map[optional: "add_on"]?.flag() ?? false
        return rule
    }

    private static func condition(
        _ item: YAMLValue,
        _ rules: [Rule],
        _ catalogue: Catalogue
    ) throws -> Condition {
        let kinds = [
            "all", "any", "value", "crossing", "rate", "placard_share", "cold_share", "share",
            "silent",
        ]
        let entries = try item.entries(keys: kinds)
        guard entries.count == 1, let (kind, value) = entries.first else {
            throw item.failure("one of \(kinds.joined(separator: ", ")) was expected")
        }
        switch kind {
        case "all", "any":
            let parts = try value.list().map { try condition($0, rules, catalogue) }
            guard !parts.isEmpty else { throw value.failure("at least one condition was expected") }
            return kind == "all" ? .all(parts) : .any(parts)
        case "value": return .fact(try bound(value, catalogue))
        case "crossing":
            let map = try value.mapping(keys: ["rule", "component", "within_days"])
            return .fact(
                Condition.Fact(
                    quantity: .daysToCrossing(slot: try slot(map, rules)),
                    isAtLeast: false,
                    bound: try map.require("within_days").double(in: 0...730)
                )
            )
        case "rate":
            let map = try value.mapping(keys: ["rule", "component", "at_least", "at_most"])
            return .fact(try fact(.rate(slot: try slot(map, rules)), map))
        case "placard_share", "cold_share":
            let map = try value.mapping(keys: ["rule", "component", "at_least", "at_most"])
            let slot = try slot(map, rules)
            let isCold = kind == "cold_share"
            return .fact(
                try fact(isCold ? .coldShare(slot: slot) : .placardShare(slot: slot), map)
            )
        case "share":
            let map = try value.mapping(keys: ["habit", "trips", "at_least", "at_most"])
            let habit = try map.require("habit").choice(UsageProfile.Habit.self)
            // Counts fade, so no more than fifty trips are ever seen.
            let trips = try map.require("trips").integer(in: 1...45)
            return .fact(try fact(.share(habit, trips: trips), map))
        default:
            let map = try value.mapping(keys: ["hours"])
            return .fact(
                Condition.Fact(
                    quantity: .silentHours,
                    isAtLeast: true,
                    bound: try map.require("hours").double(in: 1...8_760)
                )
            )
        }
    }

    /// What the newest reading of a signal must say.
    static func bound(_ item: YAMLValue, _ catalogue: Catalogue) throws -> Condition.Fact {
        let map = try item.mapping(keys: ["signal", "at_least", "at_most"])
        let path = try map.require("signal").string()
        guard let signal = catalogue.find(path: path) else {
            throw item.failure("'\(path)' is not in the catalogue \(catalogue.version)")
        }
        return try fact(.value(signal), map)
    }

    private static func fact(
        _ quantity: Condition.Fact.Quantity,
        _ map: YAMLMapping
    ) throws -> Condition.Fact {
        switch (map[optional: "at_least"], map[optional: "at_most"]) {
        case (let least?, nil):
            return Condition.Fact(
                quantity: quantity,
                isAtLeast: true,
                bound: try least.double()
            )
        case (nil, let most?):
            return Condition.Fact(
                quantity: quantity,
                isAtLeast: false,
                bound: try most.double()
            )
        default: throw map.value.failure("either at_least or at_most was expected")
        }
    }

    /// The engine's slot of a rule's component; without a name, of its first.
    private static func slot(_ map: YAMLMapping, _ rules: [Rule]) throws -> Int {
        let id = try map.require("rule").string()
        var slot = 0
        for rule in rules {
            guard rule.id == id else {
                slot += rule.components.count
                continue
            }
            guard let name = try map[optional: "component"]?.string() else { return slot }
            guard let place = rule.components.firstIndex(where: { $0.name == name }) else {
                throw map.value.failure("the rule '\(id)' has no component '\(name)'")
            }
            return slot + place
        }
        throw map.value.failure("there is no rule '\(id)'")
    }

    /// What a chart shows beside the alert: the first signal the condition leads to.
    private static func signal(
        of condition: Condition,
        _ rules: [Rule],
        _ catalogue: Catalogue
    ) -> SignalID? {
        let components = rules.flatMap(\.components)
        for fact in condition.facts {
            switch fact.quantity {
            case .value(let signal): return signal
            case .daysToCrossing(let slot), .rate(let slot), .placardShare(let slot),
                .coldShare(let slot):
                return components[slot].signal
            case .share, .silentHours: continue
            }
        }
        return catalogue.find(path: "Vehicle.Speed")
    }
}
