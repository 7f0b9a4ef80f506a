import CoreLoop
import Customers
import GatewayCore
import Messages
import Rules
import Store
import Telemetry
import Workshop

/// What the inbox shows.
struct InboxModel {
    struct Tab {
        var state: String
        var name: String
        var count: Int
        var current: Bool
    }

    struct Row {
        var id: Int64
        var urgency: String
        var latestBy: String
        var latestByRelative: String?
        var urgencyMeaning: String
        var vehicle: String
        var model: String
        var owner: String?
        var sentence: String
        var more: String?
        /// What is to be done with whom, and by when; nil where nothing is.
        var step: String?
        var late: String?
        var jobs: String
        var slot: String
        var slotMore: String
        var overdue: String?
    }

    let t: [String: String]
    let tabs: [Tab]
    let rows: [Row]
    let hasRows: Bool
    let next: String?
    let emptyText: String
    /// What the page is for, on the list that is worked through.
    let intro: String?

    /// `owners` are names as they may be shown, by vehicle; `blocks` why a customer may not be called
    /// now, by the number of the suggestion.
    init(
        rows: [SuggestionRecord],
        owners: [String: String],
        blocks: [Int64: ContactBlock],
        next: String?,
        state: SuggestionState,
        counts: [SuggestionState: Int],
        services: WebServices,
        language: Language
    ) {
        let texts = Texts(language: language)
        t = texts.words
        tabs = SuggestionState.allCases.map {
            Tab(
                state: $0.rawValue,
                name: texts.name($0),
                count: counts[$0] ?? 0,
                current: $0 == state
            )
        }
        let now = services.core.status.now
        self.rows = rows.map {
            InboxModel.row($0, owners[$0.vehicle], blocks[$0.id], services, texts, now: now)
        }
        intro = state == .proposed ? texts.inboxIntro : nil
        hasRows = !rows.isEmpty
        self.next = next
        let status = StatusLine(services).text(language)
        emptyText = language.pick(zh: "没有记录。\(status)", en: "Nothing here. \(status)")
    }

    private static func row(
        _ row: SuggestionRecord,
        _ owner: String?,
        _ block: ContactBlock?,
        _ services: WebServices,
        _ texts: Texts,
        now: Timestamp
    ) -> Row {
        let station = services.station(row.stationCode)
        let time = LocalTime(zone: station.zone, language: texts.language.reader)
        let first = row.alerts.first?.sentence
        let line = row.need.lines.first.map { texts.line($0, time) } ?? ""
        let title = texts.language.pick(zh: station.titleZH, en: station.titleEN)
        let slotMore = row.holdUntil.map { texts.held(until: time.moment($0), station: title) }
        let jobs = row.jobs.compactMap { code in
            services.jobs.first { $0.code == code }
                .map { texts.language.pick(zh: $0.titleZH, en: $0.titleEN) }
        }
        let deadline = row.deadline(now: now)
        // A limit that is met has no day any more by which to come: sooner is better.
        let isNow = row.state.isLive && deadline <= now
        let handling = row.handling
        let hasTerm = row.urgency != .p0 && handling.attempts == 0 && handling.contactDue > now
        return Row(
            id: row.id,
            urgency: row.urgency.name,
            latestBy: isNow ? texts.soonest(row.urgency) : time.day(deadline),
            latestByRelative: isNow ? nil : time.relative(deadline, now: now),
            urgencyMeaning: texts.meaning(row.urgency),
            vehicle: row.plate.map(Masking.plate) ?? row.vehicle,
            model: row.model ?? "",
            owner: owner,
            sentence: texts.language.pick(zh: first?.zh ?? line, en: first?.en ?? line),
            more: texts.more(row.alerts.count + row.need.lines.count - 1),
            step: row.state == .proposed
                ? texts.call(
                    owner,
                    by: hasTerm ? time.moment(handling.contactDue) : nil,
                    block,
                    blockedUntil: block?.until.map(time.moment)
                ) : nil,
            late: row.state.isLive && handling.isBreached
                ? texts.callLate(since: time.moment(handling.contactDue)) : nil,
            jobs: texts.list(jobs, minutes: row.minutes),
            slot: row.slot.map { time.slot($0.start, $0.end) } ?? texts.noSlotShort,
            slotMore: slotMore ?? title,
            overdue: row.isOverdue && !isNow ? texts.overdue : nil
        )
    }
}

