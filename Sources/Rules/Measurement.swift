import Telemetry

/// A reading brought to reference conditions, with the variance of its error.
package struct Measurement: Sendable, Equatable {
    package var value: Double
    package var variance: Double
    /// Whether the air's temperature stands in for the component's own: good enough for a trend,
    /// but in the sun, or out of a garage, it takes a pressure up or down at once.
    package var isByAmbient = false
    /// Whether the signal said exactly 0.
    package var isZero = false
}

/// What the vehicle was doing when a reading was taken.
struct ReadingContext {
    /// Hours parked before the trip the reading opens; 0 within a trip; nil when unknown or late.
    var parkedHours: Double?
    /// Hours since the trip began.
    var sinceStartHours = 0.0
    /// Hours parked before the current trip, whatever the reading's place in it.
    var lastParkHours: Double?
    var isLate = false
    /// Ambient temperature within 18 minutes, °C.
    var ambient: Double?
}

extension Measure {
    /// Whether the correction depends on what the vehicle was doing.
    var needsContext: Bool { self != .asRead }

    /// Ambient temperature where none is known, °C: a mild annual mean.
    private static let assumedAmbient = 15.0

    /// Brings a reading that has passed the rule's gate to reference conditions, or returns nil
    /// when it cannot be.
    ///
    /// Source: gas law at constant volume; 2.5 mV/K and surface charge for a lead-acid battery at
    /// rest; 14 and 5.6 mV/K for cranking; 0.14 K/K for coolant.
    ///
    /// Inlined, so that of the rule only what is asked for is read, and nothing copied.
    @inline(__always)
    func measure(_ value: Double, rule: RuleParameters, context: ReadingContext) -> Measurement? {
        guard rule.usable.contains(value) else { return nil }
        let constants = rule.estimator
        let variance = Double(constants.readingDeviation * constants.readingDeviation)
        let ambient = context.ambient ?? Measure.assumedAmbient
        let parked = context.parkedHours ?? 0
        switch self {
        case .asRead:
            return Measurement(
                value: value + rule.readingOffset,
                variance: variance,
                isZero: value == 0
            )
        case .tyreCold:
            guard let ambient = context.ambient,
                parked >= rule.gate.parkedHoursWithoutTemperature
            else { return nil }
            return Measurement(
                value: Measure.coldPressure(value, at: ambient),
                variance: Double(
                    constants.ambientReadingDeviation * constants.ambientReadingDeviation
                ),
                isByAmbient: true
            )
        case .batteryRest:
            let drain = 0.0004 * min(parked, 400)
            return Measurement(
                value: value - 0.0025 * (ambient - 25) + 0.0003 * min(parked, 200)
                    - 0.22 * exponential(-parked / 2.2),
                variance: variance + 0.5 * drain * drain
            )
        case .batteryCrank:
            let hot = exponential(-parked / 3)
            let engine = ambient + 2
            return Measurement(
                value: value - (engine < 20 ? 0.014 : 0.0056) * (engine - 20) * (1 - hot)
                    - 0.25 * hot,
                variance: variance
            )
        case .coolantWarm:
            return Measurement(value: value - 0.14 * (ambient - 20), variance: variance)
        }
    }

    /// Gauge pressure converted to 20 °C at constant volume; 101.3 kPa of atmosphere.
    package static func coldPressure(_ gauge: Double, at celsius: Double) -> Double {
        (gauge + 101.3) * 293.15 / (celsius + 273.15) - 101.3
    }
}

extension Measure {
    /// The gauge pressure at a temperature of a tyre that holds `cold` at 20 °C.
    static func gaugePressure(_ cold: Double, at celsius: Double) -> Double {
        (cold + 101.3) * (celsius + 273.15) / 293.15 - 101.3
    }
}

/// e to the power of `exponent` for -40...0, to 1e-14: the pure ring has no libm, and libm's
/// last digit differs between machines.
func exponential(_ exponent: Double) -> Double {
    if exponent < -40 { return 0 }
    // e^x = (e^(x/64))^64; the Taylor series of the small argument ends after ten terms.
    let small = exponent / 64
    var term = 1.0
    var sum = 1.0
    for index in 1...10 {
        term *= small / Double(index)
        sum += term
    }
    for _ in 0..<6 { sum *= sum }
    return sum
}

/// The cosine of an angle given in turns, to 1e-11: the pure ring has no libm.
func cosine(turns: Double) -> Double {
    let angle = (turns - turns.rounded()) * 2 * .pi
    // The Taylor series of an angle of at most half a turn ends after twelve terms.
    var term = 1.0
    var sum = 1.0
    for index in 1...12 {
        term *= -angle * angle / Double((2 * index - 1) * 2 * index)
        sum += term
    }
    return sum
}
