"""What SE is made of: squeezes, excitations and gates, each with what it costs. No torch is imported before it is used.

To add one, write its function and its row: configs, search, building, export and the contract tests find it there.
Shapes: N samples, C channels, L places (all spatial dimensions flattened into one); x is (N, C, *spatial).

What squares, roots or powers does so in 32 bits and returns a number no larger than the map's largest, so that it is
finite wherever a bf16 or fp16 map is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spaces import SE, Architecture, Site, UserError
from spaces.errors import unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

# Inside a root: its gradient is infinite at zero, and a dead or 1x1 feature map has no spread at all.
ROOT_EPS = 1e-5


# -- squeezes: x -> z_NC ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Squeeze:
    """z_NC = function(x), or function(x, weight) where it learns something: ``weight`` maps C to that tensor's shape.

    The weight begins as ``start``. ``macs`` maps (C, L) to multiply-adds of matrix products; pooling itself is counted
    as the paper counts it, one operation for each element. A function that is not ``traceable`` looks at sizes.
    """

    function: Callable[..., "Tensor"]
    weight: Callable[[int], tuple[int, ...]] | None = None
    start: float = 0.0
    macs: Callable[[int, int], int] = lambda channels, places: 0
    traceable: bool = True

    def params(self, channels: int) -> int:
        return math.prod(self.weight(channels)) if self.weight else 0


def avg(x: "Tensor") -> "Tensor":
    """Mean over places: the paper's squeeze (Hu et al., arXiv 1709.01507, equation 2)."""
    return x.flatten(2).mean(2)


def maximum(x: "Tensor") -> "Tensor":
    """Maximum over places (paper, table 11)."""
    return x.flatten(2).amax(2)


def avgmax(x: "Tensor") -> "Tensor":
    """(mean + maximum) / 2: one descriptor, so the excitation runs once (CBAM, arXiv 1807.06521, runs it twice)."""
    x_NCL = x.flatten(2)
    return x_NCL.mean(2) * 0.5 + x_NCL.amax(2) * 0.5


def std(x: "Tensor") -> "Tensor":
    """sqrt(biased variance over places + 1e-5): the second half of SRM's style pooling (arXiv 1903.10829)."""
    return (x.flatten(2).float().var(2, unbiased=False) + ROOT_EPS).sqrt().type_as(x)


def l2(x: "Tensor") -> "Tensor":
    """sqrt(mean over places of x^2 + 1e-5): the norm of GCT (arXiv 1909.11519) over sqrt(L).

    Without the division it would grow with the resolution, and past fp16. GCT's own form is ``l2:diag:tanh``, less its
    normalisation over channels and its bias.
    """
    return (x.flatten(2).float().square().mean(2) + ROOT_EPS).sqrt().type_as(x)


def gem(x: "Tensor", weight: "Tensor") -> "Tensor":
    """(mean over places of max(x, 1e-6)^p)^(1/p), p = max(weight, 1): generalised mean (arXiv 1711.02512).

    p = 1 is the mean of what is positive, p = infinity the maximum; one p per block is learned, from 3. Each map is
    divided by its maximum first, which cancels, so that no power overflows. Negative values count as 1e-6.
    """
    x_NCL = x.flatten(2).float().clamp(min=1e-6)
    p = weight.float().clamp(min=1)
    top_NC1 = x_NCL.amax(2, keepdim=True).detach()
    z_NC = (x_NCL / top_NC1).pow(p).mean(2).pow(p.reciprocal())
    return (z_NC * top_NC1.squeeze(2)).type_as(x)


def attention(x: "Tensor", weight: "Tensor") -> "Tensor":
    """Mean over places, weighted by softmax(w x): the context of GCNet (arXiv 1904.11492).

    Starts as ``avg``, w = 0. GCNet's query also has a bias, which the softmax cannot see.
    """
    x_NCL = x.flatten(2)
    a_N1L = (weight @ x_NCL).float().softmax(2).type_as(x)
    return (x_NCL * a_N1L).sum(2)


