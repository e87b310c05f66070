"""What a sampler knows besides the Optuna study: space, overheads, block, and a memory between proposals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from search.planning.priced_space import Price
from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    from search.model.hyperparameters import HyperparameterGrid
    from search.model.posterior import Posterior
    from search.planning.candidates import Candidates
    from search.state.records import Pause
    from search.state.shared_facts import SharedFigures

Avoid = Callable[[Architecture], bool]
# The user attribute of a trial with the number of its seed block; a trial without it belongs to block 0.
BLOCK = "block"
# The pause that the next training may make; None if it must be whole. The argument is the probability that early losses
# tell nothing of the accuracy; None if the model does not know it.
MayPause = Callable[[float | None], "Pause | None"]


def never(p_nothing: float | None) -> None:
    """The pause of a search that never pauses."""


@dataclass
class Memory:
    """Results that a sampler keeps from one proposal to the next, only to save time.

    ``places``: index of the architecture and block of a trial, by the trial's number. ``fitted``: trial numbers and the
    posterior that was fitted to them. ``kept``: results of samplers from elsewhere, by name.
    """

    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    fitted: tuple[tuple[int, ...], Posterior] | None = None
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SamplerContext:
    """What a sampler knows besides the study.

    ``columns`` names the overheads (percent over plain) that ``price`` gives and that the report is judged by.
    ``block`` is the block of the next training. ``avoid`` says whether an architecture must not be proposed. ``listed``
    holds all members of a space that is small enough. ``memory`` is the same object at every proposal of a search.
    ``losses`` holds the loss of each epoch by the number of a trial, of trials whose curve the model takes; of a paused
    one as far as it came.
    ``grid`` is the hyperparameter grid of a benchmark problem whose hyperparameters are known, else None.
    ``in_percent``: whether the score that decides is a percentage.
    ``wants_proof`` says that a confirmation is ahead, which needs the largest gain. ``figures`` is what placements
    showed in a shared network, if there was one. ``may_pause`` gives the pause that the training may make, and
    ``paused`` the numbers of the running trials whose trainings have paused. A sampler that chooses a pause has it as
    its attribute ``pause``; of all others the trainings are whole.
    """

    space: Space
    price: Price
    columns: Sequence[str]
    block: int
    avoid: Avoid
    listed: Candidates | None
    memory: Memory = field(default_factory=Memory)
    losses: Mapping[int, Sequence[float]] = field(default_factory=dict)
    grid: HyperparameterGrid | None = None
    in_percent: bool = True
    wants_proof: bool = False
    figures: SharedFigures | None = None
    may_pause: MayPause = never
    paused: Set[int] = frozenset()
