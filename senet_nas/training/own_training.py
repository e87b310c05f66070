"""A training by a function of the user's: the network that is built for it, its epochs, and a state that can continue.

The function gets the network of the architecture and loops over :meth:`OwnTraining.epochs`. Network and all parts that
it names there are kept between two epochs, so the training can be interrupted and paused like one of our own.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from senet_nas.network import warm_start
from senet_nas.network.build import build
from senet_nas.recipe import Report, Seed, stable_hash
from senet_nas.training import checkpoint as checkpoints
from senet_nas.training.evaluate import save
from senet_nas.training.own_task import OwnTask
from spaces import Architecture
from spaces.errors import UserError

KEY = "evaluate"
# The name of the network among the kept parts.
NETWORK = "network"
_TENSOR = "tensor"


class Paused(BaseException):
    """Ends the function of the user's where its training pauses. Not an Exception, so that it passes `except`."""


def prepare(task: OwnTask) -> None:
    """Sets the number of threads of this process."""
    if torch.get_num_threads() != task.threads:
        torch.set_num_threads(task.threads)


class OwnTraining:
    """One training by a function of the user's.

    The function may read ``n_epochs`` (``train.epochs`` of the config), ``device`` (``cpu`` or ``cuda``), ``network``,
    and ``epoch``, the one under way. The generators of torch, numpy and Python are seeded before the function starts
    and at the start of each epoch, so that the same arguments give the same numbers, continued or not.
    """

    def __init__(
        self,
        architecture: str,
        seed: Seed,
        task: OwnTask,
        *,
        target: str,
        folder: Path | None = None,
        until: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parsed = Architecture.parse(architecture)
        channels = task.shape[0]
        self.network = build(parsed, in_channels=channels, num_classes=task.num_classes, block_seed=seed.block)
        warm_start.apply(self.network, parsed, task.init, task.shape, task.weights)
        self.n_epochs = task.epochs
        self.device = task.device
        self.epoch = 0
        self._target = target
        self._folder = folder
        self._until = until
        self._clock = clock
        self._seed = seed
        self._owner = {"architecture": architecture, "seed": str(seed), "recipe": repr(replace(task, threads=1))}
        self._curve: list[dict[str, float]] = []
        self._saved = clock()
        self._began = time.perf_counter()
        _seed_all(seed, "start")

    def epochs(self, **parts: Any) -> Iterator[int]:
        """The epochs that are left to train, counted from 1.

        ``parts``: whatever has ``state_dict`` and ``load_state_dict``, such as ``optimizer=optimizer``. Network and
        parts are first set to the state in which an interrupted training was. Raises UserError for other parts.
        """
        self._check(parts)
        self._resume(parts)
        while self.epoch < self.n_epochs:
            if self.epoch == self._until:
                raise Paused
            self.epoch += 1
            self._began = time.perf_counter()
            _seed_all(self._seed, self.epoch)
            yield self.epoch
            if not self._curve or self._curve[-1]["epoch"] != self.epoch:
                raise self._wrong(f"yielded nothing in epoch {self.epoch}", "yield the metrics once in each epoch")
            self._keep(parts)

    def reports(self, answer: Any, named: Callable[[Any], Mapping[str, Any]]) -> Iterator[Report]:
        """The reports of what the function returned, which yields once in each epoch; ``named`` gives columns.

        The report of the last epoch, and of one after which the training pauses, comes when all is done after it.
        """
        if not isinstance(answer, Iterator):
            raise self._wrong("takes `training`, but yields nothing", "yield the metrics in each epoch")
        held: Report | None = None
        try:
            for metrics in answer:
                report = self._report(named(metrics))
                if report.epoch in (self.n_epochs, self._until):
                    held = report
                else:
                    yield report
        except Paused:
            yield held or Report(self.epoch, _without_epoch(self._curve[-1]))
            return
        if held is None or self.epoch < self.n_epochs:
            raise self._wrong(
                f"ended after epoch {self.epoch} of {self.n_epochs}",
                "loop over `training.epochs(optimizer=optimizer)` to its end",
            )
        yield replace(held, done=True)

    def finished(self, report: Report, weights: Path | None) -> Report:
        """The last report with the number of parameters; writes the weights, if they are wanted. Raises OSError."""
        if weights is not None:
            save(self.network, weights)
        params = float(sum(parameter.numel() for parameter in self.network.parameters()))
        return replace(report, metrics={**report.metrics, "params": params})

    # -- inside -------------------------------------------------------------------------------------------------------

    def _report(self, metrics: Mapping[str, Any]) -> Report:
        """The report of the epoch under way with its seconds, noted in the curve."""
        if self.epoch == 0:
            raise self._wrong("yielded before its first epoch", "loop over `training.epochs(optimizer=optimizer)`")
        if self._curve and self._curve[-1]["epoch"] == self.epoch:
            raise self._wrong(f"yielded twice in epoch {self.epoch}", "yield the metrics once in each epoch")
        metrics = {"seconds": time.perf_counter() - self._began, **metrics}
        self._curve.append({"epoch": self.epoch, **_numbers(metrics)})
        return Report(self.epoch, metrics)

    def _check(self, parts: Mapping[str, Any]) -> None:
        for name, part in parts.items():
            if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                kind = type(part).__name__
                hint = "name what has `state_dict` and `load_state_dict`, such as an optimizer or a schedule"
                raise self._wrong(f"has no state to keep: `{name}` is {kind}", hint)
            if name == NETWORK:
                raise self._wrong("names a part `network`", "leave it out: the network is always kept")

    def _resume(self, parts: Mapping[str, Any]) -> None:
        found = checkpoints.read(self._folder, owner=self._owner) if self._folder is not None else None
        if found is None:
            return
        tensors, body = found
        kept = _joined(body["parts"], tensors)
        if kept.keys() != {NETWORK, *parts}:
            logging.getLogger(__name__).warning("%s now names other parts; it starts over", self._target)
            return
        for name, part in {NETWORK: self.network, **parts}.items():
            part.load_state_dict(kept[name])
        self._curve = list(body["curve"])
        self.epoch = int(body["epoch"])

    def _keep(self, parts: Mapping[str, Any]) -> None:
        """Saves the state now and then, and always before a pause, where it raises OSError."""
        is_pause = self.epoch == self._until
        is_due = self._clock() - self._saved >= checkpoints.CHECKPOINT_SECONDS
        if self._folder is None or self.epoch == self.n_epochs or not (is_due or is_pause):
            return
        tensors: dict[str, Tensor] = {}
        states = {name: part.state_dict() for name, part in {NETWORK: self.network, **parts}.items()}
        plain = {name: self._split(name, state, tensors) for name, state in states.items()}
        try:
            checkpoints.write(
                self._folder, self.epoch, tensors, self._curve, owner=self._owner, parts={"items": [*plain.items()]}
            )
        except OSError as error:
            if is_pause:
                raise
            logging.getLogger(__name__).warning("no checkpoint in %s: %s", self._folder, error)
        self._saved = self._clock()

    def _split(self, name: str, value: Any, tensors: dict[str, Tensor]) -> Any:
        """A state as JSON, with its tensors set apart. Keys of mappings may be numbers, which JSON does not know."""
        if isinstance(value, Tensor):
            key = f"{name}.{len(tensors)}"
            tensors[key] = value.detach().cpu().contiguous()
            return {_TENSOR: key}
        if isinstance(value, Mapping):
            return {"items": [[key, self._split(name, item, tensors)] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [self._split(name, item, tensors) for item in value]}
        if isinstance(value, np.generic):
            return value.item()
        if value is None or isinstance(value, str | int | float):
            return value
        hint = "give it a `state_dict` of tensors, numbers, texts, lists and mappings"
        raise self._wrong(f"cannot be continued: the state of `{name}` holds {type(value).__name__}", hint)

    def _wrong(self, what: str, hint: str) -> UserError:
        return UserError(f"{self._target} {what}", hint=hint, key=KEY)


def _joined(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The state that was split."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == _TENSOR:
        return tensors[inner]
    if kind == "items":
        return {key: _joined(item, tensors) for key, item in inner}
    items = [_joined(item, tensors) for item in inner]
    return tuple(items) if kind == "tuple" else items


def _seed_all(*parts: object) -> None:
    number = stable_hash(*parts)
    torch.manual_seed(number)
    np.random.seed(number % 2**32)
    random.seed(number)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are numbers; a checkpoint keeps these."""
    return {name: float(value) for name, value in metrics.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _without_epoch(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name != "epoch"}
