"""The bootstrap over images: intervals that hold the truth, and the part of the noise that the images cause."""

import numpy as np
import pytest
from scipy.stats import binomtest

from search.results.validation_noise import validation
from senet_nas.training import image_noise
from senet_nas.training.predictions import Predictions
from senet_nas.training.quality_metrics import METRICS, known_metric

CLASSES = ("a", "b", "c")


def drawn(rng, images, shared=None):
    """Predictions of one training; ``shared`` is what all trainings see of the same images."""
    labels = np.arange(images) % 3
    logits = rng.normal(size=(images, 3)) + (0 if shared is None else shared)
    logits[np.arange(images), labels] += 1.0
    chances = np.exp(logits)
    return Predictions(chances / chances.sum(1, keepdims=True), labels, CLASSES)


@pytest.mark.parametrize("name", ["macro_f1", "auroc", "log_loss"])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(name):
    rng = np.random.default_rng(1)
    metric = METRICS[name]
    truth = np.mean([drawn(rng, 30_000).value(metric) for _ in range(3)])
    intervals = [image_noise.interval(drawn(rng, 150), metric, seed=i) for i in range(80)]
    held = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.82 <= held <= 0.98


def test_of_accuracy_it_is_the_noise_that_the_bits_say():
    rng = np.random.default_rng(2)
    shared = 2 * rng.normal(size=(400, 3))
    group = [drawn(rng, 400, shared) for _ in range(4)]
    bits = [np.packbits(seen.probabilities.argmax(1) == seen.labels).tobytes() for seen in group]
    found = image_noise.noise([group], METRICS["accuracy"])
    assert found == pytest.approx(validation([bits], 400, 1.0).from_images, rel=0.15)


def test_what_trainings_have_in_common_is_no_noise():
    rng = np.random.default_rng(3)
    one = drawn(rng, 200)
    assert image_noise.noise([[one, one, one]], METRICS["macro_f1"]) == pytest.approx(0, abs=1e-9)
    assert image_noise.noise([[one]], METRICS["macro_f1"]) is None


def test_each_metric_has_its_interval_beside_it():
    seen = drawn(np.random.default_rng(4), 60)
    found = image_noise.with_intervals(seen, [METRICS["macro_f1"], METRICS["log_loss"]])
    assert set(found) == {f"{name}{end}" for name in ("macro_f1", "log_loss") for end in ("", "_low", "_high")}
    assert found["macro_f1_low"] < found["macro_f1"] < found["macro_f1_high"]


def test_the_interval_of_a_share_is_that_of_wilson_for_the_images_that_count():
    labels = np.array([0] * 36 + [1] * 4)
    seen = Predictions(np.eye(2)[np.zeros(40, dtype=int)], labels, ("common", "rare"))
    for name, share, images in (("recall@rare", 0.0, 4), ("recall@common", 1.0, 36), ("accuracy", 0.9, 40)):
        found = image_noise.interval(seen, known_metric(name))
        expected = binomtest(round(share * images), images).proportion_ci(image_noise.LEVEL, method="wilson")
        assert found == pytest.approx((100 * expected.low, 100 * expected.high))


@pytest.mark.parametrize("rare", [3, 9])
def test_the_interval_of_balanced_accuracy_holds_if_a_class_has_few_images(rare):
    """The bootstrap held in half of the cases: a class of three images that are all right does not spread."""
    rng = np.random.default_rng(5)
    labels = np.array([0] * 100 + [1] * rare)
    held = 0
    for _ in range(100):
        right = rng.random(len(labels)) < 0.9
        seen = Predictions(np.eye(2)[np.where(right, labels, 1 - labels)], labels, ("a", "b"))
        low, high = image_noise.interval(seen, METRICS["balanced_accuracy"])
        held += low <= 90 <= high
    assert 85 <= held <= 99


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_f1"])
def test_an_interval_has_a_width_if_all_images_are_right(name):
    labels = np.array([0] * 9 + [1])
    low, high = image_noise.interval(Predictions(np.eye(2)[labels], labels, ("a", "b")), METRICS[name])
    assert low < 70  # one class has a single image
    assert high == 100
