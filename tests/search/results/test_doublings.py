"""What a pilot says about twice the epochs."""

import pytest

from search.results.doublings import Doubling, doublings
from search.results.recipe_noise import Repeated
from senet_nas.training.quality_metrics import ACCURACY, metric_of


def sample(epochs, *values):
    return Repeated(epochs, values, 0.1, 1000)


def test_each_doubling_has_its_gain_with_the_noise_of_both_lengths():
    found = doublings([sample(8, 86.0, 86.4), sample(4, 83.0, 83.2, 82.8), sample(2, 78.0)], ACCURACY)
    assert [(one.before, one.epochs) for one in found] == [(2, 4), (4, 8)]
    assert [one.gain for one in found] == pytest.approx([5.0, 3.2])
    # Variances of means: 0.08 / 2 of two trainings, 0.04 / 3 of three.
    assert found[1].error == pytest.approx((0.04 + 0.04 / 3) ** 0.5)
    assert found[1].words(ACCURACY) == "from 4 to 8 epochs plain gained +3.20 points (standard error 0.23)"


@pytest.mark.parametrize(("before", "after"), [(2, 4), (1, 3), (3, 6), (3, 7)])
def test_a_forecast_takes_the_true_ratio_of_the_lengths(before, after):
    """A score that falls short of its limit by 40 / epochs gains exactly half as much in each doubling."""
    step = Doubling(before, after, 40 / before - 40 / after, 1.0)
    for epochs in (before, after, 2 * after):
        assert step.of_twice(epochs)[0] == pytest.approx(40 / epochs - 40 / (2 * epochs))
    assert step.of_twice(after)[1] == pytest.approx(step.of_twice(after)[0] / step.gain)


def test_a_metric_that_shall_fall_gains_by_falling():
    (found,) = doublings([sample(4, 0.50, 0.52), sample(8, 0.40, 0.42)], metric_of("log_loss"))
    assert found.gain == pytest.approx(0.1)


def test_one_length_says_nothing():
    assert doublings([sample(1, 50.0, 51.0)], ACCURACY) == ()
