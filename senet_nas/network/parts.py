"""The parts of a network that is fine-tuned: SE blocks and the classifier are new, all else is its backbone."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.network.surgery import meta_run

Image = tuple[int, ...]  # channels and sides of one image


def classifier(network: nn.Module, image: Image) -> str:
    """Path of the layer that gives the logits: the last linear layer or convolution that runs, outside SE blocks.

    The empty text if there is none. ``image`` is the shape of one image. A network is run without memory; if its code
    cannot run so, the last layer in the order of its modules counts.
    """
    shadow = meta_run.shadow_of(network)
    inside = {module for block in se_blocks(shadow) for module in block.modules()}
    layers = [(p, m) for p, m in shadow.named_modules() if isinstance(m, nn.Linear | _ConvNd) and m not in inside]
    ran: list[str] = []
    for path, layer in layers:
        layer.register_forward_hook(lambda _layer, _inputs, _output, path=path: ran.append(path))
    try:
        with torch.no_grad():
            shadow(torch.empty(1, *image, device="meta"))
    except Exception:  # what the user's code looks at may need values, which meta tensors lack
        ran = [path for path, _ in layers]
    return ran[-1] if ran else ""


def new_parameters(network: nn.Module, image: Image) -> list[nn.Parameter]:
    """The parameters of the SE blocks and of the classifier, also those that are shared with other layers."""
    head = classifier(network, image)
    modules = [*se_blocks(network), *([network.get_submodule(head)] if head else [])]
    found = {id(parameter): parameter for module in modules for parameter in module.parameters()}
    return list(found.values())


def norms(network: nn.Module) -> list[_NormBase]:
    """The layers that keep running statistics, such as BatchNorm."""
    return [module for module in network.modules() if isinstance(module, _NormBase)]


def backbone_norms(network: nn.Module) -> list[_NormBase]:
    """Those of them that are not in SE blocks."""
    inside = {module for block in se_blocks(network) for module in block.modules()}
    return [norm for norm in norms(network) if norm not in inside]


def se_blocks(network: nn.Module) -> Iterator[SqueezeExcitation]:
    """Every SE block of a network."""
    return (module for module in network.modules() if isinstance(module, SqueezeExcitation))
