"""The grid of the joint model with a third trait: the luck of a training, as its late losses show it.

Two trainings of one network end with other accuracies, and with other training losses: measured on two recipes, the
noise of the accuracy and what late losses show beyond early ones had correlations of -0.70 to -0.85. So luck is seen,
and can be taken off, also where losses tell nothing about architectures. But a placement may truly learn better late:
on one of the two, what late losses show beyond the first epoch hardly differed between architectures, on the other it
did, and what seemed lucky was good. Where the curve tells something, that luck differs between architectures, with or
without their gains, has three quarters of the weight; where it tells nothing, two fifths.

Curve and luck are taken as independent: the luck is what a regression on the curve leaves. All combinations of the two
are some fifty thousand cells, most of which explain nothing. Those that do are found by walking uphill from a few
(:mod:`search.model.joint_walk`).
"""

from dataclasses import dataclass, replace
from functools import lru_cache

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

# tau / sigma of the luck and its correlation with accuracy across architectures, with two prior weights: where the
# curve tells something, and where it tells nothing, because late losses then seldom tell more. Of the two real
# tables of that time, one has next to no luck of architectures (0.2), in the other it is large (1.3) and goes with
# accuracy (-0.7).
OF_LUCK = {
    (0.0, 0.0): (0.25, 0.58),
    (0.28, 0.0): (0.1, 0.17),
    (0.28, -0.8): (0.18, 0.05),
    (0.28, 0.5): (0.05, 0.02),
    (0.7, 0.0): (0.08, 0.08),
    (0.7, -0.8): (0.16, 0.04),
    (1.4, 0.0): (0.04, 0.02),
    (1.4, -0.6): (0.08, 0.02),
    (1.4, -0.8): (0.06, 0.02),
}
LUCK_RATIOS = tuple(sorted({ratio for ratio, _ in OF_LUCK}))
# The correlation of its noise with that of the accuracy, with prior weights.
SHARED = {-0.9: 0.2, -0.75: 0.2, -0.5: 0.15, 0.0: 0.4, 0.4: 0.05}
# Correlation matrices must leave at least this share of the variance of the noise of accuracy.
LEAST_NOISE = 0.02
# The axes of the lattice that have no order: shares, and kinds of luck.
SHARE_AXIS, LUCK_AXIS = 0, 5
# Axes that trade off against each other: the two tau / sigma, what goes with gains, and what goes with their noise.
TOGETHER = ((1, 2), (3, LUCK_AXIS), (4, 6))
# The walk starts at every share and tau / sigma of accuracy, and of the other axes at these values.
FIRST_RATIO, FIRST_GENETIC, FIRST_RESIDUAL, FIRST_SHARED = 1.4, (-0.8, 0.0), (-0.6, 0.0), (-0.75, 0.0)
FIRST_LUCK = ((0.0, 0.0), (0.28, -0.8), (0.7, -0.8), (1.4, -0.6))


def choices(n_traits: int, n_curve: int) -> list[tuple[int, ...]]:
    """Which sides are the traits beside accuracy: one of the curve; with three traits also what is luck beside it."""
    return [(trait,) if n_traits == 2 else (trait, n_curve + trait) for trait in range(n_curve)]


def with_luck(solved: Solved, sigmas: Array, pair: JointGrid, n_curve: int) -> JointGrid:
    """The likely cells of the grid of accuracy, curve and luck.

    ``pair`` is the grid of accuracy and curve; ``solved`` has ``n_curve`` curve traits, then the luck beside each. It
    is ``pair`` itself if no correlations with curve and luck can both be true.
    """
    every = combinations(tuple(pair.shares))
    if not len(every.first):
        return pair
    of_traits = choices(3, n_curve)

    def evidence(places: Integers) -> Array:
        """Of each place with its likeliest trait, at the likeliest sigma."""
        found = entries(solved, every.grid.of(places), of_traits).best_evidence(sigmas)
        best: Array = found.reshape(n_curve, -1).max(axis=0)
        return best

    return every.grid.of(walk(every.lattice, every.first, evidence, solved.freedom))


