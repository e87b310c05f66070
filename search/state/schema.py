"""The file of a ledger: its tables, what older versions lacked, and how damage shows.

SQLite notices a broken page, but not a changed digit: so each row carries a SHA-256 of its values.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from spaces import durable
from spaces.errors import ENVIRONMENT, UserError
from spaces.text import plural

SCHEMA_VERSION = 3
# In the order in which they are made; the first column is the key of a row.
TABLES = {
    "meta": ("key", "value"),
    "architectures": ("number", "key", "words", "price"),
    "trainings": (
        "number", "uid", "architecture", "block", "replicate", "role", "origin", "proposal", "state", "attempts",
        "epoch", "metrics", "curve", "correct", "reason", "detail", "created", "started", "ended", "weights", "until",
    ),
}  # fmt: skip
_STATES = "'waiting', 'running', 'paused', 'finished', 'failed', 'stopped'"
_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, sha256 TEXT) STRICT",
    # Also the spaces and line ends are part of a ledger's file: never change them.
    "CREATE TABLE architectures (\n"
    "    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, words TEXT NOT NULL, price TEXT NOT NULL, "
    "sha256 TEXT) STRICT",
    f"""CREATE TABLE trainings (
    number INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE,
    architecture INTEGER NOT NULL REFERENCES architectures (number),
    block INTEGER NOT NULL, replicate INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('baseline', 'search', 'confirm')),
    origin TEXT NOT NULL, proposal TEXT,
    state TEXT NOT NULL CHECK (state IN ({_STATES})),
    attempts INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
    metrics TEXT, curve TEXT, correct BLOB, reason TEXT, detail TEXT,
    created REAL NOT NULL, started REAL, ended REAL, weights TEXT, until INTEGER, sha256 TEXT,
    UNIQUE (architecture, block, replicate)) STRICT""",
)
# By version: the columns that it does not have, and what else differs in the statements that make its tables. The rows
# of the first version carry no checksums.
_LACKING = {1: ("weights", "until"), 2: ("until",), SCHEMA_VERSION: ()}
_SIGNED: dict[int, tuple[tuple[str, str], ...]] = {
    2: ((", until INTEGER", ""), ("'paused', ", "")),
    SCHEMA_VERSION: (),
}
COPY = "restore it from a copy"
# Bytes in the longest path of a database: SQLite takes 512, and adds "-journal" to it.
LONGEST = 504


def connect(path: Path | str, *, read_only: bool) -> sqlite3.Connection:
    """The ledger's file, checked; a file of an older version is brought up to this one unless ``read_only``.

    Raises UserError (ENVIRONMENT) if it is damaged, empty, newer, or cannot be opened.

    Autocommit mode: transactions are written out where they begin and end. Threads share it; one at a time writes.
    """
    with named(path):
        if not read_only:
            return _opened(str(path), path, read_only=False)
        try:
            return _opened(f"{Path(path).resolve().as_uri()}?mode=ro", path, read_only=True)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            if not Path(path).exists() or os.access(Path(path).parent, os.W_OK):
                raise
            return _opened_copy(Path(path))


def _opened(name: str, path: Path | str, *, read_only: bool) -> sqlite3.Connection:
    db = sqlite3.connect(name, uri=read_only, isolation_level=None, timeout=60, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        db.create_function("digest", -1, _digest, deterministic=True)
        _prepare(db, path, read_only)
    except BaseException:
        db.close()
        raise
    return db


def _opened_copy(path: Path) -> sqlite3.Connection:
    """A connection to a copy of a ledger on a read-only medium: SQLite must write beside a ledger to read it."""
    with tempfile.TemporaryDirectory(prefix="senet-ledger-") as folder:
        for name in (path.name, f"{path.name}-wal"):
            if path.with_name(name).exists():
                shutil.copyfile(path.with_name(name), Path(folder) / name)
        # The open connection keeps the files that the end of this block removes.
        return _opened(f"{(Path(folder) / path.name).as_uri()}?mode=ro", path, read_only=True)


def check_length(path: Path | str) -> None:
    """Raises UserError (ENVIRONMENT) if SQLite opens no file with a path of this length."""
    length = len(os.fsencode(Path(path).absolute()))
    if length > LONGEST:
        raise UserError(
            f"the path of the ledger has {length} bytes, and SQLite opens no file with more than {LONGEST}: {path}",
            hint=f"choose a folder whose path is {plural(length - LONGEST, 'byte')} shorter",
            code=ENVIRONMENT,
        )


@contextmanager
def named(path: Path | str) -> Iterator[None]:
    """Turns SQLite's errors into UserError (ENVIRONMENT) that names the file."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a broken rule of ours, not a broken file
    except sqlite3.OperationalError as error:
        check_length(path)
        is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        hint = "make room and type the same command again" if is_full else "check the disk and its permissions"
        raise UserError(f"cannot use the ledger {path}: {error}", hint=hint, code=ENVIRONMENT) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error


