"""What is known about a run: SQLite, one writer, the single truth. Optuna, MLflow and the report are made from it.

Every write is one transaction that is on disk when the call returns (``synchronous=FULL``). Values are JSON and
numbers, never pickles. Numbers of trainings (``t0, t1, ...``) and of architectures (``a0, a1, ...``) have no gaps and
are never reused.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from senet_nas.recipe import Seed
from spaces.errors import ENVIRONMENT, UserError
from spaces.failpoints import failpoint

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE architectures (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, words TEXT NOT NULL, price TEXT NOT NULL) STRICT;
CREATE TABLE trainings (
    number INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE,
    architecture INTEGER NOT NULL REFERENCES architectures (number),
    block INTEGER NOT NULL, replicate INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('baseline', 'search', 'confirm')),
    origin TEXT NOT NULL, proposal TEXT,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'finished', 'failed', 'stopped')),
    attempts INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,
    metrics TEXT, curve TEXT, correct BLOB, reason TEXT, detail TEXT,
    created REAL NOT NULL, started REAL, ended REAL,
    UNIQUE (architecture, block, replicate)) STRICT;
"""

Role = Literal["baseline", "search", "confirm"]
State = Literal["waiting", "running", "finished", "failed", "stopped"]
OPEN: tuple[State, ...] = ("waiting", "running")


@dataclass(frozen=True)
class Training:
    """One row: one architecture trained once with one seed. Times are seconds since the epoch, UTC."""

    number: int
    uid: str
    architecture: int
    seed: Seed
    role: Role
    origin: str
    state: State
    attempts: int
    epoch: int
    created: float
    started: float | None = None
    ended: float | None = None
    reason: str = ""
    detail: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float]] = ()
    correct: bytes | None = field(default=None, repr=False)
    proposal: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"t{self.number}"


@dataclass(frozen=True)
class Entry:
    """An architecture of the run: its number, its key, its name in words, and what it costs."""

    number: int
    key: str
    words: str
    price: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"a{self.number}"


