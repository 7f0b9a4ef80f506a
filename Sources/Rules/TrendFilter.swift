/// Level and slope of a margin that runs down, as a Kalman filter in constant memory.
///
/// The margin is the distance to the limit: healthy above zero, crossed at zero, in the signal's
/// unit; spans are days. The slope is nearly constant until a CUSUM of falling innovations
/// re-opens it; outliers weigh little (Huber); the noise level adapts slowly; a sustained jump
/// upwards is a service and starts afresh; a late reading corrects the level it belongs to.
/// Single precision: the results are those of double, at half the memory. Left out on purpose:
/// acceleration and regression on distance, which gained nothing.
struct TrendFilter: Equatable, Sendable {
    /// What an update did.
    enum Step: Equatable {
        /// The first measurement: there is a level now.
        case started
        /// Too late, or waiting for a second reading that confirms a service.
        case withheld
        case moved
        /// So far below what was expected that another reading must say the same first.
        case odd
        /// A service was recognised; level and slope are new.
        case restarted
    }

    /// A jump upwards that another reading must confirm.
    struct PendingService: Equatable, Sendable {
        var level: Float = 0
        var at = CompactInstant.never
        var count: UInt32 = 0
    }

    /// Shared by all rules; fitted on simulated fleets.
    private enum Constant {
        static let huber: Float = 2.5
        static let outlier: Float = 12
        static let outlierWeight: Float = 0.02
        /// Readings still closer than this share of that time count as if they were this far apart.
        static let sharedShareMin: Float = 0.2
        static let adaptation: Float = 0.005
        static let changeDrift: Float = 0.5
        static let lateDaysMax: Float = 4
        static let serviceGapDays: Float = 0.15
    }

    var level: Float = 0
    var slope: Float = 0
    var p00: Float = 0
    var p01: Float = 0
    var p11: Float = 0
    var cusum: Float = 0
    var noiseScale: Float = 1
    /// Time of the level and of the newest measurement; never before the first.
    var time = CompactInstant.never
    var firstTime = CompactInstant.never

    var isStarted: Bool { time != .never }

    /// Takes a measurement in; `isSure` for one that another has confirmed.
    mutating func update(
        at measured: CompactInstant,
        margin: Float,
        variance: Float,
        isSure: Bool,
        _ constants: EstimatorConstants,
        _ pending: inout PendingService
    ) -> Step {
        guard isStarted else {
            restart(level: margin, variance: variance, deviation: constants.slopeDeviation)
            slope = constants.slope
            time = measured
            firstTime = measured
            return .started
        }
        let gap = measured - time
        guard gap >= -Constant.lateDaysMax else { return .withheld }
        let lateness = min(gap, 0)
        if gap >= 0 {
            predict(days: gap, constants)
            time = measured
        }
        var noise = variance * noiseScale
        // Readings close together share their error, so they must not count as independent.
        let distance = abs(gap)
        let shared = constants.sharedErrorDays
        if distance < shared { noise *= shared / max(distance, Constant.sharedShareMin * shared) }
        let innovation = margin - (level + slope * lateness)
        let c0 = p00 + lateness * p01
        let c1 = p01 + lateness * p11
        let expected = c0 + lateness * c1 + noise
        let normalised = innovation / expected.squareRoot()
        if lateness == 0 {
            if innovation > constants.serviceJump, normalised > 4 {
                return service(at: measured, margin: margin, noise: noise, constants, &pending)
            }
            pending.count = 0
            if !isSure, normalised < -Constant.outlier { return .odd }
        }
        correct(
            innovation,
            normalised: normalised,
            expected: expected,
            noise: noise,
            c0,
            c1,
            isLate: lateness < 0
        )
        if constants.changeLimit > 0, lateness == 0 {
            detectChange(normalised, noise: noise, constants)
        }
        return .moved
    }

    private mutating func predict(days: Float, _ constants: EstimatorConstants) {
        let noise = constants.slopeNoise
        level += slope * days
        p00 +=
            2 * days * p01 + days * days * p11
            + (constants.levelNoise + constants.wander * slope * slope) * days
            + noise * days * days * days / 3
        p01 += days * p11 + noise * days * days / 2
        p11 += noise * days
    }

