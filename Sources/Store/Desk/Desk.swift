import GRDB
import Telemetry

/// What people and programs leave at the desk: users, sessions, tokens, kept answers.
///
/// Each call is one transaction beside the core's own; none of them touches what the core holds in
/// memory, so neither has to know of the other.
///
/// Isolation: any; the work is done on GRDB's queues.
package struct Desk: Sendable {
    /// How long two processes that write at the same moment wait for each other.
    static let busySeconds = 5.0

    private let database: any DatabaseWriter

    package init(_ store: GatewayStore) {
        database = store.pool
    }

    /// The desk of a store that a gateway may be working on; a file that does not exist is made.
    package static func open(path: String) throws(StoreError) -> Desk {
        do throws(StoreError) {
            return Desk(try GatewayStore(path: path, durability: .full))
        } catch .locked {
            // The gateway that holds it has brought the schema up to date.
            var configuration = Configuration()
            configuration.label = "desk"
            configuration.busyMode = .timeout(busySeconds)
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA foreign_keys = ON") }
            do {
                return Desk(try DatabaseQueue(path: path, configuration: configuration))
            } catch {
                throw .unopenable(path: path, cause: "\(error)")
            }
        }
    }

    private init(_ database: any DatabaseWriter) {
        self.database = database
    }

    package func close() throws { try database.close() }

    /// Moves the log into the file and empties it.
    ///
    /// Readers may hold it up; then the next checkpoint does it.
    func foldLog() async throws {
        try await database.writeWithoutTransaction { database in
            _ = try? database.checkpoint(.truncate)
        }
    }

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        try await database.read(body)
    }

    func write<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        try await database.write(body)
    }
}

/// A list of codes in one column.
enum Codes {
    static func text(_ codes: some Sequence<String>) -> String {
        codes.sorted().joined(separator: ",")
    }

    static func set(_ text: String) -> Set<String> {
        Set(text.split(separator: ",").map(String.init))
    }
}

extension Row {
    /// A column of milliseconds as a time.
    func time(_ column: String) -> Timestamp {
        Timestamp(milliseconds: self[column])
    }

    func optionalTime(_ column: String) -> Timestamp? {
        (self[column] as Int64?).map(Timestamp.init(milliseconds:))
    }
}
