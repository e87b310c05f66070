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
from search.model.joint_evidence import ACCURACY, FIRST_TRAIT, HAS_SE, Entries
from search.model.joint_grid import JointGrid
from search.model.linear_model import Array, Integers, solve_lower, solve_upper, summed
from search.model.small_matrices import inverse

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
    """Cells with n traits, solved. ``own`` (cells, architectures, n, n) is what own terms follow of their residuals.

    ``scale`` (cells, n, columns); ``lower`` (cells, n columns, n columns), with the columns of the first canonical
    trait first; ``projected`` (cells, n columns, parts); ``response`` (cells, architectures, n, parts); ``mixture``
    (cells, n) is b; ``power`` (cells, parts, parts); ``log_det`` (cells,).
    """

    scale: Array
    lower: Array
    projected: Array
    own: Array
    response: Array
    mixture: Array
    power: Array
    log_det: Array


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
        self._sides, self._places = np.array(parts_of(sides.shape[1] - 1)).T
        # The parts that short trainings have.
        self._in_short = self._places == TRAIT
        whole = int(is_whole.sum()) - design.n_blocks
        of_trait = len(sides) - design.n_blocks
        self._freedoms = tuple(of_trait if t == TRAIT else whole for t in range(sides.shape[1] - 1))

    def entries(self, chosen: Entries, grid: JointGrid) -> tuple[Entries, Coupled]:
        """The chosen entries with the evidence of all trainings, and their solution."""
        solved = self.solve(grid, chosen.cell)
        n = grid.n_traits
        prior = 1 / (1 + grid.tau_ratio[chosen.cell] ** 2)
        precision = solved.power[:, n:, n:].copy()
        precision[:, range(n), range(n)] += prior
        covariance = inverse(precision)
        towards = solved.power[:, n:, :n]
        mean_of = covariance @ towards
        power = solved.power[:, :n, :n] - towards.transpose(0, 2, 1) @ mean_of
        log = grid.log_prior[chosen.cell] - 0.5 * solved.log_det
        log -= 0.5 * self._freedoms[ACCURACY] * np.log(np.linalg.det(grid.residual[chosen.cell]))
        log += 0.5 * np.log(prior.prod(axis=1) / np.linalg.det(precision))
        found = replace(chosen, power=power, mean_of=mean_of, mean_covariance=covariance, log=log)
        return replace(found, freedoms=self._freedoms), solved

    def solve(self, grid: JointGrid, cells: Integers) -> Coupled:
        """The systems of all canonical traits for some cells."""
        scale, variance = self._scales(grid, cells)
        turn, mixture = grid.to_canonical[cells], grid.back[cells, TRAIT]
        moment = self._turned(turn, mixture, self._whole.moment, self._short.moment)
        response = self._turned(turn, mixture, self._whole.response, self._short.response).transpose(0, 2, 1, 3)
        own, log_det = self._own(variance, mixture)
        flat = scale.reshape(len(cells), -1)
        precision = self._precision(own, mixture) * flat[:, :, None] * flat[:, None, :]
        places = range(flat.shape[1])
        precision[:, places, places] += 1
        lower: Array = np.linalg.cholesky(precision).astype(np.float64, copy=False)
        followed = own @ response
        left = scale[..., None] * (moment - self._seen_by_own(followed, mixture))
        sides = left.reshape(*flat.shape, -1)
        projected = np.stack([solve_lower(root, side) for root, side in zip(lower, sides, strict=True)])
        power = self._power(turn) - _squares(response, followed) - _squares(projected, projected)
        log_det += 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        return Coupled(scale, lower, projected, own, response, mixture, power, log_det)

    def _scales(self, grid: JointGrid, cells: Integers) -> tuple[Array, Array]:
        """Prior deviations of the columns (cells, n, columns) and variances of own terms (cells, n)."""
        kinds = grid.share[cells, None] * len(grid.ratios) + grid.ratio[cells]
        return self._design.scales_without_mean(grid.settings)[kinds], grid.own_variances[kinds]

    def _turned(self, turn: Array, mixture: Array, whole: Array, short: Array) -> Array:
        """Sums over whole and over short trainings (rows, sides) of each part in each canonical trait.

        An array (cells, n, rows, parts).
        """
        turned: Array = turn[:, :, None, self._places] * whole[:, self._sides]
        turned += mixture[:, :, None, None] * (short[:, self._sides] * self._in_short)
        return turned

    def _power(self, turn: Array) -> Array:
        inner = (turn.transpose(0, 2, 1) @ turn)[:, self._places[:, None], self._places]
        whole, short = (kind.power[self._sides[:, None], self._sides] for kind in (self._whole, self._short))
        found: Array = inner * whole + short * (self._in_short[:, None] & self._in_short)
        return found

    def _own(self, variance: Array, mixture: Array) -> tuple[Array, Array]:
        """What own terms follow of their residuals (cells, architectures, n, n), and log determinants of their part."""
        prior = self._design.own[:, None] * variance[:, None, :]
        one = np.eye(mixture.shape[1])
        seen = self._whole.weight[:, None, None] * one
        both = mixture[:, None, :, None] * mixture[:, None, None, :]
        system = one + prior[..., None] * (seen + self._short.weight[:, None, None] * both)
        own: Array = np.linalg.solve(system, prior[..., None] * one).astype(np.float64, copy=False)
        return own, np.log(np.linalg.det(system)).sum(axis=1)

    def _seen_by_own(self, followed: Array, mixture: Array) -> Array:
        """What the columns see of values of own terms (cells, architectures, n, parts): (cells, n, columns, parts)."""
        by_trait = followed.transpose(0, 2, 1, 3)
        mixed = self._short.rows.T @ (mixture[:, :, None, None] * by_trait).sum(axis=1)
        found: Array = self._whole.rows.T @ by_trait + mixture[:, :, None, None] * mixed[:, None]
        return found

    def _precision(self, own: Array, mixture: Array) -> Array:
        """The Gram matrices (cells, n columns, n columns) that are left after own terms have taken their part."""
        whole, short = self._whole, self._short
        n_cells, n = mixture.shape
        columns = whole.rows.shape[1]
        b = mixture[:, :, None, None]
        along = (own @ mixture[:, None, :, None])[..., 0]  # (cells, architectures, n)
        both = (along @ mixture[:, :, None])[..., 0]
        of_short = short.gram - short.rows.T @ (both[:, :, None] * short.rows)
        crossed = whole.rows.T @ (along.transpose(0, 2, 1)[..., None] * short.rows)  # (cells, n, columns, columns)
        found: Array = np.empty((n_cells, n, columns, n, columns))
        for k in range(n):
            for other in range(k + 1):
                left = b[:, k] * b[:, other] * of_short - whole.rows.T @ (own[:, :, k, other, None] * whole.rows)
                left -= b[:, other] * crossed[:, k] + b[:, k] * crossed[:, other].transpose(0, 2, 1)
                if k == other:
                    left += whole.gram
                found[:, k, :, other] = left
                found[:, other, :, k] = left.transpose(0, 2, 1)
        return found.reshape(n_cells, n * columns, n * columns)

    def draw(
        self, solved: Coupled, cell: int, parts: Array, back: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Draws for accuracy: coefficients (draws, columns) and gains (draws, architectures) without the mean gain.

        ``cell`` is a place in ``solved``. ``parts`` (draws, parts) are the weights of the parts in what was seen,
        ``back`` (draws, n) those of the canonical traits in accuracy, in points.
        """
        lower, mixture, own = solved.lower[cell], solved.mixture[cell], solved.own[cell]
        noise = rng.standard_normal((len(lower), len(parts)))
        scaled = solve_upper(lower, solved.projected[cell] @ parts.T + noise)
        coefficients = (solved.scale[cell].ravel()[:, None] * scaled).reshape(len(mixture), -1, len(parts))
        # (architectures, n, draws)
        seen = solved.response[cell] @ parts.T - (self._whole.rows @ coefficients).transpose(1, 0, 2)
        seen -= mixture[:, None] * (self._short.rows @ np.tensordot(mixture, coefficients, axes=1))[:, None]
        terms = own @ seen + _root(own) @ rng.standard_normal(seen.shape)
        of_accuracy: Array = (coefficients * back.T[:, None]).sum(axis=0).T
        return of_accuracy, of_accuracy @ self._direct.T + (terms * back.T).sum(axis=1).T


def resampled(weights: Array, count: int, rng: np.random.Generator) -> Integers:
    """Places drawn in proportion to weights that sum to 1, evenly spaced so that they vary as little as they can."""
    at = (rng.random() + np.arange(count)) / count
    places: Integers = np.minimum(np.searchsorted(np.cumsum(weights), at), len(weights) - 1)
    return places


def _squares(left: Array, right: Array) -> Array:
    """Sums of products of parts (cells, ..., parts) over all between: (cells, parts, parts)."""
    cells, parts = len(left), left.shape[-1]
    found: Array = left.reshape(cells, -1, parts).transpose(0, 2, 1) @ right.reshape(cells, -1, parts)
    return found


def _root(covariance: Array) -> Array:
    """Roots of matrices (architectures, n, n) that may be singular."""
    variances, vectors = np.linalg.eigh(covariance)
    root: Array = vectors * np.sqrt(np.maximum(variances, 0.0))[:, None, :]
    return root
