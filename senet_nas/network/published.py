"""Published networks by name: a backbone, where its SE acts, and what was measured of it. Imports no torch by itself.

Counts are of 1000 classes and ``image_size``, unless the row says otherwise; the golden test builds every one of them.
Errors are in percent on ImageNet's validation images (one centre crop), or on CIFAR-10's test images.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from senet_nas.network.backbones import table
from spaces import SE, Architecture, Site
from spaces.errors import UserError, unknown
from spaces.placements import PAPER as PAPER_SE
from spaces.placements import place
from spaces.spec import fill

PAPER = "Hu et al., arXiv 1709.01507"
Hidden = Callable[[Site], int]


def quarter_of_8(site: Site) -> int:
    """A quarter of the expanded width, to the nearest multiple of 8 that is not 10 % less (MobileNet-v3)."""
    quarter = site.channels["mid"] // 4
    rounded = max(8, (quarter + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * quarter else rounded + 8


def quarter_of_input(site: Site) -> int:
    """A quarter of the unit's input width (RegNet-Y)."""
    return round(site.channels["pre_unit"] / 4)


@dataclass(frozen=True)
class Network:
    """A named placement: SE at ``position`` of every unit, or of the units of ``stages``.

    ``hidden`` gives the hidden width at a site; None is the paper's reduction of 16. ``note`` names what is not in
    print.
    """

    backbone: str
    params: int
    macs: int
    source: str
    top1: float | None = None
    top5: float | None = None
    position: str = "pre_addition"
    gate: str = "sigmoid"
    hidden: Hidden | None = None
    stages: tuple[int, ...] | None = None
    image_size: int = 224
    classes: int = 1000
    note: str = ""

    def architecture(self) -> Architecture:
        """The architecture on the sites of its backbone."""
        from senet_nas.network.build import sites

        return Architecture(self.backbone, tuple(self._block(site) for site in sites(self.backbone)))

    def _block(self, site: Site) -> SE | None:
        if self.stages is not None and site.stage not in self.stages:
            return None
        if self.hidden is None:
            return fill(site, {**PAPER_SE, "position": self.position, "gate": self.gate})
        return SE("avg", "fc", self.hidden(site), self.gate, self.position)

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key not in ("hidden", "stages")}


def _cifar(backbone: str, params: int, macs: int, top1: float) -> Network:
    note = "reduction is not in print"
    return Network(backbone, params, macs, f"{PAPER}, table 4", top1, image_size=32, classes=10, note=note)


