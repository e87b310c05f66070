"""Peak memory of the tensors in a forward pass or a training step: counted, and so the same on every machine.

The pass runs on torch's meta device, where tensors have a size but no storage. Weights, gradients and activations count
while they live. The workspace of libraries does not count, and a compiler may need less.
"""

import copy
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

# Only a dispatch mode sees what the backward pass allocates: the public TorchFunctionMode sees calls from Python alone.
# torch's notes on extending it describe the mode under this name; torch's trees have no public name either.
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from senet_nas.user_code import evaluating

Shape = tuple[int, ...]


def inference(model: nn.Module, shape: Shape, batch: int = 1) -> int:
    """Bytes at the peak of one forward pass of ``batch`` samples of ``shape`` (C, *spatial) in fp32."""
    shadow = evaluating(copy.deepcopy(model).to("meta"))
    with torch.no_grad():
        return _peak(shadow, lambda: shadow(torch.empty(batch, *shape, device="meta")))


def training(
    model: nn.Module, shape: Shape, batch: int, set_to_train: Callable[[nn.Module], object] = nn.Module.train
) -> int:
    """Bytes at the peak of one forward and backward pass of ``batch`` samples of ``shape`` (C, *spatial) in fp32.

    BatchNorm needs two samples, so there are at least two. Gradients count; the optimizer's state does not.
    ``set_to_train`` puts the layers into the mode of the training.
    """
    shadow = copy.deepcopy(model).to("meta")
    set_to_train(shadow)

    def step() -> None:
        shadow(torch.empty(max(2, batch), *shape, device="meta")).sum().backward()

    try:
        return _peak(shadow, step)
    except Exception:  # what the user's code draws or looks at in training may need values, which meta tensors lack
        shadow.zero_grad()
        shadow.eval()
        return _peak(shadow, step)


class _LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate it
    """Bytes of the storages that live while it is active, and their peak; ``held`` are the tensors from before."""

    def __init__(self, held: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.live = sum(tensor.untyped_storage().nbytes() for tensor in held)
        self.peak = self.live
        # On the meta device every `data_ptr` is 0: only the address of the storage itself tells two storages apart.
        self._known = {tensor.untyped_storage()._cdata for tensor in held}

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
    """The largest number of bytes that live while ``run`` runs ``model``."""
    memory = _LiveMemory([*model.parameters(), *model.buffers()])
    with memory:
        run()
    return memory.peak
