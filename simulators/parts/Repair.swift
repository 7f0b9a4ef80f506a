/// What the simulated workshop and the simulated fleet tell each other over MQTT.
///
/// The cars say, retained, which part of theirs is ailing: what a mechanic would see. The workshop
/// says which part it has put right, and the car is as after that repair.
package enum Repair {
    /// `simulation/{vehicle}/condition`: the ailing part, or nothing.
    package static func conditionTopic(of vehicle: String) -> String {
        "simulation/\(vehicle)/condition"
    }

    /// `simulation/{vehicle}/repaired`: the part.
    package static func repairedTopic(of vehicle: String) -> String {
        "simulation/\(vehicle)/repaired"
    }

    package static let conditions = "simulation/+/condition"
    package static let repairs = "simulation/+/repaired"

    /// What wears, of a rule: several rules watch one part.
    package static func part(ofRule rule: String) -> String {
        switch rule {
        case "battery_rest", "battery_crank", "winter_start": "battery"
        case "tyre_pressure", "tyre_low_fl", "tyre_low_fr", "tyre_low_rl", "tyre_low_rr": "tyre"
        case "service", "service_date", "service_distance", "service_hours": "service"
        default: rule
        }
    }

    /// The vehicle of such a topic.
    package static func vehicle(ofTopic topic: String) -> String? {
        let levels = topic.split(separator: "/")
        return levels.count == 3 && levels[0] == "simulation" ? String(levels[1]) : nil
    }
}
