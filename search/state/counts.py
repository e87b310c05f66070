"""Counts of trainings that are asked for at every step, kept as trainings change: a step costs the same after ten thousand."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.state.records import Role, Training


class Census:
    """What a ledger's trainings are, by state, role, architecture and origin. Only the ledger writes it."""

    def __init__(self) -> None:
        # By number of the training.
        self.waiting: dict[int, Training] = {}
        self.running: dict[int, Training] = {}
        # By number of the architecture: the numbers of its trainings, in order.
        self.of: dict[int, dict[int, None]] = {}
        # Architectures by how many of their trainings failed or were stopped.
        self.given_up: Counter[int] = Counter()
        # Trainings that did not fail, by role, and by what planned them.
        self.counted: Counter[Role] = Counter()
        self.planned: Counter[str] = Counter()
        self.stopped: defaultdict[Role, dict[int, Training]] = defaultdict(dict)
        self.last_block: Counter[Role] = Counter()

    @property
    def is_open(self) -> bool:
        """Something waits or runs."""
        return bool(self.waiting or self.running)

    def enter(self, training: Training) -> None:
        """A training as it is now."""
        states = {"waiting": self.waiting, "running": self.running, "stopped": self.stopped[training.role]}
        if training.state in states:
            states[training.state][training.number] = training
        self.of.setdefault(training.architecture, {})[training.number] = None
        if training.state in ("failed", "stopped"):
            self.given_up[training.architecture] += 1
        if training.state != "failed":
            self.counted[training.role] += 1
            self.planned[training.origin] += 1
        self.last_block[training.role] = max(self.last_block[training.role], training.seed.block)

    def forgive(self, architecture: int) -> None:
        """A failed training of it bars it no longer: what made it fail may have been mended since."""
        self.given_up[architecture] -= 1

    def leave(self, training: Training) -> None:
        """A training as it was, before it is entered as it is."""
        for state in (self.waiting, self.running, self.stopped[training.role]):
            state.pop(training.number, None)
        if training.state in ("failed", "stopped"):
            self.given_up[training.architecture] -= 1
        if training.state != "failed":
            self.counted[training.role] -= 1
            self.planned[training.origin] -= 1