/// What the page of one suggestion shows.
struct SuggestionModel {
    struct AlertModel {
        var title: String
        var sentence: String
        var otherSentence: String
        var otherLang: String
        var assumed: String?
        var chart: String
        var newest: String
        var limit: String
        var slope: String
        var crossing: String
        var readings: String
        var rule: String
        var raised: String
        var state: String
        var t: [String: String]
    }

    struct OfferModel {
        var label: String
        var time: String
        var reason: String
        var bay: String
        var first: Bool
    }

    struct ReasonModel {
        var code: String
        var name: String
    }

    struct Step {
        var at: String
        var text: String
    }

    var t: [String: String]
    var id: Int64
    var version: Int
    var urgency: String
    var vehicle: String
    var model: String
    var state: String
    var latestBy: String
    var latestByRelative: String
    var jobs: [String]
    /// What it is for besides its alerts.
    var lines: [String]
    var duration: String
    var station: String
    /// Held or booked.
    var slotName: String
    var slot: String
    var overdue: String?
    var holdUntil: String?
    var declined: String?
    var isOpen: Bool
    var hasOffers: Bool
    var offers: [OfferModel]
    var reasons: [ReasonModel]
    var alerts: [AlertModel]
    var history: [Step]
    var done: String?
    var problem: String?
    var declineOpen = false
    var csrf: String?

    static func make(
        _ row: SuggestionRecord,
        services: WebServices,
        language: Language
    ) async throws -> SuggestionModel {
        let texts = Texts(language: language)
        let station = services.station(row.stationCode)
        let time = LocalTime(zone: station.zone, language: language.reader)
        let now = services.core.status.now
        var alerts: [AlertModel] = []
        for alert in row.alerts {
            if let model = try await AlertModel.make(
                alert,
                row,
                services: services,
                texts: texts,
                time: time,
                now: now
            ) {
                alerts.append(model)
            }
        }
        let jobs = row.jobs.compactMap { code in
            services.jobs.first { $0.code == code }.map {
                "\(language.pick(zh: $0.titleZH, en: $0.titleEN)) · \(texts.minutes($0.minutes))"
            }
        }
        let history = try await services.reads.history(ofSuggestion: row.id)
        let slot = row.slot.map { "\(time.slot($0.start, $0.end)) · \($0.bayCode)" }
        let deadline = row.deadline(now: now)
        let isNow = row.state.isLive && deadline <= now
        // Offers are as old as the suggestion's newest version: one of them may have begun.
        let offers = row.offers.filter { $0.start > now }
        return SuggestionModel(
            t: texts.words,
            id: row.id,
            version: row.version,
            urgency: row.urgency.name,
            vehicle: row.plate.map(Masking.plate) ?? row.vehicle,
            model: row.model ?? "",
            state: texts.name(row.state),
            latestBy: isNow ? texts.soonest(row.urgency) : time.day(deadline),
            latestByRelative: isNow ? "" : time.relative(deadline, now: now),
            jobs: jobs,
            lines: row.need.lines.map { texts.line($0, time) },
            duration: texts.minutes(row.minutes),
            station: language.pick(zh: station.titleZH, en: station.titleEN),
            slotName: row.state == .booked ? texts.bookedSlot : texts.slot,
            slot: slot ?? (row.hasNoSlot ? texts.noSlotShort : "–"),
            overdue: row.isOverdue && !isNow ? texts.overdue : nil,
            holdUntil: row.holdUntil.map(time.moment),
            declined: row.declineReason.map {
                texts.name($0) + (row.note.isEmpty ? "" : " · \(row.note)")
            },
            isOpen: row.state.isLive,
            hasOffers: !offers.isEmpty,
            offers: offers.enumerated().map { index, offer in
                OfferModel(
                    label: offer.label?.rawValue ?? "",
                    time: time.slot(offer.start, offer.end),
                    reason: offer.label.map(texts.name) ?? "",
                    bay: offer.bayCode,
                    first: index == 0
                )
            },
            reasons: DeclineReason.allCases.map {
                ReasonModel(code: $0.rawValue, name: texts.name($0))
            },
            alerts: alerts,
            history: steps(history, texts, time)
        )
    }
}

