"""A table as CSV that a spreadsheet may open."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def spreadsheet(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """The columns of the rows, below a head. Text that starts like a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value
