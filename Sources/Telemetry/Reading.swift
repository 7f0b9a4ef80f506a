/// Whether a reading may be believed.
package enum Quality: UInt8, Sendable {
    /// A measured value within the catalogue's range.
    case good = 0
    /// A value by which the sender says "I have none", such as 0 kPa or all bits set.
    /// It is stored, and never reaches a rule.
    case noReading = 1
}

/// One value of one signal of one vehicle at one instant, in the catalogue's unit.
///
/// Trivial and 32 bytes, so that batches of readings are plain memory.
package struct Reading: Sendable, Equatable {
    package var observedAt: Timestamp
    package var receivedAt: Timestamp
    package var value: Double
    package var vehicle: VehicleID
    package var signal: SignalID
    package var quality: Quality

    package init(
        vehicle: VehicleID,
        signal: SignalID,
        observedAt: Timestamp,
        receivedAt: Timestamp,
        value: Double,
        quality: Quality
    ) {
        self.vehicle = vehicle
        self.signal = signal
        self.observedAt = observedAt
        self.receivedAt = receivedAt
        self.value = value
        self.quality = quality
    }
}
