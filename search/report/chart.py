"""The front as a chart, described once in plain data: the page draws it as SVG, picture.py as PNG.

Gains are in points over plain, costs in percent over plain. Pixels are those of FRAME, counted from the top left.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from search.report.axis_front import axis_front, staircase
from search.report.chart_legend import Band, LegendEntry, Styled, band_of, legend
from search.report.name_placement import Name, place_names
from search.report.scale import Frame, Scale, padded
from search.report.seed_gains import seed_gains
from search.report.side_by_side import Mark, shifts
from search.report.wording import percent, signed, tick
from search.results.point import Point
from search.results.result import Front
from senet_nas.costs.measures import of_overhead
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural

FRAME = Frame(width=820, height=410, left=58, right=16, top=12, bottom=44)
# For a phone, which would show letters of half their size if it shrank the wide drawing.
NARROW = Frame(width=360, height=340, left=50, right=10, top=12, bottom=44)
# A chart of more points than this shows only those that matter, and fewer where it is not the first of its page.
MOST_POINTS = 600
MOST_BESIDE = 150
PALE = 0.45
# The upper edge of the band is in the drawing, unless it is as many times as far away as anything else.
FAR = 2.0
# By which part of what else is drawn the seeds of a confirmation may stretch the axis; those beyond are counted.
STRETCH = 0.25
# Roles that are always drawn.
DRAWN = ("finalist", "baseline")


@dataclass(frozen=True)
class Axis:
    """A scale, its label, and the text at each of its ticks."""

    label: str
    scale: Scale
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class ChartPoint(Styled):
    """One architecture. ``seeds`` are the gains of its single trainings, ``text`` says all of it in words.

    ``is_retrained``: a confirmation trained it again with fresh seeds. ``is_leading``: it has the largest gain of the
    placements where none of them is on the front or was trained again, so its interval says how much there may be.
    ``shift`` is how many pixels it stands beside its cost, so that marks of nearly equal cost do not lie on each other.
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
    is_leading: bool = False
    shift: float = 0.0

    @property
    def is_pale(self) -> bool:
        return not (self.is_on_front or self.is_retrained or self.is_leading)


@dataclass(frozen=True)
class FrontChart:
    """Gain over plain against one overhead. ``points`` are in drawing order: what matters most is drawn last.

    ``staircase`` holds the corners of the front, a (cost, gain) for each step; ``cost_title`` names the overhead
    in ``column``.
    """

    column: str
    cost_title: str
    description: str
    x: Axis
    y: Axis
    band: Band
    points: tuple[ChartPoint, ...]
    staircase: tuple[tuple[float, float], ...]
    names: tuple[Name, ...]
    legend: tuple[LegendEntry, ...]
    footnotes: tuple[str, ...] = (
        "Marks of nearly equal cost stand side by side, so that none hides another; their texts have the exact costs.",
        "Intervals are drawn for the front and for what was trained again, or for the best placement if there is "
        "neither. On screen, point at another placement to see its own; what reaches beyond the drawing is cut there.",
    )
    frame: Frame = FRAME

    def pixels(self, point: ChartPoint) -> tuple[float, float, float, float, list[float]]:
        """Where a point is: x, y, the ends of its bar, and its seeds' y; what lies beyond the axis is cut."""
        y = self.y.scale
        seeds = [y(gain) for gain in point.seeds if y.contains(gain)]
        x = round(self.x.scale.exact(point.cost) + point.shift, 1)
        return x, y(point.gain), y(y.nearest(point.low)), y(y.nearest(point.high)), seeds

    def shown_cost(self, point: ChartPoint) -> float:
        """The cost at which a point is drawn: its own, or one beside it."""
        return self.x.scale.value(self.x.scale.exact(point.cost) + point.shift)


def front_charts(front: Front) -> list[FrontChart]:
    """A chart for each overhead that is known of all points; the large first one is that of the first objective."""
    columns = dict.fromkeys([*front.costs, *(measure.overhead for measure in front.measures)])
    known = [column for column in columns if all(column in point.costs for point in front.points)]
    small = [front_chart(front, column, NARROW, MOST_BESIDE) for column in known[1:]]
    return [front_chart(front, known[0]), *small]


def front_chart(front: Front, column: str, frame: Frame = FRAME, most: int = MOST_POINTS) -> FrontChart:
    """The chart against the overhead in a column of the front's points, with the front of that overhead.

    Of more points than ``most`` it draws those that matter.
    """
    title = of_overhead(column).title
    band = band_of(front)
    members = axis_front(front, column)
    x = _cost_axis(title, [p.costs[column] for p in front.points], frame)
    points = _chart_points(front, column, title, {p.id for p in members}, most)
    y = _gain_axis(front, points, band, frame)
    moved = _side_by_side(points, x.scale, y.scale, frame)
    places = {p.id: (x.scale.exact(p.cost) + p.shift, y.scale(p.gain)) for p in moved}
    return FrontChart(
        column=column,
        cost_title=title,
        description=_description(front, members, column, title),
        x=x,
        y=y,
        band=band,
        points=tuple(reversed(moved)),
        staircase=staircase((p.costs[column], p.gain) for p in members),
        names=place_names(
            _named(moved),
            places,
            frame,
            ringed={p.id for p in moved if p.is_recommended},
            bars=[(places[p.id][0], y.scale(p.low), y.scale(p.high)) for p in moved if not p.is_pale],
        ),
        legend=tuple(legend(front, band, _beyond(points, y.scale))),
        frame=frame,
    )


