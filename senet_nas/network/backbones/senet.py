"""SENet-154 without its SE: a ResNeXt-152 (64x4d) with the changes of Hu et al., arXiv 1709.01507, appendix.

Half the channels in the first 1x1 convolution of each unit, a stem of three 3x3 convolutions, 3x3 projections where the
size changes, and dropout before the classifier.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from senet_nas.network.squeeze_excitation import ResidualUnit

EXPANSION = 4
GROUPS = 64


class Unit(ResidualUnit, nn.Module):
    """1x1 to 2p channels, grouped 3x3 to 4p, 1x1 to 4p; the 3x3 strides."""

    def __init__(self, c_in: int, planes: int, stride: int, projection: int | None) -> None:
        super().__init__()
        c_out = EXPANSION * planes
        self.conv1 = nn.Conv2d(c_in, 2 * planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * planes)
        self.conv2 = nn.Conv2d(2 * planes, c_out, 3, stride, padding=1, groups=GROUPS, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv3 = nn.Conv2d(c_out, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(c_in, c_out, projection, stride) if projection else None
        self.add_slots(c_in, c_out, c_out)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.relu(self.bn1(self.conv1(x_NCHW)))
        h_NCHW = self.mid(self.relu(self.bn2(self.conv2(h_NCHW))))
        y_NCHW: Tensor = self.bn3(self.conv3(h_NCHW))
        return y_NCHW


class SENet(nn.Module):
    """Stage k, the paper's stage k + 1, is ``layerk``; images (N, C, H, W) -> logits (N, num_classes)."""

    stages = ("layer1", "layer2", "layer3", "layer4")

    def __init__(self, layers: Sequence[int], in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.layer0 = nn.Sequential(*_stem(in_channels), nn.MaxPool2d(3, stride=2, ceil_mode=True))
        self.layer1 = _stage(layers[0], 128, 64, stride=1, projection=1)
        self.layer2 = _stage(layers[1], 256, 128, stride=2, projection=3)
        self.layer3 = _stage(layers[2], 512, 256, stride=2, projection=3)
        self.layer4 = _stage(layers[3], 1024, 512, stride=2, projection=3)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.layer4(self.layer3(self.layer2(self.layer1(self.layer0(x_NCHW)))))
        logits: Tensor = self.fc(self.dropout(y_NCHW.mean((2, 3))))
        return logits


def network(*, layers: Sequence[int], in_channels: int, num_classes: int) -> SENet:
    return SENet(layers, in_channels, num_classes)


def _stem(in_channels: int) -> list[nn.Module]:
    widths = ((in_channels, 64, 2), (64, 64, 1), (64, 128, 1))
    return [
        layer
        for c_in, c_out, stride in widths
        for layer in (
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )
    ]


def _stage(n_units: int, c_in: int, planes: int, stride: int, projection: int) -> nn.Sequential:
    rest = (Unit(EXPANSION * planes, planes, 1, None) for _ in range(n_units - 1))
    return nn.Sequential(Unit(c_in, planes, stride, projection), *rest)


def _projection(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))
