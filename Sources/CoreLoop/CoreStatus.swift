package import GatewayCore
package import Rules
package import Telemetry

/// Times in cumulative buckets, as Prometheus wants them.
package struct Histogram: Sendable {
    /// Upper bounds in seconds: from one fsync of a fast disk to a hanging one.
    package static let bounds = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

    package private(set) var counts = [Int](repeating: 0, count: bounds.count + 1)
    package private(set) var sum = 0.0

    package var count: Int { counts.reduce(0, +) }

    package mutating func add(_ seconds: Double) {
        let place = Histogram.bounds.firstIndex { seconds <= $0 } ?? Histogram.bounds.count
        counts[place] += 1
        sum += seconds
    }
}

/// What the core has done since the start of the process.
package struct CoreStatus: Sendable {
    package var counts = StepCounts()
    package var stored = 0
    package var duplicate = 0
    /// Readings left out because their hour or day was summed up long ago.
    package var tooLate = 0
    package var commits = 0
    package var commitSeconds = Histogram()
    /// Time of the core's step before a commit: decoding, rules, planning of one batch.
    package var stepSeconds = Histogram()
    /// From the arrival of a batch's first packet to its commit.
    package var lagSeconds = Histogram()
    package var vehicles = 0
    package var liveAlerts = 0
    package var silentVehicles = 0
    package var missingPackets = 0
    /// What cannot be judged, by kind.
    package var troubles: [TroubleKind: Int] = [:]
    package var liveSuggestions = 0
    /// Topics of which no source maps anything.
    package var ignored = IgnoredTopics()
    /// The core's time at the last step.
    package var now = Timestamp(milliseconds: 0)
    /// Rows of readings that were found damaged, ever, and set aside.
    package var damagedRows = 0
    /// When old readings were last looked for.
    package var retentionAt: Timestamp?
    /// Why old readings cannot be moved; nil while they can.
    package var retentionError: String?
    /// Whether the rules still learn what was stored before the start; packets are taken meanwhile.
    package var isRecalling = false
    /// Why the store does not take commits; nil while it does.
    package var storeError: String?

    package init() {}
}
