"""A network stage by stage: where SE acts, and what it costs there."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from senet_nas.costs.measures import USUAL, Measure, counted
from senet_nas.costs.overhead import PriceList, se_cost
from senet_nas.costs.priced import Priced
from spaces.architecture import SE, Architecture
from spaces.placements import ratio, wording
from spaces.spec import Site
from spaces.text import plural


@dataclass(frozen=True)
class Unit:
    """One unit of the network, its SE or None, and what that costs.

    ``positions`` are those that the unit offers; SE acts on ``channels`` channels of ``places`` pixels each.
    ``kind`` is the SE in short, ``avg r=16``. ``costs`` are the counted costs of the SE by column: zeros without SE.
    """

    name: str
    stage: int
    positions: tuple[str, ...]
    se: SE | None
    ratio: int | None
    kind: str
    channels: int
    places: int
    costs: Mapping[str, int]

    @property
    def usual(self) -> int:
        """The usual cost, parameters, of the SE."""
        return self.costs[USUAL.column]

    @property
    def labels(self) -> list[str]:
        """The SE in short and, unless it is the paper's, its gate: ``["avg r=16"]``. Empty without SE."""
        if self.se is None:
            return []
        return [self.kind] if self.se.gate == "sigmoid" else [self.kind, self.se.gate]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "stage": self.stage,
            "positions": self.positions,
            "se": str(self.se) if self.se else None,
            "position": self.se.position if self.se else None,
            "ratio": self.ratio,
            "channels": self.channels,
            "places": self.places,
            **self.costs,
        }


@dataclass(frozen=True)
class Shown:
    """An architecture, unit by unit; its costs by column, and those of plain.

    Overheads are in percent over the plain network.
    """

    architecture: str
    words: str
    image: tuple[int, ...]
    classes: int
    units: tuple[Unit, ...]
    costs: Mapping[str, float]
    plain: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "architecture": self.architecture,
            "words": self.words,
            "image": self.image,
            "classes": self.classes,
            "units": [unit.to_dict() for unit in self.units],
        }
        for measure in counted():
            found[f"{measure.column}_plain"] = int(self.plain[measure.column])
            found[measure.column] = int(self.costs[measure.column])
            found[measure.overhead] = self.costs[measure.overhead]
        return found

    @property
    def stages(self) -> list[tuple[int, list[Unit]]]:
        return [(stage, list(units)) for stage, units in itertools.groupby(self.units, key=lambda unit: unit.stage)]

    @property
    def sums(self) -> list[str]:
        """A line for each counted cost."""
        return [self._sum(measure) for measure in counted()]

    @property
    def used(self) -> str:
        return f"SE in {sum(unit.se is not None for unit in self.units)} of {plural(len(self.units), 'unit')}"

    def lines(self) -> list[str]:
        """The breakdown as text."""
        size = "x".join(str(side) for side in self.image)
        lines = [f"{self.words}   (images {size}, {self.classes} classes; {self.used})", ""]
        for stage, units in self.stages:
            lines += self._stage(stage, units)
        return [*lines, "", *self.sums, self.architecture]

    def _stage(self, stage: int, units: list[Unit]) -> list[str]:
        """A line for the stage, and one for each run of equal units."""
        cost = sum(unit.usual for unit in units)
        paid = f"   SE {amount(USUAL, cost)}, {self._share(cost)}" if cost else ""
        lines = [f"stage {stage}{paid}"]
        for _, alike in itertools.groupby(units, key=lambda unit: (unit.se, unit.channels, unit.places)):
            lines.append(self._line(list(alike)))
        return lines

    def _line(self, alike: list[Unit]) -> str:
        first = alike[0]
        name = first.name if len(alike) == 1 else f"{first.name} .. {alike[-1].name}"
        if first.se is None:
            return f"  {name:<8}  -"
        where = f"on {first.channels} channels of {first.places} places"
        costs = "  ".join(self._cost(measure, first.costs[measure.column]) for measure in counted())
        each = " each" if len(alike) > 1 else ""
        return f"  {name:<8}  {first.se!s:<30} {costs}{each}  {where}"

    def _sum(self, measure: Measure) -> str:
        cost = amount(measure, self.costs[measure.column])
        overhead = format(self.costs[measure.overhead], "+.2f" if measure is USUAL else "+.3f")
        return f"{cost}, {overhead} % over plain's {measure.shown(self.plain[measure.column])}"

    def _cost(self, measure: Measure, cost: int) -> str:
        """A cost of a unit in its column of the text, the usual one with its share."""
        share = f" {self._share(cost)}" if measure is USUAL else ""
        return f"{measure.shown(cost):>7} {measure.short}{share}"

    def _share(self, cost: int) -> str:
        """The usual cost in percent of the plain network's."""
        return f"{100 * cost / self.plain[USUAL.column]:+.2f} %"


def amount(measure: Measure, cost: float) -> str:
    """A cost with its short name: ``148 params``."""
    return f"{measure.shown(cost)} {measure.short}"


def show(found: Priced) -> Shown:
    """The breakdown of a priced architecture."""
    return Shown(
        architecture=found.architecture.key,
        words=found.label,
        image=found.image,
        classes=found.classes,
        units=_units(found.architecture, found.prices),
        costs=found.costs,
        plain=found.prices.plain,
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _units(architecture: Architecture, prices: PriceList) -> tuple[Unit, ...]:
    placed = zip(prices.sites, prices.sides, architecture.blocks, strict=True)
    return tuple(_unit(site, sides, se) for site, sides, se in placed)


def _unit(site: Site, sides: Mapping[str, tuple[int, ...]], se: SE | None) -> Unit:
    at = se.position if se else next(iter(site.channels))
    channels = site.channels[at]
    cost = se_cost(channels, sides[at], se) if se else {}
    return Unit(
        name=site.name,
        stage=site.stage,
        positions=tuple(site.channels),
        se=se,
        ratio=ratio(se, site) if se else None,
        kind=_kind(se, site) if se else "",
        channels=channels,
        places=math.prod(sides[at]),
        costs={measure.column: cost.get(measure.column, 0) for measure in counted()},
    )


def _kind(se: SE, site: Site) -> str:
    kind = wording(se, site)
    return f"{kind} nb" if se.form == "fcnb" else kind
