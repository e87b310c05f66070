"""The squeezes: what of a feature map is left for the excitation. No torch is imported before it is used.

Most leave one number for each channel, as in the paper. Those of other operators keep some of the places:
what is left has a name, and only an excitation that takes it can follow.
Shapes: N samples, C channels, L places (all spatial dimensions flattened into one), S_a places along axis a; x is
(N, C, *spatial).

What squares, roots or powers does so in 32 bits and returns a number no larger than the map's largest, so that it is
finite wherever a bf16 or fp16 map is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# What is left: (N, C); (N, C, S_a) of each axis; (N, 2, *spatial), for which factors are (N, 1, *spatial);
# (N, C, *spatial).
CHANNELS = "channels"
AXES = "axes"
PLACES = "places"
ELEMENTS = "elements"
# Inside a root: its gradient is infinite at zero, and a dead or 1x1 feature map has no spread at all.
ROOT_EPS = 1e-5


@dataclass(frozen=True)
class Squeeze:
    """z = function(x), or function(x, weight) where it learns something: ``weight`` maps C to that tensor's shape.

    The weight begins as ``start``. ``macs`` maps (C, L) to multiply-adds of matrix products; pooling itself is counted
    as the paper counts it, one operation for each element. A function that is not ``traceable`` looks at sizes.
    ``leaves`` says what z is.
    """

    function: Callable[..., "Tensor | list[Tensor]"]
    weight: Callable[[int], tuple[int, ...]] | None = None
    start: float = 0.0
    macs: Callable[[int, int], int] = lambda channels, places: 0
    traceable: bool = True
    leaves: str = CHANNELS

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


def coord(x: "Tensor") -> "list[Tensor]":
    """For each axis the mean over all others, (N, C, S_a): coordinate attention (arXiv 2103.02907, equations 4, 5)."""
    axes = range(2, len(x.shape))
    return [x.mean([other for other in axes if other != axis]) for axis in axes]


def spatial(x: "Tensor") -> "Tensor":
    """Of each place the mean and the maximum over channels, (N, 2, *spatial): CBAM (arXiv 1807.06521, equation 3)."""
    from torch import cat

    return cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)


def simam(x: "Tensor") -> "Tensor":
    """How far each element stands out of its channel, (N, C, *spatial): SimAM (Yang et al., ICML 2021, equation 5).

    d^2 / (4 (v + 1e-4)) + 1/2, with d the distance from the channel's mean and v its variance, as in the authors' code.
    """
    x_NCL = x.flatten(2).float()
    squared_NCL = (x_NCL - x_NCL.mean(2, keepdim=True)).square()
    n_others = max(x_NCL.shape[2] - 1, 1)
    variance_NC1 = squared_NCL.sum(2, keepdim=True) / n_others
    return (squared_NCL / (4 * (variance_NC1 + 1e-4)) + 0.5).reshape_as(x).type_as(x)


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
    "coord": Squeeze(coord, traceable=False, leaves=AXES),
    "spatial": Squeeze(spatial, leaves=PLACES),
    "simam": Squeeze(simam, traceable=False, leaves=ELEMENTS),
}
