package import Telemetry

/// How a vehicle is driven, learnt from a counter that runs down with use.
///
/// The counter is the distance to the next service, or the engine hours to it, each counted as
/// `unitKilometres`. What is learnt are sums over local days by type of day, faded with a half-life
/// of 45 days; days of long trips are a process of their own. A service or another cluster starts
/// the counter afresh and keeps what is known of the driving.
///
/// Invariant: 64 bytes, without references; a reading costs the same however many went before.
package struct DrivingHistory: Sendable, Equatable {
    /// What a reading did.
    package enum Step: Sendable, Equatable {
        /// The first reading: there is a counter now. Also one that contradicts a first reading
        /// no other has confirmed.
        case started
        /// Older than the newest reading, or not believed before another reading goes on from it.
        case withheld
        case moved
        /// A service or another cluster was recognised; the counter is new.
        case restarted
    }

    /// Sums over the days of one type.
    struct DaySums: Sendable, Equatable {
        var off: Float = 0
        var driven: Float = 0
        /// Sum of the cube roots of a driven day's km: near normal for a gamma-like distance.
        var roots: Float = 0
        /// Sum of their squares.
        var squares: Float = 0

        var days: Double { Double(off) + Double(driven) }
        /// The share of days that are driven; one half before the first day.
        var share: Double { (Double(driven) + 0.5) / (days + 1) }
        /// The km of a typical driven day; one day of 33 km stands in for what is not known yet.
        var typical: Double { DrivingHistory.typical(roots: roots, driven: driven) }

        /// Variance of the cube roots.
        var variance: Double {
            guard driven > 1 else { return 0.2 }
            let (driven, roots) = (Double(driven), Double(roots))
            return max(Double(squares) - roots * roots / driven, 0) / driven
        }

        mutating func fade(_ factor: Float) {
            off *= factor
            driven *= factor
            roots *= factor
            squares *= factor
        }

        /// Counts driven days, or a part of one.
        mutating func count(days: Double, root: Double, variance: Double = 0) {
            driven += Float(days)
            roots += Float(days * root)
            squares += Float(days * (root * root + variance))
        }
    }

    /// Source of these: fitted on simulated fleets, see `DrivingClass`.
    private enum Constant {
        /// Days after which a day counts half.
        static let halfLife = 45.0
        /// A day under so many km is a day off.
        static let drivenKilometresMin: Float = 1
        /// A long day has more km than this, and more than `longTimes` typical days.
        static let longKilometres = 120.0
        static let longTimes = 3.0
        /// Driven days before a typical day means anything.
        static let knownDays = 2.5
        /// So many long days in a row are a change of use; the habits before it keep this weight,
        /// and the days are taken to vary so much, as a variance of the cube root.
        static let changeDays: UInt8 = 6
        static let habitLeft: Float = 0.1
        static let changeVariance = 0.1
        /// A counter may go back by so many km: rounding.
        static let backwardsMax: Float = 0.5
        /// The longest way between two readings, km: so much, and so much an hour.
        static let jump: Float = 30
        static let kilometresPerHour: Float = 130
        /// A zero is believed at once only this near, km: it is also what a cluster says that
        /// does not know.
        static let zeroNear: Float = 60
        /// A jump is believed once it has stood for so long, days.
        ///
        /// A cluster that wakes up may repeat its error. One to a service that is due waits past the
        /// trip.
        static let jumpDays: Float = 1 / 24
        static let dueJumpDays: Float = 8 / 24
        /// Local days, from the first reading's on, before anything is said.
        static let warmUpDays: Int32 = 3
        /// Longer than this without a reading, and the days between tell nothing.
        static let gapDaysMax = 400
        /// A counter, in km, beyond which a reading is an error of transmission.
        static let counterMax = 1e6
    }

    var working = DaySums()
    var off = DaySums()
    /// Days of long trips.
    var longDays: Float = 0
    /// The km of those days.
    var longKilometres: Float = 0
    /// The newest counter that was believed, km to go.
    private var newest: Float = 0
    /// The km of the local day in progress.
    private var today: Float = 0
    private var newestTime = CompactInstant.never
    /// A counter not believed yet; `pendingTime` is `never` without one.
    ///
    /// The first reading is its own pending one until another goes on from it.
    private var pending: Float = 0
    private var pendingTime = CompactInstant.never
    /// The local day in progress; days since 1970, good until 2149.
    private var day: UInt16 = 0
    /// Local days from the first one to `day`; stops at 255.
    private var age: UInt8 = 0
    /// Long days in a row, less two for each day off between them; below `Constant.changeDays`.
    private var longRow: UInt8 = 0

    package init() {}

    package var isStarted: Bool { newestTime != .never }

    /// Time of the newest reading that was believed; `distantPast` before the first.
    package var newestAt: Timestamp { isStarted ? newestTime.timestamp : .distantPast }

    /// The counter, in km; below zero when the service is overdue.
    package var kilometresToGo: Double { Double(newest) }

    /// Whether the counter has run down; a first reading says so only once another agrees.
    package var isLimitReached: Bool { isStarted && newest <= 0 && pendingTime != newestTime }

    /// The local midnight from which a forecast has enough to go by: three days, the first of
    /// them in part.
    ///
    /// A vehicle driven on weekends only may say nothing then: its first forecast is due all the
    /// same.
    package func warmUpEnd(_ calendar: DrivingCalendar) -> Timestamp {
        calendar.instant(day: Int32(day) - Int32(age) + Constant.warmUpDays)
    }

    // MARK: One reading

    /// Takes a reading in: `toGo` in the counter's unit, one of which is `unitKilometres`.
    ///
    /// A counter that jumps is believed at a reading that goes on from it after a while, see
    /// `Constant.jumpDays`. Nothing is counted as driven then.
    package mutating func note(
        toGo: Double,
        at instant: Timestamp,
        unitKilometres: Double = 1,
        _ calendar: DrivingCalendar
    ) -> Step {
        let kilometres = toGo * unitKilometres
        let time = CompactInstant(instant)
        guard abs(kilometres) <= Constant.counterMax, time != .never else { return .withheld }
        let counter = Float(kilometres)
        let day = UInt16(clamping: calendar.day(of: instant))
        guard isStarted else { return start(counter, time, day) }
        guard time >= newestTime else { return .withheld }
        if isFirstZero, counter == 0, !stands(counter, since: newestTime, at: time) {
            return .withheld
        }
        let driven = newest - counter
        let isDoubtfulZero = counter == 0 && driven > Constant.zeroNear
        guard !isDoubtfulZero, goesOn(driven, from: newestTime, to: time) else {
            return doubt(counter, time, day, calendar)
        }
        // A reading from before the jump says nothing against it.
        if time > pendingTime { forgetPending() }
        if driven > 0, day > self.day {
            close(until: day, driven: driven, calendar)
        } else if driven > 0 {
            today += driven
        }
        newest = counter
        newestTime = time
        return .moved
    }

    /// Whether the only reading so far is a zero.
    private var isFirstZero: Bool { newest == 0 && pendingTime == newestTime }

    /// Whether a counter that jumped has stood for long enough to be believed.
    private func stands(
        _ counter: Float,
        since jumped: CompactInstant,
        at time: CompactInstant
    ) -> Bool {
        time - jumped >= (counter <= 0 ? Constant.dueJumpDays : Constant.jumpDays)
    }

    /// Whether a counter can have run down by `driven` km in that time.
    private func goesOn(
        _ driven: Float,
        from earlier: CompactInstant,
        to later: CompactInstant
    ) -> Bool {
        let hours = (later - earlier) * 24
        return driven >= -Constant.backwardsMax
            && driven <= Constant.jump + Constant.kilometresPerHour * hours
    }

    private mutating func start(_ counter: Float, _ time: CompactInstant, _ day: UInt16) -> Step {
        newest = counter
        newestTime = time
        pending = counter
        pendingTime = time
        today = 0
        self.day = day
        age = 0
        return .started
    }

    private mutating func forgetPending() {
        pending = 0
        pendingTime = .never
    }

    private mutating func doubt(
        _ counter: Float,
        _ time: CompactInstant,
        _ day: UInt16,
        _ calendar: DrivingCalendar
    ) -> Step {
        // Of two first readings that differ, either may be the wrong one.
        if pendingTime == newestTime, pending == newest, time > newestTime {
            return start(counter, time, day)
        }
        if pendingTime != .never {
            // Neither a late reading nor a repeat of the same one confirms.
            guard time > pendingTime else { return .withheld }
            if goesOn(pending - counter, from: pendingTime, to: time) {
                guard stands(counter, since: pendingTime, at: time) else { return .withheld }
                newest = counter
                newestTime = time
                forgetPending()
                if day > self.day { close(until: day, driven: 0, calendar) }
                return .restarted
            }
        }
        pending = counter
        pendingTime = time
        return .withheld
    }

    // MARK: Days

    /// Ends the day in progress: a reading of the later day `next` came, after `driven` km.
    ///
    /// The days between were off, or driven while no reading came.
    private mutating func close(until next: UInt16, driven: Float, _ calendar: DrivingCalendar) {
        // The first day was seen in part only.
        if age > 0 { countDay(calendar) }
        let gap = Int(next) - Int(day) - 1
        today = driven
        if gap > Constant.gapDaysMax {
            fade(days: gap)
            interruptRow(days: gap)
            today = min(driven, Float(sums(next, calendar).typical))
        } else if gap > 0 {
            today = Float(bridge(gap, to: next, driven: Double(driven), calendar))
        }
        age = UInt8(clamping: Int(age) + gap + 1)
        day = next
    }

    /// Counts the day in progress.
    private mutating func countDay(_ calendar: DrivingCalendar) {
        fade(days: 1)
        let isOff = calendar.isDayOff(Int32(day))
        guard today >= Constant.drivenKilometresMin else {
            count(isOff: isOff) { $0.off += 1 }
            interruptRow(days: 1)
            return
        }
        let kilometres = Double(today)
        let isLong =
            drivenDays >= Constant.knownDays && kilometres > Constant.longKilometres
            && kilometres > Constant.longTimes
                * DrivingHistory.typical(
                    roots: working.roots + off.roots,
                    driven: working.driven + off.driven
                )
        if isLong {
            longDays += 1
            longKilometres += today
            longRow += 1
            if longRow >= Constant.changeDays { changeUse() }
        } else {
            longRow = 0
            let root = cubeRoot(kilometres)
            count(isOff: isOff) { $0.count(days: 1, root: root) }
        }
    }

    private mutating func interruptRow(days: Int) {
        longRow -= min(longRow, UInt8(clamping: 2 * days))
    }

    /// Takes the long days of late as ordinary ones: no trip has so many in a row.
    private mutating func changeUse() {
        let days = min(Float(longRow), longDays)
        let kilometres = longKilometres / longDays
        longDays -= days
        longKilometres -= days * kilometres
        longRow = 0
        working.fade(Constant.habitLeft)
        off.fade(Constant.habitLeft)
        let root = cubeRoot(Double(kilometres))
        working.count(days: Double(days) * 5 / 7, root: root, variance: Constant.changeVariance)
        off.count(days: Double(days) * 2 / 7, root: root, variance: Constant.changeVariance)
    }

    /// Counts the `gap` days before `next`, and returns the km that belong to `next` itself.
    private mutating func bridge(
        _ gap: Int,
        to next: UInt16,
        driven: Double,
        _ calendar: DrivingCalendar
    ) -> Double {
        let between = (Int32(day) + 1)...(Int32(day) + Int32(gap))
        let isNew = drivenDays < Constant.knownDays
        let (before, beforeOff) = (working, off)
        let own = isNew ? 1 : sums(next, calendar).typical
        var expected = own
        var standing = 1.0
        for day in between {
            let sums = calendar.isDayOff(day) ? beforeOff : before
            expected += isNew ? 1 : sums.share * sums.typical
            standing *= (Double(sums.off) + 1) / (sums.days + 2)
        }
        let isUnseen =
            isNew
            ? driven > Constant.longKilometres && gap <= 3
            : driven > 1.4 * own
                && (abs(driven - expected) < 0.5 * abs(driven - own)
                    || gap >= 3 && driven <= 2.5 * expected)
        guard isUnseen else {
            // A stand so improbable is a holiday: it tells nothing of ordinary days.
            let counted = gap >= 4 && standing < 0.02 ? 1 : gap
            fade(days: gap)
            interruptRow(days: gap)
            for day in between.prefix(counted) {
                count(isOff: calendar.isDayOff(day)) { $0.off += 1 }
            }
            return driven
        }
        let factor = driven / expected
        for day in between {
            fade(days: 1)
            let isOff = calendar.isDayOff(day)
            let sums = isOff ? beforeOff : before
            let root = cubeRoot((isNew ? 1 : sums.typical) * factor)
            count(isOff: isOff) {
                let share = isNew ? 1 : sums.share
                $0.count(days: share, root: root, variance: $0.variance)
                $0.off += Float(1 - share)
            }
        }
        return own * factor
    }

    private var drivenDays: Double { Double(working.driven) + Double(off.driven) }

    private func sums(_ day: UInt16, _ calendar: DrivingCalendar) -> DaySums {
        calendar.isDayOff(Int32(day)) ? off : working
    }

    private mutating func count(isOff: Bool, _ change: (inout DaySums) -> Void) {
        if isOff { change(&off) } else { change(&working) }
    }

    private mutating func fade(days: Int) {
        let factor = Float(exponential(-0.693_147_180_559_945_3 / Constant.halfLife * Double(days)))
        working.fade(factor)
        off.fade(factor)
        longDays *= factor
        longKilometres *= factor
    }

    private static func typical(roots: Float, driven: Float) -> Double {
        let root = (Double(roots) + 3.2) / (Double(driven) + 1)
        return root * root * root
    }

    // MARK: Checkpoint

    package func encode(into writer: inout ByteWriter) {
        for sums in [working, off] {
            writer.put(sums.off)
            writer.put(sums.driven)
            writer.put(sums.roots)
            writer.put(sums.squares)
        }
        writer.put(longDays)
        writer.put(longKilometres)
        writer.put(newest)
        writer.put(today)
        newestTime.encode(into: &writer)
        writer.put(pending)
        pendingTime.encode(into: &writer)
        writer.put(UInt32(day) | UInt32(age) << 16 | UInt32(longRow) << 24)
    }

    package init(from reader: inout ByteReader) throws(CheckpointError) {
        working = try DaySums(from: &reader)
        off = try DaySums(from: &reader)
        longDays = try reader.float()
        longKilometres = try reader.float()
        newest = try reader.float()
        today = try reader.float()
        newestTime = try CompactInstant(from: &reader)
        pending = try reader.float()
        pendingTime = try CompactInstant(from: &reader)
        let days = try reader.word()
        day = UInt16(truncatingIfNeeded: days)
        age = UInt8(truncatingIfNeeded: days >> 16)
        longRow = UInt8(truncatingIfNeeded: days >> 24)
        // A damaged checkpoint must not let a forecast compute with what is no number.
        guard
            [longDays, longKilometres, today].allSatisfy({ $0 >= 0 && $0.isFinite }),
            newest.isFinite, pending.isFinite, longRow < Constant.changeDays
        else { throw reader.failure() }
    }
}

extension DrivingHistory.DaySums {
    fileprivate init(from reader: inout ByteReader) throws(CheckpointError) {
        off = try reader.float()
        driven = try reader.float()
        roots = try reader.float()
        squares = try reader.float()
        guard [off, driven, roots, squares].allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw reader.failure()
        }
    }
}
