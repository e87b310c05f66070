"""Where names stand in a drawing: beside their points, and on top of nothing else."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from search.report.scale import Frame

# In pixels: what a letter of a name takes, how far a name reaches above and below its baseline, and half a marker.
LETTER = 8.5
ABOVE = 10
BELOW = 2
MARKER_X = 6
MARKER_Y = 9
# Half of the ring around a point, and how far its name stands off.
RING = 14
OFF = 9
OFF_RING = 15
# By how many pixels a name may be nearer to another point: two points that are as good as one have names all the same.
AS_NEAR = 1.5


@dataclass(frozen=True)
class Name:
    """A name beside the point that it names: ``dx`` and ``dy`` lead from the point to the start of its baseline."""

    text: str
    x: float
    y: float
    dx: float
    dy: float


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "_Box") -> bool:
        beside = self.right <= other.left or other.right <= self.left
        above = self.bottom <= other.top or other.bottom <= self.top
        return not (beside or above)

    def overlaps_any(self, others: "Sequence[_Box]") -> bool:
        return any(self.overlaps(other) for other in others)

    def distance(self, point: tuple[float, float]) -> float:
        """From the middle of the box to a point."""
        return math.dist(((self.left + self.right) / 2, (self.top + self.bottom) / 2), point)

    def is_within(self, frame: Frame) -> bool:
        fits_across = frame.left <= self.left and self.right <= frame.inner_right
        return fits_across and frame.top <= self.top and self.bottom <= frame.inner_bottom


def place_names(
    names: Sequence[str],
    points: Mapping[str, tuple[float, float]],
    frame: Frame,
    *,
    ringed: Set[str] = frozenset(),
    bars: Sequence[tuple[float, float, float]] = (),
) -> tuple[Name, ...]:
    """The names that find a place, in the order of their importance: ``points`` are the pixels of all that is drawn.

    A name stands nearer to its own point than to another that is named. ``ringed`` are those with a ring around them.
    ``bars`` are intervals, x and its two ends in y; a name stands on one only where it has no other place.
    """
    markers = {name: _marker(x, y, is_ringed=name in ringed) for name, (x, y) in points.items()}
    lines = [_Box(x - 1, min(ends), x + 1, max(ends)) for x, *ends in bars]
    texts: list[_Box] = []
    placed: list[Name] = []
    for name in names:
        x, y = points[name]
        width = LETTER * len(name)
        taken = [*texts, *(box for other, box in markers.items() if other != name)]
        places = {
            offset: _Box(x + offset[0], y + offset[1] - ABOVE, x + offset[0] + width, y + offset[1] + BELOW)
            for offset in _offsets(width, OFF_RING if name in ringed else OFF)
        }
        named = [points[other] for other in names]
        clear = {o: box for o, box in places.items() if box.is_within(frame) and not box.overlaps_any(taken)}
        free = [o for o, box in clear.items() if box.distance((x, y)) <= min(map(box.distance, named)) + AS_NEAR]
        if free:
            dx, dy = min(free, key=lambda offset: places[offset].overlaps_any(lines))
            texts.append(places[dx, dy])
            placed.append(Name(name, x, y, dx, dy))
    return tuple(placed)


def _marker(x: float, y: float, *, is_ringed: bool) -> _Box:
    half_x, half_y = (RING, RING) if is_ringed else (MARKER_X, MARKER_Y)
    return _Box(x - half_x, y - half_y, x + half_x, y + half_y)


def _offsets(width: float, off: float) -> list[tuple[float, float]]:
    """The places around a point, the best first: right above, left above, right below, left below, above, below; and in
    a crowd farther above and below.
    """
    left, lower, middle = -off - width, 7 + off, -width / 2
    near = [(off, -8.0), (left, -8.0), (off, lower), (left, lower), (middle, -5 - off), (middle, 15 + off)]
    return [*near, *((dx, dy) for dy in (-22.0, lower + 14, -36.0) for dx in (off, left, middle))]
