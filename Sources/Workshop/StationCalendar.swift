import Telemetry

/// An occupancy's number, given out by the core.
package struct OccupancyID: Hashable, Comparable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static func < (left: OccupancyID, right: OccupancyID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// A place and a time at a station.
package struct Slot: Sendable, Equatable {
    /// Place in `Station.bays`.
    package var bay: Int
    package var interval: OpenInterval

    package init(bay: Int, interval: OpenInterval) {
        self.bay = bay
        self.interval = interval
    }
}

/// A taken interval on a bay.
package struct Occupancy: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// Kept for a suggestion until it expires.
        case hold
        /// Confirmed.
        case appointment
    }

    package var id: OccupancyID
    package var slot: Slot
    package var kind: Kind

    package init(id: OccupancyID, slot: Slot, kind: Kind) {
        self.id = id
        self.slot = slot
        self.kind = kind
    }
}

/// What is taken at one station.
///
/// Invariant: on each bay occupancies ascend and do not overlap; the store's trigger checks the
/// same again.
package struct StationCalendar: Sendable {
    package private(set) var bays: [[Occupancy]]

    package init(bays: Int) {
        self.bays = [[Occupancy]](repeating: [], count: bays)
    }

    /// Whether `slot` meets nothing but, perhaps, the occupancy `except`.
    package func isFree(_ slot: Slot, except: OccupancyID? = nil) -> Bool {
        let bay = bays[slot.bay]
        var index = firstIndex(in: bay, endingAfter: slot.interval.start)
        while index < bay.count, bay[index].slot.interval.start < slot.interval.end {
            if bay[index].id != except { return false }
            index += 1
        }
        return true
    }

    /// - Precondition: the slot is free.
    package mutating func insert(_ occupancy: Occupancy) {
        precondition(isFree(occupancy.slot), "Two occupancies may not overlap on one bay.")
        let index = firstIndex(
            in: bays[occupancy.slot.bay],
            endingAfter: occupancy.slot.interval.start
        )
        bays[occupancy.slot.bay].insert(occupancy, at: index)
    }

    package mutating func remove(_ id: OccupancyID) {
        for bay in bays.indices { bays[bay].removeAll { $0.id == id } }
    }

    /// Taken minutes of all bays within an interval.
    package func takenMinutes(within interval: OpenInterval, except: OccupancyID?) -> Double {
        var minutes = 0.0
        for bay in bays {
            var index = firstIndex(in: bay, endingAfter: interval.start)
            while index < bay.count, bay[index].slot.interval.start < interval.end {
                if bay[index].id != except {
                    let taken = bay[index].slot.interval
                    let overlap = min(taken.end, interval.end) - max(taken.start, interval.start)
                    minutes += overlap.minutes
                }
                index += 1
            }
        }
        return minutes
    }

    private func firstIndex(in bay: [Occupancy], endingAfter instant: Timestamp) -> Int {
        var low = 0
        var high = bay.count
        while low < high {
            let middle = (low + high) / 2
            if bay[middle].slot.interval.end <= instant { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
