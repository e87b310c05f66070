"""Scales and axes of the drawings: from values to pixels, and round numbers along the way."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear map from values in [low, high] to pixels in [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(self.exact(value), 1)

    def exact(self, value: float) -> float:
        """The pixel before it is rounded: different values have different ones."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def value(self, pixel: float) -> float:
        """The value that is drawn at a pixel."""
        return self.low + (pixel - self.start) / (self.end - self.start) * (self.high - self.low)

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high

    def nearest(self, value: float) -> float:
        """The value itself, or the end of the axis beyond which it lies."""
        return min(max(value, self.low), self.high)

    def ticks(self) -> list[float]:
        """About six round numbers from low to high."""
        raw = (self.high - self.low) / 6
        power = 10 ** math.floor(math.log10(raw))
        step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= raw)
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]


@dataclass(frozen=True)
class Frame:
    """The size of a drawing in pixels, and the margins around its axes."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def inner_right(self) -> int:
        return self.width - self.right

    @property
    def inner_bottom(self) -> int:
        return self.height - self.bottom

    def x_scale(self, low: float, high: float) -> Scale:
        return Scale(low, high, self.left, self.inner_right)

    def y_scale(self, low: float, high: float) -> Scale:
        """Larger values are higher, and pixels are counted from the top."""
        return Scale(low, high, self.inner_bottom, self.top)


def padded(values: Iterable[float], *, empty: float = 0.5) -> tuple[float, float]:
    """The range of the values with 5 % of room on both sides; with ``empty`` on both sides if they are all equal."""
    known = list(values)
    low, high = min(known), max(known)
    room = 0.05 * (high - low) or empty
    return low - room, high + room
