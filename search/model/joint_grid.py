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
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from search.model.hyperparameters import COVARIATE_SHARES, NO_DIFFERENCE, OWN_SHARES, TAU_RATIOS, Hyperparameters
from search.model.linear_model import Array, Integers

# Ratios tau / sigma of canonical traits.
RATIOS = (0.0, 0.1, 0.2, 0.28, 0.4, 0.53, 0.7, 0.88, 1.1, 1.4, 1.8, 2.3, 3.0, 4.2, 6.0, 9.0)
# Of the curve trait. A loss of the first epoch was measured at 3.8, a sum of losses at 1.4.
CURVE_RATIOS = (0.28, 0.7, 1.4, 3.0, 6.0)
# The correlation of the trait with accuracy across architectures, with prior weights. 0: the curve tells nothing.
GENETIC = {-0.97: 0.12, -0.8: 0.12, -0.5: 0.12, 0.0: 0.62, 0.5: 0.02}
# The correlation of their noise. Also where losses tell nothing of architectures they may tell of trainings: the noise
# of late losses went with that of the accuracy on every table.
RESIDUAL = {-0.85: 0.2, -0.6: 0.2, -0.3: 0.2, 0.0: 0.2, 0.3: 0.2}
RESIDUAL_OF_NOTHING = {-0.85: 0.15, -0.6: 0.2, -0.3: 0.2, 0.0: 0.4, 0.3: 0.05}

# A cell has no weight if rounding moves one of its correlations by more than this.
MOVED = 0.2

# Of accuracy: tau / sigma, with prior weights.
OF_ACCURACY = ((0.0, NO_DIFFERENCE), *((ratio, 1.0) for ratio in TAU_RATIOS))

# Share of tau^2 that belongs to single architectures, and share of the rest that covariates explain.
Shares = tuple[float, float]
# Place of the shares, tau / sigma of accuracy and of the trait, correlation of gains, that of the noise, prior weight.
Row = tuple[int, float, float, float, float, float]


@dataclass(frozen=True)
class Cells:
    """Cells before they are rounded, as arrays over cells.

    ``share`` are places in a list of shares. ``tau_ratio`` (cells, traits) is tau / sigma, accuracy first; ``genetic``
    and ``residual`` (cells, traits, traits) are correlations across architectures and of the noise.
    """

    share: Integers
    tau_ratio: Array
    genetic: Array
    residual: Array
    log_prior: Array

    def of(self, chosen: Integers) -> "Cells":
        return Cells(
            self.share[chosen],
            self.tau_ratio[chosen],
            self.genetic[chosen],
            self.residual[chosen],
            self.log_prior[chosen],
        )


@dataclass(frozen=True)
class JointGrid:
    """All cells as arrays over cells. ``ratios`` are those of canonical traits, ``trait_ratios`` those of each trait.

    ``share`` (cells,) are places in ``shares``, ``ratio`` (cells, canonical) in ``ratios``. ``to_canonical`` (cells,
    canonical, traits) is T, ``back`` its inverse; accuracy is the first trait. ``tau_ratio`` (cells, traits) is
    tau / sigma; ``genetic`` and ``residual`` (cells, traits, traits) are the correlations across architectures and of
    the noise.
    """

    shares: Sequence[Shares]
    ratios: Sequence[float]
    trait_ratios: Sequence[Sequence[float]]
    share: Integers
    ratio: Integers
    to_canonical: Array
    back: Array
    tau_ratio: Array
    genetic: Array
    residual: Array
    log_prior: Array

    @property
    def n_traits(self) -> int:
        """The number of traits, accuracy included."""
        return int(self.tau_ratio.shape[1])

    @property
    def settings(self) -> list[Hyperparameters]:
        """One for each *kind*: every ratio of the first share, then of the next."""
        return [
            Hyperparameters.of(ratio, own, covariate_share=covariates)
            for own, covariates in self.shares
            for ratio in self.ratios
        ]

    @property
    def own_variances(self) -> Array:
        """Variances (kinds,) of own terms, in multiples of sigma^2."""
        return np.outer([own for own, _ in self.shares], np.array(self.ratios) ** 2).ravel()

    def of(self, chosen: Integers) -> "JointGrid":
        """The grid of some of the cells."""
        return replace(
            self,
            share=self.share.take(chosen, axis=0),
            ratio=self.ratio.take(chosen, axis=0),
            to_canonical=self.to_canonical.take(chosen, axis=0),
            back=self.back.take(chosen, axis=0),
            tau_ratio=self.tau_ratio.take(chosen, axis=0),
            genetic=self.genetic.take(chosen, axis=0),
            residual=self.residual.take(chosen, axis=0),
            log_prior=self.log_prior.take(chosen, axis=0),
        )

    @classmethod
    def known(
        cls, tau_ratio: float, own_share: float, trait_ratio: float, genetic: float, residual: float
    ) -> "JointGrid":
        """The grid of one cell, with nothing rounded."""
        return cls.of_one(own_share, (tau_ratio, trait_ratio), pairs([genetic]), pairs([residual]))

    @classmethod
    def of_one(cls, own_share: float, tau_ratios: Sequence[float], genetic: Array, residual: Array) -> "JointGrid":
        """The grid of one cell with any number of traits, with nothing rounded. Correlations: (1, traits, traits)."""
        cells = Cells(np.zeros(1, dtype=np.int64), np.array([tau_ratios]), genetic, residual, np.zeros(1))
        wanted = _canonical(cells)[0][0]
        ratios = sorted({*wanted.tolist(), *tau_ratios[1:]})
        return rounded(cells, [(own_share, 0.0)], ratios, [(ratio,) for ratio in tau_ratios[1:]])


