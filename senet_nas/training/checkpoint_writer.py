"""Writes checkpoints: from a GPU by a thread while the training goes on, on a CPU at once.

On a GPU the training waits for nothing: the copies into pinned memory stand in its queue before the next step. Files
and their order are those of :mod:`senet_nas.training.checkpoint`, so a kill at any moment leaves one whole checkpoint.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from senet_nas.training import checkpoint


class CheckpointWriter:
    """Writes one checkpoint at a time into a folder. ``wait`` before the folder or the process ends."""

    def __init__(self, folder: Path, owner: Mapping[str, str]) -> None:
        self._folder = folder
        self._owner = owner
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def keep(self, state: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> None:
        """Writes the state: by the thread if it lies on a GPU, which goes on meanwhile; now if it lies on the CPU.

        On a CPU a thread that writes takes from the training what it saves (measured). A full disk is a warning.
        """
        if _is_on_gpu(state):
            self.begin(state, curve)
        else:
            self.wait()
            self._write(state, curve)

    def begin(self, state: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> None:
        """Copies the state and lets the thread write it, after the one before. A full disk is a warning in the log."""
        copied, ready = copy_of(state)
        metrics = [dict(epoch) for epoch in curve]  # the caller goes on adding to it
        self.wait()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing = self._thread.submit(self._write_when, ready, copied, metrics)

    def write(self, state: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> None:
        """Writes the state now. Raises OSError."""
        self.wait()
        checkpoint.save(self._folder, state, curve, owner=self._owner)

    def wait(self) -> None:
        """Waits until the last checkpoint is on the disk. Raises whatever its thread raised."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Waits and ends the thread."""
        try:
            self.wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._thread = None

    def _write_when(
        self, ready: Callable[[], None], state: Mapping[str, Any], curve: Sequence[Mapping[str, float]]
    ) -> None:
        ready()
        self._write(state, curve)

    def _write(self, state: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> None:
        try:
            checkpoint.save(self._folder, state, curve, owner=self._owner)
        except OSError as error:
            # The training is worth more than its checkpoint; a full disk stops it at its result.
            logging.getLogger(__name__).warning("no checkpoint in %s: %s", self._folder, error)


def _is_on_gpu(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_is_on_gpu(part) for part in value.values())
    return isinstance(value, Tensor) and value.is_cuda


def copy_of(state: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[], None]]:
    """A copy of a state on the CPU that later steps do not change, and what waits until it is complete."""
    devices: set[torch.device] = set()

    def copied(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: copied(part) for name, part in value.items()}
        if not isinstance(value, Tensor):
            return value
        if not value.is_cuda:
            return value.detach().clone(memory_format=torch.contiguous_format)
        devices.add(value.device)
        return in_pinned_memory(value)

    found = {name: copied(value) for name, value in state.items()}
    events = [_marked(device) for device in devices]

    def ready() -> None:
        for event in events:
            event.synchronize()

    return found, ready


def in_pinned_memory(value: Tensor) -> Tensor:
    """A copy in pinned memory, which is complete once the GPU has come that far: nobody waits for it here."""
    out = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    return out.copy_(value.detach(), non_blocking=True)


def _marked(device: torch.device) -> Any:
    """An event after what the current stream of a GPU has been given."""
    return torch.cuda.current_stream(device).record_event()
