"""Where results come from: our own training, a table of results, or a callable of the user's.

An evaluator is a small picklable record that crosses to the workers once. Called with an architecture and a seed, it
yields a :class:`~senet_nas.recipe.Report` after each epoch, the last one ``done``. Accuracy is in percent.
"""

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from senet_nas import user_code as foreign
from senet_nas.costs.measures import counted, overheads
from senet_nas.recipe import Report, Seed, Task
from spaces.architecture import Architecture
from spaces.errors import UserError
from spaces.spec import Site

if TYPE_CHECKING:
    from search.state.records import Entry, Training


class Evaluator(Protocol):
    """What a worker calls. ``weights`` is the file to leave the weights in, where they are wanted; ``checkpoint`` a
    folder from which an interrupted training may go on, then without reporting its earlier epochs again.
    """

    def prepare(self) -> None:
        """Loads what all trainings of a process share."""

    def __call__(
        self, architecture: str, seed: Seed, *, weights: Path | None = None, checkpoint: Path | None = None
    ) -> Iterator[Report]: ...


@dataclass(frozen=True)
class Trainer:
    """Our own training of real networks on real images."""

    task: Task

    def prepare(self) -> None:
        from senet_nas.training.evaluate import prepare

        prepare(self.task)

    def __call__(
        self, architecture: str, seed: Seed, *, weights: Path | None = None, checkpoint: Path | None = None
    ) -> Iterator[Report]:
        from senet_nas.training.evaluate import evaluate

        return evaluate(architecture, seed, self.task, weights=weights, checkpoint=checkpoint)

    def sharing(self, folder: Path) -> "Trainer":
        """The same with the images in a file in ``folder``, which workers map instead of reading them again."""
        from senet_nas.training.evaluate import share

        return Trainer(share(self.task, folder))

    def abroad(self, device: str, key: str) -> "Trainer":
        """The same for the nodes of a cluster, on their device. The first worker of a node reads the images, for all of it;
        ``key`` is by what they know each other."""
        return Trainer(replace(self.task, device=device, node=key))

    def fastest_threads(self, architecture: str) -> int:
        """How many of its threads a training should use, by a measurement of about two seconds."""
        from senet_nas.costs import threads
        from senet_nas.training.evaluate import prepare

        return threads.fastest(architecture, prepare(self.task), self.task)


@dataclass(frozen=True)
class Custom:
    """A callable of the user's, named ``package.module:function``: ``function(architecture, seed)``.

    It returns the accuracy in percent, or a mapping with ``val_accuracy``, or yields such a mapping after each epoch.
    """

    target: str
    base: str

    def prepare(self) -> None:
        _ = self.function

    def __call__(
        self, architecture: str, seed: Seed, *, weights: Path | None = None, checkpoint: Path | None = None
    ) -> Iterator[Report]:
        answer = self.function(Architecture.parse(architecture), seed)
        epochs = answer if isinstance(answer, Iterator) else iter([answer])
        last: Report | None = None
        for epoch, metrics in enumerate(epochs, start=1):
            if last is not None:
                yield last
            last = Report(epoch, metrics if isinstance(metrics, Mapping) else {"val_accuracy": metrics})
        if last is None:
            raise UserError(f"{self.target} yielded nothing; it must give val_accuracy at least once", key="evaluate")
        yield Report(last.epoch, last.metrics, done=True)

    @property
    def function(self) -> Callable[[Architecture, Seed], Any]:
        """The callable. Raises UserError where it cannot be imported."""
        foreign.look_in(self.base)
        hint = f"write `python:package.module:function`; looked in {self.base} and the installed packages"
        return foreign.function(self.target, key="evaluate", hint=hint)


