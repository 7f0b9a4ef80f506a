package import Access
import Customers
import Foundation
import GRDB
package import GatewayCore
package import Telemetry

/// A value of an exported row.
package enum ExportedValue: Sendable, Equatable, Encodable {
    case none
    case integer(Int64)
    case real(Double)
    case text(String)

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .none: try container.encodeNil()
        case .integer(let value): try container.encode(value)
        case .real(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        }
    }
}

/// What a table holds about a customer.
package struct ExportedTable: Sendable, Equatable, Encodable {
    package var name: String
    package var rows: [[String: ExportedValue]]
}

/// What became of a wish to erase.
package enum ErasureOutcome: Sendable, Equatable {
    /// What would go, by table; a second person has to confirm the number.
    case asked(Int64, counts: [String: Int])
    case erased(counts: [String: Int])
    /// Nobody asked, or it has been done.
    case notAsked
    /// Whoever asked cannot confirm.
    case samePerson
    case unknown
}

/// Everything the store holds about one customer, table by table: what is exported is what is
/// counted before an erasure, so that neither can forget a table the other knows.
enum PersonalData {
    /// The vehicles of the customer, by the number the core knows them by.
    private static let vehicles = """
        (SELECT v.id FROM vehicle v JOIN binding b ON b.vehicle = v.name
            WHERE b.customer_id = ?1)
        """

    static let tables: [(name: String, sql: String)] = [
        ("customer", "SELECT * FROM customer WHERE id = ?1"),
        ("binding", "SELECT * FROM binding WHERE customer_id = ?1"),
        ("consent", "SELECT * FROM consent WHERE customer_id = ?1"),
        ("due_item", "SELECT * FROM due_item WHERE customer_id = ?1"),
        ("past_visit", "SELECT * FROM past_visit WHERE customer_id = ?1"),
        ("message", "SELECT * FROM message WHERE customer_id = ?1"),
        ("erasure", "SELECT * FROM erasure WHERE customer_id = ?1"),
        ("vehicle", "SELECT * FROM vehicle WHERE id IN \(vehicles)"),
        ("alert", "SELECT * FROM alert WHERE vehicle_id IN \(vehicles)"),
        ("suggestion", "SELECT * FROM suggestion WHERE vehicle_id IN \(vehicles)"),
        ("appointment", "SELECT * FROM appointment WHERE vehicle_id IN \(vehicles)"),
        ("contact_attempt", "SELECT * FROM contact_attempt WHERE vehicle_id IN \(vehicles)"),
        ("complaint", "SELECT * FROM complaint WHERE vehicle_id IN \(vehicles)"),
        ("vehicle_contact", "SELECT * FROM vehicle_contact WHERE vehicle_id IN \(vehicles)"),
        ("vehicle_work", "SELECT * FROM vehicle_work WHERE vehicle_id IN \(vehicles)"),
        (
            "transition",
            "SELECT * FROM transition WHERE machine = 'customer' AND record_id = ?1"
        ),
    ]

    static func export(of customer: Int64, _ database: Database) throws -> [ExportedTable] {
        try tables.map { table in
            let rows = try Row.fetchAll(database, sql: table.sql, arguments: [customer])
            return ExportedTable(name: table.name, rows: rows.map(values))
        }
    }

    static func counts(of customer: Int64, _ database: Database) throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in tables {
            counts[table.name] = try Int.fetchOne(
                database,
                sql: "SELECT count(*) FROM (\(table.sql))",
                arguments: [customer]
            )
        }
        return counts
    }

    private static func values(_ row: Row) -> [String: ExportedValue] {
        var values: [String: ExportedValue] = [:]
        for (column, value) in row {
            switch value.storage {
            case .null: values[column] = ExportedValue.none
            case .int64(let number): values[column] = .integer(number)
            case .double(let number): values[column] = .real(number)
            case .string(let text): values[column] = .text(text)
            // Blobs are checkpoints and digests: nothing a person could read.
            case .blob: break
            }
        }
        return values
    }
}

extension Desk {
    /// Everything about a customer; that it was taken out goes on record.
    package func export(
        _ externalID: String,
        by actor: Actor,
        at now: Timestamp
    ) async throws -> [ExportedTable]? {
        try await write { database in
            guard let record = try CustomerRows.record(externalID: externalID, database) else {
                return nil
            }
            try DeskAudit.add("export", to: .customer, record.id, by: actor, at: now, database)
            return try PersonalData.export(of: record.id, database)
        }
    }

    /// The customer in full; who looked, and why, goes on record in the same commit.
    package func unmask(
        _ externalID: String,
        by actor: Actor,
        reason: String,
        at now: Timestamp
    ) async throws -> CustomerRecord? {
        try await write { database in
            guard let record = try CustomerRows.record(externalID: externalID, database) else {
                return nil
            }
            try DeskAudit.add(
                "unmask",
                to: .customer,
                record.id,
                by: actor,
                at: now,
                reason: reason,
                database
            )
            return record
        }
    }

    /// Says what an erasure would take, and keeps the wish until a second person confirms it.
    package func askErasure(
        of externalID: String,
        by caller: Caller,
        at now: Timestamp
    ) async throws -> ErasureOutcome {
        try await write { database in
            guard let record = try CustomerRows.record(externalID: externalID, database),
                record.erasedAt == nil
            else { return .unknown }
            try database.execute(
                sql: """
                    INSERT INTO erasure (customer_id, asked_by, asked_key, asked_ms)
                    VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING
                    """,
                arguments: [record.id, caller.name, caller.key, now.milliseconds]
            )
            if database.changesCount == 1 {
                try DeskAudit.add(
                    "ask_erasure",
                    to: .customer,
                    record.id,
                    by: Actor(caller),
                    at: now,
                    database
                )
            }
            let number = try Int64.fetchOne(
                database,
                sql: "SELECT id FROM erasure WHERE customer_id = ? AND confirmed_ms IS NULL",
                arguments: [record.id]
            )
            return .asked(
                number ?? 0,
                counts: try PersonalData.counts(of: record.id, database)
            )
        }
    }

