package import Customers
import Telemetry

/// A CSV of customers and their vehicles → drafts.
///
/// A line is one vehicle of one customer; a customer of several vehicles has several lines that say
/// the same of the customer. `customer` is needed, the rest may be absent or empty.
package enum CustomerFile {
    private static let columns = [
        "customer", "name", "salutation", "phone", "language", "station", "channel", "advisor",
        "note", "consents", "vehicle", "vin", "plate", "inspection_on", "insurance_on",
        "licence_on", "service_on", "service_kilometres", "home_latitude", "home_longitude",
    ]

    /// The customers in the order of their first line.
    /// - Throws: `ConfigError` with the line.
    package static func load(
        _ file: String,
        stations: Set<String>
    ) throws -> [(id: String, draft: CustomerDraft)] {
        let table = try CSVTable.load(file, columns: columns, required: ["customer"])
        var order: [String] = []
        var drafts: [String: CustomerDraft] = [:]
        for row in table.rows {
            let id = try row.require("customer")
            guard CustomerDraft.isName(id) else {
                throw row.failure("'\(id)' cannot be a customer's number")
            }
            let profile = try profile(row, stations)
            var draft = drafts[id] ?? CustomerDraft()
            if drafts[id] == nil {
                order.append(id)
                draft.profile = profile
                draft.consents = try consents(row)
                draft.vehicles = []
                draft.dueItems = []
            }
            guard draft.profile == profile else {
                throw row.failure("an earlier line says something else of customer '\(id)'")
            }
            try add(row, to: &draft)
            if let complaint = draft.complaint {
                throw row.failure("\(complaint.pointer) must be \(complaint.expected)")
            }
            drafts[id] = draft
        }
        return order.compactMap { id in drafts[id].map { (id, $0) } }
    }

    private static func profile(
        _ row: CSVTable.Row,
        _ stations: Set<String>
    ) throws -> CustomerProfile {
        var profile = CustomerProfile()
        profile.name = row["name"]
        profile.salutation = row["salutation"]
        profile.phone = row["phone"]
        profile.language = try choice(CustomerLanguage.self, row, "language") ?? .chinese
        profile.channel = try choice(ContactChannel.self, row, "channel") ?? .phone
        profile.advisor = row["advisor"]
        profile.note = row["note"]
        if let station = row["station"] {
            guard stations.contains(station) else {
                throw row.failure("there is no station '\(station)'")
            }
            profile.station = station
        }
        profile.home = try home(row)
        return profile
    }

    private static func home(_ row: CSVTable.Row) throws -> GeoPoint? {
        let degrees = [("home_latitude", 90.0), ("home_longitude", 180.0)].map { column, most in
            row[column].flatMap(Double.init).flatMap { abs($0) <= most ? $0 : nil }
        }
        switch (degrees[0], degrees[1]) {
        case (let latitude?, let longitude?):
            // Nobody is to know it better than that.
            return GeoPoint(latitude: latitude, longitude: longitude).coarse
        case _ where row["home_latitude"] == nil && row["home_longitude"] == nil: return nil
        default: throw row.failure("home_latitude and home_longitude are degrees, both or neither")
        }
    }

    private static func consents(_ row: CSVTable.Row) throws -> Set<ConsentKind> {
        Set(
            try (row["consents"] ?? "").split(separator: ";").map { name in
                guard let kind = ConsentKind(rawValue: String(name)) else {
                    let known = ConsentKind.allCases.map(\.rawValue).joined(separator: ", ")
                    throw row.failure("'\(name)' is not one of: \(known)")
                }
                return kind
            }
        )
    }

    private static func add(_ row: CSVTable.Row, to draft: inout CustomerDraft) throws {
        let vehicle = row["vehicle"]
        if let vehicle {
            draft.vehicles?.append(
                OwnedVehicle(vehicle: vehicle, vin: row["vin"], plate: row["plate"])
            )
        }
        let kilometres = try row["service_kilometres"].map { text in
            guard let number = Int(text), number >= 0 else {
                throw row.failure("'\(text)' is not a distance in km")
            }
            return number
        }
        for (kind, column) in [
            (DueKind.inspection, "inspection_on"), (.insurance, "insurance_on"),
            (.licence, "licence_on"), (.service, "service_on"),
        ] {
            let date = try row[column].map { text in
                guard let date = CivilDate(iso8601: text) else {
                    throw row.failure("'\(text)' is not a date such as 2026-12-31")
                }
                return date
            }
            let distance = kind == .service ? kilometres : nil
            guard date != nil || distance != nil else { continue }
            let item = DueItem(
                kind: kind,
                vehicle: kind == .licence ? nil : vehicle,
                on: date,
                kilometres: distance
            )
            if draft.dueItems?.contains(item) == false { draft.dueItems?.append(item) }
        }
    }

    private static func choice<Value: RawRepresentable & CaseIterable>(
        _ type: Value.Type,
        _ row: CSVTable.Row,
        _ column: String
    ) throws -> Value? where Value.RawValue == String {
        guard let text = row[column] else { return nil }
        guard let value = Value(rawValue: text) else {
            let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw row.failure("'\(text)' is not one of: \(known)")
        }
        return value
    }
}
