package import Customers
package import Telemetry

/// What the desk knows of a vehicle that bears on its visits.
package struct VehicleFacts: Sendable, Equatable, Codable {
    /// The owner's number at the desk; nil while nobody is known to own the vehicle.
    package var account: Int64?
    /// Code of the owner's home dealer; nil: the one the vehicle itself names, or the first.
    package var station: String?
    /// The middle of the coarse area the owner lives in.
    package var home: GeoPoint?
    package var preference: VisitPreference?
    /// The owner's own hours, local minutes after midnight; nil: the house's.
    package var contactMinutes: Range<Int>?
    /// The owner agreed to notices about the state of the car.
    package var allowsService = true
    /// The owner agreed to commercial offers.
    package var allowsOffers = false
    /// Of the vehicle, and the owner's licence.
    package var dueItems: [DueItem] = []

    package init() {}
}

/// Work the workshop advised and the customer put off.
package struct Recommendation: Sendable, Equatable, Codable {
    package var job: String
    package var appointment: AppointmentID
    package var at: Timestamp

    package init(job: String, appointment: AppointmentID, at: Timestamp) {
        self.job = job
        self.appointment = appointment
        self.at = at
    }
}

/// What is known of a vehicle besides its readings: the desk's facts, and what became of them.
package struct VehicleWork: Sendable, Equatable, Codable {
    package var facts = VehicleFacts()
    /// Due items that a visit has settled and the desk still lists.
    package var settled: [DueItem] = []
    /// Dates the owner has been told of.
    package var told: [DueItem] = []
    /// Open ones, oldest first.
    package var recommendations: [Recommendation] = []
    /// Due work is not suggested again before.
    package var restUntil: Timestamp?
    /// By when a service is due whose distance is near; set when the odometer comes near it.
    package var distanceDue: Timestamp?

    package init() {}
}

/// A line of a visit that no alert asks for.
package struct VisitLine: Sendable, Equatable, Codable {
    package enum Reason: String, CaseIterable, Sendable, Codable {
        case service
        case inspection
        case insurance
        case licence
        /// Advised at an earlier visit.
        case recommended
        /// What the customer said is wrong.
        case stated
    }

    package var reason: Reason
    /// Code of the job; nil for what is only mentioned.
    package var job: String?
    package var due: Timestamp?
    package var kilometres: Int?
    /// The customer's words.
    package var text: String

    package init(
        reason: Reason,
        job: String?,
        due: Timestamp? = nil,
        kilometres: Int? = nil,
        text: String = ""
    ) {
        self.reason = reason
        self.job = job
        self.due = due
        self.kilometres = kilometres
        self.text = text
    }
}

/// Why a visit is to be at its station.
package enum StationReason: String, CaseIterable, Sendable {
    case home
    /// The home dealer has no slot in time, or is too far.
    case nearest
    /// No station lies within its radius: this is the nearest.
    case outOfRadius = "out_of_radius"
    /// Somebody booked there by hand.
    case chosen
}

extension VehicleWork {
    /// A service this much ahead rides along with a visit, and is a visit by itself.
    package static let serviceLead = Milliseconds.days(Int64(30))
    package static let serviceLeadKilometres = 1_500
    /// A service that was due longer ago was done elsewhere, or never will be here.
    package static let serviceStale = Milliseconds.days(Int64(60))
    /// A date is told by message this much ahead, where no visit is near.
    package static let noticeLead = Milliseconds.days(Int64(30))
    /// What is only mentioned may be further ahead: it costs no time.
    package static let mentionLead = Milliseconds.days(Int64(60))

    /// Services that are near by date or by distance, whichever comes first; earliest first.
    package func servicesDue(now: Timestamp, zone: ZoneOffsets) -> [VisitLine] {
        guard restUntil.map({ $0 <= now }) ?? true else { return [] }
        let lines = openItems(.service).compactMap { item -> VisitLine? in
            let dated = item.on.map(zone.midnight)
            let near = dated.flatMap { $0 - VehicleWork.serviceLead <= now ? $0 : nil }
            let driven = item.kilometres == nil ? nil : distanceDue
            guard let due = [near, driven].compactMap({ $0 }).min(),
                now < due + VehicleWork.serviceStale
            else { return nil }
            return VisitLine(reason: .service, job: nil, due: due, kilometres: item.kilometres)
        }
        return lines.sorted { ($0.due ?? now) < ($1.due ?? now) }
    }

    /// Dates the customer should be told of.
    package func mentions(now: Timestamp, zone: ZoneOffsets) -> [VisitLine] {
        let kinds: [(DueKind, VisitLine.Reason)] = [
            (.inspection, .inspection), (.insurance, .insurance), (.licence, .licence),
        ]
        return kinds.flatMap { kind, reason in
            openItems(kind).compactMap { item in
                let due = item.on.map(zone.midnight)
                guard let due, due - VehicleWork.mentionLead <= now else { return nil }
                return VisitLine(reason: reason, job: nil, due: due)
            }
        }
    }

    /// Dates that are near and that the owner has not been told of.
    package func untold(now: Timestamp, zone: ZoneOffsets) -> [DueItem] {
        facts.dueItems.filter { item in
            guard item.kind != .service, !told.contains(item), let on = item.on else {
                return false
            }
            let due = zone.midnight(on)
            return due - VehicleWork.noticeLead <= now && due > now
        }
    }

    /// When the next service or date comes near, or rest is over; nil when nothing will.
    package func nextDue(after now: Timestamp, zone: ZoneOffsets) -> Timestamp? {
        var times = facts.dueItems.compactMap { item in
            item.on.map {
                zone.midnight($0)
                    - (item.kind == .service ? VehicleWork.serviceLead : VehicleWork.noticeLead)
            }
        }
        if let restUntil { times.append(restUntil) }
        return times.filter { $0 > now }.min()
    }

    /// Kilometres from which on the odometer makes a service near.
    package var distanceNear: Int? {
        openItems(.service).compactMap(\.kilometres).min().map {
            $0 - VehicleWork.serviceLeadKilometres
        }
    }

    private func openItems(_ kind: DueKind) -> [DueItem] {
        facts.dueItems.filter { $0.kind == kind && !settled.contains($0) }
    }
}

extension ZoneOffsets {
    /// The instant at which a local date begins.
    fileprivate func midnight(_ date: CivilDate) -> Timestamp {
        instant(of: CivilTime(date: date, minute: 0))
    }
}