class Shares:
    """Hears of the results of somebody else's trainings: where none is more than 1, they are shares, most likely."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._small = say, 0

    def changed(self, training: "Training", entry: "Entry") -> None:
        if training.state != "finished" or self._small < 0:
            return
        accuracy = training.metrics["val_accuracy"]
        self._small = -1 if accuracy > 1 else self._small + (accuracy > 0)
        if self._small == 2:
            self._say(
                f"caution: no accuracy is more than 1 so far ({accuracy:g}): it is read as percent, so return 100 times a share"
            )


@dataclass(frozen=True)
class Table:
    """Results that were measured before: CSV or CSV.gz with unique (architecture, seed, epoch), the last epoch final.

    ``FILE.json`` beside it may hold backbone, sites and provenance. Costs come from columns ``params`` and ``macs``
    where it has them. Raises UserError where the file is missing or malformed.
    """

    path: Path

    def prepare(self) -> None:
        _ = self.results

    def __call__(
        self, architecture: str, seed: Seed, *, weights: Path | None = None, checkpoint: Path | None = None
    ) -> Iterator[Report]:
        epochs = self.results[architecture][seed]
        for i, (epoch, metrics) in enumerate(epochs, start=1):
            yield Report(epoch, metrics, done=i == len(epochs))

    def seeds(self, architecture: Architecture) -> Sequence[Seed]:
        """The seeds that the table holds for an architecture."""
        return sorted(self.results.get(architecture.key, {}))

    @cached_property
    def results(self) -> dict[str, dict[Seed, list[tuple[int, dict[str, float]]]]]:
        table: dict[str, dict[Seed, dict[int, dict[str, float]]]] = {}
        for line, row in self._read():
            try:
                key, seed, epoch = row["architecture"], Seed.parse(row["seed"]), int(row.get("epoch") or 1)
                metrics = {name: float(value) for name, value in row.items() if name not in _KEYS and value}
                epochs = table.setdefault(key, {}).setdefault(seed, {})
            except (KeyError, ValueError, AttributeError) as error:
                raise UserError(f"{self.path}:{line}: not a row of results ({error})", key="evaluate") from error
            if epoch in epochs or "val_accuracy" not in metrics:
                what = "a second row for this architecture, seed and epoch" if epoch in epochs else "no val_accuracy"
                raise UserError(f"{self.path}:{line}: {what}", key="evaluate")
            epochs[epoch] = metrics
        return {k: {s: sorted(e.items()) for s, e in seeds.items()} for k, seeds in table.items()}

    def check(self) -> None:
        """Raises UserError where a search over the table could not work: keys that are none, plain missing, no costs."""
        plain = 0
        for key in self.results:
            try:
                plain += Architecture.parse(key).is_plain
            except UserError as error:
                raise UserError(f"{self.path}: {error.message}", hint=error.hint, key="evaluate") from error
        if not plain:
            raise UserError(
                f"{self.path} holds no plain network, so there is nothing to compare with",
                hint="its key is the backbone and a `-` for each site: `net/-/-/-`",
                key="evaluate",
            )
        if self.sites is not None and any(self._costs(Architecture.parse(key)) is None for key in self.results):
            raise UserError(
                f"{self.path} lacks the costs of some architectures; add the columns "
                + " and ".join(measure.column for measure in counted()),
                key="evaluate",
            )

    def price(self, architecture: Architecture) -> dict[str, float] | None:
        """Costs and overheads from the table's own columns, or None where it has none."""
        row, plain = (
            self._costs(architecture),
            self._costs(Architecture.plain(architecture.backbone, len(architecture.blocks))),
        )
        if row is None or plain is None:
            return None
        return row | overheads(row, plain)

    @cached_property
    def about(self) -> dict[str, Any]:
        """What ``FILE.json`` says: backbone, sites, provenance."""
        beside = self.path.with_name(self.path.name + ".json")
        return dict(json.loads(beside.read_text())) if beside.exists() else {}

    @property
    def sites(self) -> tuple[Site, ...] | None:
        described = self.about.get("sites")
        return tuple(Site(s["name"], s["stage"], s["channels"]) for s in described) if described else None

    def _costs(self, architecture: Architecture) -> dict[str, float] | None:
        seeds = self.results.get(architecture.key)
        if not seeds:
            return None
        last = next(iter(seeds.values()))[-1][1]
        columns = [measure.column for measure in counted()]
        return {column: last[column] for column in columns} if set(columns) <= last.keys() else None

    def _read(self) -> Iterator[tuple[int, dict[str, str]]]:
        opener = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opener(self.path, "rt", newline="") as file:
                yield from enumerate(csv.DictReader(file), start=2)
        except OSError as error:
            raise UserError(f"cannot read the table {self.path}: {error.strerror or error}", key="evaluate") from error


_KEYS = ("architecture", "seed", "epoch")
