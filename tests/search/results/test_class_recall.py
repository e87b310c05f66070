"""How well plain recognises each class, from stored bits, and when a metric hides one of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from search.results.class_recall import class_recall, recalls_of
from search.state.facts import DataFact, Facts
from search.state.labels_fact import LabelsFact
from senet_nas.recipe import Seed
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
    hides = name in ("accuracy", "accuracy_int8", "top5", "log_loss")
    assert bool(words) == hides
    assert ("hides the class cat: plain is right on 0 % of its 2 validation images" in words) == hides
    assert ("balanced_accuracy" in words) == hides


def test_a_class_that_is_recognised_as_the_others_is_not_hidden():
    assert recalls_of([bits(8, 8, 2)], LABELS, NAMES).words(METRICS["accuracy"]) == ""


def test_bits_of_other_images_count_nothing():
    assert recalls_of([b"\0"], LABELS, NAMES) is None
    assert recalls_of([], LABELS, NAMES) is None


def fold_evidence(folds, rights):
    """What a run with folds knows: for each training of plain its seed and how many of each class it got right."""
    labels = tuple(label for counts in folds for label, count in enumerate(counts) for _ in range(count))
    sizes = tuple(sum(counts) for counts in folds)
    data = DataFact(train=9, validation=9, test=9, classes=NAMES, folds=sizes)
    trainings = []
    for seed, right in rights:
        counts = folds[seed.fold(len(folds))]
        found = np.concatenate([np.arange(n) < count for n, count in zip(counts, right, strict=True)])
        trainings.append(SimpleNamespace(seed=seed, correct=np.packbits(found).tobytes()))
    return SimpleNamespace(facts=Facts(data=data, labels=LabelsFact(labels)), by_architecture={0: trainings})


def test_with_folds_each_training_counts_on_the_images_of_its_own_fold():
    folds = [(20, 20, 1), (20, 20, 3)]
    rights = [(Seed(0, 0), (20, 10, 0)), (Seed(0, 1), (10, 20, 3)), (Seed(1, 0), (10, 0, 0))]
    found = class_recall(fold_evidence(folds, rights))
    assert found.names == NAMES
    assert found.images == (40, 40, 4)
    assert found.recalls == pytest.approx((75.0, 50.0, 37.5))  # of fold 0, and the mean of the two of fold 1
    assert found.trainings == 3
    assert found.overall == pytest.approx(100 * (30 + (33 + 10) / 2) / 84)


def test_folds_that_no_training_has_seen_count_nothing():
    found = class_recall(fold_evidence([(20, 20, 1), (20, 20, 3)], [(Seed(0, 0), (20, 10, 1))]))
    assert (found.images, found.recalls) == ((20, 20, 1), (100.0, 50.0, 100.0))
