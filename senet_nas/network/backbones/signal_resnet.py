"""A residual network for one-dimensional signals (N, C, L): He et al., arXiv 1512.03385, with convolutions over time.

On a signal of one channel a gate would be one number for each sample. So the stem first makes more channels.
"""

from torch import Tensor, nn

from senet_nas.network.squeeze_excitation import ResidualUnit


class Unit(ResidualUnit, nn.Module):
    """Two convolutions over ``KERNEL`` steps, each with BatchNorm; the first one strides."""

    KERNEL = 5

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(c_in, c_out, self.KERNEL, stride)
        self.bn1 = nn.BatchNorm1d(c_out)
        self.conv2 = _conv(c_out, c_out, self.KERNEL, 1)
        self.bn2 = nn.BatchNorm1d(c_out)
        self.relu = nn.ReLU(inplace=True)
        same = (c_in, stride) == (c_out, 1)
        self.downsample = None if same else nn.Sequential(_conv(c_in, c_out, 1, stride), nn.BatchNorm1d(c_out))
        self.add_slots(c_in, c_out, c_out)

    def residual(self, x_NCL: Tensor) -> Tensor:
        h_NCL = self.mid(self.relu(self.bn1(self.conv1(x_NCL))))
        y_NCL: Tensor = self.bn2(self.conv2(h_NCL))
        return y_NCL


class SignalResNet(nn.Module):
    """A stem of stride 2, three stages of ``n_units`` units with w, 2w and 4w channels, a linear layer."""

    stages = ("layer1", "layer2", "layer3")

    def __init__(self, n_units: int, width: int, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, width, kernel=7, stride=2)
        self.bn1 = nn.BatchNorm1d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(n_units, width, width, stride=1)
        self.layer2 = _stage(n_units, width, 2 * width, stride=2)
        self.layer3 = _stage(n_units, 2 * width, 4 * width, stride=2)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x_NCL: Tensor) -> Tensor:
        y_NCL = self.relu(self.bn1(self.conv1(x_NCL)))
        y_NCL = self.layer3(self.layer2(self.layer1(y_NCL)))
        logits: Tensor = self.fc(y_NCL.mean(2))
        return logits


def network(*, depth: int, width: int = 16, in_channels: int, num_classes: int) -> SignalResNet:
    """The network with ``depth`` weighted layers: the stem, 2n in each stage, the last one."""
    return SignalResNet((depth - 2) // 6, width, in_channels, num_classes)


def _conv(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Conv1d:
    return nn.Conv1d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)


def _stage(n_units: int, c_in: int, c_out: int, stride: int) -> nn.Sequential:
    rest = (Unit(c_out, c_out, 1) for _ in range(n_units - 1))
    return nn.Sequential(Unit(c_in, c_out, stride), *rest)
