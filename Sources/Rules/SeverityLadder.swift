package import Telemetry

/// What makes an alert of a rule more severe: the time left until it must be acted on.
///
/// `crossed` means that the limit is met, and nothing else does.
/// Left out on purpose: how urgent a visit is, which is the severity crossed with the rule's
/// consequence (Workshop, `Consequence.urgency`).
package struct SeverityLadder: Sendable, Equatable {
    /// An alert whose date is further away is not urgent, however wide its range, in days.
    private static let urgentMiddleDays = 7.0

    /// Days to the day to act by, at most, with which an alert is `soon`.
    package var soonDays = 14.0
    package var urgentDays = 3.0
    /// What an alert is whose limit, or whose condition, is met.
    package var met = Severity.crossed

    /// The ladder of a rule that names no rung.
    package init() {}

    /// What the evidence comes to at `now`; an alert whose forecast has gone is `notice`.
    package func severity(of evidence: Evidence, now: Timestamp) -> Severity {
        if evidence.isFast { return .crossed }
        if evidence.isCrossed { return met }
        return rungs(evidence).first { now >= $0.at }?.severity ?? .notice
    }

    /// When time alone takes the severity up next; nil where nothing is left to come.
    package func nextRise(of evidence: Evidence, after now: Timestamp) -> Timestamp? {
        guard !evidence.isCrossed, !evidence.isFast else { return nil }
        return rungs(evidence).map(\.at).filter { $0 > now }.min()
    }

    /// The worst first.
    private func rungs(_ evidence: Evidence) -> [(severity: Severity, at: Timestamp)] {
        guard let actBy = evidence.actBy, let middle = evidence.middle else { return [] }
        let urgentAt = max(
            actBy - .days(urgentDays),
            middle - .days(SeverityLadder.urgentMiddleDays)
        )
        return [(.urgent, urgentAt), (.soon, actBy - .days(soonDays))]
    }
}
