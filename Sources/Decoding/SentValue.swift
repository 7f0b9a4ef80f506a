import Telemetry

/// What a sent value means to its mapping.
enum SentValue: Equatable {
    case number(Double)
    /// A value of a signal that is one or the other, and of no other.
    case truth(Bool)
    /// The sender says that there is no value.
    case absent
    /// Neither a number nor a word that the mapping knows.
    case unusable

    /// Longer texts are no words: units and states have a few letters.
    private static let wordBytesMax = 64

    /// One of the mapping's words, a word for no value, a truth value, or a number with nothing
    /// but blanks around it.
    init(text: [UInt8], _ mapping: Source.Mapping) {
        guard text.count <= SentValue.wordBytesMax else {
            self = .unusable
            return
        }
        let word = String(decoding: text, as: UTF8.self)
        if let value = mapping.words[word] {
            self = .number(value)
        } else if mapping.absence.holds(word) {
            self = .absent
        } else if word == "true" || word == "false" {
            self = .truth(word == "true")
        } else if let number = JSONScanner.number(in: text) {
            self.init(number: number, mapping)
        } else {
            self = .unusable
        }
    }

    init(number: Double, _ mapping: Source.Mapping) {
        self = mapping.absence.values.contains(number) ? .absent : .number(number)
    }

    /// A JSON value.
    init(_ value: JSONWalk.Value, _ payload: Span<UInt8>, _ mapping: Source.Mapping) {
        switch value.kind {
        case .number(let number): self.init(number: number, mapping)
        case .boolean: self.init(text: Array(value.string(payload).utf8), mapping)
        case .text: self.init(text: Array(value.string(payload).utf8), mapping)
        case .null: self = .absent
        case .composite: self = .unusable
        }
    }

    /// The bytes of a scalar payload: a number or word as it is, or in a JSON string.
    init(bytes: Span<UInt8>, from start: Int, to end: Int, _ mapping: Source.Mapping) {
        if bytes[start] == UInt8(ascii: "\"") {
            var scanner = JSONScanner(position: start)
            guard let text = try? scanner.text(bytes), scanner.position == end else {
                self = .unusable
                return
            }
            self.init(text: scanner.unescaped(text, bytes), mapping)
            return
        }
        var text: [UInt8] = []
        for index in start..<end { text.append(bytes[index]) }
        self.init(text: text, mapping)
    }
}

extension Source.Absence {
    func holds(_ word: String) -> Bool {
        let trimmed = word.drop { $0 == " " }
        let end = trimmed.lastIndex { $0 != " " }.map(trimmed.index(after:)) ?? trimmed.endIndex
        return words.contains(trimmed[..<end].lowercased())
    }
}

extension JSONScanner {
    /// A number with nothing but blanks around it, by the rules of JSON.
    static func number(in text: [UInt8]) -> Double? {
        guard let start = text.firstIndex(where: { $0 != 0x20 }),
            let last = text.lastIndex(where: { $0 != 0x20 })
        else { return nil }
        let bytes = Array(text[start...last])
        var scanner = JSONScanner()
        guard let number = try? scanner.number(bytes.span), scanner.position == bytes.count else {
            return nil
        }
        return number
    }
}
