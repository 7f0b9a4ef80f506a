package import Telemetry

/// A suggestion's number, given out by the core.
package struct SuggestionID: Hashable, Comparable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static func < (left: SuggestionID, right: SuggestionID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Where a suggestion stands (`states.tsv`; lease and waiting follow with the contact workflow).
package enum SuggestionState: String, CaseIterable, Sendable {
    case proposed
    case booked
    case declined
    case withdrawn
    case expired

    package var isLive: Bool { self == .proposed }
}

/// Why a customer did not want the visit.
package enum DeclineReason: String, CaseIterable, Sendable {
    case doneElsewhere = "done_elsewhere"
    case notInterested = "not_interested"
    case complaintLastBooking = "complaint_last_booking"
    case unreachableFinal = "unreachable_final"
    case otherTime = "other_time"
    case priceOrAuthority = "price_or_authority"
    case soldOrWrongPerson = "sold_or_wrong_person"
    case doNotContact = "do_not_contact"
}

/// A proposed visit of one vehicle, with a held slot.
package struct Suggestion: Sendable, Equatable {
    package var id: SuggestionID
    /// Raised by every change; a command names the version it saw.
    package var version: Int
    package var vehicle: VehicleID
    /// Place in the core's stations.
    package var station: Int
    package var state: SuggestionState
    package var alerts: [AlertID]
    package var need: VisitNeed
    package var offers: [Offer]
    /// The hold, or after booking the appointment.
    package var occupancy: Occupancy?
    package var holdUntil: Timestamp?
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var declineReason: DeclineReason?
    package var note: String

    package init(
        id: SuggestionID,
        version: Int,
        vehicle: VehicleID,
        station: Int,
        state: SuggestionState,
        alerts: [AlertID],
        need: VisitNeed,
        offers: [Offer],
        occupancy: Occupancy?,
        holdUntil: Timestamp?,
        createdAt: Timestamp,
        updatedAt: Timestamp,
        declineReason: DeclineReason?,
        note: String
    ) {
        self.id = id
        self.version = version
        self.vehicle = vehicle
        self.station = station
        self.state = state
        self.alerts = alerts
        self.need = need
        self.offers = offers
        self.occupancy = occupancy
        self.holdUntil = holdUntil
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.declineReason = declineReason
        self.note = note
    }

    /// No slot could be held: said, never hidden.
    package var hasNoSlot: Bool { state == .proposed && occupancy == nil }

    /// The held slot lies after the deadline.
    package var isOverdue: Bool {
        occupancy.map { $0.slot.interval.start > need.latestBy } ?? false
    }
}
