package import Telemetry

/// What a customer has agreed to; each consent is dated and can be taken back.
package enum ConsentKind: String, CaseIterable, Sendable {
    /// Notices about the state of the car.
    case service
    case commercial
    case birthday
    /// To be reminded of the driving licence's end.
    case licenceDate = "licence_date"
    /// A coarse home area, to find the nearest station.
    case homeCell = "home_cell"
    /// Messages in the car maker's app.
    case app
}

/// How a customer wants to be reached.
package enum ContactChannel: String, CaseIterable, Sendable {
    case phone
    case sms
    case app
}

/// What falls due by date or distance.
package enum DueKind: String, CaseIterable, Sendable, Codable {
    case inspection
    case insurance
    case licence
    case service
}

/// The language a customer reads (BCP 47).
package enum CustomerLanguage: String, CaseIterable, Sendable {
    case chinese = "zh-Hans"
    case english = "en"
}

/// A vehicle of a customer; who owns it when is the binding, what it is called is personal.
package struct OwnedVehicle: Sendable, Equatable {
    /// As in topics: a name that tells nothing.
    package var vehicle: String
    package var vin: String?
    package var plate: String?

    package init(vehicle: String, vin: String? = nil, plate: String? = nil) {
        self.vehicle = vehicle
        self.vin = vin
        self.plate = plate
    }
}

/// Something that falls due: by date, by distance, or by whichever comes first.
package struct DueItem: Sendable, Equatable, Codable {
    package var kind: DueKind
    /// The vehicle it is about; nil for a licence, which is the customer's.
    package var vehicle: String?
    package var on: CivilDate?
    /// On the odometer.
    package var kilometres: Int?

    package init(kind: DueKind, vehicle: String?, on: CivilDate?, kilometres: Int?) {
        self.kind = kind
        self.vehicle = vehicle
        self.on = on
        self.kilometres = kilometres
    }
}

/// Work that was done, here or elsewhere.
package struct PastVisit: Sendable, Equatable {
    package var vehicle: String
    package var on: CivilDate
    package var kilometres: Int?
    package var station: String?
    package var work: String

    package init(
        vehicle: String,
        on: CivilDate,
        kilometres: Int?,
        station: String?,
        work: String
    ) {
        self.vehicle = vehicle
        self.on = on
        self.kilometres = kilometres
        self.station = station
        self.work = work
    }
}

/// Who a customer is, and how they wish to be treated.
package struct CustomerProfile: Sendable, Equatable {
    package var name: String?
    /// How the customer is addressed: 先生, 女士, Ms and the like.
    package var salutation: String?
    package var phone: String?
    package var language = CustomerLanguage.chinese
    /// The home dealer's code; nil for the first station.
    package var station: String?
    /// The coarse area the customer lives in; only with the consent `homeCell`.
    package var home: GeoPoint?
    package var channel = ContactChannel.phone
    /// 1 is Monday, 7 is Sunday, as in ISO 8601.
    package var weekdays: Set<Int> = []
    /// The customer's own hours, minutes after local midnight; nil for the house's.
    package var contactFromMinute: Int?
    package var contactToMinute: Int?
    /// The advisor who is theirs.
    package var advisor: String?
    /// What was promised, such as 终身免费保养, and what to mind.
    package var note: String?

    package init() {}
}

/// A customer as somebody says it is; lists that are nil stay as they are.
package struct CustomerDraft: Sendable, Equatable {
    package var profile = CustomerProfile()
    /// All vehicles owned now: one that is left out is owned no more.
    package var vehicles: [OwnedVehicle]?
    /// All consents in force: one that is left out is taken back.
    package var consents: Set<ConsentKind>?
    package var dueItems: [DueItem]?
    /// Visits to add; those known already stay once.
    package var visits: [PastVisit]?

    package init() {}

    /// What is wrong with it: where, as a JSON pointer, and what was expected; nil when nothing is.
    package var complaint: (pointer: String, expected: String)? {
        let texts = [
            ("/name", profile.name), ("/salutation", profile.salutation),
            ("/phone", profile.phone), ("/station", profile.station),
            ("/advisor", profile.advisor), ("/note", profile.note),
        ]
        for (pointer, text) in texts where text.map(CustomerDraft.isTooLong) ?? false {
            return (pointer, CustomerDraft.textRule)
        }
        if let phone = profile.phone, !phone.allSatisfy({ "+-() 0123456789".contains($0) }) {
            return ("/phone", "digits, spaces and +-()")
        }
        if profile.home != nil, !(consents ?? []).contains(.homeCell) {
            return ("/home_area", "sent together with the consent home_cell")
        }
        if !profile.weekdays.allSatisfy((1...7).contains) {
            return ("/preferred_weekdays", "numbers from 1 (Monday) to 7 (Sunday)")
        }
        switch (profile.contactFromMinute, profile.contactToMinute) {
        case (nil, nil): break
        case (let from?, let to?) where from < to && from >= 0 && to <= 1_440: break
        default: return ("/contact_hours", "two times of a day such as 09:00 and 18:30")
        }
        return complaintAboutLists
    }

    private var complaintAboutLists: (pointer: String, expected: String)? {
        for (index, item) in (vehicles ?? []).enumerated() {
            guard VehicleName.isValid(item.vehicle) else {
                return ("/vehicles/\(index)/vehicle", VehicleName.rule)
            }
            if [item.vin, item.plate].contains(where: { $0.map(CustomerDraft.isTooLong) ?? false })
            {
                return ("/vehicles/\(index)", CustomerDraft.textRule)
            }
        }
        let names = (vehicles ?? []).map(\.vehicle)
        if Set(names).count != names.count { return ("/vehicles", "each vehicle once") }
        for (index, item) in (dueItems ?? []).enumerated() {
            guard item.on != nil || item.kilometres != nil else {
                return ("/due_items/\(index)", "a date (on) or a distance (kilometres)")
            }
            guard item.vehicle.map(VehicleName.isValid) ?? (item.kind == .licence),
                item.kilometres.map({ $0 >= 0 }) ?? true
            else {
                return ("/due_items/\(index)/vehicle", "a vehicle, except for a licence")
            }
        }
        for (index, visit) in (visits ?? []).enumerated() {
            guard VehicleName.isValid(visit.vehicle), !CustomerDraft.isTooLong(visit.work),
                !(visit.station.map(CustomerDraft.isTooLong) ?? false),
                visit.kilometres.map({ $0 >= 0 }) ?? true
            else { return ("/visits/\(index)", "a vehicle, a date and what was done") }
        }
        for (pointer, count) in [
            ("/vehicles", names.count), ("/due_items", dueItems?.count ?? 0),
            ("/visits", visits?.count ?? 0),
        ] where count > Limits.customerRowsMax {
            return (pointer, "at most \(Limits.customerRowsMax) entries")
        }
        return nil
    }

    private static let textRule =
        "a text of at most \(Limits.customerTextBytesMax) bytes without line breaks"
    package static let nameRule =
        "letters, digits, dots, hyphens and underscores, \(Limits.vehicleNameBytesMax) at most"

    private static func isTooLong(_ text: String) -> Bool {
        text.isEmpty || text.utf8.count > Limits.customerTextBytesMax
            || text.unicodeScalars.contains { $0.value < 0x20 }
    }

    /// Whether a text can name a customer in a URL.
    package static func isName(_ text: String) -> Bool {
        (1...Limits.vehicleNameBytesMax).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                    || (0x61...0x7a).contains(byte) || byte == 0x2d || byte == 0x2e
                    || byte == 0x5f
            }
            && text != "." && text != ".."
    }
}
