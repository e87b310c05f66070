"""MobileNet: Howard et al., arXiv 1704.04861, table 1, width 1.0."""

from torch import Tensor, nn

from senet_nas.network.squeeze_excitation import Slot

# Channels and stride of the 13 pairs of convolutions; a stage for each size of the feature map.
STAGES = (
    ((64, 1),),
    ((128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2), *((512, 1),) * 5),
    ((1024, 2), (1024, 1)),
)


class Unit(nn.Module):
    """A depthwise 3x3 and a pointwise 1x1 convolution, each with BatchNorm and ReLU; the first strides.

    ``output`` acts after the pointwise convolution: this alone gives the SENet paper's number of parameters (table 3,
    4.7 million). ``mid`` acts after the depthwise convolution.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_in, 3, stride, padding=1, groups=c_in, bias=False)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv2 = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.mid = Slot(c_in)
        self.output = Slot(c_out)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        h_NCHW = self.mid(self.relu(self.bn1(self.conv1(x_NCHW))))
        y_NCHW: Tensor = self.output(self.relu(self.bn2(self.conv2(h_NCHW))))
        return y_NCHW


class MobileNet(nn.Module):
    """A 3x3 stem with 32 channels, five stages, one layer."""

    stages = ("layer1", "layer2", "layer3", "layer4", "layer5")
    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module
    layer5: nn.Module

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        stem = nn.Conv2d(in_channels, 32, 3, stride=2, padding=1, bias=False)
        self.layer0 = nn.Sequential(stem, nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        c = 32
        for name, pairs in zip(self.stages, STAGES, strict=True):
            widths = (c, *(c_out for c_out, _ in pairs))
            self.add_module(name, nn.Sequential(*(Unit(c, *pair) for c, pair in zip(widths, pairs, strict=False))))
            c = widths[-1]
        self.fc = nn.Linear(c, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.layer3(self.layer2(self.layer1(self.layer0(x_NCHW))))
        y_NCHW = self.layer5(self.layer4(y_NCHW))
        logits: Tensor = self.fc(y_NCHW.mean((2, 3)))
        return logits


def network(*, in_channels: int, num_classes: int) -> MobileNet:
    return MobileNet(in_channels, num_classes)
