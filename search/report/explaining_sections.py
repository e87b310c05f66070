"""The sections that explain a result: what pays, classes, the test set, gradients, and what was logged."""

from collections.abc import Iterable, Mapping, Sequence

from search.report.content import Column, IntervalBar, Row, Section, Table, table
from search.report.tables import level_text, ordered, test_interval, tested
from search.results.effects import Contrast
from search.results.held_out_intervals import LEVEL
from search.results.point import Point
from search.results.result import Front
from search.state.records import Entry
from senet_nas.training.quality_metrics import Metric
from spaces.architecture import Architecture
from spaces.text import plural

# From this multiple of plain's gradient on, the first layer learns about as well.
WEAK = 0.8
# What a training logs besides what it is judged by, by the title of its column.
LOGGED = {
    "gradient norm at the first convolution": "grad_norm",
    "mean gate": "gate_mean",
    "saturated gates, share": "gate_saturation",
    "validation log-loss": "val_log_loss",
    "training loss": "train_loss",
    "seconds": "train_seconds",
}
ON_PHONE = ("gradient norm at the first convolution", "mean gate", "seconds")


def effects_section(front: Front) -> Section | None:
    """Which stage, position, width, squeeze or gate pays: often clear long before single architectures are."""
    if front.insights is None or not front.insights.contrasts:
        return None
    effects = front.insights.contrasts
    metric = front.quality
    reach = max(abs(end) for effect in effects for end in (effect.low, effect.high)) or 1.0

    def row(effect: Contrast) -> Row:
        return _effect_row(metric, effect, reach, front.rules.level)

    columns = (
        Column("what"),
        Column(", ".join(filter(None, (f"gain{metric.named}", metric.gain_unit))), "number"),
        Column(f"[{level_text(front)}]", "number"),
        Column(f"from {metric.difference(-reach)} to {metric.difference(reach)}", "bar", "nothing"),
        Column("chance that it gains, %", "number", "nothing"),
        Column("likely"),
    )
    how = (
        "The effect of one choice, all else being equal. A stage with SE is compared with the same stage without it, "
        "any other choice with the average of its alternatives. These effects are likely, not proven."
    )
    effects_table = table("Effects of single choices", columns, effects, row)
    return Section("What pays", " ".join(front.statements), effects_table, (how,))


def _effect_row(metric: Metric, effect: Contrast, reach: float, level: float) -> Row:
    cells = (
        f"{effect.factor} {effect.level}",
        metric.difference(effect.gain),
        metric.gain_interval(effect.low, effect.high),
        _bar(effect.low, effect.gain, effect.high, reach),
        f"{100 * effect.p_gain:.0f}",
        effect.shown_verdict(level),
    )
    return Row(cells)


def _bar(low: float, value: float, high: float, reach: float) -> IntervalBar:
    def pixel(gain: float) -> float:
        return round(80 + 75 * gain / reach, 1)

    return IntervalBar(pixel(low), pixel(value), pixel(high))


def gradients_section(front: Front, entries: Sequence[Entry]) -> Section | None:
    """Gradient norms at the first convolution by position of SE; None where none were logged.

    ``entries`` are in order of number.
    """
    plain = front.plain.logged.get("grad_norm")
    groups: dict[str, list[float]] = {}
    for point in front.points:
        if plain and not point.is_plain and "grad_norm" in point.logged:
            positions = _positions(entries[point.number].architecture)
            groups.setdefault(positions, []).append(point.logged["grad_norm"] / plain)
    if not groups:
        return None
    columns = (
        Column("position of SE"),
        Column("architectures", "number", "nothing"),
        Column("mean ratio to plain", "number"),
        Column("from, to"),
    )
    how = (
        "The L2 norm of the gradient at the first convolution in the last epoch, as a multiple of plain's. SE after "
        "the addition scales the trunk itself; a ratio far below 1 means that the first layers hardly learn."
    )
    by_position = table("Gradient norm by position", columns, sorted(groups.items()), _gradient_row)
    return Section("Gradient at the first layer", _gradient_words(groups), by_position, (how,))


