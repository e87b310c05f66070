"""The table of architectures, and how the figures of a point are written in every table."""

from collections.abc import Sequence

from search.report.content import Column, Row, Table, table
from search.report.unbroken import NO_BREAK
from search.report.wording import signed
from search.results.objectives import leading_cost
from search.results.point import Point
from search.results.result import Front
from senet_nas.costs.measures import Measure
from senet_nas.training.quality_metrics import Metric
from spaces.text import interval


def ordered(front: Front) -> list[Point]:
    """Plain, the front from the cheapest on, then all others by their estimate."""
    rest = sorted((p for p in front.points if not p.on_front and not p.is_plain), key=lambda p: -p.gain)
    return [front.plain, *(p for p in front.members if not p.is_plain), *rest]


def gain_text(metric: Metric, point: Point) -> str:
    """The gain of a point with its interval; a dash for plain."""
    return "-" if point.is_plain else metric.gain(point.gain, point.gain_low, point.gain_high, unit=False)


def verdict_text(point: Point) -> str:
    """The verdict of a point, and whether it is over a limit of the objectives."""
    return point.verdict if point.allowed else f"{point.verdict}, over a limit"


# -- architectures ----------------------------------------------------------------------------------------------------


def points_table(front: Front) -> Table:
    """All architectures, the front in bold."""
    costs = counted_costs(front)
    first = leading_cost(front.rules.objectives, front.plain.costs)
    columns = (
        Column("id"),
        Column("SE placement", phone="line"),
        Column(f"validation {front.quality.heading}", "number", "nothing"),
        Column(f"{front.quality.gain_heading} [{level_text(front)}]", "number"),
        *further_columns(front),
        Column("seeds", "number", "nothing"),
        *(_cost_column(measure, is_first=measure == first) for measure in costs),
        Column("verdict"),
        Column(", ".join(filter(None, ("each seed", front.quality.unit))), phone="nothing"),
    )
    caption = "Architectures of the run, the front first"
    return table(caption, columns, ordered(front), lambda point: _point_row(point, front, costs))


def _cost_column(measure: Measure, *, is_first: bool) -> Column:
    return Column(f"{measure.title} over plain, %", "number", "cell" if is_first else "nothing")


def _point_row(point: Point, front: Front, costs: Sequence[Measure]) -> Row:
    mark = " (recommended)" if point.id == front.recommended else ""
    cells = (
        point.id,
        point.label + mark,
        front.quality.number(point.value),
        gain_text(front.quality, point).replace(" ", NO_BREAK),  # an interval stays on one line
        *further_cells(front, point),
        str(point.n_seeds),
        *(signed(point.costs[measure.overhead]) for measure in costs),
        verdict_text(point),
        front.quality.joined(list(point.seeds.values())),
    )
    return Row(cells, is_front=point.on_front)


def further_columns(front: Front) -> list[Column]:
    """Two columns for each further quality: its value and its gain."""
    found = []
    for metric in front.rules.qualities[1:]:
        found.append(Column(f"validation {metric.heading}", "number", "nothing"))
        found.append(Column(f"{metric.title}: {metric.gain_heading} [{level_text(front)}]", "number", "nothing"))
    return found


def further_cells(front: Front, point: Point) -> list[str]:
    found = []
    for metric in front.rules.qualities[1:]:
        own = point.further[metric.column]
        gain = "-" if point.is_plain else metric.gain(own.gain, own.low, own.high, unit=False)
        found += [metric.number(own.value), gain.replace(" ", NO_BREAK)]
    return found


def counted_costs(front: Front) -> list[Measure]:
    """The costs of a run that are known exactly; a timed cost has a table of its own."""
    return [measure for measure in front.measures if measure.is_counted]


def tested(front: Front) -> dict[str, list[float]]:
    """By architecture what its trainings reached on the test set, in the metric that decides; empty if not read."""
    by_name = front.test["results"] if front.test else {}
    name = front.quality.name
    found = {key: [result[name] for result in results if name in result] for key, results in by_name.items()}
    return {key: values for key, values in found.items() if values}


def test_interval(front: Front, name: str) -> str:
    """The interval of a result on the test set for other images of the same kind; empty if it is not known."""
    found = front.test_intervals.get(name)
    return interval(found["low"], found["high"], front.quality.form) if found else ""


def level_text(front: Front) -> str:
    """The level of intervals, as heads of columns say it: 90 %."""
    return f"{100 * front.rules.level:.0f} %"
