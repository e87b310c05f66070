"""Which seed the next training of an architecture gets, and the ledger entries of new trainings."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set

from search.planning.priced_space import PricedSpace, Seeds
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

    def of(
        self,
        architectures: Sequence[Architecture],
        block: int,
        taken: Collection[Row] = (),
        *,
        fold: int | None = None,
    ) -> list[Row]:
        """One row for each architecture in a seed block; an architecture without a free seed gets none.

        ``taken`` are rows that are planned but not in the ledger yet. ``fold`` is that of the first row, by default
        the one whose turn it is; the others follow.
        """
        used = {(entry.number, seed) for entry, seed in taken}
        fold = self.next_fold(block, taken) if fold is None else fold
        rows: list[Row] = []
        for architecture in architectures:
            entry = self._enter(architecture)
            own = {s for number, s in used if number == entry.number}
            seed = self.free_seed(architecture, block, own, (fold + len(rows)) % self._space.folds)
            if seed is not None:
                used.add((entry.number, seed))
                rows.append((entry, seed))
        return rows

    def next_level(self, block: int) -> int:
        """The level of the next training of a block (see :meth:`~senet_nas.recipe.Seed.level`)."""
        folds = self._space.folds
        return block * folds + self.next_fold(block) % folds

    def next_fold(self, block: int, taken: Collection[Row] = ()) -> int:
        """The fold on which the next training of a block validates: they take turns, in the order of planning."""
        if self._space.folds == 1:
            return 0
        planned = sum(training.seed.block == block for training in self._ledger.trainings)
        planned += sum(seed.block == block for _, seed in taken)
        return (block + planned) % self._space.folds

    def free_seed(
        self, architecture: Architecture, block: int, taken: Set[Seed] = frozenset(), fold: int = 0
    ) -> Seed | None:
        """The next replicate of an architecture in a block that validates on a fold.

        If a table limits the seeds: a seed of that block if it holds one, else of another block; None if none is left.
        """
        used = taken | {training.seed for training in self.trainings_of(architecture)}
        if self._space.seeds is None:
            folds = self._space.folds
            first = (fold - block) % folds  # the smallest replicate that validates on the fold
            every = (Seed(block, first + folds * turn) for turn in range(len(used) + 1))
            return next(seed for seed in every if seed not in used)
        offered = [seed for seed in self._space.seeds(architecture) if seed not in used]
        return min(offered, key=lambda seed: (seed.block != block, seed), default=None)

    def pair(self, candidate: Architecture, plain: Architecture, block: int, taken: Collection[Row] = ()) -> list[Row]:
        """A row for each of the two in the same seed block and fold, so that what these share cancels.

        If a table limits the seeds: in the block that has seen the fewest trainings, of those that hold a free seed of
        both; no row if there is none. ``taken`` as for :meth:`of`.
        """
        seeds = self._space.seeds
        if seeds is None:
            rows = [self.of([architecture], block, taken, fold=block) for architecture in (candidate, plain)]
            return [*rows[0], *rows[1]]
        entries = (self._enter(candidate), self._enter(plain))
        of_candidate, of_plain = (self._free(seeds, entry, taken) for entry in entries)
        uses = Counter(training.seed.block for training in self._ledger.trainings)
        uses.update(seed.block for _, seed in taken)
        shared = sorted(of_candidate.keys() & of_plain.keys(), key=lambda number: (uses[number], number))
        if not shared:
            return []
        return [(entries[0], of_candidate[shared[0]][0]), (entries[1], of_plain[shared[0]][0])]

    def pairs_left(self, candidate: Architecture, plain: Architecture, most: int) -> int:
        """How many pairs :meth:`pair` can still make, counted up to ``most``."""
        seeds = self._space.seeds
        if seeds is None:
            return most
        of_candidate, of_plain = (self._free(seeds, self._enter(architecture)) for architecture in (candidate, plain))
        shared = of_candidate.keys() & of_plain.keys()
        return min(most, sum(min(len(of_candidate[block]), len(of_plain[block])) for block in shared))

    def paused(self, architecture: Architecture, block: int, epochs: int | None) -> Training | None:
        """The paused training of an architecture that a training of so many ``epochs`` continues; None for all of them.

        One of the block is preferred, then the one that is furthest; None if none is before that epoch.
        """
        found = [training for training in self.trainings_of(architecture) if training.state == "paused"]
        before = [training for training in found if epochs is None or training.epoch < epochs]
        return max(before, key=lambda training: (training.seed.block == block, training.epoch), default=None)

    def trainings_of(self, architecture: Architecture) -> list[Training]:
        """All trainings of an architecture, in the order of their numbers."""
        entry = self._ledger.find(architecture.key)
        if entry is None:
            return []
        return [self._ledger.trainings[number] for number in self._ledger.counts.by_architecture.get(entry.number, ())]

    def _free(self, seeds: Seeds, entry: Entry, taken: Collection[Row] = ()) -> Mapping[int, list[Seed]]:
        """The ``seeds`` of a table that an architecture has not used yet, by block, in order."""
        used = {training.seed for training in self.trainings_of(entry.architecture)}
        used |= {seed for other, seed in taken if other.number == entry.number}
        found: dict[int, list[Seed]] = {}
        for seed in sorted(seeds(entry.architecture)):
            if seed not in used:
                found.setdefault(seed.block, []).append(seed)
        return found

    def _enter(self, architecture: Architecture) -> Entry:
        name = label(architecture, self._space.space.sites)
        return self._ledger.enter(architecture, name, self._space.price(architecture))
