"""What SE costs, exactly and before anything is trained: parameters and multiply-adds (MACs). Imports torch where used.

MACs are those of convolutions and linear layers for one image, SE's two layers included. ``macs_paper`` counts as Hu et
al. do: it adds one operation for each element that SE pools and one for each that it scales.
"""

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senet_nas.costs.measures import WalkedNetwork, counts, overheads
from senet_nas.network import operators
from spaces import SE, Architecture, Site, UserError

if TYPE_CHECKING:
    from torch import nn

Counts = dict[str, int]


@dataclass(frozen=True)
class PriceList:
    """What every SE block at every site costs, so that any architecture of the backbone is priced without building it.

    ``places[i]`` maps each position of site i to the number of places (H * W) of the feature map there.
    """

    backbone: str
    sites: tuple[Site, ...]
    places: tuple[Mapping[str, int], ...]
    plain: Mapping[str, int]

    def of(self, architecture: Architecture) -> dict[str, float]:
        """params, macs, macs_paper; params_overhead and macs_overhead in percent over plain. Raises UserError."""
        if architecture.backbone != self.backbone:
            raise UserError(f"`{architecture}` is no architecture of {self.backbone}")
        operators.check(architecture, self.sites)
        total = dict(self.plain)
        for site, places, se in zip(self.sites, self.places, architecture.blocks, strict=True):
            if se is not None:
                for name, cost in se_cost(site.channels[se.position], places[se.position], se).items():
                    total[name] += cost
        return {**total, **overheads(total, self.plain)}


def se_cost(channels: int, places: int, se: SE) -> Counts:
    """Every counted cost of an SE unit on C channels and L places; macs_paper adds 2 C L for pooling and scaling."""
    costs = {column: count.se(channels, places, se) for column, count in counts().items()}
    return {**costs, "macs_paper": costs["macs"] + 2 * channels * places}


def price_list(
    backbone: str,
    *,
    in_channels: int = 3,
    num_classes: int = 1000,
    image_size: int = 224,
    dimensions: int | None = None,
) -> PriceList:
    """Count the plain backbone once, without running it, for images of ``image_size`` squared. Raises UserError.

    ``dimensions``: 1 for signals of length ``image_size``, 2 for images; those that the network is made for unless given.
    """
    from senet_nas.network.build import sites, skeleton, units

    network = skeleton(backbone, in_channels, num_classes)
    dimensions = dimensions or made_for(network)
    _check_dimensions(backbone, network, dimensions)
    macs, places = _walk(network, (in_channels, *[image_size] * dimensions))
    paths = {module: path for path, module in network.named_modules()}
    listed = sites(backbone)
    found = tuple(
        {position: places[f"{paths[unit]}.{position}"] for position in site.channels}
        for site, (_, _, unit) in zip(listed, units(network), strict=True)
    )
    plain = _costs(WalkedNetwork(network, macs))
    return PriceList(backbone, listed, found, {**plain, "macs_paper": macs})


def sample_shape(backbone: str, channels: int, side: int) -> tuple[int, ...]:
    """(C, L), (C, H, W) or (C, D, H, W), all sides alike: what a backbone takes. Raises UserError."""
    from senet_nas.network.build import skeleton

    return (channels, *[side] * made_for(skeleton(backbone, channels, num_classes=1)))


def made_for(network: "nn.Module") -> int:
    """Spatial dimensions of what a network takes: those of its first convolution, 2 where it has none."""
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
    """Every counted cost, and macs_paper, of a built module for one image (C, H, W) or signal (C, L), by counting.

    The module stays as it is.
    """
    from senet_nas.network.squeeze_excitation import SqueezeExcitation

    macs, places = _walk(module, image_shape)
    blocks = {path: child for path, child in module.named_modules() if isinstance(child, SqueezeExcitation)}
    moved = sum(2 * block.channels * places[path] for path, block in blocks.items())
    return {**_costs(WalkedNetwork(module, macs)), "macs_paper": macs + moved}


def _costs(seen: WalkedNetwork) -> Counts:
    return {column: count.network(seen) for column, count in counts().items()}


def _walk(module: "nn.Module", image_shape: tuple[int, ...]) -> tuple[int, dict[str, int]]:
    """MACs of one image, and the places (H * W) at each slot and SE block, by path: on a copy on the meta device."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from senet_nas.network.squeeze_excitation import Slot, SqueezeExcitation

    shadow = copy.deepcopy(module).to("meta").eval()
    places: dict[str, int] = {}

    def note(path: str, _: "nn.Module", inputs: tuple[torch.Tensor, ...]) -> None:
        places[path] = inputs[0][0, 0].numel()

    for path, child in shadow.named_modules():
        if isinstance(child, Slot | SqueezeExcitation):
            child.register_forward_pre_hook(functools.partial(note, path))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        try:
            shadow(torch.empty(1, *image_shape, device="meta"))
        except Exception as error:  # a network of the user's may throw anything
            raise _refused(shadow, image_shape, error) from error
    return counter.get_total_flops() // 2, places


def _refused(shadow: "nn.Module", image_shape: tuple[int, ...], error: Exception) -> UserError:
    """Why a network takes no images of a shape: their channels, where three would do, else their size."""
    channels, *size = image_shape
    said = (str(error).splitlines() or [type(error).__name__])[0]
    message = f"the network cannot take images of shape {image_shape}: {said}"
    if channels != 3 and _takes(shadow, (3, *size)):
        hint = f"the data have {channels} channel{'s' * (channels > 1)}, the network takes 3: let it take `in_channels`"
        return UserError(message, hint=f"{hint}, or read image files with `data.color: rgb`", key="model.backbone")
    hint = "set data.image_size to a larger side, or choose a network for smaller images"
    return UserError(message, hint=hint, key="data.image_size")


def _takes(shadow: "nn.Module", image_shape: tuple[int, ...]) -> bool:
    import torch

    try:
        with torch.no_grad():
            shadow(torch.empty(1, *image_shape, device="meta"))
    except Exception:  # that it throws is the answer, whatever it is
        return False
    return True
