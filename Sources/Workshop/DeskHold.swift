package import Telemetry

/// A slot that somebody at the desk keeps free while they speak with a customer.
///
/// It counts as a hold does: nobody else gets the slot, and it ends by itself.
package struct DeskHold: Sendable, Equatable {
    package var occupancy: Occupancy
    /// Place in the core's stations.
    package var station: Int
    /// Who may use, lengthen and give it up.
    package var holder: String
    package var takenAt: Timestamp
    package var until: Timestamp

    package init(
        occupancy: Occupancy,
        station: Int,
        holder: String,
        takenAt: Timestamp,
        until: Timestamp
    ) {
        self.occupancy = occupancy
        self.station = station
        self.holder = holder
        self.takenAt = takenAt
        self.until = until
    }
}
