import GRDB
import GatewayCore
import Rules
package import Telemetry
package import Workshop

/// A visit with everything the API says about it.
package struct AppointmentRecord: Sendable, Equatable {
    package var id: Int64
    package var version: Int
    package var state: AppointmentState
    package var vehicle: String
    package var plate: String?
    package var stationCode: String
    package var suggestion: Int64?
    package var alerts: [Int64]
    package var need: VisitNeed
    package var slot: SlotRecord
    package var sequence: Int
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var arrivedAt: Timestamp?
    package var startedAt: Timestamp?
    package var finishedAt: Timestamp?
    package var odometerKilometres: Int?
    package var symptoms: String
    package var cancelCode: CancelCode?
    package var note: String
    package var findings: [Finding]
    package var toDos: [ToDo]
    package var followUp: FollowUp?
}

/// An attempt to reach a customer, as it is shown.
package struct AttemptRecord: Sendable, Equatable {
    package var id: Int64
    package var at: Timestamp
    package var actor: String
    package var channel: ContactChannel
    package var outcome: ContactOutcome
    package var isRedial: Bool
    package var callBackAt: Timestamp?
    package var odometerKilometres: Int?
    package var symptoms: String
    package var note: String
}

/// A closure by the codes it is known by.
package struct ClosureRecord: Sendable, Equatable {
    package var id: Int64
    package var stationCode: String
    package var scope: String
    package var placeCode: String?
    package var start: Timestamp
    package var end: Timestamp
    package var reason: String

    fileprivate init(_ row: Row) {
        id = row["id"]
        stationCode = row["station_code"]
        scope = row["scope"]
        placeCode = row["place_code"]
        start = Timestamp(milliseconds: row["start_ms"])
        end = Timestamp(milliseconds: row["end_ms"])
        reason = row["reason"]
    }
}

/// How a rule's alerts were judged.
package struct RulePrecision: Sendable, Equatable {
    package var rule: String
    package var precision: Precision
}

/// Which visits are asked for; nil: any.
package struct AppointmentFilter: Sendable {
    package var state: AppointmentState?
    package var station: String?
    package var from: Timestamp?
    package var to: Timestamp?
    /// With such a to-do open.
    package var toDo: ToDo.Kind?

    package init() {}
}

