"""What a config allows: the sites of a backbone, the factors with their values, and the SE block that values mean at a site."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spaces.architecture import EXCITATIONS, REDUCING, SE, spelled
from spaces.errors import UserError, unknown
from spaces.options import STRICT, option

FACTORS = ("reduction", "position", "squeeze", "excitation", "gate")
Factor = Literal["reduction", "position", "squeeze", "excitation", "gate"]
Position = Literal["pre_addition", "post_addition", "pre_unit", "identity", "mid", "output"]
Excitation = Literal["fc", "fcnb", "eca", "eca3", "eca5", "eca7", "eca9", "diag"]


@dataclass(frozen=True)
class Site:
    """One unit of a backbone that can take SE. ``name`` is ``stage.block``; ``channels`` maps position to width."""

    name: str
    stage: int
    channels: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True)
class SpaceSpec:
    """The ``space`` section of a config: which placements are compared."""

    __pydantic_config__ = STRICT
    granularity: Literal["stage", "block"] = option("stage", "what is switched on and off as one: a stage or a block")
    tie: Literal["all", "none"] | tuple[Factor, ...] = option(
        "all", "factors that take one value over the whole network: all, none, or a list of their names"
    )
    stages: tuple[int, ...] | None = option(None, "stages that may get SE, from 1; all unless given", min_length=1)
    sites: tuple[str, ...] | None = option(
        None, "blocks that may get SE, as stage.block, e.g. '3.0'; all unless given", min_length=1
    )
    reduction: tuple[int, ...] = option((4, 16), "reduction ratios r: hidden width is channels // r", min_length=1)
    position: tuple[Position, ...] = option(
        ("pre_addition", "post_addition"),
        "where SE acts: pre_addition (the paper), post_addition, pre_unit, identity, mid, output",
        min_length=1,
    )
    squeeze: tuple[str, ...] = option(("avg", "max"), "how a feature map becomes one number", min_length=1)
    excitation: tuple[Excitation, ...] = option(
        ("fc",),
        "fc is the paper's bottleneck, fcnb has no biases; eca, eca3 .. eca9, diag have no reduction",
        min_length=1,
    )
    gate: tuple[str, ...] = option(("sigmoid",), "what turns excitations into factors", min_length=1)
    min_hidden: int | None = option(None, "smallest hidden width; an error where channels // r is 0 unless given", ge=1)

    def tied(self) -> tuple[str, ...]:
        if self.tie == "all":
            return FACTORS
        return tuple(name for name in FACTORS if name in self.tie) if self.tie != "none" else ()

    def values(self, factor: str) -> tuple[str, ...]:
        """The distinct values of a factor, as text, in the order of the config."""
        return tuple(dict.fromkeys(str(value) for value in getattr(self, factor)))


def fill(site: Site, values: Mapping[str, str], min_hidden: int | None = None) -> SE:
    """The SE block that factor values mean at a site. Raises UserError where the site cannot hold it.

    The reduction says nothing where the excitation has no hidden width, so all ratios are then the same block.
    """
    position, excitation = values["position"], values["excitation"]
    if position not in site.channels:
        raise UserError(
            f"site {site.name} offers no position `{position}`; it offers {', '.join(site.channels)}",
            hint=_position_hint(site),
            key="space.position",
        )
    if excitation not in EXCITATIONS:
        raise unknown("excitation", excitation, EXCITATIONS, key="space.excitation")
    channels = site.channels[position]
    hidden = _hidden(site, position, int(values["reduction"]), min_hidden) if excitation in REDUCING else 0
    return SE(values["squeeze"], spelled(excitation, channels, hidden), values["gate"], position)


def _position_hint(site: Site) -> str:
    """What to write instead of a position that a unit has not."""
    return f"write `position: [{next(iter(site.channels))}]`" + (
        ": the unit adds nothing, SE acts on what comes out of it" if "output" in site.channels else ""
    )


def _hidden(site: Site, position: str, reduction: int, min_hidden: int | None) -> int:
    """max(C // r, min_hidden). Raises UserError where nothing would be left."""
    channels = site.channels[position]
    if reduction < 1:
        raise UserError(f"reduction {reduction} is not a ratio; it must be at least 1", key="space.reduction")
    hidden = max(channels // reduction, min_hidden or 0)
    if hidden == 0:
        raise UserError(
            f"reduction {reduction} leaves no channel at site {site.name} ({channels} channels at {position})",
            hint=f"use at most {channels}, or set space.min_hidden: 1",
            key="space.reduction",
        )
    return hidden
