package import Telemetry

/// Raises that are not told yet, because their workshop needs less lead than there is.
extension RuleEngine {
    /// Lets a raise wait, to be looked at again at `due`.
    package func watch(slot: Int, until due: Timestamp, _ vehicle: inout VehicleState) {
        setWatch(due, slot: slot, &vehicle)
    }

    /// Notes that a raise is told.
    package func endWatch(slot: Int, _ vehicle: inout VehicleState) {
        guard isWatched(slot: slot, vehicle) else { return }
        setWatch(nil, slot: slot, &vehicle)
    }

    package func isWatched(slot: Int, _ vehicle: VehicleState) -> Bool {
        vehicle.attentions[slot].watchDue != nil
    }

    /// Raises that wait, and when they are looked at again.
    package func watches(of vehicle: VehicleState) -> [(slot: Int, due: Timestamp)] {
        guard !vehicle.attentions.isEmpty else { return [] }
        return vehicle.slotsInUse.compactMap { slot in
            vehicle.attentions[slot].watchDue.map { (slot, $0) }
        }
    }

    /// What a raise that waited tells now.
    package func raise(slot: Int, now: Timestamp, _ vehicle: VehicleState) -> RuleEvent? {
        guard let place = vehicle.place(ofSlot: slot) else { return nil }
        return event(
            .raised,
            slot,
            now,
            vehicle.parts[place],
            vehicle,
            vehicle.attentions[slot]
        )
    }

    private func setWatch(_ due: Timestamp?, slot: Int, _ vehicle: inout VehicleState) {
        guard let place = vehicle.place(ofSlot: slot) else { return }
        var attention = vehicle.attentions[slot]
        attention.watchDue = due
        vehicle.keep(attention, at: place)
    }
}
