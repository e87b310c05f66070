"""Every runtime makes a call that runs the network in the given type."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from torch import nn

from senet_nas.costs import runtimes, timing
from senet_nas.costs.runtimes import fingerprint, forward, maker, threads, training_step
from senet_nas.costs.stopwatch import EventWatch
from senet_nas.costs.timing import compare
from senet_nas.deploy import torch_runtimes
from senet_nas.network.build import build
from senet_nas.recipe import LatencySpec
from spaces import UserError

PLAIN, SE = "cifar_resnet8/-/-/-", "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"


@pytest.mark.parametrize("runtime", ["eager", pytest.param("compile", marks=pytest.mark.slow)])
def test_every_runtime_runs_the_network(runtime):
    call = forward(build(SE, in_channels=1, num_classes=10), (1, 16, 16), LatencySpec(batch=2, runtime=runtime))
    found = compare(lambda: call, lambda: call, seconds=0.01)
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
    [
        (LatencySpec(runtime="cudagraph", device="cpu"), "cudagraph runs on cuda here"),
        pytest.param(
            LatencySpec(runtime="cudagraph"),
            "cudagraph needs a GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        (LatencySpec(runtime="onnxruntime", dtype="bfloat16"), "onnxruntime does not compute in bf16"),
        (LatencySpec(precision="int8"), "eager does not compute in int8"),
        (LatencySpec(runtime="openvino", device="cuda"), "openvino runs on cpu here"),
        (LatencySpec(runtime="opnevino"), "allowed: eager, compile, cudagraph, onnxruntime, openvino"),
        pytest.param(
            LatencySpec(device="cuda"),
            "no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_cannot_be_measured_here_is_refused(spec, word):
    with pytest.raises(UserError, match=word):
        forward(build(PLAIN, in_channels=1, num_classes=10), (1, 16, 16), spec)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("runtime", "networks"), [("eager", 3), ("onnxruntime", 1)])
def test_files_are_written_once_and_opened_for_each_call(runtime, networks):
    built = []

    def network():
        built.append(build(PLAIN, in_channels=1, num_classes=10))
        return built[-1]

    make = maker(network, (1, 12, 12), LatencySpec(runtime=runtime, device="cpu"))
    calls = [make() for _ in range(3)]
    for call in calls:
        call()
    assert len(built) == networks
    assert len(set(calls)) == 3


def test_milliseconds_come_with_what_they_were_measured_on():
    found = fingerprint(LatencySpec(batch=8, device="cpu"))
    assert found["batch"] == 8
    assert found["name"]
    assert {"device", "threads", "dtype", "runtime", "torch"} <= set(found)
    assert found["dtype"] == "float32"
    quantised = fingerprint(LatencySpec(runtime="openvino", precision="int8"))
    assert quantised["dtype"] == "int8"
    assert quantised["openvino"]


@pytest.fixture
def quick_compiler(monkeypatch):
    """torch.compile with a backend that compiles nothing, so that only its bookkeeping takes time."""
    monkeypatch.setattr(torch_runtimes, "BACKEND", "eager")


def test_every_network_of_a_backbone_is_compiled(quick_compiler):
    """Torch compiles one code object eight times, and then runs it uncompiled."""
    for i in range(10):
        key = f"cifar_resnet8/-/-/avg:fc{4 + i}:sigmoid@pre_addition"
        forward(build(key, in_channels=1, num_classes=10), (1, 8, 8), LatencySpec(runtime="compile"))


def test_a_network_that_is_not_compiled_is_refused(quick_compiler):
    class Uncompiled(nn.Module):
        @torch.compiler.disable
        def forward(self, x):
            return x.mean((2, 3))

    with pytest.raises(UserError, match="left the network as it is"):
        forward(Uncompiled(), (1, 8, 8), LatencySpec(runtime="compile"))


def test_a_graph_keeps_the_network_whose_weights_it_reads(monkeypatch):
    """On a stub of CUDA's graphs: what is captured are addresses."""

    class Graph:
        def replay(self):
            pass

    class Stream:
        def wait_stream(self, other):
            pass

    class Context:
        def __init__(self, *given):
            pass

        def __enter__(self):
            pass

        def __exit__(self, *given):
            pass

    for name, stub in {"Stream": Stream, "current_stream": Stream, "stream": Context, "graph": Context}.items():
        monkeypatch.setattr(torch.cuda, name, stub)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    model = build(PLAIN, in_channels=1, num_classes=10)
    alive = weakref.ref(model)
    x = torch.zeros(1, 1, 8, 8)
    call = torch_runtimes.captured(model.eval(), x)
    del model
    gc.collect()
    call(x)
    assert alive() is not None


def test_onnxruntime_is_timed_on_the_cpu_of_a_machine_with_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtimes.device_of(LatencySpec(runtime="onnxruntime")).type == "cpu"
    assert runtimes.device_of(LatencySpec()).type == "cuda"
    assert runtimes.device_of(LatencySpec(device="cpu")).type == "cpu"


def test_figures_of_a_gpu_name_tf32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    assert fingerprint(LatencySpec())["tf32"] is torch.backends.cudnn.allow_tf32
    assert "tf32" not in fingerprint(LatencySpec(device="cpu"))


class Gpu:
    """A stub of a GPU with a clock of its own, in milliseconds: events show it, and waiting for it is counted."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.waits = 0
        gpu = self

        class Event:
            def __init__(self, *, enable_timing):
                assert enable_timing

            def record(self):
                self.at = gpu.now

            def synchronize(self):
                gpu.waits += 1

            def elapsed_time(self, other):
                return other.at - self.at

        def synchronize():
            gpu.waits += 1

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
        monkeypatch.setattr(torch.Tensor, "is_cuda", True)

    def call(self, ms):
        def run():
            self.now += ms

        return run


def test_large_batches_on_a_gpu_are_timed_by_its_events(monkeypatch):
    gpu = Gpu(monkeypatch)
    watch = runtimes.stopwatch(LatencySpec(batch=64))
    found = timing.compare(
        lambda: gpu.call(2.0), lambda: gpu.call(3.0), seconds=1e-9, clock=iter(range(1000)).__next__, watch=watch
    )
    assert (found.ratio, found.plain_ms, found.candidate_ms) == pytest.approx((1.5, 2.0, 3.0))
    bursts = gpu.waits
    gpu.call(1.0)
    watch.mark()
    watch.mark()
    watch.laps()
    assert gpu.waits == bursts + 1


@pytest.mark.parametrize(("batch", "device", "by_events"), [(1, "auto", False), (64, "auto", True), (64, "cpu", False)])
def test_small_batches_and_those_of_a_cpu_are_timed_by_the_host_which_waits(monkeypatch, batch, device, by_events):
    gpu = Gpu(monkeypatch)
    spec = LatencySpec(batch=batch, device=device)
    assert isinstance(runtimes.stopwatch(spec), EventWatch) == by_events
    assert runtimes.wanted((1, 8, 8), spec).waits != by_events
    assert ("clock" in fingerprint(spec)) == by_events
    here = replace(runtimes.wanted((1, 8, 8), spec), device="cpu")
    network = build(PLAIN, in_channels=1, num_classes=10).eval()
    torch_runtimes.eager(network, here).open(batch)(torch.zeros(batch, 1, 8, 8))
    assert gpu.waits == (not by_events)
