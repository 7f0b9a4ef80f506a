import Foundation
import GRDB

/// A store file: opened, migrated, exclusively ours.
///
/// Isolation: `Writer` works on the core thread; readers take snapshots on GRDB's own queues.
package final class GatewayStore: Sendable {
    package enum Durability: Sendable {
        /// A commit is on disk when it returns: what a vehicle was told is safe.
        case full
        /// A replay's scratch file, thrown away anyway.
        case scratch
    }

    let pool: DatabasePool
    private let lock: StoreLock
    package let path: String

    /// Opens or creates the file and brings its schema up to date.
    package init(path: String, durability: Durability) throws(StoreError) {
        self.path = path
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: true
            )
        } catch {
            throw .unopenable(path: path, cause: error.localizedDescription)
        }
        lock = try StoreLock(path: path)
        var configuration = Configuration()
        configuration.label = "store"
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { database in
            let synchronous = durability == .full ? "FULL" : "OFF"
            try database.execute(
                sql: """
                    PRAGMA synchronous = \(synchronous);
                    PRAGMA foreign_keys = ON;
                    PRAGMA cache_size = -65536;
                    PRAGMA secure_delete = OFF;
                    PRAGMA temp_store = MEMORY;
                    """
            )
            let actual = try Int.fetchOne(database, sql: "PRAGMA synchronous")
            precondition(
                actual == (durability == .full ? 2 : 0),
                "An acknowledgement means durable only with synchronous=FULL."
            )
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            try Migrations.migrator.migrate(pool)
        } catch {
            throw .unopenable(path: path, cause: "\(error)")
        }
    }

    /// Moves the log into the file and closes it.
    package func close() throws {
        try pool.close()
    }
}
