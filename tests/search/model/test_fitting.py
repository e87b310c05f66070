"""The posterior that trainings give."""

import numpy as np
import pytest

from search.model.features import Features
from search.model.fitting import fit
from search.model.hyperparameters import HyperparameterGrid, Hyperparameters
from search.model.observations import Observation
from tests.search.model.dense import Dense


def table(tau, sigma, rng, *, architectures=20, blocks=2, mean=0.1):
    """True gains, and one training of each architecture in each block, plain five times."""
    gains = np.concatenate([[0.0], mean + tau * rng.standard_normal(architectures)])
    observed = [
        Observation(a, block, 95 + block * 0.4 + gains[a] + sigma * rng.standard_normal())
        for block in range(blocks)
        for a in [0] * 4 + list(range(architectures + 1))
    ]
    return gains, observed


@pytest.mark.parametrize(("tau", "sigma"), [(0.0, 0.3), (0.15, 0.3), (0.5, 0.2)])
def test_intervals_hold_as_often_as_they_claim(tau, sigma):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(25):
        gains, observed = table(tau, sigma, rng)
        posterior = fit(observed)
        for a in range(1, len(gains)):
            _, low, high = posterior.interval(a, 0.9)
            held.append(low <= gains[a] <= high)
    assert 0.82 <= np.mean(held) <= 0.98


def test_the_best_of_many_lucky_trainings_is_not_believed():
    rng = np.random.default_rng(1)
    _, observed = table(0.0, 0.3, rng, architectures=60, blocks=1, mean=0.0)
    best = max((o for o in observed if o.architecture), key=lambda o: o.accuracy)
    plain = np.mean([o.accuracy for o in observed if o.architecture == 0])
    observed_gain = best.accuracy - plain
    posterior = fit(observed)
    assert observed_gain > 0.5
    assert posterior.interval(best.architecture, 0.9)[0] < observed_gain / 2
    assert posterior.probability(best.architecture, 0.05) < 0.9


def test_a_real_difference_is_found():
    rng = np.random.default_rng(2)
    gains, observed = table(0.8, 0.1, rng)
    posterior = fit(observed)
    means = [posterior.interval(a, 0.9)[0] for a in range(len(gains))]
    assert np.corrcoef(means, gains)[0, 1] > 0.98


def test_the_level_of_a_block_is_no_gain():
    """Plain sits in both blocks; an architecture of the better block alone must not profit from it."""
    observed = [Observation(0, block, 90 + 5 * block + 0.1 * r) for block in (0, 1) for r in range(5)]
    observed += [Observation(1, 1, 95.2), Observation(2, 0, 90.2)]
    posterior = fit(observed)
    assert abs(posterior.interval(1, 0.9)[0]) < 0.3
    assert posterior.plain_score == pytest.approx(92.7, abs=0.2)


def test_plain_has_no_gain_and_may_stand_alone():
    posterior = fit([Observation(0, 0, 97.0), Observation(0, 0, 97.4)])
    assert posterior.architectures == (0,)
    assert posterior.interval(0, 0.9) == (0.0, 0.0, 0.0)


def test_the_same_trainings_give_the_same_posterior():
    _, observed = table(0.1, 0.2, np.random.default_rng(3))
    assert np.array_equal(fit(observed).gains, fit(observed).gains)


@pytest.mark.parametrize("collapse", [2, 5, 20, 60])
def test_one_collapsed_plain_training_does_not_make_all_others_look_good(collapse):
    rng = np.random.default_rng(5)
    likely = []
    for _ in range(10):
        observed = [Observation(0, 0, 90 + 0.5 * rng.standard_normal() - collapse * (r == 0)) for r in range(6)]
        observed += [Observation(a, 0, 90 + 0.5 * rng.standard_normal()) for a in range(1, 27)]
        posterior = fit(observed)
        likely += [posterior.probability(a, 0.05) >= 0.9 for a in range(1, 27)]
    assert np.mean(likely) < 0.15


