"""The grid of the joint model with a third trait: the luck of a training, as its late losses show it.

Two trainings of one network end with other accuracies, and with other training losses: measured on two recipes, the
noise of the accuracy and that of the late losses had correlations of -0.77 to -0.85. So luck is seen, and can be taken
off, also where losses tell nothing about architectures. But a placement may truly learn better late: on one of the two,
what late losses show beyond the first epoch hardly differed between architectures, on the other it did, and what seemed
lucky was good. That luck differs between architectures, with or without their gains, has three quarters of the weight.

Curve and luck are taken as independent: the luck is what a regression on the curve leaves. All combinations of the two
are some ten thousand cells, most of which explain nothing. Those that do are found by walking uphill from a few
(:mod:`search.model.joint_walk`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from search.model.joint_evidence import Solved, entries
from search.model.joint_grid import (
    CURVE_RATIOS,
    GENETIC,
    OF_ACCURACY,
    RATIOS,
    RESIDUAL,
    RESIDUAL_OF_NOTHING,
    Cells,
    JointGrid,
    Shares,
    pairs,
    rounded,
)
from search.model.joint_walk import Lattice, walk
from search.model.linear_model import Array, Integers

# tau / sigma of the luck and its correlation with accuracy across architectures, with prior weights. Of two real
# tables, one has next to no luck of architectures (0.2), in the other it is large (0.7) and goes with accuracy.
OF_LUCK = {
    (0.0, 0.0): 0.25,
    (0.28, 0.0): 0.1,
    (0.28, -0.8): 0.2,
    (0.28, 0.5): 0.05,
    (0.88, 0.0): 0.1,
    (0.88, -0.8): 0.3,
}
LUCK_RATIOS = (0.0, 0.28, 0.88)
# The correlation of its noise with that of the accuracy, with prior weights.
SHARED = {-0.9: 0.2, -0.75: 0.2, -0.5: 0.15, 0.0: 0.4, 0.4: 0.05}
# Correlation matrices must leave at least this share of the variance of the noise of accuracy.
LEAST_NOISE = 0.02
# The axes of the lattice that have no order: shares, and kinds of luck.
SHARE_AXIS, LUCK_AXIS = 0, 5
# The walk starts at every share and tau / sigma of accuracy, and of the other axes at these values.
FIRST_RATIO, FIRST_GENETIC, FIRST_RESIDUAL, FIRST_SHARED = 1.4, (-0.8, 0.0), (-0.6, 0.0), (-0.75, 0.0)
FIRST_LUCK = ((0.0, 0.0), (0.28, -0.8), (0.88, -0.8))


def choices(n_traits: int, n_curve: int) -> list[tuple[int, ...]]:
    """Which sides are the traits beside accuracy: one of the curve; with three traits also what is luck beside it."""
    return [(trait,) if n_traits == 2 else (trait, n_curve + trait) for trait in range(n_curve)]


def with_luck(solved: Solved, sigmas: Array, pair: JointGrid, n_curve: int) -> JointGrid:
    """The likely cells of the grid of accuracy, curve and luck.

    ``pair`` is the grid of accuracy and curve; ``solved`` has ``n_curve`` curve traits, then the luck beside each. It
    is ``pair`` itself if no correlations with curve and luck can both be true.
    """
    every = combinations(len(pair.shares))
    if not len(every.first):
        return pair
    grid = _all_cells(tuple(pair.shares))
    of_traits = choices(3, n_curve)

    def evidence(places: Integers) -> Array:
        """Of each place with its likeliest trait, at the likeliest sigma."""
        found = entries(solved, grid.of(places), of_traits).best_evidence(sigmas)
        best: Array = found.reshape(n_curve, -1).max(axis=0)
        return best

    return grid.of(walk(every.lattice, every.first, evidence))


@lru_cache(maxsize=4)
def _all_cells(shares: tuple[Shares, ...]) -> JointGrid:
    """The grid of all combinations."""
    return combinations(len(shares)).grid(shares)


@dataclass(frozen=True)
class Combinations:
    """Every cell of accuracy and curve with every cell of accuracy and luck, as arrays over places of a lattice.

    ``share`` are places in a list of shares; ``ratio`` is tau / sigma of accuracy, ``curve_ratio`` and ``luck_ratio``
    those of the traits. ``genetic`` and ``luck_genetic`` are the correlations of gains with accuracy, ``residual`` and
    ``shared`` those of the noise. ``log_prior`` is -inf where they cannot all be true.
    """

    shape: tuple[int, ...]
    share: Integers
    ratio: Array
    curve_ratio: Array
    genetic: Array
    residual: Array
    luck_ratio: Array
    luck_genetic: Array
    shared: Array
    log_prior: Array

    @cached_property
    def lattice(self) -> Lattice:
        """The places, and which of them are neighbours."""
        return Lattice(self.shape, np.isfinite(self.log_prior), unordered=(SHARE_AXIS, LUCK_AXIS))

    @cached_property
    def first(self) -> Integers:
        """The places where a walk starts."""
        kinds = list(OF_LUCK)
        luck = np.indices(self.shape)[LUCK_AXIS].ravel()
        start = self.lattice.is_possible & np.isin(luck, [kinds.index(kind) for kind in FIRST_LUCK])
        start &= self.curve_ratio == FIRST_RATIO
        start &= np.isin(self.genetic, FIRST_GENETIC) & np.isin(self.residual, FIRST_RESIDUAL)
        return np.flatnonzero(start & np.isin(self.shared, FIRST_SHARED))

    def grid(self, shares: Sequence[Shares]) -> JointGrid:
        """The cells of all places; those that are impossible have no weight."""
        is_possible = self.lattice.is_possible
        # Correlations that cannot all be true make no covariance.
        genetic = _with_third(pairs(self.genetic), np.where(is_possible, self.luck_genetic, 0.0))
        residual = _with_third(pairs(self.residual), np.where(is_possible, self.shared, 0.0))
        ratios = np.column_stack([self.ratio, self.curve_ratio, self.luck_ratio])
        cells = Cells(self.share, ratios, genetic, residual, self.log_prior)
        return rounded(cells, shares, RATIOS, [CURVE_RATIOS, LUCK_RATIOS])


@lru_cache(maxsize=4)
def combinations(n_shares: int) -> Combinations:
    """All combinations. The prior of accuracy and curve is the same as without luck.

    What correlations with the luck make impossible is left to other luck, not to other curves.
    """
    axes = (range(n_shares), OF_ACCURACY, CURVE_RATIOS, GENETIC, RESIDUAL, OF_LUCK, SHARED)
    shape = tuple(len(axis) for axis in axes)
    share, accuracy, curve, genetic_at, residual_at, luck, shared_at = np.indices(shape).reshape(len(shape), -1)
    ratio, of_ratio = np.array(OF_ACCURACY)[accuracy].T
    genetic, residual, shared = (
        np.array(list(axis))[at] for axis, at in ((GENETIC, genetic_at), (RESIDUAL, residual_at), (SHARED, shared_at))
    )
    luck_ratio, luck_genetic = np.array(list(OF_LUCK))[luck].T
    # Where architectures do not differ in accuracy, nothing goes with their differences.
    of_genetic = np.where(ratio > 0, _weights(GENETIC, genetic_at), genetic == 0)
    of_nothing = np.array([RESIDUAL_OF_NOTHING[one] for one in RESIDUAL])[residual_at]
    of_residual = np.where(genetic == 0, of_nothing, _weights(RESIDUAL, residual_at))
    is_possible = _possible(genetic, luck_genetic, residual, shared) & ((ratio > 0) | (luck_genetic == 0))
    of_luck = np.where(is_possible, _weights(OF_LUCK, luck) * _weights(SHARED, shared_at), 0.0)
    each = len(OF_LUCK) * len(SHARED)  # the last two axes
    total = of_luck.reshape(-1, each).sum(axis=1).repeat(each)
    prior = of_ratio * of_genetic * of_residual * of_luck / np.where(total > 0, total, 1.0)
    log_prior = np.log(prior, out=np.full(len(prior), -np.inf), where=prior > 0)
    return Combinations(
        shape,
        share,
        ratio,
        np.array(CURVE_RATIOS)[curve],
        genetic,
        residual,
        luck_ratio,
        luck_genetic,
        shared,
        log_prior,
    )


def _weights(axis: dict[float, float] | dict[tuple[float, float], float], at: Integers) -> Array:
    found: Array = np.array(list(axis.values()))[at]
    return found


def _possible(genetic: Array, luck_genetic: Array, residual: Array, shared: Array) -> NDArray[np.bool_]:
    """Whether two traits that are independent of each other can have these correlations with accuracy."""
    found: NDArray[np.bool_] = residual**2 + shared**2 <= 1 - LEAST_NOISE
    return found & (genetic**2 + luck_genetic**2 <= 1)


def _with_third(pairs: Array, correlations: Array) -> Array:
    """Correlation matrices (cells, 3, 3): a third trait has these correlations with the first, none with the second."""
    found = np.tile(np.eye(3), (len(pairs), 1, 1))
    found[:, :2, :2] = pairs
    found[:, 0, 2] = found[:, 2, 0] = correlations
    return found
