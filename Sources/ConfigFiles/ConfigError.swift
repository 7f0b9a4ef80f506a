/// A file that does not say what it should: where, what, and what was expected.
package struct ConfigError: Error, CustomStringConvertible, Equatable {
    package var file: String
    package var line: Int
    package var column: Int
    package var message: String

    package init(file: String, line: Int, column: Int, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    /// `config/gateway.yaml:12:3: …`, as compilers write it, so that editors can jump there.
    package var description: String {
        line > 0 ? "\(file):\(line):\(column): \(message)" : "\(file): \(message)"
    }
}