def sign(db: sqlite3.Connection, table: str, key: object = None) -> None:
    """Brings the checksum of a row up to date, or of all rows; part of the transaction that changed it."""
    columns = TABLES[table]
    where = "" if key is None else f" WHERE {columns[0]} = ?"
    db.execute(f"UPDATE {table} SET sha256 = digest({', '.join(columns)}){where}", () if key is None else (key,))


# -- inside -----------------------------------------------------------------------------------------------------------


def _prepare(db: sqlite3.Connection, path: Path | str, read_only: bool) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer senet-search (schema {version}, this one reads {SCHEMA_VERSION})",
            hint="upgrade senet-search",
            code=ENVIRONMENT,
        )
    if read_only and version == 0:
        raise _damaged(path, "it is empty")
    if not read_only:
        # WAL lets `status` and `report` read while the driver writes.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    if version and (fault := _fault(db, version)):
        raise _damaged(path, fault)
    if not read_only and version < SCHEMA_VERSION:
        _upgrade(db, version)


def _damaged(path: Path | str, fault: object) -> UserError:
    return UserError(f"the ledger {path} is damaged: {fault}", hint=COPY, code=ENVIRONMENT)


def _fault(db: sqlite3.Connection, version: int) -> str:
    """The first thing that is wrong with pages, tables or rows; empty if all is well."""
    fault = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if fault != "ok":
        return " ".join(fault.split())
    if version not in _SIGNED:
        return ""
    if _statements(db) != _expected(version):
        return "its tables are not those of a ledger"
    for table in TABLES:
        columns = _columns(table, version)
        query = f"SELECT {columns[0]} FROM {table} WHERE sha256 IS NOT digest({', '.join(columns)})"
        if row := db.execute(query).fetchone():
            return f"row {row[0]} of {table} does not fit its checksum"
    return ""


def _statements(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def _expected(version: int) -> set[str]:
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in _SCHEMA:
            db.execute(_as_of(version, statement))
        return _statements(db)


def _as_of(version: int, statement: str) -> str:
    """A statement of the present version as a version wrote it."""
    for text, earlier in _SIGNED[version]:
        statement = statement.replace(text, earlier)
    return statement


def _columns(table: str, version: int) -> list[str]:
    """The columns that a table has in a version, without that of the checksum."""
    return [name for name in TABLES[table] if name not in _LACKING[version]]


def _upgrade(db: sqlite3.Connection, version: int) -> None:
    """Makes the tables, with the rows that an older version left, in one transaction."""
    kept = {}
    db.execute("BEGIN IMMEDIATE")
    if version:
        for table in TABLES:
            names = _columns(table, version)
            kept[table] = names, db.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
        for table in reversed(TABLES):
            db.execute(f"DROP TABLE {table}")
    for statement in _SCHEMA:
        db.execute(statement)
    for table, (names, rows) in kept.items():
        marks = ", ".join("?" * len(names))
        db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", [tuple(row) for row in rows])
        sign(db, table)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")


def _digest(*values: object) -> str:
    """SHA-256 of a row as JSON; a BLOB as its hexadecimal digits."""
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    return durable.sha256_of(json.dumps(plain).encode())
