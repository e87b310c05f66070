"""The fronts of several runs as one chart, in plain data: picture.py draws it for ``senet-search compare``."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.report.axis_front import staircase
from search.report.chart import FRAME, Axis, gain_axis
from search.report.scale import padded
from search.results.point import Point
from search.results.result import Front
from senet_nas.costs.measures import USUAL, of_overhead
from senet_nas.training.quality_metrics import Metric

# Marker and dash of the first run, the second, ...: they differ as well as the colour, so that grey suffices.
MARKERS = "osv^D*"
DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class FrontLine:
    """The front of one run over its own plain network, and what lies behind it.

    ``members`` hold (cost, gain, low, high), from the cheapest on; ``others`` and ``best``, the recommended, hold
    (cost, gain).
    """

    run: str
    marker: str
    dash: str
    staircase: tuple[tuple[float, float], ...]
    members: tuple[tuple[float, float, float, float], ...]
    others: tuple[tuple[float, float], ...]
    best: tuple[float, float]


@dataclass(frozen=True)
class FrontsChart:
    """Gains over plain against the first overhead of the first run that all runs know."""

    title: str
    x: Axis
    y: Axis
    lines: tuple[FrontLine, ...]


def fronts_chart(fronts: Sequence[Front]) -> FrontsChart:
    """The chart of two runs or more."""
    columns = (*fronts[0].costs, USUAL.overhead)
    column = next(column for column in columns if all(_knows(front, column) for front in fronts))
    points = [point for front in fronts for point in front.points]
    ends = [end for front in fronts for p in front.members for end in (p.gain_low, p.gain_high)]
    x = FRAME.x_scale(*padded(point.costs[column] for point in points))
    return FrontsChart(
        title="Fronts with their intervals; pale: not on the front",
        x=Axis(f"{of_overhead(column).title} over plain, percent", x, tuple((v, f"{v:g}") for v in x.ticks())),
        y=gain_axis(_gain_label(fronts[0].quality), [0.0, *ends, *(p.gain for p in points)]),
        lines=tuple(_line(front, column, number) for number, front in enumerate(fronts)),
    )


def _gain_label(metric: Metric) -> str:
    what = "gain over the plain network of the same run"
    return ", ".join(filter(None, (what if metric.is_default else f"{metric.title}: {what}", metric.gain_unit)))


def _knows(front: Front, column: str) -> bool:
    return all(column in point.costs for point in front.points)


def _line(front: Front, column: str, number: int) -> FrontLine:
    def place(point: Point) -> tuple[float, float]:
        return point.costs[column], point.gain

    members = sorted(front.members, key=place)
    return FrontLine(
        run=front.run,
        marker=MARKERS[number % len(MARKERS)],
        dash=DASHES[number % len(DASHES)],
        staircase=staircase(place(p) for p in members),
        members=tuple((*place(p), p.gain_low, p.gain_high) for p in members),
        others=tuple(place(p) for p in front.points if not p.on_front),
        best=place(front[front.recommended]),
    )
