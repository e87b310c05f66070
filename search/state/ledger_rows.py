"""Rows of a ledger as the records that they hold. Rows of older versions lack columns."""

import json
import sqlite3
from typing import Any

from search.state.records import Entry, Training
from senet_nas.recipe import Seed
from spaces.architecture import Architecture
from spaces.errors import UserError


def entry(row: sqlite3.Row) -> Entry:
    """The architecture of a row. Raises ValueError if its key is none."""
    try:
        architecture = Architecture.parse(row["key"])
    except UserError as error:
        raise ValueError(error.message) from error
    return Entry(row["number"], architecture, row["words"], json.loads(row["price"]))


def training(row: sqlite3.Row) -> Training:
    """The training of a row. Raises ValueError, LookupError or TypeError for values that it cannot hold."""
    return Training(
        number=row["number"],
        uid=row["uid"],
        architecture=row["architecture"],
        seed=Seed(row["block"], row["replicate"]),
        role=row["role"],
        origin=row["origin"],
        state=row["state"],
        attempts=row["attempts"],
        epoch=row["epoch"],
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        reason=row["reason"] or "",
        detail=row["detail"] or "",
        metrics=json.loads(row["metrics"] or "{}"),
        curve=json.loads(row["curve"] or "[]"),
        correct=row["correct"],
        weights=_later(row, "weights") or "",
        proposal=json.loads(row["proposal"] or "null"),
        until=_later(row, "until"),
    )


def _later(row: sqlite3.Row, column: str) -> Any:
    """The value of a column that older versions lack; None if this row has none."""
    return row[column] if column in row.keys() else None  # noqa: SIM118 - a row of SQLite iterates over its values
