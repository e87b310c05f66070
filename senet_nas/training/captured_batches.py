"""Validation by CUDA graphs: what is computed of a batch is captured once for each size, and replayed for the others.

The first batch of a size is computed as usual, so that libraries make their choices before the capture. A size that
comes once, as the last and smaller batch of a single validation, is never captured.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from senet_nas.training.captured_steps import captured, on_side_stream, side_stream

# Computes tensors of images and labels that lie on the GPU. It reads nothing else that lies on the host.
Compute = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


@dataclass
class _Size:
    """Of batches of one size: where images and labels lie, the graph, and where it leaves its results."""

    x: Tensor
    y: Tensor
    graph: Any = None
    out: tuple[Tensor, ...] = ()


class CapturedBatches:
    """Computes what ``compute`` does of each batch. If it cannot be captured, says why and computes as usual."""

    def __init__(self, compute: Compute, device: str) -> None:
        self._compute = compute
        self._device = torch.device(device)
        self._side = side_stream(self._device)
        self._sizes: dict[tuple[int, ...], _Size] = {}
        self._has_failed = False

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        if self._has_failed:
            return self._compute(x, y)
        size = self._sizes.get(tuple(x.shape))
        if size is None:
            return self._first(x, y)
        size.x.copy_(x, non_blocking=True)
        size.y.copy_(y, non_blocking=True)
        if size.graph is None and not self._capture(size):
            return self._compute(x, y)
        size.graph.replay()
        return tuple(value.clone() for value in size.out)

    def forget(self) -> None:
        """Captures again: tensors that are read lie elsewhere now."""
        self._sizes.clear()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _first(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        size = _Size(x.to(self._device, copy=True), y.to(self._device, copy=True))
        self._sizes[tuple(x.shape)] = size
        on_side_stream(self._side, lambda: self._run(size))
        return size.out

    def _run(self, size: _Size) -> None:
        size.out = self._compute(size.x, size.y)

    def _capture(self, size: _Size) -> bool:
        """Whether the size has a graph now."""
        try:
            size.graph = captured(lambda: self._run(size), self._side)
        except RuntimeError as error:
            self._has_failed = True
            self._sizes.clear()
            reason = str(error).splitlines()[0]
            logging.getLogger(__name__).warning("validation is launched one kernel at a time: %s", reason)
            return False
        return True
