"""``senet-search show``: a network stage by stage, with where SE acts and what it costs there."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spaces.architecture import SE, Architecture
from spaces.placements import label, ratio, width
from spaces.spec import Site


@dataclass(frozen=True)
class Unit:
    """One unit of the network, its SE or None, and what that costs.

    ``positions`` are those that the unit offers; SE acts on ``channels`` channels of ``places`` pixels each. ``kind`` is
    the SE in short, ``avg r=16``.
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
    """An architecture, unit by unit. Overhead in percent of the plain network's parameters and MACs."""

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
        size = "x".join(str(side) for side in self.image)
        head = [f"{self.words}   (images {size}, {self.classes} classes; {self.used})", ""]
        return [
            *head,
            *itertools.chain(*(self._stage(*stage) for stage in self.stages)),
            "",
            *self.sums,
            self.architecture,
        ]

    def _stage(self, stage: int, units: list[Unit]) -> list[str]:
        """A line for the stage and one for each run of units that are alike."""
        cost = sum(unit.params for unit in units)
        lines = [f"stage {stage}" + (f"   SE {cost:,} params, {100 * cost / self.params_plain:+.2f} %" if cost else "")]
        for _, alike in itertools.groupby(units, key=lambda unit: (unit.se, unit.channels, unit.places)):
            lines.append(self._line(list(alike)))
        return lines

    def _line(self, alike: list[Unit]) -> str:
        first, last = alike[0], alike[-1]
        name = first.name if len(alike) == 1 else f"{first.name} .. {last.name}"
        if first.se is None:
            return f"  {name:<14} -"
        each = " each" if len(alike) > 1 else ""
        where = f"on {first.channels} channels of {first.places} places"
        return (
            f"  {name:<14} {first.se!s:<36} {where:<32} {first.params:>9,} params {100 * first.params / self.params_plain:+.2f} %"
            f"  {first.macs:>9,} MACs{each}"
        )


def show(
    target: str, placement: str, se: Mapping[str, str], min_hidden: int | None, *, image_size: int | None = None,
    channels: int | None = None, classes: int | None = None,
) -> Shown:  # fmt: skip
    """``target`` is an architecture's key, a published network, or a backbone to fill. Raises UserError."""
    from senet_nas.costs import overhead
    from senet_nas.network import build
    from senet_nas.network import published as networks

    architecture = networks.find(target, placement, se, min_hidden)
    backbone = architecture.backbone
    sites = build.sites(backbone)
    data = networks.usual(target, side=image_size, channels=channels, classes=classes)
    image = overhead.sample_shape(backbone, data.channels, data.side)
    prices = overhead.price_list(backbone, in_channels=data.channels, num_classes=data.classes, image_size=data.side)
    cost = prices.of(architecture)
    return Shown(
        architecture=architecture.key, words=label(architecture, sites), image=image,
        classes=data.classes, units=_units(architecture, prices), params_plain=prices.plain["params"],
        params=int(cost["params"]), params_overhead=cost["params_overhead"], macs_plain=prices.plain["macs"],
        macs=int(cost["macs"]), macs_overhead=cost["macs_overhead"],
    )  # fmt: skip


def _units(architecture: Architecture, prices: Any) -> tuple[Unit, ...]:
    return tuple(
        _unit(site, places, se)
        for site, places, se in zip(prices.sites, prices.places, architecture.blocks, strict=True)
    )


def _unit(site: Site, places: Mapping[str, int], se: SE | None) -> Unit:
    from senet_nas.costs.overhead import se_cost

    at = se.position if se else next(iter(site.channels))
    channels, size = site.channels[at], places[at]
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