    private mutating func service(
        at measured: CompactInstant,
        margin: Float,
        noise: Float,
        _ constants: EstimatorConstants,
        _ pending: inout PendingService
    ) -> Step {
        let tolerance = max(0.6 * constants.serviceJump, 3 * noise.squareRoot())
        let wait = pending.count > 0 ? max(measured - pending.at, 0) : 0
        // What ran down before the service may run down as fast after it.
        let fallen = min(slope, 0) * wait
        let change = margin - pending.level
        guard pending.count > 0, change < tolerance, change > fallen - tolerance else {
            pending = PendingService(level: margin, at: measured, count: 1)
            return .withheld
        }
        pending.count += 1
        guard pending.count >= 3 || wait > Constant.serviceGapDays else { return .withheld }
        beginAgain(level: pending.level, variance: noise, constants)
        // The service was at the first of them; this one tells what has been lost since.
        predict(days: wait, constants)
        let innovation = margin - level
        let total = p00 + noise
        correct(
            innovation,
            normalised: innovation / total.squareRoot(),
            expected: total,
            noise: noise,
            p00,
            p01,
            isLate: true
        )
        pending.count = 0
        return .restarted
    }

    /// Begins again at a level that readings have proved.
    mutating func recover(
        at measured: CompactInstant,
        level: Float,
        variance: Float,
        _ constants: EstimatorConstants
    ) {
        time = max(time, measured)
        beginAgain(level: level, variance: variance * noiseScale, constants)
    }

    /// Takes over a level that was set anew; the pace stays what it was.
    mutating func adopt(at measured: CompactInstant, margin: Float, variance: Float) {
        time = max(time, measured)
        level = margin
        p00 = variance * noiseScale
        p01 = 0
        cusum = 0
    }

    /// What a reading should say, at most: nothing gets better by itself.
    func expectedAtMost(at measured: CompactInstant) -> Float {
        level + min(slope, 0) * max(0, measured - time)
    }

    /// After a service: the level is new, and of the slope some is remembered.
    private mutating func beginAgain(
        level: Float,
        variance: Float,
        _ constants: EstimatorConstants
    ) {
        let remembered = constants.serviceSlopeMemory * min(slope - constants.slope, 0)
        let deviation = constants.serviceSlopeDeviation
        restart(
            level: level,
            variance: variance,
            deviation: (deviation * deviation + remembered * remembered).squareRoot()
        )
        slope = constants.slope + constants.serviceSlopeKept * (slope - constants.slope)
    }

    private mutating func restart(level: Float, variance: Float, deviation: Float) {
        self.level = level
        p00 = variance
        p01 = 0
        p11 = deviation * deviation
        cusum = 0
    }

    private mutating func correct(
        _ innovation: Float,
        normalised: Float,
        expected: Float,
        noise: Float,
        _ c0: Float,
        _ c1: Float,
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
        _ normalised: Float,
        noise: Float,
        _ constants: EstimatorConstants
    ) {
        cusum = max(0, cusum - max(min(normalised, 3), -3) - Constant.changeDrift)
        guard cusum > constants.changeLimit else { return }
        p11 = max(p11, constants.changeSlopeDeviation * constants.changeSlopeDeviation)
        p00 = max(p00, constants.changeLevelVariances * noise)
        cusum = 0
    }

    // MARK: Forecast

    /// Days until the median crossing, `ahead` days after the level's time: 0 when crossed, nil
    /// when none is in sight within `horizon`.
    func daysToCrossing(ahead: Float, horizon: Float = 1e5) -> Float? {
        let margin = level + slope * ahead
        if margin <= 0 { return 0 }
        // Multiplied, not divided: most components are healthy and end here.
        guard slope < -1e-9, margin < -slope * horizon else { return nil }
        return margin / -slope
    }

    /// Standard deviation, in days, of a crossing `days` ahead.
    func crossingDeviation(days: Float, _ constants: EstimatorConstants) -> Float {
        let variance =
            p00 + 2 * days * p01 + days * days * p11 + constants.levelNoise * days
        return max(variance, 0).squareRoot() / max(-slope, 1e-9)
    }

    /// Whether the margin will be used up `days` after the level's time with the probability of
    /// `quantile`.
    func isCrossed(
        within days: Float,
        quantile: Float,
        _ constants: EstimatorConstants
    ) -> Bool {
        let variance =
            p00 + 2 * days * p01 + days * days * p11 + constants.levelNoise * days
            + constants.slopeNoise * days * days * days / 3
        return -(level + slope * days) >= quantile * variance.squareRoot()
    }
}
