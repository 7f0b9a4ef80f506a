package import Foundation
import GRDB
package import Telemetry

/// An answer that a repeat of the same request gets again.
package struct KeptAnswer: Sendable, Equatable {
    /// Of the request: a key that comes with another one was used twice.
    package var fingerprint: Data
    package var status: Int
    /// Name and value, by line.
    package var headers: [String: String]
    package var body: Data

    package init(fingerprint: Data, status: Int, headers: [String: String], body: Data) {
        self.fingerprint = fingerprint
        self.status = status
        self.headers = headers
        self.body = body
    }
}

extension Desk {
    /// How long an answer is kept: past any retry of a client.
    private static let answerLife = Milliseconds.hours(24)

    package func answer(
        to caller: String,
        key: String,
        at now: Timestamp
    ) async throws -> KeptAnswer? {
        try await read { database in
            try Row.fetchOne(
                database,
                sql: "SELECT * FROM kept_answer WHERE caller = ? AND key = ? AND created_ms > ?",
                arguments: [caller, key, (now - Desk.answerLife).milliseconds]
            ).map { row in
                let lines = (row["headers"] as String).split(separator: "\n")
                let headers = lines.map { line in
                    let end = line.firstIndex(of: ":") ?? line.endIndex
                    return (String(line[..<end]), String(line[end...].dropFirst()))
                }
                return KeptAnswer(
                    fingerprint: row["fingerprint"],
                    status: row["status"],
                    headers: Dictionary(headers, uniquingKeysWith: { $1 }),
                    body: row["body"]
                )
            }
        }
    }

    /// Keeps an answer; those that are too old leave.
    package func keep(
        _ answer: KeptAnswer,
        to caller: String,
        key: String,
        at now: Timestamp
    ) async throws {
        try await write { database in
            try database.execute(
                sql: "DELETE FROM kept_answer WHERE created_ms <= ?",
                arguments: [(now - Desk.answerLife).milliseconds]
            )
            let headers = answer.headers.map { "\($0.key):\($0.value)" }.sorted()
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO kept_answer
                        (caller, key, fingerprint, status, headers, body, created_ms)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    caller, key, answer.fingerprint, answer.status,
                    headers.joined(separator: "\n"), answer.body, now.milliseconds,
                ]
            )
        }
    }
}
