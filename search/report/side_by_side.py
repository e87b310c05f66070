"""Where marks of a drawing stand that would lie on each other: side by side, in the order of their costs.

Once it is decided which of two marks stands left of the other, the places with the least overlap are the solution of a
linear programme.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise

import numpy as np

from search.report.linear_programme import LinearProgramme
from search.report.scale import Frame

# In pixels: how far apart two marks stand, and two intervals; and how far a mark may stand from its place.
APART = 13
BARS_APART = 9
FARTHEST = 39
# The price of a pixel of movement, where a pixel of two marks on each other has the price 1. What shows its interval
# stays where the front has its step, as long as it hides nothing.
MOVED = 0.02
MOVED_WITH_INTERVAL = 0.3
# How much more a pixel costs by which a mark is hidden for more than half.
HIDDEN = 2
# How many times higher the price of an overlap is between two marks that show their intervals.
BOTH_WITH_INTERVAL = 3
# With how many marks on its right each mark is compared: these keep those beyond them away.
NEIGHBOURS = 6


@dataclass(frozen=True)
class Mark:
    """A mark at its pixel, with the ends of its interval if that is always drawn (``low`` is further down)."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None

    def moved(self, shift: float) -> "Mark":
        return Mark(self.x + shift, self.y, self.low, self.high)


def shifts(marks: Sequence[Mark], frame: Frame, origin: float | None = None) -> list[float]:
    """How many pixels each mark moves to the right, or to the left if negative; the first marks move least.

    Marks of different x keep their order. None crosses ``origin``, the pixel of plain's own cost: what costs more than
    plain never stands where less is. Where a crowd leaves no place within FARTHEST, marks overlap a little.
    """
    rooms = [_room(mark, frame, frame.left if origin is None else origin) for mark in marks]
    order = _order(marks, rooms)
    programme = LinearProgramme()
    for rank, (mark, room) in enumerate(zip(marks, rooms, strict=True)):
        _add_place(programme, mark, room, _price(mark, rank))
    _keep_order(programme, marks, order)
    _keep_apart(programme, marks, order)
    solved = programme.solved()
    places = _ordered([mark.x for mark in marks], [solved[_place(i)] for i in range(len(marks))])
    return [place - mark.x for place, mark in zip(places, marks, strict=True)]


# -- inside -----------------------------------------------------------------------------------------------------------


def _room(mark: Mark, frame: Frame, origin: float) -> tuple[float, float]:
    """From where to where a mark may stand: near its place, on its side of the origin, in the frame."""
    left, right = (frame.left, origin) if mark.x < origin else (max(frame.left, origin), frame.inner_right)
    return max(left, mark.x - FARTHEST), min(right, mark.x + FARTHEST)


def _order(marks: Sequence[Mark], rooms: Sequence[tuple[float, float]]) -> list[int]:
    """The marks from left to right.

    Of those at one x the first is in the middle, unless there is no room on one side of it.
    """
    met: Counter[float] = Counter()
    beside = []
    for mark, (left, right) in zip(marks, rooms, strict=True):
        rank = met[mark.x]
        met[mark.x] += 1
        if mark.x - left < APART:
            beside.append(rank)
        elif right - mark.x < APART:
            beside.append(-rank)
        else:
            beside.append((rank + 1) // 2 if rank % 2 else -rank // 2)
    return sorted(range(len(marks)), key=lambda i: (marks[i].x, beside[i]))


def _price(mark: Mark, rank: int) -> float:
    """The price of a pixel of movement: the first of equal marks has the highest."""
    moved = MOVED if mark.low is None else MOVED_WITH_INTERVAL
    return moved * (1 + 1 / (1 + rank))


def _add_place(programme: LinearProgramme, mark: Mark, room: tuple[float, float], price: float) -> None:
    """Two variables: where the mark stands, and its distance from its own place."""
    place = programme.variable(*room)
    distance = programme.variable(0.0, price=price)
    programme.at_most(mark.x, {place: 1, distance: -1})
    programme.at_most(-mark.x, {place: -1, distance: -1})


def _place(mark: int) -> int:
    """The variable that says where a mark stands."""
    return 2 * mark


def _keep_order(programme: LinearProgramme, marks: Sequence[Mark], order: Sequence[int]) -> None:
    """Between two neighbouring costs there is a border that no mark crosses."""
    groups = [list(group) for _, group in groupby(order, lambda i: marks[i].x)]
    for cheaper, dearer in pairwise(groups):
        border = programme.variable()
        for i in cheaper:
            programme.at_most(0.0, {_place(i): 1, border: -1})
        for i in dearer:
            programme.at_most(0.0, {border: 1, _place(i): -1})


def _keep_apart(programme: LinearProgramme, marks: Sequence[Mark], order: Sequence[int]) -> None:
    """Each mark is as far as it must be from its neighbours on the right, or pays for what is missing."""
    for at, i in enumerate(order):
        near = (j for j in order[at + 1 :] if marks[j].x - marks[i].x < APART + 2 * FARTHEST)
        touching = (j for j in near if _prices(marks[i], marks[j]))
        for j in islice(touching, NEIGHBOURS):
            for apart, price in _prices(marks[i], marks[j]).items():
                missing = programme.variable(0.0, price=price)
                programme.at_most(-apart, {_place(i): 1, _place(j): -1, missing: -1})


def _prices(one: Mark, other: Mark) -> dict[float, float]:
    """The distances that two marks and their intervals need, with the price of a pixel that is missing."""
    weight = 1 if one.low is None or other.low is None else BOTH_WITH_INTERVAL
    marks = weight * (APART - abs(one.y - other.y)) / APART
    intervals = (_crossing(one, other) + _crossing(other, one)) / BARS_APART
    prices = {APART: marks, APART / 2: HIDDEN * marks, BARS_APART: intervals}
    return {apart: price for apart, price in prices.items() if price > 0}


def _crossing(one: Mark, other: Mark) -> int:
    """1 if the interval of one runs through the interval or the mark of the other."""
    if one.low is None or one.high is None:
        return 0
    top, bottom = (other.high, other.low) if other.high is not None and other.low is not None else (other.y, other.y)
    return int(one.high <= bottom and top <= one.low)


def _ordered(at: Sequence[float], places: Sequence[float]) -> list[float]:
    """The places, in order to the last digit: a linear programme may exceed its limits by 1e-7."""
    order = np.lexsort((places, at))
    placed = np.empty(len(at))
    placed[order] = np.maximum.accumulate(np.asarray(places)[order])
    return [float(place) for place in placed]
