"""Inception-ResNet-v2: Szegedy et al., arXiv 1602.07261, section 3.2, as in the authors' published network.

For images of 75 x 75 at least; published for 299 x 299.
"""

from torch import Tensor, nn

from senet_nas.network.backbones.inception_v4 import pooled
from senet_nas.network.backbones.layers import Concat, Conv, chain
from senet_nas.network.squeeze_excitation import ResidualUnit


class Unit(ResidualUnit, nn.Module):
    """y = relu(x + scale * F(x)): branches, concatenated, and a linear 1x1 convolution with bias.

    ``pre_addition`` acts on F(x) before it is scaled. There is no single 3x3 convolution: ``mid`` acts on what the
    branches give, concatenated. The last unit of the network has neither scale nor ReLU.
    """

    downsample = None

    def __init__(self, channels: int, c_mid: int, scale: float, *branches: nn.Module, last: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.branches = Concat(*branches)
        self.conv = nn.Conv2d(c_mid, channels, 1)
        self.relu = nn.Identity() if last else nn.ReLU()
        self.add_slots(channels, channels, c_mid)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.conv(self.mid(self.branches(x_NCHW)))
        return y_NCHW

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.pre_addition(self.residual(self.pre_unit(x_NCHW)))
        return self.post_addition(self.relu(self.scale * y_NCHW + self.identity(x_NCHW)))


class InceptionResNetV2(nn.Module):
    """Stages 1 to 3 are the residual units at about an eighth, a 16th and a 32nd of the size."""

    stages = ("stage1", "stage2", "stage3")

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.stem = _stem(in_channels)
        self.stage1 = nn.Sequential(*(_unit_35() for _ in range(10)))
        self.reduction1 = _reduction_1()
        self.stage2 = nn.Sequential(*(_unit_17() for _ in range(20)))
        self.reduction2 = _reduction_2()
        self.stage3 = nn.Sequential(*(_unit_8() for _ in range(9)), _unit_8(scale=1.0, last=True))
        self.head = chain(2080, Conv(1536))
        self.fc = nn.Linear(1536, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.reduction1(self.stage1(self.stem(x_NCHW)))
        y_NCHW = self.head(self.stage3(self.reduction2(self.stage2(y_NCHW))))
        logits: Tensor = self.fc(y_NCHW.mean((2, 3)))
        return logits


def network(*, in_channels: int, num_classes: int) -> InceptionResNetV2:
    return InceptionResNetV2(in_channels, num_classes)


def _halve() -> nn.Module:
    return nn.MaxPool2d(3, stride=2)


def _stem(in_channels: int) -> nn.Sequential:
    """Images -> (N, 320, about H / 8, about W / 8)."""
    mixed_5b = Concat(
        chain(192, Conv(96)),
        chain(192, Conv(48), Conv(64, 5)),
        chain(192, Conv(64), Conv(96, 3), Conv(96, 3)),
        pooled(192, 64),
    )
    return nn.Sequential(
        chain(in_channels, Conv(32, 3, 2, padded=False), Conv(32, 3, padded=False), Conv(64, 3)),
        _halve(),
        chain(64, Conv(80), Conv(192, 3, padded=False)),
        _halve(),
        mixed_5b,
    )


def _unit_35() -> Unit:
    return Unit(
        320,
        128,
        0.17,
        chain(320, Conv(32)),
        chain(320, Conv(32), Conv(32, 3)),
        chain(320, Conv(32), Conv(48, 3), Conv(64, 3)),
    )


def _reduction_1() -> Concat:
    return Concat(
        chain(320, Conv(384, 3, 2, padded=False)),
        chain(320, Conv(256), Conv(256, 3), Conv(384, 3, 2, padded=False)),
        _halve(),
    )


def _unit_17() -> Unit:
    return Unit(
        1088,
        384,
        0.1,
        chain(1088, Conv(192)),
        chain(1088, Conv(128), Conv(160, (1, 7)), Conv(192, (7, 1))),
    )


def _reduction_2() -> Concat:
    return Concat(
        chain(1088, Conv(256), Conv(384, 3, 2, padded=False)),
        chain(1088, Conv(256), Conv(288, 3, 2, padded=False)),
        chain(1088, Conv(256), Conv(288, 3), Conv(320, 3, 2, padded=False)),
        _halve(),
    )


def _unit_8(scale: float = 0.2, *, last: bool = False) -> Unit:
    return Unit(
        2080,
        448,
        scale,
        chain(2080, Conv(192)),
        chain(2080, Conv(192), Conv(224, (1, 3)), Conv(256, (3, 1))),
        last=last,
    )
