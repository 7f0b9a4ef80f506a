import GRDB
import GatewayCore
import Rules
import Telemetry

/// The table `trouble`: what could not be judged, and when.
enum TroubleRow {
    static let schema = """
        CREATE TABLE trouble (
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            component TEXT NOT NULL,
            kind TEXT NOT NULL,
            since_ms INTEGER NOT NULL,
            until_ms INTEGER,
            text TEXT NOT NULL,
            PRIMARY KEY (vehicle_id, component, kind, since_ms)
        ) STRICT;
        CREATE UNIQUE INDEX trouble_open ON trouble (vehicle_id, component, kind)
            WHERE until_ms IS NULL;
        """

    static func write(_ trouble: Trouble, _ database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO trouble (vehicle_id, component, kind, since_ms, until_ms, text)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (vehicle_id, component, kind, since_ms)
                DO UPDATE SET until_ms = excluded.until_ms
                """
        ).execute(arguments: [
            Int64(trouble.vehicle.index), trouble.component, trouble.kind.name,
            trouble.since.milliseconds, trouble.until?.milliseconds, trouble.text,
        ])
    }

    static func open(_ database: Database) throws -> [Trouble] {
        try Row.fetchAll(
            database,
            sql: "SELECT * FROM trouble WHERE until_ms IS NULL ORDER BY since_ms, vehicle_id, kind"
        ).compactMap { row in
            let name = row["kind"] as String
            guard let kind = TroubleKind.allCases.first(where: { $0.name == name }) else {
                return nil
            }
            return Trouble(
                vehicle: VehicleID(index: row["vehicle_id"]),
                component: row["component"],
                kind: kind,
                since: Timestamp(milliseconds: row["since_ms"]),
                until: nil,
                text: row["text"]
            )
        }
    }
}
