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
        for root in found:
            try:
                _replace(db, root, now)
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
