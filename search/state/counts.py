"""Counts of a run's trainings, updated with each change: to ask costs the same after ten thousand trainings."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from search.state.records import OPEN

if TYPE_CHECKING:
    from search.state.records import Role, Training


class TrainingCounts:
    """Trainings by state, role, architecture and origin. Only the ledger changes them.

    ``waiting``, ``running``, ``paused`` and ``partial`` hold the trainings themselves, by number; the rest are counts
    and numbers.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, Training] = {}
        self.running: dict[int, Training] = {}
        self.paused: dict[int, Training] = {}
        # By role: trainings that count as the share of one that was done or that is planned.
        self.partial: defaultdict[Role, dict[int, Training]] = defaultdict(dict)
        # By number of the architecture: the numbers of its trainings in order (a dict serves as an ordered set).
        self.by_architecture: dict[int, dict[int, None]] = {}
        # By number of the architecture: how many of its trainings failed or were stopped.
        self.given_up: Counter[int] = Counter()
        # Trainings that did not fail, by role and by origin (which step planned them).
        self.counted: Counter[Role] = Counter()
        self.planned: Counter[str] = Counter()
        # Trainings that finished, by role.
        self.finished: Counter[Role] = Counter()
        # By role: the largest number of a seed block.
        self.last_block: Counter[Role] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether a training waits or runs."""
        return bool(self.waiting or self.running)

    def add(self, training: Training) -> None:
        """Counts a training in its present state."""
        states = {"waiting": self.waiting, "running": self.running, "paused": self.paused}
        if training.state in states:
            states[training.state][training.number] = training
        if _is_partial(training):
            self.partial[training.role][training.number] = training
        self.by_architecture.setdefault(training.architecture, {})[training.number] = None
        if training.state in ("failed", "stopped"):
            self.given_up[training.architecture] += 1
        if training.state != "failed":
            self.counted[training.role] += 1
            self.planned[training.origin] += 1
        if training.state == "finished":
            self.finished[training.role] += 1
        self.last_block[training.role] = max(self.last_block[training.role], training.seed.block)

    def remove(self, training: Training) -> None:
        """Takes back what :meth:`add` counted, before the training is added in its next state."""
        for trainings in (self.waiting, self.running, self.paused, self.partial[training.role]):
            trainings.pop(training.number, None)
        if training.state in ("failed", "stopped"):
            self.given_up[training.architecture] -= 1
        if training.state != "failed":
            self.counted[training.role] -= 1
            self.planned[training.origin] -= 1
        if training.state == "finished":
            self.finished[training.role] -= 1

    def forgive(self, architecture: int) -> None:
        """Lets the architecture of a failed training be proposed again: the user may have mended the cause."""
        self.given_up[architecture] -= 1


def _is_partial(training: Training) -> bool:
    """Whether a training was stopped or has paused, or is on its way to a pause."""
    return training.state in ("stopped", "paused") or (training.state in OPEN and training.until is not None)
