"""One training from an architecture and a seed to its reports: build, train, validate."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor, nn

from senet_nas import user_code
from senet_nas.data import decoded_cache, shared
from senet_nas.data.folds import of_fold
from senet_nas.data.load import Data, load
from senet_nas.data.reread import with_test_images_of
from senet_nas.distributed import ALONE, Group
from senet_nas.network import warm_start
from senet_nas.network.backbones.table import is_own
from senet_nas.network.build import build
from senet_nas.network.weights import separate
from senet_nas.recipe import DataSpec, Report, Seed, Task
from senet_nas.training import checkpoint as checkpoints
from senet_nas.training import image_noise, int8_validation, predictions
from senet_nas.training.checkpoint_writer import CheckpointWriter
from senet_nas.training.quality_metrics import ACCURACY, PREDICTIONS, metric_of
from senet_nas.training.train import Training
from senet_nas.training.validate import validate
from spaces import Architecture, durable


def evaluate(
    architecture: str,
    seed: Seed,
    task: Task,
    *,
    weights: Path | None = None,
    checkpoint: Path | None = None,
    until: int | None = None,
    start: Path | None = None,
    begun: int = 0,
    clock: Callable[[], float] = time.monotonic,
    group: Group = ALONE,
) -> Iterator[Report]:
    """Trains an architecture and yields a report after each epoch.

    The last report also carries the counted ``params``, and which validation images were classified correctly.

    ``weights``: a safetensors file for the trained weights, durable before the last report. If the task has metrics,
    the predictions for the validation images are written beside it.
    ``checkpoint``: a folder in which the state is saved every CHECKPOINT_SECONDS of ``clock``, until the caller removes
    it. An interrupted training with the same arguments resumes from it, and does not report the earlier epochs again.
    ``until``: an epoch before the last one, after which the training pauses: its state is in the checkpoint, and its
    last report is that of this epoch. The same call with a later ``until``, or without, continues it.
    ``start``: a safetensors file of weights to start from, in place of the seed's; they have ``begun`` epochs behind
    them, and the training does the rest of its epochs.
    ``group``: the processes that train together. Each of them reports; only the first reads and writes files.

    The same arguments give the same numbers on a CPU with one thread, interrupted and paused or not. Raises Diverged,
    UserError; OSError if a pause cannot be saved.
    """
    training = _training(architecture, seed, task, start, group)
    owner = {"architecture": architecture, "seed": str(seed), "recipe": task.recipe.text, "start": str(start or "")}
    with closing(CheckpointKeeper(checkpoint, owner, clock, group)) as keeper:
        done = keeper.resume(training, begun)
        if done == until:  # it was interrupted between its checkpoint and its report
            yield Report(done, keeper.last)
            return
        for epoch in range(1 + done, task.recipe.epochs):
            metrics = training.epoch()
            keeper.keep(training, {"epoch": epoch, **metrics}, at_once=epoch == until)
            yield Report(epoch, metrics)
            if epoch == until:
                return
        last = training.epoch()
    if weights is not None and group.is_first:
        _keep(training, weights)
    params = float(sum(p.numel() for p in training.model.parameters()))
    assert training.correct_N is not None
    quantised = int8_validation.measured(training.result, training.data, task, weights) if group.is_first else {}
    metrics = {**last, **quantised, "params": params}
    yield Report(task.recipe.epochs, metrics, done=True, correct=_packed(training.correct_N))


def further_metrics(task: Task) -> tuple[str, ...]:
    """The metrics of a task that need predictions: all but accuracy, which every validation has, and those in INT8."""
    return tuple(name for name in task.metrics if name != ACCURACY.name and not metric_of(name).precision)


def starting_network(architecture: str, data: Data, task: Task, block_seed: int = 0) -> nn.Module:
    """The network of an architecture as its training begins: with random or pretrained weights. Raises UserError."""
    model = _network(architecture, data, block_seed)
    warm_start.apply(model, Architecture.parse(architecture), task.init, tuple(data.shape), task.weights)
    return model


def prepare(task: Task) -> Data:
    """The data of a worker, read once in a process and kept.

    Also sets the number of threads, and lets the process import the modules beside the config.
    """
    base = str(task.source.get("base", "."))
    user_code.look_in(base)
    if torch.get_num_threads() != task.threads:
        torch.set_num_threads(task.threads)
    return images(task.data, base, task.images, task.node)


def share(task: Task, folder: Path) -> Task:
    """The task with its images in a file that all workers of this machine map; unchanged if the disk has no space."""
    path = folder / "images.safetensors"
    try:
        path = shared.write(prepare(task), path)
    except (OSError, SafetensorError) as error:
        logging.getLogger(__name__).warning("every worker reads the images itself: %s", error)
        path.unlink(missing_ok=True)
        return task
    return replace(task, images=str(path))


def test_accuracy(
    architecture: str,
    weights: Path,
    task: Task,
    *,
    size: int | None = None,  # noqa: PT028 - this is not a test of pytest
) -> dict[str, float]:
    """Accuracy (percent), log-loss, metrics of the task and size ``n`` of the test set.

    ``size`` reads the test images at another size. A metric NAME that is no mean over images has an interval of 90 %
    from NAME_low to NAME_high, too: a bootstrap over the test images.

    The search never calls this: the test set is used once, at the end.
    """
    data = trained_on = prepare(task)
    model = _network(architecture, data, block_seed=0)
    model.load_state_dict(load_file(weights))
    model.to(task.device).to(memory_format=torch.channels_last)
    if size is not None:
        data = with_test_images_of(size, data, task.data, base=str(task.source.get("base", ".")))
    further = [metric_of(name) for name in further_metrics(task)]
    found = validate(model, data.x_test, data.y_test, data, device=task.device, keeps=bool(further))
    own = {} if found.predictions is None else image_noise.with_intervals(found.predictions, further)
    if in_int8 := int8_validation.metrics_of(task):
        seen = int8_validation.predicted(model, data, task, data.x_test, data.y_test, trained_on=trained_on)
        own |= image_noise.with_intervals(seen, in_int8)
    return {"accuracy": found.accuracy, "log_loss": found.log_loss, **own, "n": float(len(data.y_test))}


def save(model: nn.Module, path: Path) -> None:
    """Writes the weights as safetensors: after a power cut the file is complete or not there. Raises OSError."""
    durable.write(path, serialised(separate(model.state_dict())))


class CheckpointKeeper:
    """The checkpoint of one training: read at the start, then saved at intervals. Does nothing without a folder.

    ``close`` waits for the last one: afterwards the caller may remove the folder.
    """

    def __init__(self, folder: Path | None, owner: dict[str, str], clock: Callable[[], float], group: Group) -> None:
        self._folder = folder if group.is_first else None
        self._writer = None if self._folder is None else CheckpointWriter(self._folder, owner)
        self._owner = owner
        self._clock = clock
        self._group = group
        self.curve: list[dict[str, float]] = []
        self._saved = clock()

    def resume(self, training: Training, begun: int = 0) -> int:
        """Loads the checkpoint into ``training``; without one, it begins after ``begun`` epochs.

        Returns the number of epochs that are done.
        """
        kept = checkpoints.load(self._folder, owner=self._owner) if self._folder is not None else None
        found = self._group.from_first(kept)
        if found is None:
            if begun:
                training.skip(begun)
            return begun
        state, self.curve = found
        training.load_state(state)
        return int(state["epoch"])

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last epoch that is done, as :meth:`Training.epoch` returned them."""
        return {name: value for name, value in self.curve[-1].items() if name != "epoch"}

    def keep(self, training: Training, metrics: dict[str, float], *, at_once: bool = False) -> None:
        """Takes in an epoch. Saves the state now and then; ``at_once``: in any case, or raises OSError."""
        self.curve.append(metrics)
        is_due = self._clock() - self._saved >= checkpoints.CHECKPOINT_SECONDS
        if self._writer is None or not (is_due or at_once):
            return
        if at_once:
            self._writer.write(training.state(), self.curve)
        else:
            self._writer.keep(training.state(), self.curve)
        self._saved = self._clock()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def images(spec: DataSpec, base: str, file: str | None = None, node: str | None = None) -> Data:
    """The images of a spec, read once in a process and kept; from the cache of decoded folders if it takes them.

    ``file``: read them from where ``share`` left them. ``node``: under this name, the first process of the machine
    reads them for all others.
    """
    return _kept_images(spec, base, file, node)


