"""What the model takes of the trainings: architecture, block, accuracy and loss curve of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.model.linear_model import Array, Integers

# Architecture number, block and accuracy of one training.
Row = tuple[int, int, float]
# The training loss of each epoch.
Losses = Sequence[float]


@dataclass(frozen=True)
class Observation:
    """One training: architecture number (0 is plain), block, accuracy in percent, its loss in each epoch.

    The accuracy of a training that paused after a few epochs is nan.
    """

    architecture: int
    block: int
    accuracy: float
    losses: Losses = ()


@dataclass(frozen=True)
class Observations:
    """Observations as arrays of equal length.

    ``losses`` (trainings, epochs) is nan after the last epoch of a training; it has no column if no curve is known.
    """

    architecture: Integers
    block: Integers
    accuracy: Array
    losses: Array

    @property
    def is_whole(self) -> NDArray[np.bool_]:
        """Which trainings have an accuracy."""
        return np.isfinite(self.accuracy)

    def chosen(self, which: NDArray[np.bool_]) -> "Observations":
        """Some of the observations."""
        return Observations(self.architecture[which], self.block[which], self.accuracy[which], self.losses[which])

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> "Observations":
        rows = [(o.architecture, o.block, o.accuracy) for o in observations]
        return cls.of_rows(rows, [o.losses for o in observations])

    @classmethod
    def of_rows(cls, rows: Sequence[Row], losses: Sequence[Losses] = ()) -> "Observations":
        """``losses``: the curve of each row, or nothing if none is known."""
        architecture, block, accuracy = np.array(rows, dtype=np.float64).T
        curves = _padded(losses) if losses else np.zeros((len(rows), 0))
        return cls(architecture.astype(np.int64), block.astype(np.int64), accuracy, curves)

    def first(self, count: int) -> "Observations":
        """The first ``count`` observations."""
        return Observations(self.architecture[:count], self.block[:count], self.accuracy[:count], self.losses[:count])


def _padded(losses: Sequence[Losses]) -> Array:
    padded = np.full((len(losses), max(len(curve) for curve in losses)), np.nan)
    for row, curve in zip(padded, losses, strict=True):
        row[: len(curve)] = curve
    return padded
