import Telemetry

/// The times that readings may have.
///
/// The limits are copied out of the other room once: every reading is held against them.
struct PossibleTimes: Sendable {
    /// The time of a reading that has none; it is never possible.
    let unset = Timestamp.distantFuture
    private let earliest = Limits.observedAtMin.milliseconds
    private let ahead = Limits.futureMillisecondsMax.rawValue
    private var latest = Int64.min

    /// Says when the readings arrived that are asked for from now on.
    @inline(__always)
    mutating func begin(receivedAt: Timestamp) {
        latest = min(receivedAt.milliseconds + ahead, unset.milliseconds - 1)
    }

    @inline(__always)
    func contains(_ time: Timestamp) -> Bool {
        time.milliseconds >= earliest && time.milliseconds <= latest
    }

    /// Why a time that is not possible is not.
    func rejection(of time: Timestamp, at byteOffset: Int) -> Rejection {
        if time == unset { return Rejection(.missingField, at: byteOffset, "ts") }
        let isOld = time.milliseconds < earliest
        return Rejection(isOld ? .timestampTooOld : .futureTimestamp, at: byteOffset)
    }
}
