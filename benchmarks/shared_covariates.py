"""How much better placements are ranked with the figures of a shared network, on a table of real trainings.

    python -m benchmarks.shared_covariates [fashion113] [--divisions 200]

Random designs, no search: half of the blocks of the table give trainings of random placements (plain sqrt(N) of N), the
other half is the truth. The posterior mean of every placement is correlated with it, with and without the covariates.
At equal compute, the design with covariates has SHARED_COST trainings fewer. Each division has another of the table's
shared networks. Standard errors are over divisions of one table, so they do not count the table's own noise.
"""

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import environment
from benchmarks.make_table import PLANS, Work
from search.bench.shared_columns import shared_columns
from search.model.features import Array, Features
from search.model.fitting import fit
from search.model.observations import Observations, Row
from search.results.covariates import described
from senet_nas.recipe import Seed

SIZES = (16, 32, 64, 128)
# What the shared network of fashion113 took, in trainings (benchmarks/tables/fashion113.shared.csv.json), rounded up.
SHARED_COST = 6
DRAWS = 600
Accuracies = Mapping[tuple[int, Seed], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="fashion113", choices=PLANS)
    parser.add_argument("--divisions", type=int, default=200)
    given = parser.parse_args()
    table = _Table(Work(given.name, Path(os.devnull), Path(), "cpu"))  # no working file: the table is finished
    rows = [table.division(number) for number in range(given.divisions)]
    found = {"table": given.name, "divisions": given.divisions, "correlation": _summary(rows)}
    print(environment.write("shared_covariates", found).read_text())


class _Table:
    """A finished table, its truth by blocks, and the features of its placements with and without covariates."""

    def __init__(self, work: Work) -> None:
        members = list(work.space)
        place = {member.key: number for number, member in enumerate(members)}
        self._last: dict[tuple[int, Seed], float] = {}
        for result in work.results():
            accuracy = result["curve"][-1]["val_accuracy"]
            self._last[place[result["architecture"]], Seed.parse(result["seed"])] = accuracy
        self._size = len(members)
        self._blocks = sorted({seed.block for _, seed in self._last})
        self._plain_seeds = [seed for number, seed in self._last if number == 0]
        sites = work.space.sites
        self._without = described(members, sites)
        self._with = [described(members, sites, shared_columns(work.table, number)) for number in range(3)]

    def division(self, number: int) -> dict[str, float]:
        """Correlations of posterior means with the truth in one division of the blocks, by model and size."""
        rng = np.random.default_rng(number)
        order = rng.permutation(self._blocks)
        drawn, scored = order[: len(order) // 2], order[len(order) // 2 :]
        truth = np.array([np.mean([self._last[a, Seed(int(b))] for b in scored]) for a in range(1, self._size)])
        features = self._with[number % len(self._with)]
        found = {}
        for size in SIZES:
            rows = self._design(drawn, size, rng)
            found[f"accuracy, {size}"] = _agreement(rows, self._without, truth)
            found[f"shared, {size}"] = _agreement(rows, features, truth)
            found[f"shared at equal compute, {size}"] = _agreement(rows[: size - SHARED_COST], features, truth)
        return found

    def _design(self, blocks: Sequence[int], size: int, rng: np.random.Generator) -> list[Row]:
        """Trainings of random placements in random order; no training twice, but plain's may be."""
        used = max(1, min(len(blocks), size // 32))
        n_plain = max(2, round(math.sqrt(size)))
        cells = [(a, int(b)) for a in range(1, self._size) for b in blocks[:used]]
        chosen = [cells[i] for i in rng.permutation(len(cells))[: size - n_plain]]
        rows = [(a, b, self._last[a, Seed(b)]) for a, b in chosen]
        for i in range(n_plain):
            block = int(blocks[i % used])
            seeds = [seed for seed in self._plain_seeds if seed.block == block]
            rows.append((0, block, self._last[0, seeds[int(rng.integers(len(seeds)))]]))
        # Plain is spread evenly, so that a shorter design has its share of it.
        return [rows[i] for i in np.argsort(np.concatenate([_spread(size - n_plain), _spread(n_plain)]), kind="stable")]


def _spread(count: int) -> Array:
    found: Array = (np.arange(count) + 0.5) / count
    return found


def _agreement(rows: Sequence[Row], features: Features, truth: Array) -> float:
    mean = fit(Observations.of_rows(rows), features, draws=DRAWS).everywhere(DRAWS).mean(axis=0)[1:]
    return float(np.corrcoef(mean, truth)[0, 1]) if mean.std() > 1e-9 else 0.0


def _summary(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard error of each correlation, and of the difference that covariates make."""
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for size in SIZES:
        for name in ("shared", "shared at equal compute"):
            values[f"{name} less accuracy, {size}"] = values[f"{name}, {size}"] - values[f"accuracy, {size}"]
    root = math.sqrt(len(rows))
    return {
        name: {"mean": round(float(found.mean()), 3), "error": round(float(found.std()) / root, 3)}
        for name, found in values.items()
    }


if __name__ == "__main__":
    main()
