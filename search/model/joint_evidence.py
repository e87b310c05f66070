"""How well each cell of the joint grid explains accuracies and one or two traits of the curve.

The noise deviation of accuracy is on a grid, as in the model of accuracy alone. Those of the traits are integrated out
by Laplace's method, under a prior that is flat in their logarithms; the exponent is quadratic in their inverses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.model.joint_grid import JointGrid
from search.model.linear_model import Array, Integers

# Cells whose evidence is below the best by this factor are left out.
HOPELESS = 1e-5
# The sides of the solved problems: accuracy, "has SE", then the traits.
ACCURACY, HAS_SE, FIRST_TRAIT = 0, 1, 2
# Passes over the deviations of several traits until they are the likeliest together. One pass is exact for one trait.
PASSES = 3


@dataclass(frozen=True)
class Solved:
    """What the solved ratios leave of the sides: ``power`` (shares, ratios, sides, sides) and ``log_det``.

    ``freedom`` is the number of trainings less that of blocks, whose levels have flat priors.
    """

    power: Array
    log_det: Array
    freedom: int


@dataclass(frozen=True)
class Entries:
    """Pairs of a choice of traits and a cell, as arrays over entries. Accuracy is the first trait.

    ``traits`` (entries, traits - 1) are places of the curve traits. In multiples of the noise deviations: ``power``
    (entries, traits, traits) is what they leave, ``mean_of`` (entries, traits, traits) gives the mean gains of SE in
    each from all of them, ``mean_covariance`` is theirs. ``log`` (entries,) is the log evidence without what depends on
    the deviations. ``freedoms`` are those of the traits.
    """

    traits: Integers
    cell: Integers
    power: Array
    mean_of: Array
    mean_covariance: Array
    log: Array
    freedoms: tuple[int, ...]

    def of(self, chosen: Integers) -> "Entries":
        return Entries(
            self.traits[chosen],
            self.cell[chosen],
            self.power[chosen],
            self.mean_of[chosen],
            self.mean_covariance[chosen],
            self.log[chosen],
            self.freedoms,
        )

    def scales(self, scale: Array) -> list[Array]:
        """1 / deviation of all traits, each (entries, ...) like ``scale``, which is that of accuracy.

        Those of the others are the likeliest.
        """
        found = [scale]
        for other in range(1, len(self.freedoms)):
            alone = np.sqrt(self.freedoms[other] / self.power[:, other, other])
            found.append(np.broadcast_to(_like(alone, scale), scale.shape))
        for _ in range(PASSES if len(found) > 2 else 1):
            for other in range(1, len(found)):
                found[other] = self._likeliest(other, found)
        return found

    def _likeliest(self, trait: int, scales: Sequence[Array]) -> Array:
        """The likeliest 1 / deviation of a trait, given those of the others."""
        own = _like(self.power[:, trait, trait], scales[0])
        cross = sum(
            (_like(self.power[:, trait, other], scale) * scale for other, scale in enumerate(scales) if other != trait),
            np.zeros(()),
        )
        found: Array = (np.sqrt(cross**2 + 4 * own * self.freedoms[trait]) - cross) / (2 * own)
        return found

    def curvature(self, scales: Sequence[Array]) -> Array:
        """Minus the second derivatives of the log evidence in the logarithms of other scales: (entries, ..., n, n)."""
        n = len(scales) - 1
        found = np.empty((*scales[0].shape, n, n))
        for i, j in np.ndindex(n, n):
            found[..., i, j] = _like(self.power[:, i + 1, j + 1], scales[0]) * scales[i + 1] * scales[j + 1]
            if i == j:
                found[..., i, j] += self.freedoms[i + 1]
        return found

    def evidence(self, scale: Array) -> Array:
        """Log evidence (entries, ...) for 1 / deviation of accuracy."""
        scales = self.scales(scale)
        log = _like(self.log, scale) + np.zeros(scale.shape)
        for i, one in enumerate(scales):
            log += self.freedoms[i] * np.log(one) - 0.5 * _like(self.power[:, i, i], scale) * one**2
            for j in range(i):
                log -= _like(self.power[:, i, j], scale) * one * scales[j]
        found: Array = log - 0.5 * np.log(_determinant(self.curvature(scales)))
        return found

    def best_scale(self) -> Array:
        """About the likeliest 1 / deviation of accuracy (entries,)."""
        yy, yc, cc = self.power[:, 0, 0], self.power[:, 0, 1], self.power[:, 1, 1]
        found: Array = np.sqrt(self.freedoms[0] / (1 + yc / np.sqrt(yy * cc)) / yy)
        for _ in range(PASSES if len(self.freedoms) > 2 else 0):
            found = self._likeliest(0, self.scales(found))
        return found


def _like(values: Array, scale: Array) -> Array:
    """Values (entries,) in a shape that goes with a scale (entries, ...)."""
    return values.reshape(-1, *[1] * (scale.ndim - 1))


def _determinant(matrices: Array) -> Array:
    """Of matrices (..., 1, 1) or (..., 2, 2)."""
    found: Array = matrices[..., 0, 0]
    if matrices.shape[-1] == 2:
        found = found * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]
    return found


def entries(solved: Solved, grid: JointGrid, choices: Sequence[tuple[int, ...]]) -> Entries:
    """Every choice of traits with every cell. The evidence is that of the accuracies given the traits."""
    cells = _Cells(solved, grid)
    parts = [_of_traits(solved, grid, cells, traits) for traits in choices]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Entries(
        joined("traits"),
        joined("cell"),
        joined("power"),
        joined("mean_of"),
        joined("mean_covariance"),
        joined("log"),
        (solved.freedom,) * grid.n_traits,
    )


def weigh(found: Entries, sigmas: Array) -> tuple[Entries, Array]:
    """The entries that are not hopeless, and weights (entries, sigmas) of them that sum to 1."""
    scales = 1 / sigmas
    best = best_evidence(found, sigmas)
    kept = found.of(np.flatnonzero(best > best.max() + np.log(HOPELESS)))
    log = kept.evidence(np.broadcast_to(scales, (len(kept.cell), len(scales))))
    weights = np.exp(log - log.max())
    return kept, weights / weights.sum()


def best_evidence(found: Entries, sigmas: Array) -> Array:
    """Log evidence (entries,) at the likeliest noise deviation of accuracy that lies between the ``sigmas``."""
    return found.evidence(np.clip(found.best_scale(), 1 / sigmas.max(), 1 / sigmas.min()))


class _Cells:
    """What does not depend on the curve traits, computed once for all choices of them."""

    def __init__(self, solved: Solved, grid: JointGrid) -> None:
        self._solved = solved
        self._place = grid.share[:, None] * len(grid.ratios) + grid.ratio  # (cells, canonical)
        self.n_traits = grid.n_traits
        turn = grid.to_canonical
        self._turn = {(i, j): turn[:, :, i] * turn[:, :, j] for i, j in np.ndindex(self.n_traits, self.n_traits)}
        prior = 1 / (1 + grid.tau_ratio**2)
        precision = self.all_turned([HAS_SE] * self.n_traits)
        places = range(self.n_traits)
        precision[:, places, places] += prior
        self.covariance: Array = np.linalg.inv(precision).astype(np.float64, copy=False)
        self.log = grid.log_prior - 0.5 * solved.log_det.ravel()[self._place].sum(axis=1)
        self.log -= 0.5 * solved.freedom * np.log(np.linalg.det(grid.residual))
        self.log += 0.5 * np.log(prior.prod(axis=1) * np.linalg.det(self.covariance))

    def turned(self, one: int, other: int, side: int, other_side: int) -> Array:
        """The sum over canonical traits of a product of two sides, each weighted by its part in them: (cells,)."""
        product = self._solved.power[:, :, side, other_side].ravel()[self._place]
        found: Array = (self._turn[one, other] * product).sum(axis=1)
        return found

    def all_turned(self, sides: Sequence[int], other_sides: Sequence[int] | None = None) -> Array:
        """The same for a side of each trait, with each other's: (cells, traits, traits)."""
        found = np.empty((len(self._place), self.n_traits, self.n_traits))
        for i, j in np.ndindex(self.n_traits, self.n_traits):
            if other_sides is None and j < i:
                found[:, i, j] = found[:, j, i]
            else:
                found[:, i, j] = self.turned(i, j, sides[i], (other_sides or sides)[j])
        return found


