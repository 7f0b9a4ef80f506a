package import Telemetry

/// What a template leaves open; each has a type, so that a number cannot stand where a day should.
package enum Placeholder: String, CaseIterable, Sendable {
    /// The customer, as addressed.
    case name
    /// What it is about: 左前轮胎.
    case component
    /// A measured value and its limit, with their unit.
    case value
    case limit
    /// When a limit is expected to be met, and the day before which to come.
    case date
    case latest
    /// Over how many days a trend was seen.
    case days
    case slot
    case station
    case phone
    case items
    case minutes
    /// Of a call: who calls, the alert's sentence, the other times, what comes near.
    case caller
    case evidence
    case alternatives
    case due

    fileprivate func accepts(_ value: MessageValue) -> Bool {
        switch (self, value) {
        case (.name, .text), (.component, .text), (.station, .text), (.phone, .text),
            (.items, .text), (.caller, .text), (.evidence, .text), (.alternatives, .text),
            (.due, .text), (.value, .quantity), (.limit, .quantity), (.date, .day),
            (.latest, .day), (.days, .count), (.minutes, .count), (.slot, .slot):
            true
        default: false
        }
    }
}

/// What stands in for a placeholder.
package enum MessageValue: Sendable, Equatable {
    case text(String)
    case count(Int)
    case quantity(Double, decimals: Int, unit: String)
    case day(Timestamp)
    case slot(Timestamp, Timestamp)
}

/// A text for customers in one language, in pieces.
package struct MessageTemplate: Sendable, Equatable {
    package enum Piece: Sendable, Equatable {
        case text(String)
        case placeholder(Placeholder)
    }

    package let pieces: [Piece]

    /// Takes `您好{name}`; braces stand for nothing but placeholders.
    /// - Throws: with the braces that hold no placeholder, or the one that is not closed.
    package init(_ text: String) throws(UnknownPlaceholder) {
        var pieces: [Piece] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            if open > rest.startIndex { pieces.append(.text(String(rest[..<open]))) }
            let after = rest.index(after: open)
            guard let close = rest[after...].firstIndex(of: "}") else {
                throw UnknownPlaceholder(word: String(rest[open...]))
            }
            let word = String(rest[after..<close])
            guard let placeholder = Placeholder(rawValue: word) else {
                throw UnknownPlaceholder(word: "{\(word)}")
            }
            pieces.append(.placeholder(placeholder))
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { pieces.append(.text(String(rest))) }
        self.pieces = pieces
    }

    package struct UnknownPlaceholder: Error, Equatable {
        package var word: String
    }

    /// Why a message is not sent: nothing is left blank.
    package struct MissingValue: Error, Equatable {
        package var placeholder: Placeholder

        package init(placeholder: Placeholder) {
            self.placeholder = placeholder
        }
    }

    /// The text with its values, as people at the station's place write them.
    package func rendered(
        _ values: [Placeholder: MessageValue],
        in time: LocalTime
    ) throws(MissingValue) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let fixed): text += fixed
            case .placeholder(let placeholder):
                guard let value = values[placeholder], placeholder.accepts(value),
                    let words = value.words(in: time)
                else { throw MissingValue(placeholder: placeholder) }
                text += words
            }
        }
        return text
    }
}

extension MessageValue {
    /// Nil for what would leave a blank.
    fileprivate func words(in time: LocalTime) -> String? {
        switch self {
        case .text(let text): text.isEmpty ? nil : text
        case .count(let count): "\(count)"
        case .quantity(let value, let decimals, let unit):
            value.isFinite ? "\(MessageValue.fixed(value, decimals: decimals)) \(unit)" : nil
        case .day(let day): time.day(day)
        case .slot(let start, let end): time.slot(start, end)
        }
    }

    /// A number with so many decimals, rounded half away from zero.
    private static func fixed(_ value: Double, decimals: Int) -> String {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.magnitude < 1e15 else { return "\(value)" }
        let digits = padded(Int64(scaled.magnitude), width: decimals + 1)
        let sign = scaled < 0 ? "-" : ""
        guard decimals > 0 else { return sign + digits }
        return "\(sign)\(digits.dropLast(decimals)).\(digits.suffix(decimals))"
    }
}
