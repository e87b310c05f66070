"""The records of a run: trainings, architectures, and what passes between the loop and a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from senet_nas.recipe import Seed
from spaces.architecture import Architecture

Role = Literal["baseline", "search", "confirm"]
State = Literal["waiting", "running", "paused", "finished", "failed", "stopped"]
# A training that waits or runs; a paused one does neither until the search continues it.
OPEN: tuple[State, ...] = ("waiting", "running")
# A training of which nothing more comes.
ENDED: tuple[State, ...] = ("finished", "failed", "stopped")
# The metric that says how much of a whole training a stopped or paused one was, or one that will pause; from 0 to 1.
SHARE = "share"


def architecture_name(number: int) -> str:
    """How people name an architecture of a run: ``a0``, ``a1``, ..."""
    return f"a{number}"


@dataclass(frozen=True)
class Training:
    """One row: one architecture trained once with one seed. Times are seconds since the epoch, UTC.

    ``weights`` is the SHA-256 of the file of weights that was kept, or empty. ``until`` is the epoch after which the
    training pauses, or has paused; None is the last one. The ``curve`` of a paused training stays when it continues.
    """

    number: int
    uid: str
    architecture: int
    seed: Seed
    role: Role
    origin: str
    state: State
    attempts: int
    epoch: int
    created: float
    started: float | None = None
    ended: float | None = None
    reason: str = ""
    detail: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float]] = ()
    correct: bytes | None = field(default=None, repr=False)
    weights: str = ""
    proposal: Any = field(default=None, repr=False)
    until: int | None = None

    @property
    def name(self) -> str:
        return f"t{self.number}"

    def expects(self, outcome: "Outcome") -> bool:
        """Whether an outcome that a worker left is new: not that of the pause from which this training continues."""
        return outcome.paused in (0, self.until)


@dataclass(frozen=True)
class Entry:
    """An architecture of the run: its number, the network, its label for people, and what it costs."""

    number: int
    architecture: Architecture
    label: str
    price: Mapping[str, float]

    @property
    def key(self) -> str:
        """The architecture as text."""
        return self.architecture.key

    @property
    def name(self) -> str:
        """How people name it: ``a0``, ``a1``, ..."""
        return architecture_name(self.number)


@dataclass(frozen=True)
class Pause:
    """A training pauses after ``epoch``, which is the ``share`` of a whole one; from 0 to 1."""

    epoch: int
    share: float


# Before an epoch was measured, and while a worker loads its libraries and its data, it may be silent for this long.
FIRST_PATIENCE = 6 * 3600.0


@dataclass(frozen=True)
class Assignment:
    """What crosses to a worker: one architecture and one seed; ``params`` is what the built network must count.

    ``patience`` is how many seconds the worker may go without an epoch before it counts as hung; None is for ever.
    ``until`` is the epoch after which the training pauses and keeps its checkpoint; None trains to the end.
    ``alone``: on a GPU that several slots share, it trains with nothing beside it.
    """

    uid: str
    number: int
    architecture: str
    seed: Seed
    params: float | None
    keep_weights: bool
    patience: float | None = None
    until: int | None = None
    alone: bool = False


@dataclass(frozen=True)
class Progress:
    """A training has ended an epoch that is not its last, with these metrics."""

    epoch: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a worker made of an assignment. ``failure`` is empty, or the reason in a word; ``weights`` is the SHA-256 of
    the weights that it kept, or empty. ``paused`` is the epoch after which the training paused, or 0 if it has ended.
    ``gpu`` names the kind of GPU on which it trained, or is empty.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float]] = ()
    correct: bytes | None = None
    failure: str = ""
    detail: str = ""
    weights: str = ""
    paused: int = 0
    gpu: str = ""
