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
    /// finds another. The checkpoints are brought by a `Recall`.
    package static func load(
        _ store: GatewayStore,
        stations: [Station]
    ) throws(StoreError) -> RestoredState {
        do {
            return try store.pool.read { database in
                var state = RestoredState()
                state.vehicles = try vehicles(database)
                state.deliveries = try Row.fetchAll(
                    database,
                    sql: "SELECT identifier, hash, received_ms FROM delivery ORDER BY id"
                ).map { row in
                    Delivery(
                        identifier: row[0],
                        hash: UInt64(bitPattern: row[1]),
                        receivedAt: Timestamp(milliseconds: row[2])
                    )
                }
                state.alerts = try Row.fetchAll(
                    database,
                    sql: "SELECT * FROM alert WHERE state <> 'closed' ORDER BY id"
                ).map(AlertRow.alert)
                state.troubles = try TroubleRow.open(database)
                state.now = try Int64.fetchOne(database, sql: "SELECT now_ms FROM core_time")
                    .map(Timestamp.init(milliseconds:))
                try BookingRows(stations: stations, database: database).restore(&state)
                state.nextAlert = try next("alert", database)
                state.nextSuggestion = try next("suggestion", database)
                state.nextOccupancy =
                    try Int64.fetchOne(
                        database,
                        sql: "SELECT seq + 1 FROM sqlite_sequence WHERE name = 'occupancy'"
                    ) ?? 1
                state.nextAppointment = try next("appointment", database)
                state.nextComplaint = try next("complaint", database)
                state.nextClosure = try next("closure", database)
                return state
            }
        } catch {
            throw StoreError(error)
        }
    }

    /// The checkpoints of so many vehicles after one, in order.
    static func checkpoints(
        _ database: Database,
        after vehicle: VehicleID?,
        limit: Int
    ) throws -> [(vehicle: VehicleID, row: Int64, bytes: [UInt8])] {
        let rows = try Row.fetchCursor(
            database.cachedStatement(
                sql: """
                    SELECT vehicle_id, journal_id, state FROM checkpoint
                    WHERE vehicle_id > ? ORDER BY vehicle_id LIMIT ?
                    """
            ),
            arguments: [vehicle.map { Int64($0.index) } ?? -1, limit]
        )
        var checkpoints: [(vehicle: VehicleID, row: Int64, bytes: [UInt8])] = []
        while let row = try rows.next() {
            checkpoints.append((VehicleID(index: row[0]), row[1], Array(row[2] as Data)))
        }
        return checkpoints
    }

    private static func next(_ table: String, _ database: Database) throws -> Int64 {
        try Int64.fetchOne(database, sql: "SELECT coalesce(max(id), 0) + 1 FROM \(table)") ?? 1
    }

    private static func vehicles(_ database: Database) throws -> [VehicleRow] {
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT \(vehicleColumns) FROM vehicle ORDER BY id"
        )
        var vehicles: [VehicleRow] = []
        while let row = try rows.next() { vehicles.append(vehicle(row)) }
        return vehicles
    }

    /// A row of `vehicleColumns`.
    static func vehicle(_ row: Row) -> VehicleRow {
        var profile = VehicleProfile()
        profile.model = row[3]
        profile.plate = row[4]
        profile.powertrain = row[5]
        profile.batteryType = row[6]
        profile.station = row[7]
        profile.placardFrontKilopascals = row[8]
        profile.placardRearKilopascals = row[9]
        return VehicleRow(
            id: VehicleID(index: row[0]),
            name: row[1],
            profile: profile,
            firstSeenAt: Timestamp(milliseconds: row[2])
        )
    }

    /// Read by place: looking a million vehicles' up by name takes seconds.
    static let vehicleColumns = """
        id, name, first_seen_ms, model, plate, powertrain, battery_type, station_code,
            placard_front_kpa, placard_rear_kpa
        """
}

/// A comma-separated column → its parts.
func list(_ text: String) -> [String] {
    text.split(separator: ",").map(String.init)
}