    /// Erases the customer, when somebody else has asked for it.
    ///
    /// The number stays as a digest, so that no import brings the customer back; the pages of the
    /// file are overwritten, and the log is folded in.
    package func confirmErasure(
        _ number: Int64,
        of externalID: String,
        by caller: Caller,
        at now: Timestamp
    ) async throws -> ErasureOutcome {
        let outcome = try await write { database in
            guard let record = try CustomerRows.record(externalID: externalID, database),
                record.erasedAt == nil
            else { return ErasureOutcome.unknown }
            let asked = try Row.fetchOne(
                database,
                sql: """
                    SELECT asked_key FROM erasure
                    WHERE id = ? AND customer_id = ? AND confirmed_ms IS NULL
                    """,
                arguments: [number, record.id]
            )
            guard let asked else { return .notAsked }
            guard asked["asked_key"] != caller.key else { return .samePerson }
            let counts = try PersonalData.counts(of: record.id, database)
            try database.execute(sql: "PRAGMA secure_delete = ON")
            defer { try? database.execute(sql: "PRAGMA secure_delete = OFF") }
            try erase(record, by: Actor(caller), now, database)
            try database.execute(
                sql: "UPDATE erasure SET confirmed_by = ?, confirmed_ms = ? WHERE id = ?",
                arguments: [caller.name, now.milliseconds, number]
            )
            return .erased(counts: counts)
        }
        if case .erased = outcome { try await foldLog() }
        return outcome
    }

    private func erase(
        _ record: CustomerRecord,
        by actor: Actor,
        _ now: Timestamp,
        _ database: Database
    ) throws {
        let open = try Row.fetchAll(
            database,
            sql: "SELECT id, vehicle FROM binding WHERE customer_id = ? AND to_ms IS NULL",
            arguments: [record.id]
        )
        for row in open {
            try end(binding: row["id"], row["vehicle"], of: record.id, by: actor, now, database)
        }
        for owned in record.bindings.map(\.owned) {
            try withhold(owned, database)
        }
        for table in ["binding", "consent", "due_item", "past_visit", "message"] {
            try database.execute(
                sql: "DELETE FROM \(table) WHERE customer_id = ?",
                arguments: [record.id]
            )
        }
        try database.execute(
            sql: "INSERT OR IGNORE INTO tombstone (digest, at_ms) VALUES (?, ?)",
            arguments: [try Desk.tombstone(of: record.externalID, database), now.milliseconds]
        )
        try database.execute(
            sql: """
                UPDATE customer SET external_id = 'erased-' || id, version = version + 1,
                    name = NULL, salutation = NULL, phone = NULL, station_code = NULL,
                    home_latitude = NULL, home_longitude = NULL,
                    weekdays = '', contact_from_minute = NULL, contact_to_minute = NULL,
                    advisor = NULL, note = NULL, updated_ms = ?1, erased_ms = ?1
                WHERE id = ?2
                """,
            arguments: [now.milliseconds, record.id]
        )
        try DeskAudit.add("erase", to: .customer, record.id, by: actor, at: now, database)
    }

    /// Words that were said or written down about a vehicle's owner; what was done, and when, stays.
    private static let saidOfOwner = [
        "UPDATE suggestion SET note = '', symptoms = '', lines = '[]' WHERE \(ofVehicle)",
        """
        UPDATE appointment SET note = '', symptoms = '', lines = '[]', follow_up_expectation = '',
            follow_up_issue = '', follow_up_reminders = ''
        WHERE \(ofVehicle)
        """,
        "UPDATE contact_attempt SET symptoms = '', note = '' WHERE \(ofVehicle)",
        "UPDATE complaint SET text = '', resolution = '' WHERE \(ofVehicle)",
        """
        UPDATE transition SET reason = '', changes = ''
        WHERE (machine = 'suggestion'
                AND record_id IN (SELECT id FROM suggestion WHERE \(ofVehicle)))
            OR (machine = 'appointment'
                AND record_id IN (SELECT id FROM appointment WHERE \(ofVehicle)))
        """,
    ]

    private static let ofVehicle = "vehicle_id = (SELECT id FROM vehicle WHERE name = ?1)"

    /// What a vehicle's other records say of its owner: the plate it reports, words of advisors,
    /// and rejected packets that hold either.
    private func withhold(_ owned: OwnedVehicle, _ database: Database) throws {
        let reported = try String.fetchOne(
            database,
            sql: "SELECT plate FROM vehicle WHERE name = ?",
            arguments: [owned.vehicle]
        )
        try database.execute(
            sql: "UPDATE vehicle SET plate = NULL, is_plate_withheld = 1 WHERE name = ?",
            arguments: [owned.vehicle]
        )
        for statement in Desk.saidOfOwner {
            try database.execute(sql: statement, arguments: [owned.vehicle])
        }
        for word in [reported, owned.plate, owned.vin] {
            guard let word, !word.isEmpty else { continue }
            try database.execute(
                sql: "DELETE FROM dead_letter WHERE instr(payload, CAST(? AS BLOB)) > 0",
                arguments: [word]
            )
        }
    }

    static func tombstone(of externalID: String, _ database: Database) throws -> Data {
        let salt = try Data.fetchOne(database, sql: "SELECT salt FROM tombstone_salt") ?? Data()
        return Secret.digest(externalID, salt: salt)
    }
}
