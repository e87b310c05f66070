"""torchvision's VGG with BatchNorm (arXiv 1409.1556). A unit is a convolution with its ReLU, as in SE-VGG-16."""

from torch import nn

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import add_output
from senet_nas.network.stages import with_stages


def network(*, name: str, in_channels: int, num_classes: int) -> nn.Module:
    """The network with a slot ``output`` behind the ReLU of every convolution; each pooling ends a stage."""
    model = stock.model(name, in_channels, num_classes, init_weights=False)
    stages: list[list[str]] = [[]]
    channels = 0
    for path, layer in model.get_submodule("features").named_children():
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
        elif isinstance(layer, nn.ReLU):
            add_output(layer, channels)
            stages[-1].append(f"features.{path}")
        elif isinstance(layer, nn.MaxPool2d):
            stages.append([])
    return with_stages(model, tuple(tuple(stage) for stage in stages if stage))
