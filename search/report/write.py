"""The files of a result: the page, the picture and the tables, written from the ledger's content."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.report.page import html
from search.report.picture import front_png
from search.results.result import Front
from search.state.records import Entry, Training
from spaces import durable


def write_report(
    front: Front, trainings: Sequence[Training], entries: Sequence[Entry], facts: Mapping[str, Any], folder: Path
) -> None:
    """Writes report.html, front.png, front.csv and front.json, each as a whole or not at all, and their checksums."""
    files = {
        "front.png": front_png(front),
        "front.csv": front.to_csv().encode(),
        "front.json": front.to_json().encode(),
        "report.html": html(front, trainings, entries, facts).encode(),
    }
    durable.write_all(folder, files)
