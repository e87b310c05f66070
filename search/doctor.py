"""Is all well in the folder of a run? Checks every invariant and says what breaks it. Only reads."""

import fcntl
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from search import config
from search.config import Experiment
from search.folder import RunFolder
from search.invariants import CHECKS, COPY, Case, Check
from search.ledger import Ledger
from spaces.errors import ENVIRONMENT, UserError


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the invariant that it breaks, what is wrong, and what to do."""

    invariant: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Result:
    """What a check found. ``skipped`` says why it was not made, or is empty."""

    name: str
    words: str
    skipped: str = ""
    findings: tuple[Finding, ...] = ()


def examine(place: RunFolder) -> list[Finding]:
    """Everything that is wrong with a run; empty where all is well."""
    return [finding for result in results(place) for finding in result.findings]


def results(place: RunFolder) -> list[Result]:
    """Each check with what it found. Where ledger or config cannot be read, that is all there is to say."""
    name, words = "I0", "the ledger and the config can be read"
    held = is_held(place)  # before the ledger is read: what a driver did since is then in it
    try:
        with closing(_ledger(place.ledger)) as ledger:
            case = Case(place, ledger, ledger.facts(), _experiment(place, ledger), held)
            return [Result(name, words), *(_made(check, case) for check in CHECKS)]
    except UserError as error:
        problem = error.message.removeprefix("error: ").splitlines()[0]
        return [Result(name, words, findings=(Finding(name, problem, error.hint or "restore it from a copy"),))]


def is_held(place: RunFolder) -> bool:
    """Whether a driver works on the run now."""
    try:
        with (place.path / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


# -- inside -----------------------------------------------------------------------------------------------------------


def _made(check: Check, case: Case) -> Result:
    skipped = check.skip(case)
    found = () if skipped else tuple(Finding(check.name, *found) for found in check.find(case))
    return Result(check.name, check.words, skipped, found)


def _ledger(path: Path) -> Ledger:
    """The ledger, read. Raises UserError where it is damaged as a database, or holds what we do not write."""
    try:
        _check_pages(path)
        ledger = Ledger(path, read_only=True)
        ledger.facts()
        objects = [t.metrics for t in ledger.trainings] + [entry.price for entry in ledger.entries]
        is_sound = all(isinstance(value, Mapping) for value in objects)
        is_sound &= all(isinstance(t.curve, list) for t in ledger.trainings)
        fault = "" if is_sound else "metrics, curves or prices are none"
    except (sqlite3.DatabaseError, ValueError, IndexError) as error:
        fault = " ".join(str(error).split())
    if fault:
        raise UserError(f"the ledger {path} is damaged: {fault}", hint=COPY, code=ENVIRONMENT)
    return ledger


def _check_pages(path: Path) -> None:
    """SQLite's own check. Raises ValueError with the first fault, sqlite3.DatabaseError where it is no database."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)) as db:
        fault = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if fault != "ok":
        raise ValueError(fault)


def _experiment(place: RunFolder, ledger: Ledger) -> Experiment | None:
    """The run's config; None where it never had one. Raises UserError where it is gone, ConfigError where it is bad."""
    is_noted = ledger.fact("config") is not None
    if not place.config.exists():
        if not is_noted:
            return None
        raise UserError(
            f"{place.config} is missing", hint=f"senet-search sync {place.name} restores it from the ledger"
        )
    try:
        return config.load(place.config)
    except UserError as error:
        hint = f"delete it: senet-search sync {place.name} restores it from the ledger" if is_noted else error.hint
        raise UserError(error.message, hint=hint) from error
