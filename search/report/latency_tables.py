"""The tables of latency: what was measured of reported architectures, and what is predicted of all others."""

from collections.abc import Mapping

from search.report.content import Column, Row, Section, table
from search.report.tables import ordered
from search.report.wording import signed
from search.results.point import Point
from search.results.result import Front
from search.state.latency_facts import LatencyFact
from senet_nas.costs.latency_model import TRUSTED, is_trusted
from senet_nas.costs.measures import Measure
from spaces.text import interval


def latency_sections(front: Front, timed: Mapping[str, LatencyFact]) -> list[Section]:
    """Time over plain for each latency that was an objective: measured for what is reported, else predicted."""
    return [
        _latency_section(front, measure, timed[measure.name]) for measure in front.measures if measure.name in timed
    ]


def _latency_section(front: Front, measure: Measure, fact: LatencyFact) -> Section:
    model = fact.model
    device = ", ".join(f"{key} {value}" for key, value in model.measured_on.items())
    note = f"A forward pass was timed on {device}."
    how = (
        f"A value without an interval is predicted; on {model.n} architectures that were "
        f"left out, predictions are off by {model.error:.2f} % on average (rank correlation {model.tau:.2f}). "
        "A value with an interval was measured while nothing trained: plain and the placement take turns, each built "
        "again for every round, and the value is the median ratio of the rounds. Milliseconds are those of plain, "
        "timed before the search, times that ratio."
    )
    columns: tuple[Column, ...] = (
        Column("id"),
        Column("SE placement", phone="line"),
        Column("ms", "number", "nothing"),
        Column("over plain, %", "number"),
        Column("[95 %]", "number"),
    )
    if not is_trusted(model.error):
        how += (
            f" Predictions that are off by more than {TRUSTED:g} % do not compare placements: costs may not add up in "
            "this runtime, or the machine was busy. So what the result rests on is measured: before a "
            "confirmation, if there is a limit, and at the end."
        )
    if fact.drops:
        columns = (*columns, Column("loses, points [95 %]", "number"))
        how += (
            " What a form loses is accuracy in INT8 against the same network in fp32, paired on all validation images."
        )
    rows = [point for point in ordered(front) if measure.overhead in point.costs]
    title = measure.title[0].upper() + measure.title[1:]
    shown = table("Time of a forward pass", columns, rows, lambda point: _latency_row(point, measure, fact))
    return Section(title, note, shown, (how,))


def _latency_row(point: Point, measure: Measure, fact: LatencyFact) -> Row:
    loses = (_drop(fact.drops.get(point.id)),) if fact.drops else ()
    if point.id in fact.refused:
        return Row((point.id, point.label, "-", "-", fact.refused[point.id], *loses), is_front=point.on_front)
    over = "-" if point.is_plain else signed(point.costs[measure.overhead])
    ms = measure.shown(point.costs[measure.column])
    cells = (point.id, point.label, ms, over, _latency_interval(point, measure), *loses)
    return Row(cells, is_front=point.on_front)


def _drop(drop: Mapping[str, float] | None) -> str:
    return "-" if drop is None else f"{signed(drop['drop'])} {interval(drop['low'], drop['high'])}"


def _latency_interval(point: Point, measure: Measure) -> str:
    if point.is_plain:
        return ""
    low, high = measure.interval
    return interval(point.costs[low], point.costs[high]) if low in point.costs else "predicted"