def drawn(front: Front, members: Set[str] = frozenset(), most: int = MOST_POINTS) -> list[Point]:
    """The points of a chart: all, or of thousands the front, those confirmed, baselines, and what may gain most.

    ``members`` are on the front of the chart, whatever the run's own front is.
    """
    if len(front.points) <= most:
        return list(front.points)
    named = {p.id: p for p in front.points if p.is_plain or p.on_front or p.id in members or p.role in DRAWN}
    rest = sorted((p for p in front.points if p.id not in named), key=lambda p: -p.gain_high)
    return [*named.values(), *rest[: max(0, most - len(named))]]


# -- the parts --------------------------------------------------------------------------------------------------------


def _chart_points(front: Front, column: str, title: str, members: Set[str], most: int) -> list[ChartPoint]:
    """What is drawn, the most important first: the recommended, what was trained again, the front, and the rest."""
    shown = drawn(front, members, most)
    gains = seed_gains(front, shown)
    points = [_chart_point(front, p, column, title, gains[p.id], p.id in members) for p in shown]
    ordered = sorted(points, key=lambda p: (not p.is_recommended, not p.is_retrained, not p.is_on_front, -p.gain))
    placements = [p for p in ordered if p.verdict != "plain"]
    leader = max(placements, key=lambda p: p.gain, default=None)
    return [replace(p, is_leading=p is leader and all(other.is_pale for other in placements)) for p in ordered]


def _chart_point(
    front: Front, point: Point, column: str, title: str, gains: Mapping[str, float], is_member: bool
) -> ChartPoint:
    return ChartPoint(
        id=point.id,
        verdict=point.verdict,
        cost=point.costs[column],
        gain=point.gain,
        low=point.gain_low,
        high=point.gain_high,
        seeds=tuple(gains.values()),
        text=_text(front.quality, point, column, title),
        is_on_front=is_member,
        is_retrained=point.role == "finalist",
        is_recommended=point.id == front.recommended,
    )


def _side_by_side(points: Sequence[ChartPoint], x: Scale, y: Scale, frame: Frame) -> list[ChartPoint]:
    """The points, in their order, where none lies on another as long as there is room."""
    marks = [_mark(point, x, y) for point in points]
    placed = shifts(marks, frame, x.exact(0.0))
    return [replace(point, shift=shift) for point, shift in zip(points, placed, strict=True)]


def _mark(point: ChartPoint, x: Scale, y: Scale) -> Mark:
    """Intervals of pale points are drawn on demand, and take no room."""
    place = x.exact(point.cost), y(point.gain)
    return Mark(*place) if point.is_pale else Mark(*place, low=y(point.low), high=y(point.high))


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


def _cost_axis(title: str, costs: Sequence[float], frame: Frame) -> Axis:
    scale = frame.x_scale(*padded(costs))
    return Axis(f"{title} over plain, percent", scale, tuple((value, f"{value:g}") for value in scale.ticks()))


def _gain_axis(front: Front, points: Sequence[ChartPoint], band: Band, frame: Frame) -> Axis:
    """Room for all marks, for intervals that are not pale, and for seeds of what was trained again that are near."""
    ends = [p.gain for p in points]
    ends += [end for p in points if not p.is_pale for end in (p.low, p.high)]
    metric = front.quality
    what = metric.gain_heading if metric.is_default else f"{metric.title}: {metric.gain_heading}"
    label = f"{what} ({100 * front.rules.level:.0f} % intervals)"
    reach = max(map(abs, ends))
    ends += [band.height] if band.height < FAR * reach else []
    low, high = min(ends), max(ends)
    room = STRETCH * (high - low)
    seeds = [gain for p in points if p.is_retrained for gain in p.seeds]
    return gain_axis(label, [*ends, *(gain for gain in seeds if low - room <= gain <= high + room)], frame)


def gain_axis(label: str, gains: Sequence[float], frame: Frame = FRAME) -> Axis:
    scale = frame.y_scale(*padded(gains))
    return Axis(label, scale, tuple((value, tick(value)) for value in scale.ticks()))


def _named(points: Sequence[ChartPoint]) -> list[str]:
    """Whose names are drawn, the most important first: the recommended, what was trained again, the front."""
    return [point.id for point in points if point.is_recommended or not point.is_pale]


def _beyond(points: Sequence[ChartPoint], y: Scale) -> int:
    """How many seeds of what was trained again lie beyond the drawing."""
    return sum(not y.contains(gain) for p in points if p.is_retrained for gain in p.seeds)


def _description(front: Front, members: Sequence[Point], column: str, title: str) -> str:
    unit = front.quality.gain_unit
    named = [f"{p.label}: {front.quality.difference(p.gain)} {unit} at {percent(p.costs[column])}" for p in members]
    return f"Gain over plain{front.quality.named} against {title}. On the front: {'; '.join(named)}"
