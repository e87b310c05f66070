"""The space of architectures that a config allows: its size, and every member by number.

A *group* is switched on and off as one: a stage, or a single unit. A *plan* is one setting of the factors that are tied
over the network. Under one plan the space is a product over groups. The products of several plans overlap: the plain
network lies in all of them, and two ratios may round to one hidden width. An architecture belongs to the first plan
that contains it, and members are counted plan by plan, without those of earlier plans. So the size is exact, and
``space[i]`` needs no list, however large the space is.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

from spaces.architecture import SE, Architecture
from spaces.errors import UserError
from spaces.ratios import Ratios
from spaces.spec import FACTORS, Site, SpaceSpec, fill

Blocks = tuple[SE | None, ...]


class Space:
    """The distinct architectures of a backbone that a :class:`SpaceSpec` allows, numbered from 0 (the plain network).

    Raises UserError if the spec names sites that do not exist or leaves a site without channels.
    """

    def __init__(self, backbone: str, sites: Sequence[Site], spec: SpaceSpec) -> None:
        self.backbone = backbone
        self.sites = tuple(sites)
        self.spec = spec
        self.ratios = Ratios.of(spec)
        self.groups = _groups(self.sites, spec)
        self._tied = tuple(name for name in spec.tied() if len(spec.values(name)) > 1)
        self._free = tuple(name for name in FACTORS if name not in spec.tied() and len(spec.values(name)) > 1)
        self._fixed = {name: spec.values(name)[0] for name in FACTORS}
        self.plans = tuple(itertools.product(*(spec.values(name) for name in self._tied)))
        self._options = [[self._options_of(plan, group) for group in self.groups.values()] for plan in self.plans]
        self._owners = [_owners([options[g] for options in self._options]) for g in range(len(self.groups))]
        self._count = lru_cache(maxsize=None)(self._count_from)

    # -- size and members ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.size

    @cached_property
    def size(self) -> int:
        """Number of distinct networks."""
        return sum(self._plan_sizes)

    @cached_property
    def nominal_size(self) -> int:
        """Number of spellings: combinations of switches and factors. Several may spell one network."""
        free = math.prod(len(self.spec.values(name)) for name in self._free)
        return len(self.plans) * int((1 + free) ** len(self.groups))

    @cached_property
    def _plan_sizes(self) -> list[int]:
        return [self._count(plan, 0, (1 << plan) - 1) for plan in range(len(self.plans))]

    def __getitem__(self, index: int) -> Architecture:
        if not 0 <= index < self.size:
            raise IndexError(f"the space has {self.size} architectures, 0..{self.size - 1}; got {index}")
        plan = 0
        while index >= self._plan_sizes[plan]:
            index -= self._plan_sizes[plan]
            plan += 1
        chosen = []
        earlier = (1 << plan) - 1
        for group, options in enumerate(self._options[plan]):
            for blocks in options:
                left = earlier & self._owners[group][blocks]
                below = self._count(plan, group + 1, left)
                if index < below:
                    chosen.append(blocks)
                    earlier = left
                    break
                index -= below
        return self._join(chosen)

    def index(self, architecture: Architecture) -> int:
        """The number of a member. Raises ValueError for another architecture."""
        split = self._split(architecture)
        plans = self._plans_with(split)
        if not plans:
            raise ValueError(f"{architecture} is not in the space")
        plan = (plans & -plans).bit_length() - 1
        index = sum(self._plan_sizes[:plan])
        earlier = (1 << plan) - 1
        for group, blocks in enumerate(split):
            for other in self._options[plan][group]:
                if other == blocks:
                    break
                index += self._count(plan, group + 1, earlier & self._owners[group][other])
            earlier &= self._owners[group][blocks]
        return index

    def __contains__(self, architecture: Architecture) -> bool:
        return bool(self._plans_with(self._split(architecture)))

    def __iter__(self) -> Iterator[Architecture]:
        return (self[index] for index in range(self.size))

    def sample(self, rng: random.Random) -> Architecture:
        """A member; all are equally likely."""
        return self[rng.randrange(self.size)]

    def neighbours(self, architecture: Architecture) -> list[Architecture]:
        """Other members that differ in one group, or have the same groups on and differ in one tied factor."""
        split = self._split(architecture)
        found: dict[Architecture, None] = {}
        plans = self._plans_with(split)
        for plan in (number for number in range(len(self.plans)) if plans >> number & 1):
            for group, options in enumerate(self._options[plan]):
                for blocks in options:
                    found[self._named([*split[:group], blocks, *split[group + 1 :]])] = None
            parameters = self._encode(plan, split)
            for name in self._tied:
                for value in self.spec.values(name):
                    found[self.decode({**parameters, name: value})] = None
        found.pop(architecture, None)
        return list(found)

    # -- the same space as independent categorical parameters, which samplers need ------------------------------------

    @cached_property
    def parameters(self) -> dict[str, tuple[str, ...]]:
        """Name and choices of every parameter: the tied factors, then for each group a switch and its free factors."""
        table = {name: self.spec.values(name) for name in self._tied}
        for group in self.groups:
            table[group] = ("off", "on")
            table |= {f"{group}.{name}": self.spec.values(name) for name in self._free}
        return table

    def decode(self, parameters: Mapping[str, str]) -> Architecture:
        """The architecture that parameters spell. Parameters of a group that is off are ignored."""
        tied = {name: parameters[name] for name in self._tied}
        chosen: list[Blocks] = []
        for group, sites in self.groups.items():
            free = {name: parameters[f"{group}.{name}"] for name in self._free}
            on = parameters[group] == "on"
            chosen.append(self._fill_group(sites, tied | free) if on else (None,) * len(sites))
        return self._named(chosen)

    def encode(self, architecture: Architecture) -> dict[str, str]:
        """The first parameters that spell a member. Raises ValueError for another architecture."""
        split = self._split(architecture)
        plans = self._plans_with(split)
        if not plans:
            raise ValueError(f"{architecture} is not in the space")
        return self._encode((plans & -plans).bit_length() - 1, split)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _count_from(self, plan: int, group: int, earlier: int) -> int:
        """Number of completions from ``group`` on that no plan in the bit set ``earlier`` contains."""
        if earlier == 0:
            return math.prod(len(options) for options in self._options[plan][group:])
        if group == len(self.groups):
            return 0
        owners = self._owners[group]
        return sum(self._count(plan, group + 1, earlier & owners[blocks]) for blocks in self._options[plan][group])

    def _fill_group(self, sites: Sequence[int], values: Mapping[str, str]) -> Blocks:
        return tuple(fill(self.sites[i], {**self._fixed, **values}, self.spec.min_hidden) for i in sites)

    def _options_of(self, plan: tuple[str, ...], sites: Sequence[int]) -> tuple[Blocks, ...]:
        tied = dict(zip(self._tied, plan, strict=True))
        free = itertools.product(*(self.spec.values(name) for name in self._free))
        filled = (self._fill_group(sites, {**tied, **dict(zip(self._free, values, strict=True))}) for values in free)
        return tuple(dict.fromkeys([(None,) * len(sites), *filled]))

    def _split(self, architecture: Architecture) -> list[Blocks]:
        """The SE of each group; one empty entry, which no plan owns, if the architecture cannot be a member."""
        blocks = architecture.blocks
        if architecture.backbone != self.backbone or len(blocks) != len(self.sites):
            return [()]
        inside = {i for sites in self.groups.values() for i in sites}
        stray = [se for i, se in enumerate(blocks) if se is not None and i not in inside]
        return [()] if stray else [tuple(blocks[i] for i in sites) for sites in self.groups.values()]

    def _plans_with(self, split: list[Blocks]) -> int:
        if len(split) != len(self.groups):
            return 0
        plans = (1 << len(self.plans)) - 1
        for owners, blocks in zip(self._owners, split, strict=True):
            plans &= owners.get(blocks, 0)
        return plans

    def _join(self, chosen: Sequence[Blocks]) -> Architecture:
        blocks: list[SE | None] = [None] * len(self.sites)
        for sites, group in zip(self.groups.values(), chosen, strict=True):
            for i, se in zip(sites, group, strict=True):
                blocks[i] = se
        return Architecture(self.backbone, tuple(blocks))

    def _named(self, chosen: Sequence[Blocks]) -> Architecture:
        """The architecture with the ratios of the first setting that spells it, as :meth:`__getitem__` gives it."""
        return self.ratios.annotate(self._join(chosen), self.sites)

    def _encode(self, plan: int, split: Sequence[Blocks]) -> dict[str, str]:
        tied = dict(zip(self._tied, self.plans[plan], strict=True))
        parameters = dict(tied)
        choices = [
            dict(zip(self._free, values, strict=True))
            for values in itertools.product(*(self.spec.values(name) for name in self._free))
        ]
        for (group, sites), blocks in zip(self.groups.items(), split, strict=True):
            on = any(blocks)
            fits = (free for free in choices if not on or self._fill_group(sites, tied | free) == blocks)
            parameters[group] = "on" if on else "off"
            parameters |= {f"{group}.{name}": value for name, value in next(fits).items()}
        return parameters


def _groups(sites: Sequence[Site], spec: SpaceSpec) -> dict[str, tuple[int, ...]]:
    """Numbers of the sites that are switched as one, by the name of the group, among those that the spec allows."""
    stages = {site.stage for site in sites}
    for stage in spec.stages or ():
        if stage not in stages:
            raise UserError(f"no stage {stage}; the backbone has stages {_span(stages)}", key="space.stages")
    names = [site.name for site in sites]
    for name in spec.sites or ():
        if name not in names:
            raise UserError(f"no site `{name}`; the backbone has {', '.join(names)}", key="space.sites")
    groups: dict[str, list[int]] = {}
    for i, site in enumerate(sites):
        if (spec.stages is None or site.stage in spec.stages) and (spec.sites is None or site.name in spec.sites):
            group = f"stage{site.stage}" if spec.granularity == "stage" else f"block{site.name}"
            groups.setdefault(group, []).append(i)
    if not groups:
        raise UserError("`stages` and `sites` leave no site for SE", key="space.sites")
    return {name: tuple(indices) for name, indices in groups.items()}


def _span(stages: set[int]) -> str:
    return ", ".join(str(stage) for stage in sorted(stages))


def _owners(options_by_plan: Sequence[tuple[Blocks, ...]]) -> dict[Blocks, int]:
    """The plans that offer each option of a group, as a bit set."""
    owners: dict[Blocks, int] = {}
    for plan, options in enumerate(options_by_plan):
        for blocks in options:
            owners[blocks] = owners.get(blocks, 0) | 1 << plan
    return owners
