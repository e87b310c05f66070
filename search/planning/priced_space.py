"""What may be trained: the space, the costs of each member, and the seeds that a table of results holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from senet_nas.recipe import Seed
from spaces.architecture import Architecture
from spaces.space import Space

Price = Callable[[Architecture], Mapping[str, float]]
Seeds = Callable[[Architecture], Sequence[Seed]]
# Times the architecture of a number for the latencies of these names, and notes the figures in the ledger.
Measure = Callable[[int, Sequence[str]], None]


@dataclass(frozen=True)
class PricedSpace:
    """A space with the costs of its members.

    ``price`` gives the costs and overheads of an architecture by column name. ``seeds`` gives the seeds that a table of
    results holds for an architecture; without it, any seed can be trained. ``folds``: trainings of a block take turns
    in validating on so many folds. ``measure`` times a member while nothing trains; without it, predictions count.
    """

    space: Space
    price: Price
    seeds: Seeds | None = None
    folds: int = 1
    measure: Measure | None = None
