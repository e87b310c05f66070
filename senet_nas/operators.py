"""What SE is made of besides its two layers: squeezes and gates. Plain tensor methods, so that no torch is imported.

To add one, write its function and its row: configs, search, building, export and the contract tests find it there.
Shapes: N samples, C channels, L places (all spatial dimensions flattened into one).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spaces import SE, Architecture, Site, UserError
from spaces.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor

# Inside the root of std: its gradient is infinite at zero, and a dead or 1x1 feature map has no spread at all.
STD_EPS = 1e-5


def avg(x_NCL: "Tensor") -> "Tensor":
    """Mean over places: the paper's squeeze (Hu et al., arXiv 1709.01507, equation 2)."""
    return x_NCL.mean(2)


def maximum(x_NCL: "Tensor") -> "Tensor":
    """Maximum over places (paper, table 11)."""
    return x_NCL.amax(2)


def avgmax(x_NCL: "Tensor") -> "Tensor":
    """(mean + maximum) / 2: one descriptor, so the excitation runs once (CBAM runs it twice)."""
    return (x_NCL.mean(2) + x_NCL.amax(2)) * 0.5


def std(x_NCL: "Tensor") -> "Tensor":
    """sqrt(biased variance over places + 1e-5): finite gradient on constant maps."""
    return (x_NCL.var(2, unbiased=False) + STD_EPS).sqrt()


def sigmoid(s_NC: "Tensor") -> "Tensor":
    """1 / (1 + exp(-s)): the paper's gate (equation 3)."""
    return s_NC.sigmoid()


def hard_sigmoid(s_NC: "Tensor") -> "Tensor":
    """relu6(s + 3) / 6 (MobileNetV3, arXiv 1905.02244, section 5.2)."""
    return (s_NC + 3).clamp(0, 6) / 6


# x_NCL -> z_NC
SQUEEZES: dict[str, Callable[["Tensor"], "Tensor"]] = {"avg": avg, "max": maximum, "avgmax": avgmax, "std": std}
# s_NC -> factors_NC
GATES: dict[str, Callable[["Tensor"], "Tensor"]] = {"sigmoid": sigmoid, "hard_sigmoid": hard_sigmoid}


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


def _check_block(site: Site, se: SE) -> None:
    if se.squeeze not in SQUEEZES:
        raise unknown("squeeze", se.squeeze, SQUEEZES)
    if se.gate not in GATES:
        raise unknown("gate", se.gate, GATES)
    if se.position not in site.channels:
        raise unknown(f"position at site {site.name}", se.position, site.channels)
