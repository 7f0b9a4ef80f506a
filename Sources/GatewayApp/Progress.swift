import Foundation

#if canImport(Glibc)
import Glibc
#endif

/// A progress bar on standard error, when that is a terminal; one closing line otherwise.
struct Progress {
    private let totalBytes: Int64
    private var finishedBytes: Int64 = 0
    private let started = ContinuousClock.now
    private var shownAt = ContinuousClock.now
    private let isTerminal = isatty(2) == 1

    init(totalBytes: Int64) {
        self.totalBytes = max(1, totalBytes)
    }

    private var elapsedSeconds: Double {
        let elapsed = (ContinuousClock.now - started).components
        return max(1e-6, Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
    }

    /// Redraws the bar at most ten times a second.
    mutating func show(bytes: Int64, readings: Int) {
        guard isTerminal, ContinuousClock.now - shownAt > .milliseconds(100) else { return }
        shownAt = ContinuousClock.now
        let share = min(1, Double(finishedBytes + bytes) / Double(totalBytes))
        let width = 30
        let full = Int(share * Double(width))
        let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
        let rest = share > 0 ? elapsedSeconds / share * (1 - share) : 0
        write(
            "\r\(bar) \(Int(share * 100)) %  \(readings) readings  "
                + "\(Int(Double(readings) / elapsedSeconds))/s  \(Int(rest)) s left \u{1b}[K"
        )
    }

    mutating func finish(_ bytes: Int64) {
        finishedBytes += bytes
    }

    func end(readings: Int) {
        let rate = Int(Double(readings) / elapsedSeconds)
        let seconds = (elapsedSeconds * 100).rounded() / 100
        write("\(isTerminal ? "\r\u{1b}[K" : "")\(readings) readings in \(seconds) s, \(rate)/s\n")
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
