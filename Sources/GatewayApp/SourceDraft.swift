import Decoding
import Foundation
package import Telemetry

/// Messages that were heard → a first source file, with what is not mapped as comments.
package struct SourceDraft {
    package struct Heard: Sendable {
        package var topic: String
        package var payload: [UInt8]

        package init(topic: String, payload: [UInt8]) {
            self.topic = topic
            self.payload = payload
        }
    }

    /// The file, in YAML.
    package private(set) var text = ""
    /// Values that are mapped, of which the unit is to be chosen, and of which no signal is known.
    package private(set) var mapped = 0
    package private(set) var undecided = 0
    package private(set) var unmapped = 0
    /// A message to try the draft with: one of those that say most.
    package private(set) var example: Heard

    /// A value as it stands in a message.
    private struct Field {
        var from: String
        var sample: String
        var values: [Double]
        var unit: String?
        var unitPointer: String?
    }

    private let catalogue: Catalogue
    private var lines: [String] = []
    private var certain: Set<String> = []

    /// Nil when nothing was heard.
    package init?(_ heard: [Heard], filter: String, catalogue: Catalogue) {
        self.catalogue = catalogue
        let documents = heard.filter { SourceDraft.isDocument($0.payload) }
        let isScalar = documents.count * 2 < heard.count
        let own = isScalar ? heard.filter { !SourceDraft.isDocument($0.payload) } : documents
        guard let first = own.max(by: { $0.payload.count < $1.payload.count }) else { return nil }
        example = first
        let depths = Dictionary(grouping: own) { $0.topic.split(separator: "/").count }
        let used = isScalar ? own : depths.values.max { $0.count < $1.count } ?? own
        let topic = DraftTopic(used.map(\.topic), filter: filter, isNamingValues: isScalar)
        let name = filter.split(separator: "/").first { !["+", "#"].contains($0) }
        lines = [
            "# A draft from \(heard.count) messages on \(filter): read it, mend it, then run",
            "#   gateway sources try TOPIC PAYLOAD      gateway sources test",
            "name: \(name ?? "draft")",
            "topic: \(SourceDraft.quoted(topic.pattern))",
        ]
        if let subscription = topic.subscription {
            lines.append("subscribe: [\(SourceDraft.quoted(subscription))]")
        }
        lines.append("payload: \(isScalar ? "scalar" : "object")")
        if isScalar {
            if !topic.namesVehicle { lines.append(SourceDraft.vehicleMissing) }
            scalars(used, topic)
        } else {
            example = used.max { $0.payload.count < $1.payload.count } ?? example
            objects(used, topic)
        }
        if heard.count > used.count {
            lines.append("# \(heard.count - used.count) messages are of another shape or depth:")
            let others = Set(heard.map(\.topic)).subtracting(used.map(\.topic)).sorted()
            for other in others.prefix(20) { lines.append("#   \(SourceDraft.short(other))") }
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    private static let vehicleMissing =
        "# vehicle: …   no level of the topic looks like a vehicle: name one {vehicle}"

    private static func isDocument(_ payload: [UInt8]) -> Bool {
        let first = payload.first { $0 > 0x20 }
        return (first == UInt8(ascii: "{") || first == UInt8(ascii: "["))
            && (try? JSONLeaves.list(payload.span)) != nil
    }

    // MARK: Scalars

    private mutating func scalars(_ heard: [Heard], _ topic: DraftTopic) {
        var samples: [String: [String]] = [:]
        for message in heard {
            let levels = message.topic.split(separator: "/", omittingEmptySubsequences: false)
            let rest = levels.dropFirst(topic.levelsBeforeRest).joined(separator: "/")
            samples[rest, default: []].append(String(decoding: message.payload, as: UTF8.self))
        }
        let fields = samples.sorted { $0.key < $1.key }.map { name, texts in
            Field(from: name, sample: texts[0], values: texts.compactMap(SourceDraft.number))
        }
        write(fields)
        example =
            heard.first { message in
                let levels = message.topic.split(separator: "/", omittingEmptySubsequences: false)
                return certain.contains(
                    levels.dropFirst(topic.levelsBeforeRest).joined(separator: "/")
                )
            } ?? example
    }

    private static func number(_ text: String) -> Double? {
        Double(text.trimmingCharacters(in: [" ", "\""]))
    }

    // MARK: Objects

    private mutating func objects(_ heard: [Heard], _ topic: DraftTopic) {
        let isBatch = example.payload.first { $0 > 0x20 } == UInt8(ascii: "[")
        var fields: [String: JSONLeaves.Leaf] = [:]
        var texts: [String: [String]] = [:]
        var order: [String] = []
        for message in heard {
            for var leaf in (try? JSONLeaves.list(message.payload.span)) ?? [] {
                if isBatch {
                    let parts = leaf.pointer.split(separator: "/", maxSplits: 1)
                    leaf.pointer = parts.count == 2 ? "/\(parts[1])" : ""
                    leaf.arrays -= 1
                }
                if fields[leaf.pointer] == nil { order.append(leaf.pointer) }
                fields[leaf.pointer] = fields[leaf.pointer] ?? leaf
                texts[leaf.pointer, default: []].append(leaf.text)
            }
        }
        let leaves = order.compactMap { fields[$0] }
        if isBatch { lines.append("each: {in: \"\"}") }
        let pointer = SourceDraft.vehiclePointer(leaves, texts)
        // A VIN in the body says more than any level of the topic.
        let isVIN = pointer.map { $0.lowercased().hasSuffix("vin") } ?? false
        if !topic.namesVehicle || isVIN {
            lines.append(
                pointer.map { "vehicle: \(SourceDraft.quoted($0))" } ?? SourceDraft.vehicleMissing
            )
        }
        let time = SourceDraft.time(leaves)
        lines.append(time.line)
        if let walk = SourceDraft.walk(leaves) {
            lines.append(walk.line)
            return write(walk.fields)
        }
        let single = leaves.filter { $0.arrays == 0 && $0.pointer != time.pointer }
        let kinds = Dictionary(single.map { ($0.pointer, $0.kind) }) { $1 }
        write(
            single.filter { !SourceDraft.isUnit($0.pointer) }.map { leaf in
                let sibling = SourceDraft.unitPointers(of: leaf.pointer).first {
                    kinds[$0] == .text
                }
                return Field(
                    from: leaf.pointer,
                    sample: leaf.text,
                    values: (texts[leaf.pointer] ?? []).compactMap(SourceDraft.number),
                    unit: sibling.flatMap { texts[$0]?.first },
                    unitPointer: sibling
                )
            }
        )
        let arrays = leaves.filter { $0.arrays > 0 }.map(\.pointer)
        guard !arrays.isEmpty else { return }
        lines.append("# in arrays, which `each` walks (each: {in: /records}):")
        for array in arrays.prefix(20) { lines.append("#   \(SourceDraft.short(array))") }
        unmapped += arrays.count
    }

    private static func isUnit(_ pointer: String) -> Bool {
        let last = pointer.split(separator: "/").last?.lowercased() ?? ""
        return last == "unit" || last == "units" || last.hasSuffix("_unit")
    }

    /// Where a unit may stand that belongs to a value: beside it or named after it.
    private static func unitPointers(of pointer: String) -> [String] {
        let parent = pointer.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        let last = pointer.split(separator: "/").last ?? ""
        let beside = ["value", "val", "v"].contains(last.lowercased()) ? ["unit", "units"] : []
        return beside.map { "\(parent)/\($0)" } + ["\(pointer)_unit"]
    }

    /// A member that names the vehicle: one that stays the same from message to message.
    private static func vehiclePointer(
        _ leaves: [JSONLeaves.Leaf],
        _ texts: [String: [String]]
    ) -> String? {
        let names = [
            "vin", "vehicle", "vehicleid", "ident", "imei", "deviceid", "uniqueid", "subject",
            "device", "id",
        ]
        return names.lazy.compactMap { name in
            leaves.first { leaf in
                let last = leaf.pointer.split(separator: "/").last ?? ""
                let said = texts[leaf.pointer] ?? []
                let isOfMessage = said.count > 2 && Set(said).count == said.count
                return leaf.arrays == 0 && !leaf.text.isEmpty && !isOfMessage
                    && last.lowercased().filter { $0.isLetter } == name
            }?.pointer
        }.first
    }

    /// The packet's time: a member with such a name, and a value that can be one.
    private static func time(_ leaves: [JSONLeaves.Leaf]) -> (line: String, pointer: String?) {
        let names = ["timestamp", "ts", "time", "datetime", "devicetime", "createdat", "date", "t"]
        let found = leaves.filter { leaf in
            guard leaf.arrays == 0, leaf.pointer.split(separator: "/").count <= 3 else {
                return false
            }
            let last = (leaf.pointer.split(separator: "/").last ?? "").lowercased()
            return names.contains(last.filter { $0.isLetter }) || last.hasSuffix("timestamp")
        }.sorted { $0.pointer.split(separator: "/").count < $1.pointer.split(separator: "/").count }
        for leaf in found {
            let text = Array(leaf.text.utf8)
            if let time = TimeForm().instant(of: text, receivedAt: .distantPast),
                time > Limits.observedAtMin
            {
                return ("time: \(quoted(leaf.pointer))", leaf.pointer)
            }
            if TimeForm(zone: .utc).instant(of: text, receivedAt: .distantPast) != nil {
                return (
                    "# time: {from: \(quoted(leaf.pointer)), zone: …}   '\(short(leaf.text))' tells no zone: which?",
                    leaf.pointer
                )
            }
        }
        if let first = found.first(where: { $0.kind == .text }) {
            return (
                "# time: {from: \(quoted(first.pointer)), format: …}   how is '\(short(first.text))' written?",
                first.pointer
            )
        }
        return ("time: arrival   # no member of the message looks like its time", nil)
    }

    /// An array of elements that say their name and value, if there is one.
    private static func walk(
        _ leaves: [JSONLeaves.Leaf]
    ) -> (line: String, fields: [Field])? {
        let names = ["name", "key", "signal", "metric", "code", "id"]
        let values = ["value", "val", "v"]
        var elements: [String: [String: [String: String]]] = [:]
        var order: [String: [String]] = [:]
        for leaf in leaves where leaf.arrays == 1 {
            let parts = leaf.pointer.split(separator: "/").map(String.init)
            guard let place = parts.lastIndex(where: { Int($0) != nil }), place > 0,
                place == parts.count - 2
            else { continue }
            let array = "/" + parts[..<place].joined(separator: "/")
            if elements[array]?[parts[place]] == nil {
                order[array, default: []].append(parts[place])
            }
            elements[array, default: [:]][parts[place], default: [:]][parts[place + 1]] = leaf.text
        }
        for (array, members) in elements.sorted(by: { $0.key < $1.key }) {
            let keys = Set(members.values.flatMap(\.keys))
            guard let name = names.first(where: keys.contains),
                let value = values.first(where: keys.contains)
            else { continue }
            var line = "each: {in: \(quoted(array)), name: /\(name), value: /\(value)"
            let time = ["timestamp", "ts", "time", "at"].first(where: keys.contains)
            if let time { line += ", time: /\(time)" }
            let unit = ["unit", "units"].first(where: keys.contains)
            if let unit { line += ", unit: /\(unit)" }
            var seen: Set<String> = []
            let fields = (order[array] ?? []).compactMap { place -> Field? in
                guard let member = members[place], let from = member[name],
                    seen.insert(from).inserted
                else { return nil }
                return Field(
                    from: from,
                    sample: member[value] ?? "",
                    values: [number(member[value] ?? "")].compactMap(\.self),
                    unit: unit.flatMap { member[$0] }
                )
            }
            return (line + "}", fields)
        }
        return nil
    }

    // MARK: Signals

    private mutating func write(_ fields: [Field]) {
        let guesses = fields.map { field in
            (
                field,
                SignalGuess(
                    name: field.from,
                    values: field.values,
                    toldUnit: field.unit,
                    catalogue
                )
            )
        }
        let claims = Dictionary(grouping: guesses.compactMap(\.1?.path)) { $0 }.mapValues(\.count)
        // Tyres that would be in different units are one question.
        let tires = guesses.compactMap(\.1).filter { $0.path.hasSuffix("Tire.Pressure") }
        let isTornApart = Set(tires.compactMap(\.unit)).count > 1
        var written: [String] = []
        var unknown: [String] = []
        for (field, guess) in guesses {
            guard let guess else {
                let name = SourceDraft.short(field.from)
                unknown.append("#   \(name)   \(SourceDraft.short(field.sample))")
                continue
            }
            var doubt: String?
            if claims[guess.path] ?? 0 > 1 { doubt = "several values would be this signal: which?" }
            if isTornApart, guess.path.hasSuffix("Tire.Pressure"), !guess.isUnitTold {
                doubt = "the tyres would be in different units"
            }
            let isCertain = guess.isCertain && doubt == nil
            mapped += isCertain ? 1 : 0
            undecided += isCertain ? 0 : 1
            if isCertain { certain.insert(field.from) }
            written.append(line(field, guess, doubt, isCertain))
        }
        unmapped += unknown.count
        lines.append(mapped == 0 ? "signals: []   # none is certain yet" : "signals:")
        lines += written
        if !unknown.isEmpty { lines.append("# not mapped, with a sample:") }
        lines += unknown
    }

    /// The line of a value in the file; one that is not certain is a comment.
    private func line(
        _ field: Field,
        _ guess: SignalGuess,
        _ doubt: String?,
        _ isCertain: Bool
    ) -> String {
        var line = "- {from: \(SourceDraft.quoted(field.from)), signal: \(guess.path)"
        if let pointer = field.unitPointer { line += ", unit_from: \(SourceDraft.quoted(pointer))" }
        let sample = SourceDraft.short(field.sample)
        guard isCertain, let unit = guess.unit else {
            let units =
                guess.candidates.isEmpty ? "no unit fits" : guess.candidates.joined(separator: ", ")
            let isOpen = guess.unit == nil || !guess.isUnitTold
            let question =
                doubt ?? (isOpen ? "one of \(units)?" : "is it this signal, in this unit?")
            let unit = guess.unit.map { SourceDraft.quoted($0) } ?? "…"
            return "  # \(line), unit: \(unit)}   # \(sample): \(question)"
        }
        if !unit.isEmpty { line += ", unit: \(SourceDraft.quoted(unit))" }
        let why = guess.isUnitTold ? "" : ", the only unit that fits"
        return "  \(line)}   # \(sample)\(why)"
    }

    /// As a YAML value that means just this text.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { character in
            character.isASCII
                && (character.isLetter || "/_-.%".contains(character)
                    || (character.isNumber && text.first == "/"))
        }
        if isPlain, !text.isEmpty, text.first != "%", text.first != "-" { return text }
        let escaped = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\"": "\\\""
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                "\\x" + String(format: "%02x", scalar.value)
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }

    /// A sample as it may stand in a comment.
    private static func short(_ sample: String) -> String {
        let line = String(
            sample.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : Character($0) }
        )
        return line.count > 40 ? "\(line.prefix(40))…" : line
    }
}
