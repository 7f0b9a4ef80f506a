import GRDB
import Telemetry

/// The schema, forward only; a released migration never changes.
///
/// Invariants that must hold whatever the code above does live here: one live alert per vehicle,
/// rule and component; one live suggestion per vehicle; no two occupancies overlap on a bay or a
/// technician; the transitions are append-only.
enum Migrations {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("001-first") { database in
            try database.execute(sql: first)
        }
        migrator.registerMigration("002-chunks") { database in
            try database.execute(sql: chunks)
            try moveRows(database)
        }
        migrator.registerMigration("003-dead-letter-size") { database in
            try database.execute(sql: deadLetterSize)
        }
        migrator.registerMigration("004-aggregates") { database in
            try database.execute(sql: aggregates)
        }
        migrator.registerMigration("005-fast-loss") { database in
            try database.execute(
                sql: "ALTER TABLE alert ADD COLUMN is_fast INTEGER NOT NULL DEFAULT 0"
            )
        }
        migrator.registerMigration("006-severity") { database in
            try database.execute(sql: severity)
        }
        BookingSchema.register(&migrator)
        migrator.registerMigration("020-access") { database in
            try database.execute(sql: DeskSchema.access)
        }
        migrator.registerMigration("021-customers") { database in
            try database.execute(sql: DeskSchema.customers)
        }
        migrator.registerMigration("022-messages") { database in
            try database.execute(sql: DeskSchema.messages)
        }
        BookingSchema.registerWork(&migrator)
        migrator.registerMigration("023-vehicle-news") { database in
            try database.execute(sql: DeskSchema.news)
        }
        migrator.registerMigration("024-more-messages") { database in
            try database.execute(sql: DeskSchema.moreMessages)
        }
        migrator.registerMigration("030-damaged") { database in
            try database.execute(sql: damaged)
        }
        migrator.registerMigration("031-deliveries") { database in
            try database.execute(sql: deliveries)
        }
        BookingSchema.registerHolds(&migrator)
        migrator.registerMigration("032-erased-news") { database in
            try database.execute(sql: DeskSchema.erasedNews)
        }
        migrator.registerMigration("033-webhooks") { database in
            try database.execute(sql: DeskSchema.webhooks)
        }
        migrator.registerMigration("034-act-by") { database in
            try database.execute(sql: "ALTER TABLE alert ADD COLUMN act_by_ms INTEGER")
        }
        migrator.registerMigration("035-troubles") { database in
            try database.execute(sql: TroubleRow.schema)
        }
        migrator.registerMigration("036-equal-dead-letters") { database in
            try database.execute(sql: DeadLetterRows.equalOnes)
        }
        migrator.registerMigration("037-event-formats") { database in
            try database.execute(sql: DeskSchema.eventFormats)
        }
        migrator.registerMigration("038-event-feed") { database in
            try database.execute(sql: DeskSchema.eventFeed)
        }
        return migrator
    }

    private static let first = """
        CREATE TABLE core_time (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            now_ms INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE vehicle (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            model TEXT, plate TEXT, powertrain TEXT, battery_type TEXT, station_code TEXT,
            placard_front_kpa REAL, placard_rear_kpa REAL,
            first_seen_ms INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE signal (
            id INTEGER PRIMARY KEY,
            path TEXT NOT NULL UNIQUE
        ) STRICT;

        CREATE TABLE reading (
            vehicle_id INTEGER NOT NULL,
            signal_id INTEGER NOT NULL,
            observed_ms INTEGER NOT NULL,
            received_ms INTEGER NOT NULL,
            value REAL NOT NULL,
            quality INTEGER NOT NULL CHECK (quality IN (0, 1)),
            PRIMARY KEY (vehicle_id, signal_id, observed_ms)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE dead_letter (
            id INTEGER PRIMARY KEY,
            received_ms INTEGER NOT NULL,
            topic BLOB NOT NULL,
            payload BLOB NOT NULL,
            reason TEXT NOT NULL,
            byte_offset INTEGER NOT NULL,
            detail TEXT NOT NULL,
            rejected_count INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE checkpoint (
            vehicle_id INTEGER PRIMARY KEY REFERENCES vehicle (id),
            state BLOB NOT NULL
        ) STRICT;

        CREATE TABLE alert (
            id INTEGER PRIMARY KEY,
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            rule_id TEXT NOT NULL,
            rule_version INTEGER NOT NULL,
            component TEXT NOT NULL,
            state TEXT NOT NULL
                CHECK (state IN ('open', 'planned', 'muted', 'serviced', 'recovered', 'closed')),
            outcome TEXT,
            raised_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            consequence TEXT NOT NULL,
            jobs TEXT NOT NULL,
            flap_count INTEGER NOT NULL,
            suggestion_id INTEGER,
            due_ms INTEGER,
            muted_urgency INTEGER,
            sentence_zh TEXT NOT NULL,
            sentence_en TEXT NOT NULL,
            limit_value REAL NOT NULL,
            is_limit_assumed INTEGER NOT NULL,
            level REAL NOT NULL,
            slope_per_day REAL NOT NULL,
            first_ms INTEGER NOT NULL, first_value REAL NOT NULL,
            newest_ms INTEGER NOT NULL, newest_value REAL NOT NULL,
            readings INTEGER NOT NULL,
            early_ms INTEGER, middle_ms INTEGER, late_ms INTEGER,
            is_crossed INTEGER NOT NULL,
            CHECK ((state = 'closed') = (outcome IS NOT NULL))
        ) STRICT;
        CREATE UNIQUE INDEX alert_live ON alert (vehicle_id, rule_id, component)
            WHERE state <> 'closed';
        CREATE INDEX alert_by_vehicle ON alert (vehicle_id, raised_ms);

        CREATE TABLE suggestion (
            id INTEGER PRIMARY KEY,
            version INTEGER NOT NULL,
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            station_code TEXT NOT NULL,
            state TEXT NOT NULL
                CHECK (state IN ('proposed', 'booked', 'declined', 'withdrawn', 'expired')),
            urgency INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 3),
            latest_by_ms INTEGER NOT NULL,
            early_ms INTEGER NOT NULL,
            minutes INTEGER NOT NULL,
            jobs TEXT NOT NULL,
            kinds TEXT NOT NULL,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            occupancy_id INTEGER,
            hold_until_ms INTEGER,
            decline_reason TEXT,
            note TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX suggestion_live ON suggestion (vehicle_id) WHERE state = 'proposed';
        CREATE INDEX suggestion_inbox ON suggestion (state, urgency, latest_by_ms, id);

        CREATE TABLE suggestion_alert (
            suggestion_id INTEGER NOT NULL REFERENCES suggestion (id),
            alert_id INTEGER NOT NULL REFERENCES alert (id),
            PRIMARY KEY (suggestion_id, alert_id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE suggestion_offer (
            suggestion_id INTEGER NOT NULL REFERENCES suggestion (id),
            label TEXT NOT NULL,
            bay_code TEXT NOT NULL,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER NOT NULL,
            cost REAL NOT NULL,
            PRIMARY KEY (suggestion_id, label)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE occupancy (
            id INTEGER PRIMARY KEY,
            bay_code TEXT NOT NULL,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('hold', 'appointment')),
            suggestion_id INTEGER NOT NULL,
            expires_ms INTEGER,
            CHECK (end_ms > start_ms),
            CHECK ((kind = 'hold') = (expires_ms IS NOT NULL))
        ) STRICT;
        CREATE INDEX occupancy_by_bay ON occupancy (bay_code, start_ms);
        CREATE TRIGGER occupancy_insert_overlap BEFORE INSERT ON occupancy
        WHEN EXISTS (
            SELECT 1 FROM occupancy
            WHERE bay_code = NEW.bay_code AND start_ms < NEW.end_ms AND end_ms > NEW.start_ms
        )
        BEGIN SELECT RAISE(ABORT, 'slot_taken'); END;
        CREATE TRIGGER occupancy_update_overlap
        BEFORE UPDATE OF bay_code, start_ms, end_ms ON occupancy
        WHEN EXISTS (
            SELECT 1 FROM occupancy
            WHERE id <> NEW.id AND bay_code = NEW.bay_code
                AND start_ms < NEW.end_ms AND end_ms > NEW.start_ms
        )
        BEGIN SELECT RAISE(ABORT, 'slot_taken'); END;

        CREATE TABLE transition (
            id INTEGER PRIMARY KEY,
            machine TEXT NOT NULL,
            record_id INTEGER NOT NULL,
            from_state TEXT NOT NULL,
            event TEXT NOT NULL,
            to_state TEXT NOT NULL,
            actor TEXT NOT NULL,
            at_ms INTEGER NOT NULL,
            reason TEXT NOT NULL
        ) STRICT;
        CREATE INDEX transition_by_record ON transition (machine, record_id);
        CREATE TRIGGER transition_no_update BEFORE UPDATE ON transition
        BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;
        CREATE TRIGGER transition_no_delete BEFORE DELETE ON transition
        BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;
        """

    /// Readings leave the row each for a journal of commits and chunks of sealed readings.
    private static let chunks = """
        CREATE TABLE journal (
            id INTEGER PRIMARY KEY,
            body BLOB NOT NULL
        ) STRICT;
        CREATE TABLE chunk (
            id INTEGER PRIMARY KEY,
            end_ms INTEGER NOT NULL,
            count INTEGER NOT NULL,
            body BLOB NOT NULL
        ) STRICT;
        ALTER TABLE checkpoint ADD COLUMN journal_id INTEGER NOT NULL DEFAULT 0;
        """

    /// The dead letters' number and bytes, kept by the table itself: their bounds need both.
    private static let deadLetterSize = """
        CREATE TABLE dead_letter_size (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            letters INTEGER NOT NULL,
            bytes INTEGER NOT NULL
        ) STRICT;
        INSERT INTO dead_letter_size
            SELECT 1, count(*), coalesce(sum(length(topic) + length(payload)), 0) FROM dead_letter;
        CREATE TRIGGER dead_letter_added AFTER INSERT ON dead_letter
        BEGIN
            UPDATE dead_letter_size SET letters = letters + 1,
                bytes = bytes + length(NEW.topic) + length(NEW.payload);
        END;
        CREATE TRIGGER dead_letter_removed AFTER DELETE ON dead_letter
        BEGIN
            UPDATE dead_letter_size SET letters = letters - 1,
                bytes = bytes - length(OLD.topic) - length(OLD.payload);
        END;
        """

    /// What readings come to once they are old: rows like chunks, by vehicle and first time.
    private static let aggregates = """
        CREATE TABLE hourly (
            id INTEGER PRIMARY KEY,
            end_ms INTEGER NOT NULL,
            body BLOB NOT NULL
        ) STRICT;
        CREATE TABLE daily (
            id INTEGER PRIMARY KEY,
            end_ms INTEGER NOT NULL,
            body BLOB NOT NULL
        ) STRICT;
        """

    /// Rows of readings that do not read any more, as they were found.
    private static let damaged = """
        CREATE TABLE damaged (
            id INTEGER PRIMARY KEY,
            found_ms INTEGER NOT NULL,
            source TEXT NOT NULL CHECK (source IN ('chunk', 'hourly', 'daily', 'journal')),
            source_id INTEGER NOT NULL,
            reason TEXT NOT NULL,
            body BLOB NOT NULL
        ) STRICT;
        """

    /// What lives when the column comes is judged by the ladders at the first start.
    private static let severity = """
        ALTER TABLE alert ADD COLUMN severity TEXT NOT NULL DEFAULT 'notice'
            CHECK (severity IN ('notice', 'soon', 'urgent', 'crossed'))
        """

    /// The last messages whose values are as old as their arrival, in order.
    private static let deliveries = """
        CREATE TABLE delivery (
            id INTEGER PRIMARY KEY,
            identifier INTEGER NOT NULL,
            hash INTEGER NOT NULL,
            received_ms INTEGER NOT NULL
        ) STRICT;
        """

    private static func moveRows(_ database: Database) throws {
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT * FROM reading ORDER BY vehicle_id, signal_id, observed_ms"
        )
        var vehicle = VehicleID(index: 0)
        var readings: [StoredReading] = []
        while let row = try rows.next() {
            let next = VehicleID(index: row["vehicle_id"])
            if next != vehicle {
                _ = try Chunks.seal(ReadingColumns(readings), of: vehicle, DamageLog(), database)
                readings.removeAll(keepingCapacity: true)
                vehicle = next
            }
            readings.append(
                StoredReading(
                    observedAt: Timestamp(milliseconds: row["observed_ms"]),
                    value: row["value"],
                    signal: row["signal_id"],
                    quality: Quality(rawValue: row["quality"]) ?? .good
                )
            )
        }
        _ = try Chunks.seal(ReadingColumns(readings), of: vehicle, DamageLog(), database)
        try database.execute(sql: "DROP TABLE reading")
    }
}
