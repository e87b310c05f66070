import numpy as np
import pytest

from search.model.posterior import Observation, fit


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
    assert posterior.plain_accuracy == pytest.approx(92.7, abs=0.2)


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
