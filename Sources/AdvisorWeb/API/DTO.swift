import GatewayCore
import Rules
import Store
import Telemetry
import Workshop

/// A list and where it goes on.
struct ListDTO<Item: Encodable>: Encodable {
    var items: [Item]
    var nextCursor: String?

    enum CodingKeys: String, CodingKey {
        case items
        case nextCursor = "next_cursor"
    }
}

struct SlotDTO: Encodable {
    /// What makes up the price of an offer, in minutes of inconvenience.
    struct Term: Encodable {
        var name: String
        var minutes: Double
    }

    var offer: String?
    var bay: String
    var technician: String?
    var start: String
    var end: String
    var reasons: [Term]?

    init(_ slot: SlotRecord) {
        offer = slot.label?.rawValue
        bay = slot.bayCode
        technician = slot.technicianCode
        start = "\(slot.start)"
        end = "\(slot.end)"
        if slot.label != nil { reasons = SlotDTO.reasons(slot.terms) }
    }

    init(_ slot: Slot, _ terms: [CostTerm], _ station: Station) {
        bay = station.bays[slot.bay].code
        technician = slot.technician.map { station.technicians[$0].code }
        start = "\(slot.interval.start)"
        end = "\(slot.interval.end)"
        reasons = SlotDTO.reasons(terms)
    }

    init(_ offer: Offer, _ station: Station) {
        self.init(offer.slot, offer.terms, station)
        self.offer = offer.label.rawValue
    }

    private static func reasons(_ terms: [CostTerm]) -> [Term] {
        terms.map { Term(name: $0.name.rawValue, minutes: ($0.minutes * 10).rounded() / 10) }
    }
}

/// What a visit is for that no alert asks for.
struct VisitLineDTO: Encodable {
    var reason: String
    var job: String?
    var due: String?
    var kilometres: Int?
    var text: String?

    init(_ line: VisitLine) {
        reason = line.reason.rawValue
        job = line.job
        due = line.due.map { "\($0)" }
        kilometres = line.kilometres
        text = line.text.isEmpty ? nil : line.text
    }
}

struct SuggestionDTO: Encodable {
    var id: Int64
    var version: Int
    var state: String
    var `class`: String
    var vehicle: String
    var latestBy: String
    var earliestUseful: String
    var isOverdue: Bool
    var noSlot: Bool
    var queue: String
    var owner: String?
    var leaseUntil: String?
    var wait: String?
    var waitUntil: String?
    var contactDue: String
    var isBreached: Bool
    var attempts: Int
    var hasChanged: Bool
    var isBasisGone: Bool
    var appointment: Int64?
    var reopenedFrom: Int64?
    var station: String
    var stationTimeZone: String
    var stationReason: String
    /// Live suggestions of the owner's other cars: one call may settle them all.
    var companions: [Int64]
    var jobs: [String]
    var lines: [VisitLineDTO]
    var symptoms: String
    var minutes: Int
    var slot: SlotDTO?
    var holdUntil: String?
    var offers: [SlotDTO]
    var alerts: [AlertDTO]
    var declineReason: String?
    var note: String
    var createdAt: String
    var updatedAt: String

    init(_ row: SuggestionRecord, _ services: WebServices) {
        id = row.id
        version = row.version
        state = row.state.rawValue
        `class` = row.urgency.name
        vehicle = row.vehicle
        latestBy = "\(row.deadline(now: services.clock()))"
        earliestUseful = "\(row.need.earliestUseful)"
        isOverdue = row.isOverdue
        noSlot = row.hasNoSlot
        queue = row.handling.queue.rawValue
        owner = row.handling.owner
        leaseUntil = row.handling.leaseUntil.map { "\($0)" }
        wait = row.handling.wait?.kind.rawValue
        waitUntil = row.handling.wait.map { "\($0.until)" }
        contactDue = "\(row.handling.contactDue)"
        isBreached = row.handling.isBreached
        attempts = row.handling.attempts
        hasChanged = row.handling.hasChanged
        isBasisGone = row.handling.isBasisGone
        appointment = row.appointment
        reopenedFrom = row.reopenedFrom
        station = row.stationCode
        stationTimeZone = services.station(row.stationCode).zone.name
        stationReason = row.stationReason.rawValue
        companions = row.companions
        jobs = row.jobs
        lines = row.need.lines.map(VisitLineDTO.init)
        symptoms = row.symptoms
        minutes = row.minutes
        slot = row.slot.map(SlotDTO.init)
        holdUntil = row.holdUntil.map { "\($0)" }
        offers = row.offers.map(SlotDTO.init)
        alerts = row.alerts.map { AlertDTO($0, vehicle: row.vehicle) }
        declineReason = row.declineReason?.rawValue
        note = row.note
        createdAt = "\(row.createdAt)"
        updatedAt = "\(row.updatedAt)"
    }

    enum CodingKeys: String, CodingKey {
        case id, version, state, `class`, vehicle, station, jobs, minutes, slot, offers, alerts
        case note, queue, owner, wait, attempts, appointment, companions, lines, symptoms
        case stationReason = "station_reason"
        case latestBy = "latest_by"
        case earliestUseful = "earliest_useful"
        case noSlot = "no_slot"
        case leaseUntil = "lease_until"
        case waitUntil = "wait_until"
        case contactDue = "contact_due"
        case isBreached = "is_breached"
        case hasChanged = "has_changed"
        case isBasisGone = "is_basis_gone"
        case reopenedFrom = "reopened_from"
        case isOverdue = "is_overdue"
        case stationTimeZone = "station_tz"
        case holdUntil = "hold_until"
        case declineReason = "decline_reason"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }
}

