"""A GPU that is not there: tensors without storage that say they lie on one, and a list of what would wait for it.

Torch's FakeTensorMode runs every operation on shapes alone. What makes the host wait for a GPU is seen at the
dispatcher: reading a value (`.item()`, `float`, `bool`), an operation whose result has as many elements as the values
say, and a copy between host and GPU that is not asked to be asynchronous. The backward pass needs a context of CUDA, so
gradients are zeros here: nothing in it copies from the host.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

READS = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique_consecutive", "equal"}


class Waits(TorchDispatchMode):
    """The operations that a host would wait for, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__.split(".")[0]
        if name == "_fused_sgd_":  # torch knows no form of it without values; it changes tensors in place
            return None
        out = func(*args, **kwargs)
        given = [value for value in args if isinstance(value, Tensor)]
        if name in READS and given and given[0].device.type == "cuda":
            self.seen.append(name)
        if name == "_to_copy" and given[0].device.type != out.device.type and not kwargs.get("non_blocking"):
            self.seen.append(f"{name} {given[0].device.type} to {out.device.type}")
        if name == "copy_" and given[0].device.type != given[1].device.type and not (args[2:3] or [False])[0]:
            self.seen.append(f"{name} {given[1].device.type} to {given[0].device.type}")
        return out


@contextmanager
def on_fake_gpu() -> Iterator[tuple[FakeTensorMode, Waits]]:
    """A context in which tensors on ``cuda`` can be made and computed with, without values; and what would wait."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, Waits() as waits:
        yield mode, waits


def moved(model: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """The network with its weights on the fake GPU; moving it there once more leaves it as it is."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                module._parameters[name] = nn.Parameter(_fake(weight, mode))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _fake(buffer, mode)
    model.to = lambda *args, **kwargs: model
    return model


def zero_gradients(model: nn.Module) -> Any:
    """What stands in for ``torch.autograd.backward``."""

    def backward(loss: Tensor) -> None:
        assert loss.requires_grad
        for weight in model.parameters():
            weight.grad = torch.zeros_like(weight)

    return backward


def _fake(tensor: Tensor, mode: FakeTensorMode) -> Tensor:
    with mode:
        return mode.from_tensor(tensor.detach()).to("cuda")
