"""Several processes that train one network as one, each on its part of every batch (torch's DistributedDataParallel).

All of them draw the same order and the same augmentation, and each takes its part of every batch, so together they see
what one process would. The mean of their gradients is the gradient of the whole batch. Batch normalisation is what
differs: each process normalises its part by itself, as is usual (Goyal et al., arXiv 1706.02677); the running statistics
are averaged after every epoch, so that every image counts in them.
"""

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")

# How long a process waits for the others: as long as the slowest takes to validate all images, and then some.
PATIENCE = timedelta(minutes=30)
# The processes talk on this machine alone.
_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}


@dataclass(frozen=True)
class Group:
    """The place of this process among ``size`` that train together. Alone, nothing here changes anything."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes what one of them must."""
        return self.rank == 0

    def part(self, whole: slice) -> slice:
        """What of a range is this process's; every process has as much where ``size`` divides it."""
        n = whole.stop - whole.start
        return slice(whole.start + n * self.rank // self.size, whole.start + n * (self.rank + 1) // self.size)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The model as it is called in a training step: its gradients become the means over all processes."""
        if self.size == 1:
            return model
        parallel = nn.parallel.DistributedDataParallel
        # Not at every step: the statistics are averaged after the epoch. Torch renamed this between 2.10 and 2.14.
        known = inspect.signature(parallel).parameters
        sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        keywords: dict[str, Any] = {sync: False}
        return parallel(model, **keywords)

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes, in each of them."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
            value /= self.size
        return value

    def average_statistics(self, model: nn.Module) -> None:
        """Running means and variances of normalisation become their means over all processes."""
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._NormBase):
                for buffer in (module.running_mean, module.running_var):
                    if buffer is not None:
                        self.mean(buffer)

    def from_first(self, value: Value) -> Value:
        """What the first process has, in each of them."""
        if self.size == 1:
            return value
        found = [value]
        torch.distributed.broadcast_object_list(found)
        return found[0]


ALONE = Group()


@contextmanager
def joined(rank: int, size: int, meeting: Path, device: str) -> Iterator[Group]:
    """A group of processes on this machine, which find each other in the file ``meeting`` and open no port to others.

    NCCL between GPUs, gloo between CPUs. Blocks until all are there.
    """
    if sys.platform == "linux":
        for name, value in _LOOPBACK.items():
            os.environ.setdefault(name, value)
    backend = "nccl" if torch.device(device).type == "cuda" else "gloo"
    torch.distributed.init_process_group(
        backend, init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=PATIENCE
    )
    try:
        yield Group(rank, size)
    finally:
        torch.distributed.destroy_process_group()