def pairs(correlations: Sequence[float] | Array) -> Array:
    """Correlation matrices (cells, 2, 2) of two traits."""
    found = np.ones((len(correlations), 2, 2))
    found[:, 0, 1] = found[:, 1, 0] = correlations
    return found


@lru_cache(maxsize=4)
def joint_grid(*, structured: bool, covariates: bool = False) -> JointGrid:
    """The grid to average over; without ``structured`` effects each architecture's gain is entirely its own.

    With ``covariates`` it contains that they tell nothing, and that they explain much.
    """
    shares = shares_of(structured=structured, covariates=covariates)
    return rounded(curve_cells(len(shares)), shares, RATIOS, [CURVE_RATIOS])


@lru_cache(maxsize=4)
def curve_cells(n_shares: int) -> Cells:
    """Cells of accuracy and a trait of the curve."""
    rows: list[Row] = []
    for share, (ratio, prior), trait_ratio in itertools.product(range(n_shares), OF_ACCURACY, CURVE_RATIOS):
        for genetic, of_genetic in (GENETIC if ratio else {0.0: 1.0}).items():
            for residual, of_residual in (RESIDUAL if genetic else RESIDUAL_OF_NOTHING).items():
                rows.append((share, ratio, trait_ratio, genetic, residual, prior * of_genetic * of_residual))
    return of_pairs(rows)


def shares_of(*, structured: bool, covariates: bool) -> list[Shares]:
    own_shares = OWN_SHARES if structured else (1.0,)
    return list(itertools.product(own_shares, COVARIATE_SHARES if covariates else (0.0,)))


def of_pairs(rows: Sequence[Row]) -> Cells:
    """Cells of accuracy and one trait."""
    share, of_accuracy, of_trait, genetic, residual, prior = np.array(rows).T
    ratios = np.column_stack([of_accuracy, of_trait])
    return Cells(share.astype(np.int64), ratios, pairs(genetic), pairs(residual), np.log(prior))


def rounded(
    cells: Cells, shares: Sequence[Shares], ratios: Sequence[float], trait_ratios: Sequence[Sequence[float]]
) -> JointGrid:
    """The grid of these cells, with the ratios of canonical traits rounded to ``ratios``."""
    wanted, to_canonical, back = _canonical(cells)
    known = np.array(ratios)
    # Ratios are compared by their logarithm; those far below the others are as good as 0.
    least = known[known > 0].min() / 2
    distance = np.log(np.maximum(wanted, least))[:, :, None] - np.log(np.maximum(known, least))
    places = np.abs(distance).argmin(axis=2)
    between = back * (known[places] ** 2)[:, None, :] @ back.transpose(0, 2, 1)
    spread = np.sqrt(np.maximum(np.diagonal(between, axis1=1, axis2=2), 0.0))
    spread[cells.tau_ratio == 0] = 0.0
    product = spread[:, :, None] * spread[:, None, :]
    correlation = np.clip(between / np.where(product > 0, product, np.inf), -1.0, 1.0)
    # Rounding may move a correlation of 0 a little. It still means "nothing".
    genetic = np.where(cells.genetic == 0, 0.0, correlation)
    return JointGrid(
        shares=shares,
        ratios=ratios,
        trait_ratios=trait_ratios,
        share=cells.share,
        ratio=places,
        to_canonical=to_canonical,
        back=back,
        tau_ratio=spread,
        genetic=genetic,
        residual=cells.residual,
        log_prior=np.where(_is_as_called(cells, correlation, genetic, product > 0), cells.log_prior, -np.inf),
    )


def _is_as_called(cells: Cells, rounded: Array, called: Array, differs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a cell (cells,) still is about what it was before its correlations were ``rounded``.

    And whether what they are ``called`` can all be true. ``differs`` says where both traits differ at all.
    """
    moved = np.where(differs, np.abs(rounded - cells.genetic), 0.0).max(axis=(1, 2))
    with_itself = np.eye(called.shape[1], dtype=bool)
    least = np.linalg.eigvalsh(np.where(with_itself, 1.0, called))[:, 0]
    found: NDArray[np.bool_] = (moved <= MOVED) & (least > -1e-9)
    return found


def _canonical(cells: Cells) -> tuple[Array, Array, Array]:
    """Of each cell: tau / sigma of the canonical traits (cells, traits), T and its inverse (cells, traits, traits)."""
    between = cells.genetic * cells.tau_ratio[:, :, None] * cells.tau_ratio[:, None, :]
    lower = np.linalg.cholesky(cells.residual)
    inverse = np.linalg.inv(lower)
    squares, rotation = np.linalg.eigh(inverse @ between @ inverse.transpose(0, 2, 1))
    return np.sqrt(np.maximum(squares, 0.0)), rotation.transpose(0, 2, 1) @ inverse, lower @ rotation
