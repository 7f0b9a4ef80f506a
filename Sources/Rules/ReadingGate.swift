/// Under which circumstances a reading says something about its component.
///
/// Trivial to copy, because every reading asks; what other signals must say is `Rule.bounds`.
package struct ReadingGate: Sendable, Equatable {
    /// An engine that has run for long enough, by the time since the trip began.
    package struct Warm: Sendable, Equatable {
        /// After a start, and after one that followed a stop shorter than `stopMinutes`.
        package var minutes: Double
        package var restartMinutes: Double
        package var stopMinutes: Double
        /// Time constant with which an engine cools after that; 0 for a cold one at once.
        ///
        /// Between a short stop and a night the minutes grow from one to the other.
        package var coolingHours: Double

        package init(
            minutes: Double,
            restartMinutes: Double,
            stopMinutes: Double,
            coolingHours: Double = 0
        ) {
            self.minutes = minutes
            self.restartMinutes = restartMinutes
            self.stopMinutes = stopMinutes
            self.coolingHours = coolingHours
        }

        func holds(in context: ReadingContext) -> Bool {
            // Which trip a late reading belongs to is no longer known.
            guard !context.isLate else { return false }
            if context.sinceStartHours >= minutes / 60 { return true }
            // Where nothing is known of the stop, it was a long one.
            guard context.sinceStartHours >= restartMinutes / 60,
                let parkedHours = context.lastParkHours
            else { return false }
            let cooled = parkedHours - stopMinutes / 60
            guard cooled >= 0 else { return true }
            guard coolingHours > 0 else { return false }
            let cold = 1 - exponential(-cooled / coolingHours)
            return context.sinceStartHours * 60
                >= restartMinutes + (minutes - restartMinutes) * cold
        }
    }

    /// Hours of parking, at least, that a reading must open a trip after.
    package var parkedHours: Double?
    /// The same of a pressure that came without a temperature of its own: only of a parked tyre is
    /// that of the air the tyre's.
    package var parkedHoursWithoutTemperature = 0.0
    /// Whether only the first usable reading of a trip counts: a moment later a battery carries
    /// the load of the car, or the charger works.
    package var isFirstOfTrip = false
    package var warm: Warm?

    package init() {}

    var needsContext: Bool { parkedHours != nil || warm != nil }

    /// Whether the vehicle was doing what the rule asks for.
    func holds(in context: ReadingContext) -> Bool {
        if let parkedHours, context.parkedHours ?? 0 < parkedHours { return false }
        return warm?.holds(in: context) ?? true
    }
}
