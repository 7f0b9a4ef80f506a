/// A way of driving, as a prior for vehicles of which little is known yet.
///
/// Each vehicle is a mixture of all classes, weighed by how well they explain its days.
///
/// Source: fitted on simulated fleets of five driving classes; long-trip days: SHRP2 naturalistic
/// driving study, NREL 2017.
struct DrivingClass: Sendable {
    /// A class's days of one type.
    ///
    /// A day is driven or not: a beta distribution. The cube root of a driven day's km is near
    /// normal, with a normal-inverse-gamma distribution of mean and variance.
    struct Days: Sendable {
        /// Shape of the share of driven days, in days driven and in days off.
        var driven: Double
        var off: Double
        /// Mean of the cube root.
        var root: Double
        /// The days that mean is worth.
        var rootDays: Double
        /// Variance of the cube root within a vehicle.
        var variance: Double
        /// The days that variance is worth.
        var varianceDays: Double
        /// The part of the binomial variance of days off: below one, they follow a pattern.
        var irregularity: Double
        /// What of the evidence's logarithm depends on the class alone.
        var logConstant: Double

        /// `share` and `root` with their deviations between vehicles; `deviation` of the cube root
        /// within a vehicle, worth `days` days.
        init(
            share: (mean: Double, deviation: Double),
            root: (mean: Double, deviation: Double),
            deviation: Double,
            days: Double,
            irregularity: Double
        ) {
            let total = share.mean * (1 - share.mean) / (share.deviation * share.deviation) - 1
            let ratio = deviation / root.deviation
            driven = share.mean * total
            off = (1 - share.mean) * total
            self.root = root.mean
            rootDays = ratio * ratio
            variance = deviation * deviation
            varianceDays = days
            self.irregularity = irregularity
            logConstant =
                logGamma(total) - logGamma(driven) - logGamma(off) - logGamma(days / 2)
                + 0.5 * naturalLogarithm(rootDays)
                + 0.5 * days * naturalLogarithm(days * variance)
        }
    }

    /// Share of vehicles, as a proportion to the other classes.
    let weight: Double
    let working: Days
    let off: Days
    /// Gamma shape and rate, in days, of the long trips a day.
    let trips: Double
    let tripDays: Double
    /// Share of the class that never makes one.
    let staying: Double
    /// Whether one working day is much like another.
    let isEven: Bool
    /// What of the evidence's logarithm depends on the class alone.
    let logConstant: Double
    let logTripConstant: Double

    /// Days off are like working days unless `off` is given.
    ///
    /// `tripsADay`, known as well as from `trips` trips, over the whole class: those who do not stay
    /// make all of them.
    private init(
        weight: Double,
        working: Days,
        off: Days? = nil,
        tripsADay: Double,
        trips: Double,
        staying: Double = 0,
        isEven: Bool = false
    ) {
        self.weight = weight
        self.working = working
        self.off = off ?? working
        self.trips = trips
        self.staying = staying
        self.isEven = isEven
        tripDays = trips * (1 - staying) / tripsADay
        logConstant = naturalLogarithm(weight) + working.logConstant + self.off.logConstant
        logTripConstant = trips * naturalLogarithm(tripDays) - logGamma(trips)
    }

    static let all = [
        commuter, weekendDriver, lightDriver, family, taxi, any, seldomDriver,
    ]

    private static let commuter = DrivingClass(
        weight: 0.26,
        working: Days(
            share: (0.86, 0.12),
            root: (3.35, 0.45),
            deviation: 0.25,
            days: 2,
            irregularity: 0.3
        ),
        off: Days(
            share: (0.60, 0.16),
            root: (2.60, 0.40),
            deviation: 0.58,
            days: 5,
            irregularity: 1
        ),
        tripsADay: 0.009,
        trips: 0.7,
        staying: 0.5,
        isEven: true
    )

    private static let weekendDriver = DrivingClass(
        weight: 0.13,
        working: Days(
            share: (0.10, 0.08),
            root: (2.45, 0.45),
            deviation: 0.50,
            days: 3,
            irregularity: 1.3
        ),
        off: Days(
            share: (0.75, 0.15),
            root: (4.10, 0.60),
            deviation: 0.60,
            days: 6,
            irregularity: 1.3
        ),
        tripsADay: 0.012,
        trips: 0.7,
        staying: 0.5
    )

    /// Short ways on most days, and long trips often.
    private static let lightDriver = DrivingClass(
        weight: 0.26,
        working: Days(
            share: (0.80, 0.10),
            root: (2.70, 0.35),
            deviation: 0.45,
            days: 6,
            irregularity: 1
        ),
        tripsADay: 0.060,
        trips: 2
    )

    /// Short and middle ways, no two weeks the same.
    private static let family = DrivingClass(
        weight: 0.13,
        working: Days(
            share: (0.84, 0.12),
            root: (2.85, 0.35),
            deviation: 0.73,
            days: 8,
            irregularity: 1
        ),
        off: Days(
            share: (0.80, 0.20),
            root: (2.85, 0.35),
            deviation: 0.73,
            days: 8,
            irregularity: 1
        ),
        tripsADay: 0.015,
        trips: 0.6,
        staying: 0.5
    )

    private static let taxi = DrivingClass(
        weight: 0.11,
        working: Days(
            share: (0.86, 0.10),
            root: (6.50, 0.60),
            deviation: 0.32,
            days: 5,
            irregularity: 0.3
        ),
        off: Days(
            share: (0.84, 0.18),
            root: (6.50, 0.60),
            deviation: 0.34,
            days: 5,
            irregularity: 0.3
        ),
        tripsADay: 0.0005,
        trips: 0.5
    )

    /// One day in five, on no day of the week more than on another.
    ///
    /// Without it a vehicle that has stood since it connected passes for one of those driven daily.
    private static let seldomDriver = DrivingClass(
        weight: 0.03,
        working: Days(
            share: (0.20, 0.10),
            root: (2.90, 0.45),
            deviation: 0.60,
            days: 5,
            irregularity: 1.2
        ),
        tripsADay: 0.008,
        trips: 0.6
    )

    /// A driver who fits none of the other classes.
    private static let any = DrivingClass(
        weight: 0.11,
        working: Days(
            share: (0.60, 0.28),
            root: (3.70, 1.1),
            deviation: 0.70,
            days: 3,
            irregularity: 1
        ),
        tripsADay: 0.020,
        trips: 0.5
    )
}