extension SuggestionModel {
    /// The history in words; of many re-plans only the newest says anything.
    private static func steps(
        _ history: [HistoryRecord],
        _ texts: Texts,
        _ time: LocalTime
    ) -> [Step] {
        let newestReplan = history.first { $0.event == "replan" }
        return history.filter { $0.event != "replan" || $0 == newestReplan }.compactMap { entry in
            texts.step(entry.machine, entry.event).map {
                Step(at: time.moment(entry.at), text: $0)
            }
        }
    }
}

extension SuggestionModel.AlertModel {
    /// How far back the chart goes.
    private static let history = Milliseconds.days(Int64(45))

    /// Nil when the rule is no longer configured.
    fileprivate static func make(
        _ alert: Alert,
        _ row: SuggestionRecord,
        services: WebServices,
        texts: Texts,
        time: LocalTime,
        now: Timestamp
    ) async throws -> Self? {
        guard let rule = services.rules().first(where: { $0.id == alert.ruleID }),
            let component = rule.components.first(where: { $0.name == alert.component })
        else { return nil }
        let evidence = alert.evidence
        let language = texts.language
        let points = try await samples(rule, component, alert, row, services, now)
        let chart = Chart(
            rule: rule,
            alert: alert,
            normalised: points.normalised,
            raw: points.raw,
            slot: row.slot,
            now: now,
            time: time,
            texts: texts
        )
        func number(_ value: Double, _ decimals: Int) -> String {
            let unit = language.pick(zh: rule.display.unit.zh, en: rule.display.unit.en)
            return "\(fixed(value * rule.display.factor, decimals: decimals)) \(unit)"
        }
        var crossing = "–"
        if let early = evidence.early, let middle = evidence.middle, let late = evidence.late {
            crossing =
                early == late
                ? time.day(middle)
                : "\(time.day(middle)) (\(time.day(early)) – \(time.day(late)))"
        }
        return Self(
            title: language.pick(
                zh: "\(component.title.zh) · \(rule.title.zh)",
                en: "\(component.title.en) · \(rule.title.en)"
            ),
            sentence: language.pick(zh: alert.sentence.zh, en: alert.sentence.en),
            otherSentence: language.other.pick(zh: alert.sentence.zh, en: alert.sentence.en),
            otherLang: language.other.tag,
            assumed: evidence.isLimitAssumed ? texts.limitAssumed : nil,
            chart: chart.svg(),
            newest: "\(number(evidence.newestValue, rule.display.decimals)) · "
                + time.moment(evidence.newestAt),
            limit: number(evidence.limit, rule.display.decimals),
            slope: number(evidence.slopePerDay, rule.display.slopeDecimals)
                + language.pick(zh: " / 天", en: " a day"),
            crossing: crossing,
            readings: "\(evidence.readings)",
            rule: "\(alert.ruleID) v\(alert.ruleVersion)",
            raised: time.moment(alert.raisedAt),
            state: texts.name(alert.state),
            t: texts.words
        )
    }

    /// Readings of the component's signal, and the same at 20 °C where a rule asks for that.
    private static func samples(
        _ rule: Rule,
        _ component: RuleComponent,
        _ alert: Alert,
        _ row: SuggestionRecord,
        _ services: WebServices,
        _ now: Timestamp
    ) async throws -> (normalised: [SamplePoint], raw: [SamplePoint]) {
        let from = min(alert.evidence.firstAt, alert.evidence.newestAt - .days(Int64(2)))
        let start = max(from, alert.evidence.newestAt - history)
        let raw = try await services.reads.readings(
            of: row.vehicleID,
            path: services.catalogue[component.signal].path,
            companion: component.companion.map { services.catalogue[$0].path },
            from: start,
            to: now,
            limit: Limits.chartReadingsMax
        ).filter { rule.usable.contains($0.value) }
        let normalised = raw.compactMap { point in
            point.companion.map {
                SamplePoint(at: point.at, value: Measure.coldPressure(point.value, at: $0))
            }
        }
        return (normalised, raw)
    }
}
