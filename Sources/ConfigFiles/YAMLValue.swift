import Foundation
import Yams

/// A YAML node that knows its file, so that every complaint has a line.
struct YAMLValue {
    let file: String
    let node: Node

    static func load(_ file: String) throws -> YAMLValue {
        guard let data = FileManager.default.contents(atPath: file),
            let text = String(data: data, encoding: .utf8)
        else {
            throw ConfigError(
                file: file,
                line: 0,
                column: 0,
                message: "cannot be read as UTF-8 text"
            )
        }
        return try parse(text, file: file)
    }

    static func parse(_ text: String, file: String) throws -> YAMLValue {
        do {
            guard let node = try compose(yaml: text) else {
                throw ConfigError(file: file, line: 1, column: 1, message: "the file is empty")
            }
            return YAMLValue(file: file, node: node)
        } catch let error as YamlError {
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                throw ConfigError(
                    file: file,
                    line: mark.line,
                    column: mark.column,
                    message: problem
                )
            default:
                throw ConfigError(file: file, line: 0, column: 0, message: "\(error)")
            }
        }
    }

    /// Where the node begins; 0 where that is unknown.
    var line: Int { node.mark?.line ?? 0 }

    func failure(_ message: String) -> ConfigError {
        ConfigError(
            file: file,
            line: line,
            column: node.mark?.column ?? 0,
            message: message
        )
    }

    // MARK: Mappings

    /// The entries of a mapping, in order; any key but `keys` is an error, unless `keys` is nil.
    func entries(keys: [String]?) throws -> [(key: String, value: YAMLValue)] {
        guard case .mapping(let mapping) = node else {
            throw failure("a mapping was expected (key: value)")
        }
        return try mapping.map { key, value in
            let keyValue = YAMLValue(file: file, node: key)
            let name = try keyValue.string()
            if let keys, !keys.contains(name) {
                throw keyValue.failure(
                    "unknown key '\(name)'; expected one of: \(keys.joined(separator: ", "))"
                )
            }
            return (name, YAMLValue(file: file, node: value))
        }
    }

    /// A mapping with known keys, for look-up by name.
    func mapping(keys: [String]) throws -> YAMLMapping {
        YAMLMapping(
            value: self,
            entries: Dictionary(
                try entries(keys: keys).map { ($0.key, $0.value) },
                uniquingKeysWith: { $1 }
            )
        )
    }

    func list() throws -> [YAMLValue] {
        guard case .sequence(let sequence) = node else { throw failure("a list was expected") }
        return sequence.map { YAMLValue(file: file, node: $0) }
    }

    // MARK: Scalars

    func string() throws -> String {
        guard case .scalar(let scalar) = node else { throw failure("a text was expected") }
        return scalar.string
    }

    func double(
        in range: ClosedRange<Double> = -Double
            .greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    ) throws -> Double {
        guard case .scalar(let scalar) = node, let value = Double(scalar.string), value.isFinite
        else { throw failure("a number was expected") }
        guard range.contains(value) else {
            throw failure("must lie in \(range.lowerBound)…\(range.upperBound), not \(value)")
        }
        return value
    }

    func integer(in range: ClosedRange<Int>) throws -> Int {
        guard case .scalar(let scalar) = node, let value = Int(scalar.string) else {
            throw failure("a whole number was expected")
        }
        guard range.contains(value) else {
            throw failure("must lie in \(range.lowerBound)…\(range.upperBound), not \(value)")
        }
        return value
    }

    func flag() throws -> Bool {
        switch try string() {
        case "true": return true
        case "false": return false
        default: throw failure("true or false was expected")
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) throws -> Choice where Choice.RawValue == String {
        let name = try string()
        guard let value = Choice(rawValue: name) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw failure("'\(name)' is not one of: \(names)")
        }
        return value
    }
}

/// A mapping with known keys.
struct YAMLMapping {
    let value: YAMLValue
    let entries: [String: YAMLValue]

    subscript(optional key: String) -> YAMLValue? { entries[key] }

    func require(_ key: String) throws -> YAMLValue {
        guard let value = entries[key] else { throw value.failure("the key '\(key)' is missing") }
        return value
    }
}
