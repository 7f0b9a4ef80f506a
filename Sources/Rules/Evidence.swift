package import Telemetry

/// The numbers behind an alert, in the signal's unit and at the rule's reference conditions.
package struct Evidence: Sendable, Equatable {
    package var limit: Double
    /// Whether the limit rests on an assumed reference value, not on the vehicle's own.
    package var isLimitAssumed: Bool
    /// Estimated value now and its change per day.
    package var level: Double
    package var slopePerDay: Double
    /// The reading the trend is told from, and the newest.
    package var firstAt: Timestamp
    package var firstValue: Double
    package var newestAt: Timestamp
    package var newestValue: Double
    /// Readings used from the first to the newest.
    package var readings: Int
    /// 80 % range of today and the date told; nil when no forecast exists (a limit already met
    /// before there was a trend).
    package var early: Timestamp?
    package var middle: Timestamp?
    package var late: Timestamp?
    /// The day to act by, met by one in four before; nil when no forecast exists.
    package var actBy: Timestamp?
    package var isCrossed: Bool
    /// Whether the value fell away at once: stop and check.
    package var isFast: Bool

    package init(
        limit: Double,
        isLimitAssumed: Bool,
        level: Double,
        slopePerDay: Double,
        firstAt: Timestamp,
        firstValue: Double,
        newestAt: Timestamp,
        newestValue: Double,
        readings: Int,
        early: Timestamp?,
        middle: Timestamp?,
        late: Timestamp?,
        actBy: Timestamp?,
        isCrossed: Bool,
        isFast: Bool
    ) {
        self.limit = limit
        self.isLimitAssumed = isLimitAssumed
        self.level = level
        self.slopePerDay = slopePerDay
        self.firstAt = firstAt
        self.firstValue = firstValue
        self.newestAt = newestAt
        self.newestValue = newestValue
        self.readings = readings
        self.early = early
        self.middle = middle
        self.late = late
        self.actBy = actBy
        self.isCrossed = isCrossed
        self.isFast = isFast
    }
}

/// A change the engine saw.
package struct RuleEvent: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case raised
        /// The published date moved, or the limit has been met meanwhile.
        case moved
        /// Nothing new, but the numbers behind a raised alert are brought up to date.
        case refreshed
        case cleared
        /// The component cannot be judged, or can be again: a matter for an engineer.
        case trouble(TroubleKind, Unused? = nil)
        case troubleOver(TroubleKind)

        /// Whether it changes an alert, or what it says.
        var isOfAlert: Bool {
            switch self {
            case .raised, .moved, .refreshed, .cleared: true
            case .trouble, .troubleOver: false
            }
        }
    }

    package var kind: Kind
    /// Place in `RuleEngine.slots`.
    package var slot: Int
    package var at: Timestamp
    package var evidence: Evidence
}
