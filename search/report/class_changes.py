"""What SE changes by class: how often plain and a placement are right on the images of each class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.report.answer_card import subject
from search.report.content import Column, Row, Section, table
from search.results.image_flips import right_images
from search.results.point import Point
from search.results.result import Front
from search.state.facts import Facts
from search.state.records import Training
from spaces.text import plural

Array = NDArray[np.float64]
# A change is clear if luck alone would make it as large with this probability.
LUCK = 0.05
# Two trainings that agree on the few images of a class need not agree again: they scatter by at least so many images.
LEAST_SCATTER = 0.5


@dataclass(frozen=True)
class ClassChange:
    """One class: the shares of its images that are right in percent, and the change with its standard error."""

    name: str
    images: int
    plain: float
    other: float
    error: float
    freedom: int

    @property
    def change(self) -> float:
        return self.other - self.plain

    @property
    def is_clear(self) -> bool:
        return self.freedom > 0 and abs(self.change) > float(stats.t.ppf(1 - LUCK / 2, self.freedom)) * self.error


def class_changes(front: Front, trainings: Sequence[Training], facts: Facts) -> Section | None:
    """The table of classes; None if the run does not know the labels, or which images were right.

    None with folds, too, where trainings of one placement validate on different images.
    """
    point = compared(front)
    if point is None or facts.labels is None or facts.data is None or facts.data.folds:
        return None
    labels = np.array(facts.labels.classes)
    rights = {number: right_images(trainings, number, len(labels)) for number in (0, point.number)}
    if any(len(right) == 0 for right in rights.values()):
        return None
    changes = by_class(rights[0], rights[point.number], labels, facts.data.classes)
    columns = (
        Column("class"),
        Column("validation images", "number", "nothing"),
        Column("plain, %", "number"),
        Column(f"{point.id}, %", "number"),
        Column("change, points", "number"),
        Column("standard error", "number", "nothing"),
    )
    counts = [plural(len(rights[number]), "training") for number in (0, point.number)]
    how = (
        f"Means over {counts[0]} of plain and {counts[1]} of {point.id}. The standard error comes from the scatter of "
        f"trainings, taken as at least {LEAST_SCATTER:g} images in each. Bold rows change by more than that explains; "
        "by luck alone, about one class in twenty does."
    )
    rows = table(f"Images that are right, by class: plain and {point.id}, {point.label}", columns, changes, _row)
    return Section("Which classes change", _lead(changes, point), rows, (how,))


def compared(front: Front) -> Point | None:
    """What is compared with plain: the placement that the answer is about, or the best one that was tried.

    One that was trained again with fresh seeds goes before all others: it has more trainings, and their weights.
    """
    point = subject(front)
    if not point.is_plain:
        return point
    tried = (p for p in front.points if not p.is_plain)
    return max(tried, key=lambda p: (p.role == "finalist", p.gain), default=None)


def by_class(plain: Array, other: Array, labels: NDArray[np.int64], names: Sequence[str]) -> list[ClassChange]:
    """The change of each class, the largest gain first. ``plain`` and ``other``: (trainings, images), 1 for right."""
    found = []
    for k in np.unique(labels).tolist():
        of_class = labels == k
        before, after = plain[:, of_class].mean(axis=1), other[:, of_class].mean(axis=1)
        images = int(of_class.sum())
        error = 100 * _error(before, after, images)
        freedom = len(before) + len(after) - 2
        found.append(ClassChange(names[k], images, 100 * before.mean(), 100 * after.mean(), error, freedom))
    return sorted(found, key=lambda one: -one.change)


# -- inside -----------------------------------------------------------------------------------------------------------


def _error(before: Array, after: Array, images: int) -> float:
    """The standard error of the difference of two means, whose values scatter alike; nan if that is not known."""
    freedom = len(before) + len(after) - 2
    if freedom < 1:
        return math.nan
    squares = ((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum()
    variance = max(squares / freedom, (LEAST_SCATTER / images) ** 2)
    return float(np.sqrt(variance * (1 / len(before) + 1 / len(after))))


def _row(one: ClassChange) -> Row:
    shares = (f"{one.plain:.1f}", f"{one.other:.1f}", f"{one.change:+.1f}", f"{one.error:.1f}" if one.freedom else "-")
    return Row((one.name, f"{one.images:,}", *shares), is_front=one.is_clear)


def _lead(changes: Sequence[ClassChange], point: Point) -> str:
    clear: Mapping[str, list[ClassChange]] = {
        "gains": [one for one in changes if one.is_clear and one.change > 0],
        "loses": [one for one in reversed(changes) if one.is_clear and one.change < 0],
    }
    said = [
        f"{word} on {', '.join(f'{one.name} ({one.change:+.1f} points)' for one in of[:3])}"
        for word, of in clear.items()
        if of
    ]
    if not said:
        return f"No class changes by more than its noise between plain and {point.id}."
    return f"{point.id} {' and '.join(said)}, compared with plain."
