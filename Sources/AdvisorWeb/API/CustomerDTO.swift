import Customers
import Store
import Telemetry

/// A customer as the API says it: masked, unless somebody asked for it by name and reason.
struct CustomerDTO: Encodable {
    struct Vehicle: Encodable {
        var vehicle: String
        var vin: String?
        var plate: String?
        var from: String
        var to: String?
    }

    struct Consent: Encodable {
        var kind: String
        var grantedAt: String
        var revokedAt: String?

        enum CodingKeys: String, CodingKey {
            case kind
            case grantedAt = "granted_at"
            case revokedAt = "revoked_at"
        }
    }

    var id: String
    var version: Int
    var isMasked: Bool
    var name: String?
    var salutation: String?
    var phone: String?
    var language: String
    var station: String?
    var homeArea: HomeAreaDTO?
    var channel: String
    var preferredWeekdays: [Int]
    var contactHours: [String]?
    var advisor: String?
    var note: String?
    var vehicles: [Vehicle]
    var consents: [Consent]
    var dueItems: [DueItemDTO]
    var visits: [PastVisitDTO]
    var createdAt: String
    var updatedAt: String
    var erasedAt: String?

    init(_ record: CustomerRecord, isMasked: Bool) {
        func masked(_ text: String?, _ mask: (String) -> String) -> String? {
            isMasked ? text.map(mask) : text
        }
        let profile = record.profile
        id = record.externalID
        version = record.version
        self.isMasked = isMasked
        name = masked(profile.name, Masking.name)
        salutation = profile.salutation
        phone = masked(profile.phone, Masking.phone)
        language = profile.language.rawValue
        station = profile.station
        homeArea = isMasked ? nil : profile.home.map(HomeAreaDTO.init)
        channel = profile.channel.rawValue
        preferredWeekdays = profile.weekdays.sorted()
        contactHours = ClockTime.pair(profile.contactFromMinute, profile.contactToMinute)
        advisor = profile.advisor
        note = profile.note
        vehicles = record.bindings.map { binding in
            Vehicle(
                vehicle: binding.owned.vehicle,
                vin: masked(binding.owned.vin, Masking.vin),
                plate: masked(binding.owned.plate, Masking.plate),
                from: "\(binding.from)",
                to: binding.to.map { "\($0)" }
            )
        }
        consents = record.consents.map { consent in
            Consent(
                kind: consent.kind.rawValue,
                grantedAt: "\(consent.grantedAt)",
                revokedAt: consent.revokedAt.map { "\($0)" }
            )
        }
        dueItems = record.dueItems.map(DueItemDTO.init)
        visits = record.visits.map(PastVisitDTO.init)
        createdAt = "\(record.createdAt)"
        updatedAt = "\(record.updatedAt)"
        erasedAt = record.erasedAt.map { "\($0)" }
    }

    enum CodingKeys: String, CodingKey {
        case id, version, name, salutation, phone, language, station, channel, advisor, note
        case vehicles, consents, visits
        case homeArea = "home_area"
        case isMasked = "is_masked"
        case preferredWeekdays = "preferred_weekdays"
        case contactHours = "contact_hours"
        case dueItems = "due_items"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case erasedAt = "erased_at"
    }
}

/// Where a customer lives, to some 5 km.
struct HomeAreaDTO: Codable {
    var latitude: Double
    var longitude: Double

    init(_ point: GeoPoint) {
        latitude = point.latitude
        longitude = point.longitude
    }
}

struct DueItemDTO: Codable {
    var kind: String
    var vehicle: String?
    var on: String?
    var kilometres: Int?

    init(_ item: DueItem) {
        kind = item.kind.rawValue
        vehicle = item.vehicle
        on = item.on?.description
        kilometres = item.kilometres
    }
}

struct PastVisitDTO: Codable {
    var vehicle: String
    var on: String
    var kilometres: Int?
    var station: String?
    var work: String

    init(_ visit: PastVisit) {
        vehicle = visit.vehicle
        on = visit.on.description
        kilometres = visit.kilometres
        station = visit.station
        work = visit.work
    }
}

/// A customer as another system sends it.
struct CustomerBody: Decodable {
    struct Vehicle: Decodable {
        var vehicle: String
        var vin: String?
        var plate: String?
    }

