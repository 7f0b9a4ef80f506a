import Telemetry

/// An instant in four bytes: whole seconds since 1970, good until 2106; 0 is "never".
///
/// Millions of components remember a few instants each, and none needs milliseconds to decide.
struct CompactInstant: Equatable, Comparable, Sendable {
    var seconds: UInt32

    static let never = CompactInstant(seconds: 0)

    init(seconds: UInt32) {
        self.seconds = seconds
    }

    /// The second an instant lies in.
    init(_ instant: Timestamp) {
        // Times before 1970 are "never" anyway.
        seconds = UInt32(clamping: instant.milliseconds / 1_000)
    }

    /// The first second that is not before an instant.
    init(roundingUp instant: Timestamp) {
        self.init(instant + Milliseconds(999))
    }

    var timestamp: Timestamp { Timestamp(milliseconds: Int64(seconds) * 1_000) }

    static func < (left: CompactInstant, right: CompactInstant) -> Bool {
        left.seconds < right.seconds
    }

    /// Days from `right` to `left`.
    static func - (left: CompactInstant, right: CompactInstant) -> Float {
        Float(Int64(left.seconds) - Int64(right.seconds)) * (1 / 86_400)
    }
}
