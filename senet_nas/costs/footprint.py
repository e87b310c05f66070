"""The memory that trainings will take, estimated before anything is allocated.

The tensors of a training step are counted (:mod:`senet_nas.costs.memory`). What no count sees is measured: the
libraries in a process, and the workspace of convolutions. ``benchmarks/training_memory.py`` measures both again;
docs/reliability.md has the figures. On a CPU the estimate is never below the measured peak, and at most 1.5 times it (2
times for signals).
"""

import copy
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senet_nas.network import operators
from senet_nas.recipe import Recipe
from senet_nas.training.validate import batch_size
from spaces.architecture import Architecture
from spaces.spec import Site

if TYPE_CHECKING:
    from torch import nn

# Seen on 2026-11-28 with torch 2.14.1 and Ray 2.60.0 on x86-64 Linux: a process that imported torch, torchvision and
# Ray Tune holds 0.85 GB, 0.38 GB of it files that processes share. Ray's seven processes held 0.55 GB (seen once).
PROCESS = 900_000_000
SHARED = 350_000_000
SERVICES = 600_000_000
# Workspace of convolutions on a CPU, in proportion to the tensors and beside them: chosen so that the estimate lies
# above the measured peak for the six networks of benchmarks/training_memory.py that it names, by 4 % for the closest.
WORKSPACE = 1.3
BASE = 300_000_000
# Signals do not lie channels last, and torch's convolutions of them reorder tensors: below 32 MB, these leave holes in
# the heap of glibc. Measured on four trainings with signals: up to 2.05 times the tensors; without holes 1.0 times.
WORKSPACE_OF_SIGNALS = 2.2
FLOAT = 4
# Copies of a batch of images that augmentation and normalisation hold beside the one that the network takes.
COPIES = 3


@dataclass(frozen=True)
class Footprint:
    """Bytes that one training takes at its peak beside its images, by part."""

    process: int
    weights: int
    activations: int
    batch: int

    @property
    def total(self) -> int:
        return self.process + self.on_device

    @property
    def on_device(self) -> int:
        """What lies on the GPU, if a GPU trains."""
        return self.weights + self.activations


def footprint(network: "nn.Module", shape: tuple[int, ...], recipe: Recipe, n_validation: int) -> Footprint:
    """The footprint of a training of ``network`` on samples of ``shape`` (C, *spatial) in fp32.

    Counted are weights, gradients, momentum and moving average; the larger one of a training step and of a batch of
    validation, with the copies of its images. What is frozen has neither gradients nor momentum.
    """
    from senet_nas.costs import memory
    from senet_nas.training.fine_tuning import freeze, set_to_train

    if recipe.freeze != "none":
        network = copy.deepcopy(network).to("meta")
        freeze(network, recipe.freeze, shape)
    weights = _weights(network)
    trained = FLOAT * sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    kept = weights + trained + (trained if recipe.momentum else 0) + (weights if recipe.ema else 0)
    images = COPIES * recipe.batch_size * FLOAT * math.prod(shape)
    mode = functools.partial(set_to_train, what=recipe.freeze)
    step = memory.training(network, shape, recipe.batch_size, mode) - weights + images
    live = max(step, _evaluation(network, shape, n_validation))
    return Footprint(PROCESS, kept, round(_workspace(shape) * live) + BASE, recipe.batch_size)


def testing(network: "nn.Module", shape: tuple[int, ...], n_images: int) -> int:
    """Bytes of a test on ``n_images`` samples of ``shape`` beside the samples and the process, at the peak."""
    return _weights(network) + round(_workspace(shape) * _evaluation(network, shape, n_images)) + BASE


def of_shared_blocks(
    architectures: Sequence[Architecture], sites: Sequence[Site], recipe: Recipe, n_axes: int = 2
) -> int:
    """Bytes that the SE blocks of a shared network take beside those of one path: it holds all of them at once.

    Counted are weights, momentum and moving average, and the copy that is evaluated. Only a path has gradients.
    ``n_axes`` is the number of spatial dimensions.
    """
    params = 0
    for site, blocks in zip(sites, zip(*(a.blocks for a in architectures), strict=True), strict=True):
        for se in {se for se in blocks if se is not None}:
            channels = site.channels[se.position]
            params += operators.params(channels, n_axes, se)
    return FLOAT * params * (2 + bool(recipe.momentum) + bool(recipe.ema))


# -- inside -----------------------------------------------------------------------------------------------------------


def _weights(network: "nn.Module") -> int:
    return FLOAT * sum(parameter.numel() for parameter in network.parameters())


def _evaluation(network: "nn.Module", shape: tuple[int, ...], n_images: int) -> int:
    """Bytes of the tensors of a batch of validation with the copies of its images, without the weights."""
    from senet_nas.costs import memory

    n = min(batch_size(shape), n_images)
    return memory.inference(network, shape, n) - _weights(network) + COPIES * n * FLOAT * math.prod(shape)


def _workspace(shape: tuple[int, ...]) -> float:
    return WORKSPACE if len(shape) == 3 else WORKSPACE_OF_SIGNALS
