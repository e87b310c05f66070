"""How well each cell of the joint grid explains accuracies and a trait of the curve.

The noise deviation of accuracy is on a grid, as in the model of accuracy alone. That of the trait is integrated out by
Laplace's method, under a prior that is flat in its logarithm; the exponent is quadratic in its inverse.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from search.model.joint_grid import JointGrid
from search.model.linear_model import Array, Integers

# Cells whose evidence is below the best by this factor are left out.
HOPELESS = 1e-5
# The sides of the solved problems: accuracy, "has SE", then the traits.
ACCURACY, HAS_SE, FIRST_TRAIT = 0, 1, 2
PAIRS = ((0, 0), (0, 1), (1, 1))


@dataclass(frozen=True)
class Solved:
    """What the solved ratios leave of the sides: ``power`` (shares, ratios, sides, sides) and ``log_det``.

    ``freedom`` is the number of trainings less that of blocks, whose levels have flat priors.
    """

    power: Array
    log_det: Array
    freedom: int

    @property
    def n_traits(self) -> int:
        return int(self.power.shape[-1]) - FIRST_TRAIT


@dataclass(frozen=True)
class Entries:
    """Pairs of a trait and a cell, as arrays over entries.

    In multiples of the noise deviations: ``power`` (entries, 2, 2) is what accuracy and trait leave, ``mean_of``
    (entries, 2, 2) gives the mean gains of SE in the two from accuracy and trait, ``mean_covariance`` is theirs.
    ``log`` (entries,) is the log evidence without what depends on the deviations. ``freedoms`` are those of accuracy
    and trait.
    """

    trait: Integers
    cell: Integers
    power: Array
    mean_of: Array
    mean_covariance: Array
    log: Array
    freedoms: tuple[int, int]

    def of(self, chosen: Integers) -> "Entries":
        return Entries(
            self.trait[chosen],
            self.cell[chosen],
            self.power[chosen],
            self.mean_of[chosen],
            self.mean_covariance[chosen],
            self.log[chosen],
            self.freedoms,
        )

    def trait_scale(self, scale: Array) -> Array:
        """The likeliest 1 / deviation of the trait, given that of accuracy: (entries, ...) like ``scale``."""
        own, cross = (self.power[:, 1, i].reshape(-1, *[1] * (scale.ndim - 1)) for i in (1, 0))
        cross = cross * scale
        found: Array = (np.sqrt(cross**2 + 4 * own * self.freedoms[1]) - cross) / (2 * own)
        return found

    def evidence(self, scale: Array) -> Array:
        """Log evidence (entries, ...) for 1 / deviation of accuracy."""
        one = [1] * (scale.ndim - 1)
        yy, yc, cc = (self.power[:, i, j].reshape(-1, *one) for i, j in ((0, 0), (0, 1), (1, 1)))
        other = self.trait_scale(scale)
        squares = yy * scale**2 + 2 * yc * scale * other + cc * other**2
        curvature = self.freedoms[1] + cc * other**2
        of_accuracy, of_trait = self.freedoms
        log = self.log.reshape(-1, *one) + of_accuracy * np.log(scale) + of_trait * np.log(other) - 0.5 * squares
        found: Array = log - 0.5 * np.log(curvature)
        return found

    def best_scale(self) -> Array:
        """The likeliest 1 / deviation of accuracy (entries,)."""
        yy, yc, cc = self.power[:, 0, 0], self.power[:, 0, 1], self.power[:, 1, 1]
        found: Array = np.sqrt(self.freedoms[0] / (1 + yc / np.sqrt(yy * cc)) / yy)
        return found


def entries(solved: Solved, grid: JointGrid) -> Entries:
    """Every trait with every cell. The evidence is that of the accuracies given the trait."""
    cells = _Cells(solved, grid)
    parts = [_of_trait(solved, grid, cells, trait) for trait in range(solved.n_traits)]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Entries(
        joined("trait"),
        joined("cell"),
        joined("power"),
        joined("mean_of"),
        joined("mean_covariance"),
        joined("log"),
        (solved.freedom, solved.freedom),
    )


def weigh(found: Entries, sigmas: Array) -> tuple[Entries, Array]:
    """The entries that are not hopeless, and weights (entries, sigmas) of them that sum to 1."""
    scales = 1 / sigmas
    best = found.evidence(np.clip(found.best_scale(), scales.min(), scales.max()))
    kept = found.of(np.flatnonzero(best > best.max() + np.log(HOPELESS)))
    log = kept.evidence(np.broadcast_to(scales, (len(kept.cell), len(scales))))
    weights = np.exp(log - log.max())
    return kept, weights / weights.sum()


class _Cells:
    """What does not depend on the trait, computed once: the place of each cell among the solved problems, and more."""

    def __init__(self, solved: Solved, grid: JointGrid) -> None:
        self._solved = solved
        self._place = grid.share[:, None] * len(grid.ratios) + grid.ratio  # (cells, canonical)
        turn = grid.to_canonical
        self._turn = {(i, j): turn[:, :, i] * turn[:, :, j] for i, j in PAIRS}
        self._turn[1, 0] = self._turn[0, 1]
        prior = 1 / (1 + grid.tau_ratio**2)
        first, between, second = (self.turned(i, j, HAS_SE, HAS_SE) for i, j in PAIRS)
        first, second = first + prior[:, 0], second + prior[:, 1]
        determinant = first * second - between**2
        self.covariance = _symmetric(second / determinant, -between / determinant, first / determinant)
        self.accuracy = self.turned(0, 0, ACCURACY, ACCURACY)
        self.mean_accuracy = [self.turned(i, 0, HAS_SE, ACCURACY) for i in range(2)]
        self.log = grid.log_prior - 0.5 * solved.log_det.ravel()[self._place].sum(axis=1)
        self.log -= 0.5 * solved.freedom * np.log1p(-(grid.residual**2))
        self.log += 0.5 * np.log(prior.prod(axis=1) / determinant)

    def turned(self, one: int, other: int, side: int, other_side: int) -> Array:
        """The sum over canonical traits of a product of two sides, each weighted by its part in them: (cells,)."""
        product = self._solved.power[:, :, side, other_side].ravel()[self._place]
        found: Array = (self._turn[one, other] * product).sum(axis=1)
        return found


def _of_trait(solved: Solved, grid: JointGrid, cells: _Cells, trait: int) -> Entries:
    side = FIRST_TRAIT + trait
    left = _symmetric(cells.accuracy, cells.turned(0, 1, ACCURACY, side), cells.turned(1, 1, side, side))
    towards = np.empty_like(left)
    for i in range(2):
        towards[:, i, 0] = cells.mean_accuracy[i]
        towards[:, i, 1] = cells.turned(i, 1, HAS_SE, side)
    mean_of = cells.covariance @ towards
    left -= towards.transpose(0, 2, 1) @ mean_of
    log = cells.log - _evidence_of_trait(solved, grid, side)
    n = len(log)
    return Entries(np.full(n, trait), np.arange(n), left, mean_of, cells.covariance, log, (solved.freedom,) * 2)


def _symmetric(first: Array, between: Array, second: Array) -> Array:
    """Symmetric matrices (cells, 2, 2)."""
    found = np.empty((len(first), 2, 2))
    found[:, 0, 0], found[:, 1, 1] = first, second
    found[:, 0, 1] = found[:, 1, 0] = between
    return found


def _evidence_of_trait(solved: Solved, grid: JointGrid, side: int) -> float:
    """Log evidence of the trait alone, averaged over the ratios that the grid has for it."""
    places = [grid.ratios.index(ratio) for ratio in grid.trait_ratios]
    power, log_det = solved.power[:, places], solved.log_det[:, places]
    prior = 1 / (1 + np.array(grid.trait_ratios) ** 2)
    precision = power[:, :, HAS_SE, HAS_SE] + prior
    left = power[:, :, side, side] - power[:, :, HAS_SE, side] ** 2 / precision
    log = -0.5 * log_det + 0.5 * np.log(prior / precision) - 0.5 * solved.freedom * np.log(left)
    return float(np.logaddexp.reduce(log.ravel()))
