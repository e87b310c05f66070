"""Pre-activation residual networks for small images: He et al., arXiv 1603.05027; wide: Zagoruyko, arXiv 1605.07146."""

from torch import Tensor, nn

from senet_nas.network.backbones.cifar_resnet import conv3x3
from senet_nas.network.squeeze_excitation import ResidualUnit

# From this depth on a unit is a bottleneck, as published: 110 layers have two 3x3 convolutions, 164 and 1001 do not.
BOTTLENECK_DEPTH = 164


class PreactUnit(ResidualUnit, nn.Module):
    """y = P(x) + F(h), h = relu(bn1(x)): nothing follows the addition, and F ends with a convolution.

    Where the width or the size changes P is a 1x1 convolution of h, else the input itself. The positions:
    ``pre_addition`` F's output; ``post_addition`` the sum; ``pre_unit`` h, on its way into F alone; ``identity`` P(x);
    ``mid`` after the 3x3 convolution and the BatchNorm and ReLU that follow it, the first 3x3 of two.
    """

    bn1: nn.Module
    relu: nn.Module

    def forward(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.relu(self.bn1(x_NCHW))
        shortcut = x_NCHW if self.downsample is None else self.downsample(h_NCHW)
        y_NCHW = self.pre_addition(self.residual(self.pre_unit(h_NCHW)))
        return self.post_addition(y_NCHW + self.identity(shortcut))


class Basic(PreactUnit):
    """Two 3x3 convolutions, BatchNorm and ReLU before each; the first strides."""

    expansion = 1

    def __init__(self, c_in: int, planes: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = conv3x3(c_in, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(c_in, planes, stride)
        self.add_slots(c_in, planes, planes)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.conv2(self.mid(self.relu(self.bn2(self.conv1(x_NCHW)))))
        return y_NCHW


class Bottleneck(PreactUnit):
    """1x1, 3x3 and 1x1 convolutions, BatchNorm and ReLU before each; the 3x3 strides."""

    expansion = 4

    def __init__(self, c_in: int, planes: int, stride: int) -> None:
        super().__init__()
        c_out = self.expansion * planes
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, planes, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn3 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, c_out, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(c_in, c_out, stride)
        self.add_slots(c_in, c_out, planes)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.conv2(self.relu(self.bn2(self.conv1(x_NCHW))))
        y_NCHW: Tensor = self.conv3(self.mid(self.relu(self.bn3(h_NCHW))))
        return y_NCHW


class CifarPreactResNet(nn.Module):
    """A 3x3 stem of 16 channels, stages of w, 2w and 4w (times 4 in bottlenecks) at full, half and quarter size."""

    stages = ("layer1", "layer2", "layer3")

    def __init__(
        self, unit: type[Basic | Bottleneck], n_units: int, width: int, in_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        c_out = [unit.expansion * planes for planes in (width, 2 * width, 4 * width)]
        self.conv1 = conv3x3(in_channels, 16)
        self.layer1 = _stage(unit, n_units, 16, width, stride=1)
        self.layer2 = _stage(unit, n_units, c_out[0], 2 * width, stride=2)
        self.layer3 = _stage(unit, n_units, c_out[1], 4 * width, stride=2)
        self.bn = nn.BatchNorm2d(c_out[2])
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(c_out[2], num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.layer3(self.layer2(self.layer1(self.conv1(x_NCHW))))
        logits: Tensor = self.fc(self.relu(self.bn(y_NCHW)).mean((2, 3)))
        return logits


def network(*, depth: int, factor: int | None = None, in_channels: int, num_classes: int) -> CifarPreactResNet:
    """The network with ``depth`` weighted layers; with ``factor``, wide: 16 * factor channels in stage 1.

    A wide network's depth counts the projections' two layers too: 6n + 4.
    """
    if factor is not None:
        return CifarPreactResNet(Basic, (depth - 4) // 6, 16 * factor, in_channels, num_classes)
    unit, layers = (Basic, 6) if depth < BOTTLENECK_DEPTH else (Bottleneck, 9)
    return CifarPreactResNet(unit, (depth - 2) // layers, 16, in_channels, num_classes)


def _stage(unit: type[Basic | Bottleneck], n_units: int, c_in: int, planes: int, stride: int) -> nn.Sequential:
    rest = (unit(unit.expansion * planes, planes, 1) for _ in range(n_units - 1))
    return nn.Sequential(unit(c_in, planes, stride), *rest)


def _projection(c_in: int, c_out: int, stride: int) -> nn.Module | None:
    return None if (c_in, stride) == (c_out, 1) else nn.Conv2d(c_in, c_out, 1, stride, bias=False)
