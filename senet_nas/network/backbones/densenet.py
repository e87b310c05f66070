"""torchvision's DenseNet (arXiv 1608.06993).

A unit is a dense layer: SE acts on its new features, before they are joined to those of the layers before.
"""

from torch import nn

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import add_output
from senet_nas.network.stages import with_stages


def network(*, name: str, in_channels: int, num_classes: int) -> nn.Module:
    """The network with a slot ``output`` behind every dense layer; a stage is a dense block."""
    model = stock.model(name, in_channels, num_classes)
    stages = tuple(f"features.denseblock{block}" for block in (1, 2, 3, 4))
    for stage in stages:
        for layer in model.get_submodule(stage).children():
            add_output(layer, layer.conv2.out_channels)
    return with_stages(model, stages)
