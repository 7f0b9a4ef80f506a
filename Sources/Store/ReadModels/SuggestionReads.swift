import GRDB
package import GatewayCore
import Rules
package import Telemetry
package import Workshop

/// A slot as people and the API see it.
package struct SlotRecord: Sendable, Equatable {
    package var label: OfferLabel?
    package var bayCode: String
    package var technicianCode: String?
    package var start: Timestamp
    package var end: Timestamp
    /// What makes up the price of an offer.
    package var terms: [CostTerm] = []
}

/// A suggestion with everything a page or the API says about it.
package struct SuggestionRecord: Sendable, Equatable {
    package var id: Int64
    package var version: Int
    package var state: SuggestionState
    package var need: VisitNeed
    package var handling: Handling
    package var appointment: Int64?
    package var reopenedFrom: Int64?
    package var stationCode: String
    package var slot: SlotRecord?
    package var holdUntil: Timestamp?
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var declineReason: DeclineReason?
    package var note: String
    package var symptoms: String
    package var stationReason: StationReason
    /// Live suggestions of the owner's other cars.
    package var companions: [Int64]
    package var vehicle: String
    package var vehicleID: VehicleID
    package var model: String?
    package var plate: String?
    package var alerts: [Alert]
    package var offers: [SlotRecord]

    package var latestBy: Timestamp { need.latestBy }
    package var minutes: Int { need.minutes }
    package var jobs: [String] { need.jobs }
    package var urgency: Urgency { need.urgency }
    /// No slot could be held: said, never hidden.
    package var hasNoSlot: Bool { state.isLive && slot == nil && appointment == nil }
    /// By when to come, as it is told: while a car must stop at once, that is now.
    package func deadline(now: Timestamp) -> Timestamp {
        urgency == .p0 && state.isLive ? max(latestBy, now) : latestBy
    }

    package var isOverdue: Bool { slot.map { $0.start > latestBy } ?? false }
}

/// Which suggestions are asked for; nil: any.
package struct SuggestionFilter: Sendable {
    /// What marks a row beside its state.
    package enum Flag: String, CaseIterable, Sendable {
        /// The held slot lies after the deadline.
        case overdue
        case noSlot = "no_slot"
        /// Something changed while somebody worked on it.
        case changed
        /// Nobody tried in time.
        case breached
        case basisGone = "basis_gone"
        /// It was declined before.
        case reopened
        /// It would add to a confirmed visit.
        case amendment

        fileprivate var sql: String {
            switch self {
            case .overdue: "o.start_ms > s.latest_by_ms"
            case .noSlot: "s.occupancy_id IS NULL AND s.appointment_id IS NULL"
            case .changed: "s.has_changed"
            case .breached: "s.is_breached"
            case .basisGone: "s.is_basis_gone"
            case .reopened: "s.reopened_from IS NOT NULL"
            case .amendment: "s.appointment_id IS NOT NULL AND s.state <> 'booked'"
            }
        }
    }

    package var states: [SuggestionState]
    package var urgency: Urgency?
    package var station: String?
    package var owner: String?
    package var queue: Queue?
    package var flag: Flag?
    /// Latest by, at most.
    package var dueBefore: Timestamp?
    /// A part of the vehicle's name, or its whole plate: parts would let one guess what is masked.
    package var text: String?

    package init(states: [SuggestionState]) {
        self.states = states
    }
}

/// A step in a record's history.
package struct HistoryRecord: Sendable, Equatable {
    package var at: Timestamp
    package var machine: String
    package var event: String
    package var to: String
    package var actor: String
    package var reason: String
}

