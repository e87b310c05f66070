"""A result as the terminal prints it: its table, the sentences below it, and what to type next."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from search.report.next_steps import next_command
from search.report.tables import gain_text, test_interval, tested, verdict_text
from search.report.verdict_styles import VERDICT_STYLES
from search.report.wording import percent
from search.results.point import Point
from search.results.result import Front
from search.setup.opened_run import open_folder
from search.state import so_far
from search.state.run_folder import RunFolder, option, shown
from senet_nas.costs.measures import Measure
from spaces.text import plural

PLACEMENT = "SE placement"
LEFT = ("id", PLACEMENT, "verdict")
# Rows of the table before it is cut: plain and the front are always shown.
MOST_ROWS = 9
LEAST_OTHERS = 4
FRONT_LINE_NAMES = 5
# Longer heads take several lines; a placement takes several lines below PLACEMENT_WIDTH. GAP lies between columns.
HEAD_WIDTH = 17
PLACEMENT_WIDTH = 18
GAP = 2


@dataclass(frozen=True)
class ResultTable:
    """The table below the verdict: each row has its cells and its style. Columns of LEFT are aligned to the left."""

    title: str
    heads: list[str]
    rows: list[tuple[list[str], str]]
    caption: str | None


def sentences(front: Front) -> list[str]:
    """How the recommendation was made, what was found, and how many trainings it took. The page has the statistics."""
    return [
        front.rule,
        *front.confirmations,
        *filter(None, [front.power, front.ending]),
        *front.statements,
        *_helpers(front),
        *front.advice,
        *_test_lines(front),
        _counts(front),
    ]


def next_lines(front: Front, folder: Path) -> list[str]:
    """Where the result can be read, and the one command to type next."""
    name = shown(folder)
    place = RunFolder(folder)
    with open_folder(place) as run:
        trouble = run.facts.tracking_trouble
        command = next_command(front, run)
    # MLflow's page is named only if it shows this run.
    look = f"MLflow: senet-search ui {place.name}{option(folder.parent)}"
    return [
        f"Report: {name}/report.html   table: {name}/front.csv",
        f"MLflow lacks something of this run: {trouble}" if trouble else look,
        f"Next:   {command}",
    ]


def front_line(front: Front) -> str:
    """The front in one line: its members, and the one to look at."""
    best = front[front.likely or front.recommended]
    others = [point.id for point in front.members if not point.is_plain]
    names = ["plain", *others[:FRONT_LINE_NAMES]]
    if len(others) > FRONT_LINE_NAMES:
        names.append("...")
    members = f"front: {', '.join(names)}"
    if best.is_plain:
        return f"{members}; none likely better than plain yet"
    gain = front.quality.gain(best.gain, best.gain_low, best.gain_high, unit=False)
    return f"{members}; {best.verdict}: {best.id} {best.label} {gain}"


def shown_costs(front: Front) -> list[Measure]:
    """The costs that are objectives, and others of the run up to two; in the order of the table of costs."""
    wanted = [measure for measure in front.measures if measure.overhead in front.costs]
    others = [measure for measure in front.measures if measure not in wanted]
    chosen = wanted + others[: max(0, 2 - len(wanted))]
    return [measure for measure in front.measures if measure in chosen]


def result_table(front: Front, width: int) -> ResultTable:
    """The table of a front for a terminal of ``width`` columns."""
    costs = [measure.short for measure in shown_costs(front)]
    heads = [
        "id",
        PLACEMENT,
        front.quality.title,
        f"gain [{100 * front.rules.level:.0f} %]",
        "seeds",
        *costs,
        "verdict",
    ]
    points = _points(front)
    left_out = len(front.points) - len(points)
    wrapped = ["\n".join(textwrap.wrap(head, HEAD_WIDTH)) for head in heads]
    cells = [_cells(point, front) for point in points]
    columns = _columns(width, _widths([wrapped, *cells]))
    missing = [head for i, head in enumerate(heads) if i not in columns]
    return ResultTable(
        title=_title(front, missing),
        heads=[wrapped[i] for i in columns],
        rows=[
            ([row[i] for i in columns], VERDICT_STYLES[point.verdict].terminal)
            for row, point in zip(cells, points, strict=True)
        ],
        caption=f"{left_out} more in front.csv" if left_out else None,
    )


def _title(front: Front, missing: Sequence[str]) -> str:
    """What the columns are; ``missing`` names those for which the terminal is too narrow."""
    metric = front.quality
    unit = "percent" if metric.is_percent else metric.unit
    quality = f"estimated validation {metric.title}" + (f" in {unit}" if unit else "")
    gain = "gain over plain" + (f" in {metric.gain_unit}" if metric.gain_unit else "") + metric.direction_note
    others = ", ".join([*(further.title for further in front.rules.qualities[1:]), *missing])
    return f"{quality}, {gain}, costs over plain" + (f"; in front.csv: {others}" if others else "")


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column, whose first cell may have several lines; a placement wraps."""
    found = [max(len(line) for cell in column for line in cell.split("\n")) for column in zip(*rows, strict=True)]
    found[1] = PLACEMENT_WIDTH
    return found


