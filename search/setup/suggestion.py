"""What a new config starts with: settings that suit the images and the machine, and the time that a search takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.config import Experiment
from search.config.render import Setting
from search.setup import memory_check
from search.setup.fit_checks import fitting_batch
from search.setup.machine import machine
from senet_nas.costs.epoch_time import of_plain
from senet_nas.data import datasets
from senet_nas.data.glance import Glance
from senet_nas.network.backbones.table import is_own
from senet_nas.network.build import sites
from senet_nas.recipe import Recipe
from spaces.space import Space
from spaces.text import plural, rough

# Networks for images up to this side keep their resolution in the first layers; the others divide it by four.
SMALL = 40
SMALL_NETWORK = "cifar_resnet20"
# Sides that photographs are usually trained at, the largest first.
SIDES = (224, 160, 128, 96, 64)
# Fewer steps in all hardly train a network; more epochs than these hardly pay in a search.
STEPS = 600
MOST_EPOCHS = 60
# A search that takes longer than a night, in seconds, gets smaller images or fewer trainings.
NIGHT = 10 * 3600.0
TRAININGS = 64
FEWEST_TRAININGS = 32
# Seconds that a measurement may take.
QUICK = 6.0


@dataclass(frozen=True)
class Suggestion:
    """Settings by dotted key, each with its reason. Times in seconds; None if the network cannot be timed yet.

    ``measured_on`` is the number of images, of noise, with which a training was timed.
    """

    settings: Mapping[str, Setting]
    seconds_per_training: float | None = None
    slots: int = 1
    device: str = "cpu"
    measured_on: int = 0

    @property
    def trainings(self) -> int:
        return int(self.settings["budget.trainings"][0])

    @property
    def shortened(self) -> "Suggestion":
        """The same with the fewest trainings that can prove something."""
        fewer = (FEWEST_TRAININGS, f"trainings; {TRAININGS} would take longer than a night here")
        return replace(self, settings={**self.settings, "budget.trainings": fewer})

    @property
    def seconds(self) -> float | None:
        """The time of the search."""
        one = self.seconds_per_training
        return None if one is None else one * self.trainings / self.slots

    @property
    def time(self) -> str:
        """How long training and search take, as a sentence."""
        if self.seconds is None or self.seconds_per_training is None:
            return "`senet-search check` measures it, with your network"
        one = f"one training about {rough(self.seconds_per_training)}"
        where = f"measured on {plural(self.measured_on, 'image')} of noise"
        side_by_side = f"{self.slots} at a time on {self.device}"
        return f"{one} ({where}), {self.trainings} trainings about {rough(self.seconds)} ({side_by_side})"


def suggest(source: Mapping[str, Any], seen: Glance, backbone: str | None, base: Path) -> Suggestion:
    """Settings for the data of a config section ``source``, which were ``seen``. ``backbone`` is the user's choice.

    Of photographs, the largest side with which the search takes at most a night. Raises UserError if the machine lacks
    the memory.
    """
    sides = _sides(source, seen)
    least = _suggestion(source, seen, backbone, sides[-1] if sides else None, base)
    if least.seconds is None:
        return least
    for side in sides[:-1]:
        if least.seconds * (side / sides[-1]) ** 2 <= NIGHT:
            return _suggestion(source, seen, backbone, side, base)
    return least if least.seconds <= NIGHT else least.shortened


# -- inside -----------------------------------------------------------------------------------------------------------


def _sides(source: Mapping[str, Any], seen: Glance) -> list[int]:
    """Image sizes to choose from, the largest first; empty for data that bring their own size."""
    if datasets.named(source["dataset"]).listed is None:
        return []
    if seen.side < SIDES[-1]:
        return [max(8, seen.side)]
    return [side for side in SIDES if side <= seen.side]


def _suggestion(
    source: Mapping[str, Any], seen: Glance, backbone: str | None, side: int | None, base: Path
) -> Suggestion:
    """The settings with this image size, timed here unless the network is the user's own."""
    settings = {**_network(source, seen, backbone, side), **_recipe(seen.counts["train"])}
    settings["budget.trainings"] = (TRAININGS, "trainings, half of them for the confirmation")
    chosen = str(settings["model.backbone"][0])
    if is_own(chosen):  # it may not be written yet
        return Suggestion(settings)
    experiment = Experiment.from_dict(_tree(source, settings), base=base)
    shape = seen.shape if side is None else (seen.shape[0], side, side)
    data = seen.blank(shape)
    device, slots = machine(experiment)
    memory_check.check_data(experiment)
    memory_check.check_trainings(experiment, Space(chosen, sites(chosen), experiment.space), data, device, slots)
    epoch = of_plain(chosen, data, experiment.train, device=device, threads=slots.cpus, seconds=QUICK)
    return Suggestion(
        settings=settings,
        seconds_per_training=epoch.seconds * experiment.train.epochs,
        slots=slots.count or 1,
        device=device,
        measured_on=epoch.images,
    )


def _network(source: Mapping[str, Any], seen: Glance, backbone: str | None, side: int | None) -> dict[str, Setting]:
    size = seen.side if side is None else side
    suited = datasets.named(source["dataset"]).backbone
    if side is not None and size <= SMALL:
        suited = SMALL_NETWORK
    what = "images of this size" if seen.is_images else "signals"
    settings: dict[str, Setting] = {
        "model.backbone": (backbone or suited, "your choice" if backbone else f"for {what}; see `senet-search list`")
    }
    if side is None:
        return settings
    why = f"pixels; the median of the shorter sides is {seen.side}"
    return {"data.image_size": (side, why), **settings}


def _recipe(n_train: int) -> dict[str, Setting]:
    """Batch size, learning rate and epochs for this many training images."""
    usual = Recipe.batch_size
    batch = min(usual, fitting_batch(n_train))
    steps = max(1, n_train // batch)
    epochs = min(MOST_EPOCHS, max(Recipe.epochs, math.ceil(STEPS / steps)))
    settings: dict[str, Setting] = {"train.epochs": (epochs, f"of {plural(steps, 'step')} each")}
    if batch == usual:
        return {**settings, "train.batch_size": (batch, "images per step")}
    why = f"images per step; the usual {usual} are too many for {n_train:,} training images"
    lr = round(max(0.01, Recipe.lr * batch / usual), 3)
    return {
        **settings,
        "train.batch_size": (batch, why),
        "train.lr": (lr, "peak learning rate, in proportion to the batch"),
    }


def _tree(source: Mapping[str, Any], settings: Mapping[str, Setting]) -> dict[str, Any]:
    tree: dict[str, Any] = {"data": dict(source)}
    for key, (value, _) in settings.items():
        section, _, name = key.partition(".")
        tree.setdefault(section, {})[name] = value
    return tree
