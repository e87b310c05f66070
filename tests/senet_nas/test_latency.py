"""Time is a number that the tests set: the clock is false, the statistics are real."""

import math
import random

import pytest
import torch

from senet_nas import latency
from senet_nas.build import build
from senet_nas.latency import compare, forward, training_step
from senet_nas.recipe import LatencySpec
from spaces import UserError

PLAIN, SE = "cifar_resnet8/-/-/-", "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"


class Machine:
    """Calls take the seconds they are said to take, times noise, a slow drift, and now and then another process."""

    def __init__(self, seed=0, noise=0.02, drift=0.0, disturbed=0.05):
        self.now, self.rng = 0.0, random.Random(seed)
        self.noise, self.drift, self.disturbed = noise, drift, disturbed

    def call(self, seconds):
        def run():
            slow = 1 + self.drift * math.sin(self.now)
            spike = 3 if self.rng.random() < self.disturbed else 1
            self.now += seconds * slow * spike * math.exp(self.noise * self.rng.gauss(0, 1))

        return run

    def compare(self, plain, candidate, **settings):
        return compare(self.call(plain), self.call(candidate), clock=lambda: self.now, **{"seconds": 60, **settings})


@pytest.mark.parametrize("ms", [0.2, 5, 60])
def test_plain_against_plain_is_one_within_its_interval(ms):
    found = [Machine(seed, noise=0.05).compare(ms / 1000, ms / 1000) for seed in range(20)]
    assert all(f.half_width <= 0.01 or f.seconds >= 60 for f in found)
    assert sum(f.low <= 1 <= f.high for f in found) >= 17  # 95 % intervals; 17 of 20 or more in 0.997 of all cases
    assert all(f.plain_ms == pytest.approx(ms, rel=0.05) for f in found)


@pytest.mark.parametrize("drift", [0.0, 0.5])
def test_a_planted_slowdown_is_found_whatever_the_machine_does_meanwhile(drift):
    found = [Machine(seed, drift=drift).compare(0.005, 0.00525) for seed in range(10)]
    assert all(f.low > 1.02 and f.high < 1.08 for f in found)
    assert all(f.overhead == pytest.approx(5, abs=1.5) for f in found)


def test_it_ends_when_it_is_precise_enough_or_when_time_is_up():
    quick = Machine().compare(0.01, 0.01)
    assert quick.n == latency.LEAST
    assert quick.half_width <= 0.01
    noisy = Machine(noise=0.5).compare(0.01, 0.01, seconds=3)
    assert 3 <= noisy.seconds < 4
    assert noisy.half_width > 0.01


def test_one_slow_quadruple_is_an_answer_too():
    found = Machine().compare(10.0, 10.0, seconds=1)
    assert found.n == 1
    assert found.low == found.ratio == found.high


@pytest.mark.parametrize("runtime", ["eager", "onnxruntime", pytest.param("compile", marks=pytest.mark.slow)])
def test_every_runtime_runs_the_network(runtime):
    call = forward(build(SE, in_channels=1, num_classes=10), (1, 16, 16), LatencySpec(batch=2, runtime=runtime))
    found = compare(call, call, seconds=0.01)
    assert found.n >= 1
    assert found.plain_ms > 0


def test_the_forward_pass_is_that_of_evaluation_in_the_type_asked_for():
    model, seen = build(SE, in_channels=1, num_classes=10), []
    model.register_forward_hook(lambda module, inputs, output: seen.append((module.training, inputs[0], output)))
    forward(model, (1, 16, 16), LatencySpec(batch=3, dtype="bfloat16"))()
    training, x, y = seen[0]
    assert not training
    assert x.shape == (3, 1, 16, 16)
    assert x.dtype == y.dtype == torch.bfloat16
    assert not y.requires_grad


def test_a_training_step_makes_gradients_anew_each_time():
    model = build(SE, in_channels=1, num_classes=10)
    step = training_step(model, (1, 16, 16), 10, LatencySpec())
    grads = []
    for _ in range(2):
        step()
        grads.append(model.conv1.weight.grad.clone())
    assert torch.allclose(*grads)  # not added up
    assert grads[0].abs().sum() > 0


@pytest.mark.parametrize(
    ("spec", "word"),
    [(LatencySpec(runtime="cudagraph", device="cpu"), "GPU"), (LatencySpec(runtime="onnxruntime", dtype="bfloat16"), "float32"),
     pytest.param(LatencySpec(device="cuda"), "no GPU", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"))],
)  # fmt: skip
def test_what_cannot_be_measured_here_is_refused(spec, word):
    with pytest.raises(UserError, match=word):
        forward(build(PLAIN, in_channels=1, num_classes=10), (1, 16, 16), spec)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with latency.threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


def test_every_runtime_of_the_config_is_there():
    assert set(latency.RUNTIMES) == set(LatencySpec.__annotations__["runtime"].__args__)


def test_milliseconds_come_with_what_they_were_measured_on():
    found = latency.fingerprint(LatencySpec(batch=8, device="cpu"))
    assert found["batch"] == 8
    assert found["name"]
    assert {"device", "threads", "dtype", "runtime", "torch"} <= set(found)
