import Telemetry

/// A counter of a vehicle that runs down with use, and what was last foreseen of it.
struct DrivenCounter: Equatable, Sendable {
    /// A change of the distance to go by this share is worth another forecast the same day.
    private static let newsShare = 0.05
    /// The planner takes a day off the day to act by; the forecast's deadline has it off already.
    private static let plannersDay = Milliseconds.days(Int64(1))

    /// Of the engine.
    var slot: Int
    var history = DrivingHistory()
    private(set) var forecast: DrivingForecast?
    private var foreseenAt = CompactInstant.never
    private var foreseenKilometres: Float = 0

    init(slot: Int) {
        self.slot = slot
    }

    /// Foresees again where a local day has begun, or the counter says something new.
    mutating func foresee(now: Timestamp, isNew: Bool, _ calendar: DrivingCalendar) {
        let toGo = history.kilometresToGo
        let isSameDay =
            foreseenAt != .never && calendar.day(of: foreseenAt.timestamp) == calendar.day(of: now)
        let change = abs(toGo - Double(foreseenKilometres))
        guard isNew || !isSameDay || change > DrivenCounter.newsShare * abs(toGo) else { return }
        forecast = DrivingForecast(history, now: now, calendar)
        foreseenAt = CompactInstant(now)
        foreseenKilometres = Float(toGo)
    }

    /// Whether the middle last foreseen lies within a lead.
    func isNear(within days: Double, now: Timestamp) -> Bool {
        forecast.map { ($0.middle - now).days <= days } ?? false
    }

    /// What a forecast tells, as of `now`.
    static func dates(
        _ forecast: DrivingForecast,
        told: Timestamp?,
        now: Timestamp
    ) -> CrossingDates {
        let middle = told ?? forecast.middle
        return CrossingDates(
            early: min(max(now, forecast.early), max(now, middle)),
            middle: middle,
            late: max(forecast.late, middle),
            actBy: max(now, forecast.actBy + DrivenCounter.plannersDay)
        )
    }

    func encode(into writer: inout ByteWriter) {
        history.encode(into: &writer)
        foreseenAt.encode(into: &writer)
        writer.put(foreseenKilometres)
        writer.put(forecast != nil)
        guard let forecast else { return }
        for time in [forecast.early, forecast.middle, forecast.late, forecast.actBy] {
            writer.put(time)
        }
        writer.put(forecast.kilometresADay)
    }

    init(slot: Int, from reader: inout ByteReader) throws(CheckpointError) {
        self.slot = slot
        history = try DrivingHistory(from: &reader)
        foreseenAt = try CompactInstant(from: &reader)
        foreseenKilometres = try reader.float()
        guard try reader.flag() else { return }
        forecast = DrivingForecast(
            early: try reader.timestamp(),
            middle: try reader.timestamp(),
            late: try reader.timestamp(),
            actBy: try reader.timestamp(),
            kilometresADay: try reader.double()
        )
    }
}

extension ComponentState {
    /// Takes in what a counter that runs down with use has said.
    ///
    /// Returns what changed, in order.
    mutating func update(
        observedAt: Timestamp,
        now: Timestamp,
        toGo: Double,
        _ step: DrivingHistory.Step,
        _ counter: DrivenCounter,
        warmUpEnd: Timestamp,
        rule: RuleParameters,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        var changes: [RuleEvent.Kind] = []
        noteUse(&changes)
        attention.fade(at: CompactInstant(observedAt))
        guard step != .withheld else { return changes }
        if step == .restarted {
            beginAfresh()
            attention.published = nil
        }
        noteReading(observedAt, Float(toGo))
        follow(counter, toGo: toGo, at: CompactInstant(observedAt), rule)
        timerDue = nil
        if counter.history.isLimitReached {
            guard !attention.isCrossed else { return refreshed(changes, now: now, &attention) }
            let wasRaised = attention.isRaised
            if !wasRaised { attention.raise(margin: filter.level, now: now) }
            attention.isCrossed = true
            attention.published = min(attention.published ?? now, now)
            changes.append(wasRaised ? .moved : .raised)
            return refreshed(changes, now: now, &attention)
        }
        guard let forecast = counter.forecast else {
            // Nothing is foreseen in the first days: then it is, whether something arrives or not.
            if !attention.isRaised, warmUpEnd > now { timerDue = warmUpEnd }
            if attention.isRaised, step == .restarted { end(&changes, now: now, &attention) }
            return changes
        }
        let days = (forecast.middle - now).days
        if attention.isRaised {
            if attention.isCrossed || step == .restarted || attention.isOver(days, now: now, rule) {
                // The counter was wound up: the service was done, or another cluster knows better.
                if days > rule.near.leadDays || attention.isCrossed {
                    end(&changes, now: now, &attention)
                    return changes
                }
            }
            if tell(forecast, now: now, &attention) { changes.append(.moved) }
        } else if days <= rule.near.leadDays, !isJustCleared(now, rule, attention) {
            attention.raise(margin: filter.level, now: now)
            attention.published = forecast.middle
            changes.append(.raised)
        }
        return refreshed(changes, now: now, &attention)
    }

    /// Fires the timer of the first days; true when the limit is near.
    mutating func fireTimer(
        now: Timestamp,
        _ forecast: DrivingForecast?,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> Bool {
        timerDue = nil
        guard let forecast, !attention.isRaised,
            (forecast.middle - now).days <= rule.near.leadDays
        else { return false }
        filter.slope = -Float(forecast.kilometresADay / (rule.drivenKilometres ?? 1))
        attention.raise(margin: filter.level, now: now)
        attention.published = forecast.middle
        return true
    }

    /// Level and pace, as texts and other rules read them.
    private mutating func follow(
        _ counter: DrivenCounter,
        toGo: Double,
        at measured: CompactInstant,
        _ rule: RuleParameters
    ) {
        if !filter.isStarted { filter.firstTime = measured }
        filter.time = max(filter.time, measured)
        filter.level = Float(toGo)
        let unit = rule.drivenKilometres ?? 1
        if let forecast = counter.forecast {
            filter.slope = -Float(forecast.kilometresADay / unit)
        }
    }

    /// Moves the date told where it has left the range of today; true when it did.
    private func tell(
        _ forecast: DrivingForecast,
        now: Timestamp,
        _ attention: inout Attention
    ) -> Bool {
        guard let told = attention.published else {
            attention.published = forecast.middle
            return false
        }
        let isInside = told >= max(now, forecast.early) && told <= forecast.late
        let isFar = abs((told - forecast.middle).days) > 2
        guard told < now || !isInside && isFar else { return false }
        attention.published = forecast.middle
        return true
    }

    private func end(
        _ changes: inout [RuleEvent.Kind],
        now: Timestamp,
        _ attention: inout Attention
    ) {
        attention.clear(now: now)
        attention.published = nil
        changes.append(.cleared)
    }

    private func refreshed(
        _ changes: [RuleEvent.Kind],
        now: Timestamp,
        _ attention: inout Attention
    ) -> [RuleEvent.Kind] {
        var changes = changes
        tell(&changes, isMoved: true, now: now, &attention)
        return changes
    }
}
