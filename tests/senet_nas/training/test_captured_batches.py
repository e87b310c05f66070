"""Validation by graphs, on a CPU: a stand-in runs what was captured once more, into the same tensors."""

import logging
from types import SimpleNamespace

import pytest
import torch

from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec
from senet_nas.training import captured_batches
from senet_nas.training.captured_batches import CapturedBatches
from senet_nas.training.validate import scorer, validate
from tests.senet_nas.fake_gpu import moved, on_fake_gpu

SE = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/dct:fc4:sigmoid@post_addition"


@pytest.fixture(scope="module")
def data():
    torch.set_num_threads(1)
    return load(DataSpec(dataset="digits", train=300, validation=150))


@pytest.fixture
def captures(monkeypatch):
    """The sizes that were captured, and the number of replays. A graph writes where it wrote at first."""
    seen = {"captures": [], "replays": 0}

    def captured(compute, side):
        compute()
        (size,) = (cell.cell_contents for cell in compute.__closure__ if hasattr(cell.cell_contents, "graph"))
        places = size.out
        seen["captures"].append(len(size.y))

        def replay():
            seen["replays"] += 1
            compute()
            for place, value in zip(places, size.out, strict=True):
                place.copy_(value)
            size.out = places

        for place in places:
            place.zero_()  # a capture computes nothing
        return SimpleNamespace(replay=replay)

    monkeypatch.setattr(captured_batches, "on_side_stream", lambda side, compute: compute())
    monkeypatch.setattr(captured_batches, "captured", captured)
    return seen


@pytest.fixture(params=["plain", SE])
def network(request):
    key = "cifar_resnet8/-/-/-" if request.param == "plain" else request.param
    return build(key, in_channels=1, num_classes=10, block_seed=0).eval()


def of(network, data, monkeypatch, part=slice(None), score=None):
    monkeypatch.setattr("senet_nas.training.validate.EVALUATION_BATCH", 40)
    return validate(network, data.x_val[part], data.y_val[part], data, keeps=True, score=score)


def assert_same(found, expected):
    assert (found.accuracy, found.log_loss, found.brier, found.gates) == (
        expected.accuracy,
        expected.log_loss,
        expected.brier,
        expected.gates,
    )
    assert torch.equal(found.correct, expected.correct)
    assert (found.predictions.probabilities == expected.predictions.probabilities).all()


def test_a_validation_by_graphs_finds_what_it_would_without(network, data, captures, monkeypatch):
    score = CapturedBatches(scorer(network, data, "cpu"), "cpu")
    for _ in range(3):
        with torch.no_grad():
            next(network.parameters()).mul_(1.1)  # as the steps of an epoch do, in place
        for part in (slice(80), slice(None)):  # 2 x 40, then 3 x 40 and 30
            assert_same(of(network, data, monkeypatch, part, score), of(network, data, monkeypatch, part))
    assert captures["captures"] == [40, 30]
    assert captures["replays"] == (2 + 3) * 3 - 1 + 2


def test_a_size_that_comes_once_is_not_captured(network, data, captures, monkeypatch):
    score = CapturedBatches(scorer(network, data, "cpu"), "cpu")
    of(network, data, monkeypatch, score=score)
    assert captures["captures"] == [40]


def test_what_cannot_be_captured_is_computed_as_usual_and_the_log_says_why(data, captures, monkeypatch, caplog):
    network = build(SE, in_channels=1, num_classes=10, block_seed=0).eval()
    attempts = []

    def refused(compute, side):
        attempts.append(1)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(captured_batches, "captured", refused)
    score = CapturedBatches(scorer(network, data, "cpu"), "cpu")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(of(network, data, monkeypatch, score=score), of(network, data, monkeypatch))
    assert len(attempts) == 1
    assert "validation is launched one kernel at a time: CUDA error: operation not permitted" in caplog.text


def test_after_a_state_was_loaded_it_is_captured_again(network, data, captures, monkeypatch):
    score = CapturedBatches(scorer(network, data, "cpu"), "cpu")
    of(network, data, monkeypatch, slice(80), score)
    score.forget()
    of(network, data, monkeypatch, slice(80), score)
    assert captures["captures"] == [40, 40]


def test_nothing_of_a_batch_on_the_gpu_waits_for_it_or_is_copied_from_the_host(data):
    """On a GPU without values: such a copy could not be captured."""
    network = build(SE, in_channels=1, num_classes=10, block_seed=0).eval()
    with on_fake_gpu() as (mode, waits):
        network = moved(network, mode)
        score = scorer(network, data, "cuda")
        x = torch.zeros(4, 1, 8, 8, dtype=torch.uint8, device="cuda")
        y = torch.zeros(4, dtype=torch.long, device="cuda")
        waits.seen.clear()
        score(x, y)
    assert waits.seen == []
