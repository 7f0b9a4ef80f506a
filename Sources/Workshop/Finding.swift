package import Telemetry

/// What the workshop saw of an alert's cause.
package enum Verdict: String, CaseIterable, Sendable {
    case confirmed
    /// Worn, though not as far as foreseen.
    case wornEarly = "worn_early"
    case noFault = "no_fault"
    case otherCause = "other_cause"
    case notInspected = "not_inspected"

    package var isInspected: Bool { self != .notInspected }
}

/// A workshop's finding on one alert of a visit.
package struct Finding: Sendable, Equatable {
    package var alert: AlertID
    package var verdict: Verdict
    /// What was done, with which parts, and what else there is to say.
    package var action: String
    package var parts: String
    package var note: String
    /// What was measured, in the unit of the alert's signal.
    package var measured: Double?
    /// Work on this alert, min; nil where it was not taken down.
    package var minutes: Int?

    package init(
        alert: AlertID,
        verdict: Verdict,
        action: String,
        parts: String,
        note: String,
        measured: Double?,
        minutes: Int?
    ) {
        self.alert = alert
        self.verdict = verdict
        self.action = action
        self.parts = parts
        self.note = note
        self.measured = measured
        self.minutes = minutes
    }
}

/// How often a rule's alerts proved right.
package struct Precision: Sendable, Equatable {
    /// Below this many judged alerts a share says nothing.
    package static let judgedMin = 10
    /// The 97.5 % point of the normal distribution: a 95 % interval.
    private static let quantile = 1.959_964

    /// Confirmed or worn early.
    package var right: Int
    /// No fault found.
    package var wrong: Int
    /// Alerts of visits that are over, inspected or not.
    package var serviced: Int
    package var inspected: Int

    package init(right: Int, wrong: Int, serviced: Int, inspected: Int) {
        self.right = right
        self.wrong = wrong
        self.serviced = serviced
        self.inspected = inspected
    }

    /// Share of the serviced alerts that somebody looked at, 0…1.
    package var coverage: Double? {
        serviced == 0 ? nil : Double(inspected) / Double(serviced)
    }

    /// Share of the judged alerts that were right, 0…1, with its 95 % range; nil while too few
    /// are judged.
    ///
    /// Source: E. B. Wilson, "Probable inference", JASA 22 (1927), the score interval.
    package var share: (value: Double, low: Double, high: Double)? {
        let judged = right + wrong
        guard judged >= Precision.judgedMin else { return nil }
        let count = Double(judged)
        let value = Double(right) / count
        let square = Precision.quantile * Precision.quantile
        let middle = value + square / (2 * count)
        let spread =
            Precision.quantile
            * (value * (1 - value) / count + square / (4 * count * count)).squareRoot()
        let scale = 1 + square / count
        return (value, max(0, (middle - spread) / scale), min(1, (middle + spread) / scale))
    }
}
