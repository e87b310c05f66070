"""Loss curves of synthetic problems as real tables have them, with all covariances of accuracy and losses.

The kinds of :mod:`search.bench.curves` have one thing that losses show in all epochs. On real tables the epochs differ:
the first may mislead where the fourth does not. Here the logarithms of the losses are normal with the covariances that
a table measured, between architectures, trainings and blocks. ``python -m benchmarks.curve_covariances`` writes them.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from search.bench.curves import Array, standard, trait

PATH = Path(__file__).with_suffix(".json")
# In the name of a kind, before that of its table.
PREFIX = "as-"


@dataclass(frozen=True)
class Measured:
    """How the logarithms of the losses of a training differ, epoch by epoch. All are arrays over epochs.

    ``usual`` is their mean. ``gain`` is what a standard deviation of gains adds, and each column of ``apart`` what a
    standard deviation of something else does in which architectures differ. ``noise`` is what a standard deviation of
    the noise of the accuracy adds, each column of ``own`` the same for what trainings differ in besides, and each
    column of ``block`` for blocks.
    """

    usual: Array
    gain: Array
    apart: Array
    noise: Array
    own: Array
    block: Array

    def effects(self, gains: Array, others: Sequence[Array], mean: float) -> Array:
        """What losses show of each architecture: (architectures, epochs), plain first with 0.

        ``gains`` and each of ``others``, one for each column of ``apart``, are (architectures,). ``mean`` is the mean
        with SE, in standard deviations.
        """
        followed = standard(gains)
        parts = np.stack([followed, *(trait(0.0, followed, other) for other in others)])
        ways = np.column_stack([self.gain, self.apart])
        found: Array = parts.T @ ways.T
        found[1:] += mean * np.sqrt((ways**2).sum(axis=1))
        return found

    def losses(self, effects: Array, accuracy_noise: float, rng: random.Random, block: random.Random) -> list[float]:
        """The training loss of each epoch of an architecture with these ``effects`` (epochs,)."""
        own, level = _normal(self.own.shape[1], rng), _normal(self.block.shape[1], block)
        log = self.usual + effects + accuracy_noise * self.noise + self.own @ own + self.block @ level
        found: list[float] = np.exp(log).tolist()
        return found


@lru_cache(maxsize=1)
def measured() -> Mapping[str, Measured]:
    """The kinds by their names."""
    tables = json.loads(PATH.read_text())
    return {
        PREFIX + name: Measured(**{field: np.array(values) for field, values in table.items()})
        for name, table in tables.items()
    }


def _normal(n: int, rng: random.Random) -> Array:
    return np.array([rng.gauss(0, 1) for _ in range(n)])
