"""What a config allows: the sites of a backbone, the values of each factor, and the SE that values mean at a site."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spaces.architecture import SE
from spaces.errors import UserError, unknown
from spaces.options import STRICT, option
from spaces.spelling import EXCITATIONS, OPERATORS, SE_OPERATOR, Choice, has_hidden_width

FACTORS = ("reduction", "position", "squeeze", "excitation", "gate", "operators")
Factor = Literal["reduction", "position", "squeeze", "excitation", "gate", "operators"]
Position = Literal["pre_addition", "post_addition", "pre_unit", "identity", "mid", "output"]
# What each position means, for a residual unit y = relu(P(x) + F(x)) with the shortcut P.
POSITIONS: dict[str, str] = {
    "pre_addition": "y = relu(P(x) + SE(F(x))): the paper's SE",
    "post_addition": "y = SE(relu(P(x) + F(x))): the paper's SE-POST",
    "pre_unit": "y = relu(P(x) + F(SE(x))): the paper's SE-PRE; the shortcut sees x without SE",
    "identity": "y = relu(SE(P(x)) + F(x)): the paper's SE-Identity",
    "mid": "inside F, after its middle convolution, on that one's width: the paper's SE_3x3",
    "output": "on the output of a unit without an addition",
}


@dataclass(frozen=True)
class Site:
    """One unit of a backbone that can take SE. ``name`` is ``stage.block``; ``channels`` maps position to width.

    ``published`` is the SE that the unit has in the network as it is published; the plain network is without it.
    """

    name: str
    stage: int
    channels: Mapping[str, int] = field(hash=False)
    published: SE | None = field(default=None, compare=False)


@dataclass(frozen=True)
class SpaceSpec:
    """The ``space`` section of a config: which placements are compared."""

    __pydantic_config__ = STRICT
    granularity: Literal["stage", "block"] = option(
        "stage", "SE is switched on and off for a whole stage, or for each block"
    )
    tie: Literal["all", "none"] | tuple[Factor, ...] = option(
        "all", "factors that have one value throughout the network: all, none, or a list of names"
    )
    stages: tuple[int, ...] | None = option(None, "stages that may get SE, counted from 1; default: all", min_length=1)
    sites: tuple[str, ...] | None = option(
        None, "blocks that may get SE, as stage.block, e.g. '3.0'; default: all", min_length=1
    )
    reduction: tuple[int, ...] = option((4, 16), "reduction ratios r; the hidden width is channels // r", min_length=1)
    position: tuple[Position, ...] = option(
        ("pre_addition", "post_addition"),
        "where in a unit SE acts: pre_addition (as in the paper), post_addition, pre_unit, identity, mid, output; "
        "default for the `sites` of your own network: [output]",
        min_length=1,
    )
    squeeze: tuple[str, ...] = option(
        ("avg", "max"), "how a channel becomes one number; avg as in the paper", min_length=1
    )
    excitation: tuple[str, ...] = option(
        ("fc",),
        "network between squeeze and gate: fc is the bottleneck of the paper, fcnb is fc without biases, fcbn with a "
        "BatchNorm; eca, eca3 to eca9, diag, ese and none have no reduction",
        min_length=1,
    )
    gate: tuple[str, ...] = option(
        ("sigmoid",), "function that turns excitations into scale factors; sigmoid as in the paper", min_length=1
    )
    operators: tuple[str, ...] = option(
        (SE_OPERATOR,),
        "attention that is compared: se is what squeeze and excitation say; ese, coord, spatial and simam are whole "
        "operators of other papers, which take position and gate, and coord a reduction",
        min_length=1,
    )
    min_hidden: int | None = option(None, "smallest hidden width; without it, channels // r = 0 is an error", ge=1)

    def tied(self) -> tuple[str, ...]:
        if self.tie == "all":
            return FACTORS
        return tuple(name for name in FACTORS if name in self.tie) if self.tie != "none" else ()

    def values(self, factor: str) -> tuple[str, ...]:
        """The distinct values of a factor, as text, in the order of the config."""
        return tuple(dict.fromkeys(str(value) for value in getattr(self, factor)))


def fill(site: Site, values: Mapping[str, str], min_hidden: int | None = None) -> SE:
    """The SE that factor values mean at a site, with the ratio that was asked for. Raises UserError.

    An excitation without a hidden width has no ratio: all values of ``reduction`` are then the same SE.
    """
    position = values["position"]
    if position not in site.channels:
        raise UserError(
            f"site {site.name} offers no position `{position}`; it offers {', '.join(site.channels)}",
            hint=_position_hint(site),
            key="space.position",
        )
    chosen = _choice(values)
    channels = site.channels[position]
    ratio = int(values["reduction"]) if has_hidden_width(chosen.form) else None
    if ratio is not None:
        size = _checked_width(site, position, ratio, min_hidden)
    elif chosen.form == "eca":
        size = chosen.kernel or eca_kernel(channels)
    else:
        size = chosen.kernel or 0
    return SE(chosen.squeeze or values["squeeze"], chosen.form, size, values["gate"], position, ratio)


def _choice(values: Mapping[str, str]) -> Choice:
    """The operator of factor values, or, if it is SE, their excitation. Raises UserError for an unknown name."""
    operator = values.get("operators", SE_OPERATOR)
    if operator not in OPERATORS:
        raise unknown("operator", operator, OPERATORS, key="space.operators")
    if (whole := OPERATORS[operator]) is not None:
        return whole
    excitation = values["excitation"]
    if excitation not in EXCITATIONS:
        raise unknown("excitation", excitation, EXCITATIONS, key="space.excitation")
    return EXCITATIONS[excitation]


def hidden_width(channels: int, ratio: int, min_hidden: int | None) -> int:
    """max(C // r, min_hidden): the hidden width that a ratio means; 0 if it leaves none."""
    return max(channels // ratio, min_hidden or 0)


def eca_kernel(channels: int) -> int:
    """The kernel for C channels: (log2 C + 1) / 2 rounded down, and up to an odd number (ECA-Net, arXiv 1910.03151)."""
    return int((math.log2(channels) + 1) / 2) | 1


def _position_hint(site: Site) -> str:
    """What to write instead of a position that the unit does not have."""
    hint = f"write `position: [{next(iter(site.channels))}]`"
    if len(site.channels) == 1:
        hint += ", the only position that this unit offers"
    return hint


def _checked_width(site: Site, position: str, ratio: int, min_hidden: int | None) -> int:
    """The hidden width of a ratio at a site. Raises UserError if none is left."""
    if ratio < 1:
        raise UserError(f"reduction {ratio} is not a ratio; it must be at least 1", key="space.reduction")
    channels = site.channels[position]
    hidden = hidden_width(channels, ratio, min_hidden)
    if hidden == 0:
        raise UserError(
            f"reduction {ratio} leaves no channel at site {site.name} ({channels} channels at {position})",
            hint=f"use at most {channels}, or set space.min_hidden: 1",
            key="space.reduction",
        )
    return hidden
