package import Customers
import GRDB
package import Telemetry

/// A vehicle's time with a customer.
package struct BindingRecord: Sendable, Equatable {
    package var owned: OwnedVehicle
    package var from: Timestamp
    /// Nil while it lasts.
    package var to: Timestamp?
}

/// A consent's time.
package struct ConsentRecord: Sendable, Equatable {
    package var kind: ConsentKind
    package var grantedAt: Timestamp
    package var revokedAt: Timestamp?
}

/// A customer with everything that hangs on one.
package struct CustomerRecord: Sendable, Equatable {
    package var id: Int64
    /// The number another system knows the customer by; it tells nothing by itself.
    package var externalID: String
    package var version: Int
    package var profile: CustomerProfile
    package var bindings: [BindingRecord]
    package var consents: [ConsentRecord]
    package var dueItems: [DueItem]
    package var visits: [PastVisit]
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var erasedAt: Timestamp?

    package var vehicles: [OwnedVehicle] { bindings.filter { $0.to == nil }.map(\.owned) }

    /// Whether a consent is in force.
    package func allows(_ kind: ConsentKind) -> Bool {
        consents.contains { $0.kind == kind && $0.revokedAt == nil }
    }
}

/// The tables of a customer ↔ the record.
enum CustomerRows {
    static func record(_ row: Row, _ database: Database) throws -> CustomerRecord {
        let id: Int64 = row["id"]
        func rows(_ sql: String) throws -> [Row] {
            try Row.fetchAll(database, sql: sql, arguments: [id])
        }
        var profile = CustomerProfile()
        profile.name = row["name"]
        profile.salutation = row["salutation"]
        profile.phone = row["phone"]
        profile.language = CustomerLanguage(rawValue: row["language"]) ?? .chinese
        profile.station = row["station_code"]
        if let latitude = row["home_latitude"] as Double?,
            let longitude = row["home_longitude"] as Double?
        {
            profile.home = GeoPoint(latitude: latitude, longitude: longitude)
        }
        profile.channel = ContactChannel(rawValue: row["channel"]) ?? .phone
        profile.weekdays = Set(Codes.set(row["weekdays"]).compactMap { Int($0) })
        profile.contactFromMinute = row["contact_from_minute"]
        profile.contactToMinute = row["contact_to_minute"]
        profile.advisor = row["advisor"]
        profile.note = row["note"]
        return CustomerRecord(
            id: id,
            externalID: row["external_id"],
            version: row["version"],
            profile: profile,
            bindings: try rows(
                "SELECT * FROM binding WHERE customer_id = ? ORDER BY from_ms, id"
            ).map { row in
                BindingRecord(
                    owned: OwnedVehicle(
                        vehicle: row["vehicle"],
                        vin: row["vin"],
                        plate: row["plate"]
                    ),
                    from: row.time("from_ms"),
                    to: row.optionalTime("to_ms")
                )
            },
            consents: try rows(
                "SELECT * FROM consent WHERE customer_id = ? ORDER BY granted_ms, id"
            ).compactMap { row in
                ConsentKind(rawValue: row["kind"]).map {
                    ConsentRecord(
                        kind: $0,
                        grantedAt: row.time("granted_ms"),
                        revokedAt: row.optionalTime("revoked_ms")
                    )
                }
            },
            dueItems: try rows("SELECT * FROM due_item WHERE customer_id = ? ORDER BY id")
                .compactMap { row in
                    DueKind(rawValue: row["kind"]).map {
                        DueItem(
                            kind: $0,
                            vehicle: row["vehicle"],
                            on: (row["due_on"] as String?).flatMap { CivilDate(iso8601: $0) },
                            kilometres: row["due_kilometres"]
                        )
                    }
                },
            visits: try rows(
                "SELECT * FROM past_visit WHERE customer_id = ? ORDER BY done_on, id"
            ).compactMap { row in
                CivilDate(iso8601: row["done_on"] as String).map {
                    PastVisit(
                        vehicle: row["vehicle"],
                        on: $0,
                        kilometres: row["kilometres"],
                        station: row["station_code"],
                        work: row["work"]
                    )
                }
            },
            createdAt: row.time("created_ms"),
            updatedAt: row.time("updated_ms"),
            erasedAt: row.optionalTime("erased_ms")
        )
    }

    static func record(externalID: String, _ database: Database) throws -> CustomerRecord? {
        try Row.fetchOne(
            database,
            sql: "SELECT * FROM customer WHERE external_id = ?",
            arguments: [externalID]
        ).map { try record($0, database) }
    }

    /// Writes the customer's own row; a version of 1 makes it.
    static func write(
        _ profile: CustomerProfile,
        externalID: String,
        version: Int,
        at now: Timestamp,
        _ database: Database
    ) throws {
        try database.execute(
            sql: """
                INSERT INTO customer (external_id, version, name, salutation, phone, language,
                    station_code, channel, weekdays, contact_from_minute, contact_to_minute,
                    advisor, note, created_ms, updated_ms, home_latitude, home_longitude)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (external_id) DO UPDATE SET version = excluded.version,
                    name = excluded.name, salutation = excluded.salutation,
                    phone = excluded.phone, language = excluded.language,
                    station_code = excluded.station_code, channel = excluded.channel,
                    weekdays = excluded.weekdays,
                    contact_from_minute = excluded.contact_from_minute,
                    contact_to_minute = excluded.contact_to_minute, advisor = excluded.advisor,
                    note = excluded.note, updated_ms = excluded.updated_ms,
                    home_latitude = excluded.home_latitude,
                    home_longitude = excluded.home_longitude
                """,
            arguments: [
                externalID, version, profile.name, profile.salutation, profile.phone,
                profile.language.rawValue, profile.station, profile.channel.rawValue,
                Codes.text(profile.weekdays.map(String.init)), profile.contactFromMinute,
                profile.contactToMinute, profile.advisor, profile.note, now.milliseconds,
                now.milliseconds, profile.home?.latitude, profile.home?.longitude,
            ]
        )
    }
}
