package import Telemetry

/// How soon somebody must act: P0 at once, P3 when convenient.
package enum Urgency: Int, CaseIterable, Comparable, Sendable {
    case p0 = 0
    case p1 = 1
    case p2 = 2
    case p3 = 3

    package static func < (left: Urgency, right: Urgency) -> Bool {
        left.rawValue < right.rawValue
    }

    package var name: String { "P\(rawValue)" }

    /// Opening time between the first contact and the visit.
    package var noticeMinutes: Int {
        switch self {
        case .p0: 0
        case .p1: 60
        case .p2, .p3: 240
        }
    }

    /// Opening time within which the first contact is to be made; a slot leaves room for both.
    var contactMinutes: Int { noticeMinutes }

    /// By when the first attempt to reach the customer must have been made.
    package func contactDue(from now: Timestamp, station: Station) -> Timestamp {
        switch self {
        case .p0: now + .minutes(30)
        case .p1: station.instant(openMinutes: 240, after: now)
        case .p2: station.instant(openDays: 2, after: now)
        case .p3: station.instant(openDays: 5, after: now)
        }
    }

    /// A vehicle's owner is called about something new at most once in this time.
    package var contactPause: Milliseconds {
        switch self {
        case .p0: .days(Int64(0))
        case .p1: .days(Int64(3))
        case .p2, .p3: .days(Int64(7))
        }
    }

    /// When a hold taken now runs out, before it is cut to the notice.
    func holdEnd(now: Timestamp, station: Station) -> Timestamp {
        switch self {
        case .p0: now + .hours(4)
        case .p1: station.closing(ofOpenDay: 1, from: now)
        case .p2: station.closing(ofOpenDay: 3, from: now)
        case .p3: station.closing(ofOpenDay: 5, from: now)
        }
    }
}

extension Consequence {
    /// How soon somebody must act on an alert with this consequence: the rule's ladder says how
    /// severe it is, and nothing else judges the time that is left.
    package func urgency(_ severity: Severity) -> Urgency {
        switch (self, severity) {
        case (.safety, .crossed): .p0
        case (.safety, .urgent), (.safety, .soon): .p1
        case (.breakdown, .crossed), (.breakdown, .urgent): .p1
        case (.safety, .notice), (.breakdown, .soon): .p2
        case (.wear, .crossed), (.wear, .urgent), (.wear, .soon): .p2
        case (.breakdown, .notice), (.wear, .notice), (.comfort, _): .p3
        }
    }

    /// How long before the day to act by the work should be done.
    package var margin: Milliseconds {
        switch self {
        case .safety, .breakdown: .days(Int64(2))
        case .wear, .comfort: .days(Int64(1))
        }
    }

    /// How long before the day to act by the work begins to be worth doing; nil: at once.
    var usefulLead: Milliseconds? {
        switch self {
        case .safety, .breakdown: nil
        case .wear, .comfort: .days(Int64(30))
        }
    }
}
