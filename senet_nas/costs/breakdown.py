"""A network stage by stage: where SE acts, and what it costs there."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from senet_nas.costs.overhead import PriceList, se_cost
from senet_nas.costs.priced import Priced
from spaces.architecture import SE, Architecture
from spaces.placements import ratio, width
from spaces.spec import Site


@dataclass(frozen=True)
class Unit:
    """One unit of the network, its SE or None, and what that costs.

    ``positions`` are those that the unit offers; SE acts on ``channels`` channels of ``places`` pixels each.
    ``kind`` is the SE in short, ``avg r=16``.
    """

    name: str
    stage: int
    positions: tuple[str, ...]
    se: SE | None
    ratio: int | None
    kind: str
    channels: int
    places: int
    params: int
    macs: int

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
            "params": self.params,
            "macs": self.macs,
        }


@dataclass(frozen=True)
class Shown:
    """An architecture, unit by unit; its overheads are in percent over the plain network."""

    architecture: str
    words: str
    image: tuple[int, ...]
    classes: int
    units: tuple[Unit, ...]
    params_plain: int
    params: int
    params_overhead: float
    macs_plain: int
    macs: int
    macs_overhead: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"units": [unit.to_dict() for unit in self.units]}

    @property
    def stages(self) -> list[tuple[int, list[Unit]]]:
        return [(stage, list(units)) for stage, units in itertools.groupby(self.units, key=lambda unit: unit.stage)]

    @property
    def sums(self) -> list[str]:
        return [
            f"{self.params:,} params, {self.params_overhead:+.2f} % over plain's {self.params_plain:,}",
            f"{self.macs:,} MACs, {self.macs_overhead:+.3f} % over plain's {self.macs_plain:,}",
        ]

    @property
    def used(self) -> str:
        return f"SE in {sum(unit.se is not None for unit in self.units)} of {len(self.units)} units"

    def lines(self) -> list[str]:
        """The breakdown as text."""
        size = "x".join(str(side) for side in self.image)
        lines = [f"{self.words}   (images {size}, {self.classes} classes; {self.used})", ""]
        for stage, units in self.stages:
            lines += self._stage(stage, units)
        return [*lines, "", *self.sums, self.architecture]

    def _stage(self, stage: int, units: list[Unit]) -> list[str]:
        """A line for the stage, and one for each run of equal units."""
        cost = sum(unit.params for unit in units)
        paid = f"   SE {cost:,} params, {self._share(cost)}" if cost else ""
        lines = [f"stage {stage}{paid}"]
        for _, alike in itertools.groupby(units, key=lambda unit: (unit.se, unit.channels, unit.places)):
            lines.append(self._line(list(alike)))
        return lines

    def _line(self, alike: list[Unit]) -> str:
        first = alike[0]
        name = first.name if len(alike) == 1 else f"{first.name} .. {alike[-1].name}"
        if first.se is None:
            return f"  {name:<14} -"
        where = f"on {first.channels} channels of {first.places} places"
        params = f"{first.params:>9,} params {self._share(first.params)}"
        each = " each" if len(alike) > 1 else ""
        return f"  {name:<14} {first.se!s:<36} {where:<32} {params}  {first.macs:>9,} MACs{each}"

    def _share(self, params: int) -> str:
        """Parameters in percent of the plain network's."""
        return f"{100 * params / self.params_plain:+.2f} %"


def show(found: Priced) -> Shown:
    """The breakdown of a priced architecture."""
    plain = found.prices.plain
    return Shown(
        architecture=found.architecture.key,
        words=found.label,
        image=found.image,
        classes=found.classes,
        units=_units(found.architecture, found.prices),
        params_plain=plain["params"],
        params=int(found.costs["params"]),
        params_overhead=found.costs["params_overhead"],
        macs_plain=plain["macs"],
        macs=int(found.costs["macs"]),
        macs_overhead=found.costs["macs_overhead"],
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _units(architecture: Architecture, prices: PriceList) -> tuple[Unit, ...]:
    placed = zip(prices.sites, prices.places, architecture.blocks, strict=True)
    return tuple(_unit(site, places, se) for site, places, se in placed)


def _unit(site: Site, places: Mapping[str, int], se: SE | None) -> Unit:
    at = se.position if se else next(iter(site.channels))
    channels = site.channels[at]
    size = places[at]
    cost = se_cost(channels, size, se) if se else {"params": 0, "macs": 0}
    return Unit(
        name=site.name,
        stage=site.stage,
        positions=tuple(site.channels),
        se=se,
        ratio=ratio(se, site) if se else None,
        kind=_kind(se, site) if se else "",
        channels=channels,
        places=size,
        params=cost["params"],
        macs=cost["macs"],
    )


def _kind(se: SE, site: Site) -> str:
    kind = f"{se.squeeze} {width(se, site)}"
    return f"{kind} nb" if se.form == "fcnb" else kind