def _gradient_words(groups: Mapping[str, Sequence[float]]) -> str:
    """How the gradient of the position with the smallest one compares with plain's."""
    means = {position: sum(ratios) / len(ratios) for position, ratios in groups.items()}
    weakest = min(means, key=lambda position: means[position])
    if means[weakest] > WEAK:
        return "With SE in any position, the first layer gets about as much gradient as in plain, or more."
    return f"With SE at {weakest}, the first layer gets {means[weakest]:.2f} times as much gradient as in plain."


def _gradient_row(group: tuple[str, Sequence[float]]) -> Row:
    name, ratios = group
    mean = sum(ratios) / len(ratios)
    return Row((name, str(len(ratios)), f"{mean:.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"))


def _positions(architecture: Architecture) -> str:
    return " and ".join(sorted({se.position for se in architecture.blocks if se is not None}))


def logged_section(front: Front) -> Section | None:
    """The means of what the trainings logged besides what they are judged by; None where they logged nothing."""
    shown = [point for point in ordered(front) if point.logged]
    if not shown:
        return None
    recorded = {metric.column: f"validation {metric.heading}" for metric in front.rules.recorded}
    wanted = {**recorded, **{name: title for title, name in LOGGED.items() if name not in recorded}}
    names = {name: title for name, title in wanted.items() if any(name in point.logged for point in shown)}
    columns = (Column("id"), Column("SE placement", phone="line"), *map(_logged_column, names.values()))
    note = "This is what the trainings measured at their last epoch, averaged over seeds."
    logged = table("Logged values by architecture", columns, shown, lambda point: _logged_row(point, names))
    return Section("What the trainings logged", note, logged, ("A gate is saturated below 0.05 and above 0.95.",))


def _logged_column(title: str) -> Column:
    return Column(title, "number", "cell" if title in ON_PHONE else "nothing")


def _logged_row(point: Point, names: Iterable[str]) -> Row:
    return Row((point.id, point.label, *(_logged(point, name) for name in names)))


def _logged(point: Point, name: str) -> str:
    return f"{point.logged[name]:.3g}" if name in point.logged else "-"


def test_section(front: Front) -> Section | None:
    """The results on the test set; None where it was not read."""
    metric = front.quality
    results = tested(front)
    if not front.test or not results:
        return None
    columns = (
        Column("id"),
        Column("SE placement", phone="line"),
        Column(f"test {metric.heading}", "number"),
        Column(f"{100 * LEVEL:.0f} % for other images"),
        Column(", ".join(filter(None, ("each fresh seed", metric.unit)))),
    )
    means = {name: metric.shown(sum(values) / len(values)) for name, values in results.items()}
    named = [f"{'plain' if name == front.plain.id else name} reaches {mean}" for name, mean in means.items()]
    note = f"On images that no decision has seen, {' and '.join(named)}."
    read = (
        f"The test set was read once, after the search, on {front.test['read']}. The interval says how far a result "
        "would move with as many other images of the same kind."
    )
    caption = f"Test {metric.title} of the recommended and the plain network"
    rows = table(caption, columns, list(results.items()), lambda item: _test_row(front, *item))
    return Section("Test set", note, rows, (read,))


def _test_row(front: Front, name: str, values: Sequence[float]) -> Row:
    mean = sum(values) / len(values)
    reach = test_interval(front, name) or "-"
    return Row((name, front[name].label, front.quality.number(mean), reach, front.quality.joined(values)))


def classes_section(front: Front) -> Section | None:
    """How well plain recognises each class; None unless the classes differ much in size."""
    found = front.insights.classes if front.insights else None
    if found is None:
        return None
    columns = (Column("class"), Column("validation images", "number"), Column("recall of plain, %", "number"))
    lowest = found.ordered[0]
    note = (
        f"Plain gets {found.overall:.2f} % of all images right, and {lowest[2]:.1f} % of {lowest[0]}, its worst class."
    )
    how = (
        "The share of the images of a class that plain gets right, averaged over "
        f"{plural(found.trainings, 'training')}. {found.words(front.quality)}"
    ).rstrip()
    rows = tuple(Row((name, f"{images:,}", f"{recall:.1f}")) for name, images, recall in found.ordered)
    return Section("Classes", note, Table("Recall of plain by class, the lowest first", columns, rows), (how,))
