"""The plain networks. This file imports no torch: a name can be checked and listed at once.

To add a backbone, write a file here with ``network(*, in_channels, num_classes, **arguments)`` and a row in BACKBONES.
The network declares its ``stages`` (from stage 1): paths of modules whose children are the units, or of the units.
A unit owns a :class:`~senet_nas.network.squeeze_excitation.Slot` for each position that it offers.
"""

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spaces.errors import ENVIRONMENT, UserError, unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

KEY = "model.backbone"
# A function of the user's own, or a network of timm; and patterns of module paths.
OWN = re.compile(r"(?:[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*|timm:\w[\w.-]*)(?:@[\w.*]+(?:,[\w.*]+)*)?")
TIMM = "timm:"


@dataclass(frozen=True)
class Usual:
    """The data that a network was made for: ImageNet's unless said otherwise. ``side`` is of all dimensions alike."""

    channels: int = 3
    side: int = 224
    classes: int = 1000


# The waveforms of senet_nas.data.signal_datasets; CIFAR-10.
IMAGENET = Usual()
CIFAR = Usual(3, 32, 10)
SIGNALS = Usual(1, 500, 4)


@dataclass(frozen=True)
class Backbone:
    """Where a network is built: ``file`` in this folder, called with ``arguments``.

    A family has a pattern for a name, whose named groups are whole numbers: further arguments. ``member`` gives the
    name of the member nearest to them, so that each network has one spelling, and ``rule`` says which members there
    are. Its ``examples`` are listed.
    """

    file: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    member: Callable[..., str] | None = None
    rule: str = ""
    usual: Usual = IMAGENET


def _thin_resnet(name: str, depth: int, width: int = 16) -> str:
    """1202 layers are the paper's deepest network; 16 channels in stage 1 are the paper's, and not written."""
    n_units = min(max(round((depth - 2) / 6), 1), 200)
    width = min(max(width, 1), 1024)
    return f"{name}{6 * n_units + 2}" + (f"_w{width}" if width != 16 else "")


def _cifar_preact_resnet(depth: int) -> str:
    """1001 layers are the paper's deepest network; from 164 on its units are bottlenecks."""
    step = 6 if depth < 164 else 9
    return f"cifar_preact_resnet{step * min(max(round((depth - 2) / step), 1), 111) + 2}"


def _cifar_wrn(depth: int, factor: int) -> str:
    """A depth of 6n + 4, and a width of at most 64 times the narrow network's."""
    return f"cifar_wrn{6 * min(max(round((depth - 4) / 6), 1), 100) + 4}_{min(max(factor, 1), 64)}"


def _regnet(depth: int, w_0: int, w_a: float, w_m: float, group_width: int) -> Backbone:
    """The five numbers of a member of the design space (arXiv 2003.13678, table 5 and torchvision)."""
    return Backbone("regnet", {"depth": depth, "w_0": w_0, "w_a": w_a, "w_m": w_m, "group_width": group_width})


