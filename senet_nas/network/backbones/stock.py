"""Networks of torchvision before they get slots, and what the backbones that are made of them share."""

from typing import Any

from torch import Tensor, nn
from torchvision import models
from torchvision.ops import SqueezeExcitation


class StochasticDepth(nn.Module):
    """torchvision's stochastic depth in mode ``row``, of operations that torch.fx can trace: one coin for each sample.

    ``p`` is the probability that a sample is dropped.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.coin = nn.Dropout(p)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        kept_N111: Tensor = self.coin(x_NCHW.new_ones(()).expand_as(x_NCHW[:, :1, :1, :1]))
        return x_NCHW * kept_N111


def model(name: str, in_channels: int, num_classes: int, **arguments: Any) -> Any:
    """torchvision's model, an nn.Module without pretrained weights, whose first convolution takes ``in_channels``."""
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
    """Replaces a unit's own SE by the identity; the layers after it keep their names in the state dict."""
    for name, child in body.named_children():
        if isinstance(child, SqueezeExcitation):
            setattr(body, name, nn.Identity())