@dataclass(frozen=True)
class Combinations:
    """Every cell of accuracy and curve with every cell of accuracy and luck, as places of a lattice.

    ``first`` are the places where a walk starts.
    """

    grid: JointGrid
    lattice: Lattice
    first: Integers


@lru_cache(maxsize=4)
def combinations(shares: tuple[Shares, ...]) -> Combinations:
    """All combinations. The prior of accuracy and curve is the same as without luck.

    What correlations with the luck make impossible is left to other luck, not to other curves.
    """
    axes = (range(len(shares)), OF_ACCURACY, CURVE_RATIOS, GENETIC, RESIDUAL, OF_LUCK, SHARED)
    shape = tuple(len(axis) for axis in axes)
    share, accuracy, curve, genetic_at, residual_at, luck, shared_at = np.indices(shape).reshape(len(shape), -1)
    ratio, of_ratio = np.array(OF_ACCURACY)[accuracy].T
    genetic, residual, shared = (
        np.array(list(axis))[at] for axis, at in ((GENETIC, genetic_at), (RESIDUAL, residual_at), (SHARED, shared_at))
    )
    luck_ratio, luck_genetic = np.array(list(OF_LUCK))[luck].T
    is_possible = _possible(genetic, luck_genetic, residual, shared) & ((ratio > 0) | (luck_genetic == 0))
    # Correlations that cannot all be true make no covariance.
    cells = Cells(
        share,
        np.column_stack([ratio, np.array(CURVE_RATIOS)[curve], luck_ratio]),
        _with_third(pairs(genetic), np.where(is_possible, luck_genetic, 0.0)),
        _with_third(pairs(residual), np.where(is_possible, shared, 0.0)),
        np.where(is_possible, 0.0, -np.inf),
    )
    grid = rounded(cells, shares, RATIOS, [CURVE_RATIOS, LUCK_RATIOS])
    # Where architectures do not differ in accuracy, nothing goes with their differences.
    of_genetic = np.where(ratio > 0, _weights(GENETIC, genetic_at), genetic == 0)
    of_nothing = np.array([RESIDUAL_OF_NOTHING[one] for one in RESIDUAL])[residual_at]
    of_residual = np.where(genetic == 0, of_nothing, _weights(RESIDUAL, residual_at))
    of_luck = np.array(list(OF_LUCK.values()))[luck, (genetic == 0).astype(np.int64)] * _weights(SHARED, shared_at)
    of_luck[~np.isfinite(grid.log_prior)] = 0.0
    each = len(OF_LUCK) * len(SHARED)  # the last two axes
    total = of_luck.reshape(-1, each).sum(axis=1).repeat(each)
    prior = of_ratio * of_genetic * of_residual * of_luck / np.where(total > 0, total, 1.0)
    log_prior = np.log(prior, out=np.full(len(prior), -np.inf), where=prior > 0)
    lattice = Lattice(shape, np.isfinite(log_prior), (SHARE_AXIS, LUCK_AXIS), TOGETHER)
    first = np.flatnonzero(lattice.is_possible & _is_first(cells, luck))
    return Combinations(replace(grid, log_prior=log_prior), lattice, first)


def _is_first(cells: Cells, luck: Integers) -> NDArray[np.bool_]:
    """Whether a walk starts at cells (cells,), whose kinds of luck are counted by ``luck``."""
    found: NDArray[np.bool_] = np.array([kind in FIRST_LUCK for kind in OF_LUCK])[luck]
    found &= cells.tau_ratio[:, 1] == FIRST_RATIO
    found &= np.isin(cells.genetic[:, 0, 1], FIRST_GENETIC) & np.isin(cells.residual[:, 0, 1], FIRST_RESIDUAL)
    found &= np.isin(cells.residual[:, 0, 2], FIRST_SHARED)
    return found


def _weights(axis: dict[float, float], at: Integers) -> Array:
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
