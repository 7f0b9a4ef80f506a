import GatewayCore
import Messages
import Rules
import Store
import Telemetry

/// Readings, limit, trend, early-late band and proposed slot of one alert, as SVG.
///
/// Drawn on the server, so that it prints and works without script.
struct Chart {
    let rule: Rule
    let alert: Alert
    /// Readings at the rule's reference conditions, and as they came.
    let normalised: [SamplePoint]
    let raw: [SamplePoint]
    let slot: SlotRecord?
    let now: Timestamp
    let time: LocalTime
    let texts: Texts

    private static let width = 760.0
    private static let height = 300.0
    private static let left = 52.0
    private static let right = 14.0
    private static let top = 12.0
    private static let bottom = 34.0

    private static let ink = "#1b2430"
    private var rawColour: String { normalised.isEmpty ? Chart.ink : "#9aa5b1" }

    private var evidence: Evidence { alert.evidence }
    private var factor: Double { rule.display.factor }
    private var fitAt: Timestamp { max(alert.updatedAt, evidence.newestAt) }

    /// What the time axis spans.
    private var span: (from: Timestamp, to: Timestamp) {
        let first = (normalised + raw).map(\.at).min() ?? evidence.firstAt
        let from = min(first, evidence.newestAt - .days(Int64(2)))
        var to = max(now, fitAt) + .days(Int64(1))
        // A band that reaches far would squeeze the readings into a corner.
        let reach = now + .days(max(14, 1.2 * (now - from).days))
        if let late = evidence.late { to = max(to, min(late, reach)) }
        if let slot { to = max(to, min(slot.end, reach)) }
        return (from, to + .days(0.02 * (to - from).days))
    }

    private var values: (low: Double, high: Double) {
        let all = (normalised + raw).map(\.value) + [evidence.limit, evidence.level]
        let low = all.min() ?? 0
        let high = all.max() ?? 1
        let margin = max((high - low) * 0.08, 1e-6)
        return (low - margin, high + margin)
    }

    func svg() -> String {
        let span = span
        let values = values
        func x(_ at: Timestamp) -> Double {
            let share = Double((at - span.from).rawValue) / Double((span.to - span.from).rawValue)
            return Chart.left + min(max(share, 0), 1) * (Chart.width - Chart.left - Chart.right)
        }
        func y(_ value: Double) -> Double {
            let share = (value - values.low) / (values.high - values.low)
            return Chart.height - Chart.bottom
                - min(max(share, 0), 1) * (Chart.height - Chart.top - Chart.bottom)
        }
        func point(_ at: Timestamp, _ value: Double) -> String {
            "\(number(x(at))),\(number(y(value)))"
        }
        var parts: [String] = []
        parts.append(axes(span, values, x, y))
        if let slot, slot.start < span.to {
            let width = max(3, x(slot.end) - x(slot.start))
            parts.append(
                "<rect x=\"\(number(x(slot.start)))\" y=\"\(Chart.top)\" width=\"\(number(width))\" "
                    + "height=\"\(Chart.height - Chart.top - Chart.bottom)\" fill=\"#1e7b4f\" "
                    + "fill-opacity=\".35\"/>"
            )
        }
        if let early = evidence.early, let late = evidence.late, !evidence.isCrossed {
            parts.append(
                "<polygon points=\"\(point(fitAt, evidence.level)) "
                    + "\(point(min(early, span.to), evidence.limit)) "
                    + "\(point(min(late, span.to), evidence.limit))\" fill=\"#0b5cad\" "
                    + "fill-opacity=\".14\"/>"
            )
        }
        // Raw readings step back where corrected ones tell the story.
        parts.append(dots(raw, radius: normalised.isEmpty ? 2.2 : 1.6, fill: rawColour, x, y))
        parts.append(dots(normalised, radius: 2.2, fill: Chart.ink, x, y))
        if let middle = evidence.middle, !evidence.isCrossed {
            let end = min(middle, span.to)
            let share = Double((end - fitAt).rawValue) / Double(max(1, (middle - fitAt).rawValue))
            let value = evidence.level + (evidence.limit - evidence.level) * share
            parts.append(
                line(point(fitAt, evidence.level), point(end, value), "#0b5cad", dash: "6 4")
            )
        }
        parts.append(
            line(
                point(span.from, evidence.limit),
                point(span.to, evidence.limit),
                "#b3261e",
                dash: ""
            )
        )
        parts.append(line(point(now, values.low), point(now, values.high), "#5b6675", dash: "2 3"))
        let title = escape(texts.language == .zh ? alert.sentence.zh : alert.sentence.en)
        return """
            <figure><svg class="chart" viewBox="0 0 \(Int(Chart.width)) \(Int(Chart.height))" role="img">
            <title>\(title)</title>
            \(parts.joined(separator: "\n"))
            </svg><figcaption>\(legend)</figcaption></figure>
            """
    }

