"""The SE block, the slots that wait for one, and the units that own them."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from senet_nas.network.excitations import EXCITATIONS
from senet_nas.network.operators import GATES, check_axes
from senet_nas.network.squeezes import AXES, CHANNELS, SQUEEZES
from spaces import SE

Forward = Callable[[Tensor], Tensor]


class Slot(nn.Module):
    """y = x: a place for SE on ``channels`` channels. It adds nothing to the state dict."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x

    def extra_repr(self) -> str:
        return str(self.channels)


class Squeeze(nn.Module):
    """z = SQUEEZES[name](x), with the one tensor that some of them learn as ``weight``."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        row = SQUEEZES[name]
        self.name = name
        self._function = row.function
        if row.weight is not None:
            self.weight = nn.Parameter(torch.full(row.weight(channels), row.start))

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        return self._function(x, *(getattr(self, name) for name in self._parameters))

    def extra_repr(self) -> str:
        return self.name


class Gate(nn.Module):
    """GATES[name](s): a module of its own, so that a forward hook sees the factors."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._function = GATES[name].function

    def forward(self, s_NC: Tensor) -> Tensor:
        return self._function(s_NC)

    def extra_repr(self) -> str:
        return self.name


class SqueezeExcitation(nn.Module):
    """y = x * gate(excitation(squeeze(x))), on ``(N, C, *spatial)`` with any number of spatial dimensions.

    Hu et al., arXiv 1709.01507, equations 2 to 4. ``channels`` is C; ``se`` names the three operators. Field embeddings
    (N, F, E) are F channels of E places. The excitation's layers are children: ``fc1`` and ``fc2``, or ``conv``.
    Operators that keep places have a factor for each place, each element, or each row and column instead of each
    channel; some have layers for maps with ``n_axes`` spatial dimensions only. Raises UserError if there is none.
    """

    def __init__(self, channels: int, se: SE, n_axes: int = 2) -> None:
        super().__init__()
        check_axes(se, n_axes)
        self.channels = channels
        self.se = se
        self.squeeze = Squeeze(se.squeeze, channels)
        row = EXCITATIONS[se.form]
        layers = row.layers(channels, se.size, n_axes)
        self._excite = row.function
        self._layers = tuple(layers)
        self._scale = _SCALES.get(SQUEEZES[se.squeeze].leaves, _by_element)
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.gate = Gate(se.gate)

    def forward(self, x: Tensor) -> Tensor:
        s = self._excite(self.squeeze(x), *(getattr(self, name) for name in self._layers))
        return self._scale(x, s, self.gate)

    def extra_repr(self) -> str:
        return f"channels={self.channels}"


def _by_channel(x: Tensor, s_NC: Tensor, gate: Forward) -> Tensor:
    factors_NC = gate(s_NC)
    return (x.flatten(2) * factors_NC.unsqueeze(2)).reshape_as(x)  # flattened is a view, of channels_last tensors too


def _by_element(x: Tensor, s: Tensor, gate: Forward) -> Tensor:
    """``s``: (N, C, *spatial), or (N, 1, *spatial) for all channels alike."""
    return x * gate(s)


def _by_axis(x: Tensor, s: Sequence[Tensor], gate: Forward) -> Tensor:
    """``s``: (N, C, S_a) of each axis a."""
    for axis, s_NCS in enumerate(s):
        factors = gate(s_NCS)
        for other in range(len(s)):
            if other != axis:
                factors = factors.unsqueeze(2 + other)
        x = x * factors
    return x


# How factors are applied, by what the squeeze leaves.
_SCALES: dict[str, Callable[..., Tensor]] = {CHANNELS: _by_channel, AXES: _by_axis}


class ResidualUnit:
    """y = post_addition(relu(identity(P(x)) + pre_addition(F(pre_unit(x))))), ``mid`` inside F (paper, section 6.5).

    For a module to inherit. It calls ``add_slots`` and gives F, ending at its last BatchNorm, as ``residual``, and P as
    ``downsample``, None if the shortcut is the input itself. The paper leaves three choices open; they are made here:

    * ``pre_unit`` gates the residual branch alone: if it gated the shortcut as well, it would be the ``post_addition``
      of the unit before.
    * ``identity`` acts after the projection, so that its width is ``c_out`` in every unit of a stage.
    * ``mid`` (SE_3x3) acts after the BatchNorm and ReLU of the 3x3 convolution, as in RegNet (arXiv 2003.13678); in a
      unit of two 3x3 convolutions after those of the first.
    """

    pre_addition: Forward
    post_addition: Forward
    pre_unit: Forward
    identity: Forward
    mid: Forward
    downsample: Forward | None
    relu: Forward

    def add_slots(self, c_in: int, c_out: int, c_mid: int | None = None) -> None:
        """Put an empty slot at each position: ``c_in`` channels before the unit, ``c_out`` after it, ``c_mid`` inside.

        Without ``c_mid`` the unit offers no ``mid``; with it, ``residual`` calls ``self.mid``.
        """
        self.pre_addition = Slot(c_out)
        self.post_addition = Slot(c_out)
        self.pre_unit = Slot(c_in)
        self.identity = Slot(c_out)
        if c_mid is not None:
            self.mid = Slot(c_mid)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        """F(x): the residual branch up to and including its last BatchNorm."""
        raise NotImplementedError

    def forward(self, x_NCHW: Tensor) -> Tensor:
        shortcut = x_NCHW if self.downsample is None else self.downsample(x_NCHW)
        y_NCHW = self.pre_addition(self.residual(self.pre_unit(x_NCHW)))
        return self.post_addition(self.relu(y_NCHW + self.identity(shortcut)))


class WithOutput:
    """y = output(F(x)): a module of another class with a slot behind it. :func:`add_output` makes one."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = super().forward(x_NCHW)  # type: ignore[misc]
        gated_NCHW: Tensor = getattr(self, slot_name(self, OUTPUT))(y_NCHW)
        return gated_NCHW


OUTPUT = "output"
# Names of a slot in a module of somebody else: the first that the module does not use itself.
_NAMES = (OUTPUT, "se_output", "senet_search_output")
# Where such a module notes another name than OUTPUT.
_NOTE = "_senet_search_slot"


def add_output(unit: nn.Module, channels: int) -> nn.Module:
    """The unit itself, which now offers position ``output`` on the ``channels`` channels of its output.

    Its class becomes a subclass, as in ``torch.nn.utils.parametrize``; a Sequential just gets one more child. So there
    are no hooks, names in the state dict stay, and copies, traces and exports see an ordinary module. The unit must
    take one tensor and return one.
    """
    name = next(name for name in _NAMES if not hasattr(unit, name))
    if name != OUTPUT:
        vars(unit)[_NOTE] = name
    if type(unit).forward is not nn.Sequential.forward:
        unit.__class__ = _with_output(type(unit))  # type: ignore[arg-type]
    unit.add_module(name, Slot(channels))
    return unit


def slot_name(unit: object, position: str) -> str:
    """The name of the child of a unit that stands at a position: the position, unless the unit uses that name."""
    return str(vars(unit).get(_NOTE, position)) if position == OUTPUT else position


def position_of(unit: object, name: str) -> str:
    """The position at which the child ``name`` of a unit stands: the reverse of :func:`slot_name`."""
    return OUTPUT if name == vars(unit).get(_NOTE) else name


@functools.cache
def _with_output(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (WithOutput, kind), {})
