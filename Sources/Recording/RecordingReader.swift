import CZlib
import Foundation
package import GatewayCore
import Telemetry

#if canImport(Glibc)
import Glibc
#endif

/// A recording that cannot be read.
package struct RecordingError: Error, CustomStringConvertible {
    package var path: String
    package var cause: String

    package init(path: String, cause: String) {
        self.path = path
        self.cause = cause
    }

    package var description: String { "\(path): \(cause)" }
}

/// JSON Lines, plain or gzip, one line at a time in constant memory.
///
/// zlib reads both: what does not begin as gzip is passed through. A line longer than
/// `Limits.recordingLineBytesMax` is cut there, so that it is rejected without being held.
/// Isolation: the thread that made it.
@safe package final class RecordingReader {
    private let path: String
    private var file: gzFile?
    private var descriptor: Int32
    private var chunk = [UInt8](repeating: 0, count: 1 << 18)
    private var filled = 0
    private var used = 0
    private var isAtEnd = false
    package let fileBytes: Int64

    package init(path: String) throws(RecordingError) {
        self.path = path
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RecordingError(path: path, cause: unsafe String(cString: strerror(errno)))
        }
        var status = stat()
        unsafe fstat(descriptor, &status)
        fileBytes = Int64(status.st_size)
        unsafe file = gzdopen(dup(descriptor), "rb")
        // Half the chunk: zlib then fills the chunk itself, without a buffer of its own between.
        unsafe gzbuffer(file, 1 << 17)
    }

    deinit {
        unsafe gzclose(file)
        close(descriptor)
    }

    /// Bytes of the file read so far, compressed ones for gzip: for progress.
    package var fileOffset: Int64 { unsafe Int64(gzoffset(file)) }

    /// Appends lines to `batch` until it is full.
    ///
    /// Returns false at the end of the file. Empty lines are passed over.
    package func fill(_ batch: inout PacketBatch) throws(RecordingError) -> Bool {
        while true {
            takeWholeLines(&batch)
            guard !batch.isFull(packetsMax: Limits.recordingBatchLinesMax) else { return true }
            guard let line = try nextLine() else { return false }
            if line.isEmpty { continue }
            batch.append(
                topic: EmptyCollection(),
                payload: line,
                receivedAt: Timestamp(milliseconds: 0)
            )
        }
    }

    /// Appends the lines that end within the chunk, until the batch is full.
    private func takeWholeLines(_ batch: inout PacketBatch) {
        let (first, filled) = (used, filled)
        used = unsafe chunk.withUnsafeBytes { bytes in
            var start = first
            while !batch.isFull(packetsMax: Limits.recordingBatchLinesMax),
                let end = unsafe RecordingReader.lineEnd(bytes, from: start, to: filled)
            {
                let hasReturn = unsafe end > start && bytes[end - 1] == UInt8(ascii: "\r")
                let line = start..<(hasReturn ? end - 1 : end)
                if !line.isEmpty {
                    unsafe batch.append(
                        topic: EmptyCollection(),
                        payload: UnsafeRawBufferPointer(rebasing: bytes[line]),
                        receivedAt: Timestamp(milliseconds: 0)
                    )
                }
                start = end + 1
            }
            return start
        }
    }

    /// The next line without its end, or nil: one that goes on in the next chunk, or the last.
    private func nextLine() throws(RecordingError) -> ArraySlice<UInt8>? {
        var carried: [UInt8] = []
        while true {
            let (from, to) = (used, filled)
            let end = unsafe chunk.withUnsafeBytes {
                unsafe RecordingReader.lineEnd($0, from: from, to: to)
            }
            let part = used..<(end ?? filled)
            used = end.map { $0 + 1 } ?? filled
            if end != nil, carried.isEmpty { return trimmed(chunk, part) }
            let room = Limits.recordingLineBytesMax + 1 - carried.count
            carried.append(contentsOf: chunk[part].prefix(max(0, room)))
            if end != nil || (isAtEnd && !carried.isEmpty) {
                return trimmed(carried, carried.indices)
            }
            if isAtEnd { return nil }
            try read()
        }
    }

    /// Where the line that begins at `start` ends.
    private static func lineEnd(
        _ bytes: UnsafeRawBufferPointer,
        from start: Int,
        to end: Int
    ) -> Int? {
        guard let base = bytes.baseAddress,
            let found = unsafe memchr(base + start, Int32(UInt8(ascii: "\n")), end - start)
        else { return nil }
        return unsafe UnsafeRawPointer(found) - base
    }

    private func trimmed(_ bytes: [UInt8], _ line: Range<Int>) -> ArraySlice<UInt8> {
        let hasReturn = !line.isEmpty && bytes[line.upperBound - 1] == UInt8(ascii: "\r")
        return bytes[line.lowerBound..<(line.upperBound - (hasReturn ? 1 : 0))]
    }

    private func read() throws(RecordingError) {
        let capacity = UInt32(chunk.count)
        let file = unsafe file
        let count = unsafe chunk.withUnsafeMutableBytes {
            unsafe gzread(file, $0.baseAddress, capacity)
        }
        // A file that ends too early reads as an end, and only the code tells.
        var code: Int32 = 0
        let message = unsafe String(cString: gzerror(file, &code))
        guard count > 0 || (count == 0 && (code == Z_OK || code == Z_STREAM_END)) else {
            throw RecordingError(path: path, cause: "damaged gzip data (\(message))")
        }
        used = 0
        filled = Int(count)
        isAtEnd = count == 0
    }
}
