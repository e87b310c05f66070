"""``senet-search profile``: what a placement costs over the plain backbone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from spaces.placements import place, words


@dataclass(frozen=True)
class Profile:
    """Costs of one architecture. MACs are those of convolutions and linear layers; ``macs_paper`` counts as the SENet
    paper does, with pooling and scaling. Overheads in percent over plain."""

    architecture: str
    words: str
    image: tuple[int, int, int]
    classes: int
    params: int
    params_plain: int
    params_overhead: float
    macs: int
    macs_plain: int
    macs_overhead: float
    macs_paper: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        size = "x".join(str(n) for n in self.image)
        return [
            f"{self.words}   (images {size}, {self.classes} classes)",
            f"params  {self.params:>16,}   plain {self.params_plain:>16,}   {self.params_overhead:+.2f} %",
            f"MACs    {self.macs:>16,}   plain {self.macs_plain:>16,}   {self.macs_overhead:+.3f} %",
            "MACs are of convolutions and linear layers; with SE's pooling and scaling, as the SENet paper counts: "
            f"{self.macs_paper:,}",
            self.architecture,
        ]


def profile(
    backbone: str, placement: str, se: Mapping[str, str], min_hidden: int | None, *, image_size: int, channels: int,
    classes: int,
) -> Profile:  # fmt: skip
    """Builds nothing but the shapes. Raises UserError for names and placements that do not exist."""
    from senet_nas import build, overhead

    sites = build.sites(backbone)
    architecture = place(backbone, sites, placement, se, min_hidden)
    prices = overhead.price_list(backbone, in_channels=channels, num_classes=classes, image_size=image_size)
    cost = prices.of(architecture)
    return Profile(
        architecture=architecture.key, words=words(architecture, sites), image=(channels, image_size, image_size),
        classes=classes, params=int(cost["params"]), params_plain=prices.plain["params"],
        params_overhead=cost["params_overhead"], macs=int(cost["macs"]), macs_plain=prices.plain["macs"],
        macs_overhead=cost["macs_overhead"], macs_paper=int(cost["macs_paper"]),
    )  # fmt: skip
