"""Other ways to read a front off the same trainings, so that what proposes and what reports are credited separately.

Each gives an estimated gain for every architecture that was trained; the front is then what none of these dominates.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.model.observations import Observation

Array = NDArray[np.float64]
# Point estimates are the best cell of this grid, averages are weighted by its evidence; in points.
SIGMAS = np.geomspace(0.05, 1.5, 10)
RATIOS = np.array([0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5])
BLOCK_SD = 20.0
LEVEL_SD = 20.0


def observed(observations: Sequence[Observation]) -> dict[int, float]:
    """The mean of an architecture's observed accuracies. It has the full winner's curse."""
    means = {
        a: float(np.mean([o.accuracy for o in observations if o.architecture == a]))
        for a in {o.architecture for o in observations}
    }
    return {a: mean - means[0] for a, mean in means.items()}


def gaussian_process(observations: Sequence[Observation]) -> dict[int, float]:
    """An exchangeable Gaussian process with the hyperparameters that fit best, without blocks."""
    return _posterior(observations, blocks=False, average=False)


def with_blocks(observations: Sequence[Observation]) -> dict[int, float]:
    """The same with a level for each block."""
    return _posterior(observations, blocks=True, average=False)


def averaged(observations: Sequence[Observation]) -> dict[int, float]:
    """The same, averaged over hyperparameters, "no effect" among them."""
    return _posterior(observations, blocks=True, average=True)


# Add a way of reporting here; `search` is the product's own.
REPORTS: Mapping[str, Callable[[Sequence[Observation]], dict[int, float]]] = {
    "observed": observed,
    "gp": gaussian_process,
    "blocks": with_blocks,
    "averaged": averaged,
}


def _posterior(observations: Sequence[Observation], *, blocks: bool, average: bool) -> dict[int, float]:
    numbers = sorted({o.architecture for o in observations})
    labels = sorted({o.block for o in observations}) if blocks else [0]
    y = np.array([o.accuracy for o in observations])
    y = y - np.median(y)
    a_N = np.array([numbers.index(o.architecture) for o in observations])
    b_N = np.array([labels.index(o.block) if blocks else 0 for o in observations])
    level = np.equal.outer(b_N, b_N) * BLOCK_SD**2
    same = np.equal.outer(a_N, a_N)
    se = a_N != numbers.index(0)
    both = np.outer(se, se)
    cells = [_cell(y, level + both * LEVEL_SD**2, same & both, sigma, r * sigma) for sigma in SIGMAS for r in RATIOS]
    weights = np.exp(np.array([c[0] for c in cells]) - max(c[0] for c in cells))
    if not average:
        weights = (weights == weights.max()).astype(float)
    weights /= weights.sum()
    gains = dict.fromkeys(numbers, 0.0)
    for (_, alpha_N, tau), weight in zip(cells, weights, strict=True):
        shared = LEVEL_SD**2 * float(alpha_N[se].sum())
        for i, number in enumerate(numbers):
            if number:
                gains[number] += weight * (shared + tau**2 * float(alpha_N[a_N == i].sum()))
    return gains


def _cell(y: Array, level: Array, same: NDArray[np.bool_], sigma: float, tau: float) -> tuple[float, Array, float]:
    """Log evidence, K^-1 y and tau of one cell of the grid."""
    lower = np.linalg.cholesky(level + same * tau**2 + np.eye(len(y)) * sigma**2)
    half = np.linalg.solve(lower, y)
    evidence = -0.5 * float(half @ half) - float(np.log(np.diag(lower)).sum())
    return evidence, np.linalg.solve(lower.T, half), tau
