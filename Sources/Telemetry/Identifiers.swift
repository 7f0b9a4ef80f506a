/// A vehicle's interned number: dense, given out in order of first sight, stable in the store.
package struct VehicleID: Hashable, Comparable, Sendable {
    package let index: UInt32

    package init(index: UInt32) {
        self.index = index
    }

    package static func < (left: VehicleID, right: VehicleID) -> Bool { left.index < right.index }
}

/// A signal's number: its place in the pinned catalogue.
package struct SignalID: Hashable, Sendable {
    package let index: UInt16

    package init(index: UInt16) {
        self.index = index
    }
}

/// An alert's number: given out by the core in order of its inputs.
package struct AlertID: Hashable, Comparable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static func < (left: AlertID, right: AlertID) -> Bool { left.rawValue < right.rawValue }
}
