import Foundation
import Recording
import Telemetry

/// A CSV file that is written field by field (RFC 4180).
///
/// Fields go into a buffer of bytes: the predictions of a year are a million rows, and a string for
/// each would cost more than the forecast.
final class CSVFile {
    private static let bufferBytes = 1 << 16

    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var isRowBegun = false

    init(path: String, header: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw RecordingError(path: path, cause: "cannot be written") }
        self.handle = handle
        begin(header)
    }

    init(writingTo handle: FileHandle, header: String) {
        self.handle = handle
        begin(header)
    }

    private func begin(_ header: String) {
        buffer.reserveCapacity(CSVFile.bufferBytes + 4_096)
        buffer.append(contentsOf: header.utf8)
        buffer.append(UInt8(ascii: "\n"))
    }

    /// Appends a field, quoted when it must be.
    func add(_ text: String) {
        beginField()
        buffer.append(contentsOf: CSVFile.quoted(text).utf8)
    }

    /// Appends a field that is quoted already.
    func add(quoted bytes: [UInt8]) {
        beginField()
        buffer.append(contentsOf: bytes)
    }

    /// Appends a time, or an empty field for none.
    func add(_ time: Timestamp?) {
        beginField()
        time?.append(to: &buffer)
    }

    func endRow() throws {
        buffer.append(UInt8(ascii: "\n"))
        isRowBegun = false
        if buffer.count > CSVFile.bufferBytes { try flush() }
    }

    func close() throws {
        try flush()
        try handle.close()
    }

    static func quoted(_ text: String) -> String {
        // Characters are dear to tell apart; of plain ASCII, the bytes say enough.
        let isPlain = text.utf8.allSatisfy {
            (0x20..<0x80).contains($0) && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "\"")
        }
        guard !isPlain, text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else {
            return text
        }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }

    private func beginField() {
        if isRowBegun { buffer.append(UInt8(ascii: ",")) }
        isRowBegun = true
    }

    private func flush() throws {
        try handle.write(contentsOf: Data(buffer))
        buffer.removeAll(keepingCapacity: true)
    }
}
