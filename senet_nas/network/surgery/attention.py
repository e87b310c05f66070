"""Attention that a network has already, recognised by what it computes, whatever its class is called.

A module is one if it multiplies its input by factors that follow from it: of each channel, as SE of torchvision and
timm, ECA (arXiv 1910.03151) and effective SE (arXiv 1911.06667) do, of each place for all channels alike, as the
spatial gate of CBAM (arXiv 1807.06521), or of each row times of each column (coordinate attention, arXiv 2103.02907).
If one of our blocks with the same weights computes the same, the module is that block.
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from senet_nas.network.excitations import EXCITATIONS
from senet_nas.network.operators import GATES
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.network.squeezes import SQUEEZES
from senet_nas.network.surgery.layer_kinds import has_own_forward, is_norm, is_weight
from senet_nas.user_code import evaluating
from spaces import SE

_TOLERANCE = 1e-4
_MOST_LAYERS = 3
_ANY_CHANNELS = 12
_PLACES = 5
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# Where it stands is not known yet.
_NOWHERE = "output"
_BOTTLENECKS = ("fc", "fcnb", "fcbn")
# Activations of the hidden layer that ours lacks; the paper's is ReLU (arXiv 1709.01507, equation 3).
_OTHER_HIDDEN: dict[str, Callable[[Tensor], Tensor]] = {
    "SiLU": nn.functional.silu,
    "GELU": nn.functional.gelu,
    "Hardswish": nn.functional.hardswish,
    "LeakyReLU": nn.functional.leaky_relu,
}


@dataclass(frozen=True)
class Attention:
    """One module: its class, the block that is the same, and in what this differs; without a block, why there is none.

    The position of the block is not its own yet.
    """

    kind: str
    se: SE | None
    note: str = ""


class Marker(nn.Identity):
    """Stands for an attention while units are looked for; ``has_block``: a block of ours can stand for it."""

    def __init__(self, has_block: bool) -> None:
        super().__init__()
        self.has_block = has_block


def attention_of(network: nn.Module, dimensions: int) -> dict[str, Attention]:
    """The attention in a network, by path; the values of its weights do not matter."""
    known: dict[str, Attention | None] = {}
    found: dict[str, Attention] = {}
    for path, module in network.named_modules():
        if not _may_be(module) or any(path.startswith(f"{outer}.") for outer in found):
            continue
        text = f"{type(module)} {module!r}"
        if text not in known:
            known[text] = _recognised(module, dimensions)
        attention = known[text]
        if attention is not None:
            found[path] = attention
    return found


def _may_be(module: nn.Module) -> bool:
    layers = _layers(module)
    return has_own_forward(module) and 0 < len(layers) <= _MOST_LAYERS and all(map(_is_pointwise, layers))


def _layers(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if is_weight(part)]


def _is_pointwise(layer: nn.Module) -> bool:
    is_of_places = _weight(layer).shape[:2] == (1, 2) if hasattr(layer, "kernel_size") else False
    return isinstance(layer, nn.Linear | nn.Conv1d) or set(getattr(layer, "kernel_size", (0,))) == {1} or is_of_places


def _recognised(module: nn.Module, dimensions: int) -> Attention | None:
    """What kind of attention a module is; None if it is none."""
    layers = _layers(module)
    first = _weight(layers[0])
    channels = _ANY_CHANNELS if first.shape[0] == 1 and first.shape[1] <= 2 else int(first.shape[1])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        drawn = _drawn(module)
        if drawn is None or not _is_attention(drawn, channels, dimensions):
            return None
        return _same_block(drawn, channels, dimensions)


def _drawn(module: nn.Module) -> nn.Module | None:
    """A copy with random weights: those of a network that was just made may be zero."""
    try:
        copied = evaluating(copy.deepcopy(module).to("cpu"))
    except Exception:  # a module of the user's may refuse; it is an ordinary one then
        return None
    for parameter in copied.parameters():
        parameter.normal_(0, max(parameter[0].numel(), 1) ** -0.5 if parameter.ndim > 1 else 0.5)
    return copied


def _is_attention(module: nn.Module, channels: int, dimensions: int) -> bool:
    sides = range(_PLACES, _PLACES + dimensions)
    drawn = torch.rand(2, channels, *sides) + 0.5
    factors = []
    for x in (drawn, -drawn):  # of both signs: a hidden layer of one unit may be dead for one of them
        try:
            y = module(x)
        except Exception:  # it takes other inputs, so it is another module
            return False
        if not isinstance(y, Tensor) or y.shape != x.shape or not _are_factors(y / x):
            return False
        factors.append(y / x)
    one, other = factors
    return not torch.allclose(one, other, atol=_TOLERANCE)


def _are_factors(found: Tensor) -> bool:
    """Whether these are factors of channels, of places, or of rows times columns: (N, C, *spatial)."""
    alike = [found.mean(tuple(range(2, found.ndim)), keepdim=True), found.mean(1, keepdim=True)]
    if found.ndim == 4:
        alike.append(found[:, :, :1] * found[..., :1] / found[:, :, :1, :1])
    return any(torch.allclose(found, one.expand_as(found), atol=_TOLERANCE) for one in alike)


# -- the same block ---------------------------------------------------------------------------------------------------


def _same_block(module: nn.Module, channels: int, dimensions: int) -> Attention:
    """The block of ours that computes the same as an attention with these weights."""
    kind = type(module).__name__
    layers = _layers(module)
    norms = [part for part in module.modules() if is_norm(part)]
    forms = list(_forms(layers, norms, channels))
    if not forms:
        return Attention(kind, None, "its layers are not those of a block of ours")
    x = torch.randn(2, channels, *range(_PLACES, _PLACES + dimensions))
    expected = module(x)
    for (form, size), squeeze, gate in itertools.product(forms, SQUEEZES, GATES):
        if SQUEEZES[squeeze].weight is not None or SQUEEZES[squeeze].leaves not in EXCITATIONS[form].takes:
            continue
        se = SE(squeeze, form, size, gate, _NOWHERE)
        block = SqueezeExcitation(channels, se, dimensions).eval()
        _take(block, module)
        if torch.allclose(block(x), expected, atol=_TOLERANCE):
            return Attention(kind, se)
        for name in _OTHER_HIDDEN if form in _BOTTLENECKS else ():
            if torch.allclose(_with_hidden(block, _OTHER_HIDDEN[name], x), expected, atol=_TOLERANCE):
                return Attention(kind, se, f"its hidden activation is {name}, ours is ReLU")
    return Attention(kind, None, "no block of ours computes the same")


def _forms(layers: Sequence[nn.Module], norms: Sequence[nn.Module], channels: int) -> Iterator[tuple[str, int]]:
    """The form and the size of an excitation with such layers and norms."""
    shapes = [tuple(_weight(layer).shape) for layer in layers]
    biases = [getattr(layer, "bias", None) is not None for layer in layers]
    if len(shapes) == 2 and shapes[0][:2] == shapes[1][1::-1] and shapes[1][0] == channels and len(set(biases)) == 1:
        form = "fc" if biases[0] else "fcnb"
        if not norms:
            yield form, shapes[0][0]
        elif biases[0] and [isinstance(norm, _BATCH_NORMS) for norm in norms] == [True]:
            yield "fcbn", shapes[0][0]
    elif len(shapes) == 1 and shapes[0][:2] == (1, 1) and len(shapes[0]) == 3 and not biases[0] and shapes[0][2] % 2:
        yield "eca", shapes[0][2]
    elif (
        len(shapes) == 1 and shapes[0][:2] == (channels, channels) and math.prod(shapes[0]) == channels**2 and biases[0]
    ):
        yield "ese", 0
    elif len(shapes) == 1 and shapes[0][:2] == (channels, 1) and math.prod(shapes[0]) == channels and not biases[0]:
        yield "diag", 0
    elif len(shapes) == 1 and shapes[0][:2] == (1, 2) and not biases[0] and len(set(shapes[0][2:])) == len(norms) == 1:
        yield "conv", shapes[0][2]
    elif len(shapes) == 3 and shapes[1][:2] == shapes[2][:2] == (channels, shapes[0][0]) and len(norms) == 1:
        yield "axes", shapes[0][0]


def _take(block: SqueezeExcitation, module: nn.Module) -> None:
    """Copies the weights and the statistics of the layers of a module into those of a block, in order."""
    own, others = ([part for part in one.modules() if is_weight(part) or is_norm(part)] for one in (block, module))
    for mine, theirs in zip(own, others, strict=True):
        given = theirs.state_dict()
        for name, value in mine.state_dict().items():
            value.copy_(given[name].reshape(value.shape))


def _with_hidden(block: SqueezeExcitation, active: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a block computes with another activation of its hidden layer."""
    hidden = block.get_submodule("fc1")(block.squeeze(x))
    if block.se.form == "fcbn":
        hidden = block.get_submodule("norm")(hidden)
    factor_NC: Tensor = block.gate(block.get_submodule("fc2")(active(hidden)))
    return (x.flatten(2) * factor_NC.unsqueeze(2)).reshape_as(x)


def _weight(layer: nn.Module) -> Tensor:
    found = layer.weight
    assert isinstance(found, Tensor)
    return found
