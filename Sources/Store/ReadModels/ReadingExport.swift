import GRDB
package import Telemetry

/// A stored reading with the names it goes by.
package struct ExportedReading: Sendable, Equatable {
    package var vehicle: String
    package var path: String
    package var observedAt: Timestamp
    package var value: Double
    package var quality: Quality
}

extension Writer {
    /// Calls `body` with every reading of the store, vehicle by vehicle, each in order of time.
    ///
    /// Call `recall` before: what is in the journal only is part of it.
    package func export(
        vehicle wanted: String? = nil,
        path wantedPath: String? = nil,
        _ body: (ExportedReading) throws -> Void
    ) throws {
        try store.pool.read { database in
            var paths: [UInt16: String] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT id, path FROM signal") {
                paths[row["id"]] = row["path"]
            }
            let vehicles = try Row.fetchCursor(
                database,
                sql: "SELECT id, name FROM vehicle WHERE ?1 IS NULL OR name = ?1 ORDER BY id",
                arguments: [wanted]
            )
            while let row = try vehicles.next() {
                let name: String = row["name"]
                let vehicle = VehicleID(index: row["id"])
                for reading in try store.readings(database, of: vehicle) {
                    let path = paths[reading.signal] ?? ""
                    guard wantedPath == nil || wantedPath == path else { continue }
                    try body(
                        ExportedReading(
                            vehicle: name,
                            path: path,
                            observedAt: reading.observedAt,
                            value: reading.value,
                            quality: reading.quality
                        )
                    )
                }
            }
        }
    }
}
