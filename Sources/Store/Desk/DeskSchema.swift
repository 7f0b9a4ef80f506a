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
