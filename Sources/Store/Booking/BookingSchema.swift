import GRDB

/// The schema of what people do with alerts: suggestions, visits, contacts, and their audit.
enum BookingSchema {
    static func register(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("010-audit") { database in
            try database.execute(sql: audit)
            try AuditChain.adopt(database)
            try database.execute(sql: auditGuards)
        }
        migrator.registerMigration("011-booking") { database in
            try database.execute(sql: suggestions)
            try database.execute(sql: visits)
            try database.execute(sql: occupancies)
            try database.execute(sql: occupancyGuards)
            try database.execute(sql: contacts)
        }
    }

    /// What a visit is for besides its alerts, and where; what is known of a vehicle besides its
    /// readings.
    static func registerWork(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("012-work") { database in
            try database.execute(sql: work)
        }
    }

    /// Slots that people at the desk keep free.
    static func registerHolds(_ migrator: inout DatabaseMigrator) {
        migrator.registerMigration("013-desk-holds") { database in
            try database.execute(sql: deskHolds)
            try database.execute(sql: occupancyGuards)
        }
    }

    /// Transitions become a chain; `AuditChain.adopt` moves the rows there are.
    private static let audit = """
        ALTER TABLE transition RENAME TO transition_before;
        CREATE TABLE transition (
            id INTEGER PRIMARY KEY,
            machine TEXT NOT NULL,
            record_id INTEGER NOT NULL,
            from_state TEXT NOT NULL,
            event TEXT NOT NULL,
            to_state TEXT NOT NULL,
            actor TEXT NOT NULL,
            role TEXT NOT NULL,
            request TEXT NOT NULL,
            at_ms INTEGER NOT NULL,
            reason TEXT NOT NULL,
            changes TEXT NOT NULL,
            detail_hash BLOB NOT NULL CHECK (length(detail_hash) = 32),
            hash BLOB NOT NULL CHECK (length(hash) = 32)
        ) STRICT;
        """

    /// Rows are never changed, but what was said in them can be erased: the chain covers its hash.
    private static let auditGuards = """
        DROP TABLE transition_before;
        CREATE INDEX transition_by_record ON transition (machine, record_id);
        CREATE TRIGGER transition_no_update
        BEFORE UPDATE OF id, machine, record_id, from_state, event, to_state, actor, role, request,
            at_ms, detail_hash, hash ON transition
        BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;
        CREATE TRIGGER transition_erase_only BEFORE UPDATE OF reason, changes ON transition
        WHEN NEW.reason <> '' OR NEW.changes <> ''
        BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;
        CREATE TRIGGER transition_no_delete BEFORE DELETE ON transition
        BEGIN SELECT RAISE(ABORT, 'transitions are append-only'); END;
        """

