"""From an architecture to a network: which sites a backbone has, and how their slots are filled."""

import functools
import math
from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from senet_nas.network import operators
from senet_nas.network.backbones import table
from senet_nas.network.squeeze_excitation import Slot, Squeeze, SqueezeExcitation, position_of, slot_name
from senet_nas.network.squeezes import SQUEEZES
from senet_nas.network.stages import stages_of
from senet_nas.network.surgery import meta_run
from senet_nas.network.surgery.as_published import published_of
from senet_nas.recipe import stable_hash
from spaces import Architecture, Site

Draw = Callable[[str], torch.Generator]


def build(
    architecture: Architecture | str, *, in_channels: int = 3, num_classes: int = 1000, block_seed: int = 0
) -> nn.Module:
    """The network of an architecture on the CPU; images (N, in_channels, H, W) -> logits (N, num_classes).

    Initial weights follow from ``block_seed`` and the name of each parameter alone: all architectures of a block share
    the backbone's start, and torch's global generator is left as it is. Raises UserError.
    """
    if isinstance(architecture, str):
        architecture = Architecture.parse(architecture)
    operators.check(architecture, sites(architecture.backbone))
    if table.is_own(architecture.backbone):
        return _build_own(architecture, in_channels, num_classes, block_seed)
    network = skeleton(architecture.backbone, in_channels, num_classes)
    fill(network, architecture)
    network.to_empty(device="cpu")
    initialise(network, block_seed)
    return network


def _build_own(architecture: Architecture, in_channels: int, num_classes: int, block_seed: int) -> nn.Module:
    """A network of the user's keeps the weights that its function gave it; only SE is drawn here."""
    from senet_nas.network.backbones import own

    name = architecture.backbone
    network = own.network(name, in_channels=in_channels, num_classes=num_classes, seed=block_seed)
    fill(network, architecture)
    for path, module in network.named_modules():
        if isinstance(module, SqueezeExcitation):
            initialise(module.to_empty(device="cpu"), block_seed, path)
    return network


@functools.cache
def sites(backbone: str) -> tuple[Site, ...]:
    """The units of a backbone that can take SE, in order, with the width at each position. Raises UserError."""
    network = skeleton(backbone, in_channels=3, num_classes=1000)
    found = list(units(network))
    published = published_of(network).blocks or (None,) * len(found)
    listed = zip(found, published, strict=True)
    return tuple(Site(name, stage, _widths(unit), se) for (name, stage, unit), se in listed)


@functools.cache
def remarks(backbone: str) -> tuple[str, ...]:
    """What there is to say of a network in which units were found: attention of its own, and parts without units."""
    network = skeleton(backbone, in_channels=3, num_classes=1000)
    return published_of(network).notes


def skeleton(backbone: str, in_channels: int, num_classes: int) -> nn.Module:
    """The plain network on torch's meta device: shapes without memory. Raises UserError."""
    if table.is_own(backbone):
        from senet_nas.network.backbones import own

        return own.network(backbone, in_channels=in_channels, num_classes=num_classes).to("meta")
    with torch.device("meta"):
        return table.network(backbone, in_channels=in_channels, num_classes=num_classes)


def units(network: nn.Module) -> Iterator[tuple[str, int, nn.Module]]:
    """Name (``stage.block``), stage and module of every unit: stages count from 1, blocks from 0.

    The stages name for each stage a module whose children are the units, or the paths of the units.
    """
    for stage, where in enumerate(stages_of(network), start=1):
        found = network.get_submodule(where).children() if isinstance(where, str) else map(network.get_submodule, where)
        for block, unit in enumerate(found):
            yield f"{stage}.{block}", stage, unit


def initialise(network: nn.Module, block_seed: int, prefix: str = "") -> None:
    """Draw every parameter from a generator seeded by (``block_seed``, its name), and reset all running statistics.

    ``prefix`` is the path of ``network`` if it is a part of a larger one.
    """
    blocks = (module for module in network.modules() if isinstance(module, SqueezeExcitation))
    excitations = {child for block in blocks for child in block.children()}
    for path, module in network.named_modules(prefix=prefix):
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            starts = START_SE if module in excitations else START
            start = next((starts[kind] for kind in type(module).__mro__ if kind in starts), _reset)
            start(module, functools.partial(_generator, block_seed, path))


def fill(network: nn.Module, architecture: Architecture) -> None:
    """Puts the SE blocks of an architecture into the slots of a network, on the meta device: shapes without memory.

    Raises UserError if a block cannot act on maps with as many dimensions as the network has.
    """
    n_axes = meta_run.dimensions(network)
    for (_, _, unit), se in zip(units(network), architecture.blocks, strict=True):
        if se is not None:
            with torch.device("meta"):
                block = SqueezeExcitation(_widths(unit)[se.position], se, n_axes)
            unit.add_module(slot_name(unit, se.position), block)


def _widths(unit: nn.Module) -> dict[str, int]:
    found = ((name, child) for name, child in unit.named_children() if isinstance(child, Slot))
    return {position_of(unit, name): slot.channels for name, slot in found}


def _generator(block_seed: int, path: str, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(stable_hash(block_seed, f"{path}.{name}"))


def _convolution(conv: _ConvNd, draw: Draw) -> None:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=draw("weight"))
    _bias(conv, draw)


def _linear(linear: nn.Linear | _ConvNd, draw: Draw) -> None:
    nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=draw("weight"))
    _bias(linear, draw)


def _bias(layer: _ConvNd | nn.Linear, draw: Draw) -> None:
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        nn.init.uniform_(layer.bias, -bound, bound, generator=draw("bias"))


def _squeeze(squeeze: Squeeze, _: Draw) -> None:
    nn.init.constant_(squeeze.weight, SQUEEZES[squeeze.name].start)


def _reset(module: nn.Module, _: Draw) -> None:
    module.reset_parameters()  # type: ignore[operator]


# How layers of a class start: convolutions as in torchvision's ResNet (He et al., arXiv 1502.01852), linear layers as
# in torch. Other layers, such as norms, draw nothing and reset themselves (`reset_parameters`).
START: dict[type[nn.Module], Callable[..., None]] = {
    _ConvNd: _convolution,
    nn.Linear: _linear,
}
# How the children of an SE block start: all layers as torch's do.
START_SE: dict[type[nn.Module], Callable[..., None]] = {nn.Linear: _linear, _ConvNd: _linear, Squeeze: _squeeze}
