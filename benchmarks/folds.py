"""What five folds do to the noise of a gain on the 1,797 digits, against one split at equal compute.

    python -m benchmarks.folds [--splits N]

A gain is the mean difference of validation accuracy between SE everywhere and plain over five pairs of trainings. On
one split all five pairs validate on the same images; with `data.folds: 5` each pair validates on another fold. Both are
measured on many random splits of the digits. The deviation of a gain from split to split holds the luck of seeds and of
images. Splits share images, so for new digits it would be larger, most of all with folds.
The results are written after each split; the same command takes those that are there and goes on.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks import environment
from senet_nas.network.build import sites
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training.evaluate import evaluate
from spaces.placements import place

RESULTS = "folds"
FOLDS = 5
SPLITS = 24
BACKBONE = "cifar_resnet8"
RECIPE = Recipe(epochs=6, batch_size=64)
DRAWS = 10_000
LEVEL = 0.9


@dataclass(frozen=True)
class Gains:
    """The gain of each pair in points, all on one split and one on each fold, of the split with this seed."""

    split: int
    single: tuple[float, ...]
    folds: tuple[float, ...]


def gain(split: int, block: int) -> float:
    """The difference of SE everywhere to plain, whose fold follows from the block."""
    task = Task(DataSpec(dataset="digits", split_seed=split, folds=FOLDS), RECIPE)
    units = sites(BACKBONE)
    accuracy = []
    for placement in ("all", "none"):
        *_, last = evaluate(place(BACKBONE, units, placement).key, Seed(block), task)
        accuracy.append(last.metrics["val_accuracy"])
    return accuracy[0] - accuracy[1]


def measured(split: int) -> Gains:
    """Five pairs each, with one pair in common: block b validates on fold b modulo five."""
    single = [gain(split, block) for block in range(0, FOLDS * FOLDS, FOLDS)]
    return Gains(split, tuple(single), (single[0], *(gain(split, block) for block in range(1, FOLDS))))


def summary(found: Sequence[Gains]) -> dict[str, object]:
    """The deviation of a gain over splits in points, with intervals from a bootstrap over splits.

    ``seen`` is the deviation that the five differences of a split show: all that a run can see. The rest is the luck
    of images that all pairs share.
    """
    means = np.array([[np.mean(gains.single), np.mean(gains.folds)] for gains in found])
    rng = np.random.default_rng(0)
    drawn = means[rng.integers(len(means), size=(DRAWS, len(means)))].std(axis=1, ddof=1)
    single, folds = means.std(axis=0, ddof=1)
    tail = 50 * (1 - LEVEL)
    ends = {"single": drawn[:, 0], "folds": drawn[:, 1], "ratio": drawn[:, 1] / drawn[:, 0]}
    seen = {
        "single": float(np.sqrt(np.mean([np.var(gains.single, ddof=1) for gains in found]) / FOLDS)),
        "folds": float(np.sqrt(np.mean([np.var(gains.folds, ddof=1) for gains in found]) / FOLDS)),
    }
    return {
        "splits": len(found),
        "gain": {"single": float(means[:, 0].mean()), "folds": float(means[:, 1].mean())},
        "sigma": {"single": float(single), "folds": float(folds), "ratio": float(folds / single)},
        "interval": {
            name: [float(end) for end in np.nanpercentile(draws, [tail, 100 - tail])] for name, draws in ends.items()
        },
        "seen": seen,
    }


def results(splits: int) -> Iterator[Gains]:
    """The gains of each split, those of an earlier run first taken and then the missing ones measured."""
    done = {entry["split"]: entry for entry in environment.read(RESULTS).get("gains", [])}
    for split in range(splits):
        if split in done:
            yield Gains(split, tuple(done[split]["single"]), tuple(done[split]["folds"]))
        else:
            yield measured(split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=SPLITS, help="random splits of the digits")
    found: list[Gains] = []
    for gains in results(parser.parse_args().splits):
        found.append(gains)
        if len(found) > 1:
            about = {"recipe": asdict(RECIPE), "backbone": BACKBONE, "folds": FOLDS, **summary(found)}
            environment.write(RESULTS, {**about, "gains": [asdict(gains) for gains in found]})
            print(f"{len(found)} splits: {about['sigma']} {about['interval']}", flush=True)


if __name__ == "__main__":
    main()
