/// A vehicle's interned number: dense, given out in order of first sight, stable in the store.
public struct VehicleID: Hashable, Comparable, Sendable {
    /// The number.
    public let index: UInt32

    /// The vehicle of a number.
    public init(index: UInt32) {
        self.index = index
    }

    /// Whether the left vehicle was seen first.
    public static func < (left: VehicleID, right: VehicleID) -> Bool { left.index < right.index }
}

/// A signal's number: its place in the pinned catalogue.
public struct SignalID: Hashable, Sendable {
    /// The number.
    public let index: UInt16

    /// The signal of a number.
    public init(index: UInt16) {
        self.index = index
    }
}

/// An alert's number: given out by the core in order of its inputs.
public struct AlertID: Hashable, Comparable, Sendable {
    /// The number.
    public let rawValue: Int64

    /// The alert of a number.
    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Whether the left alert was raised first.
    public static func < (left: AlertID, right: AlertID) -> Bool { left.rawValue < right.rawValue }
}
