"""How well each cell of the joint grid explains accuracies and one or two traits of the curve.

The noise deviation of accuracy is on a grid, as in the model of accuracy alone. Those of the traits are integrated out
by Laplace's method, under a prior that is flat in their logarithms; the exponent is quadratic in their inverses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from search.model.joint_grid import JointGrid
from search.model.linear_model import Array, Integers
from search.model.small_matrices import determinant, inverse

# Cells whose evidence is below the best by this factor are left out.
HOPELESS = 1e-5
# The sides of the solved problems: accuracy, "has SE", then the traits.
ACCURACY, HAS_SE, FIRST_TRAIT = 0, 1, 2
# Passes over the deviations of several traits until they are the likeliest together. One pass is exact for one trait.
PASSES = 3
# The same for the deviation of accuracy, too.
PASSES_OF_ALL = 4


@dataclass(frozen=True)
class Solved:
    """What the solved ratios leave of the sides: ``power`` (shares, ratios, sides, sides) and ``log_det``.

    ``freedom`` is the number of trainings less that of blocks, whose levels have flat priors.
    """

    power: Array
    log_det: Array
    freedom: int
    _of_traits: dict[tuple[int, tuple[float, ...]], float] = field(default_factory=dict)

    def evidence_of_trait(self, side: int, places: Sequence[int], ratios: Sequence[float]) -> float:
        """Log evidence of a trait alone, averaged over the ``ratios`` that the grid has for it, at these ``places``.

        It is the same for all cells, and remembered.
        """
        key = side, tuple(ratios)
        if key not in self._of_traits:
            power, log_det = self.power[:, places], self.log_det[:, places]
            prior = 1 / (1 + np.array(ratios) ** 2)
            precision = power[:, :, HAS_SE, HAS_SE] + prior
            left = power[:, :, side, side] - power[:, :, HAS_SE, side] ** 2 / precision
            log = -0.5 * log_det + 0.5 * np.log(prior / precision) - 0.5 * self.freedom * np.log(left)
            self._of_traits[key] = float(np.logaddexp.reduce(log.ravel()))
        return self._of_traits[key]


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
            self.traits.take(chosen, axis=0),
            self.cell.take(chosen, axis=0),
            self.power.take(chosen, axis=0),
            self.mean_of.take(chosen, axis=0),
            self.mean_covariance.take(chosen, axis=0),
            self.log.take(chosen, axis=0),
            self.freedoms,
        )

    @cached_property
    def _columns(self) -> Array:
        """``power`` as (traits, traits, entries)."""
        return np.ascontiguousarray(self.power.transpose(1, 2, 0))

    def _power(self, scale: Array) -> Array:
        """``power`` as (traits, traits, entries, ...) that goes with a scale (entries, ...)."""
        return self._columns.reshape(*self._columns.shape, *[1] * (scale.ndim - 1))

    def scales(self, scale: Array) -> list[Array]:
        """1 / deviation of all traits, each (entries, ...) like ``scale``, which is that of accuracy.

        Those of the others are the likeliest.
        """
        power = self._power(scale)
        others = [np.broadcast_to(alone, scale.shape) for alone in self._alone(power)[1:]]
        return self._given(scale, others, PASSES if len(others) > 1 else 1)

    def _given(self, scale: Array, others: Sequence[Array], passes: int) -> list[Array]:
        """The same, from values of the others that are nearly the likeliest."""
        power = self._power(scale)
        found = [scale, *others]
        for _ in range(passes):
            for other in range(1, len(found)):
                found[other] = self._likeliest(power, other, found)
        return found

    def _alone(self, power: Array) -> list[Array]:
        """The likeliest 1 / deviation of every trait if the others did not matter."""
        return [np.sqrt(freedom / power[trait, trait]) for trait, freedom in enumerate(self.freedoms)]

    def _likeliest(self, power: Array, trait: int, scales: Sequence[Array]) -> Array:
        """The likeliest 1 / deviation of a trait, given those of the others."""
        others = [other for other in range(len(scales)) if other != trait]
        half = power[trait, others[0]] * scales[others[0]]
        for other in others[1:]:
            half += power[trait, other] * scales[other]
        half *= 0.5
        found: Array = np.sqrt(half**2 + power[trait, trait] * self.freedoms[trait])
        found -= half
        found /= power[trait, trait]
        return found

    def curvature(self, scales: Sequence[Array]) -> Array:
        """Minus the second derivatives of the log evidence in the logarithms of other scales: (n, n, entries, ...)."""
        n = len(scales) - 1
        found = np.empty((n, n, *scales[0].shape))
        power = self._power(scales[0])
        for i in range(n):
            for j in range(i + 1):
                found[i, j] = power[i + 1, j + 1] * scales[i + 1]
                found[i, j] *= scales[j + 1]
                found[j, i] = found[i, j]
            found[i, i] += self.freedoms[i + 1]
        return found

    def evidence(self, scale: Array) -> Array:
        """Log evidence (entries, ...) for 1 / deviation of accuracy."""
        return self._evidence(self.scales(scale))

    def _evidence(self, scales: Sequence[Array]) -> Array:
        """The same for 1 / deviation of all traits."""
        power, scale = self._power(scales[0]), scales[0]
        log = self.log.reshape(power.shape[2:]) + np.zeros(scale.shape)
        for i, one in enumerate(scales):
            log += self.freedoms[i] * np.log(one)
            towards = 0.5 * power[i, i] * one
            for j in range(i):
                towards += power[i, j] * scales[j]
            log -= towards * one
        found: Array = log - 0.5 * np.log(determinant(self.curvature(scales)))
        return found

    def best_evidence(self, sigmas: Array) -> Array:
        """Log evidence (entries,) at the likeliest noise deviation of accuracy that lies between the ``sigmas``."""
        found = self._alone(self._columns)
        for _ in range(PASSES_OF_ALL):
            for trait in range(len(found)):
                found[trait] = self._likeliest(self._columns, trait, found)
        inside = np.clip(found[ACCURACY], 1 / sigmas.max(), 1 / sigmas.min())
        return self._evidence(self._given(inside, found[1:], 1))


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
    best = found.best_evidence(sigmas)
    kept = found.of(np.flatnonzero(best > best.max() + np.log(HOPELESS)))
    log = kept.evidence(np.broadcast_to(scales, (len(kept.cell), len(scales))))
    weights = np.exp(log - log.max())
    return kept, weights / weights.sum()


class _Cells:
    """What does not depend on the curve traits, computed once for all choices of them."""

    def __init__(self, solved: Solved, grid: JointGrid) -> None:
        self._place = grid.share[:, None] * len(grid.ratios) + grid.ratio  # (cells, canonical)
        self._power = solved.power.reshape(-1, *solved.power.shape[2:])
        self.n_traits = grid.n_traits
        turn = grid.to_canonical
        self._turn = turn[:, :, :, None] * turn[:, :, None, :]  # (cells, canonical, traits, traits)
        prior = 1 / (1 + grid.tau_ratio**2)
        has_se = [HAS_SE] * self.n_traits
        precision = self.all_turned(has_se, has_se)
        places = range(self.n_traits)
        precision[:, places, places] += prior
        self.covariance = inverse(precision)
        self.log = grid.log_prior - 0.5 * solved.log_det.ravel()[self._place].sum(axis=1)
        self.log -= 0.5 * solved.freedom * np.log(determinant(np.moveaxis(grid.residual, 0, 2)))
        self.log += 0.5 * np.log(prior.prod(axis=1) / determinant(np.moveaxis(precision, 0, 2)))

    def all_turned(self, sides: Sequence[int], other_sides: Sequence[int]) -> Array:
        """For a side of each trait and another of each: the sum over canonical traits of the products of the two.

        Each is weighted by its part in the canonical traits: (cells, traits, traits).
        """
        products = self._power[:, np.array(sides)[:, None], np.array(other_sides)].take(self._place, axis=0)
        found: Array = np.einsum("ckij,ckij->cij", self._turn, products)
        return found


def _of_traits(solved: Solved, grid: JointGrid, cells: _Cells, traits: tuple[int, ...]) -> Entries:
    sides = [ACCURACY, *(FIRST_TRAIT + trait for trait in traits)]
    left = cells.all_turned(sides, sides)
    towards = cells.all_turned([HAS_SE] * len(sides), sides)
    mean_of = cells.covariance @ towards
    left -= towards.transpose(0, 2, 1) @ mean_of
    log = cells.log.copy()
    for side, ratios in zip(sides[1:], grid.trait_ratios, strict=True):
        log -= solved.evidence_of_trait(side, [grid.ratios.index(ratio) for ratio in ratios], ratios)
    n = len(log)
    freedoms = (solved.freedom,) * len(sides)
    return Entries(np.tile(traits, (n, 1)), np.arange(n), left, mean_of, cells.covariance, log, freedoms)
