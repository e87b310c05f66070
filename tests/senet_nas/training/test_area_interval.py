"""Intervals of an AUROC: those of the literature where nothing is ranked wrong, the bootstrap's where much is."""

import math

import numpy as np
import pytest

from senet_nas.training import area_interval, image_noise
from senet_nas.training.predictions import Predictions
from senet_nas.training.quality_metrics import METRICS

REACH = 1.6449
AUROC = METRICS["auroc"]


def hanley_mcneil(area, inside, outside):
    """The variance of an area by the formula of the paper, with the sizes of Newcombe's method 5."""
    size = (inside + outside) / 2
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    rest = (size - 1) * (above + below - 2 * area**2)
    return (area * (1 - area) + rest) / (inside * outside)


@pytest.mark.parametrize(("area", "counts"), [(0.84, (20, 30)), (0.5, (9, 91)), (0.993, (50, 50))])
def test_of_two_classes_the_model_is_hanley_and_mcneils(area, counts):
    model = area_interval._variance(area, counts, sum(counts))
    assert model == pytest.approx(hanley_mcneil(area, *counts))


def test_with_every_pair_ranked_right_the_lower_end_is_that_of_newcombe():
    low, high = area_interval.interval(1.0, 0.0, (9, 91), REACH)
    assert high == 1
    assert 1 - low == pytest.approx(REACH * math.sqrt(hanley_mcneil(low, 9, 91)), rel=1e-6)
    assert 0.85 < low < 0.95


def test_with_many_wrong_pairs_the_variance_is_that_of_the_bootstrap():
    low, high = area_interval.interval(0.8, 0.01, (4000, 4000), REACH)
    assert (low, high) == pytest.approx((0.8 - REACH * 0.01, 0.8 + REACH * 0.01), abs=0.001)


def test_a_class_without_images_does_not_count_and_the_ends_stay_shares():
    assert area_interval.interval(0.9, 0.02, (20, 30, 0), REACH) == area_interval.interval(0.9, 0.02, (20, 30), REACH)
    for area in (0.01, 0.5, 0.999):
        low, high = area_interval.interval(area, 0.05, (5, 6, 7), REACH)
        assert 0 <= low < area < high <= 1


def test_it_holds_the_truth_with_nine_images_of_the_smaller_class():
    """With the log-odds of the bootstrap it had held in 67 %."""
    rng = np.random.default_rng(11)

    def drawn(images):
        labels = (rng.random(images) < 1 / 11).astype(int)
        logits = rng.standard_normal((images, 2))
        logits[np.arange(images), labels] += 2.5
        chances = np.exp(logits)
        return Predictions(chances / chances.sum(1, keepdims=True), labels, ("a", "b"))

    truth = drawn(200_000).value(AUROC)
    ends = [image_noise.interval(drawn(100), AUROC, seed=i) for i in range(100)]
    assert np.mean([low <= truth <= high for low, high in ends]) >= 0.85
