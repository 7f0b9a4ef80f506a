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
    /// Place in `Station.technicians`; nil at a station that lists none.
    package var technician: Int?
    package var interval: OpenInterval

    package init(bay: Int, technician: Int? = nil, interval: OpenInterval) {
        self.bay = bay
        self.technician = technician
        self.interval = interval
    }
}

/// A taken interval on a bay and, where the station lists them, a technician.
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

/// A stretch of time in which a station, a bay or a technician is not there.
package struct Closure: Sendable, Equatable {
    package enum Scope: Sendable, Equatable {
        case station
        /// Place in `Station.bays`.
        case bay(Int)
        /// Place in `Station.technicians`.
        case technician(Int)
    }

    package var id: ClosureID
    package var scope: Scope
    package var interval: OpenInterval
    package var reason: String

    package init(id: ClosureID, scope: Scope, interval: OpenInterval, reason: String) {
        self.id = id
        self.scope = scope
        self.interval = interval
        self.reason = reason
    }

    /// Whether work in `slot` cannot be done because of it.
    package func forbids(_ slot: Slot) -> Bool {
        guard interval.overlaps(slot.interval) else { return false }
        switch scope {
        case .station: return true
        case .bay(let bay): return slot.bay == bay
        case .technician(let technician): return slot.technician == technician
        }
    }
}

/// A closure's number, given out by the core.
package struct ClosureID: Hashable, Comparable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static func < (left: ClosureID, right: ClosureID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// What is taken at one station.
///
/// Invariant: on each bay, and for each technician, occupancies do not overlap; the store's
/// triggers check the same again.
package struct StationCalendar: Sendable {
    package private(set) var bays: [[Occupancy]]
    package private(set) var technicians: [[Occupancy]]
    package private(set) var closures: [Closure] = []

    package init(bays: Int, technicians: Int = 0) {
        self.bays = [[Occupancy]](repeating: [], count: bays)
        self.technicians = [[Occupancy]](repeating: [], count: technicians)
    }

    /// Whether `slot` meets no closure and nothing but, perhaps, the occupancy `except`.
    package func isFree(_ slot: Slot, except: OccupancyID? = nil) -> Bool {
        StationCalendar.isFree(bays[slot.bay], slot.interval, except)
            && slot.technician.map {
                StationCalendar.isFree(technicians[$0], slot.interval, except)
            } ?? true
            && !closures.contains { $0.forbids(slot) }
    }

    /// - Precondition: the slot is free; what a later closure forbids may be restored.
    package mutating func insert(_ occupancy: Occupancy) {
        let slot = occupancy.slot
        StationCalendar.insert(occupancy, &bays[slot.bay])
        if let technician = slot.technician {
            StationCalendar.insert(occupancy, &technicians[technician])
        }
    }

    package mutating func remove(_ id: OccupancyID) {
        for bay in bays.indices { bays[bay].removeAll { $0.id == id } }
        for technician in technicians.indices { technicians[technician].removeAll { $0.id == id } }
    }

    package mutating func insert(_ closure: Closure) {
        closures.append(closure)
    }

    package mutating func remove(_ id: ClosureID) {
        closures.removeAll { $0.id == id }
    }

    /// Taken minutes of all bays within an interval, by what takes them.
    package func takenMinutes(
        within interval: OpenInterval,
        except: OccupancyID?
    ) -> (all: Double, held: Double) {
        var minutes = (all: 0.0, held: 0.0)
        for bay in bays {
            var index = StationCalendar.firstIndex(in: bay, endingAfter: interval.start)
            while index < bay.count, bay[index].slot.interval.start < interval.end {
                if bay[index].id != except {
                    let taken = bay[index].slot.interval
                    let overlap = min(taken.end, interval.end) - max(taken.start, interval.start)
                    minutes.all += overlap.minutes
                    if bay[index].kind == .hold { minutes.held += overlap.minutes }
                }
                index += 1
            }
        }
        return minutes
    }

    private static func isFree(
        _ taken: [Occupancy],
        _ interval: OpenInterval,
        _ except: OccupancyID?
    ) -> Bool {
        var index = firstIndex(in: taken, endingAfter: interval.start)
        while index < taken.count, taken[index].slot.interval.start < interval.end {
            if taken[index].id != except { return false }
            index += 1
        }
        return true
    }

    private static func insert(_ occupancy: Occupancy, _ taken: inout [Occupancy]) {
        precondition(
            isFree(taken, occupancy.slot.interval, nil),
            "Two occupancies may not overlap on one bay or technician."
        )
        let index = firstIndex(in: taken, endingAfter: occupancy.slot.interval.start)
        taken.insert(occupancy, at: index)
    }

    private static func firstIndex(
        in taken: [Occupancy],
        endingAfter instant: Timestamp
    ) -> Int {
        var low = 0
        var high = taken.count
        while low < high {
            let middle = (low + high) / 2
            if taken[middle].slot.interval.end <= instant {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
