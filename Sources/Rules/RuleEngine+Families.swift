import Telemetry

/// Axes of one thing, of which whichever limit comes first has the one alert: a service by
/// distance, by date and by hours.
extension RuleEngine {
    /// The slots of one family's axes over one component, ascending.
    struct Family: Sendable {
        var slots: [Int]

        static func all(_ slots: [Slot], _ rules: [Rule]) -> [Family] {
            var names: [String] = []
            var families: [Family] = []
            for (place, slot) in slots.enumerated() {
                let rule = rules[slot.rule]
                guard let family = rule.family else { continue }
                let name = "\(family)/\(rule.components[slot.component].name)"
                if let known = names.firstIndex(of: name) {
                    families[known].slots.append(place)
                } else {
                    names.append(name)
                    families.append(Family(slots: [place]))
                }
            }
            return families
        }

        /// The axis that has the alert: the first whose limit is met, or else will be.
        func leader(_ attentions: AttentionList) -> Int? {
            let raised = slots.filter { attentions[$0].isRaised }
            func crossing(_ slot: Int) -> Timestamp {
                let attention = attentions[slot]
                return attention.isCrossed
                    ? .distantPast : attention.published ?? .distantFuture
            }
            return raised.min { (crossing($0), $0) < (crossing($1), $1) }
        }
    }

    /// Who has the alert of each family.
    func leaders(_ attentions: AttentionList) -> [Int?] {
        attentions.hasRaised ? families.map { $0.leader(attentions) } : noLeaders
    }

    /// What the axes of a family tell each for itself becomes what their one alert tells.
    func joinFamilies(
        _ events: inout [RuleEvent],
        since before: [Int?],
        now: Timestamp,
        _ vehicle: VehicleState
    ) {
        guard !events.isEmpty else { return }
        for (family, before) in zip(families, before) {
            let own = events.filter { family.slots.contains($0.slot) && $0.kind.isOfAlert }
            guard !own.isEmpty else { continue }
            events.removeAll { family.slots.contains($0.slot) && $0.kind.isOfAlert }
            let after = family.leader(vehicle.attentions)
            guard let slot = after ?? before, let place = vehicle.place(ofSlot: slot) else {
                continue
            }
            let kind: RuleEvent.Kind
            switch (before, after) {
            case (nil, _): kind = .raised
            case (_, nil): kind = .cleared
            case (let old, let new) where old != new: kind = .moved
            default:
                guard let last = own.last(where: { $0.slot == slot }) else { continue }
                kind = last.kind == .refreshed ? .refreshed : .moved
            }
            events.append(
                event(
                    kind,
                    slot,
                    now,
                    vehicle.parts[place],
                    vehicle,
                    vehicle.attentions[slot]
                )
            )
        }
    }
}
