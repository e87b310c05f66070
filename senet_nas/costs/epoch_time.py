"""How long an epoch of a training takes, measured within seconds however large the images are."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from senet_nas.data.load import Data
from senet_nas.network import warm_start
from senet_nas.network.build import build, sites
from senet_nas.recipe import Diverged, Recipe, Seed
from senet_nas.training.train import Training
from spaces.architecture import Architecture

# Enough batches for a steady rate, and the seconds after which the last measurement counts.
BATCHES = 12
SECONDS = 10.0
# The first measurement has this many images, each further one more by this factor: all earlier ones take a third of it.
FEWEST = 2
GROWTH = 4
# A learning rate that is right for the batches of a recipe may diverge with two images. The time does not depend on it.
HARMLESS = 1e-6


@dataclass(frozen=True)
class EpochTime:
    """Seconds of an epoch over all images, extrapolated from one over ``images`` training images."""

    seconds: float
    images: int


def harmless(recipe: Recipe, epochs: int) -> Recipe:
    """A recipe that takes as long, for a measurement of so many epochs, with a learning rate that cannot diverge."""
    return replace(recipe, epochs=epochs, lr=HARMLESS, backbone_lr=None)


def measure(
    make: Callable[[], nn.Module],
    data: Data,
    recipe: Recipe,
    *,
    device: str = "cpu",
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> EpochTime:
    """The time of an epoch of ``recipe`` on ``data``; ``make`` builds the network.

    Few images come first, in a small batch. More follow, up to BATCHES batches, while the next measurement ends within
    ``seconds``: a batch of large images may take half a minute. Raises Diverged if a full batch gives no finite loss.
    """
    most = min(len(data.y_train), BATCHES * recipe.batch_size)
    n_images = min(FEWEST, most)
    began = clock()
    while True:
        part = data.share(n_images / len(data.y_train))
        few = replace(harmless(recipe, 2), batch_size=min(recipe.batch_size, n_images))
        try:
            taken = _epoch(Training(make(), part, few, seed=Seed(0), device=device), clock)
        except Diverged:  # BatchNorm over two images with maps of one place is no fault of the network
            if few.batch_size == min(recipe.batch_size, most):
                raise
        else:
            next_takes = 2 * GROWTH * taken
            if n_images == most or clock() - began + next_takes > seconds:
                return EpochTime(taken / n_images * len(data.y_train), n_images)
        n_images = min(most, GROWTH * n_images)


def of_plain(
    backbone: str,
    data: Data,
    recipe: Recipe,
    *,
    device: str,
    threads: int,
    seconds: float = SECONDS,
    init: str = "scratch",
    weights: str | None = None,
) -> EpochTime:
    """The time of an epoch of a plain network with this number of threads, and with the weights of its trainings.

    Raises UserError; Diverged if these weights give no finite loss.
    """
    plain = Architecture.plain(backbone, len(sites(backbone)))

    def network() -> nn.Module:
        made = build(plain, in_channels=data.channels, num_classes=data.num_classes)
        warm_start.apply(made, plain, init, tuple(data.shape), weights)
        return made

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return measure(network, data, recipe, device=device, seconds=seconds)
    finally:
        torch.set_num_threads(before)


def _epoch(training: Training, clock: Callable[[], float]) -> float:
    """Seconds of the second epoch: the first one may spend seconds on starting up, which later ones do not."""
    training.epoch()
    began = clock()
    training.epoch()
    return clock() - began
