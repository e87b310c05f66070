"""Calls that run a network as the user deploys it, ready to be timed by :mod:`senet_nas.costs.timing`."""

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas import hardware
from senet_nas.costs.stopwatch import EventWatch, HostWatch, Stopwatch
from senet_nas.costs.timing import Call, Make
from senet_nas.deploy import torch_runtimes
from senet_nas.deploy.deployed import Deployed, Wanted
from senet_nas.deploy.deploying import deploy
from senet_nas.deploy.precisions import CPU, CUDA, PRECISIONS
from senet_nas.deploy.runtime_table import named
from senet_nas.recipe import LatencySpec, Recipe
from senet_nas.training import precision
from senet_nas.user_code import in_training
from spaces.errors import ENVIRONMENT, UserError

Shape = tuple[int, ...]
# Batches of so many samples keep a GPU busy for longer than the host needs to launch them, and are timed by events.
LARGE_BATCH = 16


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
    """A call that makes one forward pass of ``spec.batch`` samples of ``shape`` (C, *spatial).

    Raises UserError if the runtime or the device is not here, and Refused if the runtime cannot run the network.
    """
    return InRuntime(lambda: model, spec.runtime, wanted(shape, spec)).make()


def maker(network: Callable[[], nn.Module], shape: Shape, spec: LatencySpec) -> Make:
    """What makes such calls of a network, each with its own data in memory."""
    return InRuntime(network, spec.runtime, wanted(shape, spec)).make


class InRuntime:
    """A network in a runtime, as ``wanted``; ``network`` builds it."""

    def __init__(self, network: Callable[[], nn.Module], runtime: str, wanted: Wanted) -> None:
        self._network = network
        self._runtime = runtime
        self._wanted = wanted

    @cached_property
    def deployed(self) -> Deployed:
        return deploy(self._network(), self._runtime, self._wanted)

    def make(self) -> Call:
        """A call with its own data in memory. Files are written once, since that takes seconds, and opened again for
        each call; any other runtime gets a new network."""
        writes_files = named(self._runtime).writes_files
        deployed = self.deployed if writes_files else deploy(self._network(), self._runtime, self._wanted)
        forward = deployed.open(self._wanted.batch)
        # Files take float32, whatever is computed in.
        x = torch_runtimes.images(replace(self._wanted, precision="fp32") if writes_files else self._wanted)
        return lambda: forward(x)


def wanted(shape: Shape, spec: LatencySpec) -> Wanted:
    """How a network is to run that a spec times. Raises UserError (ENVIRONMENT) if this machine lacks the device."""
    waits = not _by_events(spec)
    return Wanted(shape, spec.number_format, spec.batch, spec.threads, device_of(spec).type, waits=waits)


def stopwatch(spec: LatencySpec) -> Stopwatch:
    """What times the passes of a spec: the host, which waits for each; the GPU itself if they are large."""
    return EventWatch() if _by_events(spec) else HostWatch()


def training_step(model: nn.Module, shape: Shape, classes: int, spec: LatencySpec) -> Call:
    """A call that makes one forward and backward pass in the format of a default training, without the optimizer.

    On a CPU that is fp32. BatchNorm needs two samples, so there are at least two.
    """
    device = device_of(spec)
    x = torch_runtimes.images(Wanted(shape, batch=max(2, spec.batch), device=device.type))
    y_N = torch.arange(len(x), device=device) % classes
    model = _channels_last(in_training(model).to(device), x)

    short = precision.chosen(Recipe(), device.type)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, short or torch.bfloat16, enabled=short is not None):
            loss = F.cross_entropy(model(x), y_N)
        torch.autograd.backward(loss)
        torch_runtimes.wait(x)

    return step


def fingerprint(spec: LatencySpec) -> dict[str, object]:
    """The machine and the settings of a measurement; milliseconds mean nothing without them."""
    device = device_of(spec)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else hardware.processor()
    settings = {
        "batch": spec.batch,
        "threads": spec.threads,
        "dtype": PRECISIONS[spec.number_format] or spec.number_format,
        "runtime": spec.runtime,
    }
    system = {"torch": torch.__version__, "system": platform.system(), "cores": hardware.cores_of_machine()}
    packages = {name: version(name) for name in _versioned(spec)}
    return {"device": device.type, "name": name, **settings, **system, **packages, **_gpu_settings(spec, device)}


def device_of(spec: LatencySpec) -> torch.device:
    """The device on which a spec measures time. Raises UserError (ENVIRONMENT) if this machine lacks it."""
    runtime = named(spec.runtime)
    if spec.device not in ("auto", *runtime.devices):
        raise UserError(
            f"{spec.runtime} runs on {' and '.join(runtime.devices)} here, and the device is {spec.device}",
            hint=f"choose the device {runtime.devices[0]}, or another runtime",
            key="latency.device",
        )
    if not torch.cuda.is_available():
        if runtime.devices == (CUDA,):
            raise UserError(
                f"{spec.runtime} needs a GPU, and torch finds none here",
                hint="choose another runtime",
                key="latency.runtime",
                code=ENVIRONMENT,
            )
        if spec.device == CUDA:
            raise UserError(
                "the device is cuda, but torch finds no GPU here",
                hint="choose the device cpu",
                key="latency.device",
                code=ENVIRONMENT,
            )
    runs_on_gpu = CUDA in runtime.devices and spec.device != CPU and torch.cuda.is_available()
    return torch.device(CUDA if runs_on_gpu else CPU)


# -- inside -----------------------------------------------------------------------------------------------------------


def _by_events(spec: LatencySpec) -> bool:
    return spec.batch >= LARGE_BATCH and device_of(spec).type == CUDA


def _gpu_settings(spec: LatencySpec, device: torch.device) -> dict[str, object]:
    """What else decides over the time on a GPU: whether factors of convolutions are rounded (TF32), its CUDA, and whose
    clock it is, if not that of the host."""
    if device.type != "cuda":
        return {}
    clock = {"clock": "GPU"} if _by_events(spec) else {}
    return {"tf32": torch.backends.cudnn.allow_tf32, "cuda": torch.version.cuda, **clock}


def _versioned(spec: LatencySpec) -> tuple[str, ...]:
    """The packages whose versions decide over the time, beside torch."""
    return tuple(name for name in named(spec.runtime).packages if name in ("onnxruntime", "openvino"))


def _channels_last(model: nn.Module, x: Tensor) -> nn.Module:
    if x.ndim == 4:
        x.data = x.contiguous(memory_format=torch.channels_last)
        return model.to(memory_format=torch.channels_last)
    return model
