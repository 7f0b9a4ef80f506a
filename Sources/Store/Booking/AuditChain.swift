import Crypto
import Foundation
import GRDB
import GatewayCore
import Telemetry

/// What a check of the audit found.
package struct AuditReport: Sendable {
    /// Rows that are in order, from the first on.
    package var rows = 0
    /// Of these, rows whose words were erased; their hash still holds the chain.
    package var erased = 0
    /// The last good row's hash, hexadecimal: kept elsewhere, it shows a history cut short.
    package var head = ""
    /// The hash that was asked for is not among the good rows'.
    package var isHeadMissing = false
    /// The first row that is not what was written, and how it differs.
    package var broken: (row: Int64, what: String)?
}

/// The audit as a chain: each row's hash covers the row and the hash before it.
///
/// The words of a row, its reason and changes, are covered by a hash of their own, so that they can
/// be erased without breaking the chain.
enum AuditChain {
    /// The hash before the first row.
    static let origin = [UInt8](repeating: 0, count: 32)

    struct Entry {
        var id: Int64
        var machine: String
        var record: Int64
        var from: String
        var event: String
        var to: String
        var actor: String
        var role: String
        var request: String
        var at: Int64
        var reason: String
        var changes: String
    }

    static func detailHash(_ entry: Entry) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(Array(entry.reason.utf8))
        writer.put(Array(entry.changes.utf8))
        return Array(SHA256.hash(data: writer.bytes))
    }

    static func hash(_ entry: Entry, detail: [UInt8], after previous: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.put(previous)
        writer.put(entry.id)
        for text in [entry.machine, entry.from, entry.event, entry.to] {
            writer.put(Array(text.utf8))
        }
        writer.put(entry.record)
        for text in [entry.actor, entry.role, entry.request] { writer.put(Array(text.utf8)) }
        writer.put(entry.at)
        writer.put(detail)
        return Array(SHA256.hash(data: writer.bytes))
    }

    // MARK: Writing

    /// Appends transitions to the chain.
    static func append(_ transitions: [Transition], _ database: Database) throws {
        guard !transitions.isEmpty else { return }
        let last = try Row.fetchOne(
            database.cachedStatement(
                sql: "SELECT id, hash FROM transition ORDER BY id DESC LIMIT 1"
            )
        )
        var id: Int64 = last.map { $0[0] } ?? 0
        var previous = last.map { Array($0[1] as Data) } ?? origin
        for transition in transitions {
            id += 1
            let entry = Entry(
                id: id,
                machine: transition.machine.rawValue,
                record: transition.record,
                from: transition.from,
                event: transition.event,
                to: transition.to,
                actor: transition.actor.name,
                role: transition.actor.role.rawValue,
                request: transition.actor.request,
                at: transition.at.milliseconds,
                reason: transition.reason,
                changes: try text(transition.changes)
            )
            previous = try insert(entry, after: previous, database)
        }
    }

    private struct Change: Encodable {
        var field: String
        var before: String
        var after: String
    }

    /// As JSON, or nothing for nothing.
    ///
    /// Written here where no character needs an escape, as of nearly all changes: an encoder for
    /// each transition costs more than its row.
    static func text(_ changes: [FieldChange]) throws -> String {
        guard !changes.isEmpty else { return "" }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64 * changes.count)
        for change in changes {
            bytes += (bytes.isEmpty ? "[{\"after\":\"" : ",{\"after\":\"").utf8
            guard append(change.after, to: &bytes) else { return try encoded(changes) }
            bytes += "\",\"before\":\"".utf8
            guard append(change.before, to: &bytes) else { return try encoded(changes) }
            bytes += "\",\"field\":\"".utf8
            guard append(change.field, to: &bytes) else { return try encoded(changes) }
            bytes += "\"}".utf8
        }
        bytes.append(UInt8(ascii: "]"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends a text; false where a character needs an escape, or may.
    private static func append(_ text: String, to bytes: inout [UInt8]) -> Bool {
        let isPlain = text.utf8.allSatisfy {
            (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        if isPlain { bytes += text.utf8 }
        return isPlain
    }

    static func encoded(_ changes: [FieldChange]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let rows = changes.map { Change(field: $0.field, before: $0.before, after: $0.after) }
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }

    private static func insert(
        _ entry: Entry,
        after previous: [UInt8],
        _ database: Database
    ) throws -> [UInt8] {
        let detail = detailHash(entry)
        let hash = hash(entry, detail: detail, after: previous)
        try database.cachedStatement(
            sql: """
                INSERT INTO transition (id, machine, record_id, from_state, event, to_state, actor,
                    role, request, at_ms, reason, changes, detail_hash, hash)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            entry.id, entry.machine, entry.record, entry.from, entry.event, entry.to, entry.actor,
            entry.role, entry.request, entry.at, entry.reason, entry.changes, Data(detail),
            Data(hash),
        ])
        return hash
    }

    /// Takes in the transitions of a store that had no chain; the gateway's own parts are known by
    /// their names.
    static func adopt(_ database: Database) throws {
        let own: Set = ["engine", "planner", "clock", "system", "gateway"]
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT * FROM transition_before ORDER BY id"
        )
        var id: Int64 = 0
        var previous = origin
        while let row = try rows.next() {
            id += 1
            let actor: String = row["actor"]
            let entry = Entry(
                id: id,
                machine: row["machine"],
                record: row["record_id"],
                from: row["from_state"],
                event: row["event"],
                to: row["to_state"],
                actor: actor,
                role: (own.contains(actor) ? Role.system : .advisor).rawValue,
                request: "",
                at: row["at_ms"],
                reason: row["reason"],
                changes: ""
            )
            previous = try insert(entry, after: previous, database)
        }
    }

    // MARK: Checking

    static func verify(_ database: Database, containing head: String?) throws -> AuditReport {
        var report = AuditReport()
        report.isHeadMissing = head != nil
        var previous = origin
        let rows = try Row.fetchCursor(database, sql: "SELECT * FROM transition ORDER BY id")
        while let row = try rows.next() {
            let entry = Entry(
                id: row["id"],
                machine: row["machine"],
                record: row["record_id"],
                from: row["from_state"],
                event: row["event"],
                to: row["to_state"],
                actor: row["actor"],
                role: row["role"],
                request: row["request"],
                at: row["at_ms"],
                reason: row["reason"],
                changes: row["changes"]
            )
            guard entry.id == Int64(report.rows + 1) else {
                report.broken = (Int64(report.rows + 1), "it is missing")
                break
            }
            let detail = Array(row["detail_hash"] as Data)
            let hash = hash(entry, detail: detail, after: previous)
            guard hash == Array(row["hash"] as Data) else {
                report.broken = (entry.id, "it is not what was written, or a row before it is gone")
                break
            }
            if detailHash(entry) != detail {
                guard entry.reason.isEmpty, entry.changes.isEmpty else {
                    report.broken = (entry.id, "its reason or changes are not what was written")
                    break
                }
                report.erased += 1
            }
            report.rows += 1
            previous = hash
            if report.isHeadMissing, hexadecimal(hash) == head { report.isHeadMissing = false }
        }
        report.head = hexadecimal(previous)
        return report
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

extension GatewayStore {
    /// Checks the whole audit, row by row; with a hash, also whether the history contains it.
    package func verifyAudit(containing head: String? = nil) throws(StoreError) -> AuditReport {
        do {
            return try pool.read { try AuditChain.verify($0, containing: head) }
        } catch {
            throw StoreError(error)
        }
    }
}
