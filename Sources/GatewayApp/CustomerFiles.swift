import AdvisorWeb
import ConfigFiles
import Foundation
import GatewayCore
import Store
import Workshop

/// Customers in and out of a store by files, whether or not a gateway works on it.
package struct CustomerFiles: Sendable {
    /// What an import did.
    package struct Counts: Sendable, Equatable {
        package var created = 0
        package var updated = 0
        package var unchanged = 0
        /// Erased customers, who stay erased.
        package var refused = 0
    }

    private let desk: Desk
    private let stations: Set<String>

    package init(configPath: String, storePath: String?) throws {
        let assembly = try Assembly(configPath: configPath)
        stations = Set(assembly.stations.map(\.code))
        desk = try Desk.open(path: storePath ?? assembly.settings.storePath)
    }

    /// Makes the store say what a CSV says; the file is checked as a whole before anything is
    /// written.
    package func load(_ file: String) async throws -> Counts {
        var counts = Counts()
        for (id, draft) in try CustomerFile.load(file, stations: stations) {
            let outcome = try await desk.put(
                draft,
                as: id,
                version: nil,
                isImport: true,
                by: Actor("import", .system),
                at: WallClock.now()
            )
            switch outcome {
            case .created: counts.created += 1
            case .updated: counts.updated += 1
            case .unchanged: counts.unchanged += 1
            case .erased: counts.refused += 1
            case .stale, .versionMissing: preconditionFailure("An import names no version.")
            }
        }
        return counts
    }

    /// Writes `customer.json` and `customer.html` into a new folder.
    /// - Returns: false when there is no such customer.
    package func export(_ id: String, to folder: String) async throws -> Bool {
        guard
            let tables = try await desk.export(
                id,
                by: Actor("export", .system),
                at: WallClock.now()
            )
        else {
            return false
        }
        let export = CustomerExport(customer: id, tables: tables)
        let url = URL(fileURLWithPath: folder)
        try FileManager.default.createDirectory(
            at: url,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(export).write(to: url.appendingPathComponent("customer.json"))
        try Data(export.html.utf8).write(to: url.appendingPathComponent("customer.html"))
        return true
    }
}
