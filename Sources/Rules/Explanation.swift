package import Telemetry

/// Evidence → one sentence an advisor can read out, in both languages.
package enum Explanation {
    /// What a rule file's text may name, in braces.
    package static let placeholders: Set<String> = [
        "component", "from", "value", "unit", "span", "slope", "pace", "limit", "early", "middle",
        "late", "level",
        "range", "months", "readings", "newest",
    ]

    private enum Language {
        case zh
        case en
    }

    package static func sentence(
        rule: Rule,
        component: RuleComponent,
        evidence: Evidence,
        freeSlot: Timestamp? = nil,
        at now: Timestamp,
        zone: ZoneOffsets
    ) -> Bilingual {
        let text: Bilingual
        if evidence.isFast, isLow(evidence, rule), let fastText = rule.fastText {
            text = fastText
        } else if evidence.isCrossed, isBeyond(evidence, rule) {
            text = rule.crossedText
        } else {
            let isEasing = evidence.middle == nil || evidence.isCrossed || evidence.isFast
            text = isEasing ? easing : rule.nearText
        }
        func render(_ template: String, _ language: Language) -> String {
            fill(template) {
                value(
                    of: $0,
                    rule: rule,
                    component: component,
                    evidence: evidence,
                    now: now,
                    zone: zone,
                    language
                )
            }
        }
        var sentence = Bilingual(zh: render(text.zh, .zh), en: render(text.en, .en))
        if let freeSlot {
            // Why it is told today: the workshop's calendar.
            sentence.zh += "最近可约时间为\(day(freeSlot, now: now, zone: zone, .zh))。"
            sentence.en += " The next free slot is on \(day(freeSlot, now: now, zone: zone, .en))."
        }
        return sentence
    }

    /// Told while an alert may be over: no date is foreseen, and the limit is not met any more.
    private static let easing = Bilingual(
        zh: "{component}目前{value} {unit}（限值{limit} {unit}），暂无预计日期；"
            + "{readings}个读数，最新{newest}。",
        en:
            "{component}: {value} {unit} at present (limit {limit} {unit}), and no date is foreseen; "
            + "{readings} readings, newest {newest}."
    )

    /// Whether the newest value is where the text says it is; a composite rule has no side.
    private static func isBeyond(_ evidence: Evidence, _ rule: Rule) -> Bool {
        rule.condition != nil
            || rule.direction.sign * (evidence.newestValue - evidence.limit) <= 0
    }

    /// Whether the newest value is still one to stop for; one of a tyre that was filled is not.
    private static func isLow(_ evidence: Evidence, _ rule: Rule) -> Bool {
        guard let fast = rule.near.fast, case .fractionOfPlacard(let share, _) = rule.limit else {
            return true
        }
        return evidence.newestValue < fast.placardShare / share * evidence.limit
    }

    /// The names in braces of a template, in order.
    package static func names(in template: String) -> [String] {
        var names: [String] = []
        _ = fill(template) {
            names.append($0)
            return ""
        }
        return names
    }

    private static func fill(_ template: String, _ value: (String) -> String) -> String {
        var result = ""
        var name: String?
        for character in template {
            switch (character, name) {
            case ("{", nil): name = ""
            case ("}", let open?):
                result += value(open)
                name = nil
            case (_, let open?): name = open + String(character)
            case (_, nil): result.append(character)
            }
        }
        return result
    }

    private static func value(
        of name: String,
        rule: Rule,
        component: RuleComponent,
        evidence: Evidence,
        now: Timestamp,
        zone: ZoneOffsets,
        _ language: Language
    ) -> String {
        func number(_ value: Double, _ decimals: Int? = nil) -> String {
            fixed(value * rule.display.factor, decimals: decimals ?? rule.display.decimals)
        }
        func pick(_ text: Bilingual) -> String { language == .zh ? text.zh : text.en }
        func date(_ instant: Timestamp?) -> String {
            instant.map { day($0, now: now, zone: zone, language) } ?? "–"
        }
        switch name {
        case "component": return pick(component.title)
        case "from": return number(evidence.firstValue)
        case "value": return number(evidence.newestValue)
        case "unit": return pick(rule.display.unit)
        case "span": return span(evidence.newestAt - evidence.firstAt, language)
        case "slope":
            let slope = number(evidence.slopePerDay, rule.display.slopeDecimals)
            return evidence.slopePerDay > 0 && slope != "0" ? "+" + slope : slope
        // How fast, whichever way: what a driver drives has no sign.
        case "pace": return number(abs(evidence.slopePerDay), rule.display.slopeDecimals)
        case "level": return number(evidence.level)
        case "limit": return number(evidence.limit)
        case "early": return date(evidence.early)
        case "middle": return date(evidence.middle)
        case "late": return date(evidence.late)
        case "range":
            let early = date(evidence.early)
            let late = date(evidence.late)
            return early == late
                ? early : language == .zh ? "\(early)至\(late)" : "\(early) to \(late)"
        case "months":
            let days = ((evidence.late ?? now) - now).days
            return String(max(1, Int((days / 30).rounded(.up))))
        case "readings": return String(evidence.readings)
        case "newest":
            let clock = zone.civil(evidence.newestAt).clock
            return "\(date(evidence.newestAt)) \(clock)"
        default: preconditionFailure("A rule file's placeholders are checked when it is read.")
        }
    }

    private static func span(_ span: Milliseconds, _ language: Language) -> String {
        if span < .days(Int64(2)) {
            let hours = max(1, Int(span.hours.rounded()))
            return language == .zh ? "\(hours)小时" : hours == 1 ? "1 hour" : "\(hours) hours"
        }
        let days = Int(span.days.rounded())
        return language == .zh ? "\(days)天" : "\(days) days"
    }

    /// `3月19日` or `19 Mar`; with the year when it is not this one.
    private static func day(
        _ instant: Timestamp,
        now: Timestamp,
        zone: ZoneOffsets,
        _ language: Language
    ) -> String {
        let date = zone.civil(instant).date
        let isThisYear = date.year == zone.civil(now).date.year
        switch language {
        case .zh: return "\(isThisYear ? "" : "\(date.year)年")\(date.month)月\(date.day)日"
        case .en:
            return "\(date.day) \(monthNames[date.month - 1])\(isThisYear ? "" : " \(date.year)")"
        }
    }

    private static let monthNames = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}

/// A number with a fixed count of decimals, without locale: `-0.024`, and `0` never signed.
package func fixed(_ value: Double, decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 1e15 else { return "\(value)" }
    let units = Int64(scaled)
    let sign = value < 0 && units != 0 ? "-" : ""
    guard decimals > 0 else { return sign + String(units) }
    return "\(sign)\(units / Int64(scale)).\(padded(units % Int64(scale), width: decimals))"
}