def dct(x: "Tensor") -> "Tensor":
    """Mean over places of x_c times a cosine: the 16 lowest frequencies, each for C / 16 channels in a row.

    FcaNet (arXiv 2012.11879) with its low-frequency choice. The basis is that of the map's own size,
    so that no resolution is built in, and is not normalised: frequency 0 is ``avg``.
    """
    import itertools
    import math

    sizes = x.shape[2:]
    n_channels = x.shape[1]
    all_frequencies = itertools.product(*(range(min(size, 16)) for size in sizes))
    lowest = sorted(all_frequencies, key=lambda numbers: (sum(numbers), numbers))[: min(16, n_channels)]
    basis_KL = x.new_ones(len(lowest), 1).float()
    for size, numbers in zip(sizes, zip(*lowest, strict=True), strict=True):
        centres_S = x.new_ones(size).float().cumsum(0) - 0.5
        # One number at a time: a list would be copied from the host, which a GPU waits for.
        turns_KS = basis_KL.new_zeros(len(numbers), size)
        for row_S, number in zip(turns_KS, numbers, strict=True):
            row_S.copy_(centres_S * number)
        wave_KS = (turns_KS * (math.pi / size)).cos()
        basis_KL = (basis_KL.unsqueeze(2) * wave_KS.unsqueeze(1)).flatten(1)
    row_C = ((x.new_ones(n_channels).float().cumsum(0) - 1) * len(lowest) / n_channels).long()
    return (x.flatten(2) * basis_KL[row_C]).mean(2).type_as(x)


SQUEEZES: dict[str, Squeeze] = {
    "avg": Squeeze(avg),
    "max": Squeeze(maximum),
    "avgmax": Squeeze(avgmax),
    "std": Squeeze(std),
    "l2": Squeeze(l2),
    "gem": Squeeze(gem, weight=lambda channels: (1,), start=3.0),
    "attention": Squeeze(
        attention, weight=lambda channels: (1, channels), macs=lambda channels, places: channels * places
    ),
    "dct": Squeeze(dct, traceable=False),
}


# -- excitations: z_NC -> s_NC ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Excitation:
    """s_NC = function(z_NC, *layers): ``layers``, ``params`` and ``macs`` map C and the size in the name (0: none).

    ``last`` names the layer that s_NC comes out of, and ``bias`` says whether it has one.
    """

    function: Callable[..., "Tensor"]
    layers: Callable[[int, int], Mapping[str, "nn.Module"]]
    params: Callable[[int, int], int]
    macs: Callable[[int, int], int]
    last: str
    bias: bool = False


def fc(z_NC: "Tensor", fc1: "nn.Module", fc2: "nn.Module") -> "Tensor":
    """W2 relu(W1 z): the paper's bottleneck (equation 3); 1x1 convolutions are the same function."""
    hidden_NH: Tensor = fc1(z_NC).relu()
    s_NC: Tensor = fc2(hidden_NH)
    return s_NC


def eca(z_NC: "Tensor", conv: "nn.Module") -> "Tensor":
    """Convolution over k neighbouring channels (ECA-Net, arXiv 1910.03151): k weights in all."""
    s_NC: Tensor = conv(z_NC.unsqueeze(1)).squeeze(1)
    return s_NC


def diag(z_NC: "Tensor", conv: "nn.Module") -> "Tensor":
    """w_c z_c: each channel by itself (ECA-Net's "SE-Var2")."""
    s_NC: Tensor = conv(z_NC.unsqueeze(2)).squeeze(2)
    return s_NC


def _linear_layers(channels: int, hidden: int, bias: bool) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"fc1": nn.Linear(channels, hidden, bias=bias), "fc2": nn.Linear(hidden, channels, bias=bias)}


def _neighbour_layers(_: int, kernel: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"conv": nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)}


def _diagonal_layers(channels: int, _: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"conv": nn.Conv1d(channels, channels, 1, groups=channels, bias=False)}


# By the form of their name, SE.form: `fc16` is of form fc and size 16.
EXCITATIONS: dict[str, Excitation] = {
    "fc": Excitation(
        fc,
        layers=lambda channels, hidden: _linear_layers(channels, hidden, bias=True),
        params=lambda channels, hidden: 2 * channels * hidden + channels + hidden,
        macs=lambda channels, hidden: 2 * channels * hidden,
        last="fc2",
        bias=True,
    ),
    "fcnb": Excitation(
        fc,
        layers=lambda channels, hidden: _linear_layers(channels, hidden, bias=False),
        params=lambda channels, hidden: 2 * channels * hidden,
        macs=lambda channels, hidden: 2 * channels * hidden,
        last="fc2",
    ),
    "eca": Excitation(
        eca,
        layers=_neighbour_layers,
        params=lambda channels, kernel: kernel,
        macs=lambda channels, kernel: channels * kernel,
        last="conv",
    ),
    "diag": Excitation(
        diag,
        layers=_diagonal_layers,
        params=lambda channels, _: channels,
        macs=lambda channels, _: channels,
        last="conv",
    ),
}


# -- gates: s_NC -> factors_NC ----------------------------------------------------------------------------------------


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


def _check_block(site: Site, se: SE) -> None:
    if se.squeeze not in SQUEEZES:
        raise unknown("squeeze", se.squeeze, SQUEEZES)
    if se.gate not in GATES:
        raise unknown("gate", se.gate, GATES)
    if se.position not in site.channels:
        raise unknown(f"position at site {site.name}", se.position, site.channels)
