"""What SE is made of: squeeze, excitation and gate; this file has the gates, and what a whole SE block costs.

Squeezes are in :mod:`senet_nas.network.squeezes`, excitations in :mod:`senet_nas.network.excitations`. To add one of
the three, write its function and its row: configs, search, building, export and the contract tests find it there. No
torch is imported before it is used.
Shapes: N samples, C channels; s and the factors are those of the excitation.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senet_nas.network.excitations import EXCITATIONS
from senet_nas.network.squeezes import SQUEEZES
from spaces import SE, Architecture, Site, UserError
from spaces.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor


# -- gates: s -> factors, elementwise ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Factor:
    """factors_NC = function(s_NC). At s = ``one`` the factor is exactly 1, at s = 0 it is ``at_zero``."""

    function: Callable[["Tensor"], "Tensor"]
    at_zero: float
    one: float | None = None


def sigmoid(s_NC: "Tensor") -> "Tensor":
    """1 / (1 + exp(-s)): the paper's gate (equation 3)."""
    return s_NC.sigmoid()


def hard_sigmoid(s_NC: "Tensor") -> "Tensor":
    """relu6(s + 3) / 6 (MobileNetV3, arXiv 1905.02244, section 5.2)."""
    return (s_NC + 3).clamp(0, 6) / 6


def sigmoid2(s_NC: "Tensor") -> "Tensor":
    """2 sigmoid(s): 1 at s = 0 (LHUC, arXiv 1601.02828; NFNet, arXiv 2102.06171)."""
    return s_NC.sigmoid() * 2


def hard_sigmoid2(s_NC: "Tensor") -> "Tensor":
    """relu6(s + 3) / 3: twice ``hard_sigmoid``, 1 at s = 0."""
    return (s_NC + 3).clamp(0, 6) / 3


def tanh(s_NC: "Tensor") -> "Tensor":
    """1 + tanh(s): the gate of GCT (arXiv 1909.11519). The paper's table 12 has tanh(s) alone."""
    return s_NC.tanh() + 1


def relu(s_NC: "Tensor") -> "Tensor":
    """max(s, 0): the paper's table 12, where it is worse than no SE at all."""
    return s_NC.relu()


GATES: dict[str, Factor] = {
    "sigmoid": Factor(sigmoid, at_zero=0.5),
    "hard_sigmoid": Factor(hard_sigmoid, at_zero=0.5),
    "sigmoid2": Factor(sigmoid2, at_zero=1.0, one=0.0),
    "hard_sigmoid2": Factor(hard_sigmoid2, at_zero=1.0, one=0.0),
    "tanh": Factor(tanh, at_zero=1.0, one=0.0),
    "relu": Factor(relu, at_zero=0.0, one=1.0),
}


def check(architecture: Architecture, sites: Sequence[Site]) -> Architecture:
    """The architecture itself, if a network with these sites can be built from it. Raises UserError."""
    if len(architecture.blocks) != len(sites):
        raise UserError(
            f"`{architecture}` has {len(architecture.blocks)} fields, but {architecture.backbone} has {len(sites)} "
            "sites; write one field for each site",
            hint="`-` is a site without SE",
        )
    for site, se in zip(sites, architecture.blocks, strict=True):
        if se is not None:
            _check_block(site, se)
    return architecture


def params(channels: int, n_axes: int, se: SE) -> int:
    """The parameters of an SE block on C channels of maps with ``n_axes`` spatial dimensions."""
    return SQUEEZES[se.squeeze].params(channels) + EXCITATIONS[se.form].params(channels, se.size, n_axes)


def macs(channels: int, sides: Sequence[int], se: SE) -> int:
    """The multiply-adds of the layers of an SE block on a map (C, *sides)."""
    return SQUEEZES[se.squeeze].macs(channels, math.prod(sides)) + EXCITATIONS[se.form].macs(channels, se.size, sides)


def check_axes(se: SE, n_axes: int) -> None:
    """Raises UserError if an SE block cannot act on maps with this number of spatial dimensions."""
    least = EXCITATIONS[se.form].least_axes
    if n_axes < least:
        raise UserError(
            f"`{se}` needs at least {least} spatial dimensions: it has factors for rows and for columns; "
            f"the maps here have {n_axes}",
            hint="leave out coord; spatial, simam and ese work on signals",
            key="space.operators",
        )


def _check_block(site: Site, se: SE) -> None:
    if se.squeeze not in SQUEEZES:
        raise unknown("squeeze", se.squeeze, SQUEEZES)
    if se.gate not in GATES:
        raise unknown("gate", se.gate, GATES)
    if se.position not in site.channels:
        raise unknown(f"position at site {site.name}", se.position, site.channels)
    check_pair(se)


def check_pair(se: SE) -> None:
    """Raises UserError if the excitation of an SE block does not take what its squeeze leaves."""
    left = SQUEEZES[se.squeeze].leaves
    if left not in EXCITATIONS[se.form].takes:
        allowed = [form for form, row in EXCITATIONS.items() if left in row.takes]
        raise UserError(
            f"`{se}`: {se.form} does not take what {se.squeeze} leaves",
            hint=f"after {se.squeeze}, write {' or '.join(allowed)}",
            key="space.excitation",
        )
