import GRDB

/// The event feed: like a webhook it is a place in the history, of which MQTT has one.
extension Desk {
    /// The last row of the history that the broker took, or that was of no interest; a feed that
    /// begins, begins at the end.
    package func eventFeedPlace() async throws -> Int64 {
        try await write { database in
            try database.execute(
                sql: """
                    INSERT OR IGNORE INTO event_feed (id, delivered)
                    SELECT 1, coalesce(max(id), 0) FROM transition
                    """
            )
            return try Int64.fetchOne(database, sql: "SELECT delivered FROM event_feed") ?? 0
        }
    }

    /// The broker has taken all up to this row of the history.
    package func noteFed(upTo row: Int64) async throws {
        try await write { database in
            try database.execute(
                sql: "UPDATE event_feed SET delivered = max(delivered, ?)",
                arguments: [row]
            )
        }
    }

    /// Forgets the place: a feed that is turned on again tells nothing of the time between.
    package func endEventFeed() async throws {
        try await write { database in
            try database.execute(sql: "DELETE FROM event_feed")
        }
    }
}
