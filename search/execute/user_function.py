"""The evaluator that calls a function of the user's."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.execute.evaluator import Evaluator
from senet_nas import user_code
from senet_nas.recipe import Report, Seed
from senet_nas.training.own_task import OwnTask
from senet_nas.training.quality_metrics import ACCURACY, metric_of
from spaces.architecture import Architecture
from spaces.errors import UserError

KEY = "evaluate"
# What a function that takes `network` may take by name.
GIVEN = ("architecture", "seed", "network", "training")


@dataclass(frozen=True)
class UserFunction(Evaluator):
    """A callable of the user's, named ``package.module:function``: ``function(architecture, seed)``.

    It returns the result of the first of ``metrics``, such as the accuracy in percent, or a mapping that has each of
    them by its name or as ``val_NAME``, or yields such a mapping after each epoch. ``base`` is the folder from which it
    may be imported.

    A function with a parameter ``network`` gets those of GIVEN that it takes: the network that is built for the
    architecture, and an :class:`~senet_nas.training.own_training.OwnTraining`, with which it can pause and continue.
    ``task`` says how both are made.
    """

    target: str
    base: str
    metrics: tuple[str, ...] = (ACCURACY.name,)
    task: OwnTask | None = None

    def __call__(
        self,
        architecture: str,
        seed: Seed,
        *,
        weights: Path | None = None,
        checkpoint: Path | None = None,
        until: int | None = None,
    ) -> Iterator[Report]:
        if not self.taken:
            yield from self._reports(self.function(Architecture.parse(architecture), seed))
            return
        from senet_nas.training.own_training import OwnTraining

        assert self.task is not None
        training = OwnTraining(architecture, seed, self.task, target=self.target, folder=checkpoint, until=until)
        given = (Architecture.parse(architecture), seed, training.network, training)
        named = dict(zip(GIVEN, given, strict=True))
        answer = self.function(**{name: named[name] for name in self.taken})
        for report in training.reports(answer, self._by_column) if self.can_pause else self._reports(answer):
            yield training.finished(report, weights) if report.done else report

    def prepare(self) -> None:
        _ = self.function
        if self.builds_networks and self.task is not None:
            from senet_nas.training import own_training

            own_training.prepare(self.task)

    def check(self) -> None:
        _ = self.taken

    @property
    def builds_networks(self) -> bool:
        return bool(self.taken)

    @property
    def can_pause(self) -> bool:
        return "training" in self.taken

    @property
    def named_function(self) -> tuple[str, Callable[..., Any]]:
        return self.target, self.function

    @property
    def function(self) -> Callable[..., Any]:
        """The callable. Raises UserError if it cannot be imported."""
        user_code.look_in(self.base)
        hint = f"write `python:package.module:function`; looked in {self.base} and the installed packages"
        return user_code.function(self.target, key=KEY, hint=hint)

    @property
    def taken(self) -> tuple[str, ...]:
        """The names of GIVEN that the function takes; empty without `network`. Raises UserError for any other name."""
        try:
            parameters = inspect.signature(self.function).parameters
        except (TypeError, ValueError):  # a function written in C may have no signature
            return ()
        if "network" not in parameters:
            if "training" in parameters:
                raise UserError(f"{self.target} takes `training`, but no `network`", hint="add `network`", key=KEY)
            return ()
        free = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        needed = [p.name for p in parameters.values() if p.default is p.empty and p.kind not in free]
        if other := [name for name in needed if name not in GIVEN]:
            names = ", ".join(f"`{name}`" for name in other)
            raise UserError(
                f"{self.target} needs {names}, but it is given {', '.join(GIVEN)} only",
                hint=f"give {names} a default value",
                key=KEY,
            )
        return tuple(name for name in GIVEN if name in parameters)

    def with_inputs(self, shape: tuple[int, ...], num_classes: int) -> "UserFunction":
        return self._with(shape=shape, num_classes=num_classes)

    def on_cluster(self, device: str, key: str) -> "UserFunction":
        return self._with(device=device)

    def with_slots(self, cpus: int, gpus: float) -> "UserFunction":
        return self._with(threads=cpus)

    def with_threads(self, threads: int) -> "UserFunction":
        return self._with(threads=threads)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _with(self, **values: Any) -> "UserFunction":
        return self if self.task is None else replace(self, task=replace(self.task, **values))

    def _reports(self, answer: Any) -> Iterator[Report]:
        """The reports of a function that returns its result, or yields an unknown number of epochs."""
        epochs = answer if isinstance(answer, Iterator) else iter([answer])
        last: Report | None = None
        for epoch, metrics in enumerate(epochs, start=1):
            if last is not None:
                yield last
            last = Report(epoch, self._by_column(metrics))
        if last is None:
            raise UserError(
                f"{self.target} yielded nothing",
                hint=f"yield {metric_of(self.metrics[0]).column} at least once",
                key=KEY,
            )
        yield Report(last.epoch, last.metrics, done=True)

    def _by_column(self, answer: Any) -> Mapping[str, Any]:
        """The metrics of an answer by their columns."""
        columns = {name: metric_of(name).column for name in self.metrics}
        if not isinstance(answer, Mapping):
            return {columns[self.metrics[0]]: answer}
        named = {column: answer[name] for name, column in columns.items() if name in answer and column not in answer}
        return {**answer, **named}
