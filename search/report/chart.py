"""The front as a chart, described once in plain data: the page draws it as SVG, picture.py as PNG.

Gains are in points over plain, costs in percent over plain. Pixels are those of FRAME, counted from the top left.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from search.report.name_placement import Name, place_names
from search.report.scale import Frame, Scale, padded
from search.report.seed_gains import seed_gains
from search.report.verdict_styles import OUTLINES, VERDICT_STYLES, VerdictStyle
from search.report.wording import percent, signed, tick
from search.results.point import Point
from search.results.result import Front
from senet_nas.costs.measures import of_overhead
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural

FRAME = Frame(width=860, height=430, left=58, right=16, top=16, bottom=44)
# A chart of more points than this shows only those that matter.
MOST_POINTS = 600
PALE = 0.45


@dataclass(frozen=True)
class Axis:
    """A scale, its label, and the text at each of its ticks."""

    label: str
    scale: Scale
    ticks: tuple[tuple[float, str], ...]


class _Styled:
    """What is drawn in the style of a verdict."""

    verdict: str

    @property
    def style(self) -> VerdictStyle:
        return VERDICT_STYLES[self.verdict]

    @property
    def outline(self) -> str:
        return OUTLINES[self.style.marker]


@dataclass(frozen=True)
class ChartPoint(_Styled):
    """One architecture. ``seeds`` are the gains of its single trainings, ``text`` says all of it in words.

    ``is_retrained``: a confirmation trained it again with fresh seeds.
    """

    id: str
    verdict: str
    cost: float
    gain: float
    low: float
    high: float
    seeds: tuple[float, ...]
    text: str
    is_on_front: bool
    is_retrained: bool
    is_recommended: bool

    @property
    def is_pale(self) -> bool:
        return not (self.is_on_front or self.is_retrained)


@dataclass(frozen=True)
class Band:
    """The grey band around 0: gains within ``height`` points of plain, and why they are small."""

    height: float
    text: str


@dataclass(frozen=True)
class LegendEntry(_Styled):
    """``kind`` is what is drawn beside the text: verdict, ring, line, band, seed or nothing."""

    text: str
    kind: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class FrontChart:
    """Gain over plain against one overhead. ``points`` are in drawing order: what matters most is drawn last.

    ``staircase`` holds the corners of the front, a (cost, gain) for each step; ``cost_title`` names the overhead.
    """

    cost_title: str
    description: str
    x: Axis
    y: Axis
    band: Band
    points: tuple[ChartPoint, ...]
    staircase: tuple[tuple[float, float], ...]
    names: tuple[Name, ...]
    legend: tuple[LegendEntry, ...]
    frame: Frame = FRAME

    def pixels(self, point: ChartPoint) -> tuple[float, float, float, float, list[float]]:
        """Where a point is: x, y, the ends of its bar, and the y of those of its seeds that are within the axis."""
        y = self.y.scale
        seeds = [y(gain) for gain in point.seeds if y.contains(gain)]
        return self.x.scale(point.cost), y(point.gain), y(point.low), y(point.high), seeds


def front_charts(front: Front) -> list[FrontChart]:
    """A chart for each overhead that is known of all points; the first is that of the first objective."""
    columns = dict.fromkeys([*front.costs, *(measure.overhead for measure in front.measures)])
    known = [column for column in columns if all(column in point.costs for point in front.points)]
    return [front_chart(front, column) for column in known]


def front_chart(front: Front, column: str) -> FrontChart:
    """The chart against the overhead in a column of the front's points."""
    title = of_overhead(column).title
    band = _band(front)
    x = _cost_axis(title, [p.costs[column] for p in front.points])
    y = _gain_axis(front, band)
    points = _chart_points(front, column, title)
    places = {p.id: (x.scale(p.cost), y.scale(p.gain)) for p in points}
    return FrontChart(
        cost_title=title,
        description=_description(front, column, title),
        x=x,
        y=y,
        band=band,
        points=tuple(points),
        staircase=staircase((p.costs[column], p.gain) for p in front.members),
        names=place_names(_named(front), places, FRAME),
        legend=tuple(_legend(front, band)),
    )


