"""Batches from the memory of the host on their way to a GPU: gathered into pinned memory and copied one batch ahead."""

from collections.abc import Iterator

import torch
from torch import Tensor

from senet_nas.data.memory_map import ahead

# A batch: which part of an epoch it is, its samples and its labels.
Batch = tuple[slice, Tensor, Tensor]


def gather(x: Tensor, rows_N: Tensor, *, pinned: bool) -> Tensor:
    """These rows of x; in pinned memory, from which a GPU copies without waiting for the host.

    Torch keeps pinned memory and uses it again once the copies from it are done, so a few buffers serve an epoch.
    """
    if not pinned:
        return x.index_select(0, rows_N)
    out = torch.empty(len(rows_N), *x.shape[1:], dtype=x.dtype, pin_memory=True)
    return torch.index_select(x, 0, rows_N, out=out)


def prefetched(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a GPU. While one is used, a stream of its own copies the next, and a thread gathers the one after.

    The stream that trains waits for a copy on the GPU; the host waits for nothing but the thread.
    """
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch does not annotate it
    waiting: tuple[Batch, torch.cuda.Event] | None = None
    for part, x, y in ahead(batches):
        with torch.cuda.stream(copying):
            copied = (part, x.to(device, non_blocking=True), y.to(device, non_blocking=True))
            waiting, before = (copied, copying.record_event()), waiting
        if before is not None:
            yield _taken(*before, device)
    if waiting is not None:
        yield _taken(*waiting, device)


def _taken(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """A batch for the stream that trains, which waits until it is copied."""
    training = torch.cuda.current_stream(device)
    training.wait_event(copied)
    for tensor in batch[1:]:
        tensor.record_stream(training)  # so that its memory is not used again before the training has read it
    return batch
