"""Fine-tuning: what of a network is frozen, which layers are in eval mode, and which learning rate each part has."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from senet_nas.network.parts import Image, backbone_norms, new_parameters, norms, se_blocks
from senet_nas.network.shared_network import SharedNetwork
from senet_nas.recipe import Freeze, Recipe


def freeze(network: nn.Module, what: Freeze, image: Image) -> None:
    """Turns off the gradients of the frozen parameters, in place. What the user's code has frozen stays frozen."""
    for parameter in frozen(network, what, image):
        parameter.requires_grad_(False)


def frozen(network: nn.Module, what: Freeze, image: Image) -> list[nn.Parameter]:
    """The parameters that ``train.freeze`` keeps as they are; ``image`` is the shape of one image."""
    if what == "none":
        return []
    if what == "norm":
        return [parameter for norm in backbone_norms(network) for parameter in norm.parameters(recurse=False)]
    return _without(network.parameters(), new_parameters(network, image))


def set_to_train(network: nn.Module, what: Freeze) -> None:
    """Sets every layer to training mode, and frozen ones to eval mode, so their running statistics stay as they are.

    The statistics of a frozen BatchNorm are those of the data of the pretrained weights, as in torchvision's
    FrozenBatchNorm2d.
    """
    network.train()
    if what == "backbone":
        backbone = network.network if isinstance(network, SharedNetwork) else network
        backbone.eval()
        for block in se_blocks(backbone):
            block.train()
    if what == "norm":
        for norm in backbone_norms(network):
            norm.eval()


def moving_norms(network: nn.Module, what: Freeze) -> list[_NormBase]:
    """The layers whose running statistics follow the training."""
    still = backbone_norms(network) if what != "none" else []
    return [norm for norm in norms(network) if norm not in still]


def parameter_groups(network: nn.Module, recipe: Recipe, image: Image) -> list[dict[str, Any]]:
    """Groups for an optimizer, each with peak learning rate and weight decay; those of new parts come first.

    With one learning rate there are two groups, weights that decay and all others; with two, the backbone has its own.
    """
    everything = list(network.parameters())
    if recipe.backbone_lr is None:
        return _groups(everything, recipe, recipe.lr)
    new = new_parameters(network, image)
    return [*_groups(new, recipe, recipe.lr), *_groups(_without(everything, new), recipe, recipe.backbone_lr)]


# -- inside -----------------------------------------------------------------------------------------------------------


def _groups(parameters: Sequence[nn.Parameter], recipe: Recipe, lr: float) -> list[dict[str, Any]]:
    weights = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": recipe.weight_decay, "lr": lr},
        {"params": others, "weight_decay": 0.0, "lr": lr},
    ]


def _without(parameters: Iterable[nn.Parameter], removed: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    gone = {id(parameter) for parameter in removed}
    return [parameter for parameter in parameters if id(parameter) not in gone]
