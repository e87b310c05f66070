"""Networks of inverted residuals: MobileNet-v2 (arXiv 1801.04381), -v3 (1905.02244) and EfficientNet (1905.11946).

torchvision builds them, and parameters keep its names. The SE of the published MobileNet-v3 and EfficientNet is
removed; as ``mid`` in every unit the space can put it back. A stage is a run of units of one width.
"""

# mypy: allow-subclassing-any

import itertools
from typing import Any

from torch import Tensor, nn
from torchvision.models import efficientnet, mobilenetv2, mobilenetv3

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import Forward, Slot
from senet_nas.network.stages import with_stages


class Inverted:
    """y = post_addition(identity(x) + pre_addition(F(pre_unit(x)))), or output(F(x)) in a unit without a shortcut.

    F = project(mid(depthwise(expand(x)))): ``mid`` acts after the BatchNorm and activation of the depthwise
    convolution, where MobileNet-v3 and EfficientNet have their SE. Nothing follows the addition. The layers are in the
    child ``body``; its last ``n_project`` layers project.
    """

    body = "block"
    n_project = 1
    output: Forward
    pre_addition: Forward
    post_addition: Forward
    pre_unit: Forward
    identity: Forward
    mid: Forward
    use_res_connect: bool

    def add_slots(self) -> None:
        body = getattr(self, self.body)
        stock.without_se(body)
        project = [layer for layer in body.modules() if isinstance(layer, nn.Conv2d)][-1]
        self.mid = Slot(project.in_channels)
        if not self.use_res_connect:
            self.output = Slot(project.out_channels)
            return
        for position in ("pre_addition", "post_addition", "pre_unit", "identity"):  # a shortcut keeps the width
            setattr(self, position, Slot(project.out_channels))

    def residual(self, x_NCHW: Tensor) -> Tensor:
        layers = list(getattr(self, self.body))
        for layer in layers[: -self.n_project]:
            x_NCHW = layer(x_NCHW)
        y_NCHW = self.mid(x_NCHW)
        for layer in layers[-self.n_project :]:
            y_NCHW = layer(y_NCHW)
        return y_NCHW

    def forward(self, x_NCHW: Tensor) -> Tensor:
        if not self.use_res_connect:
            return self.output(self.residual(x_NCHW))
        y_NCHW = self.pre_addition(self.residual(self.pre_unit(x_NCHW)))
        return self.post_addition(self.identity(x_NCHW) + self.drop(y_NCHW))

    def drop(self, y_NCHW: Tensor) -> Tensor:
        return y_NCHW


class Unit2(Inverted, mobilenetv2.InvertedResidual):
    """MobileNet-v2's: the projection is a convolution and a BatchNorm, side by side with the rest."""

    body = "conv"
    n_project = 2


class Unit3(Inverted, mobilenetv3.InvertedResidual):
    """MobileNet-v3's."""


class MBConv(Inverted, efficientnet.MBConv):
    """EfficientNet's: the residual branch of a sample may be dropped in training."""

    stochastic_depth: Any

    def add_slots(self) -> None:
        super().add_slots()
        self.stochastic_depth = stock.StochasticDepth(self.stochastic_depth.p)

    def drop(self, y_NCHW: Tensor) -> Tensor:
        dropped: Tensor = self.stochastic_depth(y_NCHW)
        return dropped


UNITS: dict[type[nn.Module], Any] = {
    mobilenetv2.InvertedResidual: Unit2,
    mobilenetv3.InvertedResidual: Unit3,
    efficientnet.MBConv: MBConv,
}


def network(*, name: str, in_channels: int, num_classes: int) -> nn.Module:
    """torchvision's model ``name`` without SE, every unit with its slots."""
    model = stock.model(name, in_channels, num_classes)
    found = {path: child for path, child in model.named_modules() if type(child) in UNITS}
    for unit in found.values():
        unit.__class__ = UNITS[type(unit)]
        unit.add_slots()
    runs = itertools.groupby(found, key=lambda path: found[path].out_channels)
    return with_stages(model, tuple(tuple(run) for _, run in runs))
