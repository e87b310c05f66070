"""Can a network be fine-tuned as its config says? What is frozen must be there, and something must be left to train."""

from dataclasses import dataclass
from typing import Any

from search.config import Experiment
from spaces.errors import UserError

FREEZE = "train.freeze"


@dataclass(frozen=True)
class FineTuning:
    """What a fine-tuning begins with.

    ``classifier``: path of the layer that gives the logits. ``drawn``: layers that get random weights, because the
    pretrained ones are for other classes. ``unused``: names in the weights that plain does not have. ``section``: what
    was taken of a file with several sections of weights.
    """

    classifier: str
    drawn: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    section: str = ""


def fine_tuning(
    experiment: Experiment, data: Any, drawn: tuple[str, ...] = (), unused: tuple[str, ...] = (), section: str = ""
) -> FineTuning | None:
    """The fine-tuning of an experiment; None if it trains from scratch. Raises UserError for what cannot be frozen."""
    recipe = experiment.train
    if experiment.model.init != "pretrained" and recipe.freeze == "none" and recipe.backbone_lr is None:
        return None
    from senet_nas.network import parts
    from senet_nas.network.build import skeleton

    plain = skeleton(experiment.model.network, data.channels, data.num_classes)
    head = parts.classifier(plain, tuple(data.shape))
    if recipe.freeze != "none" and experiment.model.init != "pretrained":
        _check_loaded(experiment, data, head)
    if recipe.freeze == "norm" and not parts.backbone_norms(plain):
        raise UserError(
            "the network has no BatchNorm, so nothing is frozen", hint="write `train.freeze: none`", key=FREEZE
        )
    if recipe.freeze == "backbone":
        _check_head(plain, head, data.num_classes)
    return FineTuning(head, drawn, unused, section)


def _check_loaded(experiment: Experiment, data: Any, head: str) -> None:
    """Raises UserError if the function of the user's draws its weights: frozen ones would stay random."""
    from senet_nas.network.backbones import own

    name = experiment.model.network
    one, other = (
        own.network(name, in_channels=data.channels, num_classes=data.num_classes, seed=seed).state_dict()
        for seed in range(2)
    )
    drawn = [path for path in one if not path.startswith(f"{head}.") and not one[path].equal(other[path])]
    if drawn:
        raise UserError(
            f"the backbone would keep random weights: `{drawn[0]}` is drawn by your function",
            hint="name a file: `model.weights: FILE`, or load a checkpoint in the function",
            key=FREEZE,
        )


def _check_head(plain: Any, head: str, num_classes: int) -> None:
    """Raises UserError if the classifier is not known or cannot train: plain would have nothing to train."""
    layer = plain.get_submodule(head) if head else None
    outputs = getattr(layer, "out_features", getattr(layer, "out_channels", None))
    hint = "write `train.freeze: norm`, or a small train.backbone_lr"
    if layer is None or outputs != num_classes:
        found = f"the last layer that has weights, `{head}`, gives {outputs}" if head else "no layer has weights"
        message = f"the classifier was not found: the data have {num_classes} classes, and {found}"
        raise UserError(message, hint=hint, key=FREEZE)
    if not any(parameter.requires_grad for parameter in layer.parameters()):
        message = f"nothing is left to train in plain: your code freezes the classifier `{head}`"
        raise UserError(message, hint="leave its parameters trainable, or write `train.freeze: none`", key=FREEZE)
