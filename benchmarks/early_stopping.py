"""A search that stops trainings early, by its own rules, beside ours at equal compute, on a real table.

    python -m benchmarks.early_stopping [--searches 100] [--environments DIR]

Syne Tune's MOASHA proposes at random and stops trainings whose accuracy and overhead are dominated. It sees the
accuracy of every epoch; its budget counts epochs, and PLAIN trainings of plain come first. It would report what ran to
the end by its last accuracy (`observed`); `averaged` reads the same trainings with a Gaussian process that has levels
for blocks and is averaged over its hyperparameters. Ours is the product with accuracies alone and with loss curves.
Points are scored in blocks of the table that nobody draws, as in docs/benchmark.md. Results:
results/early_stopping.json.
"""

import argparse
import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environment
from benchmarks.curve_quality import ACCURACY, BOTH, FIRST, REAL
from benchmarks.peers.__main__ import prepare, versions
from benchmarks.peers.sampler import HERE, Peer
from search.bench import score
from search.bench.estimators import REPORTS
from search.bench.real import Real
from search.bench.runner import bench
from search.bench.score import Offer, Tally
from search.execute.result_table import Table
from search.model.observations import Observation
from senet_nas.costs.measures import USUAL
from senet_nas.recipe import Seed
from spaces import Architecture

MOASHA = Peer("moasha_epochs_syne_tune", "syne-tune")
NAME = "syne-tune-moasha"
BUDGETS = (32, 64)
PLAIN = 4
READ = ("observed", "averaged")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--environments", type=Path, default=HERE / "environments")
    given = parser.parse_args()
    prepare(given.environments, "syne-tune")
    numbers = range(FIRST, FIRST + given.searches)
    cells = []
    for budget in BUDGETS:
        cells += [_moasha(budget, numbers, given.environments)]
        ours = bench(REAL, BOTH, [budget], given.searches, 1, FIRST).to_dict()["cells"]
        cells += [_short(cell, budget) for cell in ours]
        print(*cells[-3:], sep="\n", flush=True)
        result = {"table": REAL, "first": FIRST, "searches": given.searches, "plain": PLAIN, "cells": cells}
        environment.write("early_stopping", {"version": versions(NAME, given.environments), **result})


def _short(cell: Mapping[str, Any], budget: int) -> dict[str, Any]:
    """Of a cell of ours what stands beside a peer."""
    name = "accuracy" if cell["sampler"] == ACCURACY else "curves"
    by_report = {key: cell["by_report"][key] for key in READ}
    return {
        "search": name,
        "trainings": budget,
        "points": cell["score"],
        "interval": cell["score_interval"],
        "by_report": by_report,
    }


def _moasha(budget: int, numbers: Sequence[int], environments: Path) -> dict[str, Any]:
    """MOASHA over all problems. The first of READ is how it reports by itself."""
    told = [_problem(number) for number in numbers]
    epochs = len(next(iter(told[0].curves.values()))[0])
    found = _run([one.message(budget, epochs) for one in told], environments)
    tallies = {
        report: Tally([one.points(trained, report, epochs) for one, trained in zip(told, found, strict=True)], None)
        for report in READ
    }
    own = tallies[READ[0]]
    return {
        "search": NAME,
        "trainings": budget,
        "points": own.score,
        "interval": own.interval(),
        "by_report": {name: tally.score for name, tally in tallies.items()},
        "begun": float(np.mean([len(trained) for trained in found])),
        "ended": float(np.mean([sum(one["epochs"] == epochs for one in trained) for trained in found])),
    }


def _run(messages: Sequence[Mapping[str, Any]], environments: Path) -> list[list[dict[str, Any]]]:
    done = subprocess.run(
        MOASHA.command(environments),
        input="".join(json.dumps(message) + "\n" for message in messages),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class _Problem:
    """A division of the table: the accuracies by epoch that may be drawn, every block on the level of all."""

    def __init__(self, table: Table, number: int) -> None:
        self._number = number
        self._problem = Real(table, number)
        self.curves = _curves(table, self._problem)

    def message(self, budget: int, epochs: int) -> dict[str, Any]:
        """What the peer is told: accuracies by epoch, overheads in percent, and a budget in epochs."""
        plain = self._problem.space[0].key
        curves = {key: found for key, found in self.curves.items() if key != plain}
        overheads = {key: self._problem.price(Architecture.parse(key))[USUAL.overhead] for key in curves}
        left = (budget - PLAIN) * epochs
        return {"seed": self._number, "epochs": epochs, "budget": left, "curves": curves, "overheads": overheads}

    def points(self, trained: Sequence[Mapping[str, Any]], report: str, epochs: int) -> float:
        """True gain from following what ran to the end, read by one of REPORTS."""
        members = list(self._problem.space)
        place = {member.key: number for number, member in enumerate(members)}
        seen = [Observation(0, 0, curve[-1]) for curve in self.curves[members[0].key][:PLAIN]]
        ended = [one for one in trained if one["epochs"] == epochs]
        seen += [Observation(place[one["name"]], 0, one["accuracy"]) for one in ended]
        gains = REPORTS[report](seen)
        offers = [_offer(self._problem, members[number], gain) for number, gain in gains.items() if number]
        most = score.oracle(self._problem)[1]
        return score.points(offers, most)


def _offer(problem: Real, member: Architecture, gain: float) -> Offer:
    return Offer(problem.price(member)[USUAL.overhead], gain, problem.truth(member))


def _curves(table: Table, problem: Real) -> dict[str, list[list[float]]]:
    """Validation accuracy of each epoch of the trainings that a search may draw, in percent."""
    by_block = {
        (a.key, seed): np.array([metrics["val_accuracy"] for _, metrics in epochs])
        for a in problem.space
        for seed, epochs in table.results[a.key].items()
    }
    # Plain stands in a block eight times; its first training counts, as in problem.accuracy.
    singles = [(key, seed) for key, seed in by_block if seed == Seed(seed.block)]
    blocks = {seed.block for _, seed in singles}
    levels = {b: np.mean([by_block[one] for one in singles if one[1].block == b], axis=0) for b in blocks}
    middle = np.mean(list(levels.values()), axis=0)
    found: dict[str, list[list[float]]] = {a.key: [] for a in problem.space}
    for (key, seed), curve in by_block.items():
        if seed.block in problem.drawn_blocks:
            found[key].append((curve - levels[seed.block] + middle).tolist())
    return found


@functools.lru_cache(maxsize=1)
def _table() -> Table:
    return Table(Path(REAL))


def _problem(number: int) -> _Problem:
    return _Problem(_table(), number)


if __name__ == "__main__":
    main()
