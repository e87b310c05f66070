"""What a shared network trains and evaluates, and what that costs. Imports no torch."""

import math
import random
from dataclasses import dataclass, replace

from senet_nas.recipe import Recipe
from senet_nas.training.passes import CURVE_IMAGES, STEP_COST, passes
from spaces.architecture import Architecture
from spaces.space import Space

# The name under which a worker is asked for the shared network, where it is otherwise asked for an architecture.
SHARED_NETWORK = "shared network"
# What is known of every architecture in the end, by the names of an epoch's metrics.
FIGURES = ("val_accuracy", "train_loss", "val_log_loss")
# Training images for the BatchNorm statistics and the training loss, and validation images for the other two figures:
# the first of these numbers with which every architecture can be evaluated, else the last.
IMAGES = (2000, 1000, 500)
# It trains for the epochs of this many trainings, or of at least one if the budget is small; more architectures than
# MOST are not evaluated, and their evaluation takes at most this share of what the shared network may cost.
TRAININGS = 4
MOST = 2000
EVALUATION_SHARE = 0.6
# Figures of fewer architectures say little.
FEWEST = 32


@dataclass(frozen=True)
class SharedPlan:
    """Which ``architectures`` (keys, of one backbone) share a network, and for how many ``epochs`` it trains.

    Each is evaluated on as many training ``images``, and on as many validation images.
    """

    architectures: tuple[str, ...]
    epochs: int
    images: int = IMAGES[0]


@dataclass(frozen=True)
class SharedSizes:
    """How many ``epochs`` a shared network trains, and how many architectures it evaluates on how many images."""

    epochs: int
    architectures: int
    images: int = IMAGES[0]


@dataclass(frozen=True)
class SharedCost:
    """What a shared network costs in trainings of a recipe, counted in passes of images through the network.

    ``n_train`` and ``n_val`` are the numbers of training and validation images.
    """

    recipe: Recipe
    n_train: int
    n_val: int

    def of(self, sizes: SharedSizes) -> float:
        """The cost of training and evaluation, in trainings."""
        return sizes.epochs * self._epoch + sizes.architectures * self._evaluation(sizes.images)

    def sizes_within(self, most: float, architectures: int) -> SharedSizes | None:
        """The largest useful sizes that cost at most ``most`` trainings, if there are so many ``architectures``.

        None if less than one training's epochs or FEWEST architectures would be left.
        """
        useful = min(architectures, MOST)
        for_evaluation = max(0.0, min(EVALUATION_SHARE * most, most - self.recipe.epochs * self._epoch))
        affordable = [(math.floor(for_evaluation / self._evaluation(images)), images) for images in IMAGES]
        count, images = next(((useful, images) for count, images in affordable if count >= useful), affordable[-1])
        left = most - count * self._evaluation(images)
        epochs = min(TRAININGS * self.recipe.epochs, math.floor(left / self._epoch))
        if epochs < self.recipe.epochs or count < min(FEWEST, architectures):
            return None
        return SharedSizes(epochs, count, images)

    def least(self, architectures: int) -> float:
        """What the smallest useful shared network costs, in trainings; about, because it is rounded."""
        evaluation = min(FEWEST, architectures) * self._evaluation(IMAGES[-1])
        return max(evaluation / EVALUATION_SHARE, self.recipe.epochs * self._epoch + evaluation)

    @property
    def _epoch(self) -> float:
        return (STEP_COST * self.n_train + min(CURVE_IMAGES, self.n_val)) / self._training

    def _evaluation(self, images: int) -> float:
        """The cost of the figures of one architecture."""
        return (min(images, self.n_train) + min(images, self.n_val)) / self._training

    @property
    def _training(self) -> int:
        return passes(self.recipe, self.n_train, self.n_val)


def evaluated(space: Space, count: int, seed: int) -> list[Architecture]:
    """``count`` different members of a space: all of them, or plain and random ones, the same for a seed."""
    if space.size <= count:
        return list(space)
    rng = random.Random(seed)
    found = {Architecture.plain(space.backbone, len(space.sites)): None}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)


def shared_recipe(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe by which a shared network trains: that of every training, over other epochs."""
    return replace(recipe, epochs=epochs)
