import Foundation

/// A CSV file with a header line, checked for its columns (RFC 4180; no line breaks in fields).
struct CSVTable {
    /// The fields of a line by column; empty fields are left out.
    struct Row {
        let file: String
        let line: Int
        private let values: [String: String]

        fileprivate init(file: String, line: Int, values: [String: String]) {
            self.file = file
            self.line = line
            self.values = values
        }

        subscript(column: String) -> String? { values[column] }

        func require(_ column: String) throws -> String {
            guard let value = values[column] else {
                throw failure("the column '\(column)' is empty")
            }
            return value
        }

        func failure(_ message: String) -> ConfigError {
            ConfigError(file: file, line: line, column: 1, message: message)
        }
    }

    let rows: [Row]

    /// Reads a file whose columns are among `columns`, hold all of `required`, and occur once;
    /// those of `ignored` are skipped.
    static func load(
        _ file: String,
        columns: [String],
        required: [String],
        ignored: [String] = []
    ) throws -> CSVTable {
        func failure(_ line: Int, _ message: String) -> ConfigError {
            ConfigError(file: file, line: line, column: line > 0 ? 1 : 0, message: message)
        }
        guard let data = FileManager.default.contents(atPath: file),
            let text = String(data: data, encoding: .utf8)
        else { throw failure(0, "cannot be read as UTF-8 text") }
        var lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard !lines.isEmpty else { throw failure(1, "the file is empty") }
        let header = try fields(lines.removeFirst(), file: file, line: 1)
        for name in header where !columns.contains(name) && !ignored.contains(name) {
            throw failure(
                1,
                "unknown column '\(name)'; known are: \(columns.joined(separator: ", "))"
            )
        }
        guard Set(header).count == header.count else { throw failure(1, "a column occurs twice") }
        for name in required where !header.contains(name) {
            throw failure(1, "the column '\(name)' is missing")
        }
        var rows: [Row] = []
        for (index, line) in lines.enumerated() where !line.isEmpty {
            let values = try fields(line, file: file, line: index + 2)
            guard values.count == header.count else {
                throw failure(
                    index + 2,
                    "\(header.count) fields were expected, not \(values.count)"
                )
            }
            let filled = zip(header, values).filter { !$1.isEmpty }
            rows.append(
                Row(file: file, line: index + 2, values: Dictionary(uniqueKeysWithValues: filled))
            )
        }
        return CSVTable(rows: rows)
    }

    /// Fields in quotes may hold commas and doubled quotes.
    private static func fields(_ text: Substring, file: String, line: Int) throws -> [String] {
        var fields: [String] = []
        var field = ""
        var isQuoted = false
        var previous: Character = ","
        for character in text {
            switch character {
            case "\"":
                if !isQuoted, previous == "\"" { field.append("\"") }
                isQuoted.toggle()
            case "," where !isQuoted:
                fields.append(field)
                field = ""
            default: field.append(character)
            }
            previous = character == "\"" && isQuoted ? " " : character
        }
        guard !isQuoted else {
            throw ConfigError(
                file: file,
                line: line,
                column: text.count,
                message: "a quote is not closed"
            )
        }
        fields.append(field)
        return fields
    }
}
