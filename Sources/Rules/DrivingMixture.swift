/// The driving of one vehicle as a mixture of the classes, ready to be summed over days to come.
struct DrivingMixture {
    /// One class, with what the vehicle's days say.
    struct Part {
        /// Probability of the class.
        var weight: Double
        var working: Day
        var off: Day
        /// Gamma shape and rate, in days, of the long trips a day.
        var trips: Double
        var tripDays: Double
        /// Probability that the vehicle makes none.
        var staying: Double
    }

    /// The distance of a day of one type.
    struct Day {
        /// Mean, km.
        var mean: Double
        /// Variance from day to day, km².
        var variance: Double
        /// Variance of the mean, km².
        var meanVariance: Double
    }

    /// Days to come, counted by what decides their distance.
    struct Span {
        var working: Double
        var off: Double
        /// Days as they count for long trips.
        var tripDays: Double
    }

    /// Source of these: fitted on simulated fleets, see `DrivingClass`.
    private enum Constant {
        /// A class less probable is left out.
        static let weightMin = 0.003
        /// The part of a day's variance, and of its mean's, that is left in sums over days.
        static let ownVariance = 0.8
        static let meanVariance = 0.4
        /// Drift of the level, as a share of the sum; and rounding of the counter, km².
        static let drift = 0.04
        static let rounding = 25.0
        /// A long trip goes there and back: two days of so many km each, known as well as from so
        /// many days, with so much deviation as a share.
        static let longDayKilometres = 400.0
        static let longDays = 2.0
        static let tripDeviation = 0.55
        /// Fewer trips than this are what has faded of none.
        static let tripsSeen = 0.02
    }

    private(set) var parts: [Part] = []
    /// The sum of the weights kept.
    private var totalWeight = 0.0
    /// Days that are known, faded.
    let days: Double
    /// The km of a long trip, there and back, and their variance.
    private let tripKilometres: Double
    private let tripVariance: Double
    /// Mean km a day over a week of five working days.
    private(set) var kilometresADay = 0.0
    /// Probability that the vehicle drives much the same on every working day.
    private(set) var evenness = 0.0

    init(_ history: DrivingHistory) {
        let longDays = Double(history.longDays)
        days = history.working.days + history.off.days + longDays
        tripKilometres =
            2 * (Double(history.longKilometres) + Constant.longDays * Constant.longDayKilometres)
            / (longDays + Constant.longDays)
        let deviation = Constant.tripDeviation * tripKilometres
        tripVariance = deviation * deviation
        let trips = longDays / 2
        parts.reserveCapacity(DrivingClass.all.count)
        var best = -Double.infinity
        for driving in DrivingClass.all {
            let (working, workingEvidence) = driving.working.learn(history.working)
            let (off, offEvidence) = driving.off.learn(history.off)
            let shape = driving.trips + trips
            let rate = driving.tripDays + days
            let travelling =
                driving.logTripConstant + logGamma(shape) - shape * naturalLogarithm(rate)
            var evidence = driving.logConstant + workingEvidence + offEvidence
            var staying = 0.0
            if trips < Constant.tripsSeen {
                let travels = (1 - driving.staying) * exponential(travelling)
                staying = driving.staying / (driving.staying + travels)
                evidence += naturalLogarithm(driving.staying + travels)
            } else {
                evidence += naturalLogarithm(1 - driving.staying) + travelling
            }
            best = max(best, evidence)
            parts.append(
                Part(
                    weight: evidence,
                    working: working,
                    off: off,
                    trips: shape,
                    tripDays: rate,
                    staying: staying
                )
            )
        }
        var total = 0.0
        for place in parts.indices {
            parts[place].weight = exponential(parts[place].weight - best)
            total += parts[place].weight
        }
        for place in parts.indices {
            parts[place].weight /= total
            let part = parts[place]
            evenness += DrivingClass.all[place].isEven ? part.weight : 0
            kilometresADay +=
                part.weight
                * ((5 * part.working.mean + 2 * part.off.mean) / 7
                    + tripKilometres * (1 - part.staying) * part.trips / part.tripDays)
        }
        parts.removeAll { $0.weight < Constant.weightMin }
        totalWeight = parts.reduce(0) { $0 + $1.weight }
    }

