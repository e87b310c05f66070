"""Stopwatches for a burst of calls: one of the host, and one of the GPU, which waits once for the whole burst."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import torch


class Stopwatch(Protocol):
    """Marks moments; the first mark is the beginning of the first lap."""

    def mark(self) -> None:
        """Notes this moment."""

    def laps(self) -> Sequence[float]:
        """The seconds between the marks; the next mark begins anew."""


class HostWatch:
    """The clock of the host. The calls must wait for their result."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._marks: list[float] = []

    def mark(self) -> None:
        self._marks.append(self._clock())

    def laps(self) -> Sequence[float]:
        marks, self._marks = self._marks, []
        return [after - before for before, after in pairwise(marks)]


class EventWatch:
    """The clock of the GPU: events between the calls, in the queue of its stream. No call needs to wait.

    Of large batches it shows the time of the GPU alone. That of the host to launch them, and to wait, is left out.
    """

    def __init__(self) -> None:
        self._events: list[Any] = []

    def mark(self) -> None:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch does not annotate it
        event.record()
        self._events.append(event)

    def laps(self) -> Sequence[float]:
        events, self._events = self._events, []
        events[-1].synchronize()
        return [before.elapsed_time(after) / 1000 for before, after in pairwise(events)]
