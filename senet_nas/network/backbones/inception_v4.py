"""Inception-v4: Szegedy et al., arXiv 1602.07261, figures 3 to 9. For images from 75 x 75 up."""

from torch import Tensor, nn

from senet_nas.network.backbones.layers import Concat, Conv, Module, chain


class InceptionV4(nn.Module):
    """Stages 1 to 3 are the modules A, B and C, the reduction before each stage in it; SE acts on a module's output."""

    stages = ("stage_a", "stage_b", "stage_c")

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.stem = stem(in_channels)
        self.stage_a = nn.Sequential(*(_module_a() for _ in range(4)))
        self.stage_b = nn.Sequential(_reduction_a(), *(_module_b() for _ in range(7)))
        self.stage_c = nn.Sequential(_reduction_b(), *(_module_c() for _ in range(3)))
        self.fc = nn.Linear(1536, num_classes)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW = self.stage_c(self.stage_b(self.stage_a(self.stem(x_NCHW))))
        logits: Tensor = self.fc(y_NCHW.mean((2, 3)))
        return logits


def network(*, in_channels: int, num_classes: int) -> InceptionV4:
    return InceptionV4(in_channels, num_classes)


def stem(in_channels: int) -> nn.Sequential:
    """Images (N, in_channels, H, W) -> (N, 384, about H / 8, about W / 8)."""
    mixed_4a = Concat(
        chain(160, Conv(64), Conv(96, 3, padded=False)),
        chain(160, Conv(64), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, 3, padded=False)),
    )
    return nn.Sequential(
        chain(in_channels, Conv(32, 3, 2, padded=False), Conv(32, 3, padded=False), Conv(64, 3)),
        Concat(_halve(), chain(64, Conv(96, 3, 2, padded=False))),
        mixed_4a,
        Concat(chain(192, Conv(192, 3, 2, padded=False)), _halve()),
    )


def pooled(c_in: int, channels: int) -> nn.Sequential:
    """A 3x3 average, of the image alone at its edges, and a 1x1 convolution."""
    return chain(c_in, Conv(channels), before=nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False))


def _halve() -> nn.Module:
    return nn.MaxPool2d(3, stride=2)


def _module_a() -> Module:
    return Module(
        384,
        chain(384, Conv(96)),
        chain(384, Conv(64), Conv(96, 3)),
        chain(384, Conv(64), Conv(96, 3), Conv(96, 3)),
        pooled(384, 96),
    )


def _reduction_a() -> Module:
    return Module(
        1024,
        chain(384, Conv(384, 3, 2, padded=False)),
        chain(384, Conv(192), Conv(224, 3), Conv(256, 3, 2, padded=False)),
        _halve(),
    )


def _module_b() -> Module:
    return Module(
        1024,
        chain(1024, Conv(384)),
        chain(1024, Conv(192), Conv(224, (1, 7)), Conv(256, (7, 1))),
        chain(1024, Conv(192), Conv(192, (7, 1)), Conv(224, (1, 7)), Conv(224, (7, 1)), Conv(256, (1, 7))),
        pooled(1024, 128),
    )


def _reduction_b() -> Module:
    return Module(
        1536,
        chain(1024, Conv(192), Conv(192, 3, 2, padded=False)),
        chain(1024, Conv(256), Conv(256, (1, 7)), Conv(320, (7, 1)), Conv(320, 3, 2, padded=False)),
        _halve(),
    )


def _module_c() -> Module:
    return Module(
        1536,
        chain(1536, Conv(256)),
        nn.Sequential(chain(1536, Conv(384)), _fork(384)),
        nn.Sequential(chain(1536, Conv(384), Conv(448, (3, 1)), Conv(512, (1, 3))), _fork(512)),
        pooled(1536, 256),
    )


def _fork(c_in: int) -> Concat:
    return Concat(chain(c_in, Conv(256, (1, 3))), chain(c_in, Conv(256, (3, 1))))