struct AlertDTO: Encodable {
    struct Sentence: Encodable {
        var zh: String
        var en: String
    }

    struct Point: Encodable {
        var at: String
        var value: Double
    }

    struct Crossing: Encodable {
        var early: String
        var middle: String
        var late: String
    }

    var id: Int64
    var vehicle: String
    var rule: String
    var ruleVersion: Int
    var component: String
    var state: String
    var consequence: String
    var severity: String
    var raisedAt: String
    var sentence: Sentence
    var limit: Double
    var isLimitAssumed: Bool
    var isCrossed: Bool
    var isFast: Bool
    var slopePerDay: Double
    var readings: Int
    var first: Point
    var newest: Point
    var crossing: Crossing?

    init(_ alert: Alert, vehicle: String) {
        let evidence = alert.evidence
        id = alert.id.rawValue
        self.vehicle = vehicle
        rule = alert.ruleID
        ruleVersion = alert.ruleVersion
        component = alert.component
        state = alert.state.rawValue
        consequence = alert.consequence.rawValue
        severity = alert.severity.rawValue
        raisedAt = "\(alert.raisedAt)"
        sentence = Sentence(zh: alert.sentence.zh, en: alert.sentence.en)
        limit = evidence.limit
        isLimitAssumed = evidence.isLimitAssumed
        isCrossed = evidence.isCrossed
        isFast = evidence.isFast
        slopePerDay = evidence.slopePerDay
        readings = evidence.readings
        first = Point(at: "\(evidence.firstAt)", value: evidence.firstValue)
        newest = Point(at: "\(evidence.newestAt)", value: evidence.newestValue)
        if let early = evidence.early, let middle = evidence.middle, let late = evidence.late {
            crossing = Crossing(early: "\(early)", middle: "\(middle)", late: "\(late)")
        }
    }

    enum CodingKeys: String, CodingKey {
        case id, vehicle, rule, component, state, consequence, severity, sentence, limit, readings
        case first, newest, crossing
        case ruleVersion = "rule_version"
        case raisedAt = "raised_at"
        case isLimitAssumed = "is_limit_assumed"
        case isCrossed = "is_crossed"
        case isFast = "is_fast"
        case slopePerDay = "slope_per_day"
    }
}

struct DeadLetterDTO: Encodable {
    var id: Int64
    var receivedAt: String
    var topic: String
    var reason: String
    var byteOffset: Int
    var detail: String
    var rejectedCount: Int
    /// How many equal ones came, and when the last.
    var count: Int
    var lastReceivedAt: String
    var payloadBytes: Int
    /// The first bytes, or all when one letter is asked for; what is not UTF-8 shows as U+FFFD.
    var payload: String

    init(_ row: DeadLetterRecord, isWhole: Bool) {
        id = row.id
        receivedAt = "\(row.receivedAt)"
        topic = String(decoding: row.topic, as: UTF8.self)
        reason = row.reason
        byteOffset = row.byteOffset
        detail = row.detail
        rejectedCount = row.rejectedCount
        count = row.count
        lastReceivedAt = "\(row.lastReceivedAt)"
        payloadBytes = row.payload.count
        payload = String(decoding: row.payload.prefix(isWhole ? .max : 512), as: UTF8.self)
    }

    enum CodingKeys: String, CodingKey {
        case id, topic, reason, detail, count, payload
        case receivedAt = "received_at"
        case lastReceivedAt = "last_received_at"
        case byteOffset = "byte_offset"
        case rejectedCount = "rejected_count"
        case payloadBytes = "payload_bytes"
    }
}

/// What of a vehicle cannot be judged.
struct TroubleDTO: Encodable {
    /// Absent where it is the vehicle's.
    var component: String?
    var kind: String
    var since: String
    var text: String

    init(_ trouble: Trouble) {
        component = trouble.component.isEmpty ? nil : trouble.component
        kind = trouble.kind.name
        since = "\(trouble.since)"
        text = trouble.text
    }
}

struct VehicleStatusDTO: Encodable {
    var vehicle: String
    var firstSeenAt: String
    var lastHeardAt: String
    var isSilent: Bool
    var missingPackets: Int
    var troubles: [TroubleDTO]

    init(_ status: VehicleStatus) {
        vehicle = status.vehicle
        firstSeenAt = "\(status.firstSeenAt)"
        lastHeardAt = "\(status.lastHeardAt)"
        isSilent = status.isSilent
        missingPackets = status.missingPackets
        troubles = status.troubles.map(TroubleDTO.init)
    }

    enum CodingKeys: String, CodingKey {
        case vehicle, troubles
        case firstSeenAt = "first_seen_at"
        case lastHeardAt = "last_heard_at"
        case isSilent = "is_silent"
        case missingPackets = "missing_packets"
    }
}

struct DeadLettersAnswerDTO: Encodable {
    /// Letters taken in again or discarded.
    var removed: Int
    /// Readings that are now readings.
    var accepted: Int
    /// Readings that are rejected again, and kept as new letters.
    var rejected: Int
}

struct ReadingDTO: Encodable {
    var at: String
    var value: Double
}

struct AggregateDTO: Encodable {
    var start: String
    var count: Int
    var minimum: Double
    var maximum: Double
    var mean: Double

    init(_ aggregate: Aggregate) {
        start = "\(aggregate.start)"
        count = aggregate.count
        minimum = aggregate.minimum
        maximum = aggregate.maximum
        mean = aggregate.mean
    }
}
