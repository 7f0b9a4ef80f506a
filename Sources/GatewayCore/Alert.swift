package import Rules
package import Telemetry
package import Workshop

/// Where an alert stands (`states.tsv`; `watching` is the engine's pending and has no record).
package enum AlertState: String, CaseIterable, Sendable {
    case open
    case planned
    case muted
    case serviced
    case recovered
    case closed

    package var isLive: Bool { self != .closed }
}

/// How an alert ended.
package enum AlertOutcome: String, CaseIterable, Sendable {
    case recovered
    case fixed
    /// Nothing has been heard of the component for too long to call anybody about it.
    case noData = "no_data"
    case vehicleLeft = "vehicle_left"
    /// No rule watches the component any more.
    case superseded
}

/// A limit of one component of one vehicle that is near.
///
/// Invariant: at most one live alert per vehicle, rule and component; the store's unique index
/// checks the same again.
package struct Alert: Sendable, Equatable {
    package var id: AlertID
    package var vehicle: VehicleID
    package var ruleID: String
    package var ruleVersion: Int
    package var component: String
    package var state: AlertState
    package var outcome: AlertOutcome?
    package var raisedAt: Timestamp
    package var updatedAt: Timestamp
    package var evidence: Evidence
    package var sentence: Bilingual
    package var consequence: Consequence
    package var jobs: [String]
    /// Times it was raised again within a week of recovering.
    package var flapCount: Int
    package var suggestion: SuggestionID?
    /// When a muted, serviced or recovered alert leaves its state by itself.
    package var due: Timestamp?
    /// Urgency when it was muted: getting worse than this ends the mute.
    package var mutedUrgency: Urgency?

    package init(
        id: AlertID,
        vehicle: VehicleID,
        ruleID: String,
        ruleVersion: Int,
        component: String,
        state: AlertState,
        outcome: AlertOutcome?,
        raisedAt: Timestamp,
        updatedAt: Timestamp,
        evidence: Evidence,
        sentence: Bilingual,
        consequence: Consequence,
        jobs: [String],
        flapCount: Int,
        suggestion: SuggestionID?,
        due: Timestamp?,
        mutedUrgency: Urgency?
    ) {
        self.id = id
        self.vehicle = vehicle
        self.ruleID = ruleID
        self.ruleVersion = ruleVersion
        self.component = component
        self.state = state
        self.outcome = outcome
        self.raisedAt = raisedAt
        self.updatedAt = updatedAt
        self.evidence = evidence
        self.sentence = sentence
        self.consequence = consequence
        self.jobs = jobs
        self.flapCount = flapCount
        self.suggestion = suggestion
        self.due = due
        self.mutedUrgency = mutedUrgency
    }

    /// The cause this alert is for a visit.
    func cause(now: Timestamp) -> VisitCause {
        VisitCause(
            alert: id,
            consequence: consequence,
            early: evidence.early ?? now,
            isCrossed: evidence.isCrossed || evidence.isFast,
            jobs: jobs
        )
    }

    func urgency(now: Timestamp) -> Urgency {
        consequence.urgency(
            untilEarly: ((evidence.early ?? now) - now).days,
            isCrossed: evidence.isCrossed || evidence.isFast
        )
    }
}

/// One step of a state machine, as the audit keeps it.
package struct Transition: Sendable, Equatable {
    package enum Machine: String, Sendable {
        case alert
        case suggestion
        case appointment
        case vehicle
        case gateway
    }

    package var machine: Machine
    package var record: Int64
    /// As in `states.tsv`; empty for a record that begins.
    package var from: String
    package var event: String
    package var to: String
    package var actor: String
    package var at: Timestamp
    package var reason: String
}
