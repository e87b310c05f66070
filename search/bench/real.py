"""Tables of real trainings as benchmark problems: a search draws from some blocks, and the others are the truth.

A table holds one training of an architecture in each block. A real search trains as often as it likes within a block,
so the level of each block is removed here, and the trainings of an architecture in different blocks stand for
repetitions within one. They are as noisy as the table, and there are no more of them than it holds.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.bench.shared_columns import shared_facts
from search.bench.table_checks import LOSS, check_trainings
from search.execute.result_table import Epochs, Table
from search.execute.table_description import check_about, space_of
from search.state.facts import Facts
from senet_nas.recipe import Seed, stable_hash
from spaces import Architecture, Space
from spaces.errors import UserError

# What a training shows: its last accuracy, then the logarithm of the loss of each epoch, if the table has them.
Shown = NDArray[np.float64]
Trainings = dict[str, dict[Seed, Shown]]


class Real:
    """Half of the blocks can be drawn, the other half scores; the division is another for each ``number``.

    ``permuted`` shuffles the trainings of each block, plain's among them. Only noise remains: a null with real
    marginals. Raises UserError for a table that does not say what its sites are, that has fewer than two blocks, or
    whose trainings are not whole.
    """

    known = None

    def __init__(self, table: Table, number: int, *, permuted: bool = False) -> None:
        table.prepare()  # a file that is not a table is told first, not that it lacks a description
        check_about(table.path, table.about, ("backbone", "sites", "space"))
        table.check()
        self._table = table
        self._number = number
        self._permuted = permuted
        self.space = _space(table)
        table.check_space(self.space.backbone, len(self.space.sites))
        if len(self._blocks) < 2:
            raise UserError(f"{table.path} holds one block: nothing is left to score a search with")
        check_trainings(table, self.space, self._blocks)

    def price(self, architecture: Architecture) -> Mapping[str, float]:
        found = self._table.price(architecture)
        assert found is not None
        return found

    @property
    def seeds(self) -> Callable[[Architecture], Sequence[Seed]]:
        """Repetitions in one block: as many as the blocks that can be drawn hold trainings of an architecture."""
        drawn = self._drawn
        return lambda architecture: [Seed(0, n) for n in range(len(drawn[architecture.key]))]

    def accuracy(self, architecture: Architecture, seed: Seed) -> float:
        return float(self._drawn[architecture.key][seed.replicate][0])

    def losses(self, architecture: Architecture, seed: Seed) -> Sequence[float]:
        """The losses of the same training, every block on the level of all; empty if the table lacks them."""
        found: list[float] = np.exp(self._drawn[architecture.key][seed.replicate][1:]).tolist()
        return found

    @property
    def warmup(self) -> float:
        """As the description says it; 0 if it says nothing."""
        recipe = self._table.about.get("recipe")
        found = recipe.get("warmup") if isinstance(recipe, dict) else None
        return float(found) if isinstance(found, int | float) else 0.0

    def shared_network(self) -> Facts:
        """One of those that were trained for the table, another one for each number."""
        return shared_facts(self._table.path, self._number)

    @property
    def drawn_blocks(self) -> set[int]:
        """Blocks whose trainings a search can draw; the others score."""
        return self._halves[0]

    def truth(self, architecture: Architecture) -> float:
        """Mean gain over plain in the blocks that score, in points; 0 if the table was permuted."""
        if self._permuted:
            return 0.0
        return _accuracy(self._scored[architecture.key]) - _accuracy(self._scored[self.space[0].key])

    def block_gains(self, architecture: Architecture) -> Mapping[int, float]:
        """The gain over plain in each block that scores, in points, nan in the others; empty for a permuted table."""
        if self._permuted:
            return {}
        mine, plain = (self._by_block(key) for key in (architecture.key, self.space[0].key))
        return {b: mine[b] - plain[b] if b in self._halves[1] else math.nan for b in self._blocks}

    def doubt(self, architecture: Architecture) -> float:
        """The truth is a difference of two means, each as noisy as so few trainings are."""
        if self._permuted or architecture.is_plain:
            return 0.0
        counts = [len(self._scored[key]) for key in (architecture.key, self.space[0].key)]
        return self._sigma * math.sqrt(sum(1 / count for count in counts))

    @cached_property
    def _sigma(self) -> float:
        """Noise of one training, in points, without the level of the block and the mean of the architecture."""
        rows = [[float(seeds[Seed(b)][0]) for b in self._blocks] for seeds in self._trainings.values()]
        squares = sum((y - _mean(row)) ** 2 for row in rows for y in row)
        return math.sqrt(squares / ((len(rows) - 1) * (len(self._blocks) - 1)))

    def _by_block(self, key: str) -> dict[int, float]:
        """The mean accuracy of an architecture in each block."""
        seeds = self._trainings[key]
        return {b: _accuracy([y for s, y in seeds.items() if s.block == b]) for b in self._blocks}

    @cached_property
    def _drawn(self) -> dict[str, list[Shown]]:
        blocks = self.drawn_blocks
        return {key: [y for s, y in seeds.items() if s.block in blocks] for key, seeds in self._trainings.items()}

    @cached_property
    def _scored(self) -> dict[str, list[Shown]]:
        blocks = self._halves[1]
        return {key: [y for s, y in seeds.items() if s.block in blocks] for key, seeds in self._trainings.items()}

    @cached_property
    def _halves(self) -> tuple[set[int], set[int]]:
        """Blocks to draw from and blocks to score with, another division for each number."""
        order = self._blocks[:]
        random.Random(stable_hash("halves", self._number)).shuffle(order)
        middle = (len(order) + 1) // 2
        return set(order[:middle]), set(order[middle:])

    @cached_property
    def _blocks(self) -> list[int]:
        return sorted({seed.block for seed in self._table.seeds(self.space[0])})

    @cached_property
    def _trainings(self) -> Trainings:
        """What every training shows, by architecture and seed, every block on the level of all."""
        results = self._table.results
        final = {a.key: {s: _shown(epochs) for s, epochs in results[a.key].items()} for a in self.space}
        levels = {b: np.mean([seeds[Seed(b)] for seeds in final.values()], axis=0) for b in self._blocks}
        middle = np.mean(list(levels.values()), axis=0)
        level = {key: {s: y - levels[s.block] + middle for s, y in seeds.items()} for key, seeds in final.items()}
        return self._shuffled(level) if self._permuted else level

    def _shuffled(self, trainings: Trainings) -> Trainings:
        """Within each block all trainings change places, whatever their architecture."""
        mixed: Trainings = {key: {} for key in trainings}
        for block in self._blocks:
            places = [(key, seed) for key, seeds in trainings.items() for seed in seeds if seed.block == block]
            order = places[:]
            random.Random(stable_hash("permuted", self._number, block)).shuffle(order)
            for (key, seed), (other, theirs) in zip(places, order, strict=True):
                mixed[key][seed] = trainings[other][theirs]
        return mixed


def _space(table: Table) -> Space:
    """The space that the table was made from, as the file beside it says."""
    assert table.sites is not None
    return Space(table.about["backbone"], table.sites, space_of(table.about))


def _shown(epochs: Epochs) -> Shown:
    """The last accuracy, and the logarithm of each loss. Either all trainings of a table have losses, or none has."""
    losses = [math.log(metrics[LOSS]) for _, metrics in epochs if LOSS in metrics]
    return np.array([epochs[-1][1]["val_accuracy"], *losses])


def _accuracy(shown: Sequence[Shown]) -> float:
    return _mean([float(training[0]) for training in shown])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
