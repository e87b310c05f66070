"""torchvision's RegNet (arXiv 2003.13678). RegNet-Y is RegNet-X with SE at ``mid``, which the space puts back."""

# mypy: allow-subclassing-any

import torch
from torch import Tensor, nn
from torchvision.models import regnet

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import Forward, ResidualUnit
from senet_nas.network.stages import with_stages


class Unit(ResidualUnit, regnet.ResBottleneckBlock):
    """1x1, grouped 3x3 and 1x1 convolutions; the 3x3 strides."""

    @property
    def downsample(self) -> Forward | None:  # type: ignore[override]
        shortcut: Forward | None = self.proj
        return shortcut

    @property
    def relu(self) -> Forward:  # type: ignore[override]
        activation: Forward = self.activation
        return activation

    def add_own_slots(self) -> None:
        a, b, c = (getattr(self.f, name)[0] for name in "abc")
        self.add_slots(a.in_channels, c.out_channels, b.out_channels)

    def residual(self, x_NCHW: Tensor) -> Tensor:
        y_NCHW: Tensor = self.f.c(self.mid(self.f.b(self.f.a(x_NCHW))))
        return y_NCHW


def network(
    *, depth: int, w_0: int, w_a: float, w_m: float, group_width: int, in_channels: int, num_classes: int
) -> nn.Module:
    """The member of the design space with these five numbers (paper, section 3.3), its units with all slots."""
    with torch.device("cpu"):  # the widths are computed with tensors, which on the meta device have no values
        params = regnet.BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width)
    model = stock.with_channels(regnet.RegNet(params, num_classes, block_type=Unit), in_channels)
    for unit in model.modules():
        if isinstance(unit, Unit):
            unit.add_own_slots()
    return with_stages(model, tuple(f"trunk_output.block{stage}" for stage in (1, 2, 3, 4)))
