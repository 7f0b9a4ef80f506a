package import Telemetry

/// Where a confirmed visit stands (machine appointment).
package enum AppointmentState: String, MachineState {
    case confirmed
    case arrived
    case inService = "in_service"
    case done
    case noShow = "no_show"
    case closed
    case cancelled

    package enum Event: String, CaseIterable, Sendable {
        case book
        case move
        case arrive
        case miss
        case arriveLate = "arrive_late"
        case rebook
        case cancel
        case start
        case finish
        case rework
        case settled
        case settleLate = "settle_late"
        case giveUp = "give_up"
        case abort
    }

    package static let arrows: [Arrow<AppointmentState>] = [
        Arrow([], .book, .confirmed),
        Arrow([.confirmed], .move, .confirmed),
        Arrow([.confirmed], .arrive, .arrived),
        Arrow([.confirmed], .miss, .noShow),
        Arrow([.noShow], .arriveLate, .arrived),
        Arrow([.noShow], .rebook, .confirmed),
        Arrow([.confirmed, .arrived], .cancel, .cancelled),
        Arrow([.arrived], .start, .inService),
        Arrow([.inService], .finish, .done),
        Arrow([.done], .rework, .inService),
        Arrow([.done], .settled, .closed),
        Arrow([.done], .settleLate, .closed),
        Arrow([.noShow], .giveUp, .closed),
        Arrow([.inService], .abort, .cancelled),
    ]

    package var isLive: Bool { self != .closed && self != .cancelled }
}

/// An appointment's number, given out by the core.
package struct AppointmentID: Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static func < (left: AppointmentID, right: AppointmentID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// Why a confirmed visit is off.
package enum CancelCode: String, CaseIterable, Sendable {
    case customer
    /// Our fault: the customer is first in line for another.
    case shop
    case conditionCleared = "condition_cleared"
    case vehicleLeft = "vehicle_left"
    /// The work could not be done although the car was there.
    case partsMissing = "parts_missing"
}

/// Something to be done about a visit (RFC 5545 calls it a to-do).
package struct ToDo: Sendable, Equatable {
    package enum Kind: String, CaseIterable, Sendable {
        /// The day before: remind the customer.
        case reminder
        /// A quarter of an hour late: ask how the customer is.
        case careCall = "care_call"
        /// The customer did not come: offer another time.
        case noShowCall = "no_show_call"
        /// The visit is later than the new deadline.
        case offerEarlier = "offer_earlier"
        /// Every cause has recovered.
        case askToKeep = "ask_to_keep"
        /// A closure or absence makes the visit impossible as it stands.
        case findAnother = "find_another"
        /// Still in service when the workshop closes.
        case carryOver = "carry_over"
        /// Three days after: thanks, satisfaction, what is due next.
        case followUp = "follow_up"
    }

    package var kind: Kind
    package var openedAt: Timestamp
    package var doneAt: Timestamp?
    package var doneBy: String?

    package init(kind: Kind, openedAt: Timestamp, doneAt: Timestamp?, doneBy: String?) {
        self.kind = kind
        self.openedAt = openedAt
        self.doneAt = doneAt
        self.doneBy = doneBy
    }
}

/// The call three days after a visit; none of its parts may be left out.
package struct FollowUp: Sendable, Equatable {
    package var at: Timestamp
    package var by: String
    /// The customer was thanked.
    package var isThanked: Bool
    /// Would recommend us, 0…10.
    package var score: Int
    /// What was expected, and what happened.
    package var expectation: String
    /// What went wrong; empty when nothing did.
    package var issue: String
    /// What falls due next and was said; "none" is an answer, silence is not.
    package var dueReminders: String

    package init(
        at: Timestamp,
        by: String,
        isThanked: Bool,
        score: Int,
        expectation: String,
        issue: String,
        dueReminders: String
    ) {
        self.at = at
        self.by = by
        self.isThanked = isThanked
        self.score = score
        self.expectation = expectation
        self.issue = issue
        self.dueReminders = dueReminders
    }
}

/// A confirmed visit.
///
/// Invariant: while it is confirmed, arrived or in service it owns one occupancy of a bay and,
/// where the station lists technicians, of one of them.
package struct Appointment: Sendable, Equatable {
    package var id: AppointmentID
    package var version: Int
    package var vehicle: VehicleID
    /// Place in the core's stations.
    package var station: Int
    package var state: AppointmentState
    /// Nil for a walk-in.
    package var suggestion: SuggestionID?
    package var alerts: [AlertID]
    package var need: VisitNeed
    /// What was agreed, whether or not the bay is still taken.
    package var slot: Slot
    package var occupancy: OccupancyID?
    /// Raised by each new time, as in iCalendar.
    package var sequence = 0
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var arrivedAt: Timestamp?
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var missedAt: Timestamp?
    package var odometerKilometres: Int?
    package var symptoms = ""
    package var cancelCode: CancelCode?
    package var note = ""
    package var findings: [Finding] = []
    package var toDos: [ToDo] = []
    package var followUp: FollowUp?

    package init(
        id: AppointmentID,
        version: Int,
        vehicle: VehicleID,
        station: Int,
        state: AppointmentState,
        suggestion: SuggestionID?,
        alerts: [AlertID],
        need: VisitNeed,
        slot: Slot,
        occupancy: OccupancyID?,
        createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.version = version
        self.vehicle = vehicle
        self.station = station
        self.state = state
        self.suggestion = suggestion
        self.alerts = alerts
        self.need = need
        self.slot = slot
        self.occupancy = occupancy
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package func toDo(_ kind: ToDo.Kind) -> ToDo? { toDos.last { $0.kind == kind } }

    package var openToDos: [ToDo] { toDos.filter { $0.doneAt == nil } }
}
