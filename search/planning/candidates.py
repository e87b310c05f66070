"""The architectures that a model can speak of: all members of a space that can be listed, else a neighbourhood."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.model.posterior import Features, describe
from spaces.architecture import Architecture
from spaces.space import Space

Array = NDArray[np.float64]
Price = Callable[[Architecture], Mapping[str, float]]

# Spaces up to this size are listed whole.
LISTED = 20_000
# A larger one is looked at around the best that is known, and in so many places at random.
SAMPLED, AROUND = 500, 8


@dataclass(frozen=True)
class Catalogue:
    """Members with their features and overheads: ``costs[i, k]`` percent over plain in the k-th overhead. Plain is first."""

    members: tuple[Architecture, ...]
    features: Features
    costs: Array

    @cached_property
    def index(self) -> dict[str, int]:
        return {member.key: i for i, member in enumerate(self.members)}


def whole(space: Space, price: Price, columns: Sequence[str]) -> Catalogue:
    """All members of a space."""
    return _catalogue(list(space), space, price, columns)


def near(
    space: Space, price: Price, columns: Sequence[str], known: Sequence[Architecture], best: Sequence[Architecture],
    rng: random.Random,
) -> Catalogue:  # fmt: skip
    """What is known, local moves from the best of it, and a sample of the rest."""
    plain = Architecture.plain(space.backbone, len(space.sites))
    around = [neighbour for architecture in best[:AROUND] for neighbour in space.neighbours(architecture)]
    drawn = [space.sample(rng) for _ in range(SAMPLED)]
    return _catalogue(list(dict.fromkeys([plain, *known, *around, *drawn])), space, price, columns)


def _catalogue(members: list[Architecture], space: Space, price: Price, columns: Sequence[str]) -> Catalogue:
    plain = next(i for i, member in enumerate(members) if member.is_plain)
    members.insert(0, members.pop(plain))
    costs = np.array([[price(member)[column] for column in columns] for member in members])
    return Catalogue(tuple(members), describe(members, space.sites), costs)
