"""Accuracy after quantisation, measured as a training ends: on which images, by which runtime, and if one refuses."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from senet_nas.costs import int8_drop, quantising_time
from senet_nas.deploy.runtime_table import with_precision
from senet_nas.network.build import build
from senet_nas.quantised import Quantised, Refused
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import evaluate, int8_validation, predictions
from senet_nas.training.quality_metrics import INT8_PREDICTIONS, METRICS

SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
DATA = DataSpec(dataset="digits", train=300, validation=203)
TASK = Task(DATA, Recipe(epochs=2, batch_size=64, lr=0.2), metrics=("accuracy", "accuracy_int8"))


def refuse(*_):
    raise Refused("refused by openvino (int8): no")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The reports of a training that was judged in INT8 by ONNX Runtime, and the file of its weights."""
    weights = tmp_path_factory.mktemp("int8") / "model.safetensors"
    task = replace(TASK, int8=Quantised("onnxruntime"))
    return task, list(evaluate.evaluate(SE, Seed(0), task, weights=weights)), weights


def test_it_is_that_of_the_quantised_network_on_all_validation_images(trained):
    task, (early, last), weights = trained
    assert "val_accuracy_int8" not in early.metrics
    drop = int8_drop.of_training(SE, Seed(0), weights, task, "onnxruntime")
    assert drop["images"] == 203
    assert drop["low"] <= drop["drop"] <= drop["high"]
    assert drop["agreement"] > 90
    assert last.metrics["val_accuracy_int8"] == pytest.approx(last.metrics["val_accuracy"] - drop["drop"])
    kept = predictions.read(weights.with_name(INT8_PREDICTIONS))
    assert kept.images == 203
    assert kept.value(METRICS["accuracy_int8"]) == pytest.approx(last.metrics["val_accuracy_int8"], abs=0.5)


def test_the_training_is_the_same_as_without_it(trained, tmp_path):
    _, (_, last), weights = trained
    *_, other = evaluate.evaluate(SE, Seed(0), replace(TASK, metrics=()), weights=tmp_path / "model.safetensors")
    assert other.metrics["val_log_loss"] == last.metrics["val_log_loss"]
    assert "val_accuracy_int8" not in other.metrics
    ours, theirs = load_file(weights), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_test_set_has_it_with_its_interval(trained):
    task, _, weights = trained
    found = evaluate.test_accuracy(SE, weights, task)
    assert found["accuracy_int8_low"] < found["accuracy_int8"] < found["accuracy_int8_high"]
    assert found["accuracy_int8"] == pytest.approx(found["accuracy"], abs=5)


def test_images_of_another_size_are_tested_with_calibration_images_of_that_size(trained):
    task, _, weights = trained
    found = evaluate.test_accuracy(SE, weights, task, size=16)
    assert found["accuracy_int8"] == pytest.approx(found["accuracy"], abs=10)


@pytest.mark.parametrize("runtime", with_precision("int8"))
def test_every_runtime_with_int8_quantises_and_leaves_the_network_as_it_is(runtime):
    task = replace(TASK, int8=Quantised(runtime))
    data = evaluate.prepare(task)
    network = build(SE, in_channels=1, num_classes=10)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    seen = int8_validation.predicted(network, data, task, data.x_val[:20], data.y_val[:20])
    assert seen.probabilities.shape == (20, 10)
    assert seen.probabilities.sum(1) == pytest.approx(1)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_refused_network_fails_where_the_metric_decides_and_is_left_out_where_it_is_recorded(monkeypatch):
    monkeypatch.setattr(int8_validation, "quantised", refuse)
    with pytest.raises(Refused, match="refused by openvino"):
        list(evaluate.evaluate(SE, Seed(0), replace(TASK, int8=Quantised("openvino"))))
    recorded = replace(TASK, int8=Quantised("openvino", is_needed=False))
    *_, last = evaluate.evaluate(SE, Seed(0), recorded)
    assert last.done
    assert "val_accuracy_int8" not in last.metrics


def test_its_time_counts_every_batch_of_the_validation_images(monkeypatch):
    task = replace(TASK, int8=Quantised("onnxruntime"))
    data = evaluate.prepare(task)
    monkeypatch.setattr(int8_validation, "quantised", lambda *_: lambda x: x)
    monkeypatch.setattr(quantising_time, "BATCH", 100)
    ticks = iter([0.0, 7.0, 9.0])
    assert quantising_time.of_plain("cifar_resnet8", data, task, lambda: next(ticks)) == 7 + 3 * 2
    assert quantising_time.of_plain("cifar_resnet8", data, replace(task, metrics=("accuracy",))) == 0