def drawn(front: Front) -> list[Point]:
    """The points of a chart: all, or of thousands the front, those confirmed, baselines, and what may gain most."""
    if len(front.points) <= MOST_POINTS:
        return list(front.points)
    named = {p.id: p for p in front.points if p.is_plain or p.on_front or p.role in ("finalist", "baseline")}
    rest = sorted((p for p in front.points if p.id not in named), key=lambda p: -p.gain_high)
    return [*named.values(), *rest[: max(0, MOST_POINTS - len(named))]]


def staircase(members: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The (cost, gain) pairs at which the largest gain within a cost limit rises, from the cheapest on."""
    steps: list[tuple[float, float]] = []
    for cost, gain in sorted(members):
        if not steps or gain > steps[-1][1]:
            steps.append((cost, gain))
    return tuple(steps)


# -- the parts --------------------------------------------------------------------------------------------------------


def _chart_points(front: Front, column: str, title: str) -> list[ChartPoint]:
    shown = drawn(front)
    gains = seed_gains(front, shown)
    points = [_chart_point(front, p, column, title, gains[p.id]) for p in shown]
    return sorted(points, key=lambda p: (p.is_on_front, p.is_retrained))


def _chart_point(front: Front, point: Point, column: str, title: str, gains: Mapping[str, float]) -> ChartPoint:
    return ChartPoint(
        id=point.id,
        verdict=point.verdict,
        cost=point.costs[column],
        gain=point.gain,
        low=point.gain_low,
        high=point.gain_high,
        seeds=tuple(gains.values()),
        text=_text(front.quality, point, column, title),
        is_on_front=point.on_front,
        is_retrained=point.role == "finalist",
        is_recommended=point.id == front.recommended,
    )


def _text(metric: Metric, point: Point, column: str, title: str) -> str:
    if point.is_plain:
        return f"{point.id}, plain: {metric.shown(point.value)}, {plural(point.n_seeds, 'training')}"
    gain = metric.gain(point.gain, point.gain_low, point.gain_high)
    over = signed(point.costs[column])
    return (
        f"{point.id}, {point.label} ({point.verdict})\n"
        f"{gain}, {title} {over} %\n"
        f"seeds: {metric.joined(list(point.seeds.values()))} {metric.unit}".rstrip()
    )


def _band(front: Front) -> Band:
    if front.confirmed and math.isfinite(front.provable):
        small = "usually too small for this confirmation to prove"
        return Band(front.provable, f"within {front.quality.size(front.provable)}: {small}")
    return Band(front.sigma, f"within {front.quality.size(front.sigma)}: seed noise of a single training")


def _cost_axis(title: str, costs: Sequence[float]) -> Axis:
    scale = FRAME.x_scale(*padded(costs))
    return Axis(f"{title} over plain, percent", scale, tuple((value, f"{value:g}") for value in scale.ticks()))


def _gain_axis(front: Front, band: Band) -> Axis:
    ends = [end for p in front.points for end in (p.gain_low, p.gain_high, p.gain)]
    metric = front.quality
    what = metric.gain_heading if metric.is_default else f"{metric.title}: {metric.gain_heading}"
    label = f"{what} ({100 * front.rules.level:.0f} % intervals)"
    return gain_axis(label, [*ends, -band.height, band.height])


def gain_axis(label: str, gains: Sequence[float]) -> Axis:
    scale = FRAME.y_scale(*padded(gains))
    return Axis(label, scale, tuple((value, tick(value)) for value in scale.ticks()))


def _named(front: Front) -> list[str]:
    """Whose names are drawn, the most important first: the recommended, what was trained again, the front."""
    confirmed = [p.id for p in front.points if p.role == "finalist"]
    return list(dict.fromkeys([front.recommended, *confirmed, *(p.id for p in front.members)]))


def _legend(front: Front, band: Band) -> list[LegendEntry]:
    verdicts = [verdict for verdict in VERDICT_STYLES if any(p.verdict == verdict for p in front.points)]
    return [
        *(LegendEntry(verdict, "verdict", verdict) for verdict in verdicts),
        LegendEntry("recommended", "ring"),
        LegendEntry("front (pale: not on it)", "line"),
        LegendEntry(band.text, "band"),
        LegendEntry("single trainings, over plain with the same initial weights", "seed"),
    ]


def _description(front: Front, column: str, title: str) -> str:
    unit = front.quality.gain_unit
    members = [
        f"{p.label}: {front.quality.difference(p.gain)} {unit} at {percent(p.costs[column])}" for p in front.members
    ]
    return f"Gain over plain{front.quality.named} against {title}. On the front: {'; '.join(members)}"
