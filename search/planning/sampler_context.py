"""What a sampler may know besides the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spaces.architecture import Architecture
from spaces.space import Space

if TYPE_CHECKING:
    from search.model.posterior import Posterior
    from search.planning.candidates import Catalogue

Avoid = Callable[[Architecture], bool]
# The user attribute of a trial that says which initial weights the training had; 0 where there is none.
BLOCK = "block"


@dataclass
class Memory:
    """What a sampler need not find out again at the next ask: architecture and block of a trial, by its number, the
    posterior of the trials of these numbers, and whatever a sampler from elsewhere keeps, by name."""

    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    fitted: tuple[tuple[int, ...], Posterior] | None = None
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SamplerContext:
    """What a sampler may know besides the study: the space, overheads in percent (``columns`` of ``price``), the block of
    the next training, what must not be proposed, the listed members, where the space is small enough, and a memory that is
    the same at every ask."""

    space: Space
    price: Callable[[Architecture], Mapping[str, float]]
    columns: Sequence[str]
    block: int
    avoid: Avoid
    listed: Catalogue | None
    memory: Memory = field(default_factory=Memory)
