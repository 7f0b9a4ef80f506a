package import Access
import Foundation
import GRDB
import GatewayCore
package import Telemetry

/// A program that may ask.
package struct TokenRecord: Sendable, Equatable {
    package var id: Int64
    package var name: String
    package var scopes: Set<Capability>
    /// Codes of stations; empty for all.
    package var stations: Set<String>
    package var createdAt: Timestamp
    package var revokedAt: Timestamp?
    /// To the hour.
    package var usedAt: Timestamp?

    fileprivate init(_ row: Row) {
        id = row["id"]
        name = row["name"]
        scopes = Set(Codes.set(row["scopes"]).compactMap(Capability.init))
        stations = Codes.set(row["stations"])
        createdAt = row.time("created_ms")
        revokedAt = row.optionalTime("revoked_ms")
        usedAt = row.optionalTime("used_ms")
    }
}

extension Desk {
    /// Between two notes of a token's use: a note is a commit.
    private static let useStep = Milliseconds.hours(1)

    /// Keeps a token's digest under a name.
    /// - Returns: false when the name is taken, by a user too: leases and holds go by names.
    package func addToken(
        _ secret: String,
        name: String,
        scopes: Set<Capability>,
        stations: Set<String>,
        at now: Timestamp
    ) async throws -> Bool {
        try await write { database in
            try database.execute(
                sql: """
                    INSERT OR IGNORE INTO token (name, digest, scopes, stations, created_ms)
                    SELECT ?1, ?2, ?3, ?4, ?5
                    WHERE NOT EXISTS (SELECT 1 FROM user WHERE name = ?1)
                    """,
                arguments: [
                    name, Secret.digest(secret), Codes.text(scopes.map(\.rawValue)),
                    Codes.text(stations), now.milliseconds,
                ]
            )
            guard database.changesCount == 1 else { return false }
            let actor = Actor(Desk.keeper, .system)
            let id = database.lastInsertedRowID
            try DeskAudit.add("add", to: .token, id, by: actor, at: now, database)
            return true
        }
    }

    package func tokens() async throws -> [TokenRecord] {
        try await read {
            try Row.fetchAll($0, sql: "SELECT * FROM token ORDER BY name").map(TokenRecord.init)
        }
    }

    /// - Returns: false when no token of the name is in force.
    package func revokeToken(_ name: String, at now: Timestamp) async throws -> Bool {
        try await write { database in
            let token = try Int64.fetchOne(
                database,
                sql: """
                    UPDATE token SET revoked_ms = ? WHERE name = ? AND revoked_ms IS NULL
                    RETURNING id
                    """,
                arguments: [now.milliseconds, name]
            )
            guard let token else { return false }
            let actor = Actor(Desk.keeper, .system)
            try DeskAudit.add("revoke", to: .token, token, by: actor, at: now, database)
            return true
        }
    }

    /// Whom a bearer token stands for, while it is in force.
    package func caller(ofToken secret: String, at now: Timestamp) async throws -> Caller? {
        let found = try await read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT * FROM token WHERE digest = ? AND revoked_ms IS NULL",
                arguments: [Secret.digest(secret)]
            ).map(TokenRecord.init)
        }
        guard let token = found else { return nil }
        if token.usedAt.map({ now - $0 >= Desk.useStep }) ?? true {
            try await write { database in
                try database.execute(
                    sql: "UPDATE token SET used_ms = ? WHERE id = ?",
                    arguments: [now.milliseconds, token.id]
                )
            }
        }
        return Caller(
            .token(token.id),
            name: token.name,
            capabilities: token.scopes,
            stations: token.stations.isEmpty ? nil : token.stations
        )
    }
}
