"""What ``bench`` prints: three tables that fit into 80 columns, each with what its columns mean."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.bench.cells import Cell

# The words of a number that is not known.
UNKNOWN = "-"
# What stands in the place of an interval that there is not.
WITHOUT_INTERVAL = "[none]"
# What the figures of a line leave of 80 columns. Longer names of samplers go on below their first line.
LONGEST_NAME = 18


@dataclass(frozen=True)
class _Column:
    """The head of a column, its width, and its cell."""

    head: str
    width: int
    text: Callable[[Cell], str]


def cell_lines(cells: Sequence[Cell], unit: str) -> list[str]:
    """The tables of all cells, what their columns mean, and what other ways of reporting would have earned."""
    reward = (
        "S: the share of the possible gain that following the reported front earns at a random cost limit"
        if unit == "S"
        else "points: what following the reported front earns over plain at a random cost limit"
    )
    return [
        *_table(cells, _found(unit)),
        f"{reward}; intervals are 90 %.{_why_none(cells)}",
        "",
        *_table(cells, _SAID),
        "predicted: the S that the searches expected; coverage: of their 90 % intervals; likely wrong: the share of "
        "`likely` that is false; proofs: searches with a true one, and with a false one; no: searches that say "
        "`likely not worth it`, and wrongly.",
        "",
        *_table(cells, _TOOK),
        "used: trainings, paused ones in part; correlation: of estimated with true gains; p(nothing): the probability "
        "that losses tell nothing about accuracy.",
        "",
        f"{unit} of other ways to report the same trainings:",
        *dict.fromkeys(_reports(cell) for cell in cells),
    ]


# -- inside -----------------------------------------------------------------------------------------------------------


def _table(cells: Sequence[Cell], columns: Sequence[_Column]) -> list[str]:
    width = max(len("sampler"), *(len(part) for cell in cells for part in _parts(cell.sampler)))
    head = f"{'sampler':<{width}} {'N':>4}" + "".join(f" {column.head:>{column.width}}" for column in columns)
    return [head, *(line for cell in cells for line in _lines(cell, columns, width))]


def _lines(cell: Cell, columns: Sequence[_Column], width: int) -> list[str]:
    name, *rest = _parts(cell.sampler)
    start = f"{name:<{width}} {cell.trainings:>4}"
    return [(start + "".join(f" {column.text(cell):>{column.width}}" for column in columns)).rstrip(), *rest]


def _parts(sampler: str) -> list[str]:
    """The name of a sampler in parts of at most LONGEST_NAME characters, broken before a plus sign."""
    parts = [""]
    for word in re.findall(r"\+?[^+]+", sampler):
        if parts[-1] and len(parts[-1]) + len(word) > LONGEST_NAME:
            parts.append("")
        parts[-1] += word
    return parts


def _found(unit: str) -> tuple[_Column, ...]:
    return (
        _Column("searches", 8, lambda cell: str(cell.searches)),
        _Column(f"{unit} [90 %]", 23, _score),
        _Column("against the first", 23, _versus),
    )


_SAID = (
    _Column("predicted", 9, lambda cell: _number(cell.predicted)),
    _Column("coverage", 8, lambda cell: _number(cell.coverage)),
    _Column("likely wrong", 12, lambda cell: _number(cell.likely_wrong)),
    _Column("proofs", 6, lambda cell: str(cell.searches_with_true_proof)),
    _Column("false", 5, lambda cell: str(cell.searches_with_false_proof)),
    _Column("no", 3, lambda cell: str(cell.said_no)),
    _Column("wrongly", 7, lambda cell: str(cell.said_no_wrongly)),
)
_TOOK = (
    _Column("used", 6, lambda cell: f"{cell.used:.1f}"),
    _Column("correlation", 11, lambda cell: _number(cell.correlation)),
    _Column("p(nothing)", 10, lambda cell: _number(cell.p_nothing)),
    _Column("ms/training", 11, lambda cell: f"{1000 * cell.seconds_per_training:.0f}"),
)


def _score(cell: Cell) -> str:
    return f"{cell.score:.3f} {_interval('.3f', *cell.score_interval)}"


def _versus(cell: Cell) -> str:
    if cell.versus is None:
        return ""
    difference, *interval = cell.versus
    return f"{difference:+.3f} {_interval('+.3f', *interval)}"


def _interval(form: str, low: float, high: float) -> str:
    return WITHOUT_INTERVAL if math.isnan(low + high) else f"[{low:{form}}, {high:{form}}]"


def _why_none(cells: Sequence[Cell]) -> str:
    """The sentence that says when there is no interval, if a cell has none."""
    if any(cell.searches == 1 for cell in cells):
        return f" {WITHOUT_INTERVAL}: one search has no interval."
    if any(math.isnan(sum(cell.score_interval)) for cell in cells):
        return f" {WITHOUT_INTERVAL}: too few searches could gain anything, or followed a placement."
    return ""


def _number(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:.2f}"


def _reports(cell: Cell) -> str:
    shown = ", ".join(f"{name} {value:.3f}" for name, value in cell.by_report.items())
    return f"{cell.sampler} N={cell.trainings}: {shown}"
