import Foundation
import Recording
import Telemetry

/// Rows of a CSV file (RFC 4180) as bytes, field by field: the predictions of a year are a million
/// rows, and a string for each would cost more than the forecast.
struct CSVRows {
    fileprivate private(set) var bytes: [UInt8] = []
    private var isRowBegun = false

    /// Appends a field, quoted when it must be.
    mutating func add(_ text: String) {
        beginField()
        bytes.append(contentsOf: CSVRows.quoted(text).utf8)
    }

    /// Appends a field that is quoted already.
    mutating func add(quoted field: [UInt8]) {
        beginField()
        bytes.append(contentsOf: field)
    }

    /// Appends a time, or an empty field for none.
    mutating func add(_ time: Timestamp?) {
        beginField()
        time?.append(to: &bytes)
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

    fileprivate mutating func begin(_ header: String) {
        bytes.append(contentsOf: header.utf8)
        endRow()
    }

    fileprivate mutating func endRow() {
        bytes.append(UInt8(ascii: "\n"))
        isRowBegun = false
    }

    fileprivate mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    private mutating func beginField() {
        if isRowBegun { bytes.append(UInt8(ascii: ",")) }
        isRowBegun = true
    }
}

/// A CSV file that is written row by row.
final class CSVFile {
    private static let bufferBytes = 1 << 16

    private let handle: FileHandle
    private var rows = CSVRows()

    init(path: String, header: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw RecordingError(path: path, cause: "cannot be written") }
        self.handle = handle
        rows.begin(header)
    }

    init(writingTo handle: FileHandle, header: String) {
        self.handle = handle
        rows.begin(header)
    }

    /// Appends a row of the fields that `fill` adds.
    func write(_ fill: (inout CSVRows) -> Void) throws {
        fill(&rows)
        rows.endRow()
        if rows.bytes.count > CSVFile.bufferBytes { try flush() }
    }

    func close() throws {
        try flush()
        try handle.close()
    }

    private func flush() throws {
        try handle.write(contentsOf: Data(rows.bytes))
        rows.removeAll()
    }
}
