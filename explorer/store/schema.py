"""The tables of a store, as a list of migrations: each brings an earlier version's file to the next, and none is ever changed.

A request is one row of `wish`, short enough that a list of thousands is read in milliseconds: what came of it is in `result`. Columns that follow from
others (`phase`, `story`, `sampler`) are virtual: SQLite derives them and keeps them nowhere but in the indexes, so that nothing can contradict them.

Requests of a rank are done in the order of `due`: ten times as late as they are long. What takes a second is then done before what takes an hour, unless
that was asked for ten hours earlier: short work does not wait for long work, and long work does not wait for ever.

`reader` says which version last found that it can read the row (explorer.store.readable.reader), so that one that can need not parse it to know.
"""

from __future__ import annotations

GRAMS_APART = (  # what an earlier version kept in the result of a look; of a result that is no JSON for SQLite (it has a NaN) it is left out
    """INSERT OR IGNORE INTO products (request, models, value)
    SELECT request, (SELECT json_group_array(json_extract(text, '$.files[' || value || '].digest')) FROM json_each(text, '$.group')), json_extract(text, '$.gram')
    FROM result WHERE text LIKE '{"kind": "Seen",%' AND iif(json_valid(text), json_array_length(text, '$.gram') > 0, 0)""",
    """UPDATE result SET text = substr(text, 1, instr(text, ', "gram": [') - 1) || '}'
    WHERE text LIKE '{"kind": "Seen",%' AND instr(text, ', "gram": [')""",
)