    /// The part of a day's variance that is left in sums over days.
    fileprivate static var ownVariance: Double { Constant.ownVariance }
    fileprivate static var meanVariance: Double { Constant.meanVariance }

    /// The probability that `distance` km, above zero, are driven within `span`.
    func probability(of distance: Double, within span: Span) -> Double {
        var sum = 0.0
        for part in parts {
            let mean = span.working * part.working.mean + span.off * part.off.mean
            let drift = Constant.drift * mean
            let variance =
                span.working * (part.working.variance + span.working * part.working.meanVariance)
                + span.off * (part.off.variance + span.off * part.off.meanVariance)
                + drift * drift + Constant.rounding
            // The number of trips is negative binomial: none, one, two, and three and more.
            let success = part.tripDays / (part.tripDays + span.tripDays)
            var probability = exponential(part.trips * naturalLogarithm(success))
            var left = 1.0
            var reached = 0.0
            let travelling = 1 - part.staying
            for trips in 0..<4 {
                let count = Double(trips)
                let staying = trips == 0 ? part.staying : 0
                reached +=
                    (staying + travelling * (trips == 3 ? left : probability))
                    * DrivingMixture.probability(
                        of: distance,
                        mean: mean + count * tripKilometres,
                        variance: variance + count * tripVariance
                    )
                left -= probability
                probability *= (part.trips + count) / (count + 1) * (1 - success)
            }
            sum += part.weight * reached
        }
        return sum / totalWeight
    }

    /// The probability that a gamma variable is above `distance`.
    ///
    /// Source: E. Wilson, M. Hilferty, The distribution of chi-square, 1931: its cube root is near
    /// normal.
    private static func probability(of distance: Double, mean: Double, variance: Double) -> Double {
        let mean = max(mean, 1e-6)
        let spread = variance / (9 * mean * mean)
        let root = cubeRoot(distance / mean)
        return normalProbability(below: (1 - spread - root) / spread.squareRoot())
    }
}

extension DrivingClass.Days {
    /// What a vehicle's days say: the distance of a day to come, and the logarithm of their
    /// probability in this class.
    fileprivate func learn(_ sums: DrivingHistory.DaySums) -> (DrivingMixture.Day, Double) {
        let n = Double(sums.driven)
        let drivenDays = driven + n
        let offDays = off + Double(sums.off)
        let allDays = drivenDays + offDays
        let meanDays = rootDays + n
        let freedom = varianceDays + n
        let mean = (rootDays * root + Double(sums.roots)) / meanDays
        var squares = varianceDays * variance
        if n > 1e-6 {
            let own = Double(sums.roots) / n
            squares +=
                max(Double(sums.squares) - Double(sums.roots) * own, 0)
                + rootDays * n / meanDays * (own - root) * (own - root)
        }
        let evidence =
            logGamma(drivenDays) + logGamma(offDays) - logGamma(allDays) + logGamma(freedom / 2)
            - 0.5 * naturalLogarithm(meanDays) - 0.5 * freedom * naturalLogarithm(squares)
        // Moments of the cube of a normal variable.
        let spread = squares / freedom
        let share = drivenDays / allDays
        let square = mean * mean
        let first = mean * (square + 3 * spread)
        let second =
            square * square * square + 15 * square * square * spread
            + 45 * square * spread * spread + 15 * spread * spread * spread
        let slope = 3 * (square + spread)
        let offVariance = first * first * share * (1 - share)
        let day = DrivingMixture.Day(
            mean: share * first,
            variance: DrivingMixture.ownVariance
                * (share * (second - first * first) + irregularity * offVariance),
            meanVariance: DrivingMixture.meanVariance
                * (share * share * spread
                    * (slope * slope / meanDays + 18 * square * spread / freedom)
                    + offVariance / (allDays + 1))
        )
        return (day, evidence)
    }
}
