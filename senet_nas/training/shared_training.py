"""The training of a shared network, and what each architecture shows with its weights.

Paths train for some epochs. Then each architecture is evaluated: the BatchNorm statistics are computed again on
training images (Guo et al., ECCV 2020, section 3.4), since those of the training are a mixture over all paths. The
figures tell how architectures differ, not how good they are: with shared weights, a lower loss may go with a lower
accuracy of the architecture's own training.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from senet_nas.data.batches import normalise
from senet_nas.data.load import Data
from senet_nas.distributed import ALONE
from senet_nas.network.shared_network import SharedNetwork, build_shared, path_seed
from senet_nas.recipe import Freeze, Report, Seed, Task, stable_hash
from senet_nas.training.evaluate import CheckpointKeeper, prepare
from senet_nas.training.fine_tuning import set_to_train
from senet_nas.training.passes import CURVE_IMAGES
from senet_nas.training.shared_plan import FIGURES, SharedPlan, shared_recipe
from senet_nas.training.train import Training
from senet_nas.training.validate import batch_size, validate
from spaces import Architecture

# Batches of these images have at most this size: their statistics are averaged.
STATISTICS_BATCH = 500


def train_shared(
    plan: SharedPlan,
    seed: Seed,
    task: Task,
    *,
    checkpoint: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Report]:
    """Trains the shared network of a plan by a task, then evaluates its architectures.

    Yields a report after each epoch of the training; then one with the FIGURES of each architecture, in the order of
    the plan, whose ``epoch`` goes on counting. A figure that is not finite is left out. ``checkpoint`` and ``clock``
    are as in :func:`~senet_nas.training.evaluate.evaluate`: an interrupted call resumes, and the same arguments give
    the same figures on a CPU with one thread. Raises Diverged, UserError.
    """
    data = prepare(task)
    data = replace(data, x_val=data.x_val[:CURVE_IMAGES], y_val=data.y_val[:CURVE_IMAGES])
    architectures = [Architecture.parse(key) for key in plan.architectures]
    network = build_shared(
        architectures,
        in_channels=data.channels,
        num_classes=data.num_classes,
        block_seed=seed.block,
        init=task.init,
        weights=task.weights,
        image=tuple(data.shape),
    )
    recipe = shared_recipe(task.recipe, plan.epochs)
    training = Training(network, data, recipe, seed=seed, device=task.device, gpu_share=task.gpu_share, is_fixed=False)
    owner = {"plan": str(stable_hash(plan)), "seed": str(seed), "recipe": task.recipe.text, "init": task.init}
    with closing(CheckpointKeeper(checkpoint, owner, clock, ALONE)) as keeper:
        for epoch in range(1 + keeper.resume(training), plan.epochs + 1):
            network.seed_paths(path_seed(seed, epoch))
            metrics = training.epoch()
            keeper.keep(training, {"epoch": epoch, **metrics})
            yield Report(epoch, metrics)
        network.zero_grad(set_to_none=True)  # their memory serves the copy
        judged = copy.deepcopy(training.result)  # the state of the training stays as it is, and so does its checkpoint
        for i in range(len(keeper.curve) - plan.epochs, len(architectures)):
            number = plan.epochs + i + 1
            is_last = i == len(architectures) - 1
            found = figures(judged, architectures[i], data, plan.images, task.recipe.freeze, device=task.device)
            if not is_last:  # an interrupted call has something left to report
                keeper.keep(training, {"epoch": number, **found})
            yield Report(number, found, done=is_last)


def figures(
    shared: nn.Module, path: Architecture, data: Data, images: int, freeze: Freeze = "none", *, device: str = "cpu"
) -> dict[str, float]:
    """The FIGURES of an architecture with shared weights on so many images; those that are not finite are left out.

    Accuracy in percent. The training loss is measured while the BatchNorm statistics are computed, with those of each
    batch. The statistics of ``shared`` are then those of this architecture; frozen ones stay as they are.
    """
    assert isinstance(shared, SharedNetwork)
    shared.path = path
    norms = _norms(shared, freeze)
    train_loss = _recompute_statistics(shared, norms, data.x_train[:images], data.y_train[:images], data, device)
    found = validate(shared, data.x_val[:images], data.y_val[:images], data, device=device)
    values = (found.accuracy, train_loss, found.log_loss)
    return {name: value for name, value in zip(FIGURES, values, strict=True) if math.isfinite(value)}


# -- inside -----------------------------------------------------------------------------------------------------------


def _recompute_statistics(
    network: nn.Module, norms: list[_BatchNorm], x: Tensor, y: Tensor, data: Data, device: str
) -> float:
    """Computes the running statistics of ``norms`` on these images again; returns their mean loss."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over batches
        norm.train()
    size = min(STATISTICS_BATCH, batch_size(data.shape))
    size = math.ceil(len(y) / math.ceil(len(y) / size))  # batches of equal size: none of them has one image
    loss = torch.zeros((), device=device)
    with torch.inference_mode():
        for begin in range(0, len(y), size):
            part = slice(begin, begin + size)
            logits_NK = network(normalise(x[part].to(device), data))
            loss += F.cross_entropy(logits_NK, y[part].to(device), reduction="sum")
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    return float(loss) / len(y)


def _norms(network: nn.Module, freeze: Freeze) -> list[_BatchNorm]:
    """Every BatchNorm that trains its statistics; the network is in eval mode afterwards.

    A network of the user's may keep some of them as they are, by its own ``train()``.
    """
    set_to_train(network, freeze)
    found = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    network.eval()
    return found
