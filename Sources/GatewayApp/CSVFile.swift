import Foundation
import Recording

/// A field of a CSV line, quoted when it must be (RFC 4180).
func csv(_ text: String) -> String {
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
}

/// A CSV file that is written line by line.
final class CSVFile {
    private let handle: FileHandle
    private var buffer = ""

    init(path: String, header: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw RecordingError(path: path, cause: "cannot be written") }
        self.handle = handle
        try write(header)
    }

    init(writingTo handle: FileHandle) {
        self.handle = handle
    }

    func write(_ line: String) throws {
        buffer += line + "\n"
        if buffer.utf8.count > 1 << 16 { try flush() }
    }

    func close() throws {
        try flush()
        try handle.close()
    }

    private func flush() throws {
        try handle.write(contentsOf: Data(buffer.utf8))
        buffer = ""
    }
}
