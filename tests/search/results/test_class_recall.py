"""How well plain recognises each class, from stored bits, and when a metric hides one of them."""

import numpy as np
import pytest

from search.results.class_recall import recalls_of
from senet_nas.training.quality_metrics import METRICS, metric_of

NAMES = ("ant", "bee", "cat")
LABELS = np.array([0] * 10 + [1] * 10 + [2] * 2)


def bits(*right):
    """The packed bits of a training that gets so many of each class right."""
    found = np.concatenate([np.arange(n) < count for n, count in zip((10, 10, 2), right, strict=True)])
    return np.packbits(found).tobytes()


def test_recalls_are_means_over_trainings():
    found = recalls_of([bits(10, 8, 0), bits(10, 10, 1)], LABELS, NAMES)
    assert found.recalls == (100.0, 90.0, 25.0)
    assert found.images == (10, 10, 2)
    assert found.overall == pytest.approx(100 * 19.5 / 22)
    assert found.ordered[0] == ("cat", 2, 25.0)
    assert found.listed == "of plain by class: cat 25 % of 2, bee 90 % of 10, ant 100 % of 10"


@pytest.mark.parametrize("name", [*METRICS, "recall@ant"])
def test_only_a_mean_over_images_hides_a_class(name):
    words = recalls_of([bits(10, 9, 0)], LABELS, NAMES).words(metric_of(name))
    hides = name in ("accuracy", "top5", "log_loss")
    assert bool(words) == hides
    assert ("hides the class cat: plain is right on 0 % of its 2 validation images" in words) == hides
    assert ("balanced_accuracy" in words) == hides


def test_a_class_that_is_recognised_as_the_others_is_not_hidden():
    assert recalls_of([bits(8, 8, 2)], LABELS, NAMES).words(METRICS["accuracy"]) == ""


def test_bits_of_other_images_count_nothing():
    assert recalls_of([b"\0"], LABELS, NAMES) is None
    assert recalls_of([], LABELS, NAMES) is None
