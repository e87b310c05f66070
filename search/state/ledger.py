"""What is known about a run: SQLite, one writer, the single truth. Optuna, MLflow and the report are made from it.

Every write is one transaction that is on disk when the call returns (``synchronous=FULL``). Values are JSON and
numbers, never pickles. Numbers of trainings (``t0, t1, ...``) and of architectures (``a0, a1, ...``) have no gaps and
are never reused.
"""

import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search.state import ledger_rows, schema
from search.state.counts import TrainingCounts
from search.state.facts import Facts
from search.state.records import SHARE, Entry, Pause, Role, Training
from search.state.space_facts import facts_of, with_ratios
from senet_nas.recipe import Seed
from spaces.architecture import Architecture
from spaces.errors import ENVIRONMENT, UserError
from spaces.failpoints import failpoint
from spaces.space import Space

# The columns that a new training fills as they are.
_AT_FIRST = ("number", "uid", "architecture", "role", "origin", "state", "created")


class Ledger:
    """The ledger of one run, with a copy of all rows in memory. Only the driver of the run may write.

    A reader sees a snapshot taken when it opened the file. Raises UserError (ENVIRONMENT) if the file is damaged or
    newer than this version.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self._path = path
        self._db = schema.connect(path, read_only=read_only)
        with schema.named(path), _readable(path):
            if read_only:  # until it is closed, rows and facts are one snapshot, whoever writes meanwhile
                self._db.execute("BEGIN")
            noted = self._db.execute("SELECT key, value FROM meta")
            self._facts = Facts.from_json({row["key"]: json.loads(row["value"]) for row in noted})
            rows = self._db.execute("SELECT * FROM architectures ORDER BY number")
            self.entries = with_ratios([ledger_rows.entry(row) for row in rows], self._facts)
            rows = self._db.execute("SELECT * FROM trainings ORDER BY number")
            self.trainings = [ledger_rows.training(row) for row in rows]
            if not read_only:
                _check_numbers(self.entries, self.trainings)
        self._by_key = {entry.key: entry for entry in self.entries}
        self._by_uid = {training.uid: training.number for training in self.trainings}
        self.counts = TrainingCounts()
        for training in self.trainings:
            self.counts.add(training)
        self._progress_saved: dict[str, float] = {}

    @property
    def folder(self) -> Path:
        """The folder in which the file of the ledger is."""
        return Path(self._path).parent

    def close(self) -> None:
        self._db.close()

    # -- facts about the run ------------------------------------------------------------------------------------------

    @property
    def facts(self) -> Facts:
        """What was noted about the run. A reader sees the facts of the moment at which it opened the ledger."""
        return self._facts

    def note(self, facts: Facts) -> None:
        """Writes the facts that are not None; all others stay."""
        with self._write("note"):
            self._note(facts)
        self._facts = self._facts.updated(facts)

    def note_space(self, space: Space) -> None:
        """Notes the space of the run, unless that is done; all entries then have the ratios that it asks for."""
        missing = facts_of(space).without(self._facts)
        if missing.noted:
            self.note(missing)
            self.entries = with_ratios(self.entries, self._facts)
            self._by_key = {entry.key: entry for entry in self.entries}

    # -- architectures ------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Entry | None:
        return self._by_key.get(key)

    def enter(self, architecture: Architecture, label: str, price: Mapping[str, float]) -> Entry:
        """The entry of an architecture, made if it is new."""
        key = architecture.key
        if key not in self._by_key:
            entry = Entry(len(self.entries), architecture, label, dict(price))
            row = (entry.number, key, label, json.dumps(entry.price))
            with self._write("enter"):
                self._db.execute("INSERT INTO architectures (number, key, words, price) VALUES (?, ?, ?, ?)", row)
                schema.sign(self._db, "architectures", entry.number)
            self.entries.append(entry)
            self._by_key[key] = entry
        return self._by_key[key]

    # -- trainings ----------------------------------------------------------------------------------------------------

    def get(self, uid: str) -> Training:
        return self.trainings[self._by_uid[uid]]

    def plan(
        self,
        rows: Sequence[tuple[Entry, Seed]],
        *,
        role: Role,
        origin: str,
        proposal: Any = None,
        facts: Facts | None = None,
        pause: Pause | None = None,
    ) -> list[Training]:
        """New waiting trainings, all in one transaction, with facts that must become true together with them.

        With a ``pause`` they train until then.
        """
        facts = facts or Facts()
        planned: list[Training] = []
        with self._write("plan"):
            for entry, seed in rows:
                training = Training(
                    number=len(self.trainings) + len(planned),
                    uid=uuid.uuid4().hex[:12],
                    architecture=entry.number,
                    seed=seed,
                    role=role,
                    origin=origin,
                    state="waiting",
                    attempts=0,
                    epoch=0,
                    created=time.time(),
                    proposal=proposal,
                    until=pause.epoch if pause else None,
                    metrics={SHARE: pause.share} if pause else {},
                )
                self._insert(training)
                planned.append(training)
            self._note(facts)
        self._facts = self._facts.updated(facts)
        self.trainings += planned
        self._by_uid |= {training.uid: training.number for training in planned}
        for training in planned:
            self.counts.add(training)
        return planned

    def start(self, uid: str) -> Training:
        before = self.get(uid)
        return self._update(
            uid,
            state="running",
            attempts=before.attempts + 1,
            started=time.time(),
            epoch=len(before.curve),
            reason="",
            detail="",
        )

    def wait(self, uid: str, *, reason: str = "", detail: str = "") -> Training:
        """An interrupted training goes back into the queue; one that failed and is tried again with the reason."""
        return self._update(uid, state="waiting", epoch=len(self.get(uid).curve), reason=reason, detail=detail)

    def pause(self, uid: str, *, curve: Sequence[Mapping[str, float]]) -> Training:
        """Paused at the epoch that was planned. Its accuracy is no result, so it is in the curve alone."""
        epoch = int(curve[-1]["epoch"])
        return self._update(uid, state="paused", curve=list(curve), epoch=epoch, reason=f"after epoch {epoch}")

    def resume(self, uid: str, *, pause: Pause | None = None) -> Training:
        """A paused training waits to be continued, to its end or until a later ``pause``."""
        metrics = {SHARE: pause.share} if pause else {}
        until = pause.epoch if pause else None
        return self._update(uid, what="resume", state="waiting", until=until, metrics=metrics, reason="")

    def progress(self, uid: str, epoch: int) -> None:
        """How far a training is, for people who watch; written at most once a second for each."""
        if time.monotonic() - self._progress_saved.get(uid, -math.inf) >= 1:
            self._progress_saved[uid] = time.monotonic()
            self._update(uid, epoch=epoch)

    def finish(
        self,
        uid: str,
        *,
        metrics: Mapping[str, float],
        curve: Sequence[Mapping[str, float]],
        correct: bytes | None,
        weights: str = "",
    ) -> Training:
        return self._update(
            uid,
            state="finished",
            metrics=dict(metrics),
            curve=list(curve),
            correct=correct,
            epoch=len(curve),
            ended=time.time(),
            weights=weights,
            until=None,
        )

    def fail(self, uid: str, *, reason: str, detail: str, curve: Sequence[Mapping[str, float]] = ()) -> Training:
        return self._update(
            uid,
            state="failed",
            reason=reason,
            detail=detail,
            metrics={},
            curve=list(curve),
            epoch=len(curve),
            ended=time.time(),
            until=None,
        )

    def stop(self, uid: str, *, reason: str, curve: Sequence[Mapping[str, float]], share: float) -> Training:
        """Ended early, after a ``share`` of its epochs. Its accuracy is no result, so it is in the curve alone."""
        return self._update(
            uid,
            state="stopped",
            reason=reason,
            metrics={SHARE: share},
            curve=list(curve),
            ended=time.time(),
            epoch=int(curve[-1]["epoch"]),
            until=None,
        )

    # -- inside -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _write(self, what: str) -> Iterator[None]:
        """One transaction: all of it is on disk afterwards, or none of it."""
        failpoint(f"before_{what}")
        with schema.named(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                failpoint(f"within_{what}")
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself takes back what a full disk refused
                    self._db.execute("ROLLBACK")
                raise
        failpoint(f"after_{what}")

    def _note(self, facts: Facts) -> None:
        values = facts.to_json()
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        self._db.executemany(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", rows
        )
        for key in values:
            schema.sign(self._db, "meta", key)

    def _insert(self, training: Training) -> None:
        row = {name: getattr(training, name) for name in _AT_FIRST}
        row["block"] = training.seed.block
        row["replicate"] = training.seed.replicate
        row["proposal"] = json.dumps(training.proposal)
        row["until"] = training.until
        row["metrics"] = json.dumps(training.metrics) if training.metrics else None
        columns = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        self._db.execute(f"INSERT INTO trainings ({columns}) VALUES ({values})", row)
        schema.sign(self._db, "trainings", training.number)

    def _update(self, uid: str, *, what: str = "", **changes: Any) -> Training:
        number = self._by_uid[uid]
        columns = ", ".join(f"{name} = ?" for name in changes)
        values = [json.dumps(value) if name in ("metrics", "curve") else value for name, value in changes.items()]
        with self._write(what or str(changes.get("state", "progress"))):
            self._db.execute(f"UPDATE trainings SET {columns} WHERE number = ?", (*values, number))
            schema.sign(self._db, "trainings", number)
            row = self._db.execute("SELECT * FROM trainings WHERE number = ?", (number,)).fetchone()
        self.counts.remove(self.trainings[number])
        self.trainings[number] = ledger_rows.training(row)
        self.counts.add(self.trainings[number])
        return self.trainings[number]


@contextmanager
def _readable(path: Path | str) -> Iterator[None]:
    """Turns what a row cannot hold into UserError (ENVIRONMENT); versions without checksums may have such rows."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        fault = " ".join(str(error).split())
        raise UserError(f"the ledger {path} is damaged: {fault}", hint=schema.COPY, code=ENVIRONMENT) from error


def _check_numbers(*tables: Sequence[Entry] | Sequence[Training]) -> None:
    """Raises ValueError where rows are missing: a number is also a place in the list."""
    for rows in tables:
        if [row.number for row in rows] != list(range(len(rows))):
            raise ValueError("numbers have gaps")
