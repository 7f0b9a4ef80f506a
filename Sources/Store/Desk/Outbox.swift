import Access
import Customers
import GRDB
import GatewayCore
package import Messages
package import Rules
import Telemetry
package import Workshop

/// What customers are to hear of a unit, written in its own transaction.
///
/// Who may hear it is decided here, with the customer's words of this moment; who may not is kept
/// too, as suppressed, with the reason. Nothing is sent here.
package struct Outbox: Sendable {
    /// One message to a vehicle's owner a week, an urgent one sooner.
    private static let spacing = Milliseconds.days(Int64(7))
    /// The house's hours for what can wait: minutes after local midnight.
    private static let hours = 540..<1_200

    private let book: MessageBook
    private var rules: [String: Rule] = [:]
    private let stations: [Station]
    private let jobs: [String: Job]

    package init(book: MessageBook, rules: [Rule], stations: [Station], jobs: [Job]) {
        self.book = book
        self.stations = stations
        self.jobs = Dictionary(jobs.map { ($0.code, $0) }, uniquingKeysWith: { $1 })
        use(rules)
    }

    /// Words alerts by other rules from now on.
    mutating func use(_ rules: [Rule]) {
        self.rules = Dictionary(rules.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    }

    /// Queues what the unit gives cause for.
    func write(_ unit: CommitUnit, _ database: Database) throws {
        guard
            !unit.alerts.isEmpty || !unit.suggestions.isEmpty || !unit.appointments.isEmpty
                || !unit.dueNotices.isEmpty
        else { return }
        let raised = Set(
            unit.transitions.filter {
                $0.machine == .alert && ($0.event == "held" || $0.event == "fires_again")
            }.map(\.record)
        )
        for alert in newest(unit.alerts, by: \.id.rawValue) {
            let isFast =
                alert.evidence.isFast && [.open, .planned, .muted].contains(alert.state)
            if isFast || (raised.contains(alert.id.rawValue) && alert.state != .closed) {
                try queue(alert, unit.now, database)
            } else if alert.state == .closed || alert.state == .recovered {
                try clear(alert, unit.now, database)
            }
        }
        for suggestion in newest(unit.suggestions, by: \.id.rawValue)
        where suggestion.state == .proposed {
            guard let hold = suggestion.occupancy else { continue }
            let visit = Visit(
                vehicle: suggestion.vehicle,
                station: suggestion.station,
                need: suggestion.need,
                interval: hold.slot.interval
            )
            try queue(
                visit,
                .offer,
                book.offer,
                suggestion.id.rawValue,
                Int(hold.id.rawValue),
                unit.now,
                database
            )
        }
        for appointment in newest(unit.appointments, by: \.id.rawValue) {
            let visit = Visit(
                vehicle: appointment.vehicle,
                station: appointment.station,
                need: appointment.need,
                interval: appointment.slot.interval
            )
            for notice in notices(of: appointment) {
                try queue(
                    visit,
                    notice.kind,
                    book.visits[notice] ?? "",
                    appointment.id.rawValue,
                    appointment.sequence,
                    unit.now,
                    database
                )
            }
        }
        for notice in unit.dueNotices { try queue(notice, unit.now, database) }
    }

    /// What the visit, as it was left, gives cause to say; what was said already is not said twice.
    private func notices(of visit: Appointment) -> [VisitNotice] {
        switch visit.state {
        case .confirmed:
            let opened = Set(
                visit.openToDos.filter { $0.openedAt == visit.updatedAt }.map(\.kind)
            )
            let asked: [(ToDo.Kind, VisitNotice)] = [
                (.reminder, .reminder), (.careCall, .careCall), (.askToKeep, .askToKeep),
            ]
            return [visit.sequence == 0 ? .booked : .moved]
                + asked.filter { opened.contains($0.0) }.map(\.1)
        case .cancelled where visit.cancelCode != .vehicleLeft: return [.cancelled]
        case .arrived, .inService, .done, .noShow, .closed, .cancelled: return []
        }
    }

    /// A visit that is offered or booked.
    private struct Visit {
        var vehicle: VehicleID
        var station: Int
        var need: VisitNeed
        var interval: OpenInterval
    }

    // MARK: Causes

    private func queue(_ alert: Alert, _ now: Timestamp, _ database: Database) throws {
        guard let rule = rules[alert.ruleID] else { return }
        let texts = book.alerts[alert.ruleID] ?? book.others
        let evidence = alert.evidence
        var message = Draft(
            kind: .alert,
            vehicle: alert.vehicle,
            record: alert.id.rawValue,
            // An alert that becomes a fast loss is told once more; below zero no other version is.
            version: evidence.isFast ? -1 - alert.flapCount : alert.flapCount,
            template: evidence.isFast
                ? texts.fast ?? texts.crossed : evidence.isCrossed ? texts.crossed : texts.near
        )
        let display = rule.display
        func quantity(_ value: Double, _ language: CustomerLanguage) -> MessageValue {
            .quantity(
                value * display.factor,
                decimals: display.decimals,
                unit: language == .chinese ? display.unit.zh : display.unit.en
            )
        }
        message.values = { language in
            var values: [Placeholder: MessageValue] = [
                .value: quantity(evidence.newestValue, language),
                .limit: quantity(evidence.limit, language),
                .days: .count(max(1, Int((evidence.newestAt - evidence.firstAt).days.rounded()))),
            ]
            let title = rule.components.first { $0.name == alert.component }?.title ?? rule.title
            values[.component] = .text(language == .chinese ? title.zh : title.en)
            values[.date] = evidence.middle.map(MessageValue.day)
            values[.latest] = evidence.early.map(MessageValue.day)
            return values
        }
        message.isUrgent =
            evidence.isFast || (alert.consequence == .safety && evidence.isCrossed)
        try insert(message, now, database)
    }

    /// `version` tells messages of one record apart: the slot that is held, or how often a visit was
    /// moved.
    private func queue(
        _ visit: Visit,
        _ kind: MessageKind,
        _ template: String,
        _ record: Int64,
        _ version: Int,
        _ now: Timestamp,
        _ database: Database
    ) throws {
        var message = Draft(
            kind: kind,
            vehicle: visit.vehicle,
            record: record,
            version: version,
            template: template
        )
        message.slot = (visit.interval.start, visit.interval.end)
        message.station = stations[visit.station]
        message.isUrgent = visit.need.urgency == .p0
        message.values = { language in
            let titles = visit.need.jobs.compactMap { jobs[$0] }.map {
                language == .chinese ? $0.titleZH : $0.titleEN
            }
            return [
                .slot: .slot(visit.interval.start, visit.interval.end),
                .items: .text(titles.joined(separator: language == .chinese ? "、" : ", ")),
                .minutes: .count(visit.need.minutes),
            ]
        }
        try insert(message, now, database)
    }

    /// A date is told once: its number is the day and the kind.
    private func queue(_ notice: DueNotice, _ now: Timestamp, _ database: Database) throws {
        guard let on = notice.item.on, let template = book.due[notice.item.kind],
            let kind = DueKind.allCases.firstIndex(of: notice.item.kind)
        else { return }
        let name = try String.fetchOne(
            database,
            sql: "SELECT station_code FROM vehicle WHERE id = ?",
            arguments: [notice.vehicle.index]
        )
        let zone = (stations.first { $0.code == name } ?? stations[0]).zone
        var message = Draft(
            kind: .due,
            vehicle: notice.vehicle,
            record: Int64(notice.vehicle.index),
            version: Int(on.daysSinceEpoch) * DueKind.allCases.count + kind,
            template: template
        )
        let day = zone.instant(of: CivilTime(date: on, minute: 0))
        message.values = { _ in [.date: .day(day)] }
        try insert(message, now, database)
    }

    /// Takes back what is kept for a vehicle; what waits is not sent any more.
    private func clear(_ alert: Alert, _ now: Timestamp, _ database: Database) throws {
        try database.execute(
            sql: """
                UPDATE message SET state = 'suppressed', reason = ?1, updated_ms = ?2
                WHERE kind = 'alert' AND record_id = ?3 AND state = 'queued'
                """,
            arguments: [
                SuppressionReason.outdated.rawValue, now.milliseconds, alert.id.rawValue,
            ]
        )
        try database.execute(
            sql: """
                INSERT INTO message (kind, vehicle, record_id, version, customer_id, channel, state,
                    due_ms, created_ms, updated_ms)
                SELECT 'clear', vehicle, record_id, version, customer_id, channel, 'queued',
                    ?1, ?1, ?1
                FROM message
                WHERE kind = 'alert' AND record_id = ?2 AND channel = 'app'
                    AND state IN ('sent', 'delivered')
                ON CONFLICT DO NOTHING
                """,
            arguments: [now.milliseconds, alert.id.rawValue]
        )
    }

    // MARK: Who hears it

    /// A message before it is known who hears it.
    private struct Draft {
        var kind: MessageKind
        var vehicle: VehicleID
        var record: Int64
        /// Tells messages of one record apart: how often it fired, which slot it is about.
        var version: Int
        var template: String
        var values: (CustomerLanguage) -> [Placeholder: MessageValue] = { _ in [:] }
        var slot: (start: Timestamp, end: Timestamp)?
        var station: Station?
        var isUrgent = false

        init(kind: MessageKind, vehicle: VehicleID, record: Int64, version: Int, template: String) {
            self.kind = kind
            self.vehicle = vehicle
            self.record = record
            self.version = version
            self.template = template
        }
    }

    private func insert(_ draft: Draft, _ now: Timestamp, _ database: Database) throws {
        let row = try Row.fetchOne(
            database,
            sql: "SELECT name, station_code FROM vehicle WHERE id = ?",
            arguments: [draft.vehicle.index]
        )
        guard let row else { return }
        let vehicle: String = row["name"]
        let code: String? = row["station_code"]
        let station = draft.station ?? stations.first { $0.code == code } ?? stations[0]
        let owner = try Desk.owner(of: vehicle, database)
        let language = owner?.profile.language ?? .chinese
        var text: String?
        var reason = try refusal(of: draft, owner, vehicle, now, database)
        if reason == nil, let owner {
            var values = draft.values(language)
            values[.name] = Outbox.address(owner.profile)
            values[.station] = .text(language == .chinese ? station.titleZH : station.titleEN)
            values[.phone] = .text(station.phone)
            let time = LocalTime(zone: station.zone, language: language)
            text = try? book.templates[draft.template]?[language]?.rendered(values, in: time)
            if text == nil { reason = .missingPlaceholder }
        }
        let due = draft.isUrgent ? now : Outbox.due(now, owner?.profile, station.zone)
        try database.execute(
            sql: """
                INSERT INTO message (kind, vehicle, record_id, version, customer_id, channel,
                    language, template, text, start_ms, end_ms, nonce, state, reason, due_ms,
                    created_ms, updated_ms)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """,
            arguments: [
                draft.kind.rawValue, vehicle, draft.record, draft.version, owner?.id,
                owner?.profile.channel.rawValue, language.rawValue, draft.template, text,
                draft.slot?.start.milliseconds, draft.slot?.end.milliseconds,
                draft.kind == .offer && reason == nil ? Secret.make() : nil,
                reason == nil ? MessageState.queued.rawValue : MessageState.suppressed.rawValue,
                reason?.rawValue, due.milliseconds, now.milliseconds, now.milliseconds,
            ]
        )
    }

    private func refusal(
        of draft: Draft,
        _ owner: CustomerRecord?,
        _ vehicle: String,
        _ now: Timestamp,
        _ database: Database
    ) throws -> SuppressionReason? {
        guard let owner else { return .noOwner }
        guard owner.allows(.service) else { return .noConsent }
        switch owner.profile.channel {
        case .phone: return .byPhone
        case .app: guard owner.allows(.app) else { return .noConsent }
        case .sms: break
        }
        // An offer follows its alert, and a booking its offer; alerts themselves are spaced.
        guard draft.kind == .alert, !draft.isUrgent else { return nil }
        let isTooSoon = try Bool.fetchOne(
            database,
            sql: """
                SELECT EXISTS (SELECT 1 FROM message WHERE vehicle = ? AND kind = 'alert'
                    AND state <> 'suppressed' AND created_ms > ?)
                """,
            arguments: [vehicle, (now - Outbox.spacing).milliseconds]
        )
        return isTooSoon == true ? .tooSoon : nil
    }

    private static func address(_ profile: CustomerProfile) -> MessageValue? {
        guard let name = profile.name else { return nil }
        guard let salutation = profile.salutation else { return .text(name) }
        return .text(profile.language == .chinese ? name + salutation : "\(salutation) \(name)")
    }

    /// Now, or when the customer's day begins.
    private static func due(
        _ now: Timestamp,
        _ profile: CustomerProfile?,
        _ zone: ZoneOffsets
    ) -> Timestamp {
        let from = profile?.contactFromMinute ?? hours.lowerBound
        let to = profile?.contactToMinute ?? hours.upperBound
        let local = zone.civil(now)
        if (from..<to).contains(local.minute) { return now }
        let days = local.minute < from ? 0 : 1
        let date = CivilDate(daysSinceEpoch: local.date.daysSinceEpoch + Int64(days))
        return zone.instant(of: CivilTime(date: date, minute: from))
    }
}