# He et al., arXiv 1512.03385 and its successors, as torchvision defines them; widths of ResNeXt: arXiv 1611.05431, of
# wide networks: arXiv 1605.07146.
BACKBONES: dict[str, Backbone] = {
    r"cifar_resnet(?P<depth>\d{1,9})(_w(?P<width>\d{1,9}))?": Backbone(
        "cifar_resnet",
        examples=(*(f"cifar_resnet{depth}" for depth in (8, 14, 20, 32, 44, 56, 110)), "cifar_resnet20_w32"),
        member=functools.partial(_thin_resnet, "cifar_resnet"),
        rule="cifar_resnetD has a depth D = 6n + 2 from 8 to 1202; cifar_resnetD_wW has W channels in stage 1, from 1 "
        "to 1024, where W = 16 is not written",
        usual=CIFAR,
    ),
    r"cifar_preact_resnet(?P<depth>\d{1,9})": Backbone(
        "cifar_preact_resnet",
        examples=tuple(f"cifar_preact_resnet{depth}" for depth in (20, 56, 110, 164)),
        member=_cifar_preact_resnet,
        rule="cifar_preact_resnetD has a depth D = 6n + 2 below 164, and D = 9n + 2 of bottlenecks from 164 to 1001",
        usual=CIFAR,
    ),
    r"cifar_wrn(?P<depth>\d{1,9})_(?P<factor>\d{1,9})": Backbone(
        "cifar_preact_resnet",
        examples=("cifar_wrn16_8", "cifar_wrn28_10"),
        member=_cifar_wrn,
        rule="cifar_wrnD_K has a depth D = 6n + 4 from 10 to 604, and K times 16 channels in stage 1, K from 1 to 64",
        usual=CIFAR,
    ),
    r"signal_resnet(?P<depth>\d{1,9})(_w(?P<width>\d{1,9}))?": Backbone(
        "signal_resnet",
        examples=(*(f"signal_resnet{depth}" for depth in (8, 20, 32)), "signal_resnet20_w32"),
        member=functools.partial(_thin_resnet, "signal_resnet"),
        rule="signal_resnetD has a depth D = 6n + 2 from 8 to 1202; signal_resnetD_wW has W channels in stage 1, from "
        "1 to 1024, where W = 16 is not written",
        usual=SIGNALS,
    ),
    "resnet18": Backbone("resnet", {"unit": "basic", "layers": (2, 2, 2, 2)}),
    "resnet34": Backbone("resnet", {"unit": "basic", "layers": (3, 4, 6, 3)}),
    "resnet50": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 6, 3)}),
    "resnet101": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 23, 3)}),
    "resnet152": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 8, 36, 3)}),
    "resnet200": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 24, 36, 3)}),
    "resnext50_32x4d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 6, 3), "groups": 32, "width": 4}),
    "resnext50_64x4d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 6, 3), "groups": 64, "width": 4}),
    "resnext101_32x4d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 23, 3), "groups": 32, "width": 4}),
    "resnext101_32x8d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 23, 3), "groups": 32, "width": 8}),
    "resnext101_64x4d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 23, 3), "groups": 64, "width": 4}),
    "resnext152_32x4d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 8, 36, 3), "groups": 32, "width": 4}),
    "resnext152_64x4d": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 8, 36, 3), "groups": 64, "width": 4}),
    "wide_resnet50_2": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 6, 3), "width": 128}),
    "wide_resnet101_2": Backbone("resnet", {"unit": "bottleneck", "layers": (3, 4, 23, 3), "width": 128}),
    # Networks of the SENet paper that torchvision lacks, without their SE.
    "resnet50_v1": Backbone("resnet_v1", {"layers": (3, 4, 6, 3)}),
    "resnet101_v1": Backbone("resnet_v1", {"layers": (3, 4, 23, 3)}),
    "resnet152_v1": Backbone("resnet_v1", {"layers": (3, 8, 36, 3)}),
    "senet154_plain": Backbone("senet", {"layers": (3, 8, 36, 3)}),
    "bn_inception": Backbone("bn_inception"),
    "inception_v4": Backbone("inception_v4", usual=Usual(side=299)),
    "inception_resnet_v2": Backbone("inception_resnet_v2", usual=Usual(side=299)),
    "mobilenet_v1": Backbone("mobilenet_v1"),
    "inception_v3": Backbone("inception_v3", usual=Usual(side=299)),
    "vgg11_bn": Backbone("vgg", {"name": "vgg11_bn"}),
    "vgg13_bn": Backbone("vgg", {"name": "vgg13_bn"}),
    "vgg16_bn": Backbone("vgg", {"name": "vgg16_bn"}),
    "vgg19_bn": Backbone("vgg", {"name": "vgg19_bn"}),
    "densenet121": Backbone("densenet", {"name": "densenet121"}),
    "densenet161": Backbone("densenet", {"name": "densenet161"}),
    "mobilenet_v2": Backbone("inverted", {"name": "mobilenet_v2"}),
    "mobilenet_v3_small": Backbone("inverted", {"name": "mobilenet_v3_small"}),
    "mobilenet_v3_large": Backbone("inverted", {"name": "mobilenet_v3_large"}),
    "efficientnet_b0": Backbone("inverted", {"name": "efficientnet_b0"}),
    "shufflenet_v2_x1_0": Backbone("shufflenet", {"name": "shufflenet_v2_x1_0"}),
    "regnet_x_400mf": _regnet(22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": _regnet(16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": _regnet(18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": _regnet(25, 88, 26.31, 2.25, 48),
    "regnet_y_400mf": _regnet(16, 48, 27.89, 2.09, 8),
    "regnet_y_800mf": _regnet(14, 56, 38.84, 2.4, 16),
    "regnet_y_1_6gf": _regnet(27, 48, 20.71, 2.65, 24),
    "regnet_y_3_2gf": _regnet(21, 80, 42.63, 2.66, 24),
    "convnext_tiny": Backbone("convnext", {"name": "convnext_tiny"}),
}


def names() -> tuple[str, ...]:
    """Names for a list: every single backbone, and the examples of each family."""
    return tuple(name for pattern, backbone in BACKBONES.items() for name in backbone.examples or (pattern,))


def check(name: str) -> str:
    """The name itself, if it is a backbone's. Raises UserError (key ``model.backbone``) with the nearest name.

    A network of the user's own is not imported for it.
    """
    if not is_own(name):
        _resolve(name)
    elif not OWN.fullmatch(name):
        raise UserError(f"`{name}` names no function", hint="write package.module:function, or timm:NAME", key=KEY)
    return name


def usual(name: str) -> Usual:
    """The data that a backbone was made for. Raises UserError where there is no such backbone."""
    return IMAGENET if is_own(name) else _resolve(name)[0].usual


def is_own(name: str) -> bool:
    """Whether a name is that of a function of the user's or of timm's, see :mod:`senet_nas.network.backbones.own`."""
    return ":" in name


def is_timm(name: str) -> bool:
    """Whether a name is that of a network of timm's."""
    return name.startswith(TIMM)


def network(name: str, *, in_channels: int, num_classes: int) -> "nn.Module":
    """The plain network, slots empty: images (N, in_channels, H, W) -> logits (N, num_classes). Raises UserError."""
    assert not is_own(name), "made by own.network, which also draws its weights"
    backbone, numbers = _resolve(name)
    make: Callable[..., nn.Module] = importlib.import_module(f"{__package__}.{backbone.file}").network
    return make(**backbone.arguments, **numbers, in_channels=in_channels, num_classes=num_classes)


def pretrained(name: str) -> "dict[str, Tensor]":
    """torchvision's best ImageNet weights of a backbone, downloaded once and checked. Raises UserError."""
    from torchvision import models

    if name not in models.list_models(module=models):
        raise UserError(
            f"there are no pretrained weights of `{name}`: they are torchvision's and timm's",
            hint="name a file: `model.weights: FILE`; or use a backbone such as resnet18 or timm:resnet50",
            key="model.init",
        )
    try:
        weights: dict[str, Tensor] = models.get_model_weights(name).DEFAULT.get_state_dict(
            check_hash=True, progress=False
        )
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the pretrained weights of {name} cannot be read: {error}",
            hint="without a network, put the file into torch's cache (TORCH_HOME/hub/checkpoints)",
            key="model.init",
            code=ENVIRONMENT,
        ) from error
    return weights


def _resolve(name: str) -> tuple[Backbone, dict[str, int]]:
    for pattern, backbone in BACKBONES.items():
        match = re.fullmatch(pattern, name, re.ASCII)
        if match:
            numbers = {group: int(text) for group, text in match.groupdict().items() if text}
            if backbone.member and backbone.member(**numbers) != name:
                raise UserError(
                    f"`{name}` is no member of its family: {backbone.rule}",
                    hint=f"did you mean `{backbone.member(**numbers)}`?",
                    key=KEY,
                )
            return backbone, numbers
    raise unknown("backbone", name, names(), key=KEY)