    private static let suggestions = """
        ALTER TABLE alert ADD COLUMN verdict TEXT;
        ALTER TABLE alert ADD COLUMN serviced_ms INTEGER;
        ALTER TABLE alert ADD COLUMN reopen_count INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX alert_by_verdict ON alert (rule_id, verdict) WHERE serviced_ms IS NOT NULL;

        CREATE TABLE suggestion_new (
            id INTEGER PRIMARY KEY,
            version INTEGER NOT NULL,
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            station_code TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('proposed', 'claimed', 'waiting', 'booked',
                'declined', 'withdrawn', 'merged', 'expired')),
            urgency INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 3),
            latest_by_ms INTEGER NOT NULL,
            early_ms INTEGER NOT NULL,
            earliest_useful_ms INTEGER NOT NULL,
            minutes INTEGER NOT NULL,
            jobs TEXT NOT NULL,
            kinds TEXT NOT NULL,
            skills TEXT NOT NULL,
            parts_lead_days INTEGER NOT NULL,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            occupancy_id INTEGER,
            hold_until_ms INTEGER,
            queue TEXT NOT NULL CHECK (queue IN ('advisor', 'specialist', 'manager')),
            owner TEXT,
            lease_until_ms INTEGER,
            wait_kind TEXT,
            wait_until_ms INTEGER,
            contact_due_ms INTEGER NOT NULL,
            is_breached INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            last_attempt_ms INTEGER,
            failures INTEGER NOT NULL,
            messages INTEGER NOT NULL,
            has_changed INTEGER NOT NULL,
            is_basis_gone INTEGER NOT NULL,
            appointment_id INTEGER,
            reopened_from INTEGER,
            looked_ms INTEGER NOT NULL,
            decline_reason TEXT,
            note TEXT NOT NULL,
            CHECK ((state = 'claimed') = (lease_until_ms IS NOT NULL)),
            CHECK ((state = 'waiting') = (wait_until_ms IS NOT NULL)),
            CHECK (state <> 'booked' OR appointment_id IS NOT NULL)
        ) STRICT;
        INSERT INTO suggestion_new
            SELECT id, version, vehicle_id, station_code,
                iif(state = 'booked' AND occupancy_id IS NULL, 'withdrawn', state), urgency,
                latest_by_ms, early_ms, created_ms, minutes, jobs, kinds, '', 0, created_ms,
                updated_ms, iif(state = 'booked', NULL, occupancy_id), hold_until_ms, 'advisor',
                NULL, NULL, NULL, NULL, updated_ms, 0, 0, NULL, 0, 0, 0, 0,
                iif(state = 'booked', id, NULL), NULL, updated_ms, decline_reason, note
            FROM suggestion;
        DROP TABLE suggestion;
        ALTER TABLE suggestion_new RENAME TO suggestion;
        CREATE UNIQUE INDEX suggestion_live ON suggestion (vehicle_id)
            WHERE state IN ('proposed', 'claimed', 'waiting');
        CREATE INDEX suggestion_inbox ON suggestion (state, urgency, latest_by_ms, id);

        ALTER TABLE suggestion_offer ADD COLUMN technician_code TEXT;
        ALTER TABLE suggestion_offer ADD COLUMN terms TEXT NOT NULL DEFAULT '';
        UPDATE suggestion_offer SET terms = 'risk=' || cost;
        ALTER TABLE suggestion_offer DROP COLUMN cost;
        """

    /// A booked suggestion is an appointment with the suggestion's number; one whose alerts are
    /// settled is over.
    private static let visits = """
        CREATE TABLE appointment (
            id INTEGER PRIMARY KEY,
            version INTEGER NOT NULL,
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            station_code TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('confirmed', 'arrived', 'in_service', 'done',
                'no_show', 'closed', 'cancelled')),
            suggestion_id INTEGER,
            urgency INTEGER NOT NULL,
            latest_by_ms INTEGER NOT NULL,
            early_ms INTEGER NOT NULL,
            earliest_useful_ms INTEGER NOT NULL,
            minutes INTEGER NOT NULL,
            jobs TEXT NOT NULL,
            kinds TEXT NOT NULL,
            skills TEXT NOT NULL,
            parts_lead_days INTEGER NOT NULL,
            bay_code TEXT NOT NULL,
            technician_code TEXT,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER NOT NULL,
            occupancy_id INTEGER,
            sequence INTEGER NOT NULL,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            arrived_ms INTEGER,
            started_ms INTEGER,
            finished_ms INTEGER,
            missed_ms INTEGER,
            odometer_km INTEGER,
            symptoms TEXT NOT NULL,
            cancel_code TEXT,
            note TEXT NOT NULL,
            follow_up_ms INTEGER,
            follow_up_by TEXT,
            follow_up_score INTEGER CHECK (follow_up_score BETWEEN 0 AND 10),
            follow_up_expectation TEXT,
            follow_up_issue TEXT,
            follow_up_reminders TEXT,
            CHECK (end_ms > start_ms),
            CHECK ((state = 'cancelled') = (cancel_code IS NOT NULL))
        ) STRICT;
        CREATE UNIQUE INDEX appointment_by_suggestion ON appointment (suggestion_id)
            WHERE suggestion_id IS NOT NULL;
        CREATE INDEX appointment_by_start ON appointment (start_ms, id);
        CREATE INDEX appointment_live ON appointment (id) WHERE state NOT IN ('closed', 'cancelled');

        INSERT INTO appointment
            SELECT s.id, 1, s.vehicle_id, s.station_code,
                iif(EXISTS (SELECT 1 FROM alert a
                    WHERE a.suggestion_id = s.id AND a.state = 'planned'), 'confirmed', 'closed'),
                s.id, s.urgency, s.latest_by_ms, s.early_ms, s.earliest_useful_ms, s.minutes,
                s.jobs, s.kinds, '', 0, o.bay_code, NULL, o.start_ms, o.end_ms, o.id, 0,
                s.updated_ms, s.updated_ms, NULL, NULL, NULL, NULL, NULL, '', NULL, '', NULL,
                NULL, NULL, NULL, NULL, NULL
            FROM suggestion s JOIN occupancy o
                ON o.suggestion_id = s.id AND o.kind = 'appointment'
            WHERE s.state = 'booked';

        CREATE TABLE appointment_alert (
            appointment_id INTEGER NOT NULL REFERENCES appointment (id),
            alert_id INTEGER NOT NULL REFERENCES alert (id),
            PRIMARY KEY (appointment_id, alert_id)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO appointment_alert
            SELECT suggestion_id, alert_id FROM suggestion_alert
            WHERE suggestion_id IN (SELECT id FROM appointment);

        CREATE TABLE finding (
            appointment_id INTEGER NOT NULL REFERENCES appointment (id),
            alert_id INTEGER NOT NULL REFERENCES alert (id),
            verdict TEXT NOT NULL CHECK (verdict IN ('confirmed', 'worn_early', 'no_fault',
                'other_cause', 'not_inspected')),
            action TEXT NOT NULL,
            parts TEXT NOT NULL,
            note TEXT NOT NULL,
            measured REAL,
            minutes INTEGER,
            PRIMARY KEY (appointment_id, alert_id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE to_do (
            appointment_id INTEGER NOT NULL REFERENCES appointment (id),
            place INTEGER NOT NULL,
            kind TEXT NOT NULL,
            opened_ms INTEGER NOT NULL,
            done_ms INTEGER,
            done_by TEXT,
            PRIMARY KEY (appointment_id, place)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX to_do_open ON to_do (kind, opened_ms) WHERE done_ms IS NULL;
        """

