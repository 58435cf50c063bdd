"""The tables of a fleet's file, as a list of migrations: `PRAGMA user_version` counts those applied.

A row keeps a struct as a JSON document beside the columns that are searched or compared. Triggers note
every change of a row in `changes`, so that a watcher reads what is new and not everything.
"""

from __future__ import annotations

APPLICATION_ID = 0x68697665
"""`hive` in ASCII: tells our file from any other SQLite file."""

CHANGES_KEPT = 8_192
"""A watcher that is further behind reads everything again."""

EVENTS_KEPT = 10_000
"""Lines kept of the fleet's log."""


MOST_MICROS = 1_000_000_000_000
"""What a single row counts as at most, a million dollars: no sum of them may overflow."""


def _of(name: str, text: str = "text") -> str:
    """A field of a row's document; NULL where that is damaged."""
    return f"CASE WHEN json_valid({text}) THEN json_extract({text}, '$.{name}') END"


def _money(name: str) -> str:
    return f"min(max({_of(name)}, 0), {MOST_MICROS})"


CHARGE = f"""INSERT INTO charged
    SELECT ifnull({_of("repo")}, ''), ifnull({_of("issue")}, 0), ifnull(sum({_money("micros")}), 0),
        max(CASE WHEN ifnull({_of("unknown")}, 1) THEN run END)
    FROM (SELECT run, CAST(doc AS TEXT) AS text FROM charges WHERE {{where}}) GROUP BY 1, 2
    ON CONFLICT DO UPDATE SET
        micros = min(micros + excluded.micros, {1 << 62}), unknown = ifnull(unknown, excluded.unknown)"""
"""Adds those charges to the sums for budgets. One that cannot be read is a cost that nobody knows."""

BILL = f"""INSERT INTO billed
    SELECT heading, ifnull({_of("repo")}, ''),
        CASE heading WHEN 'issue' THEN ifnull({_of("issue")}, 0)
            ELSE coalesce({_of("model")}, {_of("agent")}, '') END,
        ifnull(sum({_money("cost_micros")}), 0), count({_of("cost_micros")}), count(*),
        sum({_of("certainty")} IS 'estimated'),
        -- A run counts once, by the first of its rows of which nobody knows the cost.
        sum({_of("certainty")} IS 'unaccounted' AND seq = (
            SELECT min(seq) FROM ledger AS mine WHERE mine.run = rows.run
            AND {_of("certainty", "CAST(doc AS TEXT)")} IS 'unaccounted'))
    FROM (SELECT seq, run, CAST(doc AS TEXT) AS text FROM ledger WHERE {{where}}) AS rows,
        (SELECT 'model' AS heading UNION ALL SELECT 'issue') GROUP BY 1, 2, 3
    ON CONFLICT DO UPDATE SET
        micros = min(micros + excluded.micros, {1 << 62}), known = known + excluded.known,
        lines = lines + excluded.lines, estimated = estimated + excluded.estimated,
        unaccounted = unaccounted + excluded.unaccounted"""
"""Adds those rows to the sums that are shown, by model and by issue."""


