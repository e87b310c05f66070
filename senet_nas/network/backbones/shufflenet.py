"""torchvision's ShuffleNet-v2 (arXiv 1807.11164). SE acts on the joined and shuffled output of a unit."""

from torch import nn

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import add_output
from senet_nas.network.stages import with_stages


def network(*, name: str, in_channels: int, num_classes: int) -> nn.Module:
    """The network with a slot ``output`` behind every unit."""
    model = stock.model(name, in_channels, num_classes)
    stages = ("stage2", "stage3", "stage4")
    for stage in stages:
        for unit in model.get_submodule(stage).children():
            add_output(unit, 2 * unit.branch2[-2].num_features)
    return with_stages(model, stages)
