"""The exact costs of SE, known before any training: parameters and multiply-adds (MACs). Imports torch where used.

MACs are those of convolutions and linear layers for one image, including the two layers of SE. ``macs_paper`` counts as
Hu et al. (arXiv 1709.01507) do: it adds one operation for each element that SE pools and one for each that it scales.
"""

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senet_nas import user_code
from senet_nas.costs.measures import WalkedNetwork, counts, overheads
from senet_nas.network import operators
from senet_nas.user_code import evaluating
from spaces import SE, Architecture, Site, UserError
from spaces.text import plural

if TYPE_CHECKING:
    from torch import nn

Counts = dict[str, int]


@dataclass(frozen=True)
class PriceList:
    """The costs of the backbone and of every SE unit at every site; any architecture is priced without building it.

    ``sides[i]`` maps each position of site i to the sides (H, W) of the feature map there.
    """

    backbone: str
    sites: tuple[Site, ...]
    sides: tuple[Mapping[str, tuple[int, ...]], ...]
    plain: Mapping[str, int]

    def of(self, architecture: Architecture) -> dict[str, float]:
        """The costs of an architecture by column: params, macs, macs_paper, and overheads in percent over plain.

        Raises UserError for an architecture of another backbone, or with an SE that its sites do not allow, or that
        cannot act on maps with so few dimensions.
        """
        if architecture.backbone != self.backbone:
            raise UserError(f"`{architecture}` is not an architecture of {self.backbone}")
        operators.check(architecture, self.sites)
        total = dict(self.plain)
        for site, sides, se in zip(self.sites, self.sides, architecture.blocks, strict=True):
            if se is not None:
                for name, cost in se_cost(site.channels[se.position], sides[se.position], se).items():
                    total[name] += cost
        return {**total, **overheads(total, self.plain)}


def se_cost(channels: int, sides: Sequence[int], se: SE) -> Counts:
    """The counted costs of an SE unit on a map (C, *sides); macs_paper adds 2 C L for pooling and scaling L places.

    Raises UserError if it cannot act on maps with so few dimensions.
    """
    operators.check_axes(se, len(sides))
    costs = {column: count.se(channels, sides, se) for column, count in counts().items()}
    return {**costs, "macs_paper": costs["macs"] + 2 * channels * math.prod(sides)}


def price_list(
    backbone: str,
    *,
    in_channels: int = 3,
    num_classes: int = 1000,
    image_size: int = 224,
    dimensions: int | None = None,
) -> PriceList:
    """The price list of a backbone for images of ``image_size`` squared, counted on shapes alone. Raises UserError.

    ``dimensions``: 1 for signals of length ``image_size``, 2 for images; by default, those the network is made for.
    """
    from senet_nas.network.build import sites, skeleton, units
    from senet_nas.network.squeeze_excitation import slot_name

    network = skeleton(backbone, in_channels, num_classes)
    dimensions = dimensions or made_for(network)
    _check_dimensions(backbone, network, dimensions)
    macs, sides = _walk(network, (in_channels, *[image_size] * dimensions))
    paths = {module: path for path, module in network.named_modules()}
    listed = sites(backbone)
    found = tuple(
        {position: sides[f"{paths[unit]}.{slot_name(unit, position)}".strip(".")] for position in site.channels}
        for site, (_, _, unit) in zip(listed, units(network), strict=True)
    )
    plain = _costs(WalkedNetwork(network, macs))
    return PriceList(backbone, listed, found, {**plain, "macs_paper": macs})


def sample_shape(backbone: str, channels: int, side: int) -> tuple[int, ...]:
    """The input shape of a backbone, with equal sides: (C, L), (C, H, W) or (C, D, H, W). Raises UserError."""
    from senet_nas.network.build import skeleton

    return (channels, *[side] * made_for(skeleton(backbone, channels, num_classes=1)))


def made_for(network: "nn.Module") -> int:
    """The number of spatial dimensions of a network's input: that of its first convolution; 2 without convolutions."""
    from torch.nn.modules.conv import _ConvNd

    return next((len(layer.kernel_size) for layer in network.modules() if isinstance(layer, _ConvNd)), 2)


def _check_dimensions(backbone: str, network: "nn.Module", given: int) -> None:
    kinds = {1: "signals (C, L)", 2: "images (C, H, W)", 3: "volumes (C, D, H, W)"}
    wanted = made_for(network)
    if wanted != given:
        raise UserError(
            f"{backbone} is a network for {kinds[wanted]}, but the data are {kinds[given]}",
            hint={1: "use signal_resnet20", 2: "use cifar_resnet20 or resnet18"}.get(given, ""),
            key="model.backbone",
        )


def count(module: "nn.Module", image_shape: tuple[int, ...]) -> Counts:
    """The counted costs, and macs_paper, of a built module for one image (C, H, W) or signal (C, L).

    The module is not changed.
    """
    from senet_nas.network.squeeze_excitation import SqueezeExcitation

    macs, sides = _walk(module, image_shape)
    se_blocks = {path: child for path, child in module.named_modules() if isinstance(child, SqueezeExcitation)}
    moved = sum(2 * block.channels * math.prod(sides[path]) for path, block in se_blocks.items())
    return {**_costs(WalkedNetwork(module, macs)), "macs_paper": macs + moved}


def _costs(seen: WalkedNetwork) -> Counts:
    return {column: count.network(seen) for column, count in counts().items()}


def _walk(module: "nn.Module", image_shape: tuple[int, ...]) -> tuple[int, dict[str, tuple[int, ...]]]:
    """MACs of one image, and the sides (H, W) at each slot and SE block by path; counted on the meta device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation

    shadow = evaluating(copy.deepcopy(module).to("meta"))
    sides: dict[str, tuple[int, ...]] = {}

    def note(path: str, _: "nn.Module", inputs: tuple[torch.Tensor, ...]) -> None:
        sides[path] = tuple(inputs[0].shape[2:])

    for path, child in shadow.named_modules():
        if isinstance(child, Slot | SqueezeExcitation):
            child.register_forward_pre_hook(functools.partial(note, path))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        try:
            shadow(torch.empty(1, *image_shape, device="meta"))
        except Exception as error:  # the user's network may raise anything
            raise _refused(shadow, image_shape, error) from error
    return counter.get_total_flops() // 2, sides


def _refused(shadow: "nn.Module", image_shape: tuple[int, ...], error: Exception) -> UserError:
    """Why a network cannot take images of a shape: their channels if three would do, otherwise their size."""
    channels, *size = image_shape
    said = (user_code.message(error).splitlines() or [type(error).__name__])[0]
    message = f"the network cannot take images of shape {image_shape}: {said}"
    if channels != 3 and _takes(shadow, (3, *size)):
        hint = f"the data have {plural(channels, 'channel')}, the network takes 3: let it take `in_channels`"
        return UserError(message, hint=f"{hint}, or write `data.color: rgb`", key="model.backbone")
    hint = "set data.image_size to a larger side, or choose a network for smaller images"
    return UserError(message, hint=hint, key="data.image_size")


def _takes(shadow: "nn.Module", image_shape: tuple[int, ...]) -> bool:
    import torch

    try:
        with torch.no_grad():
            shadow(torch.empty(1, *image_shape, device="meta"))
    except Exception:  # any exception is the answer
        return False
    return True
