/// The tables of the desk: who may ask, and what was answered.
///
/// Forward only, like those of the core.
enum DeskSchema {
    static let access = """
        CREATE TABLE user (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE COLLATE NOCASE,
            role TEXT NOT NULL CHECK (role IN
                ('advisor', 'specialist', 'manager', 'engineer', 'admin', 'read_only')),
            stations TEXT NOT NULL,
            password TEXT NOT NULL,
            is_disabled INTEGER NOT NULL DEFAULT 0 CHECK (is_disabled IN (0, 1)),
            created_ms INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE session (
            digest BLOB PRIMARY KEY,
            user_id INTEGER NOT NULL REFERENCES user (id),
            csrf TEXT NOT NULL,
            created_ms INTEGER NOT NULL,
            expires_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX session_by_user ON session (user_id);

        CREATE TABLE token (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE COLLATE NOCASE,
            digest BLOB NOT NULL UNIQUE,
            scopes TEXT NOT NULL,
            stations TEXT NOT NULL,
            created_ms INTEGER NOT NULL,
            revoked_ms INTEGER,
            used_ms INTEGER
        ) STRICT;

        CREATE TABLE kept_answer (
            caller TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint BLOB NOT NULL,
            status INTEGER NOT NULL,
            headers TEXT NOT NULL,
            body BLOB NOT NULL,
            created_ms INTEGER NOT NULL,
            PRIMARY KEY (caller, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX kept_answer_by_age ON kept_answer (created_ms);
        """
}

extension DeskSchema {
    /// Who owns which vehicle when, and what they agreed to.
    static let customers = """
        CREATE TABLE customer (
            id INTEGER PRIMARY KEY,
            external_id TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            name TEXT, salutation TEXT, phone TEXT,
            language TEXT NOT NULL CHECK (language IN ('zh-Hans', 'en')),
            station_code TEXT,
            channel TEXT NOT NULL CHECK (channel IN ('phone', 'sms', 'app')),
            weekdays TEXT NOT NULL,
            contact_from_minute INTEGER, contact_to_minute INTEGER,
            advisor TEXT, note TEXT,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            erased_ms INTEGER,
            CHECK ((contact_from_minute IS NULL) = (contact_to_minute IS NULL)),
            CHECK (contact_from_minute < contact_to_minute),
            CHECK (erased_ms IS NULL OR (name IS NULL AND phone IS NULL AND note IS NULL))
        ) STRICT;

        CREATE TABLE binding (
            id INTEGER PRIMARY KEY,
            vehicle TEXT NOT NULL,
            customer_id INTEGER NOT NULL REFERENCES customer (id),
            vin TEXT, plate TEXT,
            from_ms INTEGER NOT NULL,
            to_ms INTEGER,
            CHECK (to_ms >= from_ms)
        ) STRICT;
        CREATE UNIQUE INDEX binding_open ON binding (vehicle) WHERE to_ms IS NULL;
        CREATE INDEX binding_by_customer ON binding (customer_id);

        CREATE TABLE consent (
            id INTEGER PRIMARY KEY,
            customer_id INTEGER NOT NULL REFERENCES customer (id),
            kind TEXT NOT NULL CHECK (kind IN
                ('service', 'commercial', 'birthday', 'licence_date', 'home_cell', 'app')),
            granted_ms INTEGER NOT NULL,
            revoked_ms INTEGER,
            CHECK (revoked_ms >= granted_ms)
        ) STRICT;
        CREATE UNIQUE INDEX consent_open ON consent (customer_id, kind) WHERE revoked_ms IS NULL;

        CREATE TABLE due_item (
            id INTEGER PRIMARY KEY,
            customer_id INTEGER NOT NULL REFERENCES customer (id),
            kind TEXT NOT NULL CHECK (kind IN ('inspection', 'insurance', 'licence', 'service')),
            vehicle TEXT,
            due_on TEXT,
            due_kilometres INTEGER,
            CHECK (due_on IS NOT NULL OR due_kilometres IS NOT NULL),
            CHECK (vehicle IS NOT NULL OR kind = 'licence')
        ) STRICT;
        CREATE INDEX due_item_by_customer ON due_item (customer_id);
        CREATE INDEX due_item_by_vehicle ON due_item (vehicle);

        CREATE TABLE past_visit (
            id INTEGER PRIMARY KEY,
            customer_id INTEGER NOT NULL REFERENCES customer (id),
            vehicle TEXT NOT NULL,
            done_on TEXT NOT NULL,
            kilometres INTEGER,
            station_code TEXT,
            work TEXT NOT NULL,
            UNIQUE (customer_id, vehicle, done_on, work)
        ) STRICT;

        CREATE TABLE vehicle_left (
            id INTEGER PRIMARY KEY,
            vehicle TEXT NOT NULL,
            at_ms INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE erasure (
            id INTEGER PRIMARY KEY,
            customer_id INTEGER NOT NULL REFERENCES customer (id),
            asked_by TEXT NOT NULL,
            asked_key TEXT NOT NULL,
            asked_ms INTEGER NOT NULL,
            confirmed_by TEXT,
            confirmed_ms INTEGER
        ) STRICT;
        CREATE UNIQUE INDEX erasure_open ON erasure (customer_id) WHERE confirmed_ms IS NULL;

        CREATE TABLE tombstone (
            digest BLOB PRIMARY KEY,
            at_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE tombstone_salt (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            salt BLOB NOT NULL
        ) STRICT;
        INSERT INTO tombstone_salt VALUES (1, randomblob(32));

        ALTER TABLE vehicle ADD COLUMN is_plate_withheld INTEGER NOT NULL DEFAULT 0;
        CREATE TRIGGER vehicle_plate_withheld AFTER UPDATE OF plate ON vehicle
        WHEN NEW.is_plate_withheld AND NEW.plate IS NOT NULL
        BEGIN UPDATE vehicle SET plate = NULL WHERE id = NEW.id; END;
        """
}

