"""torchvision's ConvNeXt (arXiv 2201.03545)."""

# mypy: allow-subclassing-any

from typing import Any

from torch import Tensor, nn
from torchvision.models import convnext

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import ResidualUnit
from senet_nas.network.stages import with_stages

LAYER_SCALE = 1e-6  # the paper's, table 5


class Unit(ResidualUnit, convnext.CNBlock):
    """A depthwise 7x7 convolution and two linear layers, scaled per channel; nothing follows the addition.

    ``pre_addition`` acts after the scale, before stochastic depth. The wide middle has its channels last: no ``mid``.
    """

    downsample = None
    stochastic_depth: Any

    def add_own_slots(self) -> None:
        channels = self.layer_scale.shape[0]
        self.add_slots(channels, channels)
        self.stochastic_depth = stock.StochasticDepth(self.stochastic_depth.p)

    def reset_parameters(self) -> None:
        nn.init.constant_(self.layer_scale, LAYER_SCALE)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.layer_scale * self.block(x_NCHW)
        return y_NCHW

    def relu(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.stochastic_depth(self.pre_addition(self.residual(self.pre_unit(x_NCHW))))
        return self.post_addition(self.identity(x_NCHW) + y_NCHW)


def network(*, name: str, in_channels: int, num_classes: int) -> nn.Module:
    """The network with slots in every block; a stage is a size of the feature map."""
    model = stock.model(name, in_channels, num_classes, block=Unit)
    for unit in model.modules():
        if isinstance(unit, Unit):
            unit.add_own_slots()
    return with_stages(model, ("features.1", "features.3", "features.5", "features.7"))
