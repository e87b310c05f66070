"""The evaluator of results that were measured before: a CSV file with one row for each epoch of each training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from search.execute import table_agreement, table_cells, table_text
from search.execute.evaluator import Evaluator
from search.execute.table_cells import CellError
from search.execute.table_description import beside, read_about, sites_of
from search.planning.priced_space import Seeds
from senet_nas.costs.measures import USUAL, counted, overheads
from senet_nas.recipe import Report, Seed
from senet_nas.training.quality_metrics import ACCURACY, metric_of
from spaces.architecture import Architecture
from spaces.errors import LISTED, UserError, nearest
from spaces.spec import Site
from spaces.text import plural

Epochs = list[tuple[int, Mapping[str, float]]]


@dataclass(frozen=True)
class Table(Evaluator):
    """A CSV or CSV.gz file with unique (architecture, seed, epoch); the last epoch of a training is the final one.

    ``FILE.json`` beside it may hold backbone, sites and provenance. Costs come from the columns of the counted measures
    if the table has them; those in ``needed`` are objectives, and a table without them has no costs. Every row has the
    ``metrics`` by which results are judged. Methods raise UserError if a file is missing or malformed.
    """

    path: Path
    needed: tuple[str, ...] = (USUAL.column,)
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

    @property
    def results(self) -> dict[str, dict[Seed, Epochs]]:
        """By architecture key and seed: the epochs of a training in order, each with its metrics.

        Raises UserError that names the first fault of the file by line and column.
        """
        return self._read[0]

    @cached_property
    def _read(self) -> tuple[dict[str, dict[Seed, Epochs]], dict[str, int]]:
        """The results, and for each architecture key the line on which it stands first."""
        table: dict[str, dict[Seed, dict[int, Mapping[str, float]]]] = {}
        architectures: dict[str, Architecture] = {}
        first: dict[str, int] = {}
        rows: dict[int, table_cells.Result] = {}
        judged = [metric_of(name) for name in self.metrics]
        for line, row in table_text.rows(self.path, table_cells.needed(judged), "evaluate"):
            try:
                found = table_cells.result(row, judged)
                if found.key not in architectures:
                    architectures[found.key] = table_cells.architecture(found.key)
            except CellError as error:
                raise self._in_cell(line, error) from error
            key = architectures[found.key].key
            first.setdefault(key, line)
            epochs = table.setdefault(key, {}).setdefault(found.seed, {})
            if found.epoch in epochs:
                raise self._malformed(line, "a second row for this architecture, seed and epoch")
            epochs[found.epoch] = found.metrics
            rows[line] = replace(found, key=key)
        try:
            table_agreement.check_rows(rows, judged)
        except table_agreement.RowsDisagree as error:
            raise self._in_cell(error.line, error.cell) from error
        return {k: {s: sorted(e.items()) for s, e in seeds.items()} for k, seeds in table.items()}, first

    def check(self) -> None:
        """Raises UserError if plain is missing, keys and sites do not fit, or costs are needed and missing."""
        architectures = [Architecture.parse(key) for key in self.results]
        if not any(architecture.is_plain for architecture in architectures):
            raise UserError(
                f"{self.path} holds no plain network, so there is nothing to compare with",
                hint="its key is the backbone and a `-` for each site: `net/-/-/-`",
                key="evaluate",
            )
        self._check_sites(architectures)
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

    @cached_property
    def sites(self) -> tuple[Site, ...] | None:
        return sites_of(self.path, self.about)

    def check_space(self, backbone: str, n_sites: int) -> None:
        """Raises UserError if the table holds no results of plain."""
        if Architecture.plain(backbone, n_sites).key in self.results:
            return
        held = sorted({Architecture.parse(key).backbone for key in self.results})
        if backbone in held:
            raise UserError(
                f"{self.path} holds no training of the plain network `{backbone}` with {plural(n_sites, 'site')}",
                hint=f"its key is `{Architecture.plain(backbone, n_sites).key}`",
                key="evaluate",
            )
        guess = nearest(backbone, held)
        raise UserError(
            f"`{backbone}` is not in {self.path}, which holds results of {', '.join(held[:LISTED])}",
            hint=f"did you mean `{guess}`?" if guess else "",
            key="model.backbone",
        )

    def _check_sites(self, architectures: Sequence[Architecture]) -> None:
        """Raises UserError if a key has another number of sites than plain, or names a position that a site lacks."""
        plain: dict[str, int] = {}
        for found in filter(lambda each: each.is_plain, architectures):
            plain.setdefault(found.backbone, len(found.blocks))
        for found in architectures:
            line = self._read[1][found.key]
            expected = len(self.sites) if self.sites else plain.get(found.backbone, len(found.blocks))
            if len(found.blocks) != expected:
                whose = f"{beside(self.path)} names" if self.sites else "plain has"
                raise self._malformed(
                    line, f"`{found.key}` has {plural(len(found.blocks), 'site')}, but {whose} {expected}"
                )
            for site, se in zip(self.sites or (), found.blocks, strict=False):
                if se is not None and se.position not in site.channels:
                    offered = ", ".join(site.channels)
                    raise self._malformed(
                        line, f"site {site.name} offers no position `{se.position}`; it offers {offered}"
                    )

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
        needs = (
            f"{self.path} names its own sites, so it needs the columns {columns} (or only those that are objectives)"
        )
        if lacking:
            return UserError(needs, hint=f"add {' and '.join(lacking)} of each architecture", key="evaluate")
        row, hint = self._row_without_costs()
        return UserError(f"{needs}; {row}", hint=hint, key="evaluate")

    def _row_without_costs(self) -> tuple[str, str]:
        """The first row from which costs are read and that has none, in words, and what to do about it."""
        key = next(key for key in self.results if self._costs(Architecture.parse(key)) is None)
        seed, epochs = next(iter(self.results[key].items()))
        last = epochs[-1][0]
        absent = " and ".join(column for column in self.needed if column not in epochs[-1][1])
        longest = max(found[-1][0] for seeds in self.results.values() for found in seeds.values())
        row = f"the last row of {key} with seed {seed}, epoch {last}, has no {absent}"
        rows = f", or the rows after it: other trainings end at epoch {longest}" if last < longest else ""
        return row, f"add {absent} there{rows}"

    @property
    def _columns(self) -> set[str]:
        """The columns that hold a value in some row."""
        epochs = (epochs for seeds in self.results.values() for epochs in seeds.values())
        return {column for training in epochs for _, metrics in training for column in metrics}

    def _in_cell(self, line: int, error: CellError) -> UserError:
        where = f"{self.path}:{line}, column `{error.column}`"
        return UserError(f"{where}: {error.message}", hint=error.hint, key="evaluate")

    def _malformed(self, line: int, what: str) -> UserError:
        return UserError(f"{self.path}:{line}: {what}", key="evaluate")
