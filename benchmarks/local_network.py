"""A network of pointwise convolutions that sees little of an image: where a table needs SE to matter.

A class score is a mean over places that each see 7 x 7 pixels, as in BagNets (Brendel and Bethge, arXiv 1904.00760).
What lies elsewhere in the image reaches them through SE alone, so SE gains far more than the noise of a training.
"""

from torch import Tensor, nn

from senet_nas.network.squeeze_excitation import ResidualUnit

WIDTHS = (16, 32)


class Unit(ResidualUnit, nn.Module):
    """Two pointwise convolutions with BatchNorm, and a depthwise one of 3 x 3 between them if it is ``spatial``."""

    def __init__(self, c_in: int, c_out: int, *, spatial: bool) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
        self.depthwise = _depthwise(c_out) if spatial else None
        self.relu = nn.ReLU(inplace=True)
        self.project = nn.Sequential(nn.Conv2d(c_out, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
        self.downsample = None if c_in == c_out else _shortcut(c_in, c_out)
        self.add_slots(c_in, c_out, c_out)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.expand(x_NCHW)
        if self.depthwise is not None:
            h_NCHW = self.depthwise(h_NCHW)
        y_NCHW: Tensor = self.project(self.mid(self.relu(h_NCHW)))
        return y_NCHW


class LocalNetwork(nn.Module):
    """A stem of stride 2, two stages of two units, a linear layer. The first unit alone is spatial."""

    stages = ("layer1", "layer2")

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        first, second = WIDTHS
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, first, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
        )
        self.layer1 = nn.Sequential(Unit(first, first, spatial=True), Unit(first, first, spatial=False))
        self.layer2 = nn.Sequential(Unit(first, second, spatial=False), Unit(second, second, spatial=False))
        self.fc = nn.Linear(second, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.layer2(self.layer1(self.stem(x_NCHW)))
        logits: Tensor = self.fc(y_NCHW.mean((2, 3)))
        return logits


def network(*, in_channels: int, num_classes: int) -> LocalNetwork:
    """Images (N, in_channels, H, W) -> logits (N, num_classes)."""
    return LocalNetwork(in_channels, num_classes)


def _depthwise(channels: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(nn.ReLU(inplace=True), convolution, nn.BatchNorm2d(channels))


def _shortcut(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
