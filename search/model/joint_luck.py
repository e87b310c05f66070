"""The grid of the joint model with a third trait: the luck of a training, as its late losses show it.

Two trainings of one network end with other accuracies, and with other training losses: measured on two recipes, the
noise of the accuracy and that of the late losses had correlations of -0.77 to -0.85. So luck is seen, and can be taken
off, also where losses tell nothing about architectures. But a placement may truly learn better late: on one of the two,
what late losses show beyond the first epoch hardly differed between architectures, on the other it did, and what seemed
lucky was good. That luck differs between architectures, with or without their gains, has three quarters of the weight.

Curve and luck are taken as independent: the luck is what a regression on the curve leaves. All cells of both would be
some ten thousand. Those that neither accuracy with curve nor accuracy with luck make likely are left out.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from search.model.joint_evidence import Solved, best_evidence, entries
from search.model.joint_grid import (
    CURVE_RATIOS,
    OF_ACCURACY,
    RATIOS,
    Cells,
    JointGrid,
    Row,
    curve_cells,
    of_pairs,
    rounded,
)
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
# A cell is left out if it is less likely than the likeliest by this factor, or if so many others for each of the
# shares of tau^2 are likelier.
UNLIKELY, MOST = 1e-4, 200
# Correlation matrices must leave at least this share of the variance of the noise of accuracy.
LEAST_NOISE = 0.02


def choices(n_traits: int, n_curve: int) -> list[tuple[int, ...]]:
    """Which sides are the traits beside accuracy: one of the curve; with three traits also what is luck beside it."""
    return [(trait,) if n_traits == 2 else (trait, n_curve + trait) for trait in range(n_curve)]


def with_luck(solved: Solved, sigmas: Array, pair: JointGrid, n_curve: int) -> JointGrid:
    """The grid of accuracy, curve and luck, from what pairs of them make likely.

    ``pair`` is the grid of accuracy and curve; ``solved`` has ``n_curve`` curve traits, then the luck beside each. It
    is ``pair`` itself if no correlations with curve and luck that are likely can both be true.
    """
    n_shares = len(pair.shares)
    of_curve = _likely(solved, pair, range(n_curve), sigmas)
    luck = _luck_grid(tuple(pair.shares))
    of_luck = _likely(solved, luck, range(n_curve, 2 * n_curve), sigmas)
    curve_of, luck_of = _likeliest(curve_cells(n_shares), of_curve, _luck_cells(n_shares), of_luck)
    if not len(curve_of):
        return pair
    cells = _three(curve_cells(n_shares), _luck_cells(n_shares), curve_of, luck_of)
    return rounded(cells, pair.shares, RATIOS, [CURVE_RATIOS, LUCK_RATIOS])


@lru_cache(maxsize=4)
def _luck_grid(shares: tuple[tuple[float, float], ...]) -> JointGrid:
    return rounded(_luck_cells(len(shares)), shares, RATIOS, [LUCK_RATIOS])


@lru_cache(maxsize=4)
def _luck_cells(n_shares: int) -> Cells:
    """Cells of accuracy and luck."""
    rows: list[Row] = []
    for share, (ratio, prior) in itertools.product(range(n_shares), OF_ACCURACY):
        for (luck_ratio, genetic), of_luck in OF_LUCK.items():
            if genetic and not ratio:
                continue
            for residual, of_residual in SHARED.items():
                rows.append((share, ratio, luck_ratio, genetic, residual, prior * of_luck * of_residual))
    return of_pairs(rows)


def _likely(solved: Solved, grid: JointGrid, traits: Sequence[int], sigmas: Array) -> Array:
    """How likely each cell is beside each trait (traits, cells), at the best sigma; the likeliest of a trait has 1."""
    log = best_evidence(entries(solved, grid, [(trait,) for trait in traits]), sigmas).reshape(len(traits), -1)
    found = np.exp(log - log.max(axis=1, keepdims=True))
    return np.where(found > UNLIKELY, found, 0.0)


def _likeliest(curve: Cells, of_curve: Array, luck: Cells, of_luck: Array) -> tuple[Integers, Integers]:
    """The likeliest combinations of a curve cell and a luck cell that have the same accuracy: places of both.

    ``of_curve`` and ``of_luck`` (traits, cells) are their weights.
    """
    # p(accuracy | both) is about p(accuracy | curve) p(accuracy | luck) / p(accuracy).
    curves, lucks = np.flatnonzero(of_curve.any(axis=0)), np.flatnonzero(of_luck.any(axis=0))
    few_curves, few_lucks = curve.of(curves), luck.of(lucks)
    says_nothing = (luck.genetic[:, 0, 1] == 0) & (luck.residual[:, 0, 1] == 0)
    alone = _same(few_curves, luck) @ np.where(says_nothing, of_luck.sum(axis=0), 0.0)
    score = (of_curve[:, curves] / np.maximum(alone, 1e-12)).T @ of_luck[:, lucks]
    score[~(_same(few_curves, few_lucks) & _possible(few_curves, few_lucks))] = 0.0
    least = UNLIKELY * score.max()
    most = MOST * (1 + int(curve.share.max()))
    if score.size > most:
        least = max(least, np.partition(score, -most, axis=None)[-most])
    first, second = np.nonzero(score > least)
    return curves[first], lucks[second]


def _same(curve: Cells, luck: Cells) -> NDArray[np.bool_]:
    """Whether two cells say the same about accuracy: (curve cells, luck cells)."""
    found: NDArray[np.bool_] = curve.share[:, None] == luck.share
    found &= curve.tau_ratio[:, :1] == luck.tau_ratio[:, 0]
    return found


def _possible(curve: Cells, luck: Cells) -> NDArray[np.bool_]:
    """Whether two traits that are independent of each other can have these correlations with accuracy.

    (curve cells, luck cells).
    """
    noise = curve.residual[:, 0, 1, None] ** 2 + luck.residual[:, 0, 1] ** 2 <= 1 - LEAST_NOISE
    gains = curve.genetic[:, 0, 1, None] ** 2 + luck.genetic[:, 0, 1] ** 2 <= 1
    return noise & gains


def _three(curve: Cells, luck: Cells, curve_of: Integers, luck_of: Integers) -> Cells:
    """The cells of three traits that combine a cell of each kind."""
    tau_ratio = np.column_stack([curve.tau_ratio[curve_of], luck.tau_ratio[luck_of, 1]])
    genetic = _with_third(curve.genetic[curve_of], luck.genetic[luck_of, 0, 1])
    residual = _with_third(curve.residual[curve_of], luck.residual[luck_of, 0, 1])
    # What correlations make impossible is left to the other cells of the luck.
    curves, place = np.unique(curve_of, return_inverse=True)
    few = curve.of(curves)
    total = (_same(few, luck) & _possible(few, luck)) @ np.exp(luck.log_prior)
    log_prior = curve.log_prior[curve_of] + luck.log_prior[luck_of] - np.log(total[place])
    return Cells(curve.share[curve_of], tau_ratio, genetic, residual, log_prior)


def _with_third(pairs: Array, correlations: Array) -> Array:
    """Correlation matrices (cells, 3, 3): a third trait has these correlations with the first, none with the second."""
    found = np.tile(np.eye(3), (len(pairs), 1, 1))
    found[:, :2, :2] = pairs
    found[:, 0, 2] = found[:, 2, 0] = correlations
    return found
