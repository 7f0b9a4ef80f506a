package import Rules
package import Telemetry
package import Workshop

/// Where an alert stands (machine alert).
package enum AlertState: String, MachineState {
    /// The engine's pending: seen, but not for long enough; the record is written when it opens.
    case watching
    case open
    case planned
    case muted
    case recovered
    case serviced
    case closed

    package enum Event: String, CaseIterable, Sendable {
        case nearThreshold = "near_threshold"
        case held
        case vanished
        case noData = "no_data"
        case planned
        case unplanned
        case mute
        case declined
        case unmute
        case cleared
        case firesAgain = "fires_again"
        case stayedOK = "stayed_ok"
        case serviced
        case healthy
        case noFaultFound = "no_fault_found"
        case stillFiring = "still_firing"
        case unverifiable
        case badData = "bad_data"
        case vehicleLeft = "vehicle_left"
        case superseded

        /// How an alert that this event closes has ended.
        package var outcome: AlertOutcome? {
            switch self {
            case .vanished: .notConfirmed
            case .noData: .noData
            case .stayedOK: .recovered
            case .healthy: .fixed
            case .noFaultFound: .falseAlarm
            case .unverifiable: .unverified
            case .badData: .dataFault
            case .vehicleLeft: .vehicleLeft
            case .superseded: .superseded
            case .nearThreshold, .held, .planned, .unplanned, .mute, .declined, .unmute, .cleared,
                .firesAgain, .serviced, .stillFiring:
                nil
            }
        }
    }

    package static let arrows: [Arrow<AlertState>] = [
        Arrow([], .nearThreshold, .watching),
        Arrow([.watching], .held, .open),
        Arrow([.watching], .vanished, .closed),
        Arrow([.watching, .open], .noData, .closed),
        Arrow([.open], .planned, .planned),
        Arrow([.planned], .unplanned, .open),
        Arrow([.open, .planned], .mute, .muted),
        Arrow([.planned], .declined, .muted),
        Arrow([.muted], .unmute, .open),
        Arrow([.open, .planned, .muted], .cleared, .recovered),
        Arrow([.recovered], .firesAgain, .open),
        Arrow([.recovered], .stayedOK, .closed),
        Arrow([.open, .planned, .muted], .serviced, .serviced),
        Arrow([.serviced], .healthy, .closed),
        Arrow([.serviced], .noFaultFound, .closed),
        Arrow([.serviced], .stillFiring, .open),
        Arrow([.serviced], .unverifiable, .closed),
        Arrow([.open, .planned, .muted, .recovered], .badData, .closed),
        Arrow(
            [.watching, .open, .planned, .muted, .recovered, .serviced],
            .vehicleLeft,
            .closed
        ),
        Arrow([.watching, .open, .planned, .muted], .superseded, .closed),
    ]

    package var isLive: Bool { self != .closed }
}

/// How an alert ended.
package enum AlertOutcome: String, CaseIterable, Sendable {
    /// Gone before it had lasted long enough.
    case notConfirmed = "not_confirmed"
    case recovered
    case fixed
    /// The workshop found nothing: a false positive of the rule.
    case falseAlarm = "false_alarm"
    /// Nothing has been heard since the work, so nobody can tell.
    case unverified
    /// The sensor or the feed was wrong; not counted for or against the rule.
    case dataFault = "data_fault"
    /// Nothing has been heard of the component for too long to call anybody about it.
    case noData = "no_data"
    case vehicleLeft = "vehicle_left"
    /// No rule watches the component any more.
    case superseded
}

/// How an alert stood when it was put off.
package struct PutOff: Sendable, Equatable {
    /// Coming so much sooner than was said, of the time there was, is worse.
    private static let soonerShare = 0.25

    package var urgency: Urgency
    /// The day to act by; nil when the limit was met already.
    package var early: Timestamp?
    package var at: Timestamp
    /// It ends with the vehicle's next visit.
    package var untilVisit: Bool

    package init(urgency: Urgency, early: Timestamp?, at: Timestamp, untilVisit: Bool) {
        self.urgency = urgency
        self.early = early
        self.at = at
        self.untilVisit = untilVisit
    }

    init(_ alert: Alert, at now: Timestamp, untilVisit: Bool = false) {
        urgency = alert.urgency
        early = alert.isMet ? nil : alert.evidence.actBy
        at = now
        self.untilVisit = untilVisit
    }

    /// Whether the alert is worse now.
    func isOutdone(by alert: Alert) -> Bool {
        if alert.urgency < urgency { return true }
        guard let early, let newEarly = alert.evidence.actBy, early > at else { return false }
        return (early - newEarly).days >= PutOff.soonerShare * (early - at).days
    }
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
    /// The worst it has been since it was raised, or fired again.
    package var severity: Severity
    package var jobs: [String]
    /// Times it was raised again within a week of recovering.
    package var flapCount: Int
    package var suggestion: SuggestionID?
    /// When a muted, serviced or recovered alert leaves its state by itself, and an open one may
    /// be planned again.
    package var due: Timestamp?
    /// What it was when it was put off: getting worse than this ends that.
    package var putOff: PutOff?
    /// What the workshop found.
    package var verdict: Verdict?
    package var servicedAt: Timestamp?
    /// Times it still fired after it was said to be done.
    package var reopenCount: Int

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
        severity: Severity,
        jobs: [String],
        flapCount: Int,
        suggestion: SuggestionID?,
        due: Timestamp?,
        putOff: PutOff?,
        verdict: Verdict?,
        servicedAt: Timestamp?,
        reopenCount: Int
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
        self.severity = severity
        self.jobs = jobs
        self.flapCount = flapCount
        self.suggestion = suggestion
        self.due = due
        self.putOff = putOff
        self.verdict = verdict
        self.servicedAt = servicedAt
        self.reopenCount = reopenCount
    }

    /// Open, and not put off.
    func isPlannable(now: Timestamp) -> Bool {
        state == .open && due.map { $0 <= now } ?? true
    }

    /// The cause this alert is for a visit.
    func cause(now: Timestamp) -> VisitCause {
        VisitCause(
            alert: id,
            consequence: consequence,
            actBy: isMet ? nil : evidence.actBy ?? now + Alert.unforeseenLead,
            severity: severity,
            jobs: jobs
        )
    }

    /// Whether the limit is met: what is to be done is to be done now.
    var isMet: Bool { evidence.isCrossed || evidence.isFast }

    /// An alert whose crossing is no longer in sight, while it may clear, is in no hurry.
    private static let unforeseenLead = Milliseconds.days(Int64(14))

    var urgency: Urgency { consequence.urgency(severity) }
}

extension Alert: AuditedRecord {
    static var machine: Transition.Machine { .alert }
    var recordNumber: Int64 { id.rawValue }

    var auditFields: [(name: String, value: String)] {
        [
            ("rule_version", "\(ruleVersion)"),
            ("severity", severity.rawValue),
            ("suggestion", suggestion.map { "\($0.rawValue)" } ?? ""),
            ("due", due.map { "\($0)" } ?? ""),
            ("muted_class", putOff?.urgency.name ?? ""),
            ("verdict", verdict?.rawValue ?? ""),
            ("flap_count", "\(flapCount)"),
            ("reopen_count", "\(reopenCount)"),
            ("newest_value", "\(evidence.newestValue)"),
            ("early", evidence.early.map { "\($0)" } ?? ""),
        ]
    }
}
