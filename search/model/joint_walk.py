"""The likely places of a lattice, found by walking uphill: as a grid of hyperparameters is explored from its mode.

Each step computes the neighbours of the places that are likely so far (Rue, Martino and Chopin, "Approximate Bayesian
inference ... by using integrated nested Laplace approximations", J. R. Stat. Soc. B 71, 2009, section 3.1). So the
evidence of a few hundred of some ten thousand places is computed, and no approximation of it is needed to choose them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.model.linear_model import Array, Integers

# The walk goes on from places that are at least UNLIKELY times as likely as the best; places that are at least HOPELESS
# times as likely are kept. So 96 to 97 % of the posterior is kept; with the first factor for both it is 88 %.
UNLIKELY, HOPELESS = 1e-2, 1e-3


@dataclass(frozen=True)
class Lattice:
    """Places of an array of a ``shape``, counted in its order; ``is_possible`` (places,) says which there are.

    A place's neighbours are one step away along one axis, or any number of steps along an ``unordered`` one.
    """

    shape: tuple[int, ...]
    is_possible: NDArray[np.bool_]
    unordered: Sequence[int] = ()

    @cached_property
    def _steps(self) -> list[int]:
        """How many places further the next one is along each axis."""
        return [int(np.prod(self.shape[axis + 1 :], dtype=np.int64)) for axis in range(len(self.shape))]

    def neighbours(self, places: Integers) -> Integers:
        """The possible neighbours of places, ascending."""
        found = np.zeros(len(self.is_possible), dtype=bool)
        for axis, (length, step) in enumerate(zip(self.shape, self._steps, strict=True)):
            along = places // step % length
            moves = range(1 - length, length) if axis in self.unordered else (-1, 1)
            for move in moves:
                is_inside = (along + move >= 0) & (along + move < length)
                found[places[is_inside] + move * step] = True
        return np.flatnonzero(found & self.is_possible)


def walk(lattice: Lattice, first: Integers, evidence: Callable[[Integers], Array]) -> Integers:
    """The likely places, ascending: ``evidence`` gives the logarithms of how likely places are, prior included."""
    log = np.full(len(lattice.is_possible), -np.inf)
    is_known = np.zeros(len(log), dtype=bool)
    following = first
    while len(following):
        is_known[following] = True
        log[following] = evidence(following)
        around = lattice.neighbours(np.flatnonzero(log >= log.max() + np.log(UNLIKELY)))
        following = around[~is_known[around]]
    return np.flatnonzero(log >= log.max() + np.log(HOPELESS))
