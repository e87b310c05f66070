"""What targets are known to refuse of the placements of a search, said before anything is trained."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.setup.experiment_setup import Prepared

if TYPE_CHECKING:
    from senet_nas.deploy.targets import Finding


def known(prepared: Prepared, targets: Sequence[str]) -> list["Finding"]:
    """What is known of the targets about the SE that a search may place. Raises UserError for an unknown target."""
    if not targets:
        return []
    from senet_nas.costs import target_lint
    from senet_nas.costs.overhead import price_list

    data = prepared.images
    channels, side, *others = data.shape
    prices = price_list(
        prepared.space.backbone,
        in_channels=channels,
        num_classes=len(data.classes),
        image_size=side,
        dimensions=1 + len(others),
    )
    return target_lint.of_space(prepared.space, prices, targets)
