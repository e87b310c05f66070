"""The excitations: from what a squeeze leaves to what a gate turns into factors.

No torch is imported before it is used. A new form also has a row in :mod:`spaces.spelling`: keys are read and spaces
are counted without this package.
Shapes: N samples, C channels, H hidden units, S_a places along axis a; ``*spatial`` are all of a map's dimensions.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senet_nas.network.squeezes import AXES, CHANNELS, ELEMENTS, PLACES

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Excitation:
    """s = function(z, *layers). ``layers`` and ``params`` map C, the size in the name (0: none) and the number of axes.

    ``macs`` maps C, the size and the sides of the map. The layers whose names begin with ``last`` are those that s
    comes out of: one s for each, and its gate. ``bias`` says whether they have one. ``takes`` names what z may be;
    ``least_axes`` is the smallest number of spatial dimensions.
    """

    function: Callable[..., "Tensor | list[Tensor]"]
    layers: Callable[[int, int, int], Mapping[str, "nn.Module"]]
    params: Callable[[int, int, int], int]
    macs: Callable[[int, int, Sequence[int]], int]
    last: str = ""
    bias: bool = False
    takes: tuple[str, ...] = (CHANNELS,)
    least_axes: int = 1


def fc(z_NC: "Tensor", fc1: "nn.Module", fc2: "nn.Module") -> "Tensor":
    """W2 relu(W1 z): the paper's bottleneck (equation 3); 1x1 convolutions are the same function."""
    hidden_NH: Tensor = fc1(z_NC).relu()
    s_NC: Tensor = fc2(hidden_NH)
    return s_NC


def fcbn(z_NC: "Tensor", fc1: "nn.Module", norm: "nn.Module", fc2: "nn.Module") -> "Tensor":
    """W2 relu(norm(W1 z + b1)) + b2: the bottleneck with a BatchNorm, as in ReXNet (arXiv 2007.00992)."""
    hidden_NH: Tensor = norm(fc1(z_NC)).relu()
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


def ese(z_NC: "Tensor", fc: "nn.Module") -> "Tensor":
    """W z + b without a bottleneck: effective SE of VoVNet-v2 (arXiv 1911.06667, equation 3), C^2 weights."""
    s_NC: Tensor = fc(z_NC)
    return s_NC


def none(z: "Tensor") -> "Tensor":
    """z itself: nothing is learned (ECA-Net's "SE-Var1", SimAM)."""
    return z


def conv(z_N2S: "Tensor", conv: "nn.Module", norm: "nn.Module") -> "Tensor":
    """One number for each place, from k places each way around it: CBAM's spatial gate (arXiv 1807.06521, equation 3).

    The norm is that of the authors' code. s is (N, 1, *spatial).
    """
    s_N1S: Tensor = norm(conv(z_N2S))
    return s_N1S


def axes(z: "list[Tensor]", reduce: "nn.Module", norm: "nn.Module", *expand: "nn.Module") -> "list[Tensor]":
    """Of each axis W_a h_swish(norm(W z)): coordinate attention (arXiv 2103.02907, equations 6 to 8).

    The bottleneck and its norm are shared by the axes. s is (N, C, S_a) for each of them.
    """
    from torch import cat, split
    from torch.nn.functional import hardswish

    parts = [z[axis] for axis in range(len(expand))]
    hidden_NHS = hardswish(norm(reduce(cat(parts, 2))))
    pieces: Sequence[Tensor] = split(hidden_NHS, [part.shape[2] for part in parts], 2)
    return [layer(pieces[axis]) for axis, layer in enumerate(expand)]


def _linear_layers(channels: int, hidden: int, bias: bool) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"fc1": nn.Linear(channels, hidden, bias=bias), "fc2": nn.Linear(hidden, channels, bias=bias)}


def _normed_layers(channels: int, hidden: int, _: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    fc1, fc2 = _linear_layers(channels, hidden, bias=True).values()
    return {"fc1": fc1, "norm": nn.BatchNorm1d(hidden), "fc2": fc2}


def _neighbour_layers(_: int, kernel: int, n_axes: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"conv": nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)}


def _diagonal_layers(channels: int, _: int, n_axes: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"conv": nn.Conv1d(channels, channels, 1, groups=channels, bias=False)}


def _square_layers(channels: int, _: int, n_axes: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    return {"fc": nn.Linear(channels, channels)}


def _place_layers(_: int, kernel: int, n_axes: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n_axes - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[n_axes - 1]
    return {"conv": convolution(2, 1, kernel, padding=kernel // 2, bias=False), "norm": norm(1)}


def _axis_layers(channels: int, hidden: int, n_axes: int) -> Mapping[str, "nn.Module"]:
    from torch import nn

    expand = {f"expand{axis}": nn.Conv1d(hidden, channels, 1) for axis in range(n_axes)}
    return {"reduce": nn.Conv1d(channels, hidden, 1), "norm": nn.BatchNorm1d(hidden), **expand}


# By the form of their name, SE.form: `fc16` is of form fc and size 16.
EXCITATIONS: dict[str, Excitation] = {
    "fc": Excitation(
        fc,
        layers=lambda channels, hidden, _: _linear_layers(channels, hidden, bias=True),
        params=lambda channels, hidden, _: 2 * channels * hidden + channels + hidden,
        macs=lambda channels, hidden, _: 2 * channels * hidden,
        last="fc2",
        bias=True,
    ),
    "fcnb": Excitation(
        fc,
        layers=lambda channels, hidden, _: _linear_layers(channels, hidden, bias=False),
        params=lambda channels, hidden, _: 2 * channels * hidden,
        macs=lambda channels, hidden, _: 2 * channels * hidden,
        last="fc2",
    ),
    "fcbn": Excitation(
        fcbn,
        layers=_normed_layers,
        params=lambda channels, hidden, _: 2 * channels * hidden + channels + 3 * hidden,
        macs=lambda channels, hidden, _: 2 * channels * hidden,
        last="fc2",
        bias=True,
    ),
    "eca": Excitation(
        eca,
        layers=_neighbour_layers,
        params=lambda channels, kernel, _: kernel,
        macs=lambda channels, kernel, _: channels * kernel,
        last="conv",
    ),
    "diag": Excitation(
        diag,
        layers=_diagonal_layers,
        params=lambda channels, *_: channels,
        macs=lambda channels, *_: channels,
        last="conv",
    ),
    "ese": Excitation(
        ese,
        layers=_square_layers,
        params=lambda channels, *_: channels**2 + channels,
        macs=lambda channels, *_: channels**2,
        last="fc",
        bias=True,
    ),
    "none": Excitation(
        none,
        layers=lambda *_: {},
        params=lambda *_: 0,
        macs=lambda *_: 0,
        takes=(CHANNELS, ELEMENTS),
    ),
    "conv": Excitation(
        conv,
        layers=_place_layers,
        params=lambda _, kernel, n_axes: 2 * kernel**n_axes + 2,
        macs=lambda _, kernel, sides: 2 * kernel ** len(sides) * math.prod(sides),
        last="norm",
        bias=True,
        takes=(PLACES,),
    ),
    "axes": Excitation(
        axes,
        layers=_axis_layers,
        params=lambda channels, hidden, n_axes: (n_axes + 1) * channels * hidden + 3 * hidden + n_axes * channels,
        macs=lambda channels, hidden, sides: 2 * channels * hidden * sum(sides),
        last="expand",
        bias=True,
        takes=(AXES,),
        least_axes=2,
    ),
}