def test_intervals_hold_where_the_noise_is_large():
    rng = np.random.default_rng(6)
    held = []
    for _ in range(20):
        gains, observed = table(0.0, 15.0, rng, mean=0.0)
        posterior = fit(observed)
        intervals = [posterior.interval(a, 0.9) for a in range(1, len(gains))]
        held += [low <= 0 <= high for _, low, high in intervals]
    assert np.mean(held) > 0.8


def test_no_noise_smaller_than_half_a_validation_image_is_believed():
    same = [Observation(0, 0, 50.0)] * 4 + [Observation(1, 0, 57.7)]
    sure, unsure = fit(same), fit(same, resolution=7.7)
    assert unsure.sigma >= 3.85
    assert unsure.interval(1, 0.9)[1] < sure.interval(1, 0.9)[1]


# -- compared with one large Gaussian ---------------------------------------------------------------------------------

STRUCTURE = Features(
    np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.2], [0.3, 0.9]]), (("stage", "1"), ("gate", "x"))
)


def reference(observed, features, w, setting, n_blocks):
    """The Gaussian that the model's page describes, for trainings of the weights ``w``."""
    architecture = np.array([o.architecture for o in observed])
    block = np.array([o.block for o in observed])
    accuracy = np.array([o.accuracy for o in observed])
    rows = features.matrix[architecture]
    stages = [rows[:, :1] * (block == b)[:, None] for b in range(min(n_blocks, 8))] if n_blocks > 1 else []
    x = np.column_stack([np.eye(n_blocks)[block], architecture != 0, rows, *stages])
    ratio = setting.tau_ratio
    scales = np.concatenate(
        [
            np.full(n_blocks, 100.0),
            [np.hypot(1, ratio)],
            np.full(2, ratio * np.sqrt(1 - setting.own_share)),
            np.full(len(stages), 0.25 * ratio),
        ]
    )
    own = (np.arange(len(features.matrix)) != 0).astype(float)
    return Dense(x, accuracy - np.median(accuracy), w, architecture, own, scales, setting.own_share * ratio**2)


def robust(residual):
    """Full weight up to three robust deviations, then falling with the square of the distance."""
    scale = 1.4826 * np.median(np.abs(residual))
    return np.minimum(1, (3 * scale / np.abs(residual)) ** 2)


def some(n_blocks, collapsed=0):
    """Trainings of six architectures in every block, plain twice; ``collapsed`` of them far off."""
    rng = np.random.default_rng(n_blocks)
    rows = [(a, block) for block in range(n_blocks) for a in (0, 0, 1, 2, 3, 4)] + [(1, 0), (3, 0)]
    observed = [Observation(a, block, 90 + block + 0.5 * a + rng.normal(0, 0.3)) for a, block in rows]
    for i in range(collapsed):
        observed[3 * i] = Observation(*rows[3 * i], 70.0)
    return observed


@pytest.mark.parametrize(("n_blocks", "collapsed"), [(1, 0), (2, 0), (10, 0), (1, 1), (3, 2)])
def test_gains_and_levels_are_those_of_one_large_gaussian(n_blocks, collapsed):
    observed = some(n_blocks, collapsed)
    sigma, setting = 0.4, Hyperparameters.of(1.5, 0.3)
    accuracy = np.array([o.accuracy for o in observed])
    blocks = np.array([o.block for o in observed])
    centre = np.array([np.median(accuracy[blocks == b]) for b in range(n_blocks)])
    first = robust(accuracy - centre[blocks])
    rough = reference(observed, STRUCTURE, first, setting, n_blocks)
    w = np.minimum(first, robust(rough.y - rough.expected))
    exact = reference(observed, STRUCTURE, w, setting, n_blocks)
    mean, covariance = exact.posterior()
    k = len(exact.scales)
    direct = np.zeros((6, k + 6))
    direct[1:, n_blocks] = 1
    direct[:, n_blocks + 1 : n_blocks + 3] = STRUCTURE.matrix
    direct[:, k:] = np.eye(6)
    deviation = sigma * np.sqrt(np.diag(direct @ covariance @ direct.T))

    found = fit(observed, STRUCTURE, grid=HyperparameterGrid.known(sigma, 1.5, 0.3), draws=20_000)
    assert found.architectures == (0, 1, 2, 3, 4)
    assert found.gains.mean(axis=0) == pytest.approx((direct @ mean)[:5], abs=0.04)
    assert found.gains.std(axis=0) == pytest.approx(deviation[:5], rel=0.04)
    assert found.levels.mean(axis=0) == pytest.approx(mean[:n_blocks] + np.median(accuracy), abs=0.04)
    everywhere = found.everywhere(20_000)
    assert np.array_equal(everywhere[:, :5], found.gains.astype(np.float32))
    assert everywhere[:, 5].mean() == pytest.approx((direct @ mean)[5], abs=0.04)
    assert everywhere[:, 5].std() == pytest.approx(deviation[5], rel=0.04)
    assert np.array_equal(found.everywhere(10, np.array([1, 3])), found.gains[:10, [1, 3]].astype(np.float32))