def _noted(
    table: str, kind: str, repo: str, number: str, name: str, *, only: str | None = None
) -> tuple[str, ...]:
    """Triggers that note each insert, update and delete of `table`; columns as SQL of the row.

    `only`: the one column that others are shown, where the rest is private to who writes it.
    """

    def trigger(verb: str, row: str) -> str:
        values = ", ".join(part.format(row=row) for part in (repo, number, name))
        differs = f" WHEN NEW.{only} IS NOT OLD.{only}" if only and verb == "UPDATE" else ""
        return (
            f"CREATE TRIGGER {table}_{verb} AFTER {verb} ON {table}{differs} BEGIN"
            f" INSERT INTO changes (kind, repo, number, name) VALUES ('{kind}', {values}); END"
        )

    return trigger("INSERT", "NEW"), trigger("UPDATE", "NEW"), trigger("DELETE", "OLD")


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        """CREATE TABLE changes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL, repo TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL)""",
        f"""CREATE TRIGGER changes_bounded AFTER INSERT ON changes WHEN NEW.seq % 512 = 0 BEGIN
            DELETE FROM changes WHERE seq <= NEW.seq - {CHANGES_KEPT}; END""",
        "CREATE TABLE fleet (id INTEGER PRIMARY KEY CHECK (id = 1), doc BLOB NOT NULL)",
        "CREATE TABLE dispatcher (id INTEGER PRIMARY KEY CHECK (id = 1), doc BLOB NOT NULL)",
        "CREATE TABLE slots (worker TEXT PRIMARY KEY, run TEXT NOT NULL UNIQUE) WITHOUT ROWID",
        """CREATE TABLE claims (
            repo TEXT NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL, doc BLOB NOT NULL,
            PRIMARY KEY (repo, number)) WITHOUT ROWID""",
        """CREATE TABLE runs (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, spec BLOB NOT NULL, job BLOB NOT NULL,
            status BLOB NOT NULL,
            final INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0,
            stop INTEGER NOT NULL DEFAULT 0, process BLOB)""",
        "CREATE INDEX runs_unfinished ON runs (seq) WHERE settled = 0",
        """CREATE TABLE controls (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs (id),
            doc BLOB NOT NULL)""",
        "CREATE INDEX controls_of_run ON controls (run, seq)",
        "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, doc BLOB NOT NULL)",
        f"""CREATE TRIGGER events_bounded AFTER INSERT ON events WHEN NEW.seq % 256 = 0 BEGIN
            DELETE FROM events WHERE seq <= NEW.seq - {EVENTS_KEPT}; END""",
        """CREATE TRIGGER events_INSERT AFTER INSERT ON events BEGIN
            INSERT INTO changes (kind, repo, number, name) VALUES ('event', '', NEW.seq, ''); END""",
        "CREATE TABLE numbers (repo TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE issues (
            repo TEXT NOT NULL, number INTEGER NOT NULL, doc BLOB NOT NULL,
            PRIMARY KEY (repo, number)) WITHOUT ROWID""",
        """CREATE TABLE comments (
            id INTEGER PRIMARY KEY, repo TEXT NOT NULL, number INTEGER NOT NULL, marker TEXT,
            doc BLOB NOT NULL, UNIQUE (repo, number, marker),
            FOREIGN KEY (repo, number) REFERENCES issues (repo, number))""",
        """CREATE TABLE pulls (
            repo TEXT NOT NULL, number INTEGER NOT NULL, branch TEXT NOT NULL, run TEXT,
            open INTEGER NOT NULL, doc BLOB NOT NULL, merge_tried TEXT,
            PRIMARY KEY (repo, number)) WITHOUT ROWID""",
        "CREATE INDEX pulls_of_branch ON pulls (repo, branch)",
        *_noted("fleet", "fleet", "''", "0", "''"),
        *_noted("dispatcher", "fleet", "''", "0", "''"),
        *_noted("slots", "fleet", "''", "0", "''"),
        *_noted("claims", "claim", "{row}.repo", "{row}.number", "''"),
        *_noted("runs", "run", "''", "0", "{row}.id"),
        *_noted("issues", "issue", "{row}.repo", "{row}.number", "''"),
        *_noted("pulls", "pull", "{row}.repo", "{row}.number", "''"),
    ),
    (
        # A tracker on a network: what it was heard to say, and how far.
        """CREATE TABLE repos (
            repo TEXT PRIMARY KEY, doc BLOB NOT NULL, sync BLOB) WITHOUT ROWID""",
        "CREATE TABLE api (name TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE tracker (
            id INTEGER PRIMARY KEY CHECK (id = 1), doc BLOB NOT NULL, wanted INTEGER NOT NULL DEFAULT 0)""",
        # Which revision of an issue's text its row holds; NULL where it holds none.
        "ALTER TABLE issues ADD COLUMN body_of TEXT",
        *_noted("repos", "repo", "{row}.repo", "0", "''", only="doc"),
        *_noted("api", "api", "''", "0", "{row}.name"),
        "DROP TRIGGER issues_UPDATE",
        _noted("issues", "issue", "{row}.repo", "{row}.number", "''", only="doc")[1],
    ),
    (
        # What was about to be made on a tracker that cannot be asked whether it was.
        "CREATE TABLE intents (name TEXT PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID",
    ),
    (
        # What runs used. A run's charge is written with its rows and outlives them: budgets count all time.
        """CREATE TABLE charges (
            run TEXT PRIMARY KEY, at INTEGER NOT NULL, doc BLOB NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE ledger (
            seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL,
            round INTEGER NOT NULL, model TEXT NOT NULL, session TEXT NOT NULL, doc BLOB NOT NULL,
            UNIQUE (run, step, round, model, session))""",
        "CREATE INDEX ledger_by_time ON ledger (at, seq)",
        """CREATE TRIGGER ledger_is_append_only BEFORE UPDATE ON ledger BEGIN
            SELECT RAISE (ABORT, 'the ledger is append-only'); END""",
    ),
    (
        # Sums of the two, kept as rows are written: nobody has to read years of them for a total.
        "CREATE INDEX charges_by_time ON charges (at)",
        """CREATE TABLE charged (
            repo TEXT NOT NULL, issue INTEGER NOT NULL, micros INTEGER NOT NULL, unknown TEXT,
            PRIMARY KEY (repo, issue)) WITHOUT ROWID""",
        """CREATE TABLE billed (
            heading TEXT NOT NULL, repo TEXT NOT NULL, name TEXT NOT NULL, micros INTEGER NOT NULL,
            known INTEGER NOT NULL, lines INTEGER NOT NULL, estimated INTEGER NOT NULL,
            unaccounted INTEGER NOT NULL, PRIMARY KEY (heading, repo, name)) WITHOUT ROWID""",
        CHARGE.format(where="true"),
        BILL.format(where="true"),
    ),
)
