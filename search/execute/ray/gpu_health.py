"""Which GPUs of a search still work. One that fails twice, with no success in between, is barred."""

import math
import re
import time
from collections.abc import Callable

# Failures in a row after which a GPU gets no further training.
FAILURES = 2
# Failures of a GPU within so many seconds are one. A process that starts again takes longer to reach it.
TOGETHER = 2.0
# How a worker says in an exception that its GPU failed: where it is, and what it said.
_TOLD = re.compile(r"GpuFailed: GPU (\S+): (.*)")


def telling(gpu: str, error: Exception) -> str:
    """The text of an exception that :func:`told` understands."""
    return f"GPU {gpu}: {error}"


def told(message: str) -> tuple[str, str] | None:
    """The GPU that failed, and what it said, from Ray's message about a worker; None if none failed."""
    found = _TOLD.search(message)
    return (found[1], found[2]) if found else None


class GpuHealth:
    """The failures of each GPU of a session, by a name that is unique in the cluster."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed_in: dict[str, list[str]] = {}
        self._failed_at: dict[str, float] = {}
        self._told: set[str] = set()

    def failed(self, gpu: str, uid: str) -> None:
        """Notes that a GPU failed in a training. With MPS one fault ends all programs of a GPU: it counts once."""
        now = self._clock()
        if now - self._failed_at.get(gpu, -math.inf) > TOGETHER:
            self._failed_in.setdefault(gpu, []).append(uid)
        self._failed_at[gpu] = now

    def worked(self, gpu: str) -> None:
        """Notes that a training on a GPU has ended well. A barred GPU stays barred."""
        if gpu not in self.barred:
            self._failed_in[gpu] = []

    def news(self) -> list[str]:
        """The GPUs that were barred since this was asked before."""
        found = [gpu for gpu in self.barred if gpu not in self._told]
        self._told.update(found)
        return found

    @property
    def barred(self) -> list[str]:
        """The GPUs that get no further training."""
        return sorted(gpu for gpu in self._failed_in if self._failures(gpu) >= FAILURES)

    def _failures(self, gpu: str) -> int:
        """Failures that are the fault of a GPU: not those of a training that failed on another one, too.

        Where no second GPU was seen, a training counts once: it may be what breaks the only one.
        """
        uids = [uid for uid in self._failed_in[gpu] if len(self._where(uid)) == 1]
        return len(uids) if len(self._failed_in) > 1 else len(set(uids))

    def _where(self, uid: str) -> list[str]:
        return [gpu for gpu, uids in self._failed_in.items() if uid in uids]
