"""The section on loss curves: how far losses go with the quality of placements, among all and among some of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from search.model.features import Features, describe
from search.report.content import Column, Row, Section, Table
from search.results.curve_trust import Agreement, agreement
from search.results.evidence import observations_of
from search.results.objectives import leading_cost
from search.results.point import Point
from search.results.result import Front
from search.state.records import Entry, Training
from spaces.spec import Site

COLUMNS = (
    Column("placements"),
    Column("trainings", "number", "nothing"),
    Column("correlation of losses with {}", "number"),
    Column("interval", "number"),
    Column("probability that it is 0", "number", "nothing"),
)


def curves_section(
    front: Front, trainings: Sequence[Training], entries: Sequence[Entry], sites: Sequence[Site], folds: int = 1
) -> Section | None:
    """The correlation in thirds of the overhead and among the better half; None if the model took no curves."""
    if front.insights is None or front.insights.curves is None:
        return None
    metric = front.quality
    architectures = [entry.architecture for entry in entries]
    features = describe(architectures, sites) if sites else Features.none(len(entries))
    found = []
    for name, members in _groups(front):
        numbers = {point.number for point in members}
        seen = observations_of([t for t in trainings if t.architecture in numbers], metric, curves=True, folds=folds)
        if seen:
            found.append(agreement(name, seen, features, front.rules.level, in_percent=metric.is_percent))
    if all(told.unknown for told in found):
        return None
    curves = front.insights.curves
    likeliest = max(curves.traits, key=lambda name: curves.traits[name])
    how = (
        f"The model takes of each curve what {metric.title} goes with most, here probably: "
        f"{likeliest}. Each correlation is across placements, without the noise of trainings, learned from the "
        f"trainings of its row alone. A negative one means that lower losses go with {metric.better}. Trainings "
        "can be compared if they share a seed block, so those of fresh pairs, of which each has a block of its own, do "
        f"not count. {_differing(found)} Proofs use no losses."
    )
    columns = tuple(replace(column, title=column.title.format(metric.title)) for column in COLUMNS)
    by_group = Table("Correlation by group", columns, tuple(map(_row, found)))
    return Section("What losses tell", curves.words(metric), by_group, (how,))


def _differing(found: Sequence[Agreement]) -> str:
    """Which rows differ from the first by more than chance, and what that means."""
    first, *others = found
    names = [told.group for told in others if told.differs_from(first)]
    if not names:
        return "No row differs from the first by more than chance."
    rows = f"The {' and the '.join(names)} differ{'s' if len(names) == 1 else ''} from the first row"
    return f"{rows} by more than chance: a likely gain there rests on a wrong correlation."


def _groups(front: Front) -> Iterator[tuple[str, Sequence[Point]]]:
    """All placements with SE, thirds of them by overhead, and the better half by estimated gain."""
    points = [point for point in front.points if not point.is_plain]
    yield "all", points
    overhead = leading_cost(front.rules.objectives, front.plain.costs).overhead
    ordered = sorted((p for p in points if overhead in p.costs), key=lambda p: p.costs[overhead])
    third = -(-len(ordered) // 3)
    for name, start in (("cheapest third", 0), ("middle third", third), ("most expensive third", 2 * third)):
        yield name, ordered[start : start + third]
    yield "better half by estimated gain", sorted(points, key=lambda p: -p.gain)[: len(points) // 2]


def _row(found: Agreement) -> Row:
    if found.unknown:
        return Row((found.group, str(found.trainings), "-", f"cannot be told: {found.unknown}", "-"))
    return Row(
        (
            found.group,
            str(found.trainings),
            f"{found.correlation:+.2f}",
            f"{found.low:+.2f} to {found.high:+.2f}",
            f"{100 * found.p_nothing:.0f} %",
        )
    )
