"""Latency of a network over that of plain, on the device that the user deploys on.

A ratio is what can be known: clocks, temperature and neighbours change milliseconds by more than SE does. So blocks of
plain and candidate alternate (plain, candidate, candidate, plain) in one process, each block is the median of its calls,
each four blocks give one ratio, and the answer is their median with a bootstrap interval.
"""

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas.recipe import LatencySpec
from spaces.errors import ENVIRONMENT, UserError

Call = Callable[[], None]
Shape = tuple[int, ...]

# A block lasts about so long: what disturbs a machine lasts longer, and so meets plain and candidate alike.
BLOCK_SECONDS = 0.003
# Fewer quadruples of blocks make no interval; after that it is looked at once in so many.
LEAST, STEP = 40, 10
RESAMPLES = 1000


@dataclass(frozen=True)
class Comparison:
    """Times of a candidate and of plain. ``ratio`` with its interval ``low`` to ``high``; medians in ms; n quadruples."""

    ratio: float
    low: float
    high: float
    candidate_ms: float
    plain_ms: float
    n: int
    seconds: float

    @property
    def overhead(self) -> float:
        """In percent over plain."""
        return 100 * (self.ratio - 1)

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def to_dict(self) -> dict[str, float]:
        return {**asdict(self), "overhead": self.overhead, "half_width": self.half_width}


def compare(
    plain: Call, candidate: Call, *, seconds: float, precision: float = 0.01, level: float = 0.95,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:  # fmt: skip
    """Times both until the half-width of the ratio's interval is ``precision``, or for ``seconds``."""
    began = clock()
    calls = _warm_up(plain, candidate, clock)
    quadruples: list[tuple[float, float]] = []
    while True:
        first, second, third, last = (_block(call, calls, clock) for call in (plain, candidate, candidate, plain))
        quadruples.append(((first + last) / 2, (second + third) / 2))
        over = clock() - began > seconds
        if over or (len(quadruples) >= LEAST and len(quadruples) % STEP == 0):
            found = _summary(np.array(quadruples), level, clock() - began)
            if over or found.half_width <= precision:
                return found


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Within it torch uses ``n`` CPU threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def forward(model: nn.Module, shape: Shape, spec: LatencySpec) -> Call:
    """One pass of ``spec.batch`` samples of ``shape`` (C, *spatial) by the runtime of ``spec``. Raises UserError."""
    device = device_of(spec)
    model = model.eval().to(device, getattr(torch, spec.dtype))
    x = _images(shape, spec, device)
    with torch.inference_mode():
        return RUNTIMES[spec.runtime](_channels_last(model, x), x)


def training_step(model: nn.Module, shape: Shape, classes: int, spec: LatencySpec) -> Call:
    """One forward and backward pass of a training in fp32, without the optimizer; two samples at least, for BatchNorm."""
    device = device_of(spec)
    x = _images(shape, replace(spec, batch=max(2, spec.batch), dtype="float32"), device)
    model, y_N = _channels_last(model.train().to(device), x), torch.arange(len(x), device=device) % classes

    def step() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), y_N).backward()
        _wait(x)

    return step


def fingerprint(spec: LatencySpec) -> dict[str, object]:
    """On what and how it was measured: milliseconds mean nothing without it."""
    device = device_of(spec)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu()
    settings = {key: getattr(spec, key) for key in ("batch", "threads", "dtype", "runtime")}
    system = {"torch": torch.__version__, "system": platform.system(), "cores": os.cpu_count()}
    return {"device": device.type, "name": name, **settings, **system}


def device_of(spec: LatencySpec) -> torch.device:
    """Where a spec says that time is measured. Raises UserError (code 4) where that is not here."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "latency.device is cuda, but torch finds no GPU here", hint="use `device: cpu`", key="latency.device",
            code=ENVIRONMENT,
        )  # fmt: skip
    return torch.device("cuda" if spec.device != "cpu" and torch.cuda.is_available() else "cpu")


# -- inside -----------------------------------------------------------------------------------------------------------


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _warm_up(plain: Call, candidate: Call, clock: Callable[[], float]) -> int:
    """Runs both until two rounds agree within 5 %, ten at most. Returns how many calls a block holds."""
    before, took = 0.0, 0.0
    for _ in range(10):
        took = max(_block(call, 3, clock) for call in (plain, candidate))
        if abs(took - before) <= 0.05 * took:
            break
        before = took
    return max(1, round(BLOCK_SECONDS / took)) if took else 1


def _block(call: Call, calls: int, clock: Callable[[], float]) -> float:
    """Median seconds of a call."""
    marks = [clock()]
    for _ in range(calls):
        call()
        marks.append(clock())
    return float(np.median(np.diff(marks)))


def _summary(times_N2: NDArray[np.float64], level: float, seconds: float) -> Comparison:
    ratio_N = times_N2[:, 1] / times_N2[:, 0]
    rng = np.random.default_rng(0)
    drawn = np.median(ratio_N[rng.integers(len(ratio_N), size=(RESAMPLES, len(ratio_N)))], axis=1)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    plain, candidate = 1000 * np.median(times_N2, axis=0)
    ratio = float(np.median(ratio_N))
    return Comparison(ratio, float(low), float(high), float(candidate), float(plain), len(ratio_N), seconds)


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
    compiled = _eager(torch.compile(model, dynamic=False), x)
    try:
        compiled()
    except Exception as error:  # a missing compiler shows itself in many ways
        raise UserError(
            f"torch.compile does not work here: {str(error).splitlines()[0]}", hint="use `runtime: eager`",
            key="latency.runtime", code=ENVIRONMENT,
        ) from error  # fmt: skip
    return compiled


def _cudagraph(model: nn.Module, x: Tensor) -> Call:
    if not x.is_cuda:
        raise UserError(
            "a CUDA graph needs a GPU", hint="use `runtime: eager`", key="latency.runtime", code=ENVIRONMENT
        )
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # what libraries allocate at first must not be captured
            model(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(x)

    def call() -> None:
        graph.replay()
        _wait(x)

    return call


def _onnxruntime(model: nn.Module, x: Tensor) -> Call:
    from senet_nas.export.forms import FORMS, check_installed

    if x.dtype != torch.float32 or x.is_cuda:
        raise UserError("ONNX Runtime is timed in float32 on the CPU", key="latency.runtime")
    check_installed("model.onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        record = {"preprocessing": {"channels": x.shape[1], "size": tuple(x.shape[2:])}}
        FORMS["model.onnx"].write(model.to(memory_format=torch.contiguous_format), record, path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images = {"images": x.contiguous().numpy()}
    return lambda: session.run(None, images)


RUNTIMES: dict[str, Callable[[nn.Module, Tensor], Call]] = {
    "eager": _eager, "compile": _compile, "cudagraph": _cudagraph, "onnxruntime": _onnxruntime,
}  # fmt: skip
