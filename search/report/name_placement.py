"""Where names stand in a drawing: beside their points, and on top of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.report.scale import Frame

# In pixels: what a letter of a name takes, how far a name reaches above and below its baseline, and half a marker.
LETTER = 8.5
ABOVE = 10
BELOW = 2
MARKER_X = 6
MARKER_Y = 9


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

    def is_within(self, frame: Frame) -> bool:
        fits_across = frame.left <= self.left and self.right <= frame.inner_right
        return fits_across and frame.top <= self.top and self.bottom <= frame.inner_bottom


def place_names(names: Sequence[str], points: Mapping[str, tuple[float, float]], frame: Frame) -> tuple[Name, ...]:
    """The names that find a place, in the order of their importance: ``points`` are the pixels of all that is drawn."""
    markers = {name: _Box(x - MARKER_X, y - MARKER_Y, x + MARKER_X, y + MARKER_Y) for name, (x, y) in points.items()}
    texts: list[_Box] = []
    placed: list[Name] = []
    for name in names:
        x, y = points[name]
        others = [*texts, *(box for other, box in markers.items() if other != name)]
        for dx, dy in _offsets(LETTER * len(name)):
            box = _Box(x + dx, y + dy - ABOVE, x + dx + LETTER * len(name), y + dy + BELOW)
            if box.is_within(frame) and not any(box.overlaps(other) for other in others):
                texts.append(box)
                placed.append(Name(name, x, y, dx, dy))
                break
    return tuple(placed)


def _offsets(width: float) -> list[tuple[float, float]]:
    """The places around a point, the best first: right above, left above, right below, left below, above, below."""
    return [(9, -8), (-9 - width, -8), (9, 16), (-9 - width, 16), (-width / 2, -14), (-width / 2, 24)]