# -- inside -----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _kept_images(spec: DataSpec, base: str, file: str | None, node: str | None) -> Data:
    if file is not None and node is None:
        return shared.read(Path(file))
    # The home of a cluster's user may lie on a network disk: its nodes use their own, unless a cache is named.
    is_cached = node is None or spec.cache != decoded_cache.AUTO
    kept = decoded_cache.images(spec, base) if is_cached else None
    if kept is not None:
        return kept
    if node is not None:
        return shared.of_node(spec, base, node)
    return load(spec, base=base)


def _training(architecture: str, seed: Seed, task: Task, start: Path | None, group: Group) -> Training:
    """The training before its first epoch."""
    data = of_fold(prepare(task), task.data.fold(seed))
    model = starting_network(architecture, data, task, seed.block)
    if start is not None:
        model.load_state_dict(load_file(start))
    is_fixed = not is_own(Architecture.parse(architecture).backbone)  # that of a user's may leave layers out at random
    return Training(
        model,
        data,
        task.recipe,
        seed=seed,
        device=task.device,
        group=replace(group, skips=not is_fixed),
        gpu_share=task.gpu_share,
        is_fixed=is_fixed,
        metrics=further_metrics(task),
    )


def _keep(training: Training, weights: Path) -> None:
    """Writes the weights, and beside them the predictions if there are any. Raises OSError."""
    save(training.result, weights)
    if training.predictions is not None:
        predictions.save(training.predictions, weights.with_name(PREDICTIONS))


def _network(architecture: str, data: Data, block_seed: int) -> nn.Module:
    return build(architecture, in_channels=data.channels, num_classes=data.num_classes, block_seed=block_seed)


def _packed(correct_N: Tensor) -> bytes:
    """One bit for each validation image, as numpy.packbits packs them."""
    return np.packbits(correct_N.numpy()).tobytes()
