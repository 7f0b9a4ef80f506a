import Decoding
import Foundation
import GRDB
package import GatewayCore
import Rules
import Telemetry
package import Workshop

/// What a store gives back to a core that starts.
package enum Restorer {
    /// Reads everything that lives.
    ///
    /// Records that refer to stations or bays no longer configured lose their slot; the planner
    /// finds another.
    package static func load(
        _ store: GatewayStore,
        stations: [Station]
    ) throws(StoreError) -> RestoredState {
        do {
            return try store.pool.read { database in
                var state = RestoredState()
                state.vehicles = try vehicles(database)
                let checkpoints = try Row.fetchCursor(
                    database,
                    sql: "SELECT vehicle_id, journal_id, state FROM checkpoint ORDER BY vehicle_id"
                )
                while let row = try checkpoints.next() {
                    state.checkpoints.append(
                        (VehicleID(index: row[0]), row[1], Array(row[2] as Data))
                    )
                }
                state.alerts = try Row.fetchAll(
                    database,
                    sql: "SELECT * FROM alert WHERE state <> 'closed' ORDER BY id"
                ).map(AlertRow.alert)
                state.now = try Int64.fetchOne(database, sql: "SELECT now_ms FROM core_time")
                    .map(Timestamp.init(milliseconds:))
                state.suggestions = try suggestions(database, stations)
                state.orphans = try orphans(database, state.suggestions)
                state.nextAlert = try next("alert", database)
                state.nextSuggestion = try next("suggestion", database)
                state.nextOccupancy = try next("occupancy", database)
                return state
            }
        } catch {
            throw StoreError(error)
        }
    }

    private static func next(_ table: String, _ database: Database) throws -> Int64 {
        // The number of a released hold may be given out again: nothing refers to it any more.
        try Int64.fetchOne(database, sql: "SELECT coalesce(max(id), 0) + 1 FROM \(table)") ?? 1
    }

    private static func vehicles(_ database: Database) throws -> [VehicleRow] {
        // Columns by place: looking a million vehicles' up by name takes seconds.
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT id, name, first_seen_ms, model, plate, powertrain, battery_type,
                    station_code, placard_front_kpa, placard_rear_kpa
                FROM vehicle ORDER BY id
                """
        )
        var vehicles: [VehicleRow] = []
        while let row = try rows.next() {
            var profile = VehicleProfile()
            profile.model = row[3]
            profile.plate = row[4]
            profile.powertrain = row[5]
            profile.batteryType = row[6]
            profile.station = row[7]
            profile.placardFrontKilopascals = row[8]
            profile.placardRearKilopascals = row[9]
            vehicles.append(
                VehicleRow(
                    id: VehicleID(index: row[0]),
                    name: row[1],
                    profile: profile,
                    firstSeenAt: Timestamp(milliseconds: row[2])
                )
            )
        }
        return vehicles
    }

    /// Holds no restored suggestion knows: their bay has left the configuration.
    private static func orphans(
        _ database: Database,
        _ suggestions: [Suggestion]
    ) throws -> [OccupancyID] {
        let known = Set(suggestions.compactMap(\.occupancy?.id))
        return try Int64.fetchAll(database, sql: "SELECT id FROM occupancy WHERE kind = 'hold'")
            .map(OccupancyID.init(rawValue:)).filter { !known.contains($0) }
    }

    /// Live suggestions, and booked ones whose slot is still in the calendar.
    private static func suggestions(
        _ database: Database,
        _ stations: [Station]
    ) throws -> [Suggestion] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT s.*, o.bay_code, o.start_ms, o.end_ms, o.kind
                FROM suggestion s LEFT JOIN occupancy o ON o.id = s.occupancy_id
                WHERE s.state = 'proposed'
                    OR (s.state = 'booked' AND EXISTS (
                        SELECT 1 FROM alert a
                        WHERE a.suggestion_id = s.id AND a.state <> 'closed'))
                    OR (s.state = 'booked' AND o.end_ms > (
                        SELECT now_ms - 7 * 86400000 FROM core_time))
                ORDER BY s.id
                """
        )
        return try rows.map { row in
            let id: Int64 = row["id"]
            let station = stations.firstIndex { $0.code == row["station_code"] as String } ?? 0
            func slot(_ row: Row) -> Slot? {
                guard let code = row["bay_code"] as String?,
                    let bay = stations[station].bays.firstIndex(where: { $0.code == code })
                else { return nil }
                return Slot(
                    bay: bay,
                    interval: OpenInterval(
                        start: Timestamp(milliseconds: row["start_ms"]),
                        end: Timestamp(milliseconds: row["end_ms"])
                    )
                )
            }
            let occupancy: Occupancy? = slot(row).flatMap { slot in
                guard let kind = Occupancy.Kind(rawValue: row["kind"]) else { return nil }
                return Occupancy(
                    id: OccupancyID(rawValue: row["occupancy_id"]),
                    slot: slot,
                    kind: kind
                )
            }
            let offers: [Offer] = try Row.fetchAll(
                database,
                sql: "SELECT * FROM suggestion_offer WHERE suggestion_id = ?",
                arguments: [id]
            ).compactMap { row in
                guard let slot = slot(row), let label = OfferLabel(rawValue: row["label"]) else {
                    return nil
                }
                return Offer(label: label, slot: slot, cost: row["cost"])
            }
            let order = OfferLabel.allCases
            return Suggestion(
                id: SuggestionID(rawValue: id),
                version: row["version"],
                vehicle: VehicleID(index: row["vehicle_id"]),
                station: station,
                state: SuggestionState(rawValue: row["state"]) ?? .proposed,
                alerts: try Int64.fetchAll(
                    database,
                    sql: """
                        SELECT alert_id FROM suggestion_alert WHERE suggestion_id = ?
                        ORDER BY alert_id
                        """,
                    arguments: [id]
                ).map(AlertID.init(rawValue:)),
                need: need(row),
                offers: offers.sorted {
                    (order.firstIndex(of: $0.label) ?? 0) < (order.firstIndex(of: $1.label) ?? 0)
                },
                occupancy: occupancy,
                holdUntil: (row["hold_until_ms"] as Int64?).map(Timestamp.init(milliseconds:)),
                createdAt: Timestamp(milliseconds: row["created_ms"]),
                updatedAt: Timestamp(milliseconds: row["updated_ms"]),
                declineReason: (row["decline_reason"] as String?).flatMap(
                    DeclineReason.init(rawValue:)
                ),
                note: row["note"]
            )
        }
    }

    private static func need(_ row: Row) -> VisitNeed {
        VisitNeed(
            urgency: Urgency(rawValue: row["urgency"]) ?? .p3,
            latestBy: Timestamp(milliseconds: row["latest_by_ms"]),
            early: Timestamp(milliseconds: row["early_ms"]),
            jobs: list(row["jobs"]),
            minutes: row["minutes"],
            kinds: Set(list(row["kinds"]).compactMap(BayKind.init(rawValue:)))
        )
    }
}

/// A comma-separated column → its parts.
func list(_ text: String) -> [String] {
    text.split(separator: ",").map(String.init)
}
