"""Settings that are allowed but cannot be meant: impossible ones are errors, odd ones cautions of ``check``."""

from collections.abc import Callable, Mapping

from search.config import Experiment
from senet_nas.recipe import Recipe
from spaces.errors import UserError

# By name: the largest value that people mean for SGD on images, and what a larger one does.
USUAL_MOST: Mapping[str, tuple[float, str]] = {
    "lr": (3.0, "trainings are likely to diverge; usual are 0.01 to 1"),
    "momentum": (0.995, "each step averages over more than 200 earlier ones; usual is 0.9"),
    "weight_decay": (0.05, "the penalty outweighs the loss; usual are 0.0001 to 0.001"),
    "label_smoothing": (0.5, "most of the target is spread over wrong classes; usual is 0.1"),
    "jitter": (0.8, "brightness and contrast may vanish; usual is 0.4"),
}


def check_sizes(experiment: Experiment, side: int) -> None:
    """Raises UserError if images of ``side`` pixels are too small for the augmentation."""
    recipe = experiment.train
    if recipe.crop is not None and recipe.crop >= side:
        raise UserError(
            f"a padding of {recipe.crop} pixels is not smaller than the images, which have {side}: crops may be empty",
            hint=f"write `train.crop: {max(1, side // 8)}`",
            key="train.crop",
        )
    if recipe.cutout >= side:
        raise UserError(
            f"a square of {recipe.cutout} pixels blanks whole images, which have {side}",
            hint=f"write `train.cutout: {side // 2}` or less",
            key="train.cutout",
        )


def odd_settings(recipe: Recipe) -> list[str]:
    """A caution for each setting of a training that is hardly meant."""
    return [text for check in _CHECKS for text in check(recipe)]


# -- inside -----------------------------------------------------------------------------------------------------------


def _large(recipe: Recipe) -> list[str]:
    found = []
    for name, (most, effect) in USUAL_MOST.items():
        value = getattr(recipe, name)
        if value > most:
            found.append(f"train.{name} is {value:g}: {effect}")
    return found


def _warmup(recipe: Recipe) -> list[str]:
    if recipe.warmup < recipe.epochs:
        return []
    return [
        f"train.warmup is {recipe.warmup:g} of {recipe.epochs} epochs, so the learning rate never reaches "
        "train.lr; lower train.warmup"
    ]


def _milestones(recipe: Recipe) -> list[str]:
    if recipe.schedule != "step":
        if recipe.milestones == Recipe.milestones:
            return []
        return ["train.milestones has no effect with `train.schedule: cosine`; write `train.schedule: step`"]
    if list(recipe.milestones) == sorted(set(recipe.milestones)):
        return []
    return ["train.milestones repeat or do not rise, so the learning rate falls faster than it reads; sort them"]


def _backbone_lr(recipe: Recipe) -> list[str]:
    if recipe.backbone_lr is None or recipe.backbone_lr <= recipe.lr:
        return []
    return [
        f"train.backbone_lr is {recipe.backbone_lr:g}, more than train.lr ({recipe.lr:g}): the backbone changes faster "
        "than SE and the classifier; usual is a tenth of train.lr"
    ]


_CHECKS: tuple[Callable[[Recipe], list[str]], ...] = (_large, _warmup, _milestones, _backbone_lr)
