"""The result for people: one offline HTML page, a picture, tables. Everything is made from the ledger."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.report.page import html
from search.report.picture import front_png
from search.report.tables import exact, ordered, row
from search.results.result import Front
from search.state.records import Entry, Training
from spaces import durable

__all__ = ["front_png", "html", "markdown", "write"]


def write(
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


def markdown(front: Front) -> str:
    """Verdict and table for places that read markdown."""
    rows = [row(point, front) for point in ordered(front)[:12]]
    head = ["id", "SE placement", "accuracy %", f"gain, points [{100 * front.rules.level:.0f} %]", "seeds",
            *(f"{measure.title}, %" for measure in exact(front)), "verdict"]  # fmt: skip
    table = [head, ["---"] * len(head), *rows]
    lines = ["| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |" for cells in table]
    best = front[front.recommended]
    take = f"Take home: **{best.id}, {best.words}** (`senet-search export {front.run} --to DIR`)."
    return "\n".join([f"**{front.verdict}** {take}", "", *lines, "", front.rule, "", front.power])
