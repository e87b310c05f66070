"""What networks.json holds of each backbone and each published network: counts, and every site."""

import itertools
from typing import Any

from senet_nas.costs.overhead import price_list
from senet_nas.network.build import sites
from senet_nas.network.published import NETWORKS


def of_backbone(name: str) -> dict[str, Any]:
    """Parameters and MACs of the plain network for 1000 classes and 224 x 224 images; its sites, equal ones joined."""
    plain = price_list(name, image_size=299 if name.startswith("inception") else 224).plain
    runs = itertools.groupby(sites(name), key=lambda site: dict(site.channels))
    listed = [[[site.name for site in run], widths] for widths, run in runs]
    spans = [[f"{names[0]} .. {names[-1]}" if len(names) > 1 else names[0], widths] for names, widths in listed]
    return {"params": plain["params"], "macs": plain["macs"], "sites": spans}


def of_network(name: str) -> dict[str, Any]:
    """Costs of the published network on images of its size; MACs of the paper count SE's pooling and scaling too."""
    row = NETWORKS[name]
    prices = price_list(row.backbone, image_size=row.image_size, num_classes=row.classes)
    cost = prices.of(row.architecture())
    return {key: int(cost[key]) for key in ("params", "macs", "macs_paper")}
