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

/// Where a suggestion stands (machine suggestion).
package enum SuggestionState: String, MachineState {
    case proposed
    /// An advisor has the lease: works on it, alone.
    case leased = "claimed"
    case waiting
    case booked
    case declined
    case withdrawn
    case merged
    case expired

    package enum Event: String, CaseIterable, Sendable {
        case plan
        case replan
        case lease = "claim"
        case release
        case accepted
        case customerAccepts = "customer_accepts"
        case wait
        case due
        case unreachableTwice = "unreachable_2"
        case escalate
        case slaBreach = "sla_breach"
        case decline
        case undo
        case basisGone = "basis_gone"
        case basisGoneSeen = "basis_gone_ack"
        case merge
        case lapse
    }

    package static let arrows: [Arrow<SuggestionState>] = [
        Arrow([], .plan, .proposed),
        Arrow([.proposed, .waiting], .replan, nil),
        Arrow([.proposed], .lease, .leased),
        Arrow([.leased], .release, .proposed),
        Arrow([.leased], .accepted, .booked),
        Arrow([.waiting], .customerAccepts, .booked),
        Arrow([.leased], .wait, .waiting),
        Arrow([.waiting], .due, .proposed),
        Arrow([.leased], .unreachableTwice, .proposed),
        Arrow([.leased], .escalate, .proposed),
        Arrow([.proposed, .waiting], .slaBreach, nil),
        Arrow([.leased], .decline, .declined),
        Arrow([.declined], .undo, .leased),
        Arrow([.proposed, .waiting], .basisGone, .withdrawn),
        Arrow([.leased], .basisGoneSeen, .withdrawn),
        Arrow([.proposed, .waiting], .merge, .merged),
        Arrow([.proposed, .waiting], .lapse, .expired),
    ]

    package var isLive: Bool { self == .proposed || self == .leased || self == .waiting }
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

/// Whose list a suggestion is on.
package enum Queue: String, CaseIterable, Sendable {
    case advisor
    case specialist
    case manager
}

/// What a suggestion that rests waits for.
package enum WaitKind: String, CaseIterable, Sendable {
    /// The customer named a time.
    case callBack = "call_back"
    /// Nobody answered; the next try is in the other half of a day.
    case retry
    /// An offer was sent, or the customer thinks about it.
    case reply
    case parts
}

package struct Wait: Sendable, Equatable {
    package var kind: WaitKind
    package var until: Timestamp

    package init(kind: WaitKind, until: Timestamp) {
        self.kind = kind
        self.until = until
    }
}

/// Who works on a suggestion, and how far the contact with the customer has come.
package struct Handling: Sendable, Equatable {
    package var queue = Queue.advisor
    /// Who has the lease, or had it last.
    package var owner: String?
    package var leaseUntil: Timestamp?
    package var wait: Wait?
    /// When the first attempt must have been made, or the manager is told.
    package var contactDue: Timestamp
    package var isBreached = false
    package var attempts = 0
    package var lastAttemptAt: Timestamp?
    /// Attempts in a row, in this queue, that reached nobody; a quick redial does not count.
    package var failures = 0
    /// Messages sent while it was on this queue.
    package var messages = 0
    /// Something changed while somebody had the lease or it waited.
    package var hasChanged = false
    /// No live alert is left, but somebody has the lease.
    package var isBasisGone = false

    package init(contactDue: Timestamp) {
        self.contactDue = contactDue
    }
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
    /// The hold.
    package var occupancy: Occupancy?
    package var holdUntil: Timestamp?
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var handling: Handling
    /// The confirmed visit it became, or that it would add to.
    package var appointment: AppointmentID?
    /// An earlier suggestion that was declined before this reason got worse.
    package var reopenedFrom: SuggestionID?
    /// When a better slot was last looked for.
    package var lookedAt: Timestamp
    package var declineReason: DeclineReason?
    package var note: String
    /// What the customer says is wrong.
    package var symptoms = ""
    package var stationReason = StationReason.home

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
        handling: Handling,
        appointment: AppointmentID?,
        reopenedFrom: SuggestionID?,
        lookedAt: Timestamp,
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
        self.handling = handling
        self.appointment = appointment
        self.reopenedFrom = reopenedFrom
        self.lookedAt = lookedAt
        self.declineReason = declineReason
        self.note = note
    }

    /// It would add to a confirmed visit and needs no slot of its own.
    package var isAmendment: Bool { state.isLive && appointment != nil }

    /// No slot could be held: said, never hidden.
    package var hasNoSlot: Bool { state.isLive && occupancy == nil && !isAmendment }

    /// The held slot lies after the deadline.
    package var isOverdue: Bool {
        occupancy.map { $0.slot.interval.start > need.latestBy } ?? false
    }
}
