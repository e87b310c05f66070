"""Accuracy as a model: what a training's accuracy says about an architecture, and how sure that is.

    accuracy = block + gain(architecture) + noise,    gain(plain) = 0,    gain(a) = m + tau z_a,    z_a ~ N(0, 1)

Trainings of a block share the backbone's initial weights and move together, so each block has a level of its own.
Gains are shrunk towards their mean by as much as the data say: the posterior is averaged over a grid of tau and of
the noise sigma, and the grid contains "no difference at all" (tau = 0). The best of many single trainings therefore
is not reported at its lucky value (the winner's curse), and no interval rests on a point estimate.

Noise has heavy tails: now and then a training collapses. Its weight falls with its distance from the median of its
block, as in a robust regression (Huber 1981), so that one collapsed plain training does not make all others look good.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Written down before any result was seen. Sigma in points of accuracy; tau as a multiple of sigma.
# The grid reaches as far as the spread of the data, which is large for small validation sets.
SIGMA_LOW, SIGMA_HIGH, SIGMA_STEPS = 0.02, 5.0, 18
TAU_RATIOS = np.array([0.0, 0.1, 0.2, 0.4, 0.6, 1.0, 1.5, 2.5])
# Standard deviations of the priors, in points: level of a block around the mean of all, and mean gain of SE.
BLOCK_SD, MEAN_GAIN_SD = 20.0, 3.0
DRAWS = 4000
# So many robust standard deviations from the median of its block are taken at full weight.
FULL_WEIGHT = 3.0


@dataclass(frozen=True)
class Observation:
    """One finished training: architecture number (0 is plain), block, accuracy in percent."""

    architecture: int
    block: int
    accuracy: float


@dataclass(frozen=True)
class Posterior:
    """Joint draws of gains over plain, in points: ``gains[s, i]`` belongs to ``architectures[i]``; plain's are 0."""

    architectures: tuple[int, ...]
    gains: Array
    plain_accuracy: float
    sigma: float
    tau: float

    def of(self, architecture: int) -> Array:
        return self.gains[:, self.architectures.index(architecture)]

    def interval(self, architecture: int, level: float) -> tuple[float, float, float]:
        """Mean and the two ends of the central interval of the gain."""
        draws = self.of(architecture)
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        return float(draws.mean()), float(low), float(high)

    def probability(self, architecture: int, above: float) -> float:
        """Posterior probability that the gain exceeds ``above`` points."""
        return float((self.of(architecture) > above).mean())


def fit(observations: Sequence[Observation], *, resolution: float = 0.0, seed: int = 0) -> Posterior:
    """The posterior given all finished trainings; needs at least one, and plain among them.

    ``resolution`` is what one validation image is worth, in points: no noise smaller than half of it is believed.
    """
    accuracy = np.array([o.accuracy for o in observations])
    numbers = sorted({0} | {o.architecture for o in observations})
    design = _design(observations, numbers)
    level = float(np.median(accuracy))
    weights_N = _robust_weights(observations)
    n_blocks = len({o.block for o in observations})
    low = max(SIGMA_LOW, resolution / 2)
    sigmas = np.geomspace(low, max(SIGMA_HIGH, 4 * low, 2 * float(accuracy.std())), SIGMA_STEPS)
    grid = [(sigma, ratio * sigma) for sigma in sigmas for ratio in TAU_RATIOS]
    root_N = np.sqrt(weights_N)
    x, y = design * root_N[:, None], (accuracy - level) * root_N
    cells = [_solve(x, y, n_blocks, sigma, tau) for sigma, tau in grid]
    weights = _normalised(np.array([cell.evidence for cell in cells]))
    return _mixture(cells, weights, numbers, level, n_blocks, np.random.default_rng(seed))


@dataclass(frozen=True)
class _Cell:
    """The posterior for one sigma and tau: coefficients ~ N(mean, root root^T)."""

    sigma: float
    tau: float
    evidence: float
    mean: Array
    root: Array
    scale: Array


def _robust_weights(observations: Sequence[Observation]) -> Array:
    """1 near the median of the block, falling with the square of the distance far from it."""
    accuracy = np.array([o.accuracy for o in observations])
    blocks = np.array([o.block for o in observations])
    centre = {block: np.median(accuracy[blocks == block]) for block in set(blocks.tolist())}
    distance = np.abs(accuracy - np.array([centre[block] for block in blocks.tolist()]))
    scale = 1.4826 * float(np.median(distance))
    if scale == 0:
        return np.ones(len(accuracy))
    weights: Array = np.minimum(1.0, (FULL_WEIGHT * scale / np.maximum(distance, 1e-12)) ** 2)
    return weights


def _design(observations: Sequence[Observation], numbers: Sequence[int]) -> Array:
    """Columns: a level for each block, the mean gain of SE, a deviation for each architecture but plain."""
    blocks = sorted({o.block for o in observations})
    design = np.zeros((len(observations), len(blocks) + len(numbers)))
    for row, o in enumerate(observations):
        design[row, blocks.index(o.block)] = 1
        if o.architecture != 0:
            design[row, len(blocks)] = 1
            design[row, len(blocks) + numbers.index(o.architecture)] = 1
    return design


def _solve(design: Array, y: Array, n_blocks: int, sigma: float, tau: float) -> _Cell:
    """Bayesian linear regression with unit priors on scaled coefficients; exact also where tau is 0."""
    n_deviations = design.shape[1] - n_blocks - 1
    scale = np.concatenate([np.full(n_blocks, BLOCK_SD), [MEAN_GAIN_SD], np.full(n_deviations, tau)])
    x = design * scale / sigma
    precision = x.T @ x + np.eye(x.shape[1])
    lower = np.linalg.cholesky(precision)
    projected = np.linalg.solve(lower, x.T @ (y / sigma))
    root = np.linalg.inv(lower).T
    log_det = 2 * np.log(np.diag(lower)).sum()
    misfit = (y @ y) / sigma**2 - projected @ projected
    evidence = -0.5 * (misfit + log_det) - len(y) * np.log(sigma)
    return _Cell(sigma, tau, float(evidence), root @ projected, root, scale)


def _normalised(log_weights: Array) -> Array:
    weights: Array = np.exp(log_weights - log_weights.max())
    normalised: Array = weights / weights.sum()
    return normalised


def _mixture(
    cells: Sequence[_Cell],
    weights: Array,
    numbers: Sequence[int],
    level: float,
    n_blocks: int,
    rng: np.random.Generator,
) -> Posterior:
    """Draws from the average over the grid: each cell gives draws in proportion to its weight."""
    counts = rng.multinomial(DRAWS, weights)
    gains, plain = [], []
    for cell, count in zip(cells, counts, strict=True):
        noise = rng.standard_normal((count, len(cell.mean)))
        draws = (cell.mean + noise @ cell.root.T) * cell.scale
        others = draws[:, [n_blocks]] + draws[:, n_blocks + 1 :]
        gains.append(np.column_stack([np.zeros(count), others]))
        plain.append(draws[:, :n_blocks].mean(axis=1))
    sigma = float(weights @ [cell.sigma for cell in cells])
    tau = float(weights @ [cell.tau for cell in cells])
    return Posterior(tuple(numbers), np.concatenate(gains), level + float(np.concatenate(plain).mean()), sigma, tau)