    /// One row takes a bay and a technician; no two overlap on either.
    private static let occupancies = """
        CREATE TABLE occupancy_new (
            id INTEGER PRIMARY KEY,
            bay_code TEXT NOT NULL,
            technician_code TEXT,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('hold', 'appointment')),
            suggestion_id INTEGER,
            appointment_id INTEGER,
            expires_ms INTEGER,
            CHECK (end_ms > start_ms),
            CHECK ((kind = 'hold') = (expires_ms IS NOT NULL)),
            CHECK ((kind = 'hold') = (suggestion_id IS NOT NULL)),
            CHECK ((kind = 'appointment') = (appointment_id IS NOT NULL))
        ) STRICT;
        INSERT INTO occupancy_new
            SELECT id, bay_code, NULL, start_ms, end_ms, kind,
                iif(kind = 'hold', suggestion_id, NULL), iif(kind = 'hold', NULL, suggestion_id),
                expires_ms
            FROM occupancy;
        DROP TABLE occupancy;
        ALTER TABLE occupancy_new RENAME TO occupancy;
        """

    /// A hold is a suggestion's or a person's; what they keep, and since when, is for the desk.
    ///
    /// People name holds by their numbers, so no number is given out twice.
    private static let deskHolds = """
        CREATE TABLE occupancy_new (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            bay_code TEXT NOT NULL,
            technician_code TEXT,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('hold', 'appointment')),
            suggestion_id INTEGER,
            appointment_id INTEGER,
            holder TEXT,
            station_code TEXT,
            taken_ms INTEGER,
            expires_ms INTEGER,
            CHECK (end_ms > start_ms),
            CHECK ((kind = 'hold') = (expires_ms IS NOT NULL)),
            CHECK ((kind = 'hold') = ((suggestion_id IS NULL) <> (holder IS NULL))),
            CHECK ((kind = 'appointment') = (appointment_id IS NOT NULL)),
            CHECK ((holder IS NULL) = (station_code IS NULL)),
            CHECK ((holder IS NULL) = (taken_ms IS NULL))
        ) STRICT;
        INSERT INTO occupancy_new
            SELECT id, bay_code, technician_code, start_ms, end_ms, kind, suggestion_id,
                appointment_id, NULL, NULL, NULL, expires_ms
            FROM occupancy;
        DROP TABLE occupancy;
        ALTER TABLE occupancy_new RENAME TO occupancy;
        CREATE INDEX occupancy_held ON occupancy (id) WHERE holder IS NOT NULL;
        """

