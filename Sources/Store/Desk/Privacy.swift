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
    /// Whether a row about a vehicle fell into a time when it was the customer's (`?1`).
    ///
    /// What came before the first owner the desk knows of is that owner's: the car mostly speaks
    /// before the desk has heard of it.
    static func owns(_ table: String, at time: String) -> String {
        """
        EXISTS (SELECT 1 FROM binding b JOIN vehicle v ON v.name = b.vehicle
            WHERE b.customer_id = ?1 AND v.id = \(table).vehicle_id
                AND (b.to_ms IS NULL OR \(time) <= b.to_ms)
                AND NOT EXISTS (SELECT 1 FROM former_owner e WHERE e.vehicle = b.vehicle
                    AND e.to_ms <= b.from_ms AND \(time) <= e.to_ms))
        """
    }

    /// Whether a vehicle is the customer's (`?1`) now.
    static func ownsNow(_ vehicle: String) -> String {
        """
        EXISTS (SELECT 1 FROM binding b JOIN vehicle v ON v.name = b.vehicle
            WHERE b.customer_id = ?1 AND v.id = \(vehicle) AND b.to_ms IS NULL)
        """
    }

    private static func rows(_ table: String, at time: String) -> (name: String, sql: String) {
        (table, "SELECT * FROM \(table) WHERE \(owns(table, at: "\(table).\(time)"))")
    }

    private static func rowsNow(_ table: String, _ vehicle: String) -> (name: String, sql: String) {
        (table, "SELECT * FROM \(table) WHERE \(ownsNow("\(table).\(vehicle)"))")
    }

    static let tables: [(name: String, sql: String)] = [
        ("customer", "SELECT * FROM customer WHERE id = ?1"),
        ("binding", "SELECT * FROM binding WHERE customer_id = ?1"),
        ("consent", "SELECT * FROM consent WHERE customer_id = ?1"),
        ("due_item", "SELECT * FROM due_item WHERE customer_id = ?1"),
        ("past_visit", "SELECT * FROM past_visit WHERE customer_id = ?1"),
        ("message", "SELECT * FROM message WHERE customer_id = ?1"),
        ("erasure", "SELECT * FROM erasure WHERE customer_id = ?1"),
        rowsNow("vehicle", "id"),
        rows("alert", at: "raised_ms"),
        rows("suggestion", at: "created_ms"),
        rows("appointment", at: "created_ms"),
        rows("contact_attempt", at: "at_ms"),
        rows("complaint", at: "opened_ms"),
        rowsNow("vehicle_contact", "vehicle_id"),
        rowsNow("vehicle_work", "vehicle_id"),
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

extension ReadStore {
    /// What the customer's cars reported while they were theirs, the newest `limit` of it.
    package func readings(
        ofCustomer externalID: String,
        limit: Int
    ) async throws -> ExportedTable {
        try await store.pool.read { database in
            let bindings = try Row.fetchAll(
                database,
                sql: """
                    SELECT v.id, v.name, b.to_ms, (SELECT max(e.to_ms) FROM former_owner e
                        WHERE e.vehicle = b.vehicle AND e.to_ms <= b.from_ms) AS from_ms
                    FROM binding b JOIN vehicle v ON v.name = b.vehicle
                    JOIN customer c ON c.id = b.customer_id
                    WHERE c.external_id = ? ORDER BY b.from_ms DESC
                    """,
                arguments: [externalID]
            )
            var paths: [UInt16: String] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT id, path FROM signal") {
                paths[row["id"]] = row["path"]
            }
            var rows: [[String: ExportedValue]] = []
            for binding in bindings {
                let readings = try store.readings(
                    database,
                    of: VehicleID(index: binding["id"]),
                    from: time(binding, "from_ms") ?? .distantPast,
                    to: time(binding, "to_ms") ?? .distantFuture
                )
                for reading in readings.suffix(max(0, limit - rows.count)) {
                    rows.append([
                        "vehicle": .text(binding["name"]),
                        "signal": .text(paths[reading.signal] ?? ""),
                        "observed": .text("\(reading.observedAt)"),
                        "value": reading.quality == .good ? .real(reading.value) : .none,
                    ])
                }
            }
            return ExportedTable(name: "reading", rows: rows)
        }
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
        // While the last time is still open, whatever the clocks say.
        for statement in Desk.saidOfOwner {
            try database.execute(sql: statement, arguments: [record.id])
        }
        for row in open {
            try end(binding: row["id"], row["vehicle"], of: record.id, by: actor, now, database)
        }
        for owned in record.bindings.map(\.owned) { try withhold(owned, of: record, database) }
        for row in open {
            try database.execute(
                sql: "UPDATE vehicle_news SET is_erased = 1 WHERE vehicle = ?",
                arguments: [row["vehicle"] as String]
            )
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

    /// Words that were said or written down about the customer; what was done, and when, stays.
    private static let saidOfOwner = [
        """
        UPDATE transition SET reason = '', changes = ''
        WHERE (machine = 'suggestion' AND record_id IN (SELECT id FROM suggestion
                WHERE \(PersonalData.owns("suggestion", at: "suggestion.created_ms"))))
            OR (machine = 'appointment' AND record_id IN (SELECT id FROM appointment
                WHERE \(PersonalData.owns("appointment", at: "appointment.created_ms"))))
        """,
        """
        UPDATE suggestion SET note = '', symptoms = '', lines = '[]'
        WHERE \(PersonalData.owns("suggestion", at: "suggestion.created_ms"))
        """,
        """
        UPDATE appointment SET note = '', symptoms = '', lines = '[]', follow_up_expectation = '',
            follow_up_issue = '', follow_up_reminders = ''
        WHERE \(PersonalData.owns("appointment", at: "appointment.created_ms"))
        """,
        """
        UPDATE contact_attempt SET symptoms = '', note = ''
        WHERE \(PersonalData.owns("contact_attempt", at: "contact_attempt.at_ms"))
        """,
        """
        UPDATE complaint SET text = '', resolution = ''
        WHERE \(PersonalData.owns("complaint", at: "complaint.opened_ms"))
        """,
    ]

    /// What a vehicle's other records say of its owner: the plate it reports, while nobody else
    /// drives under it, and rejected packets that hold plate or number.
    private func withhold(
        _ owned: OwnedVehicle,
        of record: CustomerRecord,
        _ database: Database
    ) throws {
        var words = [owned.plate, owned.vin]
        let hasNewOwner =
            try Bool.fetchOne(
                database,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM binding
                        WHERE vehicle = ? AND customer_id <> ? AND to_ms IS NULL)
                    """,
                arguments: [owned.vehicle, record.id]
            ) ?? false
        if !hasNewOwner {
            words.append(
                try String.fetchOne(
                    database,
                    sql: "SELECT plate FROM vehicle WHERE name = ?",
                    arguments: [owned.vehicle]
                )
            )
            try database.execute(
                sql: "UPDATE vehicle SET plate = NULL, is_plate_withheld = 1 WHERE name = ?",
                arguments: [owned.vehicle]
            )
        }
        for word in words {
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
