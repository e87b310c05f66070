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
    def _around(self) -> Integers:
        """The neighbours of every place, (places, moves); a move that leads out of the lattice stays where it is."""
        at = np.array(np.unravel_index(np.arange(len(self.is_possible)), self.shape))
        moves = np.array(self._moves)
        found = np.empty((len(self.is_possible), len(moves)), dtype=np.int64)
        for i, move in enumerate(moves):
            there = at + move[:, None]
            is_inside = ((there >= 0) & (there < np.array(self.shape)[:, None])).all(axis=0)
            found[:, i] = np.ravel_multi_index(tuple(np.where(is_inside, there, at)), self.shape)
        return found

    @property
    def _moves(self) -> list[tuple[int, ...]]:
        """Steps along all axes, of every move."""
        alone = set(range(len(self.shape))) - {axis for group in self.together for axis in group}
        reach = [length - 1 if axis in self.unordered else 1 for axis, length in enumerate(self.shape)]
        along = [
            [range(-most, most + 1) if axis in group else (0,) for axis, most in enumerate(reach)]
            for group in (*self.together, *((axis,) for axis in sorted(alone)))
        ]
        return sorted({move for steps in along for move in product(*steps)})

    def neighbours(self, places: Integers) -> Integers:
        """The possible neighbours of places, ascending; a place is among its own."""
        found = np.zeros(len(self.is_possible), dtype=bool)
        found[self._around[places].ravel()] = True
        return np.flatnonzero(found & self.is_possible)


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
