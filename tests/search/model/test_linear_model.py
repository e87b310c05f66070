"""The linear model, compared with the same model written as one large Gaussian."""

import numpy as np
import pytest

from search.model.hyperparameters import Hyperparameters
from search.model.linear_model import draw, solve, sums
from tests.search.model.dense import Dense

SIGMAS = np.array([0.1, 0.3, 1.0])
SETTINGS = [Hyperparameters.of(ratio, share) for ratio, share in ((0.0, 1.0), (0.7, 0.3), (1.8, 0.8), (1.1, 1.0))]
SCALES = np.array([[100.0, 1.0, 0.5], [100.0, 1.2, 0.4], [50.0, 2.0, 0.8], [10.0, 1.5, 0.0]])


def trainings(n_architectures, seed=0):
    """A design of three columns, accuracies and weights: plain and the others one to three times, in random order."""
    rng = np.random.default_rng(seed)
    architecture = np.concatenate([np.full(4, 0), np.arange(n_architectures), np.arange(1, n_architectures)[::3]])
    rng.shuffle(architecture)
    n = len(architecture)
    x = np.column_stack([np.ones(n), architecture != 0, rng.random(n_architectures)[architecture]])
    w = np.where(np.arange(n) % 5 == 2, 0.25, 1.0)
    own = (np.arange(n_architectures) != 0).astype(float)
    return x, rng.normal(0, 0.5, n), w, architecture, own


@pytest.fixture(params=[2, 6, 60])
def parts(request):
    """Few architectures; and so many of the same weight that they are summed beforehand."""
    x, y, w, architecture, own = trainings(request.param)
    return sums(x, y, w, architecture, request.param, own), (x, y, w, architecture, own)


def dense(data, setting, scales):
    return Dense(*data, scales, setting.own_share * setting.tau_ratio**2)


def test_the_evidence_is_the_density_of_one_large_gaussian(parts):
    found, data = parts
    for solution, scales in zip(solve(found, SETTINGS, SCALES, SIGMAS), SCALES, strict=True):
        expected = [dense(data, solution.setting, scales).log_evidence(sigma) for sigma in SIGMAS]
        assert solution.log_evidence == pytest.approx(expected, abs=1e-6)


def test_coefficients_have_its_mean_and_covariance(parts):
    found, data = parts
    for solution, scales in zip(solve(found, SETTINGS, SCALES, SIGMAS), SCALES, strict=True):
        mean, covariance = dense(data, solution.setting, scales).posterior()
        k = len(scales)
        inverse = np.linalg.inv(solution.lower @ solution.lower.T)
        assert solution.scale * solution.mean == pytest.approx(mean[:k], abs=1e-6)
        assert np.outer(scales, scales) * inverse == pytest.approx(covariance[:k, :k], abs=1e-6)


def test_groups_of_architectures_of_the_same_weight_hold_at_least_sixteen():
    x, y, w, architecture, own = trainings(60)
    found = sums(x, y, w, architecture, 60, own)
    sizes = [int((found.weight * own == weight).sum()) for weight, _ in found.alike]
    grouped = np.isin(found.weight, [weight for weight, _ in found.alike])
    assert sizes
    assert min(sizes) >= 16
    assert set(found.others.tolist()) == {a for a in range(1, 60) if not grouped[a]}


def test_sixteen_of_the_same_weight_are_a_group_and_fifteen_are_not():
    for count, groups in ((15, 0), (16, 1)):
        architecture = np.arange(count + 1)
        own = (architecture != 0).astype(float)
        found = sums(np.ones((count + 1, 1)), own, np.ones(count + 1), architecture, count + 1, own)
        assert len(found.alike) == groups
        assert len(found.others) == count * (1 - groups)


def test_draws_have_the_mean_and_covariance_of_the_gaussian():
    """Of gains and coefficients together, for one sigma; 40,000 draws tell a covariance to within 2 %."""
    x, y, w, architecture, own = trainings(5)
    found = sums(x, y, w, architecture, 5, own)
    scales = np.array([3.0, 1.0, 0.7])
    setting = Hyperparameters.of(1.2, 0.5)
    (solution,) = solve(found, [setting], scales[None], np.array([0.4]))
    direct = np.column_stack([np.zeros(5), own, own * np.linspace(0, 1, 5)])
    sigmas = np.full(40_000, 0.4)
    coefficients, gains = draw(solution, found, direct, sigmas, np.random.default_rng(1))
    mean, covariance = dense((x, y, w, architecture, own), setting, scales).posterior()
    combine = np.column_stack([np.vstack([np.eye(3), direct]), np.vstack([np.zeros((3, 5)), np.eye(5)])])
    expected = 0.16 * combine @ covariance @ combine.T
    together = np.column_stack([coefficients, gains])
    deviation = np.sqrt(np.diag(expected))
    assert together.mean(axis=0) == pytest.approx(combine @ mean, abs=5 * deviation.max() / 200)
    scale = np.maximum(np.outer(deviation, deviation), 1e-12)
    assert np.abs((np.cov(together.T) - expected) / scale).max() < 0.03
    assert not gains[:, 0].any()
