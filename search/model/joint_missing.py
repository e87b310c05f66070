"""The joint model with trainings that show a trait of the curve and no accuracy: those that paused after a few epochs.

In canonical traits such a training is one observation of a mixture ``b' t`` of all, so they are no longer
independent: one system has the columns of all. It is solved for a few cells of the grid. They are drawn in proportion
to what whole trainings say of them, and weighted by what all trainings say (importance resampling, Rubin 1988).
Everything is named as in :mod:`search.model.joint_fitting`; ``whole`` trainings show accuracy, trait and perhaps luck,
``short`` ones the trait alone.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.model.design import Design
from search.model.hyperparameters import Hyperparameters
from search.model.joint_evidence import ACCURACY, FIRST_TRAIT, HAS_SE, Entries
from search.model.joint_grid import JointGrid
from search.model.linear_model import Array, Integers, solve_lower, solve_upper, summed

# Cells for which the larger system is solved.
CELLS = 48
# The place of the trait among the traits: after accuracy, before the luck.
TRAIT = 1
# A part is solved for; of each: its side, and its place in T.
Part = tuple[int, int]


def parts_of(n_traits: int) -> list[Part]:
    """Accuracy and the other traits, then the mean gains of SE in all of them."""
    others = [(FIRST_TRAIT + place - 1, place) for place in range(1, n_traits)]
    return [(ACCURACY, 0), *others, *((HAS_SE, place) for place in range(n_traits))]


@dataclass(frozen=True)
class _Sums:
    """Sums over trainings of a kind, weighted: as in :class:`~search.model.linear_model.Sums`, with several sides."""

    gram: Array
    moment: Array
    power: Array
    rows: Array
    weight: Array
    response: Array

    @classmethod
    def of(cls, x: Array, sides: Array, w: Array, architecture: Integers, n_architectures: int) -> "_Sums":
        weighted = x * w[:, None]
        return cls(
            x.T @ weighted,
            weighted.T @ sides,
            sides.T @ (sides * w[:, None]),
            summed(weighted, architecture, n_architectures),
            np.bincount(architecture, w, n_architectures).astype(float),
            summed(sides * w[:, None], architecture, n_architectures),
        )


@dataclass(frozen=True)
class Coupled:
    """One cell with n traits, solved. ``own`` (architectures, n, n) is what own terms follow.

    ``projected`` (n columns, parts); ``response`` (architectures, n, parts); ``mixture`` is b. The columns of the first
    canonical trait come first.
    """

    scale: Array
    lower: Array
    projected: Array
    own: Array
    response: Array
    mixture: Array
    power: Array
    log_det: float


class Missing:
    """Whole and short trainings, ready to be solved.

    ``sides`` (trainings, sides) are accuracy, "has SE", the trait, and the luck beside it if it is known.
    """

    def __init__(self, design: Design, sides: Array, w: Array, is_whole: NDArray[np.bool_]) -> None:
        self._design = design
        x = np.delete(design.x, design.n_blocks, axis=1)
        count = len(design.numbers)
        sides = np.where(np.isfinite(sides), sides, 0.0)
        self._whole, self._short = (
            _Sums.of(x[kind], sides[kind], w[kind], design.architecture[kind], count) for kind in (is_whole, ~is_whole)
        )
        self._direct = np.delete(design.direct(), design.n_blocks, axis=1)
        self._parts = parts_of(sides.shape[1] - 1)
        # The parts that short trainings have.
        self._in_short = [i for i, (_, place) in enumerate(self._parts) if place == TRAIT]
        whole = int(is_whole.sum()) - design.n_blocks
        of_trait = len(sides) - design.n_blocks
        self._freedoms = tuple(of_trait if t == TRAIT else whole for t in range(sides.shape[1] - 1))

    def entries(self, chosen: Entries, grid: JointGrid) -> tuple[Entries, list[Coupled]]:
        """The chosen entries with the evidence of all trainings, and their solutions."""
        solved = [self.solve(grid, int(cell)) for cell in chosen.cell]
        parts = [self._entry(grid, int(cell), one) for cell, one in zip(chosen.cell, solved, strict=True)]
        power, mean_of, covariance, log = (np.array(part) for part in zip(*parts, strict=True))
        found = replace(
            chosen, power=power, mean_of=mean_of, mean_covariance=covariance, log=log, freedoms=self._freedoms
        )
        return found, solved

    def _entry(self, grid: JointGrid, cell: int, solved: Coupled) -> tuple[Array, Array, Array, float]:
        prior = 1 / (1 + grid.tau_ratio[cell] ** 2)
        n = grid.n_traits
        precision = solved.power[n:, n:] + np.diag(prior)
        covariance: Array = np.linalg.inv(precision).astype(np.float64, copy=False)
        towards = solved.power[n:, :n]
        mean_of = covariance @ towards
        log = grid.log_prior[cell] - 0.5 * solved.log_det
        log -= 0.5 * self._freedoms[ACCURACY] * np.log(np.linalg.det(grid.residual[cell]))
        log += 0.5 * (np.log(prior).sum() - np.log(np.linalg.det(precision)))
        return solved.power[:n, :n] - towards.T @ mean_of, mean_of, covariance, float(log)

    def solve(self, grid: JointGrid, cell: int) -> Coupled:
        """The system of all canonical traits for one cell."""
        own_share, covariates = grid.shares[grid.share[cell]]
        ratios = np.array(grid.ratios)[grid.ratio[cell]]
        settings = [Hyperparameters.of(ratio, own_share, covariate_share=covariates) for ratio in ratios]
        scale = np.stack([np.delete(self._design.scale(s), self._design.n_blocks) for s in settings])
        turn, mixture = grid.to_canonical[cell], grid.back[cell][TRAIT]
        moment = self._turned(turn, mixture, self._whole.moment, self._short.moment).transpose(0, 2, 1)
        response = self._turned(turn, mixture, self._whole.response, self._short.response).transpose(2, 0, 1)
        own, log_det = self._own(own_share * ratios**2, mixture)
        precision = self._precision(own, mixture) * scale.ravel()[:, None] * scale.ravel()
        precision[np.diag_indices(len(precision))] += 1
        lower = np.linalg.cholesky(precision).astype(np.float64, copy=False)
        followed = own @ response
        left = moment - self._seen_by_own(followed, mixture)
        projected = solve_lower(lower, scale.ravel()[:, None] * left.reshape(-1, len(self._parts)))
        power = self._power(turn) - np.einsum("aiq,air->qr", response, followed) - projected.T @ projected
        log_det += 2 * float(np.log(np.diagonal(lower)).sum())
        return Coupled(scale, lower, projected, own, response, mixture, power, log_det)

    def _turned(self, turn: Array, mixture: Array, whole: Array, short: Array) -> Array:
        """Sums over whole and over short trainings (rows, sides) of each part in each canonical trait.

        An array (n, parts, rows).
        """
        parts = [[row[place] * whole[:, side] for side, place in self._parts] for row in turn]
        turned: Array = np.array(parts)
        for part in self._in_short:
            turned[:, part] += mixture[:, None] * short[:, self._parts[part][0]]
        return turned

    def _power(self, turn: Array) -> Array:
        inner = turn.T @ turn
        sides, places = np.array(self._parts).T
        power = inner[np.ix_(places, places)] * self._whole.power[np.ix_(sides, sides)]
        short = sides[self._in_short]
        power[np.ix_(self._in_short, self._in_short)] += self._short.power[np.ix_(short, short)]
        found: Array = power
        return found

    def _own(self, variances: Array, mixture: Array) -> tuple[Array, float]:
        """What own terms follow of their residuals (architectures, n, n), and the log determinant of their part."""
        prior = self._design.own[:, None] * variances
        one = np.eye(len(mixture))
        seen = self._whole.weight[:, None, None] * one
        seen = seen + self._short.weight[:, None, None] * np.outer(mixture, mixture)
        system = one + prior[:, :, None] * seen
        own: Array = np.linalg.solve(system, prior[:, :, None] * one).astype(np.float64, copy=False)
        return own, float(np.log(np.linalg.det(system)).sum())

    def _seen_by_own(self, followed: Array, mixture: Array) -> Array:
        """What the columns see of values of own terms (architectures, n, parts): (n, columns, parts)."""
        whole = np.einsum("ap,aiq->ipq", self._whole.rows, followed)
        mixed = np.einsum("ap,aiq,i->pq", self._short.rows, followed, mixture)
        found: Array = whole + mixture[:, None, None] * mixed
        return found

    def _precision(self, own: Array, mixture: Array) -> Array:
        """The Gram matrix (n columns, n columns) that is left after own terms have taken their part."""
        whole, short = self._whole, self._short
        along = own @ mixture  # (architectures, n)
        both = along @ mixture
        n = len(mixture)
        blocks = [[np.empty(0)] * n for _ in range(n)]
        inner = short.rows.T @ (both[:, None] * short.rows)
        crossed = [whole.rows.T @ (along[:, k, None] * short.rows) for k in range(n)]
        for k in range(n):
            for other in range(n):
                taken = whole.rows.T @ (own[:, k, other, None] * whole.rows)
                taken = taken + mixture[other] * crossed[k] + mixture[k] * crossed[other].T
                taken = taken + mixture[k] * mixture[other] * inner
                gram = (whole.gram if k == other else 0.0) + mixture[k] * mixture[other] * short.gram
                blocks[k][other] = gram - taken
        found: Array = np.block(blocks)
        return found

    def draw(self, solved: Coupled, parts: Array, back: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draws for accuracy: coefficients (draws, columns) and gains (draws, architectures) without the mean gain.

        ``parts`` (draws, parts) are the weights of the parts in what was seen, ``back`` (draws, n) those of the
        canonical traits in accuracy, in points.
        """
        n = len(parts)
        noise = rng.standard_normal((len(solved.lower), n))
        scaled = solve_upper(solved.lower, solved.projected @ parts.T + noise)
        coefficients = (solved.scale.ravel()[:, None] * scaled).T.reshape(n, len(solved.mixture), -1)
        seen = np.einsum("aiq,nq->nai", solved.response, parts)
        seen -= np.einsum("ap,nip->nai", self._whole.rows, coefficients)
        mixed = np.einsum("ap,nip,i->na", self._short.rows, coefficients, solved.mixture)
        seen -= mixed[:, :, None] * solved.mixture
        terms = np.einsum("aij,naj->nai", solved.own, seen)
        terms += np.einsum("aij,naj->nai", _root(solved.own), rng.standard_normal(terms.shape))
        gains = np.einsum("ap,nip,ni->na", self._direct, coefficients, back) + np.einsum("nai,ni->na", terms, back)
        return np.einsum("nip,ni->np", coefficients, back), gains


def resampled(weights: Array, count: int, rng: np.random.Generator) -> Integers:
    """Places drawn in proportion to weights that sum to 1, evenly spaced so that they vary as little as they can."""
    at = (rng.random() + np.arange(count)) / count
    places: Integers = np.minimum(np.searchsorted(np.cumsum(weights), at), len(weights) - 1)
    return places


def _root(covariance: Array) -> Array:
    """Roots of matrices (architectures, n, n) that may be singular."""
    variances, vectors = np.linalg.eigh(covariance)
    root: Array = vectors * np.sqrt(np.maximum(variances, 0.0))[:, None, :]
    return root
