"""What the model takes of the trainings: architecture, block and accuracy of each that finished."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.model.linear_model import Array, Integers

# Architecture number, block and accuracy of one training.
Row = tuple[int, int, float]


@dataclass(frozen=True)
class Observation:
    """One finished training: architecture number (0 is plain), block, accuracy in percent."""

    architecture: int
    block: int
    accuracy: float


@dataclass(frozen=True)
class Observations:
    """Observations as arrays of equal length."""

    architecture: Integers
    block: Integers
    accuracy: Array

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> "Observations":
        return cls.of_rows([(o.architecture, o.block, o.accuracy) for o in observations])

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "Observations":
        architecture, block, accuracy = np.array(rows, dtype=np.float64).T
        return cls(architecture.astype(np.int64), block.astype(np.int64), accuracy)

    def first(self, count: int) -> "Observations":
        """The first ``count`` observations."""
        return Observations(self.architecture[:count], self.block[:count], self.accuracy[:count])
