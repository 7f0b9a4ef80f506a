package import Telemetry

/// Where a source's packets, or single values of them, tell their time.
package enum SourceClock: Sendable, Equatable {
    /// A value is as old as its arrival.
    case arrival
    /// At a JSON pointer, in a form.
    case told(pointer: String, TimeForm)
    /// A value is as old as its arrival less an age at a JSON pointer, of which one is `unit`
    /// milliseconds; where it is missing, as old as its arrival.
    case arrivalMinus(pointer: String, unit: Int64)

    var pointer: String? {
        switch self {
        case .arrival: nil
        case .told(let pointer, _), .arrivalMinus(let pointer, _): pointer
        }
    }
}

/// How a time is written.
///
/// Without a format it is ISO 8601 with any offset from UTC, or a count since 1970 in seconds,
/// milliseconds, microseconds or nanoseconds, by its size. A local time is never guessed: without
/// a zone, one that tells no offset is refused.
package struct TimeForm: Sendable, Equatable {
    /// For times that tell no offset themselves.
    package var zone: ZoneOffsets?
    package var format: TimeFormat?

    package init(zone: ZoneOffsets? = nil, format: TimeFormat? = nil) {
        self.zone = zone
        self.format = format
    }

    /// The instant a text means; one that is not of the form means none.
    ///
    /// Of the two instants of a local hour that comes twice, the one nearer to the arrival; a local
    /// time that a change of the clocks leaves out counts from before the change.
    package func instant(of text: [UInt8], receivedAt: Timestamp) -> Timestamp? {
        var parser = TimeText(text)
        guard let format else {
            if let count = JSONScanner.number(in: text) { return TimeForm.time(counted: count) }
            return parser.takeISO() ? instant(parser.fields, receivedAt) : nil
        }
        guard format.take(&parser) else { return nil }
        return instant(parser.fields, receivedAt)
    }

    /// Each form is a thousand times the one before, and ten digits of seconds last until 2286.
    static func time(counted number: Double) -> Timestamp? {
        switch number.magnitude {
        case ..<1e11: Timestamp(milliseconds: Int64(number * 1e3))
        case ..<1e14: Timestamp(milliseconds: Int64(number))
        case ..<1e17: Timestamp(milliseconds: Int64(number / 1e3))
        case ..<1e20: Timestamp(milliseconds: Int64(number / 1e6))
        default: nil
        }
    }

    private func instant(_ fields: TimeText.Fields, _ receivedAt: Timestamp) -> Timestamp? {
        if let seconds = fields.sinceEpoch {
            return Timestamp(milliseconds: seconds * 1_000 + fields.milliseconds)
        }
        let date = CivilDate(year: fields.year, month: fields.month, day: fields.day)
        guard date.isValid, let hour = fields.hourOfDay, fields.minute <= 59, fields.second <= 60
        else { return nil }
        let minutes = date.daysSinceEpoch * 1_440 + Int64(hour * 60 + fields.minute)
        let local = Timestamp(
            milliseconds: (minutes * 60 + Int64(fields.second)) * 1_000 + fields.milliseconds
        )
        if let offset = fields.offsetMinutes { return local - .seconds(Int64(offset) * 60) }
        return zone?.instant(ofLocal: local, nearest: receivedAt)
    }
}

extension ZoneOffsets {
    /// The instant at which the zone's clocks show what UTC's would at `local`.
    fileprivate func instant(ofLocal local: Timestamp, nearest arrival: Timestamp) -> Timestamp {
        let before = local - offset(at: local - .days(Int64(1)))
        let after = local - offset(at: local + .days(Int64(1)))
        let candidates = [before, after].filter { $0 + offset(at: $0) == local }
        func distance(_ instant: Timestamp) -> UInt64 { (instant - arrival).rawValue.magnitude }
        return candidates.min { distance($0) < distance($1) } ?? before
    }
}

/// A format as of `strftime`: `%d/%m/%Y %H:%M:%S`.
package struct TimeFormat: Sendable, Equatable {
    private enum Item: Sendable, Equatable {
        case text(UInt8)
        /// Any number of blanks, as `strptime` has it.
        case blank
        case field(UInt8)
    }

    private var items: [Item] = []
    /// Whether the format says how the time stands to UTC.
    package private(set) var tellsOffset = false

    /// Whether the format tells a whole time: no year, day or half of the day is guessed.
    package var isWhole: Bool {
        func has(_ letters: String) -> Bool {
            letters.utf8.contains { items.contains(.field($0)) }
        }
        let hasHour = has("H") || (has("I") && has("p"))
        return has("s") || (has("Yy") && has("mbB") && has("de") && hasHour && has("M"))
    }

    /// The letters a format may have behind a per cent sign.
    package static let letters = "Y y m d e b B a A H I p M S f z s T F R %"

    /// Nil when a letter behind a per cent sign is none of `letters`.
    package init?(_ text: String) {
        let expanded = text.replacing("%T", with: "%H:%M:%S").replacing("%F", with: "%Y-%m-%d")
            .replacing("%R", with: "%H:%M")
        var bytes = Array(expanded.utf8)[...]
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let letter = bytes.popFirst() else { return nil }
                if letter == UInt8(ascii: "%") {
                    items.append(.text(letter))
                    continue
                }
                guard TimeFormat.fields.contains(letter) else { return nil }
                items.append(.field(letter))
                if letter == UInt8(ascii: "z") || letter == UInt8(ascii: "s") { tellsOffset = true }
            case 0x20: if items.last != .blank { items.append(.blank) }
            default: items.append(.text(byte))
            }
        }
        guard !items.isEmpty else { return nil }
    }

    private static let fields = Array("YymdebBaAHIpMSfzs".utf8)

    /// Takes the whole of a text into the parser's fields; false when it is not of the format.
    func take(_ parser: inout TimeText) -> Bool {
        for item in items {
            let isTaken =
                switch item {
                case .text(let byte): parser.take(byte)
                case .blank: parser.takeBlanks()
                case .field(let letter): TimeFormat.take(letter, &parser)
                }
            guard isTaken else { return false }
        }
        return parser.isAtEnd
    }

    private static func take(_ letter: UInt8, _ parser: inout TimeText) -> Bool {
        switch letter {
        case UInt8(ascii: "Y"): parser.take(4...4, into: \.year)
        case UInt8(ascii: "y"): parser.takeShortYear()
        case UInt8(ascii: "m"): parser.take(1...2, into: \.month)
        case UInt8(ascii: "d"), UInt8(ascii: "e"):
            parser.takeBlanks() && parser.take(1...2, into: \.day)
        case UInt8(ascii: "b"), UInt8(ascii: "B"): parser.takeMonthName()
        case UInt8(ascii: "a"), UInt8(ascii: "A"): parser.takeWeekdayName()
        case UInt8(ascii: "H"), UInt8(ascii: "I"): parser.take(1...2, into: \.hour)
        case UInt8(ascii: "p"): parser.takeHalfOfDay()
        case UInt8(ascii: "M"): parser.take(1...2, into: \.minute)
        case UInt8(ascii: "S"): parser.take(1...2, into: \.second)
        case UInt8(ascii: "f"): parser.takeFraction()
        case UInt8(ascii: "z"): parser.takeOffset()
        default: parser.takeSinceEpoch()
        }
    }
}
