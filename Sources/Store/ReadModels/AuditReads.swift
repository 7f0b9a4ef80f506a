import Foundation
import GRDB
package import GatewayCore
package import Telemetry

/// A row of the history, as it is shown.
package struct AuditRecord: Sendable, Equatable {
    package var id: Int64
    package var at: Timestamp
    package var machine: String
    package var record: Int64
    package var from: String
    package var event: String
    package var to: String
    package var actor: String
    package var role: String
    package var request: String
    package var reason: String
    package var changes: String
    package var hash: String

    fileprivate init(_ row: Row) {
        id = row["id"]
        at = Timestamp(milliseconds: row["at_ms"])
        machine = row["machine"]
        record = row["record_id"]
        from = row["from_state"]
        event = row["event"]
        to = row["to_state"]
        actor = row["actor"]
        role = row["role"]
        request = row["request"]
        reason = row["reason"]
        changes = row["changes"]
        hash = (row["hash"] as Data).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }
}

/// Which rows of the history are asked for; nil: any.
package struct AuditFilter: Sendable {
    package var machine: Transition.Machine?
    package var record: Int64?
    package var actor: String?
    package var event: String?
    package var from: Timestamp?
    package var to: Timestamp?

    package init() {}
}

extension ReadStore {
    /// The history, newest first; of suggestions and visits of some stations only, where they are
    /// named.
    package func audit(
        _ filter: AuditFilter,
        before id: Int64,
        limit: Int,
        stations: Set<String>?
    ) async throws -> [AuditRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM transition
                    WHERE id < :before
                        AND (:machine IS NULL OR machine = :machine)
                        AND (:record IS NULL OR record_id = :record)
                        AND (:actor IS NULL OR actor = :actor)
                        AND (:event IS NULL OR event = :event)
                        AND (:from IS NULL OR at_ms >= :from)
                        AND (:to IS NULL OR at_ms < :to)
                        AND \(AuditSQL.inScope)
                    ORDER BY id DESC LIMIT :limit
                    """,
                arguments: [
                    "before": id, "machine": filter.machine?.rawValue, "record": filter.record,
                    "actor": filter.actor, "event": filter.event,
                    "from": filter.from?.milliseconds, "to": filter.to?.milliseconds,
                    "stations": stations.map(JSONList.text), "limit": limit,
                ]
            ).map(AuditRecord.init)
        }
    }

    /// The history after a row, oldest first, of the same scope, and how far that looked.
    package func audit(
        after id: Int64,
        limit: Int,
        stations: Set<String>?
    ) async throws -> (rows: [AuditRecord], upTo: Int64) {
        try await store.pool.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM transition WHERE id > :after AND \(AuditSQL.inScope)
                    ORDER BY id LIMIT :limit
                    """,
                arguments: [
                    "after": id, "stations": stations.map(JSONList.text), "limit": limit,
                ]
            ).map(AuditRecord.init)
            if let last = rows.last, rows.count == limit { return (rows, last.id) }
            let newest = try Int64.fetchOne(database, sql: "SELECT max(id) FROM transition")
            return (rows, newest ?? id)
        }
    }

    /// The history of vehicles after a row, oldest first: of themselves, their alerts, suggestions
    /// and visits, each row with the vehicle's name; and how far that looked.
    package func vehicleAudit(
        after id: Int64,
        limit: Int
    ) async throws -> (rows: [(row: AuditRecord, vehicle: String)], upTo: Int64) {
        try await store.pool.read { database in
            let found = try Row.fetchAll(
                database,
                sql: """
                    SELECT *, (SELECT name FROM vehicle WHERE id = CASE machine
                        WHEN 'vehicle' THEN record_id
                        WHEN 'alert' THEN
                            (SELECT vehicle_id FROM alert WHERE id = record_id)
                        WHEN 'suggestion' THEN
                            (SELECT vehicle_id FROM suggestion WHERE id = record_id)
                        WHEN 'appointment' THEN
                            (SELECT vehicle_id FROM appointment WHERE id = record_id)
                        END) AS vehicle
                    FROM transition WHERE id > :after ORDER BY id LIMIT :limit
                    """,
                arguments: ["after": id, "limit": limit]
            )
            let rows = found.compactMap { row -> (row: AuditRecord, vehicle: String)? in
                guard let vehicle: String = row["vehicle"] else { return nil }
                return (AuditRecord(row), vehicle)
            }
            return (rows, found.last.map { $0["id"] } ?? id)
        }
    }
}

private enum AuditSQL {
    /// Whoever is bound to stations learns of their suggestions and visits only.
    static let inScope = """
        (:stations IS NULL
            OR (machine = 'suggestion' AND record_id IN (
                SELECT id FROM suggestion WHERE station_code IN (
                    SELECT value FROM json_each(:stations))))
            OR (machine = 'appointment' AND record_id IN (
                SELECT id FROM appointment WHERE station_code IN (
                    SELECT value FROM json_each(:stations)))))
        """
}
