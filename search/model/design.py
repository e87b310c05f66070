"""The trainings as arrays, and the columns of the linear model: blocks, mean gain, features, stages within blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.model.features import Features
from search.model.hyperparameters import Hyperparameters
from search.model.linear_model import Array, Integers
from search.model.observations import Observations

# Prior deviation of the level of a block around the median of all accuracies, in multiples of sigma.
BLOCK_SCALE = 100.0
# Prior deviation of the change of a stage's effect from block to block, in multiples of tau.
BLOCK_STAGE_SCALE = 0.25
# Stages have effects of their own in this many blocks: over more blocks they average out, and each costs columns.
BLOCKS_APART = 8


@dataclass(frozen=True)
class Design:
    """``x`` (trainings, columns) is the design matrix. ``architecture`` and ``block`` (trainings,) are places.

    They are places in ``numbers``, the numbers of the trained architectures and plain, and in ``blocks``.
    """

    features: Features
    numbers: Sequence[int]
    architecture: Integers
    blocks: Sequence[int]
    block: Integers
    x: Array

    @classmethod
    def of(cls, seen: Observations, features: Features) -> "Design":
        numbers: Integers = np.unique(np.append(seen.architecture, 0))
        blocks, block = np.unique(seen.block, return_inverse=True)
        x = _columns(seen.architecture, block, len(blocks), features)
        place: Integers = np.searchsorted(numbers, seen.architecture)
        return cls(features, numbers.tolist(), place, blocks.tolist(), block, x)

    def of_trainings(self, chosen: NDArray[np.bool_]) -> "Design":
        """The design of some of the trainings, with the same architectures, blocks and columns."""
        if chosen.all():
            return self
        return replace(self, architecture=self.architecture[chosen], block=self.block[chosen], x=self.x[chosen])

    @property
    def own(self) -> Array:
        """(architectures,): 1 for those with a term of their own, 0 for plain."""
        own: Array = (np.array(self.numbers) != 0).astype(float)
        return own

    @property
    def n_blocks(self) -> int:
        return len(self.blocks)

    @property
    def n_features(self) -> int:
        return int(self.features.matrix.shape[1])

    def direct(self) -> Array:
        """The matrix (architectures, columns) from coefficients to gains; levels of blocks have no part in a gain."""
        first = self.n_blocks + 1
        direct = np.zeros((len(self.numbers), self.x.shape[1]))
        direct[:, self.n_blocks] = self.own
        direct[:, first : first + self.n_features] = self.features.matrix[self.numbers]
        return direct

    def scale(self, setting: Hyperparameters) -> Array:
        """Prior deviations (columns,) of the coefficients, in multiples of sigma."""
        n_rest = self.x.shape[1] - self.n_blocks - 1 - self.n_features
        structured = setting.tau_ratio * np.sqrt(1 - setting.own_share)
        parts = [
            np.full(self.n_blocks, BLOCK_SCALE),
            np.array([setting.mean_scale]),
            structured * self.features.scale(setting.covariate_share),
            np.full(n_rest, BLOCK_STAGE_SCALE * setting.tau_ratio),
        ]
        return np.concatenate(parts)

    def scales_without_mean(self, settings: Sequence[Hyperparameters]) -> Array:
        """Those of several settings (settings, columns), without that of the mean gain."""
        return np.delete([self.scale(setting) for setting in settings], self.n_blocks, axis=1)


def _columns(architectures: Integers, block: Integers, n_blocks: int, features: Features) -> Array:
    """The design matrix (trainings, columns)."""
    effects = np.column_stack([architectures != 0, features.matrix[architectures]])
    stages = _block_stages(architectures, block, n_blocks, features)
    return np.column_stack([np.eye(n_blocks)[block], effects, *stages])


def _block_stages(architectures: Integers, block: Integers, n_blocks: int, features: Features) -> list[Array]:
    """A column for each stage in each of the first blocks; none if there is only one block."""
    stages = [i for i, column in enumerate(features.columns) if column[0] == "stage"]
    if n_blocks < 2:
        return []
    rows = features.matrix[architectures][:, stages]
    return [rows * (block == b)[:, None] for b in range(n_blocks)[:BLOCKS_APART]]
