"""PyTorch as a runtime: the network as it is, compiled, or captured as a CUDA graph."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from senet_nas.deploy.deployed import Deployed, Forward, Wanted
from senet_nas.deploy.precisions import PRECISIONS
from spaces.errors import ENVIRONMENT, UserError

# What torch.compile compiles with, by torch's name for it.
BACKEND = "inductor"


def eager(network: nn.Module, wanted: Wanted) -> Deployed:
    model = _placed(network, wanted)
    return Deployed(lambda batch: _without_gradients(model, wanted.waits), _size(model))


def compiled(network: nn.Module, wanted: Wanted) -> Deployed:
    """The compiled network. It is compiled at its first call; opening makes that call."""
    model = _placed(network, wanted)
    return Deployed(lambda batch: _compiled(model, replace(wanted, batch=batch or 1)), _size(model))


def cudagraph(network: nn.Module, wanted: Wanted) -> Deployed:
    """A network whose pass was captured; it reads the images that it was captured with, whatever it is given."""
    model = _placed(network, wanted)
    return Deployed(
        lambda batch: captured(model, images(replace(wanted, batch=batch or 1)), waits=wanted.waits), _size(model)
    )


def images(wanted: Wanted) -> Tensor:
    """Random images as a network of this kind takes them, the same ones every time."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(wanted.batch, *wanted.shape, generator=generator)
    dtype = PRECISIONS[wanted.precision]
    x = x.to(wanted.device, getattr(torch, dtype) if dtype else torch.float32)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def wait(x: Tensor) -> None:
    """Until the GPU of a tensor has done its work; nothing to do on a CPU."""
    if x.is_cuda:
        torch.cuda.synchronize()


def _placed(network: nn.Module, wanted: Wanted) -> nn.Module:
    dtype = PRECISIONS[wanted.precision]
    assert dtype is not None, f"torch does not compute in {wanted.precision}"
    model = network.to(wanted.device, getattr(torch, dtype))
    return model.to(memory_format=torch.channels_last) if len(wanted.shape) == 3 else model


def _size(model: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def _without_gradients(model: Callable[[Tensor], Tensor], waits: bool) -> Forward:
    def forward(x: Tensor) -> Tensor:
        with torch.inference_mode():
            y = model(x)
        if waits:
            wait(x)
        return y

    return forward


def _compiled(model: nn.Module, wanted: Wanted) -> Forward:
    """Raises UserError (ENVIRONMENT) if torch.compile does not work, or compiled nothing.

    Torch compiles one code object at most eight times, and then runs it uncompiled with no more than a log line. All
    networks of a backbone have the same code object, so what was compiled for earlier ones is forgotten first.
    """
    if _COMPILED["networks"] % 2 == 0:  # a comparison makes two networks and needs both
        torch.compiler.reset()
    _COMPILED["networks"] += 1
    # It warns on a machine with CUDA's tools and without a GPU, where a network for the CPU needs neither.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    compiled_graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        compiled_graphs.append(len(inputs))
        made: Callable[..., Any] = torch._dynamo.lookup_backend(BACKEND)(graph, inputs)
        return made

    forward = _without_gradients(torch.compile(model, dynamic=False, backend=backend), wanted.waits)
    try:
        forward(images(wanted))
    except Exception as error:  # a missing compiler shows itself in many ways
        raise _not_compiled(f"torch.compile does not work here: {str(error).splitlines()[0]}") from error
    if not compiled_graphs:
        raise _not_compiled("torch.compile left the network as it is: its time would be that of `eager`")
    return forward


_COMPILED = {"networks": 0}


def _not_compiled(message: str) -> UserError:
    return UserError(message, hint="use `runtime: eager`", key="latency.runtime", code=ENVIRONMENT)


def captured(model: nn.Module, x: Tensor, *, waits: bool = True) -> "GraphCall":
    """The pass of a network on ``x`` as one CUDA graph."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch does not annotate it
    side.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(side):
        for _ in range(3):  # so that the first allocations of libraries are not captured
            model(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        y = model(x)
    return GraphCall(graph, model, x, y, waits)


@dataclass(frozen=True)
class GraphCall:
    """A pass of a captured network. It holds the network: a graph knows only addresses, and reads what lies there."""

    graph: torch.cuda.CUDAGraph
    model: nn.Module
    x: Tensor
    y: Tensor
    waits: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        """The logits of ``x``, an input of the shape that was captured."""
        if x is not self.x:
            with torch.inference_mode():
                self.x.copy_(x)
        self.graph.replay()
        if self.waits:
            wait(self.x)
        return self.y
