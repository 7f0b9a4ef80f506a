import Rules
import Telemetry
import Workshop

/// Rules and limits in force → others, without losing what was learnt.
extension Gateway {
    /// Puts other rules in force.
    ///
    /// What is remembered of a component goes over by rule id and component name, as in a
    /// checkpoint; a moved limit moves the margin and keeps the slope. Alerts of what no rule
    /// watches any more end as superseded.
    /// - Precondition: every job the rules name is in the catalogue of jobs the core began with.
    mutating func reload(_ set: RuleSet, by actor: Actor) -> Answer {
        let old = engine
        engine = RuleEngine(
            rules: set.rules,
            catalogue: catalogue,
            places: stations.map(\.drivingCalendar)
        )
        limits = set.limits
        unit.rules = set.rules
        for index in vehicles.indices {
            let vehicle = VehicleID(index: UInt32(index))
            var writer = ByteWriter()
            old.encode(vehicles[index].rules, into: &writer)
            var reader = ByteReader(writer.bytes)
            do throws(CheckpointError) {
                vehicles[index].rules = try engine.decode(
                    &reader,
                    limits: limits[name(of: vehicle)] ?? []
                )
            } catch {
                preconditionFailure("A state reads as it was written.")
            }
            vehicles[index].forecastDue = .distantFuture
            scheduleForecasts(vehicle)
        }
        record(.gateway, 0, from: "", "rules_reloaded", to: "", by: actor)
        let superseded = supersede()
        reviewSeverities()
        return .reloaded(rules: set.rules.count, superseded: superseded)
    }

    /// Judges every alert by the ladders in force, and plans its next rise.
    mutating func reviewSeverities() {
        for id in alerts.keys.sorted() { reviewSeverity(id) }
    }

    /// Ends the alerts of what no rule watches; returns how many.
    mutating func supersede() -> Int {
        let watched = Set(
            engine.slots.indices.map {
                "\(engine.rule(ofSlot: $0).id)/\(engine.component(ofSlot: $0).name)"
            }
        )
        // Rules that have become axes of one thing have one alert, the oldest.
        var told: Set<String> = []
        let gone = alerts.values.sorted { $0.id < $1.id }.filter { alert in
            let family = engine.family(ofRule: alert.ruleID).map {
                "\(alert.vehicle.index)/\($0)/\(alert.component)"
            }
            let isDouble = family.map { !told.insert($0).inserted } ?? false
            // What has recovered or been serviced leaves by the clock, rule or no rule.
            return alert.state.allows(.superseded)
                && (isDouble || !watched.contains("\(alert.ruleID)/\(alert.component)"))
        }
        for var alert in gone {
            alert.due = nil
            move(&alert, .superseded, by: .system)
            write(alert)
            replan(alert.vehicle)
        }
        return gone.count
    }
}
