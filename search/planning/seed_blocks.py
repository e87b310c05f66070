"""Seed blocks: which block the search is in, and the baselines with which each block begins.

Trainings of a block share the initial weights of the backbone and are compared within the block, so each block has its
own baselines. Plain is in every comparison and is trained most often: sqrt(n) times in n trainings (Dunnett 1955).
"""

import math

from search.planning.budget_split import SEARCH_ROLES, BudgetSplit
from search.planning.priced_space import PricedSpace
from search.planning.training_rows import TrainingRows
from search.state.ledger import Ledger
from search.state.records import Training
from spaces.architecture import Architecture
from spaces.placements import as_published, baselines

# The number of trainings after which the search opens another block, and the smallest block that is opened
# (docs/architecture.md, "Blocks").
BLOCK_SIZE = 32
SMALLEST_BLOCK = 8
# A large budget has larger blocks instead of more: more blocks reduce the noise no further, and each is a column of the
# model.
MOST_BLOCKS = 32


class SeedBlocks:
    """The blocks of the search phase, and their baselines."""

    def __init__(self, ledger: Ledger, space: PricedSpace, split: BudgetSplit, rows: TrainingRows) -> None:
        self._ledger = ledger
        self._space = space
        self._split = split
        self._rows = rows

    @property
    def current(self) -> int:
        """The block that the search is in. A rest that is too small for a block of its own belongs to the last one."""
        target = self._split.search_target
        searched = self._split.searched
        is_small_rest = target - searched < SMALLEST_BLOCK
        if is_small_rest and 0 <= self._last_searched < self._blocks_before:
            return self._last_searched  # a confirmation left it
        last = max(0, (target - SMALLEST_BLOCK) // self._size)
        return min(searched // self._size, last) + self._blocks_before

    def plan_baselines(self) -> Training | None:
        """The first baseline of a block that has none yet, new in the ledger with all others; None if none is needed.

        The baselines are plain and SE everywhere, in the first block also SE as published and single stages. If every
        training of plain in the block failed, plain is planned again: without it, nothing in the block could be
        compared.
        """
        block = self.current
        is_open = self._ledger.counts.planned[_origin(block)] > 0
        plain, *others = baselines(self._space.space)
        if is_open and self._is_trained(plain, block):
            return None
        size = min(self._size, self._split.search_target - self._split.searched)
        n_plain = self._n_plain(plain, size)
        chosen = [] if is_open else self._chosen(others, block, size, n_plain)
        rows = self._rows.of(([plain] * n_plain + chosen)[:size], block)
        return self._ledger.plan(rows, role="baseline", origin=_origin(block))[0] if rows else None

    @property
    def _size(self) -> int:
        return max(BLOCK_SIZE, math.ceil(self._split.search_target / MOST_BLOCKS))

    @property
    def _last_searched(self) -> int:
        """The last block in which the search has trained; -1 before the first."""
        last_block = self._ledger.counts.last_block
        return max((last_block[role] for role in SEARCH_ROLES if role in last_block), default=-1)

    @property
    def _blocks_before(self) -> int:
        """The first block after a confirmation: a run that was extended continues in a fresh one."""
        last_block = self._ledger.counts.last_block
        return 1 + last_block["confirm"] if "confirm" in last_block else 0

    def _is_trained(self, architecture: Architecture, block: int) -> bool:
        """Whether a training in a block has not failed (it may still wait or run)."""
        return any(t.seed.block == block and t.state != "failed" for t in self._rows.trainings_of(architecture))

    def _chosen(self, others: list[Architecture], block: int, size: int, n_plain: int) -> list[Architecture]:
        """The baselines of a block besides plain: at most half of the first block, SE everywhere in the others.

        In the first, SE as published is never left out.
        """
        space = self._space.space
        fewest = 1 if as_published(space.backbone, space.sites) is None else 2
        return others[: max(fewest, size // 2 - n_plain)] if block == 0 else others[:1]

    def _n_plain(self, plain: Architecture, size: int) -> int:
        """How often plain is trained in a block. A table must keep seeds of plain for the confirmation."""
        wanted = max(2, round(math.sqrt(size)))
        if self._space.seeds is None:
            return wanted
        n_blocks = max(1, self._split.search_target // self._size)
        available = len(self._space.seeds(plain)) - self._split.pairs
        return max(1, min(wanted, available // n_blocks))


def _origin(block: int) -> str:
    """What the ledger notes as the origin of a block's baselines."""
    return f"baseline {block}"
