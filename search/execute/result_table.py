"""The evaluator of results that were measured before: a CSV file with one row for each epoch of each training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from search.execute import table_text
from search.execute.evaluator import Evaluator
from search.execute.table_description import read_about, sites_of
from search.planning.priced_space import Seeds
from senet_nas.costs.measures import USUAL, counted, overheads
from senet_nas.recipe import Report, Seed
from spaces.architecture import Architecture
from spaces.errors import UserError
from spaces.spec import Site

_KEYS = ("architecture", "seed", "epoch")

Epochs = list[tuple[int, dict[str, float]]]


@dataclass(frozen=True)
class Table(Evaluator):
    """A CSV or CSV.gz file with unique (architecture, seed, epoch); the last epoch of a training is the final one.

    ``FILE.json`` beside it may hold backbone, sites and provenance. Costs come from the columns of the counted measures
    if the table has them; those in ``needed`` are objectives, and a table without them has no costs. Methods raise
    UserError if a file is missing or malformed.
    """

    path: Path
    needed: tuple[str, ...] = (USUAL.column,)

    def __call__(
        self, architecture: str, seed: Seed, *, weights: Path | None = None, checkpoint: Path | None = None
    ) -> Iterator[Report]:
        epochs = self.results[architecture][seed]
        for i, (epoch, metrics) in enumerate(epochs, start=1):
            yield Report(epoch, metrics, done=i == len(epochs))

    def prepare(self) -> None:
        _ = self.results

    @property
    def known_seeds(self) -> Seeds:
        return self.seeds

    def seeds(self, architecture: Architecture) -> Sequence[Seed]:
        """The seeds that the table holds for an architecture, in order."""
        return sorted(self.results.get(architecture.key, {}))

    @cached_property
    def results(self) -> dict[str, dict[Seed, Epochs]]:
        """By architecture key and seed: the epochs of a training in order, each with its metrics."""
        table: dict[str, dict[Seed, dict[int, dict[str, float]]]] = {}
        for line, row in table_text.rows(self.path, ("architecture", "seed"), "evaluate"):
            key, seed, epoch, metrics = self._parsed(line, row)
            epochs = table.setdefault(key, {}).setdefault(seed, {})
            if epoch in epochs:
                raise self._malformed(line, "a second row for this architecture, seed and epoch")
            if "val_accuracy" not in metrics:
                raise self._malformed(line, "no val_accuracy")
            epochs[epoch] = metrics
        return {k: {s: sorted(e.items()) for s, e in seeds.items()} for k, seeds in table.items()}

    def check(self) -> None:
        """Raises UserError if a key is not an architecture, plain is missing, or costs are needed and missing."""
        architectures = [self._architecture(key) for key in self.results]
        if not any(architecture.is_plain for architecture in architectures):
            raise UserError(
                f"{self.path} holds no plain network, so there is nothing to compare with",
                hint="its key is the backbone and a `-` for each site: `net/-/-/-`",
                key="evaluate",
            )
        if self.sites is not None and any(self._costs(architecture) is None for architecture in architectures):
            raise self._without_costs()

    def listed_price(self, architecture: Architecture) -> Mapping[str, float]:
        """The price of an architecture; infinite if the table lacks it. It then has no seeds and is never proposed."""
        known = self.price(architecture)
        if known is not None:
            return known
        return {column: float("inf") for measure in counted() for column in measure.columns}

    def price(self, architecture: Architecture) -> dict[str, float] | None:
        """Costs and overheads from the table's own columns; None if it lacks them."""
        row = self._costs(architecture)
        plain = self._costs(Architecture.plain(architecture.backbone, len(architecture.blocks)))
        if row is None or plain is None:
            return None
        return row | overheads({column: cost for column, cost in row.items() if column in plain}, plain)

    @cached_property
    def about(self) -> dict[str, Any]:
        """What ``FILE.json`` says: backbone, sites, provenance."""
        return read_about(self.path)

    @property
    def sites(self) -> tuple[Site, ...] | None:
        return sites_of(self.path, self.about)

    def _architecture(self, key: str) -> Architecture:
        try:
            return Architecture.parse(key)
        except UserError as error:
            raise UserError(f"{self.path}: {error.message}", hint=error.hint, key="evaluate") from error

    def _costs(self, architecture: Architecture) -> dict[str, float] | None:
        seeds = self.results.get(architecture.key)
        if not seeds:
            return None
        _, last = next(iter(seeds.values()))[-1]
        if not set(self.needed) <= last.keys():
            return None
        return {measure.column: last[measure.column] for measure in counted() if measure.column in last}

    def _without_costs(self) -> UserError:
        """The error for a table whose network cannot be built here, and that lacks the costs of some architectures."""
        columns = " and ".join(measure.column for measure in counted())
        lacking = [column for column in self.needed if column not in self._columns]
        rows = "" if lacking else ", in the last row of every training"
        return UserError(
            f"{self.path} names its own sites, so it needs the columns {columns} (or only those that are objectives)",
            hint=f"add {' and '.join(lacking or self.needed)} of each architecture{rows}",
            key="evaluate",
        )

    @property
    def _columns(self) -> set[str]:
        """The columns that hold a value in some row."""
        epochs = (epochs for seeds in self.results.values() for epochs in seeds.values())
        return {column for training in epochs for _, metrics in training for column in metrics}

    def _parsed(self, line: int, row: dict[str, str]) -> tuple[str, Seed, int, dict[str, float]]:
        """Architecture key, seed, epoch and metrics of a row."""
        try:
            seed = Seed.parse(row["seed"])
            epoch = int(row.get("epoch") or 1)
            metrics = {name: float(value) for name, value in row.items() if name not in _KEYS and value}
            return row["architecture"], seed, epoch, metrics
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise self._malformed(line, f"not a row of results ({error})") from error

    def _malformed(self, line: int, what: str) -> UserError:
        return UserError(f"{self.path}:{line}: {what}", key="evaluate")
