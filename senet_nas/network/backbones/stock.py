"""A network of torchvision's as it comes, before slots are set into it."""

from typing import Any

from torch import Tensor, nn
from torchvision import models
from torchvision.ops import SqueezeExcitation


class StochasticDepth(nn.Module):
    """torchvision's in mode ``row``, made of what torch.fx can follow: one coin with chance ``p`` for each sample."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.coin = nn.Dropout(p)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return x_NCHW * self.coin(x_NCHW.new_ones(()).expand_as(x_NCHW[:, :1, :1, :1]))


def model(name: str, in_channels: int, num_classes: int, **arguments: Any) -> Any:
    """torchvision's model without weights, an nn.Module with its first convolution made for ``in_channels``."""
    network = models.get_model(name, weights=None, num_classes=num_classes, **arguments)
    return with_channels(network, in_channels)


def with_channels(network: Any, in_channels: int) -> Any:
    """The network itself, whose first convolution takes ``in_channels``."""
    path, conv = next((path, child) for path, child in network.named_modules() if isinstance(child, nn.Conv2d))
    if in_channels != conv.in_channels:
        geometry: dict[str, Any] = {name: getattr(conv, name) for name in ("kernel_size", "stride", "padding")}
        new = nn.Conv2d(in_channels, conv.out_channels, **geometry, bias=conv.bias is not None)
        network.set_submodule(path, new)
    return network


def without_se(body: nn.Sequential) -> None:
    """Takes a unit's own SE out; what stands behind it keeps its name in the state dict."""
    for name, child in body.named_children():
        if isinstance(child, SqueezeExcitation):
            setattr(body, name, nn.Identity())
