import Foundation
import GRDB
import Synchronization
import Telemetry

/// A store file: opened, migrated, exclusively ours.
///
/// Isolation: `Writer` works on the core thread; readers take snapshots on GRDB's own queues.
package final class GatewayStore: Sendable {
    package enum Durability: Sendable {
        /// A commit is on disk when it returns: what a vehicle was told is safe.
        case full
        /// A commit does not wait for the disk, as in a file that is thrown away.
        case scratch
    }

    package enum Content: Sendable {
        /// All that a restart takes up, and all that pages and programs ask for.
        case everything
        /// Sealed readings alone, against which repeats are told: of a replay whose store is not
        /// kept nothing else is ever read.
        case readings
    }

    let pool: DatabasePool
    /// Readings that are in the journal only, and those of the unit in hand.
    let open: Mutex<OpenReadings>
    let damage = DamageLog()
    let content: Content
    private let lock: StoreLock
    package let path: String

    /// Opens or creates the file and brings its schema up to date.
    package init(
        path: String,
        durability: Durability,
        content: Content = .everything
    ) throws(StoreError) {
        self.path = path
        self.content = content
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
        open = Mutex(OpenReadings())
        var configuration = Configuration()
        configuration.label = "store"
        configuration.maximumReaderCount = 4
        // `gateway users` and its like write beside a gateway that runs.
        configuration.busyMode = .timeout(Desk.busySeconds)
        configuration.prepareDatabase { database in
            try database.execute(
                sql: """
                    PRAGMA foreign_keys = ON;
                    PRAGMA cache_size = -65536;
                    PRAGMA secure_delete = OFF;
                    PRAGMA wal_autocheckpoint = 8000;
                    PRAGMA temp_store = MEMORY;
                    """
            )
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            try pool.writeWithoutTransaction { database in
                // Only now: a pool sets NORMAL itself, after it has prepared its connection.
                let synchronous = durability == .full ? "FULL" : "OFF"
                try database.execute(sql: "PRAGMA synchronous = \(synchronous)")
            }
            try Migrations.migrator.migrate(pool)
        } catch {
            throw .unopenable(path: path, cause: "\(error)")
        }
    }

    /// How hard the writer's connection waits for the disk: 2 is FULL (SQLite, "PRAGMA synchronous").
    func synchronousLevel() throws -> Int? {
        try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
    }

    /// Moves the log into the file, closes it and gives it free.
    package func close() throws {
        // SQLite moves the log when the last connection closes, and only one that writes can.
        pool.invalidateReadOnlyConnections()
        try pool.close()
        lock.release()
    }
}

extension GatewayStore {
    /// A vehicle's readings of one signal or all within a range of times, by time, open ones too.
    func readings(
        _ database: Database,
        of vehicle: VehicleID,
        signal: UInt16? = nil,
        from: Timestamp = .distantPast,
        to: Timestamp = .distantFuture
    ) throws -> [StoredReading] {
        // Open ones first: what is sealed in between is then in both, and not in neither.
        let open = open.withLock { $0.readings(of: vehicle, signal: signal) }
        var readings = try Chunks.readings(
            database,
            of: vehicle,
            signal: signal,
            from: max(from, Limits.observedAtMin).milliseconds,
            to: min(to, Limits.observedAtEnd).milliseconds,
            damage
        )
        readings += open.filter { $0.observedAt >= from && $0.observedAt <= to }
        // One signal mostly comes in order already: chunk after chunk, then what is open.
        let isInOrder = readings.indices.dropFirst().allSatisfy {
            readings[$0 - 1].isBefore(readings[$0])
        }
        if isInOrder { return readings }
        readings.sort { $0.isBefore($1) }
        var kept: [StoredReading] = []
        kept.reserveCapacity(readings.count)
        for reading in readings {
            let last = kept.last
            if last?.observedAt == reading.observedAt, last?.signal == reading.signal { continue }
            kept.append(reading)
        }
        return kept
    }
}
