/// Level and slope of a margin that runs down, as a Kalman filter in constant memory.
///
/// The margin is the distance to the limit: healthy above zero, crossed at zero, in the signal's
/// unit; times are days. The slope is nearly constant until a CUSUM of falling innovations
/// re-opens it; outliers weigh little (Huber); the noise level adapts slowly; a sustained jump
/// upwards is a service and starts afresh; a late reading corrects the level it belongs to.
/// Left out on purpose: acceleration and regression on distance, which gained nothing
/// (`prediction.md` §4).
///
/// Source: `prediction.md` §5.
struct TrendFilter: Equatable, Sendable {
    /// What an update did.
    enum Step: Equatable {
        /// The first measurement: there is a level now.
        case started
        /// Too late, or waiting for a second reading that confirms a service.
        case withheld
        case moved
        /// A service was recognised; level and slope are new.
        case restarted
    }

    /// Shared constants of `prediction.md` §5.
    private enum Constant {
        static let huber = 2.5
        static let outlier = 12.0
        static let outlierWeight = 0.02
        static let spacingDays = 0.1
        static let adaptation = 0.005
        static let changeDrift = 0.5
        static let lateDaysMax = 4.0
        static let serviceGapDays = 0.15
    }

    var level = 0.0
    var slope = 0.0
    var p00 = 0.0
    var p01 = 0.0
    var p11 = 0.0
    var cusum = 0.0
    var noiseScale = 1.0
    /// Time of the level, of the first and of the newest measurement.
    var time = 0.0
    var firstTime = 0.0
    var newestTime = 0.0
    var pendingLevel = 0.0
    var pendingTime = 0.0
    var pendingCount = 0
    var isStarted = false

    mutating func update(
        at measured: Double,
        margin: Double,
        variance: Double,
        _ constants: EstimatorConstants
    ) -> Step {
        guard isStarted else {
            restart(level: margin, variance: variance, deviation: constants.slopeDeviation)
            slope = constants.slope
            time = measured
            firstTime = measured
            newestTime = measured
            isStarted = true
            return .started
        }
        let gapToLevel = measured - time
        guard gapToLevel >= -Constant.lateDaysMax else { return .withheld }
        let lateness = min(gapToLevel, 0)
        if gapToLevel >= 0 { predict(days: gapToLevel, constants) }
        var noise = variance * noiseScale
        let gap = abs(measured - newestTime)
        // Readings close together share their error, so they must not count as independent.
        if gap < Constant.spacingDays { noise *= min(8, Constant.spacingDays / max(gap, 0.02)) }
        newestTime = max(newestTime, measured)

        let innovation = margin - (level + slope * lateness)
        let c0 = p00 + lateness * p01
        let c1 = p01 + lateness * p11
        let expected = c0 + lateness * c1 + noise
        let normalised = innovation / expected.squareRoot()
        if lateness == 0 {
            if innovation > constants.serviceJump, normalised > 4 {
                return service(at: measured, margin: margin, noise: noise, constants)
            }
            pendingCount = 0
        }
        correct(
            innovation,
            normalised: normalised,
            expected: expected,
            noise: noise,
            c0,
            c1,
            variance: variance,
            isLate: lateness < 0
        )
        if constants.changeLimit > 0, lateness == 0 {
            detectChange(normalised, noise: noise, constants)
        }
        return .moved
    }

    private mutating func predict(days: Double, _ constants: EstimatorConstants) {
        let noise = constants.slopeNoise
        level += slope * days
        p00 +=
            2 * days * p01 + days * days * p11 + constants.levelNoise * days
            + noise * days * days * days / 3
        p01 += days * p11 + noise * days * days / 2
        p11 += noise * days
        time += days
    }

    private mutating func service(
        at measured: Double,
        margin: Double,
        noise: Double,
        _ constants: EstimatorConstants
    ) -> Step {
        let tolerance = max(0.6 * constants.serviceJump, 3 * noise.squareRoot())
        guard pendingCount > 0, abs(margin - pendingLevel) < tolerance else {
            pendingCount = 1
            pendingLevel = margin
            pendingTime = measured
            return .withheld
        }
        pendingCount += 1
        let mean = 0.5 * (margin + pendingLevel)
        guard pendingCount >= 3 || measured - pendingTime > Constant.serviceGapDays else {
            pendingLevel = mean
            return .withheld
        }
        restart(level: mean, variance: noise, deviation: constants.serviceSlopeDeviation)
        slope = constants.slope
        return .restarted
    }

    private mutating func restart(level: Double, variance: Double, deviation: Double) {
        self.level = level
        p00 = variance
        p01 = 0
        p11 = deviation * deviation
        cusum = 0
        pendingCount = 0
    }

    private mutating func correct(
        _ innovation: Double,
        normalised: Double,
        expected: Double,
        noise: Double,
        _ c0: Double,
        _ c1: Double,
        variance: Double,
        isLate: Bool
    ) {
        let size = abs(normalised)
        let weight =
            size > Constant.outlier
            ? Constant.outlierWeight : size > Constant.huber ? Constant.huber / size : 1
        if !isLate, size < 4, cusum < 2.5 {
            let seen = (innovation * innovation - (expected - noise)) / noise * noiseScale
            noiseScale += Constant.adaptation * (min(max(seen, 0), 9 * noiseScale) - noiseScale)
            noiseScale = min(max(noiseScale, 0.5), 8)
        }
        let total = expected - noise + noise / weight
        let k0 = c0 / total
        let k1 = c1 / total
        level += k0 * innovation
        slope += k1 * innovation
        p11 = max(p11 - k1 * c1, 1e-14)
        p01 -= k0 * c1
        p00 = max(p00 - k0 * c0, 1e-12)
    }

    private mutating func detectChange(
        _ normalised: Double,
        noise: Double,
        _ constants: EstimatorConstants
    ) {
        cusum = max(0, cusum - max(min(normalised, 3), -3) - Constant.changeDrift)
        guard cusum > constants.changeLimit else { return }
        p11 = max(p11, constants.changeSlopeDeviation * constants.changeSlopeDeviation)
        p00 = max(p00, noise)
        cusum = 0
    }

    // MARK: Forecast

    /// Days from `now` until the median crossing: 0 when crossed, nil when none is in sight.
    func daysToCrossing(now: Double) -> Double? {
        let margin = level + slope * (now - time)
        if margin <= 0 { return 0 }
        guard slope < -1e-9 else { return nil }
        let days = margin / -slope
        return days < 1e5 ? days : nil
    }

    /// Standard deviation, in days, of a crossing `days` ahead.
    func crossingDeviation(days: Double, _ constants: EstimatorConstants) -> Double {
        let variance =
            p00 + 2 * days * p01 + days * days * p11 + constants.levelNoise * days
        return max(variance, 0).squareRoot() / max(-slope, 1e-9)
    }

    /// Whether the margin will be used up `days` after the level's time with the probability of
    /// `quantile`.
    func isCrossed(
        within days: Double,
        quantile: Double,
        _ constants: EstimatorConstants
    ) -> Bool {
        let variance =
            p00 + 2 * days * p01 + days * days * p11 + constants.levelNoise * days
            + constants.slopeNoise * days * days * days / 3
        return -(level + slope * days) >= quantile * variance.squareRoot()
    }
}
