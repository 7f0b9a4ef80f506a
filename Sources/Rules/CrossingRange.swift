package import Telemetry

/// When a limit will be met, as it is told today.
package struct CrossingDates: Equatable, Sendable {
    /// A date further ahead says no more than "never", in days.
    static let daysMax: Float = 3_650
    /// The quartile's share of the half-width of one in ten: 0.674 of 1.282 standard deviations.
    static let actByShare: Float = 0.53

    /// One in ten is met before, one in ten after `late`.
    package var early: Timestamp
    /// The date told.
    package var middle: Timestamp
    package var late: Timestamp
    /// One in four is met before: the day to plan by.
    package var actBy: Timestamp
}

/// How wide the 80 % range around a crossing is, on each side, from the state of today.
///
/// Half-widths in days, with `tau` the days to the median crossing and `deviation` the standard
/// deviation of the crossing by the filter:
///
///     early = sqrt(e0 + e1 deviation² + e2 tau + e3 tau²)
///     late  = sqrt(l0 + l1 deviation² + l2 tau + l3 tau²)
///
/// The filter's own deviation has the wrong shape over the horizon: leaks wander by a share of
/// themselves, driving is uneven, and the first day on which a forecast says "seven days" is often a
/// day on which noise said so. The sides differ, because a crossing is skewed to late.
package struct CrossingRange: Equatable, Sendable {
    /// Past this the filter's deviation says no more than "some time", in days.
    private static let deviationMax: Float = 10_000

    /// Variances in days², of a day's own, a squared deviation, a day ahead and a squared day ahead.
    package var early: SIMD4<Float>
    package var late: SIMD4<Float>

    package init(early: SIMD4<Float>, late: SIMD4<Float>) {
        self.early = early
        self.late = late
    }

    /// The range of a rule that has none of its own: 80 % of a normal distribution, widened by
    /// `kappa`.
    package init(kappa: Float) {
        let variance = (1.282 * kappa) * (1.282 * kappa)
        self.init(early: SIMD4(0, variance, 0, 0), late: SIMD4(0, variance, 0, 0))
    }

    /// Half-widths in days for a crossing `tau` days ahead.
    func halfWidths(tau: Float, deviation: Float) -> (early: Float, late: Float) {
        let deviation = min(deviation, CrossingRange.deviationMax)
        let terms = SIMD4(1, deviation * deviation, tau, tau * tau)
        return ((early * terms).sum().squareRoot(), (late * terms).sum().squareRoot())
    }
}
