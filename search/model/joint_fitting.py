"""The joint posterior of accuracy and traits of the loss curve, averaged over the grid of their covariances.

    accuracy = block + gain(architecture) + (block x stage) + noise
    trait    = block + gain(architecture) + (block x stage) + noise       with values of its own

Between the two, gains and noise are correlated as the cells of :mod:`search.model.joint_grid` say; "the curve tells
nothing" is one of these. The mean gains of SE in the two have independent priors, so a shift of all losses by SE says
nothing about accuracy. Of several traits, each explains the accuracies in its own way. They are averaged, too, weighted
by the evidence of the accuracies *given* the trait: p(accuracy, trait) / p(trait). What the late losses show beyond
such a trait is the luck of a training, mostly; it is a second trait beside it (:mod:`search.model.joint_luck`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from search.model.design import Design
from search.model.joint_evidence import ACCURACY, FIRST_TRAIT, HAS_SE, Entries, Solved, entries, weigh
from search.model.joint_grid import JointGrid, joint_grid
from search.model.joint_luck import choices, with_luck
from search.model.joint_missing import CELLS, Missing, resampled
from search.model.linear_model import Array, Integers, explained, solve_lower, solve_upper, summed, sums
from search.model.posterior import Posterior, ShortGains
from search.model.small_matrices import inverse
from search.model.trust import Trust

# Number of gains that are drawn at a time, so that the processor's cache holds them.
_CACHED = 2**17


def joint_posterior(
    design: Design,
    accuracy: Array,
    traits: Array,
    w: Array,
    sigmas: Array,
    *,
    draws: int,
    seed: int,
    luck: Array | None = None,
    grid: JointGrid | None = None,
) -> Posterior:
    """The posterior of gains in accuracy, given accuracies (trainings,) and traits (trainings, traits).

    An accuracy is nan where a training shows the trait alone; there must be one trait then. ``luck`` (trainings,
    traits) is what late losses show beyond each trait, if it is known. ``w`` (trainings,) are weights of trainings;
    ``sigmas`` are the noise deviations of accuracy to average over, and ``grid`` are the other hyperparameters, unless
    given :func:`joint_grid` or, with luck, what :mod:`search.model.joint_luck` makes of it.
    """
    is_whole = np.isfinite(accuracy)
    level = float(np.median(accuracy[is_whole]))
    lucks = traits[:, :0] if luck is None else luck
    sides = np.column_stack([accuracy - level, design.x[:, design.n_blocks], traits, lucks])
    has_covariates = bool(design.features.is_covariate.any())
    rng = np.random.default_rng(seed)
    pair = grid or joint_grid(structured=bool(design.n_features), covariates=has_covariates)
    solutions = Solutions(design.of_trainings(is_whole), sides[is_whole], w[is_whole], pair)
    if grid is None and luck is not None:
        grid = with_luck(solutions.left, sigmas, pair, traits.shape[1])
    grid = grid or pair
    kept, weights = weigh(entries(solutions.left, grid, choices(grid.n_traits, traits.shape[1])), sigmas)
    drawn = _all_whole if is_whole.all() else _some_short(Missing(design, sides, w, is_whole))
    chosen, coefficients, gains = drawn(solutions, kept, weights, _Settings(grid, sigmas, draws, rng))
    cell = chosen.entries.cell
    mean = chosen.means[:, 0] * chosen.sigma
    gains += mean[:, None] * design.own
    first = design.n_blocks
    numbers = np.array(design.numbers)
    is_trained = np.isin(np.arange(len(numbers)), design.architecture[is_whole]) | (numbers == 0)
    return Posterior(
        architectures=tuple(numbers[is_trained].tolist()),
        gains=gains[:, is_trained],
        blocks=tuple(design.blocks),
        levels=coefficients[:, :first] + level,
        sigmas=chosen.sigma,
        taus=grid.tau_ratio[cell, 0] * chosen.sigma,
        shares=np.array([own for own, _ in grid.shares])[grid.share[cell]],
        features=design.features,
        _effects=np.column_stack([mean, coefficients[:, first : first + design.n_features]]),
        _seed=seed,
        short=None if is_trained.all() else ShortGains(tuple(numbers[~is_trained].tolist()), gains[:, ~is_trained]),
        trust=Trust(grid.tau_ratio[cell], grid.genetic[cell], grid.residual[cell], chosen.entries.traits[:, 0]),
    )


@dataclass(frozen=True)
class _Settings:
    """What a draw needs besides solutions and weights."""

    grid: JointGrid
    sigmas: Array
    draws: int
    rng: np.random.Generator


Drawn = tuple["_Chosen", Array, Array]


def _all_whole(solutions: "Solutions", kept: Entries, weights: Array, how: _Settings) -> Drawn:
    """What is drawn first, coefficients (draws, columns) and gains (draws, architectures), where all is known."""
    picked = how.rng.choice(weights.size, how.draws, p=weights.ravel())
    entry_of, sigma_of = np.divmod(picked, len(how.sigmas))
    chosen = _Chosen.of(kept.of(entry_of), how.sigmas[sigma_of], how.grid, how.rng)
    return chosen, *solutions.draw(chosen, how.rng)


def _some_short(missing: Missing) -> Callable[["Solutions", Entries, Array, _Settings], Drawn]:
    """The same where some trainings show the trait alone: cells are drawn first, then weighted by all trainings."""

    def drawn(solutions: "Solutions", kept: Entries, weights: Array, how: _Settings) -> Drawn:
        before = weights.sum(axis=1)
        places, counts = np.unique(resampled(before, CELLS, how.rng), return_counts=True)
        found, solved = missing.entries(kept.of(places), how.grid)
        scales = np.broadcast_to(1 / how.sigmas, (len(places), len(how.sigmas)))
        log = found.evidence(scales) + (np.log(counts) - np.log(before[places]))[:, None]
        after = np.exp(log - log.max())
        picked = how.rng.choice(after.size, how.draws, p=(after / after.sum()).ravel())
        entry_of, sigma_of = np.divmod(picked, len(how.sigmas))
        chosen = _Chosen.of(found.of(entry_of), how.sigmas[sigma_of], how.grid, how.rng)
        parts = np.column_stack([chosen.scales, -chosen.means])
        coefficients: Array = np.empty((how.draws, solved.scale.shape[-1]))
        gains: Array = np.empty((how.draws, len(solved.own[0])))
        for entry in np.unique(entry_of):
            mine = np.flatnonzero(entry_of == entry)
            coefficients[mine], gains[mine] = missing.draw(solved, entry, parts[mine], chosen.back[mine], how.rng)
        return chosen, coefficients, gains

    return drawn


@dataclass(frozen=True)
class _Chosen:
    """What is drawn before the coefficients, as arrays over draws.

    ``sides`` (draws, canonical, sides) are the weights of the sides in each canonical trait, ``back`` (draws,
    canonical) those of the canonical traits in accuracy, in points. ``means`` (draws, traits) are the mean gains of SE
    in accuracy and traits, in multiples of the noise deviations; ``scales`` are 1 / these deviations.
    """

    entries: Entries
    sigma: Array
    means: Array
    scales: Array
    share: Integers
    ratio: Integers
    sides: Array
    back: Array

    @classmethod
    def of(cls, drawn: Entries, sigma: Array, grid: JointGrid, rng: np.random.Generator) -> "_Chosen":
        likeliest = drawn.scales(1 / sigma)
        scales: Array = np.column_stack(likeliest)
        n, n_traits = scales.shape
        covariance = inverse(np.moveaxis(drawn.curvature(likeliest), 2, 0))
        spread = np.linalg.cholesky(covariance)
        scales[:, 1:] *= np.exp((spread @ rng.standard_normal((n, n_traits - 1, 1)))[:, :, 0])
        noise = np.linalg.cholesky(drawn.mean_covariance) @ rng.standard_normal((n, n_traits, 1))
        means = (drawn.mean_of @ scales[:, :, None] + noise)[:, :, 0]
        turn = grid.to_canonical[drawn.cell]
        sides = np.zeros((n, n_traits, FIRST_TRAIT + int(drawn.traits.max()) + 1))
        sides[:, :, ACCURACY] = turn[:, :, 0] * scales[:, :1]
        sides[:, :, HAS_SE] = -(turn @ means[:, :, None])[:, :, 0]
        for i, trait in enumerate(drawn.traits.T, start=1):
            sides[np.arange(n), :, FIRST_TRAIT + trait] = turn[:, :, i] * scales[:, i, None]
        back = grid.back[drawn.cell][:, 0, :] * sigma[:, None]
        return cls(drawn, sigma, means, scales, grid.share[drawn.cell], grid.ratio[drawn.cell], sides, back)


class Solutions:
    """Every ratio of every share, solved for all sides. The columns are those of the design without the mean gain.

    Of each, a *kind*: ``_scale`` (kinds, columns) are prior deviations, ``_mean`` (kinds, columns, sides) scaled
    coefficients, ``_lower`` (kinds, columns, columns) and ``_shrink`` (kinds, architectures) are as in ``Solution``.
    """

    def __init__(self, design: Design, sides: Array, w: Array, grid: JointGrid) -> None:
        x = np.delete(design.x, design.n_blocks, axis=1)
        n_architectures = len(design.numbers)
        found = sums(x, sides[:, ACCURACY], w, design.architecture, n_architectures, design.own)
        weighted = sides * w[:, None]
        self._n_ratios = len(grid.ratios)
        self._per_architecture = found.per_architecture
        self._response = summed(weighted, design.architecture, n_architectures)
        self._direct = np.delete(design.direct(), design.n_blocks, axis=1)
        self._scale = design.scales_without_mean(grid.settings)
        own = grid.own_variances
        variance = own[:, None] * found.own
        self._shrink = variance / (1 + variance * found.weight)
        left = np.stack([explained(found, v, s) for v, s in zip(own, self._shrink, strict=True)])
        left *= self._scale[:, :, None]
        left *= self._scale[:, None, :]
        left += np.eye(x.shape[1])
        self._lower = np.linalg.cholesky(left)
        followed = self._shrink[:, :, None] * self._response
        target = self._scale[:, :, None] * (x.T @ weighted - found.per_architecture.T @ followed)
        projected = np.stack([solve_lower(root, side) for root, side in zip(self._lower, target, strict=True)])
        self._mean = np.stack([solve_upper(root, side) for root, side in zip(self._lower, projected, strict=True)])
        power = sides.T @ weighted - self._response.T @ followed - projected.transpose(0, 2, 1) @ projected
        log_det = 2 * np.log(np.diagonal(self._lower, axis1=1, axis2=2)).sum(axis=1)
        log_det += np.log1p(variance * found.weight).sum(axis=1)
        shape = len(grid.shares), self._n_ratios
        self.left = Solved(
            power.reshape(*shape, *power.shape[1:]), log_det.reshape(shape), len(sides) - design.n_blocks
        )

    def draw(self, chosen: _Chosen, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draws for accuracy, in points: coefficients (draws, columns) and gains (draws, architectures).

        Gains are without the mean gain of SE.
        """
        kinds = chosen.share[:, None] * self._n_ratios + chosen.ratio  # (draws, canonical)
        parts = [self._coefficients(chosen, kinds, canonical, rng) for canonical in range(kinds.shape[1])]
        coefficients = np.sum([part[:, chosen.sides.shape[2] :] for part in parts], axis=0)
        # An architecture's own term follows its residuals: its response less what the coefficients explain of it.
        residual = np.vstack([self._response[:, : chosen.sides.shape[2]].T, -self._per_architecture.T])
        gains: Array = np.empty((len(kinds), len(self._direct)))
        size = max(1, _CACHED // len(self._direct))
        for first in range(0, len(kinds), size):
            chunk = slice(first, first + size)
            expected = coefficients[chunk] @ self._direct.T
            variance = np.zeros_like(expected)
            for canonical, part in enumerate(parts):
                followed = self._shrink.take(kinds[chunk, canonical], axis=0)
                expected += (part[chunk] @ residual) * followed
                followed *= chosen.back[chunk, canonical, None] ** 2
                variance += followed
            noise = rng.standard_normal(expected.shape)
            noise *= np.sqrt(variance, out=variance)
            np.add(expected, noise, out=gains[chunk])
        return coefficients, gains

    def _coefficients(self, chosen: _Chosen, kinds: Integers, canonical: int, rng: np.random.Generator) -> Array:
        """The part of a canonical trait in what accuracies show: weights of the sides, then coefficients, in points.

        An array (draws, sides + columns); ``kinds`` (draws, canonical) count the solutions.
        """
        sides, back = chosen.sides[:, canonical], chosen.back[:, canonical, None]
        n_sides = sides.shape[1]
        found = np.zeros((len(sides), n_sides + self._direct.shape[1]))
        found[:, :n_sides] = sides
        for kind in np.unique(kinds[:, canonical]):
            mine = np.flatnonzero(kinds[:, canonical] == kind)
            # Columns without a prior deviation are 0, and in the factor they have to do with themselves alone.
            active = np.flatnonzero(self._scale[kind])
            noise = rng.standard_normal((len(mine), len(active)))
            drawn = solve_upper(self._lower[kind][np.ix_(active, active)], noise.T).T
            drawn += sides[mine] @ self._mean[kind, active, :n_sides].T
            drawn *= self._scale[kind, active]
            found[np.ix_(mine, n_sides + active)] = drawn
        found *= back
        return found
