package import Access
import Foundation
import GRDB
import GatewayCore
package import Telemetry

/// A person who may log in.
package struct UserRecord: Sendable, Equatable {
    package var id: Int64
    package var name: String
    package var role: Access.Role
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
        role = Access.Role(rawValue: row["role"]) ?? .readOnly
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
        role: Access.Role,
        stations: Set<String>,
        password: PasswordHash,
        at now: Timestamp
    ) async throws -> Bool {
        try await write { database in
            try database.execute(
                sql: """
                    INSERT OR IGNORE INTO user (name, role, stations, password, created_ms)
                    SELECT ?1, ?2, ?3, ?4, ?5
                    WHERE NOT EXISTS (SELECT 1 FROM token WHERE name = ?1)
                    """,
                arguments: [
                    name, role.rawValue, Codes.text(stations), password.text, now.milliseconds,
                ]
            )
            guard database.changesCount == 1 else { return false }
            let actor = Actor(Desk.keeper, .system)
            let id = database.lastInsertedRowID
            try DeskAudit.add("add", to: .user, id, by: actor, at: now, database)
            return true
        }
    }

    /// Whoever can run commands on the gateway's machine.
    static let keeper = "command line"

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
    package func setDisabled(
        _ isDisabled: Bool,
        user name: String,
        at now: Timestamp
    ) async throws -> Bool {
        try await change(
            "UPDATE user SET is_disabled = ? WHERE name = ? RETURNING id",
            isDisabled,
            name,
            isDisabled ? "disable" : "enable",
            now
        )
    }

    /// Changes a password; every session of the user ends.
    /// - Returns: false when there is no such user.
    package func setPassword(
        _ password: PasswordHash,
        user name: String,
        at now: Timestamp
    ) async throws -> Bool {
        try await change(
            "UPDATE user SET password = ? WHERE name = ? RETURNING id",
            password.text,
            name,
            "password",
            now
        )
    }

    private func change(
        _ sql: String,
        _ value: any DatabaseValueConvertible & Sendable,
        _ name: String,
        _ event: String,
        _ now: Timestamp
    ) async throws -> Bool {
        try await write { database in
            let user = try Int64.fetchOne(database, sql: sql, arguments: [value, name])
            guard let user else { return false }
            try database.execute(
                sql: "DELETE FROM session WHERE user_id = ?",
                arguments: [user]
            )
            let actor = Actor(Desk.keeper, .system)
            try DeskAudit.add(event, to: .user, user, by: actor, at: now, database)
            return true
        }
    }

    // MARK: Sessions

    /// Somebody gave a wrong password for a user there is; the limiter bounds how often.
    package func noteFailedLogin(_ user: UserRecord, at now: Timestamp) async throws {
        try await write { database in
            let actor = Actor(user.caller)
            try DeskAudit.add("login_failed", to: .user, user.id, by: actor, at: now, database)
        }
    }

    /// Keeps a session, and that its user came in; those that are over leave.
    package func addSession(
        _ secret: String,
        user: UserRecord,
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
                    Secret.digest(secret), user.id, csrf, now.milliseconds, end.milliseconds,
                ]
            )
            let actor = Actor(user.caller)
            try DeskAudit.add("login", to: .user, user.id, by: actor, at: now, database)
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
    package func endSession(
        _ secret: String,
        everywhere: Bool,
        at now: Timestamp
    ) async throws {
        let digest = Secret.digest(secret)
        try await write { database in
            let row = try Row.fetchOne(
                database,
                sql: """
                    SELECT u.* FROM session s JOIN user u ON u.id = s.user_id WHERE s.digest = ?
                    """,
                arguments: [digest]
            )
            guard let user = row.map(UserRecord.init) else { return }
            try DeskAudit.add(
                "logout",
                to: .user,
                user.id,
                by: Actor(user.caller),
                at: now,
                database
            )
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
