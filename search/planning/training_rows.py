"""Which seed the next training of an architecture gets, and the ledger entries of new trainings."""

from collections.abc import Collection, Sequence, Set

from search.planning.priced_space import PricedSpace
from search.state.ledger import Ledger
from search.state.records import Entry, Training
from senet_nas.recipe import Seed
from spaces.architecture import Architecture
from spaces.placements import label

Row = tuple[Entry, Seed]


class TrainingRows:
    """Pairs of a ledger entry and a seed, which the ledger makes trainings of."""

    def __init__(self, ledger: Ledger, space: PricedSpace) -> None:
        self._ledger = ledger
        self._space = space

    def of(self, architectures: Sequence[Architecture], block: int, taken: Collection[Row] = ()) -> list[Row]:
        """One row for each architecture in a seed block; an architecture without a free seed gets none.

        ``taken`` are rows that are planned but not in the ledger yet.
        """
        used = {(entry.number, seed) for entry, seed in taken}
        rows: list[Row] = []
        for architecture in architectures:
            entry = self._enter(architecture)
            seed = self.free_seed(architecture, block, {s for number, s in used if number == entry.number})
            if seed is not None:
                used.add((entry.number, seed))
                rows.append((entry, seed))
        return rows

    def free_seed(self, architecture: Architecture, block: int, taken: Set[Seed] = frozenset()) -> Seed | None:
        """The next replicate of an architecture in a block.

        If a table limits the seeds: a seed of that block if it holds one, else of another block; None if none is left.
        """
        used = taken | {training.seed for training in self.trainings_of(architecture)}
        if self._space.seeds is None:
            return next(s for s in (Seed(block, r) for r in range(len(used) + 1)) if s not in used)
        offered = [seed for seed in self._space.seeds(architecture) if seed not in used]
        return min(offered, key=lambda seed: (seed.block != block, seed), default=None)

    def left(self, architecture: Architecture, most: int) -> int:
        """How many more trainings of an architecture there can be, counted up to ``most``."""
        if self._space.seeds is None:
            return most
        used = {training.seed for training in self.trainings_of(architecture)}
        return min(most, sum(seed not in used for seed in self._space.seeds(architecture)))

    def trainings_of(self, architecture: Architecture) -> list[Training]:
        """All trainings of an architecture, in the order of their numbers."""
        entry = self._ledger.find(architecture.key)
        if entry is None:
            return []
        return [self._ledger.trainings[number] for number in self._ledger.counts.by_architecture.get(entry.number, ())]

    def _enter(self, architecture: Architecture) -> Entry:
        name = label(architecture, self._space.space.sites)
        return self._ledger.enter(architecture, name, self._space.price(architecture))
