"""Covariates in the posterior: useful ones help, useless ones cost little, and without them nothing changes."""

import numpy as np
import pytest

from search.bench.synthetic import Kind
from search.model.features import describe
from search.model.fitting import fit
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observations

TRAININGS = 64
PLAIN = 8
SIGMA = 0.3


class World:
    """64 trainings of random placements of a synthetic problem, and three covariates of all its 113 placements."""

    def __init__(self, number, tau, correlation):
        problem = Kind("113", tau).problem(number)
        self.members = list(problem.space)
        self.sites = problem.space.sites
        self.truth = np.array([problem.truth(member) for member in self.members])
        rng = np.random.default_rng(number)
        rest = self.truth[1:]
        gain = (self.truth - rest.mean()) / rest.std()
        noise = np.sqrt(1 - correlation**2) * rng.standard_normal((3, len(gain)))
        self.covariates = (correlation * np.array([[1.0], [-1.0], [1.0]]) * gain + noise).T
        drawn = [0] * PLAIN + rng.integers(1, len(gain), TRAININGS - PLAIN).tolist()
        rows = [(a, i % 2, 90 + self.truth[a] + SIGMA * rng.standard_normal()) for i, a in enumerate(drawn)]
        self.seen = Observations.of_rows(rows)

    def agreement(self, *, with_covariates):
        """The correlation of posterior means with the true gains of all placements."""
        features = describe(self.members, self.sites)
        if with_covariates:
            features = features.with_covariates(self.covariates, ["accuracy", "train_loss", "log_loss"])
        mean = fit(self.seen, features, draws=500).everywhere(500).mean(axis=0)
        return np.corrcoef(mean[1:], self.truth[1:])[0, 1]


def gained(tau, correlation, worlds=range(4000, 4020)):
    """By how much covariates raise the agreement, on average over worlds."""
    found = [World(number, tau, correlation) for number in worlds]
    return np.mean([w.agreement(with_covariates=True) - w.agreement(with_covariates=False) for w in found])


@pytest.mark.parametrize("tau", [0.4, 1.0])
def test_useful_covariates_help(tau):
    assert gained(tau, 0.6) > 0.07


@pytest.mark.parametrize("tau", [0.4, 1.0])
def test_useless_covariates_cost_little(tau):
    assert gained(tau, 0.0) > -0.05


def test_the_sign_of_a_slope_is_learned():
    world = World(4000, 1.0, 0.6)
    before = world.agreement(with_covariates=True)
    world.covariates = -world.covariates
    assert world.agreement(with_covariates=True) == pytest.approx(before, abs=0.02)


def test_covariates_that_say_nothing_change_nothing():
    world = World(4000, 1.0, 0.6)
    world.covariates = np.full_like(world.covariates, np.nan)
    assert world.agreement(with_covariates=True) == world.agreement(with_covariates=False)


def test_a_known_grid_ignores_covariates():
    """A benchmark problem whose hyperparameters are known has no covariates in its truth."""
    world = World(4000, 1.0, 0.6)
    grid = HyperparameterGrid.known(SIGMA, 1.0, 1 / 3)
    plain = describe(world.members, world.sites)
    covered = plain.with_covariates(world.covariates, ["a", "b", "c"])
    means = [fit(world.seen, f, grid=grid, draws=4000).everywhere(4000).mean(axis=0) for f in (plain, covered)]
    assert np.abs(means[0] - means[1]).max() < 0.05


def test_nothing_and_half_are_equally_likely_beforehand():
    grid = HyperparameterGrid.default(0.4, covariates=True)
    without = HyperparameterGrid.default(0.4)
    weights = {
        share: sum(s.prior for s in grid.settings if s.covariate_share == share and s.tau_ratio) for share in (0.0, 0.5)
    }
    assert weights[0.0] == pytest.approx(weights[0.5])
    assert sum(s.prior for s in grid.settings) == pytest.approx(sum(s.prior for s in without.settings))
    assert {s.covariate_share for s in without.settings} == {0.0}


def test_covariates_help_beside_loss_curves_too():
    """Losses that tell nothing, so that the model is joint and all that helps is the covariates."""
    found, told = [], []
    for number in range(4000, 4008):
        world = World(number, 0.4, 0.6)
        losses = np.exp(0.1 * np.random.default_rng(number).standard_normal((TRAININGS, 2)))
        curved = Observations(world.seen.architecture, world.seen.block, world.seen.accuracy, losses)
        bare = describe(world.members, world.sites)
        names = ["accuracy", "train_loss", "log_loss"]
        posteriors = [fit(curved, f, draws=500) for f in (bare, bare.with_covariates(world.covariates, names))]
        assert all(posterior.trust is not None for posterior in posteriors)
        means = [posterior.everywhere(500).mean(axis=0)[1:] for posterior in posteriors]
        found.append([np.corrcoef(mean, world.truth[1:])[0, 1] for mean in means])
        told.append(posteriors[1].explained_by_covariates())
    assert (np.array(told) == 0).any()
    assert (np.array(told) > 0).any()
    without, along = np.mean(found, axis=0)
    assert along > without + 0.05