def test_settings_count_by_prior_and_evidence():
    observed = some(1)
    grid = HyperparameterGrid.default(float(np.std([o.accuracy for o in observed])), structured=True)
    accuracy = np.array([o.accuracy for o in observed])
    w = robust(accuracy - np.median(accuracy))
    log = np.array(
        [
            [np.log(s.prior) + reference(observed, STRUCTURE, w, s, 1).log_evidence(sigma) for sigma in grid.sigmas]
            for s in grid.settings
        ]
    )
    log = log + np.log(np.array(grid.sigmas))  # the level of the block has a flat prior in points
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    ratios = np.array([s.tau_ratio for s in grid.settings])
    shares = np.array([s.own_share for s in grid.settings])
    found = fit(observed, STRUCTURE, draws=40_000)
    assert w.min() == 1
    assert found.sigma == pytest.approx(float(weights.sum(axis=0) @ np.array(grid.sigmas)), rel=0.02)
    assert found.tau == pytest.approx(float(ratios @ weights @ np.array(grid.sigmas)), rel=0.03)
    assert found.shares.mean() == pytest.approx(float(shares @ weights.sum(axis=1)), rel=0.02)


def test_without_spread_every_training_has_full_weight():
    """The median distance is then 0, and no distance may count as many times that."""
    found = fit([Observation(0, 0, 90.0)] * 5 + [Observation(1, 0, 91.0)], draws=400)
    assert np.isfinite(found.gains).all()
    assert found.interval(1, 0.9)[0] > 0.5


def test_draws_are_those_of_seed_zero_unless_another_is_given():
    observed = some(1)
    assert np.array_equal(fit(observed, draws=50).gains, fit(observed, draws=50, seed=0).gains)
    assert not np.array_equal(fit(observed, draws=50).gains, fit(observed, draws=50, seed=1).gains)


def test_each_level_of_a_block_takes_a_degree_of_freedom_from_sigma():
    """Thirty pairs in blocks of their own: half of their variance is that of the levels, which says nothing."""
    rng = np.random.default_rng(0)
    pairs = [(block, a, 90 + rng.normal(0, 0.3)) for block in range(30) for a in (0, 1)]
    found = fit([Observation(a, block, y) for block, a, y in pairs])
    gaps = np.array([one[2] - other[2] for one, other in zip(pairs[1::2], pairs[::2], strict=True)])
    assert found.sigma == pytest.approx(gaps.std(ddof=1) / np.sqrt(2), rel=0.05)


def test_a_large_gain_in_pairs_is_no_outlier():
    """In a block of two, the median lies between them, however small the noise is."""
    rng = np.random.default_rng(0)
    seen = [Observation(0, 0, 90 + rng.normal(0, 0.1)) for _ in range(12)]
    seen += [Observation(a, block, 90 + 3 * a + rng.normal(0, 0.1)) for block in range(1, 5) for a in (0, 1)]
    found = fit(seen)
    assert found.interval(1, 0.9)[0] == pytest.approx(3.0, abs=0.15)