MIGRATIONS = (
    """
    CREATE TABLE field (
        id TEXT PRIMARY KEY, spec TEXT NOT NULL, shape TEXT NOT NULL, counts BLOB NOT NULL, gram BLOB NOT NULL, facts TEXT NOT NULL, created REAL NOT NULL
    );
    CREATE TABLE point (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, field TEXT NOT NULL REFERENCES field(id), coords BLOB NOT NULL, value BLOB NOT NULL, seconds REAL NOT NULL,
        UNIQUE (field, coords)
    );
    CREATE TABLE wish (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, urgent INTEGER NOT NULL, spec TEXT NOT NULL, created REAL NOT NULL,
        worker TEXT, lease REAL NOT NULL DEFAULT 0, started REAL, finished REAL, error TEXT, stopped INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
        done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, fresh INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '', result TEXT
    );
    CREATE INDEX wish_subject ON wish (subject);
    CREATE TABLE checkpoint (
        path TEXT PRIMARY KEY, digest TEXT NOT NULL, facts TEXT NOT NULL, seen REAL NOT NULL
    );
    CREATE INDEX checkpoint_digest ON checkpoint (digest);
    CREATE TABLE worker (id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, device TEXT NOT NULL, beat REAL NOT NULL);
    """,
    "CREATE TABLE made (recipe TEXT PRIMARY KEY, facts TEXT NOT NULL, created REAL NOT NULL)",
    "ALTER TABLE wish ADD COLUMN roots TEXT",  # JSON list of the folders it may read; NULL: all of them
    """
    ALTER TABLE worker ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE worker ADD COLUMN sees TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE worker ADD COLUMN free INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE worker ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE plan (wish TEXT PRIMARY KEY, plan TEXT NOT NULL, took TEXT)
    """,
    "CREATE INDEX point_seconds ON point (field, seconds)",  # sums of seconds are then read without the values that stand before them
    """
    CREATE TABLE result (request TEXT PRIMARY KEY, text TEXT NOT NULL);
    INSERT INTO result SELECT id, result FROM wish WHERE result IS NOT NULL AND result <> 'null';
    ALTER TABLE wish DROP COLUMN result;
    ALTER TABLE wish ADD COLUMN reader TEXT NOT NULL DEFAULT '';
    ALTER TABLE wish ADD COLUMN story TEXT AS (iif(json_valid(spec), json_extract(spec, '$.story'), NULL)) VIRTUAL;
    ALTER TABLE wish ADD COLUMN sampler TEXT AS (iif(json_valid(spec), json_extract(spec, '$.sampler.name'), NULL)) VIRTUAL;
    ALTER TABLE wish ADD COLUMN phase TEXT AS (
        CASE WHEN error IS NOT NULL THEN 'failed' WHEN finished IS NOT NULL THEN 'done' WHEN stopped THEN 'stopped' ELSE 'open' END) VIRTUAL;
    DROP INDEX wish_subject;
    CREATE INDEX wish_listed ON wish (kind, created, sampler, phase, lease, reader);
    CREATE INDEX wish_story ON wish (created) WHERE story <> '';
    CREATE INDEX wish_open ON wish (urgent DESC, created) WHERE finished IS NULL AND error IS NULL AND stopped = 0;
    CREATE INDEX wish_held ON wish (worker) WHERE lease > 0;
    CREATE INDEX wish_reader ON wish (reader)
    """,
    "CREATE INDEX point_field ON point (field)",  # what was added to a field since a sequence number is then found without going through the rest
    """
    CREATE TABLE tally (
        field TEXT PRIMARY KEY, kind TEXT NOT NULL DEFAULT '', items REAL NOT NULL DEFAULT 0, points INTEGER NOT NULL, seconds REAL NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO tally (field, points, seconds) SELECT field, count(*), total(seconds) FROM point GROUP BY field;
    CREATE INDEX tally_kind ON tally (kind, points, seconds, items);
    DROP INDEX point_seconds
    """,  # of each field: how many points, what they took, and (once somebody asks) what else takes as long
    """
    ALTER TABLE wish ADD COLUMN expected REAL;
    ALTER TABLE wish ADD COLUMN due REAL AS (created + 10 * coalesce(expected, 30)) VIRTUAL;
    DROP INDEX wish_open;
    CREATE INDEX wish_open ON wish (urgent DESC, due) WHERE finished IS NULL AND error IS NULL AND stopped = 0;
    CREATE TABLE pace (kind TEXT PRIMARY KEY, units REAL NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE changes (n INTEGER NOT NULL);
    INSERT INTO changes VALUES (0)
    """,  # seconds that a request is expected to take, and by when it is; what work of a kind took; how often the list of requests changed
    """
    CREATE TABLE lot (
        field TEXT NOT NULL, coords BLOB NOT NULL, worker TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (field, coords)
    ) WITHOUT ROWID;
    CREATE INDEX lot_worker ON lot (worker)
    """,  # points that somebody is measuring at this moment, so that several can share a field
    ";".join(("CREATE TABLE products (id INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, models TEXT NOT NULL, value NOT NULL)", *GRAMS_APART)),
    """
    CREATE TABLE total (
        field TEXT NOT NULL, seq INTEGER NOT NULL, coords BLOB NOT NULL, sums BLOB NOT NULL, PRIMARY KEY (field, seq)
    ) WITHOUT ROWID;
    ALTER TABLE tally ADD COLUMN summed INTEGER NOT NULL DEFAULT 0
    """,  # of each point its sums over blocks, and of each field how many points have them (explorer.store.point_sums)
    """
    CREATE TABLE forgotten (field TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE pinned (field TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE opened (field TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE INDEX wish_subject ON wish (subject)
    """,  # fields whose run was removed from the list, that are to stay, that somebody looked at (explorer.store.upkeep)
    """
    ALTER TABLE wish ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    DROP INDEX wish_open;
    CREATE INDEX wish_open ON wish (owner, urgent DESC, due) WHERE finished IS NULL AND error IS NULL AND stopped = 0;
    CREATE INDEX wish_owner ON wish (owner, kind, subject) WHERE owner <> '';
    CREATE TABLE asker (
        request TEXT NOT NULL, owner TEXT NOT NULL, points INTEGER NOT NULL, epochs INTEGER NOT NULL, PRIMARY KEY (request, owner)
    ) WITHOUT ROWID;
    CREATE TABLE registrant (path TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE turn (owner TEXT PRIMARY KEY, served REAL NOT NULL) WITHOUT ROWID;
    ALTER TABLE wish ADD COLUMN starved INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE worker ADD COLUMN place TEXT NOT NULL DEFAULT '';
    ALTER TABLE worker ADD COLUMN born TEXT NOT NULL DEFAULT '';
    ALTER TABLE worker ADD COLUMN ooms INTEGER NOT NULL DEFAULT 0
    """,  # whose a request and a checkpoint are, who else asked for it and for how much, and seconds worked for each (explorer.store.visitors);
    # which process a worker is, and how many of those that had a request died for want of memory (explorer.store.process_alive)
)
