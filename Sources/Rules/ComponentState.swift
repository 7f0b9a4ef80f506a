package import Telemetry

/// Everything the engine remembers of one component of one vehicle under one rule.
///
/// Invariant: constant size; nothing here grows with the number of readings.
package struct ComponentState: Sendable, Equatable {
    /// A reading the explanation can point to.
    struct Anchor: Sendable, Equatable {
        var at: Timestamp
        var value: Double
        /// Readings since, this one included.
        var readings: Int
    }

    /// How many readings in a row agreed, counting those close together once.
    struct RunCount: Sendable, Equatable {
        var count = 0
        var countedAt = Timestamp.distantPast

        mutating func note(_ agrees: Bool, at observedAt: Timestamp, _ near: NearCondition) {
            guard agrees else {
                count = 0
                return
            }
            guard count == 0 || (observedAt - countedAt).minutes >= near.spacingMinutes else {
                return
            }
            count += 1
            countedAt = observedAt
        }
    }

    /// A raised alert's numbers are brought up to date this often, so that what an advisor reads
    /// out is never older.
    private static let refreshSpan = Milliseconds.hours(12)
    /// How long an anchor serves before the explanation moves on to a newer one.
    private static let anchorSpan = Milliseconds.days(Int64(14))

    var filter = TrendFilter()
    var limit: Double
    var isLimitAssumed: Bool
    var older: Anchor
    var newer: Anchor
    package internal(set) var newestAt: Timestamp
    var newestValue = 0.0
    /// Observation times of the last readings, against repeats (`prediction.md` §5.0).
    var seen: (Timestamp, Timestamp, Timestamp, Timestamp) = (
        .distantPast, .distantPast, .distantPast, .distantPast
    )
    var seenNext = 0

    package internal(set) var isRaised = false
    var isCrossed = false
    var near = RunCount()
    var crossed = RunCount()
    var recovered = RunCount()
    var minimum = Double.infinity
    var clearSince: Timestamp?
    /// The date last told, in days.
    var published: Double?
    var publishedDeviation = 0.0
    /// When the numbers behind the alert were last told.
    var toldAt = Timestamp.distantPast
    /// When the alert fires if nothing arrives until then.
    package internal(set) var timerDue: Timestamp?

    init(limit: Double, isLimitAssumed: Bool) {
        self.limit = limit
        self.isLimitAssumed = isLimitAssumed
        let nothing = Anchor(at: .distantPast, value: 0, readings: 0)
        older = nothing
        newer = nothing
        newestAt = .distantPast
    }

    package static func == (left: ComponentState, right: ComponentState) -> Bool {
        left.filter == right.filter && left.limit == right.limit
            && left.isLimitAssumed == right.isLimitAssumed && left.older == right.older
            && left.newer == right.newer && left.newestAt == right.newestAt
            && left.newestValue == right.newestValue && left.seen == right.seen
            && left.seenNext == right.seenNext && left.isRaised == right.isRaised
            && left.isCrossed == right.isCrossed && left.near == right.near
            && left.crossed == right.crossed && left.recovered == right.recovered
            && left.minimum == right.minimum
            && left.clearSince == right.clearSince && left.published == right.published
            && left.publishedDeviation == right.publishedDeviation
            && left.toldAt == right.toldAt
            && left.timerDue == right.timerDue
    }

    /// False for a repeat of one of the last four observation times.
    mutating func isNew(_ observedAt: Timestamp) -> Bool {
        if seen.0 == observedAt || seen.1 == observedAt || seen.2 == observedAt
            || seen.3 == observedAt
        {
            return false
        }
        switch seenNext {
        case 0: seen.0 = observedAt
        case 1: seen.1 = observedAt
        case 2: seen.2 = observedAt
        default: seen.3 = observedAt
        }
        seenNext = (seenNext + 1) & 3
        return true
    }

    /// Moves the limit without losing what was learnt: the margin shifts, the slope stays.
    mutating func relimit(to newLimit: Double, isAssumed: Bool, sign: Double) {
        let shift = sign * (limit - newLimit)
        filter.level += shift
        filter.pendingLevel += shift
        minimum += shift
        limit = newLimit
        isLimitAssumed = isAssumed
    }

    // MARK: One measurement

    /// Takes a measurement in.
    ///
    /// Returns what changed, in order.
    mutating func update(
        observedAt: Timestamp,
        now: Timestamp,
        measurement: Measurement,
        rule: RuleParameters
    ) -> [RuleEvent.Kind] {
        var changes: [RuleEvent.Kind] = []
        let margin = rule.direction.sign * (measurement.value - limit)
        if isRaised {
            minimum = min(minimum, margin)
            // Recovered is measured from the lowest reading, which may have been an outlier; a limit
            // that is still met has not recovered in any case.
            let recovery = minimum + rule.clear.recovery
            recovered.note(
                margin > (isCrossed ? max(0, recovery) : recovery),
                at: observedAt,
                rule.near
            )
            if recovered.count >= rule.clear.recoveryReadings {
                clear()
                changes.append(.cleared)
            }
        }
        noteReading(observedAt, measurement.value)
        let step = filter.update(
            at: observedAt.days,
            margin: margin,
            variance: measurement.variance,
            rule.estimator
        )
        if step == .restarted {
            published = nil
            older = Anchor(at: observedAt, value: measurement.value, readings: 1)
            newer = older
        }
        // What runs down by itself, such as a date, is known from its first reading.
        let hasForecast = step == .moved || (step == .started && rule.near.warmUpDays == 0)
        if hasForecast, let change = forecast(observedAt, now: now, rule: rule) {
            changes.append(change)
        }
        if let change = compareWithLimit(observedAt, margin: margin, now: now, rule: rule) {
            changes.append(change)
        }
        if !changes.isEmpty {
            toldAt = now
        } else if isRaised, step == .moved, now - toldAt >= ComponentState.refreshSpan {
            toldAt = now
            changes.append(.refreshed)
        }
        return changes
    }

    private mutating func noteReading(_ observedAt: Timestamp, _ value: Double) {
        if older.readings == 0 {
            older = Anchor(at: observedAt, value: value, readings: 0)
            newer = older
        }
        if observedAt - newer.at > ComponentState.anchorSpan {
            older = newer
            newer = Anchor(at: observedAt, value: value, readings: 0)
        }
        older.readings += 1
        newer.readings += 1
        if observedAt >= newestAt {
            newestAt = observedAt
            newestValue = value
        }
    }

    /// Moves the published date and decides whether the limit is near.
    private mutating func forecast(
        _ observedAt: Timestamp,
        now: Timestamp,
        rule: RuleParameters
    ) -> RuleEvent.Kind? {
        let nowDays = now.days
        let days = filter.daysToCrossing(now: nowDays)
        var change: RuleEvent.Kind?
        if let days {
            let deviation = filter.crossingDeviation(days: days, rule.estimator)
            // A date that moves with every reading cannot be told to a customer.
            // One that has come stays what it was.
            let moves = published.map {
                days == 0
                    ? $0 > nowDays
                    : abs(nowDays + days - $0) > max(2, 0.5 * deviation) || $0 < nowDays
            }
            if moves ?? true {
                if isRaised, published != nil { change = .moved }
                published = nowDays + days
            }
            publishedDeviation = deviation
        } else {
            published = nil
        }
        guard filter.time - filter.firstTime >= rule.near.warmUpDays else { return change }

        let lead = rule.near.leadDays
        let isLikely = filter.isCrossed(
            within: 2 * lead + nowDays - filter.time,
            quantile: rule.near.gateQuantile,
            rule.estimator
        )
        if isRaised {
            return settle(days: days, now: now, rule: rule) ?? change
        }
        let isNear = isLikely && (days ?? .infinity) <= lead
        near.note(isNear, at: observedAt, rule.near)
        if near.count >= rule.near.sustainReadings {
            raise(margin: filter.level)
            return .raised
        }
        let wait = (days ?? .infinity) - lead
        timerDue = isLikely && wait > 0 && wait < rule.near.timerDays ? now + .days(wait) : nil
        return change
    }

    /// Clears an alert whose crossing has moved out of sight for long enough.
    private mutating func settle(
        days: Double?,
        now: Timestamp,
        rule: RuleParameters
    ) -> RuleEvent.Kind? {
        guard (days ?? .infinity) > rule.clear.leadFactor * rule.near.leadDays else {
            clearSince = nil
            return nil
        }
        let since = clearSince ?? now
        clearSince = since
        guard (now - since).hours >= rule.clear.hours else { return nil }
        clear()
        return .cleared
    }

    /// The limit itself: met is met, with or without a trend.
    private mutating func compareWithLimit(
        _ observedAt: Timestamp,
        margin: Double,
        now: Timestamp,
        rule: RuleParameters
    ) -> RuleEvent.Kind? {
        crossed.note(margin <= 0, at: observedAt, rule.near)
        guard crossed.count >= rule.near.crossedReadings, !isCrossed else { return nil }
        let wasRaised = isRaised
        if !wasRaised { raise(margin: margin) }
        isCrossed = true
        if published ?? .infinity > now.days { published = now.days }
        return wasRaised ? .moved : .raised
    }

    // MARK: Phase

    /// Fires the timer: the alert the forecast promised while nothing arrived.
    mutating func fireTimer() {
        raise(margin: .infinity)
    }

    private mutating func raise(margin: Double) {
        isRaised = true
        isCrossed = false
        minimum = margin
        recovered = RunCount()
        clearSince = nil
        near = RunCount()
        timerDue = nil
    }

    mutating func clear() {
        isRaised = false
        isCrossed = false
        crossed = RunCount()
        near = RunCount()
    }

    // MARK: Explanation

    func evidence(now: Timestamp, rule: RuleParameters) -> Evidence {
        let sign = rule.direction.sign
        let halfWidth = Milliseconds.days(
            1.282 * rule.estimator.kappa * publishedDeviation
        )
        let middle = published.map(Timestamp.init(days:))
        return Evidence(
            limit: limit,
            isLimitAssumed: isLimitAssumed,
            level: limit + sign * (filter.level + filter.slope * max(0, now.days - filter.time)),
            slopePerDay: sign * filter.slope,
            firstAt: older.at,
            firstValue: older.value,
            newestAt: newestAt,
            newestValue: newestValue,
            readings: older.readings,
            early: middle.map { max(min($0, now), $0 - halfWidth) },
            middle: middle,
            late: middle.map { $0 + halfWidth },
            isCrossed: isCrossed
        )
    }
}
