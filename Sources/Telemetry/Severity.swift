/// How bad an alert is by the time that is left; with the consequence it gives the urgency.
package enum Severity: String, CaseIterable, Comparable, Sendable {
    /// The limit is near, and there is time.
    case notice
    case soon
    case urgent
    /// The limit is met, or as good as met.
    case crossed

    private var rank: Int {
        switch self {
        case .notice: 0
        case .soon: 1
        case .urgent: 2
        case .crossed: 3
        }
    }

    package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
}