class Ledger:
    """The ledger of one run. Keeps a copy of all rows in memory; only the driver of a run may write.

    Raises UserError (code 4) where the file is damaged, or was written by a newer version.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self._path = path
        self._db = _open(path, read_only=read_only)
        with _named(path):
            self._prepare(read_only)
            self.entries = [_entry(row) for row in self._db.execute("SELECT * FROM architectures ORDER BY number")]
            self.trainings = [_training(row) for row in self._db.execute("SELECT * FROM trainings ORDER BY number")]
        self._by_key = {entry.key: entry for entry in self.entries}
        self._by_uid = {training.uid: training.number for training in self.trainings}
        self._progress_saved = 0.0

    def close(self) -> None:
        self._db.close()

    # -- facts about the run ------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        return {row["key"]: json.loads(row["value"]) for row in self._db.execute("SELECT key, value FROM meta")}

    def fact(self, key: str) -> Any:
        """A fact that :meth:`note` stored, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def note(self, **facts: Any) -> None:
        with self._write("note"):
            self._note(facts)

    # -- architectures ------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Entry | None:
        return self._by_key.get(key)

    def enter(self, key: str, words: str, price: Mapping[str, float]) -> Entry:
        """The entry of an architecture, made if it is new."""
        if key not in self._by_key:
            entry = Entry(len(self.entries), key, words, dict(price))
            row = (entry.number, key, words, json.dumps(entry.price))
            with self._write("enter"):
                self._db.execute("INSERT INTO architectures VALUES (?, ?, ?, ?)", row)
            self.entries.append(entry)
            self._by_key[key] = entry
        return self._by_key[key]

    # -- trainings ----------------------------------------------------------------------------------------------------

    def get(self, uid: str) -> Training:
        return self.trainings[self._by_uid[uid]]

    def plan(
        self, rows: Sequence[tuple[Entry, Seed]], *, role: Role, origin: str, proposal: Any = None, **facts: Any
    ) -> list[Training]:
        """New waiting trainings, all in one transaction, with facts that must become true together with them."""
        planned: list[Training] = []
        with self._write("plan"):
            for entry, seed in rows:
                training = Training(
                    number=len(self.trainings) + len(planned), uid=uuid.uuid4().hex[:12], architecture=entry.number,
                    seed=seed, role=role, origin=origin, state="waiting", attempts=0, epoch=0, created=time.time(),
                    proposal=proposal,
                )  # fmt: skip
                self._insert(training)
                planned.append(training)
            self._note(facts)
        self.trainings += planned
        self._by_uid |= {training.uid: training.number for training in planned}
        return planned

    def start(self, uid: str) -> Training:
        return self._update(uid, state="running", attempts=self.get(uid).attempts + 1, started=time.time(), epoch=0)

    def wait(self, uid: str) -> Training:
        """An interrupted training goes back into the queue."""
        return self._update(uid, state="waiting", epoch=0)

    def progress(self, uid: str, epoch: int) -> None:
        """How far a training is, for people who watch; written at most once a second."""
        if time.monotonic() - self._progress_saved >= 1:
            self._progress_saved = time.monotonic()
            self._update(uid, epoch=epoch)

    def finish(
        self, uid: str, *, metrics: Mapping[str, float], curve: Sequence[Mapping[str, float]], correct: bytes | None
    ) -> Training:
        return self._update(
            uid, state="finished", metrics=dict(metrics), curve=list(curve), correct=correct, epoch=len(curve),
            ended=time.time(),
        )  # fmt: skip

    def fail(self, uid: str, *, reason: str, detail: str, curve: Sequence[Mapping[str, float]] = ()) -> Training:
        return self._update(
            uid, state="failed", reason=reason, detail=detail, curve=list(curve), epoch=len(curve), ended=time.time()
        )

    # -- inside -------------------------------------------------------------------------------------------------------

    def _prepare(self, read_only: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise UserError(
                f"{self._path} was written by a newer senet-search (schema {version}, this one reads {SCHEMA_VERSION})",
                hint="upgrade senet-search",
                code=ENVIRONMENT,
            )
        if version == 0 and not read_only:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    @contextmanager
    def _write(self, what: str) -> Iterator[None]:
        """One transaction: all of it is on disk afterwards, or none of it."""
        failpoint(f"before_{what}")
        with _named(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            failpoint(f"within_{what}")
            self._db.execute("COMMIT")
        failpoint(f"after_{what}")

    def _note(self, facts: Mapping[str, Any]) -> None:
        rows = [(key, json.dumps(value)) for key, value in facts.items()]
        self._db.executemany(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", rows
        )

    def _insert(self, training: Training) -> None:
        self._db.execute(
            "INSERT INTO trainings (number, uid, architecture, block, replicate, role, origin, proposal, state, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                training.number, training.uid, training.architecture, training.seed.block, training.seed.replicate,
                training.role, training.origin, json.dumps(training.proposal), training.state, training.created,
            ),
        )  # fmt: skip

    def _update(self, uid: str, **changes: Any) -> Training:
        number = self._by_uid[uid]
        columns = ", ".join(f"{name} = ?" for name in changes)
        values = [json.dumps(value) if name in ("metrics", "curve") else value for name, value in changes.items()]
        with self._write(str(changes.get("state", "progress"))):
            self._db.execute(f"UPDATE trainings SET {columns} WHERE number = ?", (*values, number))
            row = self._db.execute("SELECT * FROM trainings WHERE number = ?", (number,)).fetchone()
        self.trainings[number] = _training(row)
        return self.trainings[number]


def _open(path: Path | str, *, read_only: bool) -> sqlite3.Connection:
    """Autocommit mode: transactions are written out where they begin and end. Threads share it; one at a time writes."""
    with _named(path):
        uri = f"{Path(path).resolve().as_uri()}?mode=ro" if read_only else str(path)
        db = sqlite3.connect(uri, uri=read_only, isolation_level=None, timeout=60, check_same_thread=False)
        db.row_factory = sqlite3.Row
        if not read_only:
            # WAL lets `status` and `report` read while the driver writes.
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
        return db


@contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """SQLite's errors, with the file that they are about."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a broken rule of ours, not a broken file
    except sqlite3.OperationalError as error:
        raise UserError(
            f"cannot use the ledger {path}: {error}", hint="check the disk and its permissions", code=ENVIRONMENT
        ) from error
    except sqlite3.DatabaseError as error:
        raise UserError(
            f"the ledger {path} is damaged: {error}", hint="restore it from a copy", code=ENVIRONMENT
        ) from error


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(row["number"], row["key"], row["words"], json.loads(row["price"]))


def _training(row: sqlite3.Row) -> Training:
    return Training(
        number=row["number"], uid=row["uid"], architecture=row["architecture"],
        seed=Seed(row["block"], row["replicate"]), role=row["role"], origin=row["origin"], state=row["state"],
        attempts=row["attempts"], epoch=row["epoch"], created=row["created"], started=row["started"],
        ended=row["ended"], reason=row["reason"] or "", detail=row["detail"] or "",
        metrics=json.loads(row["metrics"] or "{}"), curve=json.loads(row["curve"] or "[]"), correct=row["correct"],
        proposal=json.loads(row["proposal"] or "null"),
    )  # fmt: skip
