"""The joint model with trainings that show a trait of the curve and no accuracy: those that paused after a few epochs.

In canonical traits such a training is one observation of a mixture ``b' t`` of the two, so they are no longer
independent: one system has the columns of both. It is solved for a few cells of the grid. They are drawn in proportion
to what whole trainings say of them, and weighted by what all trainings say (importance resampling, Rubin 1988).
Everything is named as in :mod:`search.model.joint_fitting`; ``whole`` trainings show both, ``short`` ones the trait.
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
# What is solved for: accuracy, trait, and the mean gains of SE in the two. Of each: its side, and its place in T.
PARTS = ((ACCURACY, 0), (FIRST_TRAIT, 1), (HAS_SE, 0), (HAS_SE, 1))
# The parts that short trainings have.
IN_SHORT = (1, 3)


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
            summed(weighted, architecture, n_architectures) if len(x) else np.zeros((n_architectures, x.shape[1])),
            np.bincount(architecture, w, n_architectures).astype(float),
            summed(sides * w[:, None], architecture, n_architectures) if len(x) else np.zeros((n_architectures, 3)),
        )


@dataclass(frozen=True)
class Coupled:
    """One cell, solved. ``projected`` (2 columns, parts); ``own`` (architectures, 2, 2) is what own terms follow.

    ``response`` (architectures, 2, parts); ``mixture`` is b. The columns of the first canonical trait come first.
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
    """Whole and short trainings, ready to be solved. ``sides`` are accuracy, "has SE" and the trait."""

    def __init__(self, design: Design, sides: Array, w: Array, is_whole: NDArray[np.bool_]) -> None:
        self._design = design
        x = np.delete(design.x, design.n_blocks, axis=1)
        count = len(design.numbers)
        sides = np.where(np.isfinite(sides), sides, 0.0)
        self._whole, self._short = (
            _Sums.of(x[kind], sides[kind], w[kind], design.architecture[kind], count) for kind in (is_whole, ~is_whole)
        )
        self._direct = np.delete(design.direct(), design.n_blocks, axis=1)
        blocks = design.n_blocks
        self._freedom = (int(is_whole.sum()) - blocks, len(sides) - blocks)

    def entries(self, chosen: Entries, grid: JointGrid) -> tuple[Entries, list[Coupled]]:
        """The chosen entries with the evidence of all trainings, and their solutions."""
        solved = [self.solve(grid, int(cell)) for cell in chosen.cell]
        parts = [self._entry(grid, int(cell), one) for cell, one in zip(chosen.cell, solved, strict=True)]
        power, mean_of, covariance, log = (np.array(part) for part in zip(*parts, strict=True))
        found = replace(
            chosen, power=power, mean_of=mean_of, mean_covariance=covariance, log=log, freedoms=self._freedom
        )
        return found, solved

    def _entry(self, grid: JointGrid, cell: int, solved: Coupled) -> tuple[Array, Array, Array, float]:
        prior = 1 / (1 + grid.tau_ratio[cell] ** 2)
        precision = solved.power[2:, 2:] + np.diag(prior)
        covariance: Array = np.linalg.inv(precision).astype(np.float64, copy=False)
        towards = solved.power[2:, :2]
        mean_of = covariance @ towards
        log = grid.log_prior[cell] - 0.5 * solved.log_det
        log -= 0.5 * self._freedom[0] * np.log(np.linalg.det(grid.residual[cell]))
        log += 0.5 * (np.log(prior).sum() - np.log(np.linalg.det(precision)))
        return solved.power[:2, :2] - towards.T @ mean_of, mean_of, covariance, float(log)

    def solve(self, grid: JointGrid, cell: int) -> Coupled:
        """The system of both canonical traits for one cell."""
        own_share, covariates = grid.shares[grid.share[cell]]
        ratios = np.array(grid.ratios)[grid.ratio[cell]]
        settings = [Hyperparameters.of(ratio, own_share, covariate_share=covariates) for ratio in ratios]
        scale = np.stack([np.delete(self._design.scale(s), self._design.n_blocks) for s in settings])
        turn, mixture = grid.to_canonical[cell], grid.back[cell][1]
        moment = _turned(turn, mixture, self._whole.moment, self._short.moment).transpose(0, 2, 1)
        response = _turned(turn, mixture, self._whole.response, self._short.response).transpose(2, 0, 1)
        own, log_det = self._own(own_share * ratios**2, mixture)
        precision = self._precision(own, mixture) * scale.ravel()[:, None] * scale.ravel()
        precision[np.diag_indices(len(precision))] += 1
        lower = np.linalg.cholesky(precision).astype(np.float64, copy=False)
        followed = own @ response
        left = moment - self._seen_by_own(followed, mixture)
        projected = solve_lower(lower, scale.ravel()[:, None] * left.reshape(-1, len(PARTS)))
        power = self._power(turn) - np.einsum("aiq,air->qr", response, followed) - projected.T @ projected
        log_det += 2 * float(np.log(np.diagonal(lower)).sum())
        return Coupled(scale, lower, projected, own, response, mixture, power, log_det)

    def _power(self, turn: Array) -> Array:
        inner = turn.T @ turn
        sides, places = np.array(PARTS).T
        power = inner[np.ix_(places, places)] * self._whole.power[np.ix_(sides, sides)]
        short = sides[list(IN_SHORT)]
        power[np.ix_(IN_SHORT, IN_SHORT)] += self._short.power[np.ix_(short, short)]
        found: Array = power
        return found

    def _own(self, variances: Array, mixture: Array) -> tuple[Array, float]:
        """What own terms follow of their residuals (architectures, 2, 2), and the log determinant of their part."""
        prior = self._design.own[:, None] * variances
        seen = self._whole.weight[:, None, None] * np.eye(2)
        seen = seen + self._short.weight[:, None, None] * np.outer(mixture, mixture)
        system = np.eye(2) + prior[:, :, None] * seen
        own: Array = np.linalg.solve(system, prior[:, :, None] * np.eye(2)).astype(np.float64, copy=False)
        return own, float(np.log(np.linalg.det(system)).sum())

    def _seen_by_own(self, followed: Array, mixture: Array) -> Array:
        """What the columns see of values of own terms (architectures, 2, parts): (2, columns, parts)."""
        whole = np.einsum("ap,aiq->ipq", self._whole.rows, followed)
        mixed = np.einsum("ap,aiq,i->pq", self._short.rows, followed, mixture)
        found: Array = whole + mixture[:, None, None] * mixed
        return found

    def _precision(self, own: Array, mixture: Array) -> Array:
        """The Gram matrix (2 columns, 2 columns) that is left after own terms have taken their part."""
        whole, short = self._whole, self._short
        along = own @ mixture  # (architectures, 2)
        both = along @ mixture
        blocks = [[np.empty(0)] * 2 for _ in range(2)]
        inner = short.rows.T @ (both[:, None] * short.rows)
        crossed = [whole.rows.T @ (along[:, k, None] * short.rows) for k in range(2)]
        for k in range(2):
            for other in range(2):
                taken = whole.rows.T @ (own[:, k, other, None] * whole.rows)
                taken = taken + mixture[other] * crossed[k] + mixture[k] * crossed[other].T
                taken = taken + mixture[k] * mixture[other] * inner
                gram = (whole.gram if k == other else 0.0) + mixture[k] * mixture[other] * short.gram
                blocks[k][other] = gram - taken
        found: Array = np.block(blocks)
        return found

    def draw(self, solved: Coupled, parts: Array, back: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draws for accuracy: coefficients (draws, columns) and gains (draws, architectures) without the mean gain.

        ``parts`` (draws, parts) are the weights of the parts in what was seen, ``back`` (draws, 2) those of the
        canonical traits in accuracy, in points.
        """
        n = len(parts)
        noise = rng.standard_normal((len(solved.lower), n))
        scaled = solve_upper(solved.lower, solved.projected @ parts.T + noise)
        coefficients = (solved.scale.ravel()[:, None] * scaled).T.reshape(n, 2, -1)
        seen = np.einsum("aiq,nq->nai", solved.response, parts)
        seen -= np.einsum("ap,nip->nai", self._whole.rows, coefficients)
        mixed = np.einsum("ap,nip,i->na", self._short.rows, coefficients, solved.mixture)
        seen -= mixed[:, :, None] * solved.mixture
        terms = np.einsum("aij,naj->nai", solved.own, seen)
        terms += np.einsum("aij,naj->nai", _root(solved.own), rng.standard_normal(terms.shape))
        gains = np.einsum("ap,nip,ni->na", self._direct, coefficients, back) + np.einsum("nai,ni->na", terms, back)
        return np.einsum("nip,ni->np", coefficients, back), gains


def _turned(turn: Array, mixture: Array, whole: Array, short: Array) -> Array:
    """Sums over whole and over short trainings (rows, sides) of each part in each canonical trait: (2, parts, rows)."""
    turned: Array = np.stack([[turn[i, place] * whole[:, side] for side, place in PARTS] for i in range(2)])
    for part in IN_SHORT:
        turned[:, part] += mixture[:, None] * short[:, PARTS[part][0]]
    return turned


def resampled(weights: Array, count: int, rng: np.random.Generator) -> Integers:
    """Places drawn in proportion to weights that sum to 1, evenly spaced so that they vary as little as they can."""
    at = (rng.random() + np.arange(count)) / count
    places: Integers = np.minimum(np.searchsorted(np.cumsum(weights), at), len(weights) - 1)
    return places


def _root(covariance: Array) -> Array:
    """Lower triangular roots of matrices (architectures, 2, 2) that may be singular."""
    first = np.sqrt(np.maximum(covariance[:, 0, 0], 0.0))
    below = np.divide(covariance[:, 1, 0], first, out=np.zeros(len(first)), where=first > 0)
    root = np.zeros_like(covariance)
    root[:, 0, 0], root[:, 1, 0] = first, below
    root[:, 1, 1] = np.sqrt(np.maximum(covariance[:, 1, 1] - below**2, 0.0))
    return root