extension DeskSchema {
    /// What goes to customers, queued with its cause; the states go one way (`MessageState`).
    static let messages = """
        CREATE TABLE message (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('alert', 'clear', 'offer', 'booked')),
            vehicle TEXT NOT NULL,
            record_id INTEGER NOT NULL,
            version INTEGER NOT NULL,
            customer_id INTEGER REFERENCES customer (id),
            channel TEXT CHECK (channel IN ('phone', 'sms', 'app')),
            language TEXT,
            template TEXT,
            text TEXT,
            start_ms INTEGER, end_ms INTEGER,
            nonce TEXT,
            state TEXT NOT NULL
                CHECK (state IN ('queued', 'sent', 'delivered', 'failed', 'suppressed')),
            reason TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            due_ms INTEGER NOT NULL,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            answer TEXT,
            UNIQUE (kind, record_id, version),
            CHECK ((state = 'suppressed') <= (reason IS NOT NULL))
        ) STRICT;
        CREATE INDEX message_due ON message (due_ms) WHERE state IN ('queued', 'sent');
        CREATE INDEX message_by_vehicle ON message (vehicle, created_ms);
        CREATE INDEX message_by_customer ON message (customer_id);
        CREATE TRIGGER message_state BEFORE UPDATE OF state ON message
        WHEN NOT (NEW.state = OLD.state
            OR (OLD.state = 'queued' AND NEW.state IN ('sent', 'suppressed', 'failed'))
            OR (OLD.state = 'sent' AND NEW.state IN ('delivered', 'failed')))
        BEGIN SELECT RAISE(ABORT, 'a message does not go back'); END;
        """
}

extension DeskSchema {
    /// Vehicles of which the core must hear, each once, under its newest number.
    ///
    /// Written by whatever changes what the core goes by: no way of changing it can forget to.
    static let news = """
        ALTER TABLE customer ADD COLUMN home_latitude REAL;
        ALTER TABLE customer ADD COLUMN home_longitude REAL;

        CREATE TABLE vehicle_news (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            vehicle TEXT NOT NULL UNIQUE
        ) STRICT;
        INSERT INTO vehicle_news (vehicle)
            SELECT vehicle FROM vehicle_left UNION SELECT vehicle FROM binding WHERE to_ms IS NULL;
        DROP TABLE vehicle_left;

        CREATE TRIGGER news_of_vehicle AFTER INSERT ON vehicle
        WHEN EXISTS (SELECT 1 FROM binding WHERE vehicle = NEW.name AND to_ms IS NULL)
        BEGIN
            DELETE FROM vehicle_news WHERE vehicle = NEW.name;
            INSERT INTO vehicle_news (vehicle) VALUES (NEW.name);
        END;
        CREATE TRIGGER news_of_binding AFTER INSERT ON binding
        BEGIN
            DELETE FROM vehicle_news WHERE vehicle = NEW.vehicle;
            INSERT INTO vehicle_news (vehicle) VALUES (NEW.vehicle);
        END;
        CREATE TRIGGER news_of_binding_end AFTER UPDATE OF to_ms ON binding
        BEGIN
            DELETE FROM vehicle_news WHERE vehicle = NEW.vehicle;
            INSERT INTO vehicle_news (vehicle) VALUES (NEW.vehicle);
        END;
        \(trigger("customer", "UPDATE", "NEW.id"))
        \(trigger("consent", "INSERT", "NEW.customer_id"))
        \(trigger("consent", "UPDATE", "NEW.customer_id"))
        \(trigger("consent", "DELETE", "OLD.customer_id"))
        \(trigger("due_item", "INSERT", "NEW.customer_id"))
        \(trigger("due_item", "DELETE", "OLD.customer_id"))
        """

