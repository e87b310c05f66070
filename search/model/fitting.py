"""The posterior of finished trainings: a linear model of accuracy, averaged over its hyperparameters.

    accuracy = block + gain(architecture) + (block x stage) + noise,   gain(plain) = 0
    gain(a)  = m + effects of what a has in common with others + a term of its own

Trainings of a block share the backbone's initial weights and move together, so each block has a level of its own. The
data decide how much gains are shrunk: the posterior is averaged over a grid of the noise sigma, of tau (the spread of
gains, in multiples of sigma) and of the share of tau^2 that belongs to single architectures. The grid contains "no
difference" (tau = 0). So the best of many single trainings is not reported at its lucky value, and intervals do not
rest on point estimates.

Noise has heavy tails: some trainings collapse. The weight of a training falls with its distance from what the model
expects, as in a robust regression (Huber 1981), so one collapsed training of plain does not make all others look good.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.model.features import Features
from search.model.hyperparameters import HyperparameterGrid, Hyperparameters
from search.model.linear_model import Array, Integers, Solution, Sums, draw, solve, sums
from search.model.observations import Observation, Observations
from search.model.posterior import Posterior

# Prior deviation of the level of a block around the median of all accuracies, in multiples of sigma.
BLOCK_SCALE = 100.0
# Prior deviation of the change of a stage's effect from block to block, in multiples of tau.
BLOCK_STAGE_SCALE = 0.25
# Stages have effects of their own in this many blocks: over more blocks they average out, and each costs columns.
BLOCKS_APART = 8
DRAWS = 4000
# The second pass leaves out settings with less weight than this in the first.
HOPELESS = 1e-4
# The median of a block with fewer trainings (a pair of the confirmation) says nothing about its level.
SMALL_BLOCK = 4
# Up to this many robust standard deviations from its expectation a training has full weight.
FULL_WEIGHT = 3.0


def fit(
    observations: Sequence[Observation] | Observations,
    features: Features | None = None,
    *,
    resolution: float = 0.0,
    grid: HyperparameterGrid | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> Posterior:
    """The posterior given all finished trainings; needs at least one.

    ``features`` has a row for every architecture number, plain's (number 0) first and all zeros; without it
    architectures have nothing in common. ``resolution`` is what one validation image is worth, in points: no noise
    smaller than half of it is believed. ``grid`` is what the posterior is averaged over, unless given
    :meth:`HyperparameterGrid.default` of the data.
    """
    seen = observations if isinstance(observations, Observations) else Observations.of(observations)
    features = features or Features.none(1 + int(seen.architecture.max()))
    if grid is None:
        spread = float(seen.accuracy.std())
        grid = HyperparameterGrid.default(
            spread,
            resolution=resolution,
            structured=bool(features.columns),
            covariates=bool(features.is_covariate.any()),
        )
    model = _Model(seen, features, grid)
    first = model.weights_from(model.residual_from_blocks())
    rough = model.average(first, grid.settings)
    # A training loses weight where it is far from its block or far from what the model expects.
    both = np.minimum(first, model.weights_from(model.residual(rough)))
    if np.array_equal(both, first):
        return model.posterior(rough, draws, seed)
    likely = rough.weights.sum(axis=1) > HOPELESS
    settings = [setting for setting, is_likely in zip(grid.settings, likely, strict=True) if is_likely]
    return model.posterior(model.average(both, settings), draws, seed)


@dataclass(frozen=True)
class _Average:
    """The model solved for some settings. ``weights`` (settings, sigmas) are posterior weights and sum to 1."""

    solutions: Sequence[Solution]
    found: Sums
    weights: Array


class _Model:
    """The trainings as arrays, and the columns of the linear model: blocks, mean gain, features, block x stage."""

    def __init__(self, seen: Observations, features: Features, grid: HyperparameterGrid) -> None:
        self._features = features
        self._sigmas: Array = np.array(grid.sigmas)
        self._level = float(np.median(seen.accuracy))
        self._y = seen.accuracy - self._level
        numbers: Integers = np.unique(np.append(seen.architecture, 0))
        self._numbers = numbers.tolist()
        self._architecture: Integers = np.searchsorted(numbers, seen.architecture)
        blocks, self._block = np.unique(seen.block, return_inverse=True)
        self._blocks = blocks.tolist()
        self._x = self._columns(seen.architecture)

    def average(self, w: Array, settings: Sequence[Hyperparameters]) -> _Average:
        """The settings solved for trainings of the weights ``w``, and weighted by prior and evidence."""
        own = (np.array(self._numbers) != 0).astype(float)
        found = sums(self._x, self._y, w, self._architecture, len(self._numbers), own)
        solutions = solve(found, settings, np.stack([self._scale(s) for s in settings]), self._sigmas)
        # Levels have a flat prior in points, whatever sigma is: each takes a degree of freedom from sigma.
        levels = len(self._blocks) * np.log(self._sigmas)
        log = np.array([s.log_evidence + levels + np.log(s.setting.prior) for s in solutions])
        weights = np.exp(log - log.max())
        return _Average(solutions, found, weights / weights.sum())

    def residual_from_blocks(self) -> Array:
        """Distances from the median of the block, which a collapsed training cannot move; nan in a small block."""
        centre = np.array([np.median(self._y[self._block == b]) for b in range(len(self._blocks))])
        is_small = np.bincount(self._block) < SMALL_BLOCK
        return np.where(is_small[self._block], np.nan, self._y - centre[self._block])

    def residual(self, average: _Average) -> Array:
        """Distances from the posterior mean."""
        expected = np.zeros(len(self._y))
        found = average.found
        for solution, weight in zip(average.solutions, average.weights.sum(axis=1), strict=True):
            coefficients = solution.scale * solution.mean
            own = solution.shrink * (found.response - found.per_architecture @ coefficients)
            expected += weight * (self._x @ coefficients + own[self._architecture])
        return self._y - expected

    def weights_from(self, residual: Array) -> Array:
        """1 up to FULL_WEIGHT robust standard deviations; beyond, it falls with the square of the distance.

        1 also where the distance is nan.
        """
        distance = np.abs(residual)
        is_known = np.isfinite(distance)
        scale = 1.4826 * float(np.median(distance[is_known])) if is_known.any() else 0.0
        if scale < 1e-9:
            return np.ones(len(residual))
        weights: Array = np.minimum(1.0, (FULL_WEIGHT * scale / np.maximum(distance, 1e-12)) ** 2)
        return np.where(is_known, weights, 1.0)

    def posterior(self, average: _Average, draws: int, seed: int) -> Posterior:
        """Draws from the average: each setting gives draws in proportion to its weight, in random order."""
        rng = np.random.default_rng(seed)
        picked = rng.choice(average.weights.size, draws, p=average.weights.ravel())
        setting_of, sigma_of = np.divmod(picked, len(self._sigmas))
        sigmas = self._sigmas[sigma_of]
        direct = self._direct()
        coefficients = np.empty((draws, self._x.shape[1]))
        gains = np.empty((draws, len(self._numbers)))
        for i in np.unique(setting_of):
            mine = np.flatnonzero(setting_of == i)
            solution = average.solutions[i]
            coefficients[mine], gains[mine] = draw(solution, average.found, direct, sigmas[mine], rng)
        n_blocks = len(self._blocks)
        n_effects = 1 + self._features.matrix.shape[1]
        effects = coefficients[:, n_blocks : n_blocks + n_effects]
        settings = [solution.setting for solution in average.solutions]
        return Posterior(
            architectures=tuple(self._numbers),
            gains=gains,
            blocks=tuple(self._blocks),
            levels=coefficients[:, :n_blocks] + self._level,
            sigmas=sigmas,
            taus=np.array([setting.tau_ratio for setting in settings])[setting_of] * sigmas,
            shares=np.array([setting.own_share for setting in settings])[setting_of],
            features=self._features,
            _effects=effects,
            _seed=seed,
        )

    def _direct(self) -> Array:
        """The matrix (architectures, columns) from coefficients to gains; levels of blocks have no part in a gain."""
        n_blocks = len(self._blocks)
        direct = np.zeros((len(self._numbers), self._x.shape[1]))
        direct[:, n_blocks] = np.array(self._numbers) != 0
        direct[:, n_blocks + 1 : n_blocks + 1 + self._features.matrix.shape[1]] = self._features.matrix[self._numbers]
        return direct

    def _columns(self, architectures: Integers) -> Array:
        """The design matrix (trainings, columns)."""
        blocks = np.eye(len(self._blocks))[self._block]
        effects = np.column_stack([architectures != 0, self._features.matrix[architectures]])
        return np.column_stack([blocks, effects, *self._block_stages(architectures)])

    def _block_stages(self, architectures: Integers) -> list[Array]:
        """A column for each stage in each of the first blocks; none if there is only one block."""
        stages = [i for i, column in enumerate(self._features.columns) if column[0] == "stage"]
        if len(self._blocks) < 2:
            return []
        rows = self._features.matrix[architectures][:, stages]
        return [rows * (self._block == b)[:, None] for b in range(len(self._blocks))[:BLOCKS_APART]]

    def _scale(self, setting: Hyperparameters) -> Array:
        """Prior deviations (columns,) of the coefficients, in multiples of sigma."""
        n_blocks = len(self._blocks)
        n_effects = len(self._features.columns)
        n_rest = self._x.shape[1] - n_blocks - 1 - n_effects
        structured = setting.tau_ratio * np.sqrt(1 - setting.own_share)
        parts = [
            np.full(n_blocks, BLOCK_SCALE),
            np.array([setting.mean_scale]),
            structured * self._features.scale(setting.covariate_share),
            np.full(n_rest, BLOCK_STAGE_SCALE * setting.tau_ratio),
        ]
        return np.concatenate(parts)
