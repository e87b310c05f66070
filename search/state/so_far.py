"""What a run has done of its budget: whole trainings, the parts that paused or were stopped, and its shared network."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from search.state.ledger import Ledger
from search.state.records import OPEN, SHARE, Training
from search.state.shared_facts import SharedNetworkFact


@dataclass(frozen=True)
class SoFar:
    """What is done at one moment, in whole trainings.

    ``shares`` says by uid how much of a whole training one is that was stopped, has paused or continues from a pause.
    ``worth`` is their sum for each of the states ``stopped`` and ``paused``.
    """

    finished: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    worth: Mapping[str, float] = field(default_factory=dict)
    shared: SharedNetworkFact | None = None

    @classmethod
    def of(cls, ledger: Ledger, epochs: int | None = None) -> "SoFar":
        """What the ledger holds. A whole training has ``epochs``; None leaves out what is on its way again."""
        shares = {}
        worth: defaultdict[str, float] = defaultdict(float)
        for training in ledger.trainings:
            share = _share(training, epochs)
            if share:
                shares[training.uid] = share
            if share and training.state not in OPEN:
                worth[training.state] += share
        return cls(sum(ledger.counts.finished.values()), shares, dict(worth), ledger.facts.shared_network)

    @property
    def done(self) -> float:
        """Trainings of placements: those that have finished, and the parts of others."""
        return self.finished + sum(self.shares.values())

    @property
    def used(self) -> float:
        """The same with what a shared network has cost."""
        has_paid = self.shared is not None and self.shared.state == "finished"
        return self.done + (self.shared_trainings if has_paid else 0.0)

    @property
    def shared_trainings(self) -> float:
        """What a shared network takes of the budget; 0 without one, or if it failed."""
        return 0.0 if self.shared is None or self.shared.state == "failed" else self.shared.trainings


def amount(trainings: float) -> str:
    """A number of trainings, with one digit unless it is whole: 9, 17.8."""
    return f"{trainings:,.1f}".removesuffix(".0")


def worth(trainings: float) -> str:
    """What parts of trainings are worth: (worth 8.8 trainings), (worth 1 training)."""
    number = amount(trainings)
    return f"(worth {number} {'training' if number == '1' else 'trainings'})"


def _share(training: Training, epochs: int | None) -> float:
    """How much of a whole training is done of one that is not finished, as far as it will not be trained again."""
    if training.state in ("stopped", "paused"):
        return training.metrics[SHARE]
    return len(training.curve) / epochs if epochs and training.state in OPEN else 0.0
