"""The columns of a shared network for a table of SE-Placement-Bench: what each architecture shows with its weights.

    python -m benchmarks.shared_network fashion113 --data DIR [--seeds 3] [--trainings 4]

Trains one shared network for each seed by the recipe of the table, for as many epochs as ``--trainings`` trainings of
it, on one thread. Writes benchmarks/tables/NAME.shared.csv: a row for each architecture and seed, with the accuracy in
percent, the training loss and the log-loss that it shows with the shared weights. A file NAME.shared.csv.json beside it
says how it was made, and if the table is finished, how each column correlates with the table's mean accuracies.
"""

import argparse
import csv
import gzip
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.make_table import PLANS, TABLES, Work
from senet_nas.recipe import Seed
from senet_nas.training.shared_plan import FIGURES, TRAININGS, SharedCost, SharedPlan, SharedSizes

COLUMNS = FIGURES
Figures = Mapping[str, Sequence[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("--data", type=Path, required=True, help="folder that torchvision's dataset was downloaded to")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--trainings", type=int, default=TRAININGS, help="trainings whose epochs the shared network trains"
    )
    given = parser.parse_args()
    work = Work(given.name, Path(), given.data.resolve(), "cpu")
    found = [_figures(work, seed, given.trainings) for seed in range(given.seeds)]
    path = TABLES / f"{given.name}.shared.csv"
    _write_columns(path, [one for one, _ in found])
    about = {
        "environment": environment.describe(),
        "table": given.name,
        "seeds": given.seeds,
        "epochs": given.trainings * work.plan.recipe.epochs,
        "cost_in_trainings": _cost(work, given.trainings),
        "seconds": [round(seconds) for _, seconds in found],
        "correlation_with_mean_accuracy": correlations(work, [one for one, _ in found]),
    }
    path.with_name(path.name + ".json").write_text(json.dumps(about, indent=1) + "\n")
    print(json.dumps(about, indent=1))


def _cost(work: Work, trainings: int) -> float:
    """What it costs of a budget, in trainings of the recipe."""
    from senet_nas.data.load import load

    data = load(work.task.data)
    recipe = work.plan.recipe
    sizes = SharedSizes(trainings * recipe.epochs, work.space.size)
    return round(SharedCost(recipe, len(data.y_train), len(data.y_val)).of(sizes), 3)


def _figures(work: Work, seed: int, trainings: int) -> tuple[Figures, float]:
    """The COLUMNS of every architecture by its key, and the seconds of processor time that they took."""
    from senet_nas.training.shared_training import train_shared

    keys = tuple(architecture.key for architecture in work.space)
    plan = SharedPlan(keys, trainings * work.plan.recipe.epochs)
    began = time.process_time()
    metrics = [report.metrics for report in train_shared(plan, Seed(seed), work.task)][plan.epochs :]
    rows = {key: [found.get(name, float("nan")) for name in COLUMNS] for key, found in zip(keys, metrics, strict=True)}
    print(f"seed {seed}: {time.process_time() - began:.0f} s", flush=True)
    return rows, time.process_time() - began


def _write_columns(path: Path, found: Sequence[Figures]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["architecture", "seed", *COLUMNS])
        for seed, rows in enumerate(found):
            writer.writerows([key, seed, *(f"{value:.5g}" for value in values)] for key, values in rows.items())


def correlations(work: Work, found: Sequence[Figures]) -> dict[str, Any]:
    """Pearson correlations of each column with the table's mean accuracies, by seed; empty without the table."""
    import numpy as np

    if not work.table.exists():
        return {}
    truth = _mean_accuracies(work.table)
    keys = list(truth)
    means = [truth[key] for key in keys]
    return {
        name: [round(float(np.corrcoef([rows[key][i] for key in keys], means)[0, 1]), 3) for rows in found]
        for i, name in enumerate(COLUMNS)
    }


def _mean_accuracies(table: Path) -> dict[str, float]:
    """The mean of the last accuracies of every architecture, which give each block one vote: replicate 0 alone."""
    last: dict[tuple[str, str], float] = {}
    with gzip.open(table, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if Seed.parse(row["seed"]).replicate == 0:
                last[row["architecture"], row["seed"]] = float(row["val_accuracy"])
    values: dict[str, list[float]] = {}
    for (key, _), accuracy in last.items():
        values.setdefault(key, []).append(accuracy)
    return {key: sum(found) / len(found) for key, found in values.items()}


if __name__ == "__main__":
    main()
