"""torchvision's ResNet, ResNeXt and Wide ResNet with slots. Parameter names are torchvision's: its weights load."""

# mypy: allow-subclassing-any

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torchvision.models import resnet

from senet_nas.network.squeeze_excitation import ResidualUnit


class BasicBlock(ResidualUnit, resnet.BasicBlock):
    """Two 3x3 convolutions."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.add_slots(inplanes, planes * self.expansion, self.conv1.out_channels)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.mid(self.relu(self.bn1(self.conv1(x_NCHW))))
        y_NCHW: Tensor = self.bn2(self.conv2(h_NCHW))
        return y_NCHW


class Bottleneck(ResidualUnit, resnet.Bottleneck):
    """1x1, 3x3 and 1x1 convolutions; the 3x3 strides (ResNet v1.5)."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        self.add_slots(inplanes, planes * self.expansion, self.conv2.out_channels)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.relu(self.bn1(self.conv1(x_NCHW)))
        h_NCHW = self.mid(self.relu(self.bn2(self.conv2(h_NCHW))))
        y_NCHW: Tensor = self.bn3(self.conv3(h_NCHW))
        return y_NCHW


class ResNet(resnet.ResNet):
    """Stage k is torchvision's ``layerk``, the paper's stage k + 1."""

    stages = ("layer1", "layer2", "layer3", "layer4")


UNITS = {"basic": BasicBlock, "bottleneck": Bottleneck}


def network(
    *, unit: str, layers: Sequence[int], groups: int = 1, width: int = 64, in_channels: int, num_classes: int
) -> ResNet:
    """The network with ``layers[k]`` units in stage k; ``width`` is torchvision's ``width_per_group``."""
    model = ResNet(UNITS[unit], list(layers), num_classes, groups=groups, width_per_group=width)
    if in_channels != 3:
        model.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return model