    private static func trigger(_ table: String, _ event: String, _ customer: String) -> String {
        """
        CREATE TRIGGER news_of_\(table)_\(event) AFTER \(event) ON \(table)
        BEGIN
            DELETE FROM vehicle_news WHERE vehicle IN
                (SELECT vehicle FROM binding WHERE customer_id = \(customer) AND to_ms IS NULL);
            INSERT INTO vehicle_news (vehicle)
                SELECT vehicle FROM binding WHERE customer_id = \(customer) AND to_ms IS NULL;
        END;
        """
    }
}

extension DeskSchema {
    /// That an owner was erased: what the core still remembers of their words goes too.
    ///
    /// And when a vehicle's owners ended, which stays when who they were is erased: the next owner
    /// is not to inherit their time.
    static let erasedNews = """
        ALTER TABLE vehicle_news ADD COLUMN is_erased INTEGER NOT NULL DEFAULT 0;

        CREATE TABLE former_owner (
            vehicle TEXT NOT NULL,
            to_ms INTEGER NOT NULL,
            PRIMARY KEY (vehicle, to_ms)
        ) STRICT, WITHOUT ROWID;
        INSERT OR IGNORE INTO former_owner
            SELECT vehicle, to_ms FROM binding WHERE to_ms IS NOT NULL;
        CREATE TRIGGER former_owner_of_binding AFTER UPDATE OF to_ms ON binding
        WHEN NEW.to_ms IS NOT NULL
        BEGIN INSERT OR IGNORE INTO former_owner VALUES (NEW.vehicle, NEW.to_ms); END;
        """

    /// Programs that are told; `delivered` is a row of `transition`.
    static let webhooks = """
        CREATE TABLE webhook (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            url TEXT NOT NULL,
            secret BLOB NOT NULL,
            events TEXT NOT NULL,
            stations TEXT NOT NULL,
            created_ms INTEGER NOT NULL,
            created_by TEXT NOT NULL,
            delivered INTEGER NOT NULL,
            failures INTEGER NOT NULL DEFAULT 0,
            failing_ms INTEGER,
            next_ms INTEGER NOT NULL,
            error TEXT,
            is_parked INTEGER NOT NULL DEFAULT 0
        ) STRICT;
        """

    /// The form in which a program reads events.
    static let eventFormats = """
        ALTER TABLE webhook ADD COLUMN format TEXT NOT NULL DEFAULT 'gateway'
            CHECK (format IN ('gateway', 'cloudevents'));
        """

    /// The place of MQTT in the history; without a row there is no feed.
    static let eventFeed = """
        CREATE TABLE event_feed (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            delivered INTEGER NOT NULL
        ) STRICT;
        """

    /// Messages of more kinds: what a visit comes to, and dates that come near.
    static let moreMessages = """
        CREATE TABLE message_new (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('alert', 'clear', 'offer', 'booked', 'cancelled',
                'reminder', 'care_call', 'ask_to_keep', 'due')),
            vehicle TEXT NOT NULL,
            record_id INTEGER NOT NULL,
            version INTEGER NOT NULL,
            customer_id INTEGER REFERENCES customer (id),
            channel TEXT CHECK (channel IN ('phone', 'sms', 'app')),
            language TEXT,
            template TEXT,
            text TEXT,
            start_ms INTEGER, end_ms INTEGER,
            nonce TEXT,
            state TEXT NOT NULL
                CHECK (state IN ('queued', 'sent', 'delivered', 'failed', 'suppressed')),
            reason TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            due_ms INTEGER NOT NULL,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            answer TEXT,
            UNIQUE (kind, record_id, version),
            CHECK ((state = 'suppressed') <= (reason IS NOT NULL))
        ) STRICT;
        INSERT INTO message_new SELECT * FROM message;
        DROP TABLE message;
        ALTER TABLE message_new RENAME TO message;
        CREATE INDEX message_due ON message (due_ms) WHERE state IN ('queued', 'sent');
        CREATE INDEX message_by_vehicle ON message (vehicle, created_ms);
        CREATE INDEX message_by_customer ON message (customer_id);
        CREATE TRIGGER message_state BEFORE UPDATE OF state ON message
        WHEN NOT (NEW.state = OLD.state
            OR (OLD.state = 'queued' AND NEW.state IN ('sent', 'suppressed', 'failed'))
            OR (OLD.state = 'sent' AND NEW.state IN ('delivered', 'failed')))
        BEGIN SELECT RAISE(ABORT, 'a message does not go back'); END;
        """
}
