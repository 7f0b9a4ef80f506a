package import Access
import ConfigFiles
import Foundation
import Store
import Workshop

/// Users and tokens of a store, whether or not a gateway works on it.
package struct Logins: Sendable {
    private let desk: Desk
    private let stations: Set<String>

    /// The store of the settings, and the stations a scope may name.
    package init(configPath: String, storePath: String?) throws {
        let assembly = try Assembly(configPath: configPath)
        stations = Set(assembly.stations.map(\.code))
        desk = try Desk.open(path: storePath ?? assembly.settings.storePath)
    }

    package func addUser(
        _ name: String,
        role: Role,
        stations: [String],
        password: String
    ) async throws {
        let isAdded = try await desk.addUser(
            try Logins.checked(name: name),
            role: role,
            stations: try scope(stations),
            password: try Logins.hash(password),
            at: WallClock.now()
        )
        guard isAdded else { throw LoginError("there is a user '\(name)' already") }
    }

    /// A line a user: name, role, stations, whether disabled.
    package func users() async throws -> [String] {
        try await desk.users().map { user in
            "\(user.name)   \(user.role.rawValue)   \(Logins.text(user.stations))"
                + (user.isDisabled ? "   disabled" : "")
        }
    }

    package func setDisabled(_ isDisabled: Bool, user name: String) async throws {
        guard try await desk.setDisabled(isDisabled, user: name, at: WallClock.now()) else {
            throw LoginError("there is no user '\(name)'")
        }
    }

    package func setPassword(_ password: String, user name: String) async throws {
        guard
            try await desk.setPassword(
                try Logins.hash(password),
                user: name,
                at: WallClock.now()
            )
        else {
            throw LoginError("there is no user '\(name)'")
        }
    }

    /// Makes a token.
    /// - Returns: its secret, which is nowhere else.
    package func addToken(
        _ name: String,
        scopes: Set<Capability>,
        stations: [String]
    ) async throws -> String {
        let secret = Secret.make()
        let isAdded = try await desk.addToken(
            secret,
            name: try Logins.checked(name: name),
            scopes: scopes,
            stations: try scope(stations),
            at: WallClock.now()
        )
        guard isAdded else {
            throw LoginError("there is, or was, a token '\(name)': choose another name")
        }
        return secret
    }

    /// A line a token: name, scopes, stations, last use or end.
    package func tokens() async throws -> [String] {
        try await desk.tokens().map { token in
            let scopes = token.scopes.map(\.rawValue).sorted().joined(separator: ",")
            let state =
                token.revokedAt.map { "revoked \($0)" } ?? token.usedAt.map { "used \($0)" }
                ?? "never used"
            return "\(token.name)   \(scopes)   \(Logins.text(token.stations))   \(state)"
        }
    }

    private static func text(_ stations: Set<String>) -> String {
        stations.isEmpty ? "all stations" : stations.sorted().joined(separator: ",")
    }

    package func revokeToken(_ name: String) async throws {
        guard try await desk.revokeToken(name, at: WallClock.now()) else {
            throw LoginError("no token '\(name)' is in force")
        }
    }

    private func scope(_ codes: [String]) throws -> Set<String> {
        for code in codes where !stations.contains(code) {
            throw LoginError(
                "there is no station '\(code)'; there are: "
                    + stations.sorted().joined(separator: ", ")
            )
        }
        return Set(codes)
    }

    /// Names go into the history and on pages, so they are short and plain.
    private static func checked(name: String) throws -> String {
        guard (1...64).contains(name.count), !name.contains(where: { $0.isNewline }),
            name.first?.isWhitespace == false, name.last?.isWhitespace == false
        else { throw LoginError("a name has 1 to 64 characters, and no space at its ends") }
        return name
    }

    private static func hash(_ password: String) throws -> PasswordHash {
        let lengths = PasswordHash.lengths
        guard lengths.contains(password.count) else {
            throw LoginError(
                "a password has \(lengths.lowerBound) to \(lengths.upperBound) characters"
            )
        }
        return try PasswordHash(of: password)
    }
}

/// Why a login was not made or changed.
private struct LoginError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
