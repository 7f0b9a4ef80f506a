package import Telemetry

/// A text in the product's two languages.
package struct Bilingual: Sendable, Equatable {
    package var zh: String
    package var en: String

    package init(zh: String, en: String) {
        self.zh = zh
        self.en = en
    }
}

/// How a reading becomes a value that can be compared from day to day.
package enum Measure: String, CaseIterable, Sendable {
    /// The reading itself.
    case asRead = "as_read"
    /// Tyre pressure converted to 20 °C by the gas law.
    case tyreCold = "tyre_cold"
    /// 12 V at rest, at 25 °C and full charge equilibrium.
    case batteryRest = "battery_rest"
    /// Lowest voltage of a cold start, at 20 °C.
    case batteryCrank = "battery_crank"
    /// Coolant of a warm engine, at 20 °C ambient.
    case coolantWarm = "coolant_warm"
}

/// The side from which a limit is met.
package enum Direction: String, CaseIterable, Sendable {
    case fallsTo = "falls_to"
    case risesTo = "rises_to"

    package var sign: Double { self == .fallsTo ? 1 : -1 }
}

/// The value that must not be met.
package enum LimitDefinition: Sendable, Equatable {
    case absolute(Double)
    /// A fraction of the vehicle's own placard pressure; `assumed` kPa stands in while the
    /// registry does not know it.
    case fractionOfPlacard(Double, assumed: Double)
}

/// Constants of the level-and-slope filter, in the signal's unit and days.
///
/// Fitted on simulated fleets; each rule file states its own.
package struct EstimatorConstants: Sendable, Equatable {
    /// Expected slope per day and its standard deviation.
    package var slope: Float = 0
    package var slopeDeviation: Float = 0
    /// Variance per day by which level and slope wander.
    package var levelNoise: Float = 0
    package var slopeNoise: Float = 0
    /// Standard deviation of a measurement, and of one compensated by ambient temperature only.
    package var readingDeviation: Float = 0
    package var ambientReadingDeviation: Float = 0
    /// Readings closer together than this many days share part of their error.
    package var sharedErrorDays: Float = 0.1
    /// CUSUM limit in standard deviations, 0 for none, and the slope deviation after it fires.
    package var changeLimit: Float = 0
    package var changeSlopeDeviation: Float = 0
    /// Variance of the level after it fires, in variances of a reading: above 1 a change is first
    /// taken for a step and only then for a slope, below 1 the other way round.
    package var changeLevelVariances: Float = 1
    /// A rise of the margin of at least this much is a service, and the slope deviation after it.
    package var serviceJump: Float = 0
    package var serviceSlopeDeviation: Float = 0
    /// Share of what the slope differed from `slope` before a service that is kept after it: oil is
    /// new, the driver is not.
    package var serviceSlopeKept: Float = 0
    /// Share of what the slope was steeper than `slope` before a service that widens its deviation
    /// after it: a leak may have been repaired, or only topped up.
    package var serviceSlopeMemory: Float = 0
    /// Share of itself, squared and a day, by which a slope wanders: a leak of twice the rate is
    /// twice as unsteady.
    package var wander: Float = 0
    /// The 80 % range around a crossing.
    package var range = CrossingRange(kappa: 1)

    package init() {}

    /// Of a counter that runs down with use, which has an estimator of its own: nothing.
    package static let ofDriven = EstimatorConstants()
}

/// A swing with the year that a whole fleet's readings of a signal show, wear or no wear.
package struct Season: Sendable, Equatable {
    /// Half the distance from the lowest to the highest, in the signal's unit.
    package var amplitude: Double
    /// Day of the year on which readings are highest north of the equator; south of it they are
    /// lowest then.
    package var peakDay: Double

    package init(amplitude: Double, peakDay: Double) {
        self.amplitude = amplitude
        self.peakDay = peakDay
    }

    /// What the season adds to a reading.
    ///
    /// Not inlined: few rules have one, and the compiler would work out its day for every reading.
    @inline(never)
    func swing(at observedAt: Timestamp, isSouthern: Bool) -> Double {
        // 1970 began with a day 1, and years of 365.25 days keep up with the calendar.
        let swing = amplitude * cosine(turns: (observedAt.days + 1 - peakDay) / 365.25)
        return isSouthern ? -swing : swing
    }
}

/// When a limit counts as near.
package struct NearCondition: Sendable, Equatable {
    /// The lead the rule must give: the median crossing lies at most this many days ahead.
    package var leadDays = 0.0
    /// Standard normal quantile of "crossed within twice the lead": 0.5 asks for P ≥ 0.69.
    package var gateQuantile = 0.5
    /// Days of silence the forecast may bridge: the alert then fires while nothing arrives.
    package var timerDays = 0.0
    /// Days of history before a forecast may raise.
    package var warmUpDays = 3.0
    /// The date told moves when it is off by more than this share of the range, and by more than
    /// two days: with 1 it is always inside the range.
    package var dateStep = 1.0
    /// Updates in a row that must agree (sustain).
    package var sustainReadings = 1
    /// Readings in a row beyond the limit that raise without any forecast.
    package var crossedReadings = 3
    /// Readings closer together than this count once, in every count of readings in a row: a
    /// device that samples each second has not seen more than one that samples each minute.
    package var spacingMinutes = 0.0

    /// Two readings this far beyond the limit raise as well, in the signal's unit; nil: they do not.
    ///
    /// What fails at once is told a reading earlier, and one reading that dips is not.
    package var sureMargin: Double?
    static let sureReadings = 2
    /// Whether the lead is what the home workshop needs, and `leadDays` the most it may come to.
    package var leadsByWorkshop = false
    /// Days beside the workshop's for reaching the customer.
    package var leadMarginDays = 3.0
    /// What falls away at once; nil for a rule that knows no such thing.
    package var fast: FastLoss?

    package init() {}
}

