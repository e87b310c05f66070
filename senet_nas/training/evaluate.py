"""One training from an architecture and a seed to its reports: build, train, validate."""

import functools
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from senet_nas import user_code as foreign
from senet_nas.data import shared as shared_data
from senet_nas.data.load import Data, load, with_test_images_of
from senet_nas.distributed import ALONE, Group
from senet_nas.network import warm_start
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Report, Seed, Task
from senet_nas.training import checkpoint as checkpoints
from senet_nas.training.train import Training, validate
from spaces import Architecture


def evaluate(
    architecture: str, seed: Seed, task: Task, *, weights: Path | None = None, checkpoint: Path | None = None,
    start: Path | None = None, clock: Callable[[], float] = time.monotonic, group: Group = ALONE,
) -> Iterator[Report]:  # fmt: skip
    """Train an architecture; a report after each epoch. The last one also carries ``params`` as counted, and which
    validation images were right. ``weights``: a safetensors file to leave the weights in, durable before that report.

    ``checkpoint``: a folder to go on from where a training of these arguments was interrupted; the epochs before are
    then not reported again. Its state is left there every CHECKPOINT_SECONDS of ``clock``, until the caller removes it.
    ``start``: weights to start from, in place of the block's. In a ``group`` of processes every one reports, and the
    first alone reads and writes files.

    The same arguments give the same numbers on a CPU with one thread, interrupted or not. Raises Diverged, UserError.
    """
    data = prepare(task)
    model = _network(architecture, data, seed.block)
    if task.init != "scratch":
        warm_start.apply(model, Architecture.parse(architecture), task.init, data.shape)
    if start is not None:
        model.load_state_dict(load_file(start))
    training = Training(model, data, task.recipe, seed=seed, device=task.device, group=group)
    owner = {"architecture": architecture, "seed": str(seed), "recipe": str(task.recipe), "start": str(start or "")}
    keeper = _Keeper(checkpoint, owner, clock, group)
    for epoch in range(1 + keeper.resume(training), task.recipe.epochs):
        metrics = training.epoch()
        keeper.keep(training, {"epoch": epoch, **metrics})
        yield Report(epoch, metrics)
    last = training.epoch()
    if weights is not None and group.is_first:
        save(training.result, weights)
    params = float(sum(p.numel() for p in model.parameters()))
    yield Report(task.recipe.epochs, {**last, "params": params}, done=True, correct=_packed(training.correct_N))


def prepare(task: Task) -> Data:
    """Threads and data of a worker, set once for the process and kept; modules beside the config can be imported."""
    foreign.look_in(str(task.source.get("base", ".")))
    if torch.get_num_threads() != task.threads:
        torch.set_num_threads(task.threads)
    return images(task.data, str(task.source.get("base", ".")), task.images, task.node)


def share(task: Task, folder: Path) -> Task:
    """The task with its images in a file that all workers of this machine map; where there is no room, as it was."""
    path = folder / "images.safetensors"
    try:
        path = shared_data.write(prepare(task), path)
    except (OSError, SafetensorError) as error:
        logging.getLogger(__name__).warning("every worker reads the images itself: %s", error)
        path.unlink(missing_ok=True)
        return task
    return replace(task, images=str(path))


def test_accuracy(architecture: str, weights: Path, task: Task, *, size: int | None = None) -> dict[str, float]:  # noqa: PT028 - no test of pytest's
    """Accuracy (percent) and log-loss on the test set; at another image ``size`` the test images are read again.

    The search never calls this; it is looked at once, at the end.
    """
    data = prepare(task)
    model = _network(architecture, data, block_seed=0)
    model.load_state_dict(load_file(weights))
    model.to(task.device).to(memory_format=torch.channels_last)
    if size is not None:
        data = with_test_images_of(size, data, task.data, base=str(task.source.get("base", ".")))
    found = validate(model, data.x_test, data.y_test, data, device=task.device)
    return {"accuracy": found["accuracy"], "log_loss": found["log_loss"], "n": float(len(data.y_test))}


def save(model: nn.Module, path: Path) -> None:
    """The weights as safetensors; after a power cut there is all of the file or none of it."""
    from safetensors.torch import save_file

    temporary = path.with_suffix(".tmp")
    save_file({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


class _Keeper:
    """The checkpoint of one training: read once, written now and then. Does nothing without a folder."""

    def __init__(self, folder: Path | None, owner: dict[str, str], clock: Callable[[], float], group: Group) -> None:
        self._folder, self._owner, self._clock = folder if group.is_first else None, owner, clock
        self._group = group
        self._curve: list[dict[str, float]] = []
        self._saved = clock()

    def resume(self, training: Training) -> int:
        """Brings a training to where it was interrupted. Returns how many of its epochs are done."""
        kept = checkpoints.load(self._folder, owner=self._owner) if self._folder is not None else None
        found = self._group.from_first(kept)
        if found is None:
            return 0
        state, self._curve = found
        training.load_state(state)
        return int(state["epoch"])

    def keep(self, training: Training, epoch: dict[str, float]) -> None:
        self._curve.append(epoch)
        if self._folder is None or self._clock() - self._saved < checkpoints.CHECKPOINT_SECONDS:
            return
        try:
            checkpoints.save(self._folder, training.state(), self._curve, owner=self._owner)
        except OSError as error:  # a training is worth more than its checkpoint; a full disk stops it at its result
            logging.getLogger(__name__).warning("no checkpoint in %s: %s", self._folder, error)
        self._saved = self._clock()


@functools.lru_cache(maxsize=1)
def images(spec: DataSpec, base: str, shared: str | None = None, node: str | None = None) -> Data:
    """The images of a spec, read once in a process and kept; from the file ``shared`` where there is one, or from that of
    the first process of this machine that needs them under the name ``node``."""
    if node is not None:
        return shared_data.of_node(spec, base, node)
    return load(spec, base=base) if shared is None else shared_data.read(Path(shared))


def _network(architecture: str, data: Data, block_seed: int) -> nn.Module:
    return build(architecture, in_channels=data.channels, num_classes=data.num_classes, block_seed=block_seed)


def _packed(correct_N: Any) -> bytes:
    import numpy as np

    return np.packbits(correct_N.numpy()).tobytes()
