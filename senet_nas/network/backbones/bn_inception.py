"""BN-Inception: Ioffe and Szegedy, arXiv 1502.03167, figure 5, as in the network that Hu et al. published in Caffe.

Convolutions have no bias, as there; the poolings are Caffe's: windows that reach over the edge where the size is odd,
and averages over the padding too.
"""

from collections.abc import Callable

from torch import Tensor, nn

from senet_nas.network.backbones.layers import Conv, Module, chain

# Caffe's BatchNorm.
EPS = 1e-5

# Channels of the 1x1 branch; of 1x1 and 3x3; of 1x1 and both 3x3; of the 1x1 after the pooling, and which.
# Where there is no 1x1 branch the module halves the size and its pooling has no convolution.
Widths = tuple[int, tuple[int, int], tuple[int, int], tuple[str, int]]
STAGES: tuple[tuple[Widths, ...], ...] = (
    (
        (64, (64, 64), (64, 96), ("avg", 32)),
        (64, (64, 96), (64, 96), ("avg", 64)),
        (0, (128, 160), (64, 96), ("max", 0)),
    ),
    (
        (224, (64, 96), (96, 128), ("avg", 128)),
        (192, (96, 128), (96, 128), ("avg", 128)),
        (160, (128, 160), (128, 160), ("avg", 128)),
        (96, (128, 192), (160, 192), ("avg", 128)),
        (0, (128, 192), (192, 256), ("max", 0)),
    ),
    (
        (352, (192, 320), (160, 224), ("avg", 128)),
        (352, (192, 320), (192, 224), ("max", 128)),
    ),
)
POOLS: dict[str, Callable[[], nn.Module]] = {
    "avg": lambda: nn.AvgPool2d(3, stride=1, padding=1, ceil_mode=True),
    "max": lambda: nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
}


class BNInception(nn.Module):
    """Stages 1 to 3 are the modules 3a to 3c, 4a to 4e, 5a and 5b; SE acts on the output of each."""

    stages = ("stage3", "stage4", "stage5")
    stage3: nn.Module
    stage4: nn.Module
    stage5: nn.Module

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(64, 7, stride=2).layer(in_channels, EPS),
            _halve(),
            chain(64, Conv(64), Conv(192, 3), eps=EPS),
            _halve(),
        )
        c = 192
        for name, rows in zip(self.stages, STAGES, strict=True):
            modules = []
            for row in rows:
                modules.append(_module(c, row))
                c = modules[-1].output.channels
            self.add_module(name, nn.Sequential(*modules))
        self.fc = nn.Linear(c, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.stage5(self.stage4(self.stage3(self.stem(x_NCHW))))
        logits: Tensor = self.fc(y_NCHW.mean((2, 3)))
        return logits


def network(*, in_channels: int, num_classes: int) -> BNInception:
    return BNInception(in_channels, num_classes)


def _halve() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _module(c_in: int, widths: Widths) -> Module:
    c_1x1, (reduce_3x3, c_3x3), (reduce_double, c_double), (pool, c_pool) = widths
    stride = 1 if c_1x1 else 2
    single = chain(c_in, Conv(reduce_3x3), Conv(c_3x3, 3, stride), eps=EPS)
    double = chain(c_in, Conv(reduce_double), Conv(c_double, 3), Conv(c_double, 3, stride), eps=EPS)
    if stride == 2:
        return Module(c_3x3 + c_double + c_in, single, double, _halve())
    pooled = chain(c_in, Conv(c_pool), eps=EPS, before=POOLS[pool]())
    return Module(c_1x1 + c_3x3 + c_double + c_pool, chain(c_in, Conv(c_1x1), eps=EPS), single, double, pooled)
