/// Whether a reading may be believed.
public enum Quality: UInt8, Sendable {
    /// A measured value within the catalogue's range.
    case good = 0
    /// A value by which the sender says "I have none", such as 0 kPa or all bits set.
    /// It is stored, and never reaches a rule.
    case noReading = 1
}

/// One value of one signal of one vehicle at one instant, in the catalogue's unit.
///
/// Trivial and 32 bytes, so that batches of readings are plain memory.
public struct Reading: Sendable, Equatable {
    /// When the vehicle measured it.
    public var observedAt: Timestamp
    /// When it arrived.
    public var receivedAt: Timestamp
    /// In the catalogue's unit.
    public var value: Double
    /// Whose it is.
    public var vehicle: VehicleID
    /// What was measured.
    public var signal: SignalID
    /// Whether it may be believed.
    public var quality: Quality

    /// A reading as it arrived.
    public init(
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