def _columns(width: int, widths: Sequence[int]) -> list[int]:
    """The columns that fit: id, placement, gain, the first cost and verdict stand in any case. Then come the value,
    further costs and the seeds, until one does not fit.
    """
    verdict = len(widths) - 1
    found = [0, 1, 3, 5, verdict]
    for column in [2, *range(6, verdict), 4]:
        if sum(widths[i] + GAP for i in (*found, column)) - GAP > width:
            break
        found.append(column)
    return sorted(found)


def _points(front: Front) -> list[Point]:
    """Plain, the front from the cheapest on, then the others: those trained again, baselines, the most promising."""
    others = [point for point in front.points if not point.on_front and not point.is_plain]
    order = {"finalist": 0, "baseline": 1}
    others.sort(key=lambda point: (order.get(point.role, 2), -point.gain))
    first = [front.plain, *(point for point in front.members if not point.is_plain)]
    return [*first, *others[: max(LEAST_OTHERS, MOST_ROWS - len(first))]]


def _cells(point: Point, front: Front) -> list[str]:
    mark = "*" if point.on_front else " "
    if point.id == front.recommended:
        mark = ">"
    return [
        f"{mark} {point.id}",
        point.label,
        front.quality.number(point.value),
        gain_text(front.quality, point),
        str(point.n_seeds),
        *(_cost_cell(point, measure) for measure in shown_costs(front)),
        verdict_text(point),
    ]


def _cost_cell(point: Point, measure: Measure) -> str:
    """An overhead in percent; ~ marks a predicted one, ? one that is unknown."""
    if measure.overhead not in point.costs:
        return "?"
    is_measured = measure.is_counted or measure.interval[0] in point.costs or point.is_plain
    return ("" if is_measured else "~") + percent(point.costs[measure.overhead])


def _helpers(front: Front) -> list[str]:
    """What the shared network and the losses of trainings were worth, which likely gains rest on."""
    found = front.insights
    if found is None or found.has_everything:
        return []
    shared = [found.shared.words] if found.shared else []
    return [*shared, *([found.curves.words(front.quality)] if found.curves else [])]


def _test_lines(front: Front) -> list[str]:
    metric = front.quality
    found = []
    for name, values in tested(front).items():
        reach = test_interval(front, name)
        seeds = f"{reach} for other images; " if reach else ""
        found.append(f"{name} {metric.shown(sum(values) / len(values))} ({seeds}seeds {metric.joined(values)})")
    return [f"Test {metric.title}, measured once: {'; '.join(found)}."] if found else []


def _counts(front: Front) -> str:
    counts = dict(front.counts)
    finished = counts.pop("finished", 0)
    parts = {state: f" {so_far.worth(share)}" for state, share in front.worth.items()}
    states = [f"{finished} finished", *(f"{count} {state}{parts.get(state, '')}" for state, count in counts.items())]
    return f"{plural(sum(front.counts.values()), 'training')}: {', '.join(states)}.   * front   > recommended"
