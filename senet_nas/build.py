"""From an architecture to a network: which sites a backbone has, and how their slots are filled."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import nn

from senet_nas import backbones, operators
from senet_nas.recipe import stable_hash
from senet_nas.squeeze_excitation import Slot, Squeeze, SqueezeExcitation
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
    network = skeleton(architecture.backbone, in_channels, num_classes)
    _fill(network, architecture)
    network.to_empty(device="cpu")
    initialise(network, block_seed)
    return network


@functools.cache
def sites(backbone: str) -> tuple[Site, ...]:
    """The units of a backbone that can take SE, in order, with the width at each position. Raises UserError."""
    network = skeleton(backbone, in_channels=3, num_classes=1000)
    return tuple(Site(name, stage, _widths(unit)) for name, stage, unit in units(network))


def skeleton(backbone: str, in_channels: int, num_classes: int) -> nn.Module:
    """The plain network on torch's meta device: shapes without memory. Raises UserError."""
    with torch.device("meta"):
        return backbones.network(backbone, in_channels=in_channels, num_classes=num_classes)


def units(network: nn.Module) -> Iterator[tuple[str, int, nn.Module]]:
    """Name (``stage.block``), stage and module of every unit: stages count from 1, blocks from 0."""
    stages = cast(tuple[str, ...], network.stages)
    for stage, name in enumerate(stages, start=1):
        for block, unit in enumerate(network.get_submodule(name).children()):
            yield f"{stage}.{block}", stage, unit


def initialise(network: nn.Module, block_seed: int) -> None:
    """Draw every parameter from a generator seeded by (``block_seed``, its name), and reset all running statistics."""
    blocks = (module for module in network.modules() if isinstance(module, SqueezeExcitation))
    excitations = {child for block in blocks for child in block.children()}
    for path, module in network.named_modules():
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            start = START_SE if module in excitations else START
            start[type(module)](module, functools.partial(_generator, block_seed, path))


def _fill(network: nn.Module, architecture: Architecture) -> None:
    for (_, _, unit), se in zip(units(network), architecture.blocks, strict=True):
        if se is not None:
            with torch.device("meta"):
                setattr(unit, se.position, SqueezeExcitation(_widths(unit)[se.position], se))


def _widths(unit: nn.Module) -> dict[str, int]:
    return {name: slot.channels for name, slot in unit.named_children() if isinstance(slot, Slot)}


def _generator(block_seed: int, path: str, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(stable_hash(block_seed, f"{path}.{name}"))


def _convolution(conv: nn.Conv2d, draw: Draw) -> None:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu", generator=draw("weight"))
    _bias(conv, draw)


def _linear(linear: nn.Linear | nn.Conv1d, draw: Draw) -> None:
    nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=draw("weight"))
    _bias(linear, draw)


def _bias(layer: nn.Conv1d | nn.Conv2d | nn.Linear, draw: Draw) -> None:
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        nn.init.uniform_(layer.bias, -bound, bound, generator=draw("bias"))


def _squeeze(squeeze: Squeeze, _: Draw) -> None:
    nn.init.constant_(squeeze.weight, operators.SQUEEZES[squeeze.name].start)


def _batch_norm(norm: nn.BatchNorm2d, _: Draw) -> None:
    norm.reset_parameters()


# How a layer starts. Convolutions as torchvision's ResNet (He et al., arXiv 1502.01852), linear layers as torch.
START: dict[type[nn.Module], Callable[..., None]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
}
# How the children of an SE block start: all layers as torch's do.
START_SE: dict[type[nn.Module], Callable[..., None]] = {nn.Linear: _linear, nn.Conv1d: _linear, Squeeze: _squeeze}
