package import Telemetry

/// What makes an alert of a rule more severe: the time left until the early edge of the crossing.
///
/// Left out on purpose: how soon somebody must act, which is the severity crossed with the rule's
/// consequence (Workshop, `Consequence.urgency`).
package struct SeverityLadder: Sendable, Equatable {
    /// Days to the early edge, at most, with which an alert is `soon`.
    package var soonDays = 14.0
    package var urgentDays = 3.0
    /// With so few days left it makes no difference that the limit is not met yet.
    package var crossedDays = 1.0
    /// What an alert is whose limit, or whose condition, is met.
    package var met = Severity.crossed

    /// The ladder of a rule that names no rung.
    ///
    /// Source: the columns of the class table of `advisor.md` §4.2.
    package init() {}

    /// What the evidence comes to at `now`; an alert whose forecast has gone is `notice`.
    package func severity(of evidence: Evidence, now: Timestamp) -> Severity {
        if evidence.isFast { return .crossed }
        if evidence.isCrossed { return met }
        guard let early = evidence.early else { return .notice }
        return rungs.first { now >= early - $0.span }?.severity ?? .notice
    }

    /// When time alone takes the severity up next; nil where nothing is left to come.
    package func nextRise(of evidence: Evidence, after now: Timestamp) -> Timestamp? {
        guard !evidence.isCrossed, !evidence.isFast, let early = evidence.early else { return nil }
        return rungs.map { early - $0.span }.filter { $0 > now }.min()
    }

    /// The worst first.
    private var rungs: [(severity: Severity, span: Milliseconds)] {
        [
            (.crossed, .days(crossedDays)), (.urgent, .days(urgentDays)), (.soon, .days(soonDays)),
        ]
    }
}
