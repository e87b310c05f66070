"""A network as a runtime runs it: what it is made for, its files, and its forward pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from senet_nas.deploy.precisions import CPU

Forward = Callable[[Tensor], Tensor]
Shape = tuple[int, ...]
# Inputs that set the ranges of INT8. More changed the accuracy of the networks of benchmarks/deployment.py by less
# than its interval.
CALIBRATION = 256
# Inputs of calibration that pass through the network at once.
BATCH = 16


@dataclass(frozen=True)
class Wanted:
    """How a network is to run: inputs of ``shape`` (C, *spatial), ``batch`` at once, on a device with CPU threads.

    ``calibration``: normalised inputs (N, C, *spatial) that set the ranges of INT8; without any, random ones, which
    are enough to measure time. ``waits``: a pass on a GPU ends when its result is there; else when it is launched.
    """

    shape: Shape
    precision: str = "fp32"
    batch: int = 1
    threads: int = 1
    device: str = CPU
    calibration: Tensor | None = None
    waits: bool = True

    def example(self) -> Tensor:
        """Two inputs: a batch of one would become a constant."""
        return torch.zeros(2, *self.shape)

    def calibration_batches(self) -> Sequence[Tensor]:
        """The inputs of calibration, BATCH at a time."""
        inputs = self.calibration
        if inputs is None:
            inputs = torch.randn(2, *self.shape, generator=torch.Generator().manual_seed(0))
        return torch.split(inputs[:CALIBRATION], BATCH)


@dataclass(frozen=True)
class Deployed:
    """A network that was prepared for a runtime. ``open`` gives a forward pass for batches of a size; 0 is any size.

    ``files`` are those that the runtime reads, by the end of their names; ``size`` in bytes is what it stores.
    """

    open: Callable[[int], Forward]
    size: int
    files: Mapping[str, bytes] = field(default_factory=dict)


def calibration_images(x: Tensor) -> Tensor:
    """CALIBRATION of the training images, evenly spaced, so that sorted classes are all among them."""
    number_N = torch.linspace(0, len(x) - 1, min(CALIBRATION, len(x))).long()
    return x[number_N]
