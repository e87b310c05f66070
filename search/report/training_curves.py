"""How trainings went, epoch by epoch: plain and the finalists side by side, with bands over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.report.chart import Axis
from search.report.class_changes import compared
from search.report.heat_map import WORDS
from search.report.scale import Frame, Scale, padded
from search.report.wording import shortened
from search.results.point import Point
from search.results.result import Front
from search.state.records import Entry, Training
from spaces.text import plural

FRAME = Frame(width=400, height=230, left=54, right=12, top=12, bottom=44)
# Placements beside plain, and the styles of lines.
MOST = 3
LETTERS = 44
GRADIENT = "grad_norm"
# An axis shows the later half of the epochs alone if all of them need as many times its range.
CUT = 3


@dataclass(frozen=True)
class CurveLine:
    """The mean of some trainings at each epoch, and the band from the lowest to the highest of them.

    ``steps`` hold (epoch, mean, lowest, highest); ``style`` is the number of the line's look.
    """

    name: str
    style: int
    steps: tuple[tuple[int, float, float, float], ...]

    @property
    def band(self) -> list[tuple[int, float]]:
        """The corners of the band: along its upper end, and back along the lower one."""
        upper = [(epoch, high) for epoch, _, _, high in self.steps]
        return [*upper, *((epoch, low) for epoch, _, low, _ in reversed(self.steps))]


@dataclass(frozen=True)
class CurvePanel:
    """One quantity against the epoch. ``note`` says if the axis leaves out what early epochs reached."""

    title: str
    x: Axis
    y: Axis
    lines: tuple[CurveLine, ...]
    note: str = ""
    frame: Frame = FRAME


@dataclass(frozen=True)
class TrainingCurves:
    """``lead`` says in a sentence how far plain came."""

    lead: str
    panels: tuple[CurvePanel, ...]


def training_curves(front: Front, trainings: Sequence[Training], entries: Sequence[Entry]) -> TrainingCurves | None:
    """Loss, quality and learning rate of plain and the finalists, and gradients by position; None without curves."""
    finished = [t for t in trainings if t.state == "finished" and len(t.curve) > 1]
    groups = {_name(point): [t for t in finished if t.architecture == point.number] for point in _shown(front)}
    groups = {name: of for name, of in groups.items() if of}
    plain = groups.get("plain")
    if not plain:
        return None
    metric = front.quality
    panels = [
        _panel("training loss", "train_loss", groups),
        _panel(f"validation {metric.heading}", metric.column, groups, shows_end=True),
        _panel("learning rate", "lr", {"all": plain[:1]}),
        _panel("gradient norm at the first convolution", GRADIENT, _by_position(finished, entries)),
    ]
    drawn = tuple(panel for panel in panels if panel is not None)
    return TrainingCurves(_lead(front, plain), drawn) if drawn else None


def _shown(front: Front) -> list[Point]:
    """Plain, what the answer is about or the best that was tried, and what was trained again, the best first."""
    again = sorted((p for p in front.points if p.role == "finalist"), key=lambda p: -p.gain)
    first = compared(front)
    named = {point.id: point for point in [front.plain, *([first] if first else []), *again]}
    return list(named.values())[: 1 + MOST]


def _name(point: Point) -> str:
    return "plain" if point.is_plain else shortened(f"{point.id} {point.label}", LETTERS)


def _by_position(finished: Sequence[Training], entries: Sequence[Entry]) -> dict[str, list[Training]]:
    """Trainings of plain, and of placements with SE in one position alone."""
    groups: dict[str, list[Training]] = {"plain": []}
    for training in finished:
        positions = {se.position for se in entries[training.architecture].architecture.blocks if se is not None}
        if len(positions) < 2:
            name = next((WORDS.get(position, position) for position in positions), "plain")
            groups.setdefault(name, []).append(training)
    return {name: of for name, of in groups.items() if of}


def _panel(
    title: str, key: str, groups: Mapping[str, Sequence[Training]], *, shows_end: bool = False
) -> CurvePanel | None:
    """``shows_end``: where early epochs would flatten the later ones, the axis leaves them out."""
    lines = [line for i, (name, of) in enumerate(groups.items()) if (line := _line(name, i, key, of))]
    if not lines:
        return None
    epochs = [epoch for line in lines for epoch, *_ in line.steps]
    later = _first_of_end(lines) if shows_end else min(epochs)
    y = FRAME.y_scale(*padded(_ends(lines, later), empty=0.1))
    x = FRAME.x_scale(min(epochs), max(*epochs, min(epochs) + 1))
    whole = [tick for tick in x.ticks() if tick == int(tick)]
    note = f"The axis is cut: it shows the range of epochs {later} to {max(epochs)}." if later > min(epochs) else ""
    return CurvePanel(title, _axis("epoch", x, whole), _axis("", y, y.ticks()), tuple(lines), note)


def _first_of_end(lines: Sequence[CurveLine]) -> int:
    """The first epoch; or that of the later half, where only an axis of their own shows how these differ."""
    first = min(line.steps[0][0] for line in lines)
    last = max(line.steps[-1][0] for line in lines)
    half = (first + last) // 2 + 1
    if half >= last or any(line.steps[-1][0] <= half for line in lines):
        return first
    whole, end = _ends(lines, first), _ends(lines, half)
    return half if max(whole) - min(whole) > CUT * (max(end) - min(end)) else first


def _ends(lines: Sequence[CurveLine], start: int) -> list[float]:
    """The lowest and the highest value of each line at each epoch from ``start``."""
    return [end for line in lines for epoch, _, *ends in line.steps if epoch >= start for end in ends]


def _axis(label: str, scale: Scale, ticks: Sequence[float]) -> Axis:
    return Axis(label, scale, tuple((value, f"{value:g}") for value in ticks))


def _line(name: str, style: int, key: str, trainings: Sequence[Training]) -> CurveLine | None:
    by_epoch: dict[int, list[float]] = {}
    for training in trainings:
        for place, row in enumerate(training.curve, start=1):
            if key in row:
                by_epoch.setdefault(int(row.get("epoch", place)), []).append(row[key])
    steps = tuple((epoch, sum(v) / len(v), min(v), max(v)) for epoch, v in sorted(by_epoch.items()))
    return CurveLine(name, style, steps) if len(steps) > 1 else None


def _lead(front: Front, plain: Sequence[Training]) -> str:
    """Where plain began and ended, in the metric that decides."""
    metric = front.quality
    curves = [t.curve for t in plain if metric.column in t.curve[-2] and metric.column in t.curve[-1]]
    epochs = max(len(t.curve) for t in plain)
    if not curves:
        return f"Each training took {plural(epochs, 'epoch')}."
    before, last = (sum(curve[i][metric.column] for curve in curves) / len(curves) for i in (-2, -1))
    change = metric.difference(metric.score_of(last - before))
    return (
        f"After {plural(epochs, 'epoch')} plain reaches {metric.shown(last)} of validation {metric.title}; "
        f"its last epoch changed that by {change} {metric.gain_unit}".rstrip()
        + "."
    )
