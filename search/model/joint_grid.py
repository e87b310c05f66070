"""The grid of the joint model of accuracy and a curve trait: covariances between architectures and between trainings.

In multiples of the two noise deviations, two traits have the covariance R between trainings of one architecture, with
1 on its diagonal and the correlation of the noise beside it, and the covariance G between architectures. A matrix T
with T R T' = 1 and T G T' diagonal turns them into two *canonical* traits that are independent of each other (Henderson
and Quaas, Journal of Animal Science 43, 1976). So each cell of the grid is two problems of one trait, of which only
tau / sigma matters. These ratios are rounded to a list, and the G of the cell is changed to agree: few factorisations
serve all cells, and what is computed for a cell is exact.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from search.model.hyperparameters import COVARIATE_SHARES, NO_DIFFERENCE, OWN_SHARES, TAU_RATIOS
from search.model.linear_model import Array, Integers

# Ratios tau / sigma of canonical traits.
RATIOS = (0.0, 0.1, 0.2, 0.28, 0.4, 0.53, 0.7, 0.88, 1.1, 1.4, 1.8, 2.3, 3.0, 4.2, 6.0, 9.0)
# Of the curve trait. A loss of the first epoch was measured at 3.8, a sum of losses at 1.4.
CURVE_RATIOS = (0.28, 0.7, 1.4, 3.0, 6.0)
# The correlation of the trait with accuracy across architectures, with prior weights. 0: the curve tells nothing.
GENETIC = {-0.97: 0.14, -0.8: 0.14, -0.5: 0.14, 0.0: 0.5, 0.5: 0.08}
# The correlation of their noise. Where losses tell nothing of architectures, they mostly tell nothing of trainings.
RESIDUAL = {-0.85: 0.2, -0.6: 0.2, -0.3: 0.2, 0.0: 0.2, 0.3: 0.2}
RESIDUAL_OF_NOTHING = {-0.85: 0.1, -0.6: 0.1, -0.3: 0.1, 0.0: 0.6, 0.3: 0.1}

# Share of tau^2 that belongs to single architectures, and share of the rest that covariates explain.
Shares = tuple[float, float]
# Place of the shares, tau / sigma of accuracy and of the trait, correlation of gains, that of the noise, prior weight.
Row = tuple[int, float, float, float, float, float]


@dataclass(frozen=True)
class JointGrid:
    """All cells as arrays over cells. ``ratios`` are those of canonical traits, ``trait_ratios`` those of the trait.

    ``share`` (cells,) are places in ``shares``, ``ratio`` (cells, 2) in ``ratios``. ``to_canonical`` (cells,
    2, 2) is T, ``back`` its inverse; accuracy is the first trait. ``tau_ratio`` (cells, 2) is tau / sigma of accuracy
    and trait; ``genetic`` and ``residual`` (cells,) are the correlations across architectures and of the noise.
    """

    shares: Sequence[Shares]
    ratios: Sequence[float]
    trait_ratios: Sequence[float]
    share: Integers
    ratio: Integers
    to_canonical: Array
    back: Array
    tau_ratio: Array
    genetic: Array
    residual: Array
    log_prior: Array

    @classmethod
    def known(
        cls, tau_ratio: float, own_share: float, trait_ratio: float, genetic: float, residual: float
    ) -> "JointGrid":
        """The grid of one cell, with nothing rounded."""
        rows = np.array([(0, tau_ratio, trait_ratio, genetic, residual, 1.0)])
        wanted = _canonical(rows)[0][0]
        return _grid(rows, [(own_share, 0.0)], sorted({*wanted.tolist(), trait_ratio}), (trait_ratio,))


@lru_cache(maxsize=4)
def joint_grid(*, structured: bool, covariates: bool = False) -> JointGrid:
    """The grid to average over; without ``structured`` effects each architecture's gain is entirely its own.

    With ``covariates`` it contains that they tell nothing, and that they explain much.
    """
    own_shares = OWN_SHARES if structured else (1.0,)
    shares = list(itertools.product(own_shares, COVARIATE_SHARES if covariates else (0.0,)))
    rows: list[Row] = []
    accuracy = [(0.0, NO_DIFFERENCE), *((ratio, 1.0) for ratio in TAU_RATIOS)]
    for share, (ratio, prior), trait_ratio in itertools.product(range(len(shares)), accuracy, CURVE_RATIOS):
        for genetic, of_genetic in (GENETIC if ratio else {0.0: 1.0}).items():
            for residual, of_residual in (RESIDUAL if genetic else RESIDUAL_OF_NOTHING).items():
                rows.append((share, ratio, trait_ratio, genetic, residual, prior * of_genetic * of_residual))
    return _grid(np.array(rows), shares, RATIOS, CURVE_RATIOS)


def _grid(rows: Array, shares: Sequence[Shares], ratios: Sequence[float], trait_ratios: Sequence[float]) -> JointGrid:
    wanted, to_canonical, back = _canonical(rows)
    known = np.array(ratios)
    # Ratios are compared by their logarithm; those far below the others are as good as 0.
    least = known[known > 0].min() / 2
    distance = np.log(np.maximum(wanted, least))[:, :, None] - np.log(np.maximum(known, least))
    places = np.abs(distance).argmin(axis=2)
    between = back * (known[places] ** 2)[:, None, :] @ back.transpose(0, 2, 1)
    spread = np.sqrt(np.maximum(np.diagonal(between, axis1=1, axis2=2), 0.0))
    spread[rows[:, 1] == 0, 0] = 0.0
    product = spread.prod(axis=1)
    correlation = np.clip(between[:, 0, 1] / np.where(product > 0, product, np.inf), -1.0, 1.0)
    return JointGrid(
        shares=shares,
        ratios=ratios,
        trait_ratios=trait_ratios,
        share=rows[:, 0].astype(np.int64),
        ratio=places,
        to_canonical=to_canonical,
        back=back,
        tau_ratio=spread,
        # Rounding may move a correlation of 0 a little. It still means "nothing".
        genetic=np.where(rows[:, 3] == 0, 0.0, correlation),
        residual=rows[:, 4],
        log_prior=np.log(rows[:, 5]),
    )


def _canonical(rows: Array) -> tuple[Array, Array, Array]:
    """Of each row: tau / sigma of the canonical traits (cells, 2), T and its inverse, both (cells, 2, 2)."""
    within = np.ones((len(rows), 2, 2))
    within[:, 0, 1] = within[:, 1, 0] = rows[:, 4]
    between = rows[:, 1:3, None] * rows[:, None, 1:3]
    between[:, 0, 1] *= rows[:, 3]
    between[:, 1, 0] *= rows[:, 3]
    lower = np.linalg.cholesky(within)
    inverse = np.linalg.inv(lower)
    squares, rotation = np.linalg.eigh(inverse @ between @ inverse.transpose(0, 2, 1))
    return np.sqrt(np.maximum(squares, 0.0)), rotation.transpose(0, 2, 1) @ inverse, lower @ rotation