    private func axes(
        _ span: (from: Timestamp, to: Timestamp),
        _ values: (low: Double, high: Double),
        _ x: (Timestamp) -> Double,
        _ y: (Double) -> Double
    ) -> String {
        var parts: [String] = []
        let step = Chart.step(for: (values.high - values.low) * factor)
        var value = (values.low * factor / step).rounded(.up) * step
        while value <= values.high * factor {
            let height = number(y(value / factor))
            parts.append(
                "<line x1=\"\(Chart.left)\" x2=\"\(Chart.width - Chart.right)\" y1=\"\(height)\" "
                    + "y2=\"\(height)\" stroke=\"#e6ebf0\"/><text x=\"\(Chart.left - 6)\" "
                    + "y=\"\(height)\" dy=\"4\" text-anchor=\"end\">"
                    + "\(fixed(value, decimals: Chart.decimals(of: step)))</text>"
            )
            value += step
        }
        let days = max(1, Int(((span.to - span.from).days / 6).rounded(.up)))
        var day = time.zone.civil(span.from).date.daysSinceEpoch + 1
        while true {
            let at = time.zone.instant(
                of: CivilTime(date: CivilDate(daysSinceEpoch: day), minute: 0)
            )
            guard at < span.to else { break }
            let across = number(x(at))
            parts.append(
                "<line x1=\"\(across)\" x2=\"\(across)\" y1=\"\(Chart.height - Chart.bottom)\" "
                    + "y2=\"\(Chart.height - Chart.bottom + 5)\" stroke=\"#9aa5b1\"/>"
                    + "<text x=\"\(across)\" y=\"\(Chart.height - Chart.bottom + 20)\" "
                    + "text-anchor=\"middle\">\(escape(shortDay(at)))</text>"
            )
            day += Int64(days)
        }
        let unit = escape(
            texts.language == .zh ? rule.display.unit.zh : rule.display.unit.en
        )
        parts.append("<text x=\"4\" y=\"\(Chart.height - 8)\">\(unit)</text>")
        return parts.joined()
    }

    private func shortDay(_ at: Timestamp) -> String {
        let date = time.zone.civil(at).date
        return texts.language == .zh
            ? "\(date.month)月\(date.day)日" : String(time.day(at).dropFirst(4))
    }

    private func dots(
        _ points: [SamplePoint],
        radius: Double,
        fill: String,
        _ x: (Timestamp) -> Double,
        _ y: (Double) -> Double
    ) -> String {
        points.map {
            "<circle cx=\"\(number(x($0.at)))\" cy=\"\(number(y($0.value)))\" r=\"\(radius)\"/>"
        }.joined().wrapped(in: "<g fill=\"\(fill)\" fill-opacity=\".75\">", "</g>")
    }

    private func line(_ from: String, _ to: String, _ colour: String, dash: String) -> String {
        "<polyline points=\"\(from) \(to)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.8\""
            + (dash.isEmpty ? "/>" : " stroke-dasharray=\"\(dash)\"/>")
    }

    private var legend: String {
        let language = texts.language
        func key(_ mark: String, _ zh: String, _ en: String) -> String {
            "<span class=\"key\"><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\">\(mark)</svg>"
                + "\(language.pick(zh: zh, en: en))</span>"
        }
        var keys: [String] = []
        if !normalised.isEmpty {
            keys.append(
                key(
                    "<circle cx=\"14\" cy=\"7\" r=\"4\" fill=\"#1b2430\"/>",
                    "折算后读数",
                    "corrected readings"
                )
            )
        }
        if !raw.isEmpty {
            keys.append(
                key("<circle cx=\"14\" cy=\"7\" r=\"3\" fill=\"\(rawColour)\"/>", "读数", "readings")
            )
        }
        keys.append(
            key("<path d=\"M0 7H28\" stroke=\"#b3261e\" stroke-width=\"2\"/>", "限值", "limit")
        )
        if evidence.middle != nil, !evidence.isCrossed {
            keys.append(
                key(
                    "<path d=\"M0 7H28\" stroke=\"#0b5cad\" stroke-width=\"2\" stroke-dasharray=\"6 4\"/>",
                    "趋势",
                    "trend"
                )
            )
            keys.append(
                key(
                    "<path d=\"M0 0H28V14H0Z\" fill=\"#0b5cad\" fill-opacity=\".2\"/>",
                    "最早至最晚",
                    "early to late"
                )
            )
        }
        if slot != nil {
            keys.append(
                key(
                    "<path d=\"M10 0H18V14H10Z\" fill=\"#1e7b4f\" fill-opacity=\".4\"/>",
                    "预留时段",
                    "held slot"
                )
            )
        }
        keys.append(
            key(
                "<path d=\"M14 0V14\" stroke=\"#5b6675\" stroke-width=\"2\" stroke-dasharray=\"2 3\"/>",
                "现在",
                "now"
            )
        )
        return keys.joined()
    }

    /// A round step that gives four to eight lines.
    private static func step(for range: Double) -> Double {
        var step = 1e-6
        while range / step > 8 {
            for multiple in [2.0, 2.5, 2.0] {
                step *= multiple
                if range / step <= 8 { break }
            }
        }
        return step
    }

    private static func decimals(of step: Double) -> Int {
        step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3
    }

    private func number(_ value: Double) -> String { fixed(value, decimals: 1) }
}

extension String {
    fileprivate func wrapped(in opening: String, _ closing: String) -> String {
        opening + self + closing
    }
}

/// Text inside XML.
func escape(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        .replacing("\"", with: "&quot;")
}