NETWORKS: dict[str, Network] = {
    "se_resnet18": Network("resnet18", 11_778_592, 1_814_160_384, f"{PAPER}; timm legacy_seresnet18", 28.26),
    "se_resnet34": Network("resnet34", 21_958_868, 3_663_918_592, f"{PAPER}; timm legacy_seresnet34", 25.21),
    "se_resnet50": Network("resnet50_v1", 28_088_024, 3_860_488_192, f"{PAPER}, table 2", 23.29, 6.62),
    "se_resnet101": Network("resnet101_v1", 49_326_872, 7_574_937_600, f"{PAPER}, table 2", 22.38, 6.07),
    "se_resnet152": Network("resnet152_v1", 66_821_848, 11_288_993_792, f"{PAPER}, table 2", 21.57, 5.73),
    "se_resnext50_32x4d": Network("resnext50_32x4d", 27_559_896, 4_232_994_816, f"{PAPER}, table 2", 21.1, 5.49),
    "se_resnext101_32x4d": Network("resnext101_32x4d", 48_955_416, 7_974_739_968, f"{PAPER}, table 2", 20.7, 5.01),
    "senet154": Network("senet154_plain", 115_088_984, 20_688_363_520, f"{PAPER}, table 8", 18.68, 4.47),
    "se_bn_inception": Network(
        "bn_inception", 11_931_622, 2_033_239_424, f"{PAPER}, table 2", 24.23, 7.14, position="output"
    ),
    "se_inception_resnet_v2": Network(
        "inception_resnet_v2",
        64_387_444,
        13_164_289_376,
        f"{PAPER}, table 2",
        19.8,
        4.79,
        image_size=299,
        note="parameters are not in print, and the public backbone is not the paper's: 13.16 GMACs for 11.75",
    ),
    "se_vgg16_bn": Network(
        "vgg16_bn",
        138_596_784,
        15_470_490_624,
        f"{PAPER}, table 2",
        25.22,
        7.7,
        position="output",
        note="parameters are not in print",
    ),
    "se_mobilenet": Network(
        "mobilenet_v1",
        4_718_044,
        569_220_096,
        f"{PAPER}, table 3",
        25.3,
        7.7,
        position="output",
        note="placement is not in print: it follows from 4.7 million parameters",
    ),
    "se_mobilenet_v3_small": Network(
        "mobilenet_v3_small",
        2_542_856,
        56_510_400,
        "Howard et al., arXiv 1905.02244, table 6",
        32.6,
        position="mid",
        gate="hard_sigmoid",
        hidden=quarter_of_8,
        stages=(1, 3, 4, 5),
    ),
    "se_mobilenet_v3_large": Network(
        "mobilenet_v3_large",
        5_483_032,
        216_589_760,
        "Howard et al., arXiv 1905.02244, table 6",
        24.8,
        position="mid",
        gate="hard_sigmoid",
        hidden=quarter_of_8,
        stages=(3, 5, 6),
    ),
    "se_regnet_y_400mf": Network(
        "regnet_y_400mf",
        4_344_144,
        401_842_848,
        "Radosavovic et al., arXiv 2003.13678",
        position="mid",
        hidden=quarter_of_input,
    ),
    "se_regnet_y_800mf": Network(
        "regnet_y_800mf",
        6_432_512,
        833_856_256,
        "Radosavovic et al., arXiv 2003.13678",
        position="mid",
        hidden=quarter_of_input,
    ),
    "se_regnet_y_1_6gf": Network(
        "regnet_y_1_6gf",
        11_202_430,
        1_612_076_160,
        "Radosavovic et al., arXiv 2003.13678",
        position="mid",
        hidden=quarter_of_input,
    ),
    "se_regnet_y_3_2gf": Network(
        "regnet_y_3_2gf",
        19_436_338,
        3_176_482_752,
        "Radosavovic et al., arXiv 2003.13678",
        position="mid",
        hidden=quarter_of_input,
    ),
    "se_cifar_preact_resnet110": _cifar("cifar_preact_resnet110", 1_744_760, 253_161_920, 5.21),
    "se_cifar_preact_resnet164": _cifar("cifar_preact_resnet164", 1_905_362, 247_840_256, 4.39),
    "se_cifar_wrn16_8": _cifar("cifar_wrn16_8", 11_049_290, 1_548_231_680, 3.88),
}


def names() -> tuple[str, ...]:
    return tuple(NETWORKS)


def find(target: str, placement: str, values: Mapping[str, str], min_hidden: int | None = None) -> Architecture:
    """The architecture that a person names: a published network, an architecture's key, or a backbone with a placement.

    ``placement`` may also be a published network of that backbone. Raises UserError.
    """
    from senet_nas.network.build import sites

    if target in NETWORKS:
        return NETWORKS[target].architecture()
    backbone = target.partition("/")[0]
    if "/" not in target and target not in table.names():
        _check(target)
    if placement in NETWORKS:
        return _on(backbone, placement)
    offered = sites(backbone)
    try:
        return place(
            backbone,
            offered,
            target if "/" in target else placement,
            {"position": _usual(offered), **values},
            min_hidden,
        )
    except UserError as error:
        # What a config calls space.min_hidden is an option here.
        hint = error.hint.replace("set space.min_hidden: 1", "add --min-hidden 1")
        hint = re.sub(r"write `position: \[(\w+)\]`", r"add --position \1", hint)
        raise UserError(error.message, hint=hint, key=error.key, code=error.code) from error


def _usual(sites: Sequence[Site]) -> str:
    """Where SE acts unless it is said: the paper's position where all units offer it, else the first that all offer."""
    common = [position for position in sites[0].channels if all(position in site.channels for site in sites)]
    papers = PAPER_SE["position"]
    return papers if papers in common or not common else common[0]


def usual(target: str, **given: int | None) -> table.Usual:
    """The data that what a person names was made for, with what is ``given`` (and not None) in its place."""
    if network := NETWORKS.get(target):
        made_for = replace(table.usual(network.backbone), side=network.image_size, classes=network.classes)
    else:
        made_for = table.usual(target.partition("/")[0])
    return replace(made_for, **{name: value for name, value in given.items() if value is not None})


def _check(target: str) -> None:
    try:
        table.check(target)
    except UserError as error:
        if error.message.startswith("unknown"):
            raise unknown("backbone or network", target, [*table.names(), *NETWORKS], key=table.KEY) from error
        raise


def _on(backbone: str, placement: str) -> Architecture:
    network = NETWORKS[placement]
    if network.backbone != backbone:
        raise UserError(
            f"`{placement}` is a placement over {network.backbone}, not over {backbone}",
            hint=f"`senet-search profile {placement}`, or --placement all",
        )
    return network.architecture()
