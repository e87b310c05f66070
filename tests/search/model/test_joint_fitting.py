"""The joint posterior of accuracy and loss curve, compared with one large Gaussian."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from search.model import joint_evidence, joint_fitting
from search.model.design import Design
from search.model.features import Features
from search.model.fitting import fit
from search.model.joint_fitting import joint_posterior
from search.model.joint_grid import CURVE_RATIOS, GENETIC, MOVED, JointGrid, joint_grid
from search.model.joint_missing import Missing
from search.model.observations import Observation, Observations

STRUCTURE = Features(
    np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.2], [0.3, 0.9]]), (("stage", "1"), ("gate", "x"))
)
TAU_RATIO, SHARE, TRAIT_RATIO, GENETIC_HERE, RESIDUAL_HERE = 0.8, 0.3, 2.0, -0.7, -0.4


LUCK_RATIO, LUCK_GENETIC, LUCK_SHARED = 0.6, 0.5, -0.8


def three(with_trait, with_luck):
    """Correlations of accuracy, trait and luck; the last two are independent."""
    return np.array([[1, with_trait, with_luck], [with_trait, 1, 0], [with_luck, 0, 1]])


def trainings(n_blocks, seed=0):
    """Six architectures, the last never trained; plain twice in each block. Accuracy and a trait of each training."""
    rng = np.random.default_rng(seed)
    rows = [(a, block) for block in range(n_blocks) for a in (0, 0, 1, 2, 3, 4, 1)]
    architecture, block = np.array(rows).T
    accuracy = 90 + block + 0.2 * architecture + rng.normal(0, 0.3, len(rows))
    trait = 0.5 * block - 0.4 * architecture + rng.normal(0, 0.3, len(rows))
    seen = Observations(architecture, block, accuracy, np.zeros((len(rows), 0)))
    w = rng.uniform(0.3, 1, len(rows))
    return seen, trait, w


class Dense:
    """The Gaussian of accuracy and traits together, with noise deviations ``sigma`` and ``sigma_trait``.

    With ``sigma_luck`` there is a second trait: its gains and noise go with those of accuracy as LUCK says.
    """

    def __init__(self, design, w, sigma, sigma_trait, genetic=GENETIC_HERE, residual=RESIDUAL_HERE, sigma_luck=None):
        size = 2 if sigma_luck is None else 3
        deviations = np.array([sigma, sigma_trait, sigma_luck or 0.0][:size])
        ratios = np.array([TAU_RATIO, TRAIT_RATIO, LUCK_RATIO][:size])
        correlation = three(genetic, LUCK_GENETIC)[:size, :size]
        self.between = np.outer(ratios, ratios) * correlation * np.outer(deviations, deviations)
        within = three(residual, LUCK_SHARED)[:size, :size] * np.outer(deviations, deviations)
        n = design.n_blocks
        x = np.delete(design.x, n, axis=1)
        scale = np.concatenate(
            [np.zeros(n), np.full(2, 1 - SHARE), np.full(x.shape[1] - n - 2, 0.25**2)]
        )  # variances as shares of tau^2
        everyone = STRUCTURE.matrix
        own = np.diag((np.arange(6) != 0).astype(float)) * SHARE
        self.gains = everyone * (1 - SHARE) @ everyone.T + own
        alike = x * scale @ x.T + own[np.ix_(design.architecture, design.architecture)]
        has_se = (design.architecture != 0).astype(float)
        means = np.diag(1 + ratios**2) * deviations**2
        levels = np.diag(deviations**2) * 1e4
        self.covariance = np.kron(self.between, alike) + np.kron(within, np.diag(1 / w))
        self.covariance += np.kron(means, np.outer(has_se, has_se)) + np.kron(levels, x[:, :n] @ x[:, :n].T)
        cross = everyone * (1 - SHARE) @ everyone[design.architecture].T + own[:, design.architecture]
        self.towards = np.kron(self.between[:1], cross) + np.kron(means[:1], np.outer(np.arange(6) != 0, has_se))
        self.prior = self.between[0, 0] * self.gains + means[0, 0] * np.outer(np.arange(6) != 0, np.arange(6) != 0)

    def seen(self, places):
        """The same where only these of all accuracies and traits are seen."""
        self.covariance = self.covariance[np.ix_(places, places)]
        self.towards = self.towards[:, places]
        return self

    def log_evidence(self, both):
        return multivariate_normal(cov=self.covariance).logpdf(both)

    def posterior(self, both):
        """Mean and deviation of the gains of all architectures in accuracy."""
        solved = np.linalg.solve(self.covariance, self.towards.T).T
        return solved @ both, np.sqrt(np.diag(self.prior - solved @ self.towards.T))


def known_with_luck():
    """The grid of one cell of accuracy, trait and luck."""
    return JointGrid.of_one(
        SHARE,
        (TAU_RATIO, TRAIT_RATIO, LUCK_RATIO),
        three(GENETIC_HERE, LUCK_GENETIC)[None],
        three(RESIDUAL_HERE, LUCK_SHARED)[None],
    )


def left_by(design, sides, w, grid):
    return joint_fitting.Solutions(design, sides, w, grid).left


@pytest.mark.parametrize("n_blocks", [1, 2, 10])
def test_gains_are_those_of_one_large_gaussian(n_blocks):
    seen, trait, w = trainings(n_blocks)
    design = Design.of(seen, STRUCTURE)
    grid = JointGrid.known(TAU_RATIO, SHARE, TRAIT_RATIO, GENETIC_HERE, RESIDUAL_HERE)
    sigma = 0.4
    found = joint_posterior(
        design, seen.accuracy, trait[:, None], w, np.array([sigma]), draws=40_000, seed=1, grid=grid
    )
    both = np.concatenate([seen.accuracy - np.median(seen.accuracy), trait])
    # The deviation of the trait is averaged over, in the reference on a fine grid.
    deviations = np.geomspace(0.05, 3, 120)
    references = [Dense(design, w, sigma, deviation) for deviation in deviations]
    # Levels have flat priors in the units of the trait, not in multiples of its deviation.
    log = np.array([r.log_evidence(both) + n_blocks * np.log(d) for r, d in zip(references, deviations, strict=True)])
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    means, spreads = (np.array(part) for part in zip(*(r.posterior(both) for r in references), strict=True))
    mean = weights @ means
    spread = np.sqrt(weights @ (spreads**2 + means**2) - mean**2)
    everywhere = found.everywhere(40_000)
    assert everywhere.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert everywhere.std(axis=0) == pytest.approx(spread, rel=0.04)
    assert found.trust.genetic == pytest.approx(GENETIC_HERE)
    assert found.taus / found.sigmas == pytest.approx(TAU_RATIO)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_with_luck_gains_are_those_of_one_large_gaussian(n_blocks):
    """Three traits. The deviations of two of them are averaged over, in the reference on a grid."""
    seen, trait, w = trainings(n_blocks)
    luck = -0.7 * (seen.accuracy - 90 - seen.block) + np.random.default_rng(5).normal(0, 0.3, len(trait))
    design = Design.of(seen, STRUCTURE)
    sigma = 0.4
    grid = known_with_luck()
    found = joint_posterior(
        design,
        seen.accuracy,
        trait[:, None],
        w,
        np.array([sigma]),
        draws=40_000,
        seed=1,
        luck=luck[:, None],
        grid=grid,
    )
    everything = np.concatenate([seen.accuracy - np.median(seen.accuracy), trait, luck])
    pairs = [(one, other) for one in np.geomspace(0.1, 1.5, 24) for other in np.geomspace(0.1, 1.5, 24)]
    references = [Dense(design, w, sigma, one, sigma_luck=other) for one, other in pairs]
    mean, spread = averaged(references, [one * other for one, other in pairs], everything, n_blocks)
    everywhere = found.everywhere(40_000)
    assert everywhere.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert everywhere.std(axis=0) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_cells_count_by_their_evidence(n_blocks):
    """The difference of two cells is that of two large Gaussians, the deviation of the trait integrated out."""
    seen, trait, w = trainings(n_blocks, seed=3)
    design = Design.of(seen, STRUCTURE)
    sigma = 0.4
    accuracy = seen.accuracy - np.median(seen.accuracy)
    sides = np.column_stack([accuracy, design.x[:, n_blocks], trait])
    deviations = np.geomspace(0.05, 3, 200)
    logs, references = [], []
    for genetic, residual in ((-0.7, -0.4), (0.0, 0.0), (0.5, -0.85)):
        grid = JointGrid.known(TAU_RATIO, SHARE, TRAIT_RATIO, genetic, residual)
        entries = joint_evidence.entries(left_by(design, sides, w, grid), grid, [(0,)])
        logs.append(float(entries.evidence(np.array([1 / sigma]))[0]))
        both = np.concatenate([accuracy, trait])
        log = [
            Dense(design, w, sigma, d, genetic, residual).log_evidence(both) + n_blocks * np.log(d) for d in deviations
        ]
        references.append(float(np.logaddexp.reduce(log)))
    assert np.diff(logs) == pytest.approx(np.diff(references), abs=0.03)


def test_the_trait_alone_is_no_evidence():
    """Where the curve tells nothing, each trait explains the accuracies equally well: as they explain themselves."""
    seen, trait, w = trainings(2)
    design = Design.of(seen, STRUCTURE)
    other = np.random.default_rng(9).normal(0, 1, len(trait))
    sides = np.column_stack([seen.accuracy - 90, design.x[:, 2], trait, other])
    grid = JointGrid.known(TAU_RATIO, SHARE, TRAIT_RATIO, 0.0, 0.0)
    entries = joint_evidence.entries(left_by(design, sides, w, grid), grid, [(0,), (1,)])
    one, another = entries.evidence(np.full(2, 2.5))
    assert one == pytest.approx(another, abs=0.01)


# -- trainings that show the trait alone -------------------------------------------------------------------------------


def averaged(references, deviations, both, n_blocks):
    """Mean and deviation of gains, the deviation of the trait averaged over."""
    log = np.array([r.log_evidence(both) + n_blocks * np.log(d) for r, d in zip(references, deviations, strict=True)])
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    means, spreads = (np.array(part) for part in zip(*(r.posterior(both) for r in references), strict=True))
    mean = weights @ means
    return mean, np.sqrt(weights @ (spreads**2 + means**2) - mean**2)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_with_missing_accuracies_gains_are_those_of_one_large_gaussian(n_blocks):
    """Some architectures have both kinds of training, and the last one short ones alone."""
    seen, trait, w = trainings(n_blocks)
    accuracy = seen.accuracy.copy()
    accuracy[[2, 5]] = np.nan
    accuracy[seen.architecture == 4] = np.nan
    is_whole = np.isfinite(accuracy)
    w = np.where(is_whole, w, 1.0)
    design = Design.of(seen, STRUCTURE)
    grid = JointGrid.known(TAU_RATIO, SHARE, TRAIT_RATIO, GENETIC_HERE, RESIDUAL_HERE)
    found = joint_posterior(design, accuracy, trait[:, None], w, np.array([0.4]), draws=40_000, seed=1, grid=grid)
    places = np.flatnonzero(np.append(is_whole, np.ones(len(trait), dtype=bool)))
    both = np.concatenate([accuracy - np.median(accuracy[is_whole]), trait])[places]
    deviations = np.geomspace(0.05, 3, 120)
    references = [Dense(design, w, 0.4, deviation).seen(places) for deviation in deviations]
    mean, spread = averaged(references, deviations, both, n_blocks)
    everywhere = found.everywhere(40_000)
    assert everywhere.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert everywhere.std(axis=0) == pytest.approx(spread, rel=0.04)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_with_missing_accuracies_and_luck_gains_are_those_of_one_large_gaussian(n_blocks):
    """Short trainings show the trait, and neither accuracy nor luck."""
    seen, trait, w = trainings(n_blocks)
    luck = -0.7 * (seen.accuracy - 90 - seen.block) + np.random.default_rng(5).normal(0, 0.3, len(trait))
    accuracy = seen.accuracy.copy()
    accuracy[[2, 5]] = np.nan
    accuracy[seen.architecture == 4] = np.nan
    is_whole = np.isfinite(accuracy)
    w = np.where(is_whole, w, 1.0)
    design = Design.of(seen, STRUCTURE)
    grid = known_with_luck()
    found = joint_posterior(
        design,
        accuracy,
        trait[:, None],
        w,
        np.array([0.4]),
        draws=40_000,
        seed=1,
        luck=np.where(is_whole, luck, np.nan)[:, None],
        grid=grid,
    )
    places = np.flatnonzero(np.concatenate([is_whole, np.ones(len(trait), dtype=bool), is_whole]))
    everything = np.concatenate([accuracy - np.median(accuracy[is_whole]), trait, luck])[places]
    pairs = [(one, other) for one in np.geomspace(0.1, 1.5, 24) for other in np.geomspace(0.1, 1.5, 24)]
    references = [Dense(design, w, 0.4, one, sigma_luck=other).seen(places) for one, other in pairs]
    mean, spread = averaged(references, [one * other for one, other in pairs], everything, n_blocks)
    everywhere = found.everywhere(40_000)
    assert everywhere.mean(axis=0) == pytest.approx(mean, abs=0.03)
    assert everywhere.std(axis=0) == pytest.approx(spread, rel=0.05)


def test_with_missing_accuracies_cells_count_by_their_evidence():
    seen, trait, w = trainings(2, seed=3)
    accuracy = seen.accuracy - np.median(seen.accuracy)
    accuracy[[3, 8, 9]] = np.nan
    is_whole = np.isfinite(accuracy)
    w = np.where(is_whole, w, 1.0)
    design = Design.of(seen, STRUCTURE)
    sides = np.column_stack([accuracy, design.x[:, 2], trait])
    places = np.flatnonzero(np.append(is_whole, np.ones(len(trait), dtype=bool)))
    both = np.concatenate([accuracy, trait])[places]
    deviations = np.geomspace(0.05, 3, 200)
    logs, references = [], []
    for genetic, residual in ((-0.7, -0.4), (0.0, 0.0), (0.5, -0.85)):
        grid = JointGrid.known(TAU_RATIO, SHARE, TRAIT_RATIO, genetic, residual)
        whole = joint_evidence.entries(
            left_by(design.of_trainings(is_whole), sides[is_whole], w[is_whole], grid), grid, [(0,)]
        )
        found, _ = Missing(design, sides, w, is_whole).entries(whole, grid)
        logs.append(float(found.evidence(np.array([2.5]))[0]))
        log = [
            Dense(design, w, 0.4, d, genetic, residual).seen(places).log_evidence(both) + 2 * np.log(d)
            for d in deviations
        ]
        references.append(float(np.logaddexp.reduce(log)))
    assert np.diff(logs) == pytest.approx(np.diff(references), abs=0.03)


# -- what the grid means ----------------------------------------------------------------------------------------------


def test_cells_are_what_they_are_called_up_to_rounding():
    grid = joint_grid(structured=True)
    within = grid.back @ grid.back.transpose(0, 2, 1)
    between = grid.back * (np.array(grid.ratios)[grid.ratio] ** 2)[:, None] @ grid.back.transpose(0, 2, 1)
    assert within[:, 0, 0] == pytest.approx(1)
    assert within[:, 1, 1] == pytest.approx(1)
    assert within[:, 0, 1] == pytest.approx(grid.residual[:, 0, 1])
    assert np.sqrt(between[:, 1, 1]) == pytest.approx(grid.tau_ratio[:, 1])
    nearest = np.abs(grid.tau_ratio[:, 1:] / np.array(CURVE_RATIOS) - 1).min(axis=1)
    assert nearest.max() < 0.4
    assert np.abs(grid.genetic[:, 0, 1, None] - list(GENETIC)).min(axis=1).max() < 0.3
    nothing = (grid.genetic[:, 0, 1] == 0) & (grid.tau_ratio[:, 0] > 0)
    moved = np.abs(between[nothing, 0, 1] / grid.tau_ratio[nothing].prod(axis=1))
    prior = np.exp(grid.log_prior[nothing])
    assert prior[moved > 0.1].sum() < 0.07 * prior.sum()
    assert not prior[moved > MOVED + 1e-9].any()


def test_the_grid_has_the_priors_that_are_written_down():
    grid = joint_grid(structured=True)
    prior = np.exp(grid.log_prior)
    differ = grid.tau_ratio[:, 0] > 0
    nothing = grid.genetic[:, 0, 1] == 0
    assert prior[differ & nothing].sum() / prior[differ].sum() == pytest.approx(GENETIC[0.0], abs=0.005)
    assert prior[~differ].sum() / prior.sum() == pytest.approx(0.5 / 6.5, abs=0.005)


# -- what it is good for ----------------------------------------------------------------------------------------------


def searched(correlation, seed, n=96, architectures=40, tau=0.15):
    """Gains, and single trainings whose loss of the first epoch shows them with this correlation, clearly."""
    rng = np.random.default_rng(seed)
    gains = np.append(0.0, tau * rng.standard_normal(architectures))
    shown = correlation * gains / tau + np.sqrt(1 - correlation**2) * rng.standard_normal(len(gains))
    which = np.append(np.zeros(n // 6, dtype=int), rng.integers(1, architectures + 1, n - n // 6))
    observed = [
        Observation(int(a), 0, 90 + gains[a] + 0.3 * rng.standard_normal(), np.exp([0.05 * (shown[a] + luck), -0.5]))
        for a, luck in zip(which, 0.3 * rng.standard_normal(n), strict=True)
    ]
    return gains, observed


def test_short_trainings_tell_something_of_the_architectures_that_they_train():
    """64 whole trainings, and one more epoch of every architecture: the errors of all gains fall."""
    errors = []
    for seed in range(6):
        gains, seen = searched(-0.95, seed, n=64)
        _, more = searched(-0.95, seed, n=160)
        short = [Observation(o.architecture, 0, float("nan"), o.losses[:1]) for o in more[64:]]
        posteriors = [fit(seen, Features.none(len(gains)), draws=1000) for seen in (seen, seen + short)]
        errors.append([np.mean((p.everywhere(1000).mean(axis=0) - gains) ** 2) for p in posteriors])
    assert np.mean(errors, axis=0)[1] < 0.95 * np.mean(errors, axis=0)[0]


def mean_error(posterior, gains):
    return float(np.mean((posterior.gains.mean(axis=0) - gains[list(posterior.architectures)]) ** 2))


def test_curves_that_tell_much_help_much():
    worlds = [searched(-0.95, seed) for seed in range(6)]
    errors = [[mean_error(fit(Observations.of(seen)), gains) for gains, seen in worlds]]
    bare = [[Observation(o.architecture, o.block, o.accuracy) for o in seen] for _, seen in worlds]
    errors += [[mean_error(fit(seen), gains) for seen, (gains, _) in zip(bare, worlds, strict=True)]]
    assert np.mean(errors[0]) < 0.6 * np.mean(errors[1])


def test_what_curves_tell_is_learned():
    told, untold = (
        [fit(searched(correlation, seed, n=192)[1]).trust.p_nothing for seed in range(6)] for correlation in (-0.95, 0)
    )
    assert np.median(told) < 0.1
    assert np.median(untold) > 0.5


def test_intervals_hold_with_curves_whatever_these_tell():
    held = []
    for correlation in (-0.95, -0.5, 0.0):
        for seed in range(8):
            gains, seen = searched(correlation, seed)
            posterior = fit(seen)
            held += [
                low <= gains[a] <= high
                for a in posterior.architectures[1:]
                for _, low, high in [posterior.interval(a, 0.9)]
            ]
    assert 0.82 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("losses", [(), (0.0, 1.0), (np.nan, 1.0)])
def test_a_training_without_a_usable_curve_leaves_accuracy_alone(losses):
    _, seen = searched(-0.9, 0)
    seen[5] = Observation(seen[5].architecture, 0, seen[5].accuracy, losses)
    bare = [Observation(o.architecture, o.block, o.accuracy) for o in seen]
    assert np.array_equal(fit(seen).gains, fit(bare).gains)


def test_losses_that_never_differ_leave_accuracy_alone():
    _, seen = searched(-0.9, 0)
    same = [Observation(o.architecture, o.block, o.accuracy, (1.0, 0.5)) for o in seen]
    bare = [Observation(o.architecture, o.block, o.accuracy) for o in seen]
    assert fit(same).trust is None
    assert np.array_equal(fit(same).gains, fit(bare).gains)


@pytest.mark.parametrize("n_blocks", [1, 2])
def test_accuracies_that_never_differ_leave_accuracy_alone(n_blocks):
    _, seen = searched(-0.9, 0, n=24)
    same = [Observation(o.architecture, i % n_blocks, 100.0 - i % n_blocks, o.losses) for i, o in enumerate(seen)]
    bare = [Observation(o.architecture, o.block, o.accuracy) for o in same]
    assert np.array_equal(fit(same).gains, fit(bare).gains)


@pytest.mark.parametrize("other", [100 - 1e-9, 99.7, 0.0])
def test_one_training_that_differs_is_enough_for_a_posterior(other):
    _, seen = searched(-0.9, 0, n=24)
    same = [Observation(o.architecture, 0, 100.0, o.losses) for o in seen]
    assert np.isfinite(fit([*same[:-1], Observation(same[-1].architecture, 0, other, same[-1].losses)]).gains).all()


def test_plain_alone_has_curves_too():
    rng = np.random.default_rng(0)
    seen = [Observation(0, 0, 90 + rng.normal(0, 0.2), tuple(np.exp(rng.normal(0, 0.1, 2)))) for _ in range(12)]
    assert fit(seen).interval(0, 0.9) == (0.0, 0.0, 0.0)
