"""Boundaries for a test that is repeated as data accumulate, so that all looks together keep one level.

A spending function says how much of the level may be used by the time at which a share of the data is there (Lan and
DeMets, Biometrika 70, 1983). The O'Brien-Fleming type spends nearly all of it at the last look. The statistic is a sum
of independent terms, so its path is a random walk, and the probability that it crosses at a look is found by
integrating over the looks before (Armitage, McPherson and Rowe, JRSS A 132, 1969).
"""

import functools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# The walk is integrated over this many points, from REACH standard deviations below zero to the boundary.
_POINTS = 801
_REACH = 8.0


def spent(level: float, share: float) -> float:
    """How much of a one-sided ``level`` may be spent when ``share`` (0 to 1) of the data is there.

    The O'Brien-Fleming type of Lan and DeMets: 2 - 2 Phi(z / sqrt(share)), z the upper ``level`` / 2 quantile.
    """
    from scipy import stats

    if share <= 0:
        return 0.0
    return float(2 * stats.norm.sf(stats.norm.isf(level / 2) / np.sqrt(min(share, 1.0))))


@functools.cache
def boundaries(counts: tuple[int, ...], spending: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided p-value that a test must reach at each look.

    ``counts`` are the numbers of independent terms at the looks, rising; ``spending`` is the part of the level that
    may be spent by then, never falling. Without any effect the chance of reaching one of them is ``spending[-1]``.
    """
    from scipy import stats

    limits: list[float] = []
    points = weights = np.zeros(0)
    before = 0
    used = 0.0
    for count, allowed in zip(counts, spending, strict=True):
        bound = _bound(points, weights, count, before, max(allowed - used, 0.0))
        limits.append(float(stats.norm.sf(bound / np.sqrt(count))))
        points, weights = _step(points, weights, count, before, bound)
        before = count
        used = max(used, allowed)
    return tuple(limits)


def _bound(points: Array, weights: Array, count: int, before: int, allowed: float) -> float:
    """The sum of ``count`` standard normals that is exceeded with the probability ``allowed``, without crossing before.

    ``points`` and ``weights`` are the sums of ``before`` terms that have not crossed, and their probabilities.
    """
    from scipy import optimize, stats

    top = _REACH * np.sqrt(count)
    if not len(points):
        return float(min(np.sqrt(count) * stats.norm.isf(allowed), top)) if allowed > 0 else float(top)
    spread = np.sqrt(count - before)

    def excess(bound: float) -> float:
        return float(weights @ stats.norm.sf((bound - points) / spread)) - allowed

    return float(top) if excess(top) >= 0 else float(optimize.brentq(excess, -top, top))


def _step(points: Array, weights: Array, count: int, before: int, bound: float) -> tuple[Array, Array]:
    """The sums of ``count`` terms that have crossed neither before nor now, and their probabilities."""
    grid = np.linspace(-_REACH * np.sqrt(count), bound, _POINTS)
    if not len(points):
        density = _density(grid, np.sqrt(count))
    else:
        spread = np.sqrt(count - before)
        density = _density(grid[:, None] - points, spread) @ weights
    simpson = np.ones(_POINTS)
    simpson[1:-1:2] = 4
    simpson[2:-1:2] = 2
    return grid, density * simpson * (grid[1] - grid[0]) / 3


def _density(distance: Array, spread: float) -> Array:
    """Of a normal variable with this standard deviation."""
    found: Array = np.exp(-0.5 * (distance / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    return found
