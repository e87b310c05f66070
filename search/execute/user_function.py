"""The evaluator that calls a function of the user's."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.execute.evaluator import Evaluator
from senet_nas import user_code
from senet_nas.recipe import Report, Seed
from senet_nas.training.quality_metrics import ACCURACY, metric_of
from spaces.architecture import Architecture
from spaces.errors import UserError


@dataclass(frozen=True)
class UserFunction(Evaluator):
    """A callable of the user's, named ``package.module:function``: ``function(architecture, seed)``.

    It returns the result of the first of ``metrics``, such as the accuracy in percent, or a mapping that has each of
    them by its name or as ``val_NAME``, or yields such a mapping after each epoch. ``base`` is the folder from which it
    may be imported.
    """

    target: str
    base: str
    metrics: tuple[str, ...] = (ACCURACY.name,)

    def __call__(
        self,
        architecture: str,
        seed: Seed,
        *,
        weights: Path | None = None,
        checkpoint: Path | None = None,
        until: int | None = None,
    ) -> Iterator[Report]:
        answer = self.function(Architecture.parse(architecture), seed)
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
                key="evaluate",
            )
        yield Report(last.epoch, last.metrics, done=True)

    def _by_column(self, answer: Any) -> Mapping[str, Any]:
        """The metrics of an answer by their columns."""
        columns = {name: metric_of(name).column for name in self.metrics}
        if not isinstance(answer, Mapping):
            return {columns[self.metrics[0]]: answer}
        named = {column: answer[name] for name, column in columns.items() if name in answer and column not in answer}
        return {**answer, **named}

    def prepare(self) -> None:
        _ = self.function

    def check(self) -> None:
        _ = self.function

    @property
    def named_function(self) -> tuple[str, Callable[..., Any]]:
        return self.target, self.function

    @property
    def function(self) -> Callable[[Architecture, Seed], Any]:
        """The callable. Raises UserError if it cannot be imported."""
        user_code.look_in(self.base)
        hint = f"write `python:package.module:function`; looked in {self.base} and the installed packages"
        return user_code.function(self.target, key="evaluate", hint=hint)
