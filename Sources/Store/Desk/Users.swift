package import Access
import Foundation
import GRDB
package import Telemetry

/// A person who may log in.
package struct UserRecord: Sendable, Equatable {
    package var id: Int64
    package var name: String
    package var role: Role
    /// Codes of stations; empty for all.
    package var stations: Set<String>
    package var password: PasswordHash
    package var isDisabled: Bool

    package var caller: Caller {
        Caller(
            .user(id),
            name: name,
            role: role,
            capabilities: role.capabilities,
            stations: stations.isEmpty ? nil : stations
        )
    }

    fileprivate init(_ row: Row) {
        id = row["id"]
        name = row["name"]
        role = Role(rawValue: row["role"]) ?? .readOnly
        stations = Codes.set(row["stations"])
        password = PasswordHash(stored: row["password"])
        isDisabled = row["is_disabled"]
    }
}

/// A person at a browser.
package struct SessionRecord: Sendable, Equatable {
    package var caller: Caller
    /// What a form must carry, so that no other site can send it.
    package var csrf: String
    package var expiresAt: Timestamp
}

extension Desk {
    /// Whether anybody has ever been given a login: from then on one is asked for.
    package func hasUsers() async throws -> Bool {
        try await read { try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM user)") ?? false }
    }

    /// Creates a user.
    /// - Returns: false when the name is taken.
    package func addUser(
        _ name: String,
        role: Role,
        stations: Set<String>,
        password: PasswordHash,
        at now: Timestamp
    ) async throws -> Bool {
        try await write { database in
            try database.execute(
                sql: """
                    INSERT OR IGNORE INTO user (name, role, stations, password, created_ms)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [
                    name, role.rawValue, Codes.text(stations), password.text, now.milliseconds,
                ]
            )
            return database.changesCount == 1
        }
    }

    package func users() async throws -> [UserRecord] {
        try await read {
            try Row.fetchAll($0, sql: "SELECT * FROM user ORDER BY name").map(UserRecord.init)
        }
    }

    package func user(named name: String) async throws -> UserRecord? {
        try await read {
            try Row.fetchOne($0, sql: "SELECT * FROM user WHERE name = ?", arguments: [name])
                .map(UserRecord.init)
        }
    }

    /// Lets a user in no more, or in again; every session of theirs ends.
    /// - Returns: false when there is no such user.
    package func setDisabled(_ isDisabled: Bool, user name: String) async throws -> Bool {
        try await change("UPDATE user SET is_disabled = ? WHERE name = ?", isDisabled, name)
    }

    /// Changes a password; every session of the user ends.
    /// - Returns: false when there is no such user.
    package func setPassword(_ password: PasswordHash, user name: String) async throws -> Bool {
        try await change("UPDATE user SET password = ? WHERE name = ?", password.text, name)
    }

    private func change(
        _ sql: String,
        _ value: any DatabaseValueConvertible & Sendable,
        _ name: String
    ) async throws -> Bool {
        try await write { database in
            try database.execute(sql: sql, arguments: [value, name])
            guard database.changesCount == 1 else { return false }
            try database.execute(
                sql: """
                    DELETE FROM session WHERE user_id = (SELECT id FROM user WHERE name = ?)
                    """,
                arguments: [name]
            )
            return true
        }
    }

    // MARK: Sessions

    /// Keeps a session; those that are over leave.
    package func addSession(
        _ secret: String,
        user: Int64,
        csrf: String,
        at now: Timestamp,
        until end: Timestamp
    ) async throws {
        try await write { database in
            try database.execute(
                sql: "DELETE FROM session WHERE expires_ms <= ?",
                arguments: [now.milliseconds]
            )
            try database.execute(
                sql: """
                    INSERT INTO session (digest, user_id, csrf, created_ms, expires_ms)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                arguments: [
                    Secret.digest(secret), user, csrf, now.milliseconds, end.milliseconds,
                ]
            )
        }
    }

    /// The session of a secret while it lasts and its user is let in.
    package func session(_ secret: String, at now: Timestamp) async throws -> SessionRecord? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: """
                    SELECT u.*, s.csrf, s.expires_ms FROM session s JOIN user u ON u.id = s.user_id
                    WHERE s.digest = ? AND s.expires_ms > ? AND NOT u.is_disabled
                    """,
                arguments: [Secret.digest(secret), now.milliseconds]
            ).map { row in
                SessionRecord(
                    caller: UserRecord(row).caller,
                    csrf: row["csrf"],
                    expiresAt: row.time("expires_ms")
                )
            }
        }
    }

    /// Ends one session, or with `everywhere` all of its user.
    package func endSession(_ secret: String, everywhere: Bool) async throws {
        let digest = Secret.digest(secret)
        try await write { database in
            if everywhere {
                try database.execute(
                    sql: """
                        DELETE FROM session WHERE user_id =
                            (SELECT user_id FROM session WHERE digest = ?)
                        """,
                    arguments: [digest]
                )
            } else {
                try database.execute(
                    sql: "DELETE FROM session WHERE digest = ?",
                    arguments: [digest]
                )
            }
        }
    }
}
