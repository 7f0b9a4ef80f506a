package import Customers
import GRDB
package import GatewayCore
package import Telemetry

/// What became of a customer that was written.
package enum PutOutcome: Sendable, Equatable {
    case created(CustomerRecord)
    case updated(CustomerRecord)
    /// It says what the store says already.
    case unchanged(CustomerRecord)
    /// It differs, and which version it is to replace was not said.
    case versionMissing(CustomerRecord)
    case stale(CustomerRecord)
    /// The customer was erased and stays so.
    case erased
}

extension Desk {
    package func customer(_ externalID: String) async throws -> CustomerRecord? {
        try await read { try CustomerRows.record(externalID: externalID, $0) }
    }

    /// Customers by number, those after `last`; of some stations only, where they are named.
    package func customers(
        after last: Int64,
        limit: Int,
        stations: Set<String>?,
        standardStation: String
    ) async throws -> [CustomerRecord] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM customer
                    WHERE id > ?1 AND (?2 IS NULL OR coalesce(station_code, ?3)
                        IN (SELECT value FROM json_each(?2)))
                    ORDER BY id LIMIT ?4
                    """,
                arguments: [last, stations.map(JSONList.text), standardStation, limit]
            ).map { try CustomerRows.record($0, database) }
        }
    }

    /// Who owns a vehicle now.
    package func owner(of vehicle: String) async throws -> CustomerRecord? {
        try await read { try Desk.owner(of: vehicle, $0) }
    }

    static func owner(of vehicle: String, _ database: Database) throws -> CustomerRecord? {
        try Row.fetchOne(
            database,
            sql: """
                SELECT c.* FROM customer c JOIN binding b ON b.customer_id = c.id
                WHERE b.vehicle = ? AND b.to_ms IS NULL
                """,
            arguments: [vehicle]
        ).map { try CustomerRows.record($0, database) }
    }

    /// Makes a customer what the draft says, in one transaction.
    ///
    /// A vehicle that had another owner leaves that one at once. The same draft again changes
    /// nothing; another one must name the version it replaces, unless `isImport` says that the
    /// sender is the one who knows.
    package func put(
        _ draft: CustomerDraft,
        as externalID: String,
        version: Int?,
        isImport: Bool = false,
        by actor: Actor,
        at now: Timestamp
    ) async throws -> PutOutcome {
        try await write { database in
            guard try !Desk.isErased(externalID, database) else { return .erased }
            let before = try CustomerRows.record(externalID: externalID, database)
            if let before {
                if draft.isSame(as: before) { return .unchanged(before) }
                if let version {
                    if version != before.version { return .stale(before) }
                } else if !isImport {
                    return .versionMissing(before)
                }
            }
            try CustomerRows.write(
                draft.profile,
                externalID: externalID,
                version: (before?.version ?? 0) + 1,
                at: now,
                database
            )
            let id =
                try Int64.fetchOne(
                    database,
                    sql: "SELECT id FROM customer WHERE external_id = ?",
                    arguments: [externalID]
                ) ?? 0
            if let vehicles = draft.vehicles {
                try bind(vehicles, to: id, by: actor, now, database)
            }
            if let consents = draft.consents { try consent(consents, of: id, now, database) }
            if let items = draft.dueItems { try replace(items, of: id, database) }
            for visit in draft.visits ?? [] { try add(visit, of: id, database) }
            guard let after = try CustomerRows.record(externalID: externalID, database) else {
                return .erased
            }
            return before == nil ? .created(after) : .updated(after)
        }
    }

    static func isErased(_ externalID: String, _ database: Database) throws -> Bool {
        try Bool.fetchOne(
            database,
            sql: "SELECT EXISTS (SELECT 1 FROM tombstone WHERE digest = ?)",
            arguments: [try tombstone(of: externalID, database)]
        ) ?? false
    }

    // MARK: Vehicles

    private func bind(
        _ vehicles: [OwnedVehicle],
        to customer: Int64,
        by actor: Actor,
        _ now: Timestamp,
        _ database: Database
    ) throws {
        let names = Set(vehicles.map(\.vehicle))
        let open = try Row.fetchAll(
            database,
            sql: """
                SELECT id, vehicle, customer_id FROM binding
                WHERE to_ms IS NULL AND (customer_id = ?1
                    OR vehicle IN (SELECT value FROM json_each(?2)))
                """,
            arguments: [customer, JSONList.text(names)]
        )
        var kept: Set<String> = []
        for row in open {
            let vehicle: String = row["vehicle"]
            let owner: Int64 = row["customer_id"]
            if owner == customer, names.contains(vehicle) {
                kept.insert(vehicle)
                continue
            }
            try end(binding: row["id"], vehicle, of: owner, by: actor, now, database)
            if owner != customer {
                // The other customer's record has changed too.
                try database.execute(
                    sql: "UPDATE customer SET version = version + 1, updated_ms = ? WHERE id = ?",
                    arguments: [now.milliseconds, owner]
                )
            }
        }
        for owned in vehicles {
            if kept.contains(owned.vehicle) {
                try database.execute(
                    sql: """
                        UPDATE binding SET vin = ?, plate = ? WHERE vehicle = ? AND to_ms IS NULL
                        """,
                    arguments: [owned.vin, owned.plate, owned.vehicle]
                )
                continue
            }
            try database.execute(
                sql: """
                    INSERT INTO binding (vehicle, customer_id, vin, plate, from_ms)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [owned.vehicle, customer, owned.vin, owned.plate, now.milliseconds]
            )
            try database.execute(
                sql: "UPDATE vehicle SET is_plate_withheld = 0 WHERE name = ?",
                arguments: [owned.vehicle]
            )
        }
    }

    /// Ends a binding: contact stops with this commit, what the broker keeps for the vehicle is taken
    /// back, and the core hears of it after.
    func end(
        binding: Int64,
        _ vehicle: String,
        of customer: Int64,
        by actor: Actor,
        _ now: Timestamp,
        _ database: Database
    ) throws {
        try database.execute(
            sql: "UPDATE binding SET to_ms = max(from_ms, ?) WHERE id = ?",
            arguments: [now.milliseconds, binding]
        )
        // It names nobody, so that an erasure leaves it; its time is now, by any clock.
        try database.execute(
            sql: """
                INSERT INTO message (kind, vehicle, record_id, version, channel, state, due_ms,
                    created_ms, updated_ms)
                SELECT 'clear', vehicle, record_id, version, channel, 'queued', 0, ?1, ?1
                FROM message
                WHERE vehicle = ?2 AND customer_id = ?3 AND kind = 'alert' AND channel = 'app'
                    AND state IN ('sent', 'delivered')
                ON CONFLICT DO NOTHING
                """,
            arguments: [now.milliseconds, vehicle, customer]
        )
        try DeskAudit.add(
            "vehicle_left",
            to: .customer,
            customer,
            by: actor,
            at: now,
            database
        )
    }

    // MARK: Consents, due items, history

    private func consent(
        _ kinds: Set<ConsentKind>,
        of customer: Int64,
        _ now: Timestamp,
        _ database: Database
    ) throws {
        let names = Set(kinds.map(\.rawValue))
        try database.execute(
            sql: """
                UPDATE consent SET revoked_ms = max(granted_ms, ?1)
                WHERE customer_id = ?2 AND revoked_ms IS NULL
                    AND kind NOT IN (SELECT value FROM json_each(?3))
                """,
            arguments: [now.milliseconds, customer, JSONList.text(names)]
        )
        for name in names.sorted() {
            try database.execute(
                sql: """
                    INSERT INTO consent (customer_id, kind, granted_ms) VALUES (?, ?, ?)
                    ON CONFLICT DO NOTHING
                    """,
                arguments: [customer, name, now.milliseconds]
            )
        }
    }

    private func replace(_ items: [DueItem], of customer: Int64, _ database: Database) throws {
        try database.execute(
            sql: "DELETE FROM due_item WHERE customer_id = ?",
            arguments: [customer]
        )
        for item in items {
            try database.execute(
                sql: """
                    INSERT INTO due_item (customer_id, kind, vehicle, due_on, due_kilometres)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [
                    customer, item.kind.rawValue, item.vehicle, item.on?.description,
                    item.kilometres,
                ]
            )
        }
    }

    private func add(_ visit: PastVisit, of customer: Int64, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO past_visit
                    (customer_id, vehicle, done_on, kilometres, station_code, work)
                VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                """,
            arguments: [
                customer, visit.vehicle, visit.on.description, visit.kilometres, visit.station,
                visit.work,
            ]
        )
    }
}

extension CustomerDraft {
    /// Whether the store says all of this already.
    fileprivate func isSame(as record: CustomerRecord) -> Bool {
        let open = record.consents.filter { $0.revokedAt == nil }.map(\.kind)
        let byName = { (left: OwnedVehicle, right: OwnedVehicle) in left.vehicle < right.vehicle }
        return profile == record.profile
            && (vehicles.map { $0.sorted(by: byName) == record.vehicles.sorted(by: byName) }
                ?? true)
            && (consents.map { $0 == Set(open) } ?? true)
            && (dueItems.map { $0 == record.dueItems } ?? true)
            && (visits ?? []).allSatisfy(record.visits.contains)
    }
}