    var name: String?
    var salutation: String?
    var phone: String?
    var language: String?
    var station: String?
    var homeArea: HomeAreaDTO?
    var channel: String?
    var preferredWeekdays: [Int]?
    var contactHours: [String]?
    var advisor: String?
    var note: String?
    var vehicles: [Vehicle]?
    var consents: [String]?
    var dueItems: [DueItemDTO]?
    var visits: [PastVisitDTO]?

    enum CodingKeys: String, CodingKey {
        case name, salutation, phone, language, station, channel, advisor, note, vehicles
        case consents, visits
        case homeArea = "home_area"
        case preferredWeekdays = "preferred_weekdays"
        case contactHours = "contact_hours"
        case dueItems = "due_items"
    }

    /// - Throws: an `APIProblem` that points to what is wrong.
    func draft(stations: Set<String>) throws -> CustomerDraft {
        var draft = CustomerDraft()
        draft.profile.name = name
        draft.profile.salutation = salutation
        draft.profile.phone = phone
        if let language {
            draft.profile.language = try choice(CustomerLanguage.self, language, "/language")
        }
        if let station, !stations.contains(station) {
            throw invalid("/station", "one of: \(stations.sorted().joined(separator: ", "))")
        }
        draft.profile.station = station
        if let homeArea {
            guard (-90...90).contains(homeArea.latitude),
                (-180...180).contains(homeArea.longitude)
            else { throw invalid("/home_area", "latitude and longitude in degrees") }
            // Nobody is to know it better than that.
            draft.profile.home =
                GeoPoint(latitude: homeArea.latitude, longitude: homeArea.longitude).coarse
        }
        if let channel {
            draft.profile.channel = try choice(ContactChannel.self, channel, "/channel")
        }
        draft.profile.weekdays = Set(preferredWeekdays ?? [])
        if let contactHours {
            let minutes = contactHours.map(ClockTime.minute)
            guard minutes.count == 2, let from = minutes[0], let to = minutes[1] else {
                throw invalid("/contact_hours", "two times of a day such as 09:00 and 18:30")
            }
            draft.profile.contactFromMinute = from
            draft.profile.contactToMinute = to
        }
        draft.profile.advisor = advisor
        draft.profile.note = note
        draft.vehicles = vehicles?.map {
            OwnedVehicle(vehicle: $0.vehicle, vin: $0.vin, plate: $0.plate)
        }
        draft.consents = try consents.map { names in
            Set(try names.map { try choice(ConsentKind.self, $0, "/consents") })
        }
        draft.dueItems = try dueItems?.enumerated().map { index, item in
            DueItem(
                kind: try choice(DueKind.self, item.kind, "/due_items/\(index)/kind"),
                vehicle: item.vehicle,
                on: try item.on.map { try date($0, "/due_items/\(index)/on") },
                kilometres: item.kilometres
            )
        }
        draft.visits = try visits?.enumerated().map { index, visit in
            PastVisit(
                vehicle: visit.vehicle,
                on: try date(visit.on, "/visits/\(index)/on"),
                kilometres: visit.kilometres,
                station: visit.station,
                work: visit.work
            )
        }
        if let complaint = draft.complaint {
            throw invalid(complaint.pointer, complaint.expected)
        }
        return draft
    }

    private func choice<Value: RawRepresentable & CaseIterable>(
        _ type: Value.Type,
        _ name: String,
        _ pointer: String
    ) throws -> Value where Value.RawValue == String {
        guard let value = Value(rawValue: name) else {
            throw invalid(pointer, "one of: \(names(type))")
        }
        return value
    }

    private func date(_ text: String, _ pointer: String) throws -> CivilDate {
        guard let date = CivilDate(iso8601: text) else {
            throw invalid(pointer, "a date such as 2026-12-31")
        }
        return date
    }
}

/// Minutes after midnight as a clock shows them.
enum ClockTime {
    static func minute(_ text: String) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), (0...59).contains(minute),
            (0...24).contains(hour), hour * 60 + minute <= 1_440
        else { return nil }
        return hour * 60 + minute
    }

    static func pair(_ from: Int?, _ to: Int?) -> [String]? {
        guard let from, let to else { return nil }
        return [from, to].map { "\(padded(Int64($0 / 60))):\(padded(Int64($0 % 60)))" }
    }
}
