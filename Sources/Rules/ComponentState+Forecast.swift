import Telemetry

/// When the limit will be met, and what is told of it.
extension ComponentState {
    /// Decides whether the limit is near, and moves the date of a raised alert.
    mutating func forecast(
        _ observedAt: Timestamp,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> RuleEvent.Kind? {
        let isWarm = isWarm(rule)
        if attention.isRaised {
            let days = filter.daysToCrossing(ahead: ahead(now))
            // What falls away at once has no date but now.
            let change = attention.isFast ? nil : publish(days, now: now, rule, &attention)
            guard isWarm else { return change }
            return attention.settle(days: days, now: now, rule) ? .cleared : change
        }
        timerDue = nil
        guard isWarm, !isJustCleared(now, rule, attention) else { return nil }
        let lead = Float(rule.near.leadDays)
        let horizon = lead + Float(rule.near.timerDays)
        let days = filter.daysToCrossing(ahead: ahead(now), horizon: horizon)
        guard let days else {
            attention.near.note(false, at: observedAt, rule.near)
            return nil
        }
        // What runs down by itself is asked how likely it is when its time has come.
        let isByClock = rule.near.warmUpDays == 0 && days > lead
        guard isByClock || isLikely(now: now, rule) else {
            attention.near.note(false, at: observedAt, rule.near)
            return nil
        }
        attention.near.note(days <= lead, at: observedAt, rule.near)
        if attention.near.count >= rule.near.sustainReadings, older.readings > 1 {
            raise(margin: filter.level, now: now, rule, &attention)
            return .raised
        }
        // One reading alone raises nothing, unless none contradicts it for a day.
        let wait = older.readings > 1 ? 0 : ComponentState.lonelyDays
        timerDue = now + .days(Double(max(days - lead, wait)))
        return nil
    }

    /// Whether the alert was over so recently that only the limit itself raises another.
    func isJustCleared(
        _ now: Timestamp,
        _ rule: RuleParameters,
        _ attention: Attention
    ) -> Bool {
        attention.clearedAt != .never
            && (now - attention.clearedAt.timestamp).hours < rule.clear.hours
    }

    /// Whether there is history enough to expect anything from.
    func isWarm(_ rule: RuleParameters) -> Bool {
        filter.time - filter.firstTime >= Float(rule.near.warmUpDays)
    }

    /// Whether the limit is crossed within twice the lead, as probably as the rule asks.
    func isLikely(now: Timestamp, _ rule: RuleParameters) -> Bool {
        filter.isCrossed(
            within: 2 * Float(rule.near.leadDays) + ahead(now),
            quantile: Float(rule.near.gateQuantile),
            rule.estimator
        )
    }

    /// Days from the level's time to `now`.
    func ahead(_ now: Timestamp) -> Float {
        Float((now - filter.time.timestamp).days)
    }

    /// Moves the date last told where it has left the range of today.
    ///
    /// A date that moves with every reading cannot be told to a customer. One that has come stays
    /// what it was. The range itself is always that of today.
    func publish(
        _ days: Float?,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> RuleEvent.Kind? {
        guard let days else {
            attention.published = nil
            return nil
        }
        let date = now + .days(Double(days))
        if let published = attention.published {
            guard hasLeft(published, days, now: now, rule) else { return nil }
        }
        let isFirst = attention.published == nil
        attention.published = date
        return isFirst ? nil : .moved
    }

    func hasLeft(
        _ told: Timestamp,
        _ days: Float,
        now: Timestamp,
        _ rule: RuleParameters
    ) -> Bool {
        if days == 0 { return told > now }
        if told < now { return true }
        let half = halfWidths(days, rule)
        let share = Float(rule.near.dateStep)
        let off = days - Float((told - now).days)
        return off > max(2, share * min(half.early, days)) || -off > max(2, share * half.late)
    }

    func halfWidths(_ days: Float, _ rule: RuleParameters) -> (early: Float, late: Float) {
        rule.range.halfWidths(
            tau: days,
            deviation: filter.crossingDeviation(days: days, rule.estimator)
        )
    }

    /// Days from `now` until the median crossing: 0 when crossed, nil when none is in sight.
    func daysToCrossing(now: Timestamp) -> Double? {
        guard filter.isStarted else { return nil }
        return filter.daysToCrossing(ahead: ahead(now)).map { Double($0) }
    }

    /// The attention with today's crossing date; a raised alert keeps the date it announced.
    func outlook(
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: Attention
    ) -> Attention {
        guard filter.isStarted, !attention.isRaised else { return attention }
        var outlook = attention
        outlook.published = nil
        _ = publish(filter.daysToCrossing(ahead: ahead(now)), now: now, rule, &outlook)
        return outlook
    }

    /// The limit itself: met is met, with or without a trend.
    mutating func compareWithLimit(
        _ observedAt: Timestamp,
        margin: Float,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> RuleEvent.Kind? {
        attention.crossed.note(margin <= 0, at: observedAt, rule.near)
        if let sure = rule.near.sureMargin {
            attention.sure.note(margin <= -Float(sure), at: observedAt, rule.near)
        }
        let isMet =
            attention.crossed.count >= rule.near.crossedReadings
            || attention.sure.count >= NearCondition.sureReadings
        guard isMet, !attention.isCrossed else { return nil }
        let wasRaised = attention.isRaised
        if !wasRaised { raise(margin: margin, now: now, rule, &attention) }
        attention.isCrossed = true
        if attention.published ?? .distantFuture > now { attention.published = now }
        return wasRaised ? .moved : .raised
    }

    /// Fires the timer: the alert the forecast promised while nothing arrived; false where it no
    /// longer does.
    mutating func fireTimer(
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) -> Bool {
        let runsDownByItself = rule.near.warmUpDays == 0
        // A reading that contradicts the promise waits for another.
        guard attention.service.count == 0, !runsDownByItself || isLikely(now: now, rule) else {
            timerDue = nil
            return false
        }
        let level = filter.level + filter.slope * ahead(now)
        raise(margin: runsDownByItself ? level : .infinity, now: now, rule, &attention)
        attention.isCrossed = runsDownByItself && level <= 0
        return true
    }

    mutating func raise(
        margin: Float,
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: inout Attention
    ) {
        timerDue = nil
        attention.raise(margin: margin, now: now)
        _ = publish(filter.daysToCrossing(ahead: ahead(now)), now: now, rule, &attention)
    }

    // MARK: Explanation

    func evidence(
        now: Timestamp,
        limit: Double,
        isLimitAssumed: Bool,
        rule: RuleParameters,
        _ attention: Attention,
        _ forecast: DrivingForecast?
    ) -> Evidence {
        let sign = rule.direction.sign
        let level = filter.level + filter.slope * max(0, ahead(now))
        let range = range(now: now, rule, attention, forecast)
        return Evidence(
            limit: limit,
            isLimitAssumed: isLimitAssumed,
            level: limit + sign * decimal(level),
            slopePerDay: sign * decimal(filter.slope),
            firstAt: older.time,
            firstValue: decimal(older.value) - rule.readingOffset,
            newestAt: newestAt,
            newestValue: decimal(newestValue) - rule.readingOffset,
            readings: older.readings,
            early: range?.early,
            middle: range?.middle,
            late: range?.late,
            actBy: range?.actBy,
            isCrossed: attention.isCrossed,
            isFast: attention.isFast
        )
    }

    /// The date told, and around it the range of today.
    ///
    /// One crossing in ten falls before the early edge, by design: planning for that day would make
    /// most visits hurried. One crossing in four falls before the day to act by.
    func range(
        now: Timestamp,
        _ rule: RuleParameters,
        _ attention: Attention,
        _ forecast: DrivingForecast?
    ) -> CrossingDates? {
        if attention.isFast { return CrossingDates(early: now, middle: now, late: now, actBy: now) }
        if rule.drivenKilometres != nil {
            if attention.isCrossed {
                return CrossingDates(
                    early: attention.published ?? now,
                    middle: attention.published ?? now,
                    late: now,
                    actBy: now
                )
            }
            return forecast.map { DrivenCounter.dates($0, told: attention.published, now: now) }
        }
        guard let middle = attention.published,
            let days = filter.daysToCrossing(ahead: ahead(now))
        else { return nil }
        let half = halfWidths(days, rule)
        let late = max(middle, now + .days(Double(min(days + half.late, CrossingDates.daysMax))))
        guard days > 0 else {
            return CrossingDates(early: min(middle, now), middle: middle, late: late, actBy: now)
        }
        let early = min(max(now, now + .days(Double(days - half.early))), max(now, middle))
        let actBy = max(now, now + .days(Double(days - CrossingDates.actByShare * half.early)))
        return CrossingDates(early: early, middle: middle, late: late, actBy: actBy)
    }
}