/// When a raised alert is over.
package struct ClearCondition: Sendable, Equatable {
    /// Clears when the median crossing lies beyond this multiple of the lead for `hours`.
    package var leadFactor = 1.6
    /// How long it must lie there.
    package var hours = 24.0
    /// Clears too when readings exceed the lowest since the raise by this much.
    package var recovery = 0.0
    /// How many readings in a row must do so.
    package var recoveryReadings = 3

    package init() {}
}

/// How numbers of a rule are written for people.
package struct Display: Sendable, Equatable {
    package var unit: Bilingual
    /// Multiplies the signal's unit.
    package var factor = 1.0
    package var decimals = 0
    package var slopeDecimals = 1

    package init(unit: Bilingual) {
        self.unit = unit
    }
}

/// Which placard value a component refers to.
package enum PlacardAxle: String, CaseIterable, Sendable {
    case front
    case rear
}

/// One part of the vehicle a rule watches.
package struct RuleComponent: Sendable, Equatable {
    /// As in alerts and exports: `tyre_fl`.
    package var name: String
    package var title: Bilingual
    package var signal: SignalID
    /// The signal that corrects the reading: a tyre's air temperature.
    package var companion: SignalID?
    package var axle: PlacardAxle?

    package init(
        name: String,
        title: Bilingual,
        signal: SignalID,
        companion: SignalID?,
        axle: PlacardAxle?
    ) {
        self.name = name
        self.title = title
        self.signal = signal
        self.companion = companion
        self.axle = axle
    }
}

/// The numbers of a rule that every reading needs, without the texts: trivial to copy.
struct RuleParameters: Sendable {
    var measure: Measure
    var gate: ReadingGate
    var direction: Direction
    var near: NearCondition
    var clear: ClearCondition
    var estimator: EstimatorConstants
    var readingOffset: Double
    var season: Season?
    var usable: ClosedRange<Double>
    /// What the limit is of the placard; 0 where it has none, so that nothing is above it.
    var placardShare: Double
    var drivenKilometres: Double?

    var range: CrossingRange { estimator.range }

    init(_ rule: Rule) {
        measure = rule.measure
        gate = rule.gate
        direction = rule.direction
        near = rule.near
        clear = rule.clear
        estimator = rule.estimator
        readingOffset = rule.readingOffset
        season = rule.season
        usable = rule.usable
        drivenKilometres = rule.drivenKilometres
        switch rule.limit {
        case .absolute: placardShare = 0
        case .fractionOfPlacard(let fraction, _): placardShare = fraction
        }
    }
}

/// A threshold, the warning it deserves, and how to say so.
package struct Rule: Sendable, Equatable {
    package var id: String
    package var version: Int
    package var title: Bilingual
    package var components: [RuleComponent]
    package var measure: Measure
    package var gate = ReadingGate()
    /// What the newest readings of other signals must say for a reading to count; a signal the
    /// vehicle never told asks nothing.
    package var bounds: [Condition.Fact] = []
    package var direction: Direction
    package var limit: LimitDefinition
    package var consequence: Consequence
    package var severity = SeverityLadder()
    package var near: NearCondition
    package var clear: ClearCondition
    package var estimator: EstimatorConstants
    /// Kilometres that a unit of a counter stands for that runs down with use; nil for what is
    /// forecast by level and slope.
    package var drivenKilometres: Double?
    package var display: Display
    /// What the rule is one axis of: rules of a family have one alert a component, that of whichever
    /// limit comes first.
    package var family: String?
    /// Codes of the service catalogue.
    package var jobs: [String]
    /// Added to readings of `asRead`, e.g.
    ///
    /// half a step of a signal that rounds up.
    package var readingOffset: Double
    /// Taken off every reading, so that a spring is no recovery and an autumn no failure.
    package var season: Season?
    /// Readings outside are not used by this rule.
    package var usable: ClosedRange<Double>
    package var nearText: Bilingual
    package var crossedText: Bilingual
    /// What a fast loss is told with; present where `near.fast` is.
    package var fastText: Bilingual?
    /// What a composite rule asks for, instead of a limit of a component's own.
    package var condition: Condition?
    /// Hours for which the condition must hold.
    package var holdHours = 0.0
    /// Whether the rule adds its jobs to a visit that has another cause, and makes none itself.
    package var isAddOn = false

    package init(
        id: String,
        version: Int,
        title: Bilingual,
        components: [RuleComponent],
        measure: Measure,
        direction: Direction,
        limit: LimitDefinition,
        consequence: Consequence,
        near: NearCondition,
        clear: ClearCondition,
        estimator: EstimatorConstants,
        display: Display,
        jobs: [String],
        readingOffset: Double,
        season: Season?,
        usable: ClosedRange<Double>,
        nearText: Bilingual,
        crossedText: Bilingual,
        fastText: Bilingual?
    ) {
        self.id = id
        self.version = version
        self.title = title
        self.components = components
        self.measure = measure
        self.direction = direction
        self.limit = limit
        self.consequence = consequence
        self.near = near
        self.clear = clear
        self.estimator = estimator
        self.display = display
        self.jobs = jobs
        self.readingOffset = readingOffset
        self.season = season
        self.usable = usable
        self.nearText = nearText
        self.crossedText = crossedText
        self.fastText = fastText
    }
}