extension ReadStore {
    /// Visits by start, after `cursor` when given; of some stations only, where they are named.
    package func appointments(
        _ filter: AppointmentFilter,
        after cursor: (start: Int64, id: Int64)?,
        limit: Int,
        stations: Set<String>? = nil
    ) async throws -> [AppointmentRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT a.*, v.name AS vehicle_name, v.plate
                    FROM appointment a JOIN vehicle v ON v.id = a.vehicle_id
                    WHERE (a.start_ms, a.id) > (:after, :afterID)
                        AND (:state IS NULL OR a.state = :state)
                        AND (:station IS NULL OR a.station_code = :station)
                        AND (:stations IS NULL
                            OR a.station_code IN (SELECT value FROM json_each(:stations)))
                        AND a.start_ms >= :from AND a.start_ms < :to
                        AND (:toDo IS NULL OR EXISTS (SELECT 1 FROM to_do t
                            WHERE t.appointment_id = a.id AND t.kind = :toDo
                                AND t.done_ms IS NULL))
                    ORDER BY a.start_ms, a.id LIMIT :limit
                    """,
                arguments: [
                    "after": cursor?.start ?? .min, "afterID": cursor?.id ?? .min,
                    "state": filter.state?.rawValue, "station": filter.station,
                    "stations": stations.map(JSONList.text),
                    "from": (filter.from ?? .distantPast).milliseconds,
                    "to": (filter.to ?? .distantFuture).milliseconds,
                    "toDo": filter.toDo?.rawValue, "limit": limit,
                ]
            ).map { try AppointmentReads.record($0, database) }
        }
    }

    /// A vehicle's visits, newest first.
    package func appointments(ofVehicle vehicle: VehicleID) async throws -> [AppointmentRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT a.*, v.name AS vehicle_name, v.plate
                    FROM appointment a JOIN vehicle v ON v.id = a.vehicle_id
                    WHERE a.vehicle_id = ? ORDER BY a.start_ms DESC, a.id DESC LIMIT ?
                    """,
                arguments: [Int64(vehicle.index), Limits.pageRowsMax]
            ).map { try AppointmentReads.record($0, database) }
        }
    }

    package func appointment(_ id: Int64) async throws -> AppointmentRecord? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT a.*, v.name AS vehicle_name, v.plate
                    FROM appointment a JOIN vehicle v ON v.id = a.vehicle_id WHERE a.id = ?
                    """,
                arguments: [id]
            ).map { try AppointmentReads.record($0, database) }
        }
    }

    /// The attempts on a suggestion, oldest first.
    package func attempts(onSuggestion id: Int64) async throws -> [AttemptRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM contact_attempt WHERE suggestion_id = ? ORDER BY id LIMIT ?
                    """,
                arguments: [id, Limits.pageRowsMax]
            ).compactMap { row in
                guard let channel = ContactChannel(rawValue: row["channel"]),
                    let outcome = ContactOutcome(rawValue: row["outcome"])
                else { return nil }
                return AttemptRecord(
                    id: row["id"],
                    at: Timestamp(milliseconds: row["at_ms"]),
                    actor: row["actor"],
                    channel: channel,
                    outcome: outcome,
                    isRedial: row["is_redial"],
                    callBackAt: time(row, "call_back_ms"),
                    odometerKilometres: row["odometer_km"],
                    symptoms: row["symptoms"],
                    note: row["note"]
                )
            }
        }
    }

    /// Complaints with the name of their vehicle, open ones first, then newest first; of some
    /// stations only, where they are named.
    package func complaints(
        limit: Int,
        stations: Set<String>?,
        standardStation: String
    ) async throws -> [(complaint: Complaint, vehicle: String)] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT c.*, v.name AS vehicle_name
                    FROM complaint c JOIN vehicle v ON v.id = c.vehicle_id
                    WHERE ?1 IS NULL OR coalesce(v.station_code, ?2)
                        IN (SELECT value FROM json_each(?1))
                    ORDER BY c.handled_ms IS NOT NULL, c.id DESC LIMIT ?3
                    """,
                arguments: [stations.map(JSONList.text), standardStation, limit]
            ).map { (BookingRows.complaint($0), $0["vehicle_name"]) }
        }
    }

    /// Closures, the newest start first; of some stations, and within an interval, where those are
    /// named.
    package func closures(
        stations: Set<String>?,
        within interval: OpenInterval? = nil,
        limit: Int
    ) async throws -> [ClosureRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM closure
                    WHERE (?1 IS NULL OR station_code IN (SELECT value FROM json_each(?1)))
                        AND (?2 IS NULL OR (start_ms < ?3 AND end_ms > ?2))
                    ORDER BY start_ms DESC, id LIMIT ?4
                    """,
                arguments: [
                    stations.map(JSONList.text), interval?.start.milliseconds,
                    interval?.end.milliseconds, limit,
                ]
            ).map(ClosureRecord.init)
        }
    }

    package func closure(_ id: Int64) async throws -> ClosureRecord? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT * FROM closure WHERE id = ?",
                arguments: [id]
            ).map(ClosureRecord.init)
        }
    }

    /// By rule: how many of the serviced alerts were inspected, and how many were right.
    package func precision() async throws -> [RulePrecision] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT rule_id, count(*) AS serviced,
                        sum(verdict IN ('confirmed', 'worn_early')) AS hits,
                        sum(verdict = 'no_fault') AS misses,
                        sum(verdict IS NOT NULL AND verdict <> 'not_inspected') AS inspected
                    FROM alert WHERE serviced_ms IS NOT NULL
                        AND (outcome IS NULL OR outcome <> 'data_fault')
                    GROUP BY rule_id ORDER BY rule_id
                    """
            ).map { row in
                RulePrecision(
                    rule: row["rule_id"],
                    precision: Precision(
                        right: row["hits"] ?? 0,
                        wrong: row["misses"] ?? 0,
                        serviced: row["serviced"],
                        inspected: row["inspected"]
                    )
                )
            }
        }
    }
}

private enum AppointmentReads {
    static func record(_ row: Row, _ database: Database) throws -> AppointmentRecord {
        let id: Int64 = row["id"]
        return AppointmentRecord(
            id: id,
            version: row["version"],
            state: AppointmentState(rawValue: row["state"]) ?? .confirmed,
            vehicle: row["vehicle_name"],
            plate: row["plate"],
            stationCode: row["station_code"],
            suggestion: row["suggestion_id"],
            alerts: try Int64.fetchAll(
                database,
                sql: """
                    SELECT alert_id FROM appointment_alert WHERE appointment_id = ?
                    ORDER BY alert_id
                    """,
                arguments: [id]
            ),
            need: try BookingRows.need(row),
            slot: SlotRecord(
                label: nil,
                bayCode: row["bay_code"],
                technicianCode: row["technician_code"],
                start: Timestamp(milliseconds: row["start_ms"]),
                end: Timestamp(milliseconds: row["end_ms"])
            ),
            sequence: row["sequence"],
            createdAt: Timestamp(milliseconds: row["created_ms"]),
            updatedAt: Timestamp(milliseconds: row["updated_ms"]),
            arrivedAt: time(row, "arrived_ms"),
            startedAt: time(row, "started_ms"),
            finishedAt: time(row, "finished_ms"),
            odometerKilometres: row["odometer_km"],
            symptoms: row["symptoms"],
            cancelCode: (row["cancel_code"] as String?).flatMap(CancelCode.init(rawValue:)),
            note: row["note"],
            findings: try BookingRows.findings(ofAppointment: id, database),
            toDos: try BookingRows.toDos(ofAppointment: id, database),
            followUp: BookingRows.followUp(row)
        )
    }
}
