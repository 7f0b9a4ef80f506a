package import Telemetry

/// A reading as the store keeps it: the vehicle is known from where it stands.
///
/// The time of arrival is not kept: it is the journal's, and of use only until the readings are
/// sealed.
package struct StoredReading: Sendable, Equatable {
    package var observedAt: Timestamp
    package var value: Double
    /// The store's own number of the signal.
    package var signal: UInt16
    package var quality: Quality

    package init(observedAt: Timestamp, value: Double, signal: UInt16, quality: Quality) {
        self.observedAt = observedAt
        self.value = value
        self.signal = signal
        self.quality = quality
    }
}

extension StoredReading {
    /// By time, then signal.
    func isBefore(_ other: StoredReading) -> Bool {
        observedAt == other.observedAt ? signal < other.signal : observedAt < other.observedAt
    }
}