def _of_traits(solved: Solved, grid: JointGrid, cells: _Cells, traits: tuple[int, ...]) -> Entries:
    sides = [ACCURACY, *(FIRST_TRAIT + trait for trait in traits)]
    left = cells.all_turned(sides)
    towards = cells.all_turned([HAS_SE] * len(sides), sides)
    mean_of = cells.covariance @ towards
    left -= towards.transpose(0, 2, 1) @ mean_of
    log = cells.log.copy()
    for side, ratios in zip(sides[1:], grid.trait_ratios, strict=True):
        log -= _evidence_of_trait(solved, grid, side, ratios)
    n = len(log)
    freedoms = (solved.freedom,) * len(sides)
    return Entries(np.tile(traits, (n, 1)), np.arange(n), left, mean_of, cells.covariance, log, freedoms)


def _evidence_of_trait(solved: Solved, grid: JointGrid, side: int, ratios: Sequence[float]) -> float:
    """Log evidence of a trait alone, averaged over the ratios that the grid has for it."""
    places = [grid.ratios.index(ratio) for ratio in ratios]
    power, log_det = solved.power[:, places], solved.log_det[:, places]
    prior = 1 / (1 + np.array(ratios) ** 2)
    precision = power[:, :, HAS_SE, HAS_SE] + prior
    left = power[:, :, side, side] - power[:, :, HAS_SE, side] ** 2 / precision
    log = -0.5 * log_det + 0.5 * np.log(prior / precision) - 0.5 * solved.freedom * np.log(left)
    return float(np.logaddexp.reduce(log.ravel()))
