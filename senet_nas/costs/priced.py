"""An architecture that a user names, with its input and its exact costs. Imports torch where used."""

from collections.abc import Mapping
from dataclasses import dataclass

from senet_nas.costs.overhead import PriceList, price_list, sample_shape
from senet_nas.network import published
from spaces.architecture import Architecture
from spaces.placements import label


@dataclass(frozen=True)
class Priced:
    """An architecture, its label for people, the image (C, H, W) or signal (C, L) it takes, and its number of classes.

    ``costs`` are those of the architecture, by column; ``prices`` those of the backbone and of every SE unit.
    """

    architecture: Architecture
    label: str
    image: tuple[int, ...]
    classes: int
    costs: Mapping[str, float]
    prices: PriceList


def price(
    target: str,
    placement: str,
    se: Mapping[str, str],
    min_hidden: int | None,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
) -> Priced:
    """The costs of an architecture's key, of a published network, or of a backbone with ``placement`` and ``se``.

    The input and the classes are those usual for the network unless given. Raises UserError for unknown names and
    impossible placements.
    """
    from senet_nas.network.build import sites

    architecture = published.find(target, placement, se, min_hidden)
    backbone = architecture.backbone
    data = published.usual(target, side=image_size, channels=channels, classes=classes)
    prices = price_list(backbone, in_channels=data.channels, num_classes=data.classes, image_size=data.side)
    return Priced(
        architecture=architecture,
        label=label(architecture, sites(backbone)),
        image=sample_shape(backbone, data.channels, data.side),
        classes=data.classes,
        costs=prices.of(architecture),
        prices=prices,
    )
