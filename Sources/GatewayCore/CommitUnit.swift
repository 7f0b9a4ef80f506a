package import Customers
package import Decoding
package import Rules
package import Telemetry
package import Workshop

/// A vehicle's registry entry as the store keeps it.
package struct VehicleRow: Sendable, Equatable {
    package var id: VehicleID
    package var name: String
    package var profile: VehicleProfile
    package var firstSeenAt: Timestamp

    package init(id: VehicleID, name: String, profile: VehicleProfile, firstSeenAt: Timestamp) {
        self.id = id
        self.name = name
        self.profile = profile
        self.firstSeenAt = firstSeenAt
    }
}

/// Bytes that did not become a reading, kept whole.
package struct DeadLetter: Sendable, Equatable {
    package var receivedAt: Timestamp
    package var topic: [UInt8]
    package var payload: [UInt8]
    /// One for each reading that was rejected, or one for the packet as a whole; never empty.
    package var rejections: [Rejection]

    /// The first rejection of the packet.
    package var rejection: Rejection { rejections[0] }
}

/// A packet's own number or, from vehicles that number nothing, its hash: what tells a repeat.
package struct PacketMark: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case numbered([UInt8], UInt64)
        case unnumbered(UInt64)
        /// What is missing up to this number the vehicle no longer has.
        case skipped([UInt8], UInt64)
    }

    package var vehicle: VehicleID
    package var kind: Kind

    package init(vehicle: VehicleID, kind: Kind) {
        self.vehicle = vehicle
        self.kind = kind
    }
}

/// "All up to this number are stored": what a vehicle may forget.
package struct Confirmation: Sendable, Equatable {
    package var vehicle: String
    package var boot: String
    package var sequence: UInt64

    package init(vehicle: String, boot: String, sequence: UInt64) {
        self.vehicle = vehicle
        self.boot = boot
        self.sequence = sequence
    }
}

/// A confirmation by numbers and bytes: its texts are made where somebody is told.
package struct Contiguity: Sendable, Equatable {
    package var vehicle: VehicleID
    package var boot: [UInt8]
    package var sequence: UInt64
}

/// How the readings of a step fared.
///
/// `received = accepted + rejected`; the store splits accepted into stored and duplicate.
package struct StepCounts: Sendable, Equatable {
    package var packets = 0
    /// Packets of a configured source that say nothing the source maps.
    package var ignoredPackets = 0
    /// Values of unknown age, refused because the broker had kept them.
    package var retainedValues = 0
    /// Numbers that never came and that their vehicles say they no longer have.
    package var skippedPackets = 0
    package var received = 0
    package var accepted = 0
    package var late = 0
    package var noReading = 0
    /// By `RejectionReason`, in the order of its cases.
    package var rejected = [Int](repeating: 0, count: RejectionReason.allCases.count)
    package var alertsRaised = 0
    package var alertsCleared = 0
    package var suggestionsMade = 0
    package var clockClamped = 0

    package init() {}

    package static func += (left: inout StepCounts, right: StepCounts) {
        left.packets += right.packets
        left.ignoredPackets += right.ignoredPackets
        left.retainedValues += right.retainedValues
        left.skippedPackets += right.skippedPackets
        left.received += right.received
        left.accepted += right.accepted
        left.late += right.late
        left.noReading += right.noReading
        for index in left.rejected.indices { left.rejected[index] += right.rejected[index] }
        left.alertsRaised += right.alertsRaised
        left.alertsCleared += right.alertsCleared
        left.suggestionsMade += right.suggestionsMade
        left.clockClamped += right.clockClamped
    }

    package var rejectedTotal: Int { rejected.reduce(0, +) }
}