    /// No two occupancies overlap on a bay or a technician.
    private static let occupancyGuards = """
        CREATE INDEX occupancy_by_bay ON occupancy (bay_code, start_ms);
        CREATE INDEX occupancy_by_technician ON occupancy (technician_code, start_ms)
            WHERE technician_code IS NOT NULL;
        CREATE TRIGGER occupancy_insert_overlap BEFORE INSERT ON occupancy
        WHEN EXISTS (
            SELECT 1 FROM occupancy
            WHERE bay_code = NEW.bay_code AND start_ms < NEW.end_ms AND end_ms > NEW.start_ms
        ) OR EXISTS (
            SELECT 1 FROM occupancy
            WHERE technician_code = NEW.technician_code
                AND start_ms < NEW.end_ms AND end_ms > NEW.start_ms
        )
        BEGIN SELECT RAISE(ABORT, 'slot_taken'); END;
        CREATE TRIGGER occupancy_update_overlap
        BEFORE UPDATE OF bay_code, technician_code, start_ms, end_ms ON occupancy
        WHEN EXISTS (
            SELECT 1 FROM occupancy
            WHERE id <> NEW.id
                AND (bay_code = NEW.bay_code OR technician_code = NEW.technician_code)
                AND start_ms < NEW.end_ms AND end_ms > NEW.start_ms
        )
        BEGIN SELECT RAISE(ABORT, 'slot_taken'); END;
        """

    private static let work = """
        ALTER TABLE suggestion ADD COLUMN lines TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE suggestion ADD COLUMN symptoms TEXT NOT NULL DEFAULT '';
        ALTER TABLE suggestion ADD COLUMN station_reason TEXT NOT NULL DEFAULT 'home';
        ALTER TABLE appointment ADD COLUMN lines TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE alert ADD COLUMN put_off_early_ms INTEGER;
        ALTER TABLE alert ADD COLUMN put_off_ms INTEGER;
        ALTER TABLE alert ADD COLUMN is_put_off_to_visit INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX appointment_by_vehicle ON appointment (vehicle_id, start_ms);
        CREATE TABLE vehicle_work (
            vehicle_id INTEGER PRIMARY KEY REFERENCES vehicle (id),
            body TEXT NOT NULL
        ) STRICT;
        """

    private static let contacts = """
        CREATE TABLE contact_attempt (
            id INTEGER PRIMARY KEY,
            suggestion_id INTEGER NOT NULL REFERENCES suggestion (id),
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            at_ms INTEGER NOT NULL,
            actor TEXT NOT NULL,
            channel TEXT NOT NULL,
            outcome TEXT NOT NULL,
            is_redial INTEGER NOT NULL,
            call_back_ms INTEGER,
            odometer_km INTEGER,
            symptoms TEXT NOT NULL,
            note TEXT NOT NULL
        ) STRICT;
        CREATE INDEX contact_attempt_by_suggestion ON contact_attempt (suggestion_id, id);

        CREATE TABLE vehicle_contact (
            vehicle_id INTEGER PRIMARY KEY REFERENCES vehicle (id),
            last_ms INTEGER,
            last_suggestion_id INTEGER,
            is_forbidden INTEGER NOT NULL,
            preferred_weekdays TEXT,
            preferred_from INTEGER,
            preferred_to INTEGER
        ) STRICT;

        CREATE TABLE complaint (
            id INTEGER PRIMARY KEY,
            vehicle_id INTEGER NOT NULL REFERENCES vehicle (id),
            suggestion_id INTEGER,
            appointment_id INTEGER,
            text TEXT NOT NULL,
            opened_ms INTEGER NOT NULL,
            opened_by TEXT NOT NULL,
            handled_ms INTEGER,
            handled_by TEXT,
            resolution TEXT NOT NULL
        ) STRICT;
        CREATE INDEX complaint_open ON complaint (id) WHERE handled_ms IS NULL;

        CREATE TABLE closure (
            id INTEGER PRIMARY KEY,
            station_code TEXT NOT NULL,
            scope TEXT NOT NULL CHECK (scope IN ('station', 'bay', 'technician')),
            place_code TEXT,
            start_ms INTEGER NOT NULL,
            end_ms INTEGER NOT NULL,
            reason TEXT NOT NULL,
            CHECK ((scope = 'station') = (place_code IS NULL)),
            CHECK (end_ms > start_ms)
        ) STRICT;
        """
}
