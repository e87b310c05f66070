"""A store of ours whose folder was moved: the places of artifacts in its database are brought up to date."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from search.track.store import ARTIFACTS, beside, database

# Where MLflow's tables hold the address of a file or a folder.
_PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
    "trace_tags": "value",
}
_MADE_BY_MLFLOW = re.compile(r"(?:file://)?[^:]*mlruns/\d+")
_ROOT = re.compile(rf"(file://[^\s]*/{ARTIFACTS})(?:/.*)?")


def follow_move(uri: str, runs: Path) -> bool:
    """Rewrites the addresses in the store beside the runs if its folder was moved; returns whether it was.

    So nothing is looked for, or written, at the old place. Does nothing to another store, or where the database may
    not be written. Raises sqlite3.Error if it is damaged.
    """
    path = database(uri, runs)
    if uri != beside(runs) or path is None or not path.exists():
        return False
    now = (runs.resolve() / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(path, timeout=60)) as db, db:
        found = [root for root in _roots(db) if root != now]
        try:
            for root in found:
                _replace(db, root, now)
            _take_in_default(db, now)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            return False
    return bool(found)


def _roots(db: sqlite3.Connection) -> list[str]:
    """The folders in which the experiments of this store keep artifacts, as far as their form is ours."""
    if "experiments" not in _tables(db):
        return []
    rows = db.execute("SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location IS NOT NULL")
    matches = [_ROOT.fullmatch(location) for (location,) in rows]
    return sorted({match[1] for match in matches if match})


def _take_in_default(db: sqlite3.Connection, now: str) -> None:
    """Gives MLflow's experiment "Default" its place beside the others, unless it holds runs.

    MLflow makes it with the store, below the working directory of that moment.
    """
    if not {"experiments", "runs"} <= _tables(db):
        return
    number, location = db.execute(
        "SELECT experiment_id, artifact_location FROM experiments WHERE name = 'Default'"
    ).fetchone() or (None, "")
    if number is None or not _MADE_BY_MLFLOW.fullmatch(location or ""):
        return
    if db.execute("SELECT 1 FROM runs WHERE experiment_id = ? LIMIT 1", (number,)).fetchone() is None:
        db.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (f"{now}/{number}", number))


def _replace(db: sqlite3.Connection, old: str, new: str) -> None:
    tables = _tables(db)
    for table, column in _PLACES.items():
        if table in tables:
            is_below = f"{column} = ? OR substr({column}, 1, ?) = ?"
            db.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {is_below}",
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
