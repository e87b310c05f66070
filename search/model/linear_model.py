"""The linear model at given hyperparameters, with the architectures' own terms integrated out.

    y = X beta + delta(architecture) + noise
    noise ~ N(0, sigma^2 / w),   delta ~ N(0, u r^2 sigma^2),   beta ~ N(0, sigma^2 S^2)

w are weights of trainings, r is tau / sigma, u the share of tau^2 that belongs to single architectures, S diagonal.
All prior deviations are multiples of sigma, so one factorisation serves every sigma of the grid. Terms of single
architectures are eliminated by Woodbury's identity, so the factorised matrix (columns, columns) does not grow with the
number of trainings (Rasmussen and Williams, Gaussian Processes, 2006, section 2.7 and appendix A.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtrs

from search.model.hyperparameters import Hyperparameters

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """All that the model needs of ``n`` trainings: ``gram`` is X' W X, ``moment`` X' W y, ``power`` y' W y.

    For each architecture ``per_architecture`` (architectures, columns) is the sum of w x over its trainings, ``weight``
    that of w, ``response`` that of w y; ``own`` is 1 if it has a term of its own, else 0. ``alike`` holds groups of
    architectures with own terms and the same weight: that weight, and the sum of row row' over the group. ``others``
    are the numbers of the architectures with own terms in no group.
    """

    n: int
    gram: Array
    moment: Array
    power: float
    per_architecture: Array
    weight: Array
    response: Array
    own: Array
    alike: tuple[tuple[float, Array], ...]
    others: Integers


# Architectures of the same weight are shrunk alike. From this number on, adding them up beforehand saves time.
_ALIKE = 16


def sums(x: Array, y: Array, w: Array, architecture: Integers, n_architectures: int, own: Array) -> Sums:
    """The sums over trainings that the model needs.

    ``x`` (trainings, columns), ``y``, ``w`` and ``architecture`` (trainings,); ``own`` (architectures,) is 1 or 0.
    """
    weighted = x * w[:, None]
    rows = summed(weighted, architecture, n_architectures)
    weight: Array = np.bincount(architecture, w, n_architectures).astype(float)
    response: Array = np.bincount(architecture, w * y, n_architectures).astype(float)
    alike, others = _grouped(rows, weight * own)
    power = float(y @ (w * y))
    return Sums(len(y), x.T @ weighted, weighted.T @ y, power, rows, weight, response, own, alike, others)


def summed(weighted: Array, architecture: Integers, n_architectures: int) -> Array:
    """The sum of the rows of each architecture, (architectures, columns); zeros if it has none."""
    order = np.argsort(architecture, kind="stable")
    present, first = np.unique(architecture[order], return_index=True)
    rows = np.zeros((n_architectures, weighted.shape[1]))
    rows[present] = np.add.reduceat(weighted[order], first, axis=0)
    return rows


def _grouped(rows: Array, weight: Array) -> tuple[tuple[tuple[float, Array], ...], Integers]:
    values, counts = np.unique(weight[weight > 0], return_counts=True)
    common = values[counts >= _ALIKE]
    groups = tuple((float(v), rows[weight == v].T @ rows[weight == v]) for v in common)
    return groups, np.flatnonzero((weight > 0) & ~np.isin(weight, common))


@dataclass(frozen=True)
class Solution:
    """The posterior at one setting: scaled coefficients ~ N(mean, sigma^2 (L L')^-1); ``log_evidence`` by sigma.

    ``shrink`` (architectures,) is the share of its residuals that an architecture's own term follows. Coefficients are
    ``scale`` times the scaled ones.
    """

    setting: Hyperparameters
    scale: Array
    shrink: Array
    lower: Array
    mean: Array
    log_evidence: Array


def solve(found: Sums, settings: Sequence[Hyperparameters], scales: Array, sigmas: Array) -> list[Solution]:
    """The model solved for each setting.

    ``scales`` (settings, columns) are the prior deviations of the columns in multiples of sigma; ``sigmas`` are in
    points. The variance of own terms is ``own_share * tau_ratio^2`` in multiples of sigma^2.
    """
    own = np.array([setting.own_share * setting.tau_ratio**2 for setting in settings])
    variance = own[:, None] * found.own
    shrink = variance / (1 + variance * found.weight)
    left = np.stack([explained(found, v, s) for v, s in zip(own, shrink, strict=True)])
    lower = np.linalg.cholesky(left * scales[:, :, None] * scales[:, None, :] + np.eye(scales.shape[1]))
    target = scales * (found.moment - (shrink * found.response) @ found.per_architecture)
    projected = np.stack([solve_lower(root, side) for root, side in zip(lower, target, strict=True)])
    mean = np.stack([solve_upper(root, side) for root, side in zip(lower, projected, strict=True)])
    misfit = found.power - shrink @ found.response**2 - (projected**2).sum(axis=1)
    diagonal = np.diagonal(lower, axis1=1, axis2=2)
    log_det = 2 * np.log(diagonal).sum(axis=1) + np.log1p(variance * found.weight).sum(axis=1)
    misfit_by_sigma = np.outer(np.maximum(misfit, 0.0), 1 / sigmas**2)
    evidence = -found.n * np.log(sigmas) - 0.5 * misfit_by_sigma - 0.5 * log_det[:, None]
    parts = zip(settings, scales, shrink, lower, mean, evidence, strict=True)
    return [Solution(*part) for part in parts]


def solve_lower(lower: Array, right: Array) -> Array:
    """x of ``lower @ x = right``, for a lower triangular matrix."""
    # What scipy's solve_triangular calls, without its checks: they take longer than small systems themselves.
    found: Array = dtrtrs(lower.T, right, lower=False, trans=True)[0]
    return found


def solve_upper(lower: Array, right: Array) -> Array:
    """x of ``lower.T @ x = right``, for a lower triangular matrix."""
    found: Array = dtrtrs(lower.T, right, lower=False)[0]
    return found


def explained(found: Sums, variance: float, shrink: Array) -> Array:
    """The Gram matrix (columns, columns) that is left after own terms of this variance have taken their part."""
    alone = found.per_architecture[found.others]
    left = found.gram - alone.T @ (alone * shrink[found.others, None])
    for weight, gram in found.alike:
        left -= variance / (1 + variance * weight) * gram
    return left


# Number of gains that are drawn at a time, so that the processor's cache holds them.
_CACHED = 2**17


def draw(
    solution: Solution, found: Sums, direct: Array, sigmas: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """One draw for each of ``sigmas``: coefficients (draws, columns) and gains (draws, architectures).

    The gain of an architecture is ``direct @ coefficients`` plus its own term; ``direct`` is (architectures, columns).
    """
    noise = rng.standard_normal((len(solution.mean), len(sigmas)))
    scaled = solution.mean[:, None] + solve_upper(solution.lower, noise) * sigmas
    coefficients = (solution.scale[:, None] * scaled).T
    # An own term follows shrink * (response - per_architecture @ coefficients): one product of matrices serves both.
    follows = (direct - solution.shrink[:, None] * found.per_architecture).T
    expected = solution.shrink * found.response
    deviation = np.sqrt(solution.shrink)
    gains = np.empty((len(sigmas), len(deviation)))
    size = max(1, _CACHED // len(deviation))
    for first in range(0, len(sigmas), size):
        chunk = slice(first, first + size)
        part = rng.standard_normal(out=gains[chunk])
        part *= sigmas[chunk, None]
        part *= deviation
        part += expected
        part += coefficients[chunk] @ follows
    return coefficients, gains
