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

from search.model.curve_traits import is_constant, luck_of, traits_of
from search.model.design import Design
from search.model.features import Features
from search.model.hyperparameters import HyperparameterGrid, Hyperparameters
from search.model.joint_fitting import joint_posterior
from search.model.linear_model import Array, Solution, Sums, draw, solve, sums
from search.model.observations import Observation, Observations
from search.model.posterior import Posterior

DRAWS = 4000
# The second pass leaves out settings with less weight than this in the first.
HOPELESS = 1e-4
# The median of a block with fewer trainings (a pair of the confirmation) says nothing about its level.
SMALL_BLOCK = 4
# With fewer trainings than this, blocks taken off, curves cannot be told from luck and are left alone.
FEWEST_CURVES = 8
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
    in_percent: bool = True,
) -> Posterior:
    """The posterior given all finished trainings; needs at least one.

    ``features`` has a row for every architecture number, plain's (number 0) first and all zeros; without it
    architectures have nothing in common. ``resolution`` is what one validation image is worth, in points: no noise
    smaller than half of it is believed. Of results that are not ``in_percent`` the spread says how large noise may be.
    ``grid`` is what the posterior is averaged over, unless given
    :meth:`HyperparameterGrid.default` of the data. Loss curves are taken into account if every training has one and no
    ``grid`` is given (:mod:`search.model.joint_fitting`).
    """
    seen = observations if isinstance(observations, Observations) else Observations.of(observations)
    features = features or Features.none(1 + int(seen.architecture.max()))
    whole = seen if seen.is_whole.all() else seen.chosen(seen.is_whole)
    takes_curves = grid is None
    if grid is None:
        spread = float(whole.accuracy.std())
        grid = HyperparameterGrid.default(
            spread,
            resolution=resolution,
            structured=bool(features.columns),
            covariates=bool(features.is_covariate.any()),
            in_percent=in_percent,
        )
    model = _Model(whole, features, grid)
    first = model.weights_from(model.residual_from_blocks())
    rough = model.average(first, grid.settings)
    # A training loses weight where it is far from its block or far from what the model expects.
    both = np.minimum(first, model.weights_from(model.residual(rough)))
    if takes_curves:
        joint = _joint(seen, model.design, both, np.array(grid.sigmas), draws, seed)
        if joint is not None:
            return joint
    if np.array_equal(both, first):
        return model.posterior(rough, draws, seed)
    likely = rough.weights.sum(axis=1) > HOPELESS
    settings = [setting for setting, is_likely in zip(grid.settings, likely, strict=True) if is_likely]
    return model.posterior(model.average(both, settings), draws, seed)


def _joint(
    seen: Observations, of_whole: Design, weights: Array, sigmas: Array, draws: int, seed: int
) -> Posterior | None:
    """The posterior of accuracies and curves; None if curves are not known, or cannot tell anything.

    They cannot if they are too few, or if accuracies do not differ: where all are 100 %, there is no luck to explain.
    ``of_whole`` is the design of the trainings with an accuracy, ``weights`` are theirs. The others have full weight.
    """
    is_whole = seen.is_whole
    design = of_whole if is_whole.all() else Design.of(seen, of_whole.features)
    if is_whole.sum() - design.n_blocks < FEWEST_CURVES:
        return None
    if is_constant(seen.accuracy[is_whole], of_whole.block):
        return None
    traits = traits_of(seen.losses, design.block)
    if traits is None:
        return None
    w = np.ones(len(is_whole))
    w[is_whole] = weights
    luck = luck_of(seen.losses, traits, design.block)
    return joint_posterior(design, seen.accuracy, traits, w, sigmas, draws=draws, seed=seed, luck=luck)


@dataclass(frozen=True)
class _Average:
    """The model solved for some settings. ``weights`` (settings, sigmas) are posterior weights and sum to 1."""

    solutions: Sequence[Solution]
    found: Sums
    weights: Array


class _Model:
    """One trait, the accuracy, over the columns of a design."""

    def __init__(self, seen: Observations, features: Features, grid: HyperparameterGrid) -> None:
        self.design = Design.of(seen, features)
        self._sigmas: Array = np.array(grid.sigmas)
        self._level = float(np.median(seen.accuracy))
        self._y = seen.accuracy - self._level

    def average(self, w: Array, settings: Sequence[Hyperparameters]) -> _Average:
        """The settings solved for trainings of the weights ``w``, and weighted by prior and evidence."""
        design = self.design
        found = sums(design.x, self._y, w, design.architecture, len(design.numbers), design.own)
        solutions = solve(found, settings, np.stack([design.scale(s) for s in settings]), self._sigmas)
        # Levels have a flat prior in points, whatever sigma is: each takes a degree of freedom from sigma.
        levels = design.n_blocks * np.log(self._sigmas)
        log = np.array([s.log_evidence + levels + np.log(s.setting.prior) for s in solutions])
        weights = np.exp(log - log.max())
        return _Average(solutions, found, weights / weights.sum())

    def residual_from_blocks(self) -> Array:
        """Distances from the median of the block, which a collapsed training cannot move; nan in a small block."""
        block = self.design.block
        centre = np.array([np.median(self._y[block == b]) for b in range(self.design.n_blocks)])
        is_small = np.bincount(block) < SMALL_BLOCK
        return np.where(is_small[block], np.nan, self._y - centre[block])

    def residual(self, average: _Average) -> Array:
        """Distances from the posterior mean."""
        expected = np.zeros(len(self._y))
        found = average.found
        for solution, weight in zip(average.solutions, average.weights.sum(axis=1), strict=True):
            coefficients = solution.scale * solution.mean
            own = solution.shrink * (found.response - found.per_architecture @ coefficients)
            expected += weight * (self.design.x @ coefficients + own[self.design.architecture])
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
        design = self.design
        rng = np.random.default_rng(seed)
        picked = rng.choice(average.weights.size, draws, p=average.weights.ravel())
        setting_of, sigma_of = np.divmod(picked, len(self._sigmas))
        sigmas = self._sigmas[sigma_of]
        direct = design.direct()
        coefficients = np.empty((draws, design.x.shape[1]))
        gains = np.empty((draws, len(design.numbers)))
        for i in np.unique(setting_of):
            mine = np.flatnonzero(setting_of == i)
            solution = average.solutions[i]
            coefficients[mine], gains[mine] = draw(solution, average.found, direct, sigmas[mine], rng)
        effects = coefficients[:, design.n_blocks : design.n_blocks + 1 + design.n_features]
        settings = [solution.setting for solution in average.solutions]
        return Posterior(
            architectures=tuple(design.numbers),
            gains=gains,
            blocks=tuple(design.blocks),
            levels=coefficients[:, : design.n_blocks] + self._level,
            sigmas=sigmas,
            taus=np.array([setting.tau_ratio for setting in settings])[setting_of] * sigmas,
            shares=np.array([setting.own_share for setting in settings])[setting_of],
            features=design.features,
            _effects=effects,
            _seed=seed,
        )
