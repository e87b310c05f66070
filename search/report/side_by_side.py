"""Where marks of a drawing stand that would lie on each other: side by side, as far from their place as they must."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from search.report.scale import Frame

# In pixels: how far apart two marks stand, and two intervals; and how far a mark may stand from its place.
APART = 13
BARS_APART = 9
FARTHEST = 39


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

    None crosses ``origin``, the pixel of plain's own cost: what costs more than plain never stands where less is. Where
    a crowd leaves no place within FARTHEST, a mark takes the one where it overlaps the least.
    """
    placed = _Placed()
    found = []
    for mark in marks:
        left, right = _room(mark, frame, frame.left if origin is None else origin)
        inside = [shift for shift in _candidates() if left <= mark.x + shift <= right] or [0.0]
        shift = min(inside, key=lambda shift: (placed.overlap(mark.moved(shift)), abs(shift)))
        placed.add(mark.moved(shift))
        found.append(shift)
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


def _room(mark: Mark, frame: Frame, origin: float) -> tuple[float, float]:
    """From where to where a mark may stand: on its side of the origin."""
    return (frame.left, origin) if mark.x < origin else (max(frame.left, origin), frame.inner_right)


def _candidates() -> Iterator[float]:
    """The shifts that are tried: 0, then to both sides in thirds of a mark."""
    yield 0.0
    step = APART / 3
    for i in range(1, int(FARTHEST / step) + 1):
        yield from (round(i * step, 1), round(-i * step, 1))


class _Placed:
    """The marks that have their place, by columns as wide as a mark, so that only neighbours are looked at."""

    def __init__(self) -> None:
        self._columns: dict[int, list[Mark]] = defaultdict(list)

    def add(self, mark: Mark) -> None:
        self._columns[int(mark.x // APART)].append(mark)

    def overlap(self, mark: Mark) -> float:
        """By how many pixels a mark lies on others, in sum; and its interval on other intervals, or on marks."""
        column = int(mark.x // APART)
        near = (other for i in (column - 1, column, column + 1) for other in self._columns.get(i, ()))
        return sum(_on_each_other(mark, other) for other in near)


def _on_each_other(one: Mark, other: Mark) -> float:
    apart = abs(one.x - other.x)
    marks = max(0.0, APART - max(apart, abs(one.y - other.y)))
    if apart >= BARS_APART:
        return marks
    return marks + _crossing(one, other) + _crossing(other, one)


def _crossing(one: Mark, other: Mark) -> float:
    """1 if the interval of one runs through the interval or the mark of the other."""
    if one.low is None or one.high is None:
        return 0.0
    top, bottom = (other.high, other.low) if other.high is not None and other.low is not None else (other.y, other.y)
    return 1.0 if one.high <= bottom and top <= one.low else 0.0