/// Everything one step changes, to be stored in one transaction; only data.
package struct CommitUnit: Sendable {
    package var readings: [Reading] = []
    package var marks: [PacketMark] = []
    package var deliveries: [Delivery] = []
    package var vehicles: [VehicleRow] = []
    package var deadLetters: [DeadLetter] = []
    /// Numbers of dead letters that were taken in again or discarded.
    package var removedDeadLetters: [Int64] = []
    /// Of vehicles whose state changed other than by readings and marks, which the store keeps, and
    /// of those that were asked for.
    package var checkpoints: [(vehicle: VehicleID, bytes: [UInt8])] = []
    package var alerts: [Alert] = []
    package var suggestions: [Suggestion] = []
    package var appointments: [Appointment] = []
    package var attempts: [AttemptRow] = []
    package var contacts: [ContactRow] = []
    package var work: [WorkRow] = []
    /// Dates of which owners are told by message.
    package var dueNotices: [DueNotice] = []
    package var complaints: [Complaint] = []
    /// What cannot be judged: begun, or over.
    package var troubles: [Trouble] = []
    package var closures: [ClosureRow] = []
    package var removedClosures: [ClosureID] = []
    package var releasedOccupancies: [OccupancyID] = []
    package var occupancies: [OccupancyRow] = []
    package var transitions: [Transition] = []
    /// The core's time after the step: where a restart takes up again.
    package var now = Timestamp.distantPast
    /// Published after the commit, never before.
    package var confirmations: [Contiguity] = []
    package var alertLog: [AlertLogEntry] = []
    /// Of every component and midnight, where asked for.
    package var forecastLog: [ForecastLogEntry] = []
    package var counts = StepCounts()
    /// Rules that this unit put in force; the messages of its alerts are worded by them.
    package var rules: [Rule]?
    /// The answer to a command.
    package var answer: Result<Answer, Problem>?

    package init() {}

    package var isEmpty: Bool {
        readings.isEmpty && marks.isEmpty && deliveries.isEmpty && vehicles.isEmpty
            && deadLetters.isEmpty
            && checkpoints.isEmpty
            && alerts.isEmpty && suggestions.isEmpty && releasedOccupancies.isEmpty
            && occupancies.isEmpty && transitions.isEmpty && removedDeadLetters.isEmpty
            && appointments.isEmpty && attempts.isEmpty && contacts.isEmpty
            && troubles.isEmpty
            && work.isEmpty && complaints.isEmpty && closures.isEmpty && removedClosures.isEmpty
    }
}

/// An occupancy as the store keeps it.
package struct OccupancyRow: Sendable, Equatable {
    package var occupancy: Occupancy
    package var bayCode: String
    package var technicianCode: String?
    package var owner: Owner
    package var expiresAt: Timestamp?

    /// For whom it is taken.
    package enum Owner: Sendable, Equatable {
        case suggestion(SuggestionID)
        case appointment(AppointmentID)
        /// Somebody at the desk, and since when.
        case desk(holder: String, station: String, at: Timestamp)
    }
}

/// An attempt to reach a customer as the store keeps it.
package struct AttemptRow: Sendable, Equatable {
    package var suggestion: SuggestionID
    package var vehicle: VehicleID
    package var at: Timestamp
    package var actor: Actor
    /// Within two hours of one that reached nobody: not counted as another.
    package var isRedial: Bool
    package var attempt: ContactAttempt
}

/// What is remembered of a vehicle's contacts, as the store keeps it.
package struct ContactRow: Sendable, Equatable {
    package var vehicle: VehicleID
    package var history: ContactHistory

    package init(vehicle: VehicleID, history: ContactHistory) {
        self.vehicle = vehicle
        self.history = history
    }
}

/// What is known of a vehicle besides its readings, as the store keeps it.
package struct WorkRow: Sendable, Equatable {
    package var vehicle: VehicleID
    package var work: VehicleWork

    package init(vehicle: VehicleID, work: VehicleWork) {
        self.vehicle = vehicle
        self.work = work
    }
}

/// A date that comes near while no visit is.
package struct DueNotice: Sendable, Equatable {
    package var vehicle: VehicleID
    package var item: DueItem
}

/// A closure as the store keeps it.
package struct ClosureRow: Sendable, Equatable {
    /// Place in the core's stations.
    package var station: Int
    package var closure: Closure

    package init(station: Int, closure: Closure) {
        self.station = station
        self.closure = closure
    }
}

/// A line of the alert log that `replay --alerts` writes.
package struct AlertLogEntry: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case raise
        case update
        case clear
    }

    package var vehicle: VehicleID
    package var component: String
    package var at: Timestamp
    package var predictedCrossing: Timestamp?
    package var kind: Kind
}

/// A line of the forecasts that `replay --predictions` writes.
package struct ForecastLogEntry: Sendable, Equatable {
    package var vehicle: VehicleID
    package var rule: String
    package var component: String
    package var at: Timestamp
    /// The crossing and its 80 % range; nil while none is foreseen.
    package var early: Timestamp?
    package var middle: Timestamp?
    package var late: Timestamp?
}
