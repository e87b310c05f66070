"""Every metric equals scikit-learn's and torchmetrics' on random predictions, with missing classes and ties."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from senet_nas.training import predictions
from senet_nas.training.metric_classes import check_classes
from senet_nas.training.predictions import Predictions, measured
from senet_nas.training.quality_metrics import METRICS, known_metric, metric_of
from spaces.errors import UserError

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def drawn(seed, images=300, classes=7, *, present=None, rounded=None):
    """Random predictions that are right about half of the time.

    Only the first ``present`` classes have images; with ``rounded`` the probabilities are multiples of 1 / rounded, so
    that many of them are equal.
    """
    rng = np.random.default_rng(seed)
    labels = rng.choice(present or classes, images, p=_shares(present or classes))
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), labels] += 1.5
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if rounded:
        counts = np.maximum(1, np.round(chances * rounded))
        chances = counts / counts.sum(1, keepdims=True)
    return Predictions(chances, labels, CLASSES[:classes])


def _shares(classes):
    weights = 0.5 ** np.arange(classes)
    return weights / weights.sum()


CASES = {
    "seven classes": drawn(1),
    "two classes": drawn(2, classes=2),
    "two classes without an image": drawn(3, present=5),
    "equal probabilities": drawn(4, rounded=6),
    "few images": drawn(5, images=9),
    "all of one class but one": Predictions(drawn(6, images=8).probabilities, np.array([2] * 7 + [4]), CLASSES),
}


def by_sklearn(name, seen):
    labels, chances = seen.labels, seen.probabilities
    every = np.arange(chances.shape[1])
    chosen = chances.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in ("accuracy", "accuracy_int8"):
            return sklearn_metrics.accuracy_score(labels, chosen)
        if name == "top5":
            return sklearn_metrics.top_k_accuracy_score(labels, chances, k=5, labels=every)
        if name == "balanced_accuracy":
            return sklearn_metrics.balanced_accuracy_score(labels, chosen)
        if name == "macro_f1":
            return sklearn_metrics.f1_score(labels, chosen, average="macro")
        if name == "log_loss":
            return sklearn_metrics.log_loss(labels, chances, labels=every)
        if name.startswith("recall@"):
            of = CLASSES.index(name.removeprefix("recall@"))
            return sklearn_metrics.recall_score(labels, chosen, labels=[of], average="macro")
        areas = [
            sklearn_metrics.roc_auc_score(labels == k, chances[:, k])
            for k in every
            if 0 < (labels == k).sum() < len(labels)
        ]
        return float(np.mean(areas))


def by_torchmetrics(name, seen):
    torchmetrics = pytest.importorskip("torchmetrics.functional.classification")
    labels, chances = torch.tensor(seen.labels), torch.tensor(seen.probabilities)
    k = chances.shape[1]
    if name in ("accuracy", "accuracy_int8", "top5"):
        top = 5 if name == "top5" else 1
        return float(torchmetrics.multiclass_accuracy(chances, labels, k, average="micro", top_k=top))
    if name == "macro_f1":
        return float(torchmetrics.multiclass_f1_score(chances.argmax(1), labels, k, average="macro"))
    if name == "auroc":
        present = [c for c in range(k) if 0 < (seen.labels == c).sum() < len(seen.labels)]
        areas = torchmetrics.multiclass_auroc(chances, labels, k, average="none")
        return float(areas[present].mean())
    each = torchmetrics.multiclass_recall(chances.argmax(1), labels, k, average="none").numpy()
    if name.startswith("recall@"):
        return float(each[CLASSES.index(name.removeprefix("recall@"))])
    return float(each[np.unique(seen.labels)].mean())


# Of equal probabilities each library takes others for the first five, and two classes have no first five.
UNDEFINED = {("equal probabilities", "top5"), ("two classes", "top5")}
COMPARED = [(case, name) for case in CASES for name in (*METRICS, "recall@ant") if (case, name) not in UNDEFINED]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("case", "name"), COMPARED)
def test_a_metric_is_that_of_the_libraries(case, name):
    seen = CASES[case]
    metric = metric_of(name)
    if name == "recall@ant" and not (seen.labels == 0).any():
        assert math.isnan(seen.value(metric))
        return
    scale = 100 if metric.is_percent else 1
    assert seen.value(metric) == pytest.approx(scale * by_sklearn(name, seen), abs=1e-9)
    if name != "log_loss":  # torchmetrics has none
        assert seen.value(metric) == pytest.approx(scale * by_torchmetrics(name, seen), abs=1e-3)


@pytest.mark.parametrize("name", [*METRICS, "recall@bee"])
def test_weights_of_whole_numbers_are_images_that_occur_so_often(name):
    seen = drawn(7, images=60)
    counts = np.random.default_rng(8).integers(0, 4, size=(5, seen.images))
    found = seen.values(metric_of(name), counts.astype(float))
    repeated = [seen.chosen(np.repeat(np.arange(seen.images), row)).value(metric_of(name)) for row in counts]
    assert found == pytest.approx(repeated, abs=1e-9)


def test_a_metric_that_the_labels_do_not_define_is_left_out():
    one_class = Predictions(drawn(9).probabilities[:4], np.zeros(4, np.int64), CLASSES)
    found = measured(one_class, [metric_of(name) for name in ("auroc", "macro_f1", "recall@ant", "recall@bee")])
    assert set(found) == {"val_macro_f1", "val_recall@ant"}


def test_predictions_come_back_from_their_file_in_half_precision(tmp_path):
    seen = drawn(10)
    predictions.save(seen, tmp_path / "p.safetensors")
    again = predictions.read(tmp_path / "p.safetensors")
    assert again.classes == seen.classes
    assert (again.labels == seen.labels).all()
    assert again.probabilities == pytest.approx(seen.probabilities, abs=1e-3)
    assert predictions.read(tmp_path / "missing") is None
    (tmp_path / "p.safetensors").write_bytes(b"torn")
    assert predictions.read(tmp_path / "p.safetensors") is None


@pytest.mark.parametrize("name", [*METRICS, "recall@cat"])
def test_a_score_is_larger_where_the_network_is_better(name):
    metric = metric_of(name)
    good, bad = drawn(11, images=2000), drawn(12, images=2000)
    sure = np.full_like(good.probabilities, 0.01)
    sure[np.arange(good.images), good.labels] = 1 - 0.01 * (len(CLASSES) - 1)
    perfect = Predictions(sure, good.labels, CLASSES)
    assert metric.score_of(perfect.value(metric)) > metric.score_of(bad.value(metric))
    assert metric.value(metric.score_of(3.5)) == 3.5
    if metric.is_percent:
        assert perfect.value(metric) == 100


def test_only_names_of_the_table_and_of_its_family_are_known():
    assert known_metric("recall@cat").title == "recall of cat"
    assert known_metric("recall@") is None
    assert known_metric("mean_iou") is None
    assert metric_of("mean_iou", "maximize", "%").step == 1.0
    assert metric_of("psnr", "maximize", "dB").step is None


@pytest.mark.parametrize(
    ("name", "classes", "counts", "said"),
    [
        ("top5", ("a", "b"), (5, 5), "top5 is always 100 % with 2 classes"),
        ("auroc", ("a", "b"), (5, 0), "two classes or more"),
        ("recall@bea", CLASSES, (1,) * 7, "no class is called `bea`"),
        ("recall@bee", CLASSES, (1, 0, 1, 1, 1, 1, 1), "no validation image is of the class `bee`"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_trains(name, classes, counts, said):
    with pytest.raises(UserError, match=said):
        check_classes(name, classes, counts)


def test_what_can_be_measured_passes():
    for name in [*METRICS, "recall@bee"]:
        check_classes(name, CLASSES, (0, 3, 1, 1, 1, 1, 1))
