"""The architectures among which a model chooses: the whole space, or if it is large, a neighbourhood of the best."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from search.model.features import Features
from search.planning.priced_space import Price
from search.results import covariates
from search.state.shared_facts import SharedFigures
from spaces.architecture import Architecture
from spaces.space import Space

Array = NDArray[np.float64]

# Spaces of at most this size are listed completely.
LISTED = 20_000
# In a larger space: the number of random members, and of the best known architectures whose neighbours are listed.
SAMPLED = 500
AROUND = 8


@dataclass(frozen=True)
class Candidates:
    """Architectures with their features and overheads; plain is the first.

    ``costs[i, k]`` is the k-th overhead of the i-th member, in percent over plain.
    """

    members: tuple[Architecture, ...]
    features: Features
    costs: Array

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each member by its key."""
        return {member.key: i for i, member in enumerate(self.members)}


def whole(space: Space, price: Price, columns: Sequence[str], figures: SharedFigures | None = None) -> Candidates:
    """All members of a space."""
    return described(list(space), space, price, columns, figures)


def near(
    space: Space,
    price: Price,
    columns: Sequence[str],
    known: Sequence[Architecture],
    best: Sequence[Architecture],
    rng: random.Random,
    figures: SharedFigures | None = None,
) -> Candidates:
    """The known architectures, the neighbours of the ``best`` of them, and random members of the space.

    If a shared network has evaluated some members, the random ones are of these: the model knows most about them.
    """
    plain = Architecture.plain(space.backbone, len(space.sites))
    around = [neighbour for architecture in best[:AROUND] for neighbour in space.neighbours(architecture)]
    if figures is None:
        drawn = [space.sample(rng) for _ in range(SAMPLED)]
    else:
        drawn = evaluated(space, figures, rng.sample(list(figures.values), min(SAMPLED, len(figures.values))))
    return described(list(dict.fromkeys([plain, *known, *around, *drawn])), space, price, columns, figures)


def evaluated(space: Space, figures: SharedFigures, keys: Iterable[str] | None = None) -> list[Architecture]:
    """The members of the space that a shared network has evaluated, or those of ``keys`` among them."""
    chosen = figures.values if keys is None else keys
    return [space.ratios.annotate(_parsed(key), space.sites) for key in chosen]


# To parse 500 keys of 16 sites takes 0.2 s.
_parsed = lru_cache(maxsize=4096)(Architecture.parse)


def described(
    members: list[Architecture],
    space: Space,
    price: Price,
    columns: Sequence[str],
    figures: SharedFigures | None = None,
) -> Candidates:
    """These members, plain among them, with their features and the overheads of ``columns``.

    ``figures`` is what they showed in a shared network, if there was one.
    """
    plain = next(i for i, member in enumerate(members) if member.is_plain)
    members.insert(0, members.pop(plain))
    costs = np.array([[price(member)[column] for column in columns] for member in members])
    return Candidates(tuple(members), covariates.described(members, space.sites, figures), costs)
