"""ResNet as published and as in Caffe: the first 1x1 convolution strides, the 3x3 of torchvision's does (v1.5).

He et al., arXiv 1512.03385; these are the networks of the SENet paper's table 2 ("3.86 GFLOPs" for 50 layers). The
first pooling is Caffe's: windows without padding, the last one incomplete. Parameter names are torchvision's.
"""

# mypy: allow-subclassing-any

from collections.abc import Sequence
from typing import Any

from torch import nn

from senet_nas.network.backbones import resnet


class Bottleneck(resnet.Bottleneck):
    """1x1, 3x3 and 1x1 convolutions; the first strides."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


def network(*, layers: Sequence[int], in_channels: int, num_classes: int) -> resnet.ResNet:
    """The network with ``layers[k]`` units in stage k."""
    model = resnet.ResNet(Bottleneck, list(layers), num_classes)
    model.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
    if in_channels != 3:
        model.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    return model
