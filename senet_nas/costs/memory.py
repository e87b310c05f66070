"""Peak memory of tensors in a forward pass or a training step, counted, not measured: the same on every machine.

The pass runs on torch's meta device, where tensors have sizes and no storage. Counted are weights, gradients and
activations while they live; what libraries take for workspace is not, and a compiler may need less.
"""

import copy
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Shape = tuple[int, ...]


def inference(model: nn.Module, shape: Shape, batch: int = 1) -> int:
    """Bytes at the peak of one forward pass of ``batch`` samples (C, *spatial) in fp32."""
    shadow = copy.deepcopy(model).to("meta").eval()
    with torch.no_grad():
        return _peak(shadow, lambda: shadow(torch.empty(batch, *shape, device="meta")))


def training(model: nn.Module, shape: Shape, batch: int) -> int:
    """Bytes at the peak of one forward and backward pass of ``batch`` samples, at least two, for BatchNorm.

    Gradients are included, the optimizer's state is not.
    """
    shadow = copy.deepcopy(model).to("meta").train()
    return _peak(shadow, lambda: shadow(torch.empty(max(2, batch), *shape, device="meta")).sum().backward())


class _Live(TorchDispatchMode):
    """Follows every storage from its first tensor to its end."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.live = self.peak = before
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self._note(leaf.untyped_storage())
        return out

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _peak(model: nn.Module, run: Callable[[], Any]) -> int:
    held = [*model.parameters(), *model.buffers()]
    live = _Live(sum(tensor.untyped_storage().nbytes() for tensor in held))
    live._known |= {tensor.untyped_storage()._cdata for tensor in held}
    with live:
        run()
    return live.peak
