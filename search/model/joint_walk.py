"""The likely places of a lattice, found by walking uphill: as a grid of hyperparameters is explored from its mode.

Each step computes the neighbours of the places that are likely so far (Rue, Martino and Chopin, "Approximate Bayesian
inference ... by using integrated nested Laplace approximations", J. R. Stat. Soc. B 71, 2009, section 3.1). So the
evidence of a few thousand of some fifty thousand places is computed, and no approximation of it is needed to choose
them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from search.model.linear_model import Array, Integers

# The walk goes on from places that are at least UNLIKELY times as likely as the best. Logarithms of likelihoods grow
# with the number of trainings, and with them the depth of the valleys between hills: the factor holds for up to
# TRAININGS, and for more of them a power of it. Without that the best hill was often missed after 128 trainings.
UNLIKELY, TRAININGS = 1e-2, 32
# Places that are at least this many times as likely as the best are kept.
HOPELESS = 1e-3


@dataclass(frozen=True)
class Lattice:
    """Places of an array of a ``shape``, counted in its order; ``is_possible`` (places,) says which there are.

    A place's neighbours are one step away along one axis, or any number of steps along an ``unordered`` one. Along the
    axes of a group of ``together``, which trade off against each other, one may move at once.
    """

    shape: tuple[int, ...]
    is_possible: NDArray[np.bool_]
    unordered: Sequence[int] = ()
    together: Sequence[tuple[int, ...]] = ()

    @cached_property
    def _margin(self) -> list[int]:
        """How far a move may go along each axis."""
        return [length - 1 if axis in self.unordered else 1 for axis, length in enumerate(self.shape)]

    @cached_property
    def _wide(self) -> tuple[int, ...]:
        """The shape with a margin around it, so that no move leads out of it."""
        return tuple(length + 2 * margin for length, margin in zip(self.shape, self._margin, strict=True))

    @cached_property
    def _steps(self) -> Integers:
        """How many places of the wide shape each move goes further."""
        alone = set(range(len(self.shape))) - {axis for group in self.together for axis in group}
        middle = np.ravel_multi_index(tuple(self._margin), self._wide)
        found: list[int] = []
        for group in (*self.together, *((axis,) for axis in sorted(alone))):
            along = [range(2 * m + 1) if axis in group else (m,) for axis, m in enumerate(self._margin)]
            found += [int(np.ravel_multi_index(move, self._wide) - middle) for move in product(*along)]
        return np.unique(found)

    def neighbours(self, places: Integers) -> Integers:
        """The possible neighbours of places, ascending; a place is among its own."""
        at = np.unravel_index(places, self.shape)
        wide = np.ravel_multi_index(tuple(a + m for a, m in zip(at, self._margin, strict=True)), self._wide)
        found = np.zeros(self._wide, dtype=bool)
        found.ravel()[(wide[:, None] + self._steps).ravel()] = True
        inside = found[tuple(slice(m, m + n) for m, n in zip(self._margin, self.shape, strict=True))]
        return np.flatnonzero(inside.ravel() & self.is_possible)


def walk(lattice: Lattice, first: Integers, evidence: Callable[[Integers], Array], trainings: int) -> Integers:
    """The likely places, ascending: ``evidence`` gives the logarithms of how likely places are, prior included."""
    log = np.full(len(lattice.is_possible), -np.inf)
    is_known = np.zeros(len(log), dtype=bool)
    depth = np.log(UNLIKELY) * max(1.0, trainings / TRAININGS)
    following = first
    while len(following):
        is_known[following] = True
        log[following] = evidence(following)
        around = lattice.neighbours(np.flatnonzero(log >= log.max() + depth))
        following = around[~is_known[around]]
    return np.flatnonzero(log >= log.max() + np.log(HOPELESS))
