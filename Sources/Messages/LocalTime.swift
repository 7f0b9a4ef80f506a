package import Customers
package import Telemetry

/// Instants as people at a station read them.
package struct LocalTime: Sendable {
    package let zone: ZoneOffsets
    package let language: CustomerLanguage

    package init(zone: ZoneOffsets, language: CustomerLanguage) {
        self.zone = zone
        self.language = language
    }

    private static let weekdaysZH = ["一", "二", "三", "四", "五", "六", "日"]
    private static let weekdaysEN = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `3月14日 周六` or `Sat 14 Mar`.
    package func day(_ instant: Timestamp) -> String {
        let date = zone.civil(instant).date
        switch language {
        case .chinese:
            return "\(date.month)月\(date.day)日 周\(LocalTime.weekdaysZH[date.weekday - 1])"
        case .english:
            return "\(LocalTime.weekdaysEN[date.weekday - 1]) \(date.day) "
                + LocalTime.months[date.month - 1]
        }
    }

    /// `3月14日 周六 13:00`.
    package func moment(_ instant: Timestamp) -> String {
        "\(day(instant)) \(zone.civil(instant).clock)"
    }

    /// `Sat 14 Mar 13:00–14:00`.
    package func slot(_ start: Timestamp, _ end: Timestamp) -> String {
        "\(moment(start))–\(zone.civil(end).clock)"
    }

    /// `in 3 days`, `2 days ago`.
    package func relative(_ instant: Timestamp, now: Timestamp) -> String {
        let hours = (instant - now).hours
        let count = abs(hours) < 48 ? Int(abs(hours).rounded()) : Int((abs(hours) / 24).rounded())
        let isHours = abs(hours) < 48
        switch language {
        case .chinese:
            let unit = isHours ? "小时" : "天"
            return hours >= 0 ? "\(count)\(unit)后" : "已过\(count)\(unit)"
        case .english:
            let unit = (isHours ? "hour" : "day") + (count == 1 ? "" : "s")
            return hours >= 0 ? "in \(count) \(unit)" : "\(count) \(unit) ago"
        }
    }
}
