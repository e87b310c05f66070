"""What a ledger notes about the shared network of a run: its plan, what became of it, and what it showed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SharedState = Literal["waiting", "running", "finished", "failed"]
# The uid of its training: the name of its folder among those of the trainings.
SHARED_UID = "shared"


@dataclass(frozen=True)
class SharedNetworkFact:
    """The shared network of a run.

    It trains for ``epochs``, then evaluates ``placements`` of the space, each on as many training and validation
    ``images``; ``trainings`` is what all of it costs of the budget.
    ``epoch`` counts the epochs and then the evaluated placements. Moments are seconds since the epoch. ``curve`` has
    the metrics of each epoch once it has finished.
    """

    epochs: int
    placements: int
    trainings: float
    images: int = 2000
    state: SharedState = "waiting"
    epoch: int = 0
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    reason: str = ""
    detail: str = ""
    curve: tuple[Mapping[str, float], ...] = ()

    @property
    def progress(self) -> str:
        """How far it is, for people."""
        if self.epoch <= self.epochs:
            return f"shared network, epoch {self.epoch} of {self.epochs}"
        return f"shared network, {self.epoch - self.epochs} of {self.placements} placements evaluated"


@dataclass(frozen=True)
class SharedFigures:
    """What placements show with shared weights: by key, a value for each of ``columns``, None where it was not finite.

    Placements that were not evaluated are missing.
    """

    columns: tuple[str, ...]
    values: Mapping[str, tuple[float | None, ...]]
