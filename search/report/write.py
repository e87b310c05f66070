"""The files of a result: the page, the picture and the tables, written from the ledger's content."""

from collections.abc import Sequence
from pathlib import Path

from search.report.next_steps import NextStep
from search.report.page import html
from search.report.picture import front_png
from search.results.result import Front
from search.state.facts import Facts
from search.state.records import Entry, Training
from spaces import durable


def write_report(
    front: Front,
    trainings: Sequence[Training],
    entries: Sequence[Entry],
    facts: Facts,
    folder: Path,
    *,
    progress: str = "",
    steps: Sequence[NextStep] = (),
) -> None:
    """Writes report.html, front.png, front.csv and front.json, each as a whole or not at all, and their checksums.

    ``progress`` says how far a run is that has not ended; ``steps`` are what the page suggests to do next.
    """
    files = {
        "front.png": front_png(front),
        "front.csv": front.to_csv().encode(),
        "front.json": front.to_json().encode(),
        "report.html": html(front, trainings, entries, facts, progress, steps=steps).encode(),
    }
    durable.write_all(folder, files)
