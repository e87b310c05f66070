"""Several processes that train one network as one, each on its part of every batch (torch's DistributedDataParallel).

All processes draw the same order and the same augmentation, and each takes its part of every batch, so together they
see what one process would. The mean of their gradients is the gradient of the whole batch. Only batch normalisation
differs: each process normalises its part by itself, as is usual (Goyal et al., arXiv 1706.02677). The running
statistics are averaged after every epoch, so every image counts in them.
"""

import inspect
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")

# Longest wait of a process for the others. The slowest one may validate all images in this time.
PATIENCE = timedelta(minutes=30)
# Network interfaces of gloo and NCCL: the processes communicate only within this machine.
_LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}


@dataclass(frozen=True)
class Group:
    """The rank of this process among ``size`` that train together. In a group of one, no method changes anything.

    ``skips``: a step may leave out layers of the network, so the processes agree at each step on which it used.
    """

    rank: int = 0
    size: int = 1
    skips: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files for the group."""
        return self.rank == 0

    def part(self, whole: slice) -> slice:
        """This process's part of a range; the parts are equal if ``size`` divides the range."""
        n = whole.stop - whole.start
        return slice(whole.start + n * self.rank // self.size, whole.start + n * (self.rank + 1) // self.size)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The model to call in a training step; its gradients become the means over all processes."""
        if self.size == 1:
            return model
        parallel = nn.parallel.DistributedDataParallel
        # Not at every step: statistics are averaged after the epoch. Torch renamed the argument between 2.10 and 2.14.
        known = inspect.signature(parallel).parameters
        sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        keywords: dict[str, Any] = {sync: False, "find_unused_parameters": self.skips}
        return parallel(model, **keywords)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all processes, in each of them."""
        if self.size > 1:
            torch.distributed.all_reduce(value)
            value /= self.size
        return value

    def average_statistics(self, norms: Iterable[nn.modules.batchnorm._NormBase]) -> None:
        """Replaces running means and variances of normalisation by their means over all processes."""
        for norm in norms:
            for buffer in (norm.running_mean, norm.running_var):
                if buffer is not None:
                    self.mean(buffer)

    def from_first(self, value: Value) -> Value:
        """The value of the first process, in each of them."""
        if self.size == 1:
            return value
        found = [value]
        torch.distributed.broadcast_object_list(found)
        return found[0]


ALONE = Group()


@contextmanager
def joined(rank: int, size: int, meeting: Path, device: str) -> Iterator[Group]:
    """A context with the group of processes on this machine; entering it waits until all of them are there.

    They find each other through the file ``meeting`` and open no port to other machines. NCCL connects GPUs, gloo CPUs.
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
