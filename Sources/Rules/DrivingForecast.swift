package import Telemetry

/// When a counter that runs down with use will have run down.
package struct DrivingForecast: Sendable, Equatable {
    /// The start of the first local day of the range; not before the moment of the forecast.
    package var early: Timestamp
    /// Within a local day, from 07:00 to 21:00; never before `early`.
    package var middle: Timestamp
    /// The end of the last local day of the range; never before `middle`.
    package var late: Timestamp
    /// The day by which to act, never after `middle`.
    ///
    /// The counter has run down by then with a probability of 2 to 4 % only, but two days from now
    /// are left where the middle allows.
    package var actBy: Timestamp
    /// Mean km a day, long trips included.
    package var kilometresADay: Double

    /// Source of these: fitted on simulated fleets, see `DrivingClass`.
    private enum Constant {
        /// Days looked ahead; a middle beyond is not said.
        static let horizon: Int32 = 730
        /// Local hours in which driving is done.
        static let firstHour = 7.0
        static let hours = 14.0
        /// A day of a public holiday counts so many days for long trips.
        static let holidayTrips = 4.0
        /// Probabilities of having run down: with so many days of data, and with so many, between
        /// which they go in a straight line.
        static let newDays = 14.0
        static let knownDays = 30.0
        static let early = (new: 0.05, known: 0.10)
        /// So much more in the first days of a vehicle that drives much the same every working day.
        static let evenEarly = 0.05
        static let middle = (new: 0.46, known: 0.46)
        /// Less than one less the early one: the due moment is uniform in distance, so that,
        /// seen from it, more than usual was driven just before.
        static let late = (new: 0.92, known: 0.78)
        static let deadline = (new: 0.02, known: 0.035)
        /// Days left for acting, where the middle allows.
        static let actDays = Milliseconds.days(Int64(2))
    }

    /// A forecast that was made before.
    init(
        early: Timestamp,
        middle: Timestamp,
        late: Timestamp,
        actBy: Timestamp,
        kilometresADay: Double
    ) {
        self.early = early
        self.middle = middle
        self.late = late
        self.actBy = actBy
        self.kilometresADay = kilometresADay
    }

    /// The forecast at `now`; nil in the first days, and when the middle is out of sight.
    ///
    /// A counter that has run down gives `now` for all of its times. The vehicle is taken to have
    /// stood still since the newest reading.
    package init?(_ history: DrivingHistory, now: Timestamp, _ calendar: DrivingCalendar) {
        let isKnown =
            history.isStarted && history.kilometresToGo > 0 && now >= history.warmUpEnd(calendar)
        guard isKnown || history.isLimitReached else { return nil }
        let mixture = DrivingMixture(history)
        kilometresADay = mixture.kilometresADay
        if history.isLimitReached {
            early = now
            middle = now
            late = now
            actBy = now
            return
        }
        let future = Future(
            mixture: mixture,
            distance: history.kilometresToGo,
            calendar: calendar,
            now: now
        )
        let known =
            (mixture.days - Constant.newDays) / (Constant.knownDays - Constant.newDays)
        let share = min(max(known, 0), 1)
        func level(_ levels: (new: Double, known: Double)) -> Double {
            levels.new + (levels.known - levels.new) * share
        }
        let guess = Int32(min(history.kilometresToGo / max(kilometresADay, 1e-6), 1e4))
        guard
            let middle = future.day(
                reaching: level(Constant.middle),
                in: Future.Bracket(high: Constant.horizon),
                near: guess
            )
        else { return nil }
        // A lower level is reached before the middle, a higher one after it.
        let before = Future.Bracket(high: middle.high, atHigh: middle.atHigh)
        let unseen = (1 - share) * mixture.evenness
        let early = future.day(
            reaching: level(Constant.early) + unseen * Constant.evenEarly,
            in: before,
            near: guess * 3 / 4
        )
        let deadline = future.day(
            reaching: level(Constant.deadline),
            in: before,
            near: (early?.high ?? guess) - 1
        )
        let after = Future.Bracket(low: middle.low, atLow: middle.atLow, high: Constant.horizon)
        let late = future.day(reaching: level(Constant.late), in: after, near: guess * 4 / 3)
        let hour = future.hour(level(Constant.middle), middle)
        let day = future.today
        self.middle = max(now, calendar.instant(day: day + middle.high, minute: Int(hour * 60)))
        self.early = max(now, calendar.instant(day: day + (early ?? middle).high))
        self.late = max(
            self.middle,
            calendar.instant(day: day + (late?.high ?? Constant.horizon) + 1)
        )
        let deadlineDay = calendar.instant(day: day + (deadline ?? middle).high - 1)
        // A deadline is the beginning of a day: the first that leaves so many.
        let actDay = calendar.day(of: now + Constant.actDays) + 1
        actBy = max(deadlineDay, min(self.middle, calendar.instant(day: actDay)))
    }

    /// The days to come, each with the probability that the counter has run down by its end.
    private struct Future {
        /// Days from today between which a probability is reached: not by the end of `low`, but by
        /// the end of `high`.
        struct Bracket {
            var low: Int32 = -1
            var atLow = 0.0
            var high: Int32
            /// nil: not looked at yet.
            var atHigh: Double?
        }

        let mixture: DrivingMixture
        let distance: Double
        let calendar: DrivingCalendar
        let today: Int32
        /// The share of today's driving that is done.
        let done: Double
        private let isTodayOff: Bool
        private let isTodayHoliday: Bool
        private let daysOffBefore: Int32
        private let holidaysBefore: Int32

        init(
            mixture: DrivingMixture,
            distance: Double,
            calendar: DrivingCalendar,
            now: Timestamp
        ) {
            self.mixture = mixture
            self.distance = distance
            self.calendar = calendar
            today = calendar.day(of: now)
            let hour = calendar.hours(of: now)
            done = min(max((hour - Constant.firstHour) / Constant.hours, 0), 1)
            isTodayOff = calendar.isDayOff(today)
            isTodayHoliday = calendar.isPublicHoliday(today)
            daysOffBefore = calendar.daysOff(before: today)
            holidaysBefore = calendar.publicHolidays(before: today)
        }

        /// The probability that the counter has run down by the end of the day `day` days on.
        private func probability(_ day: Int32) -> Double {
            let end = today + day + 1
            let off = Double(calendar.daysOff(before: end) - daysOffBefore)
            let holidays = Double(calendar.publicHolidays(before: end) - holidaysBefore)
            let all = Double(day + 1)
            let extra = Constant.holidayTrips - 1
            return mixture.probability(
                of: distance,
                within: DrivingMixture.Span(
                    working: all - off - (isTodayOff ? 0 : done),
                    off: off - (isTodayOff ? done : 0),
                    tripDays: all + extra * holidays - (isTodayHoliday ? 1 + extra : 1) * done
                )
            )
        }

        /// The first day by the end of which the probability is `level`, sought from `guess` on,
        /// as a bracket one day wide; nil when it is not reached within the bracket given.
        func day(reaching level: Double, in start: Bracket, near guess: Int32) -> Bracket? {
            var bracket = start
            var probe = guess
            var step: Int32 = 1 + max(guess, 0) / 16
            while bracket.high - bracket.low > 1 {
                probe = min(max(probe, bracket.low + 1), bracket.high - 1)
                let probability = probability(probe)
                let isReached = probability >= level
                if isReached {
                    bracket.high = probe
                    bracket.atHigh = probability
                } else {
                    bracket.low = probe
                    bracket.atLow = probability
                }
                // Strides from the guess until the level lies between two days looked at.
                let isEnclosed = bracket.low > start.low && bracket.high < start.high
                probe =
                    isEnclosed
                    ? bracket.low + (bracket.high - bracket.low) / 2
                    : isReached ? probe - step : probe + step
                step *= 2
            }
            guard bracket.high < Constant.horizon else { return nil }
            return bracket
        }

        /// The local hour of a bracket's day at which `level` is reached.
        func hour(_ level: Double, _ bracket: Bracket) -> Double {
            let high = bracket.atHigh ?? 1
            let share = (level - bracket.atLow) / max(high - bracket.atLow, 1e-9)
            let from = bracket.high == 0 ? done : 0
            return Constant.firstHour
                + Constant.hours * (from + (1 - from) * min(max(share, 0), 1))
        }
    }
}
