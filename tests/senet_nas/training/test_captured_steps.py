"""The steps of a training as one graph, on a CPU: a stand-in for CUDA's graphs runs what was captured once more."""

import copy
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from senet_nas.data.load import load
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Recipe, Seed
from senet_nas.training import captured_batches, captured_steps, train
from senet_nas.training.captured_steps import WARM_UP, obstacle
from senet_nas.training.train import Training
from tests.senet_nas.recipes import OPTIONS

SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
RECIPE = Recipe(epochs=3, batch_size=64, lr=0.05)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data():
    return load(DataSpec(dataset="digits", train=300, validation=100))


@pytest.fixture
def captures(monkeypatch):
    """The number of captures and of replays. Python runs what is captured, and the tensors stay as they are."""
    seen = {"captures": 0, "replays": 0}

    def captured(compute, side):
        owner = compute.__self__._step.__self__
        kept = copy.deepcopy(owner.state())
        statics = {name: value.clone() for name, value in compute.__self__._static.items()}
        optimized = [p for group in owner._optimizer.param_groups for p in group["params"]]
        momenta = [owner._optimizer.state[p]["momentum_buffer"] for p in optimized if owner._recipe.momentum]
        compute()
        with torch.no_grad():
            _restore(owner.model.state_dict(), kept["model"])
            if owner._average is not None:
                _restore(owner._average.state_dict(), kept["average"], but="n_averaged")
            for i, momentum in enumerate(momenta):
                momentum.copy_(kept["optimizer"]["state"][i]["momentum_buffer"])
        _restore(compute.__self__._static, statics)
        seen["captures"] += 1

        def replay():
            seen["replays"] += 1
            compute()

        return SimpleNamespace(replay=replay)

    monkeypatch.setattr(train, "obstacle", lambda *given, **more: "")
    monkeypatch.setattr(captured_steps, "on_side_stream", lambda side, compute: compute())
    monkeypatch.setattr(captured_steps, "captured", captured)
    monkeypatch.setattr(captured_batches, "on_side_stream", lambda side, compute: compute())
    monkeypatch.setattr(captured_batches, "captured", lambda compute, side: SimpleNamespace(replay=compute))
    return seen


def _restore(values, kept, but=""):
    for name, value in values.items():
        if name != but:
            value.copy_(kept[name])


def trained(data, recipe, key=SE, **more):
    training = Training(build(key, in_channels=1, num_classes=10, block_seed=0), data, recipe, seed=Seed(0), **more)
    return training, [training.epoch() for _ in range(recipe.epochs)]


def launched(data, recipe, monkeypatch, key=SE):
    """The same training without a graph."""
    with monkeypatch.context() as patched:
        patched.setattr(train, "obstacle", lambda *given, **more: "off")
        return trained(data, recipe, key)


def assert_same(one, other):
    """Rates are float32 on a GPU and float64 on the host: weights agree to rounding."""
    for a, b in zip(one.result.state_dict().values(), other.result.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-5)


CASES = {
    "plain": {},
    "a moving average": {"ema": 0.8},
    "no momentum": {"momentum": 0.0, "nesterov": False},
    "warm-up and steps": {"warmup": 1.0, "schedule": "step"},
    "one batch that is smaller": {"batch_size": 512, "epochs": 6},
    **{name: more for name, more in OPTIONS.items() if name in ("cutout", "rotation", "all")},
}


@pytest.mark.parametrize("name", CASES)
def test_a_graph_trains_as_the_steps_do(name, data, captures, monkeypatch):
    recipe = replace(RECIPE, **CASES[name])
    expected, epochs = launched(data, recipe, monkeypatch)
    training, found = trained(data, recipe)
    assert_same(training, expected)
    for one, other in zip(found, epochs, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert one["lr"] == other["lr"]
    steps = recipe.epochs * max(1, 300 // recipe.batch_size)
    assert captures["captures"] == (steps > WARM_UP)
    assert captures["replays"] == steps - WARM_UP


def test_images_of_the_host_come_batch_by_batch(data, captures, monkeypatch):
    expected, _ = launched(data, RECIPE, monkeypatch)
    make = captured_steps.CapturedSteps.__init__

    def apart(self, *given):
        make(self, *given)
        self._is_resident = False

    monkeypatch.setattr(captured_steps.CapturedSteps, "__init__", apart)
    training, _ = trained(data, RECIPE)
    assert_same(training, expected)
    assert captures == {"captures": 1, "replays": 3 * 4 - WARM_UP}


def test_what_cannot_be_captured_is_launched_and_the_log_says_why(data, captures, monkeypatch, caplog):
    expected, _ = launched(data, RECIPE, monkeypatch)
    attempts = []

    def refused(compute, side):
        attempts.append(1)
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(captured_steps, "captured", refused)
    with caplog.at_level(logging.WARNING):
        training, _ = trained(data, RECIPE)
    assert_same(training, expected)
    assert len(attempts) == 1
    assert "one kernel at a time: CUDA error: operation not permitted when stream is capturing" in caplog.text


def test_a_training_that_continues_captures_its_own_tensors(data, captures, monkeypatch):
    recipe = replace(RECIPE, ema=0.8)
    expected, _ = launched(data, recipe, monkeypatch)
    first = Training(build(SE, in_channels=1, num_classes=10, block_seed=0), data, recipe, seed=Seed(0))
    first.epoch()
    first.epoch()
    state = copy.deepcopy(first.state())
    assert isinstance(state["optimizer"]["param_groups"][0]["lr"], float)  # as a checkpoint can hold it
    first.load_state(state)
    first.epoch()
    assert_same(first, expected)
    assert captures["captures"] == 2


OBSTACLES = {
    "": {},
    "the device is no GPU": {"device": "cpu"},
    "train.cudagraph is off": {"cudagraph": "off"},
    "several processes train together": {"processes": 2},
    "the steps of this network may differ": {"is_fixed": False},
}


@pytest.mark.parametrize("reason", OBSTACLES)
def test_what_stands_against_a_graph_is_named(reason):
    given = {"device": "cuda", "cudagraph": "auto", "processes": 1, "is_fixed": True, **OBSTACLES[reason]}
    recipe = Recipe(cudagraph=given["cudagraph"])
    found = obstacle(recipe, given["device"], is_fixed=given["is_fixed"], processes=given["processes"])
    assert found == reason


def test_capture_is_what_torchs_notes_ask_for(monkeypatch):
    """On stubs of CUDA's calls: the stream, the mode that leaves other threads alone, and no run besides."""
    calls = []

    class Stream:
        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            calls.append(f"{self.name} waits for {other.name}")

    class Within:
        def __init__(self, what):
            self.what = what

        def __enter__(self):
            calls.append(f"into {self.what}")

        def __exit__(self, *given):
            calls.append(f"out of {self.what}")

    side = Stream("side")
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream("usual"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: Within(stream.name))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(reset=lambda: calls.append("reset")))
    monkeypatch.setattr(
        torch.cuda,
        "graph",
        lambda graph, stream, capture_error_mode: Within(f"capture on {stream.name}, {capture_error_mode}"),
    )
    captured_steps.on_side_stream(side, lambda: calls.append("step"))
    assert calls == ["side waits for usual", "into side", "step", "out of side", "usual waits for side"]
    calls.clear()
    captured_steps.captured(lambda: calls.append("step"), side)
    assert calls == ["into capture on side, thread_local", "step", "out of capture on side, thread_local"]

    def fails():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        captured_steps.captured(fails, side)
    assert calls[-1] == "reset"
