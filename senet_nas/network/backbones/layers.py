"""Layers of the Inception family: chains of convolutions, and modules that concatenate their branches."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from senet_nas.network.squeeze_excitation import Slot


@dataclass(frozen=True)
class Conv:
    """A convolution without bias, BatchNorm and ReLU. ``padded`` by (kernel - 1) / 2, or not at all."""

    channels: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padded: bool = True

    def layer(self, c_in: int, eps: float) -> nn.Sequential:
        kernel = (self.kernel, self.kernel) if isinstance(self.kernel, int) else self.kernel
        padding = (kernel[0] // 2, kernel[1] // 2) if self.padded else 0
        conv = nn.Conv2d(c_in, self.channels, kernel, self.stride, padding, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(self.channels, eps=eps), nn.ReLU(inplace=True))


def chain(c_in: int, *convs: Conv, eps: float = 1e-3, before: nn.Module | None = None) -> nn.Sequential:
    """The convolutions in a row, after the pooling ``before`` if it is given."""
    layers = [] if before is None else [before]
    for conv in convs:
        layers.append(conv.layer(c_in, eps))
        c_in = conv.channels
    return nn.Sequential(*layers)


class Concat(nn.Module):
    """y_NCHW: the outputs of all branches, concatenated along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def branches(self) -> Iterable[nn.Module]:
        return [branch for name, branch in self.named_children() if name.startswith("branch")]

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return torch.cat([branch(x_NCHW) for branch in self.branches()], 1)


class Module(Concat):
    """An Inception module, a unit without an addition: SE may scale its output.

    Source: Hu et al., arXiv 1709.01507, figure 2.
    """

    def __init__(self, channels: int, *branches: nn.Module) -> None:
        super().__init__(*branches)
        self.output = Slot(channels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.output(super().forward(x_NCHW))
        return y_NCHW
