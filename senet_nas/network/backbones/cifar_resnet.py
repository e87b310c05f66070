"""Residual networks for small images: He et al., arXiv 1512.03385, section 4.2. Depth 6n + 2, three stages."""

import torch.nn.functional as F
from torch import Tensor, nn

from senet_nas.network.squeeze_excitation import ResidualUnit


class PadShortcut(nn.Module):
    """Option A of the paper: every ``stride``-th pixel, and ``extra`` channels of zeros. No parameters."""

    def __init__(self, stride: int, extra: int) -> None:
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return F.pad(x_NCHW[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Unit(ResidualUnit, nn.Module):
    """Two 3x3 convolutions, each with BatchNorm; the first one strides."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(c_in, c_out, stride)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = conv3x3(c_out, c_out)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None if (c_in, stride) == (c_out, 1) else PadShortcut(stride, c_out - c_in)
        self.add_slots(c_in, c_out, c_out)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.mid(self.relu(self.bn1(self.conv1(x_NCHW))))
        y_NCHW: Tensor = self.bn2(self.conv2(h_NCHW))
        return y_NCHW


class CifarResNet(nn.Module):
    """A 3x3 stem, stages of ``n_units`` units with w, 2w and 4w channels at full, half and quarter size, one layer."""

    stages = ("layer1", "layer2", "layer3")

    def __init__(self, n_units: int, width: int, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(n_units, width, width, stride=1)
        self.layer2 = _stage(n_units, width, 2 * width, stride=2)
        self.layer3 = _stage(n_units, 2 * width, 4 * width, stride=2)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.relu(self.bn1(self.conv1(x_NCHW)))
        y_NCHW = self.layer3(self.layer2(self.layer1(y_NCHW)))
        logits: Tensor = self.fc(y_NCHW.mean((2, 3)))
        return logits


def conv3x3(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel_size=3, stride=stride, padding=1, bias=False)


def network(*, depth: int, width: int = 16, in_channels: int, num_classes: int) -> CifarResNet:
    """The network with ``depth`` weighted layers: the stem, 2n in each stage, the last one."""
    return CifarResNet((depth - 2) // 6, width, in_channels, num_classes)


def _stage(n_units: int, c_in: int, c_out: int, stride: int) -> nn.Sequential:
    rest = (Unit(c_out, c_out, 1) for _ in range(n_units - 1))
    return nn.Sequential(Unit(c_in, c_out, stride), *rest)
