"""Calls that run a network as the user deploys it, ready to be timed by :mod:`senet_nas.costs.timing`."""

import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas import hardware
from senet_nas.costs import onnx_runtime
from senet_nas.costs.timing import Call
from senet_nas.recipe import LatencySpec, Recipe
from senet_nas.training import precision
from senet_nas.user_code import evaluating, in_training
from spaces.errors import ENVIRONMENT, UserError

Shape = tuple[int, ...]


# What torch.compile compiles with, by torch's name for it.
BACKEND = "inductor"


@contextmanager
def threads(n: int) -> Iterator[None]:
    """A context in which torch uses ``n`` CPU threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def forward(model: nn.Module, shape: Shape, spec: LatencySpec) -> Call:
    """A call that makes one forward pass of ``spec.batch`` samples of ``shape`` (C, *spatial). Raises UserError."""
    device = device_of(spec)
    model = evaluating(model).to(device, getattr(torch, spec.dtype))
    x = _images(shape, spec, device)
    with torch.inference_mode():
        return RUNTIMES[spec.runtime](_channels_last(model, x), x)


def training_step(model: nn.Module, shape: Shape, classes: int, spec: LatencySpec) -> Call:
    """A call that makes one forward and backward pass in the format of a default training, without the optimizer.

    On a CPU that is fp32. BatchNorm needs two samples, so there are at least two.
    """
    device = device_of(spec)
    x = _images(shape, replace(spec, batch=max(2, spec.batch), dtype="float32"), device)
    y_N = torch.arange(len(x), device=device) % classes
    model = _channels_last(in_training(model).to(device), x)

    short = precision.chosen(Recipe(), device.type)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, short or torch.bfloat16, enabled=short is not None):
            loss = F.cross_entropy(model(x), y_N)
        torch.autograd.backward(loss)
        _wait(x)

    return step


def fingerprint(spec: LatencySpec) -> dict[str, object]:
    """The machine and the settings of a measurement; milliseconds mean nothing without them."""
    device = device_of(spec)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else hardware.processor()
    settings = {key: getattr(spec, key) for key in ("batch", "threads", "dtype", "runtime")}
    system = {"torch": torch.__version__, "system": platform.system(), "cores": hardware.cores_of_machine()}
    return {"device": device.type, "name": name, **settings, **system, **_gpu_settings(device)}


def device_of(spec: LatencySpec) -> torch.device:
    """The device on which a spec measures time. Raises UserError (ENVIRONMENT) if this machine lacks it."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "latency.device is cuda, but torch finds no GPU here",
            hint="use `device: cpu`",
            key="latency.device",
            code=ENVIRONMENT,
        )
    runs_on_gpu = spec.device != "cpu" and spec.runtime != "onnxruntime" and torch.cuda.is_available()
    return torch.device("cuda" if runs_on_gpu or spec.device == "cuda" else "cpu")


# -- inside -----------------------------------------------------------------------------------------------------------


def _gpu_settings(device: torch.device) -> dict[str, object]:
    """What else decides over the time on a GPU: whether factors of convolutions are rounded (TF32), and its CUDA."""
    if device.type != "cuda":
        return {}
    return {"tf32": torch.backends.cudnn.allow_tf32, "cuda": torch.version.cuda}


def _images(shape: Shape, spec: LatencySpec, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(spec.batch, *shape, generator=generator).to(device, getattr(torch, spec.dtype))


def _channels_last(model: nn.Module, x: Tensor) -> nn.Module:
    if x.ndim == 4:
        x.data = x.contiguous(memory_format=torch.channels_last)
        return model.to(memory_format=torch.channels_last)
    return model


def _wait(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize()


def _eager(model: Callable[[Tensor], Tensor], x: Tensor) -> Call:
    def call() -> None:
        with torch.inference_mode():
            model(x)
        _wait(x)

    return call


def _compile(model: nn.Module, x: Tensor) -> Call:
    """The compiled network. Raises UserError (ENVIRONMENT) if torch.compile does not work, or compiled nothing.

    Torch compiles one code object at most eight times, and then runs it uncompiled with no more than a log line. All
    networks of a backbone have the same code object, so what was compiled for earlier ones is forgotten first.
    """
    if _COMPILED["networks"] % 2 == 0:  # a comparison makes two networks and needs both
        torch.compiler.reset()
    _COMPILED["networks"] += 1
    compiled_graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        compiled_graphs.append(len(inputs))
        compiled: Callable[..., Any] = torch._dynamo.lookup_backend(BACKEND)(graph, inputs)
        return compiled

    call = _eager(torch.compile(model, dynamic=False, backend=backend), x)
    try:
        call()
    except Exception as error:  # a missing compiler shows itself in many ways
        raise _not_compiled(f"torch.compile does not work here: {str(error).splitlines()[0]}") from error
    if not compiled_graphs:
        raise _not_compiled("torch.compile left the network as it is: its time would be that of `eager`")
    return call


_COMPILED = {"networks": 0}


def _not_compiled(message: str) -> UserError:
    return UserError(message, hint="use `runtime: eager`", key="latency.runtime", code=ENVIRONMENT)


def _cudagraph(model: nn.Module, x: Tensor) -> Call:
    if not x.is_cuda:
        raise UserError(
            "a CUDA graph needs a GPU", hint="use `runtime: eager`", key="latency.runtime", code=ENVIRONMENT
        )
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch does not annotate it
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # so that the first allocations of libraries are not captured
            model(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(x)
    return GraphCall(graph, model, x)


@dataclass(frozen=True)
class GraphCall:
    """A pass of a captured network. It holds the network: a graph knows only addresses, and reads what lies there."""

    graph: torch.cuda.CUDAGraph
    model: nn.Module
    x: Tensor

    def __call__(self) -> None:
        self.graph.replay()
        _wait(self.x)


def _onnxruntime(model: nn.Module, x: Tensor) -> Call:
    if x.dtype != torch.float32 or x.is_cuda:
        raise UserError("ONNX Runtime is timed in float32 on the CPU", key="latency.runtime")
    onnx_runtime.check_installed("runtime: onnxruntime")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        example = torch.zeros(2, *x.shape[1:])
        onnx_runtime.write_onnx(model.to(memory_format=torch.contiguous_format), example, path)
        session = onnx_runtime.open_session(path)
    images = {"images": x.contiguous().numpy()}
    return lambda: session.run(None, images)


# Add a runtime here, and its name to `latency.runtime`.
RUNTIMES: dict[str, Callable[[nn.Module, Tensor], Call]] = {
    "eager": _eager,
    "compile": _compile,
    "cudagraph": _cudagraph,
    "onnxruntime": _onnxruntime,
}
