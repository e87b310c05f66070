"""What a pilot says about twice the epochs."""

import pytest

from search.results.doublings import caution, doublings
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


@pytest.mark.parametrize(
    ("longer", "is_told"),
    [((86.0, 86.2), True), ((84.2, 84.6), False), ((82.0, 90.4), False), ((83.1, 83.3), False)],
)
def test_a_caution_needs_a_gain_that_would_count_beyond_its_noise(longer, is_told):
    found = doublings([sample(4, 83.0, 83.2), sample(8, *longer)], ACCURACY)
    said = caution(found, 0.2, ACCURACY)
    assert bool(said) == is_told
    assert ("train.epochs to 16" in said) == is_told


def test_a_metric_that_shall_fall_gains_by_falling():
    metric = metric_of("log_loss")
    (found,) = doublings([sample(4, 0.50, 0.52), sample(8, 0.40, 0.42)], metric)
    assert found.gain == pytest.approx(0.1)
    assert caution([found], 0.005, metric)


def test_one_length_says_nothing():
    assert doublings([sample(1, 50.0, 51.0)], ACCURACY) == ()
    assert caution((), 0.2, ACCURACY) == ""
