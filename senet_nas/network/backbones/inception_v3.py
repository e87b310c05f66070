"""torchvision's Inception-v3 (arXiv 1512.00567) without its second head.

SE acts on the joined output of a module, as in SE-BN-Inception.
"""

from torch import nn

from senet_nas.network.backbones import stock
from senet_nas.network.squeeze_excitation import add_output
from senet_nas.network.stages import with_stages

CHANNELS = (
    {"Mixed_5b": 256, "Mixed_5c": 288, "Mixed_5d": 288},
    {"Mixed_6a": 768, "Mixed_6b": 768, "Mixed_6c": 768, "Mixed_6d": 768, "Mixed_6e": 768},
    {"Mixed_7a": 1280, "Mixed_7b": 2048, "Mixed_7c": 2048},
)


def network(*, in_channels: int, num_classes: int) -> nn.Module:
    """The network with a slot ``output`` behind every module; stages are the sizes 35, 17 and 8 of images of 299."""
    model = stock.model("inception_v3", in_channels, num_classes, aux_logits=False, init_weights=False)
    for stage in CHANNELS:
        for name, channels in stage.items():
            add_output(model.get_submodule(name), channels)
    return with_stages(model, tuple(tuple(stage) for stage in CHANNELS))