/// What pages and API read, each from one snapshot.
///
/// Isolation: any; the queries run on GRDB's reader queues, never on the cooperative pool.
package struct ReadStore: Sendable {
    let store: GatewayStore

    package init(_ store: GatewayStore) {
        self.store = store
    }

    /// Suggestions in some states, most urgent first, after `cursor` when given; of some stations
    /// only, where they are named.
    package func suggestions(
        _ filter: SuggestionFilter,
        after cursor: (urgency: Int, latestBy: Int64, id: Int64)?,
        limit: Int,
        stations: Set<String>? = nil
    ) async throws -> [SuggestionRecord] {
        try await store.pool.read { database in
            let flag = filter.flag.map { "AND \($0.sql)" } ?? ""
            let rows = try Row.fetchAll(
                database,
                sql: SuggestionSQL.select + """
                     WHERE s.state IN (SELECT value FROM json_each(:states))
                        AND (:stations IS NULL
                            OR s.station_code IN (SELECT value FROM json_each(:stations)))
                        AND (:urgency IS NULL OR s.urgency = :urgency)
                        AND (:station IS NULL OR s.station_code = :station)
                        AND (:owner IS NULL OR s.owner = :owner)
                        AND (:queue IS NULL OR s.queue = :queue)
                        AND (:due IS NULL OR s.latest_by_ms <= :due)
                        AND (:text IS NULL OR instr(v.name, :text) > 0 OR v.plate = :text)
                        AND (s.urgency, s.latest_by_ms, s.id) > (:after, :afterDue, :afterID)
                        \(flag)
                    ORDER BY s.urgency, s.latest_by_ms, s.id LIMIT :limit
                    """,
                arguments: [
                    "states": JSONList.text(Set(filter.states.map(\.rawValue))),
                    "stations": stations.map(JSONList.text), "urgency": filter.urgency?.rawValue,
                    "station": filter.station, "owner": filter.owner,
                    "queue": filter.queue?.rawValue, "due": filter.dueBefore?.milliseconds,
                    "text": filter.text, "after": cursor?.urgency ?? -1,
                    "afterDue": cursor?.latestBy ?? .min, "afterID": cursor?.id ?? .min,
                    "limit": limit,
                ]
            )
            return try rows.map { try SuggestionReads.record($0, database) }
        }
    }

    package func suggestion(_ id: Int64) async throws -> SuggestionRecord? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: SuggestionSQL.select + " WHERE s.id = ?",
                arguments: [id]
            ).map { try SuggestionReads.record($0, database) }
        }
    }

    /// The suggestion a vehicle has now, if any, and its version.
    package func liveSuggestion(
        ofVehicle name: String
    ) async throws -> (id: Int64, version: Int)? {
        try await store.pool.read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT s.id, s.version FROM suggestion s JOIN vehicle v ON v.id = s.vehicle_id
                    WHERE v.name = ? AND s.state IN ('proposed', 'claimed', 'waiting')
                    """,
                arguments: [name]
            ).map { ($0["id"], $0["version"]) }
        }
    }

    /// How many suggestions are in each state, of some stations only, where they are named.
    package func suggestionCounts(
        stations: Set<String>? = nil
    ) async throws -> [SuggestionState: Int] {
        try await store.pool.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT state, count(*) AS n FROM suggestion
                    WHERE ?1 IS NULL OR station_code IN (SELECT value FROM json_each(?1))
                    GROUP BY state
                    """,
                arguments: [stations.map(JSONList.text)]
            )
            return Dictionary(
                uniqueKeysWithValues: rows.compactMap { row in
                    SuggestionState(rawValue: row["state"]).map { ($0, row["n"]) }
                }
            )
        }
    }

    /// The steps of a suggestion and of its alerts, newest first.
    package func history(ofSuggestion id: Int64) async throws -> [HistoryRecord] {
        try await store.pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM transition
                    WHERE (machine = 'suggestion' AND record_id = ?)
                        OR (machine = 'alert' AND record_id IN (
                            SELECT alert_id FROM suggestion_alert WHERE suggestion_id = ?))
                        OR (machine = 'appointment' AND record_id IN (
                            SELECT id FROM appointment WHERE suggestion_id = ?))
                    ORDER BY id DESC LIMIT ?
                    """,
                arguments: [id, id, id, Limits.pageRowsMax]
            ).map { row in
                HistoryRecord(
                    at: Timestamp(milliseconds: row["at_ms"]),
                    machine: row["machine"],
                    event: row["event"],
                    to: row["to_state"],
                    actor: row["actor"],
                    reason: row["reason"]
                )
            }
        }
    }
}

/// A set of texts as one argument, for `json_each`.
enum JSONList {
    static func text(_ items: Set<String>) -> String {
        let quoted = items.sorted().map { item in
            "\"\(item.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
        }
        return "[\(quoted.joined(separator: ","))]"
    }
}

private enum SuggestionSQL {
    static let select = """
        SELECT s.*, v.name AS vehicle_name, v.model, v.plate,
            coalesce(o.bay_code, a.bay_code) AS bay_code,
            coalesce(o.technician_code, a.technician_code) AS technician_code,
            coalesce(o.start_ms, a.start_ms) AS start_ms, coalesce(o.end_ms, a.end_ms) AS end_ms
        FROM suggestion s JOIN vehicle v ON v.id = s.vehicle_id
        LEFT JOIN occupancy o ON o.id = s.occupancy_id
        LEFT JOIN appointment a ON a.id = s.appointment_id AND s.state = 'booked'
        """
}

extension SuggestionSQL {
    fileprivate static let companions = """
        SELECT s.id FROM binding own
        JOIN binding other ON other.customer_id = own.customer_id AND other.to_ms IS NULL
            AND other.vehicle <> own.vehicle
        JOIN vehicle v ON v.name = other.vehicle
        JOIN suggestion s ON s.vehicle_id = v.id AND s.state IN ('proposed', 'claimed', 'waiting')
        WHERE own.vehicle = ? AND own.to_ms IS NULL ORDER BY s.id
        """
}

private enum SuggestionReads {
    static func record(_ row: Row, _ database: Database) throws -> SuggestionRecord {
        let id: Int64 = row["id"]
        func slot(_ row: Row, _ label: OfferLabel?) -> SlotRecord? {
            guard let bay = row["bay_code"] as String? else { return nil }
            return SlotRecord(
                label: label,
                bayCode: bay,
                technicianCode: row["technician_code"],
                start: Timestamp(milliseconds: row["start_ms"]),
                end: Timestamp(milliseconds: row["end_ms"]),
                terms: label == nil ? [] : BookingRows.terms(row["terms"])
            )
        }
        let offers = try Row.fetchAll(
            database,
            sql: "SELECT * FROM suggestion_offer WHERE suggestion_id = ?",
            arguments: [id]
        )
        return SuggestionRecord(
            id: id,
            version: row["version"],
            state: SuggestionState(rawValue: row["state"]) ?? .proposed,
            need: try BookingRows.need(row),
            handling: BookingRows.handling(row),
            appointment: row["appointment_id"],
            reopenedFrom: row["reopened_from"],
            stationCode: row["station_code"],
            slot: slot(row, nil),
            holdUntil: (row["hold_until_ms"] as Int64?).map(Timestamp.init(milliseconds:)),
            createdAt: Timestamp(milliseconds: row["created_ms"]),
            updatedAt: Timestamp(milliseconds: row["updated_ms"]),
            declineReason: (row["decline_reason"] as String?).flatMap(DeclineReason.init),
            note: row["note"],
            symptoms: row["symptoms"],
            stationReason: StationReason(rawValue: row["station_reason"]) ?? .home,
            companions: try Int64.fetchAll(
                database,
                sql: SuggestionSQL.companions,
                arguments: [row["vehicle_name"] as String]
            ),
            vehicle: row["vehicle_name"],
            vehicleID: VehicleID(index: row["vehicle_id"]),
            model: row["model"],
            plate: row["plate"],
            alerts: try Row.fetchAll(
                database,
                sql: """
                    SELECT a.* FROM alert a
                    JOIN suggestion_alert sa ON sa.alert_id = a.id
                    WHERE sa.suggestion_id = ? ORDER BY a.id
                    """,
                arguments: [id]
            ).map(AlertRow.alert),
            offers: OfferLabel.allCases.compactMap { label in
                offers.first { $0["label"] == label.rawValue }.flatMap { slot($0, label) }
            }
        )
    }
}
