"""How often intervals of metrics hold the truth, for metrics that are no shares of images: simulated predictions.

    python -m benchmarks.metric_intervals [--repeats N] [--images N ...]

A classifier of K classes gives each class a logit of standard normal noise, and the right one ``SIGNAL`` more. Classes
are equally frequent, or the first is ten times as frequent as the last. The truth is the metric of a million images.
An interval of 90 % (:func:`senet_nas.training.image_noise.interval`) should hold it in 90 % of the samples.
The results are written after each cell; the same command takes the cells that are there and goes on with the others.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks import environment
from senet_nas.training import image_noise
from senet_nas.training.predictions import Predictions
from senet_nas.training.quality_metrics import METRICS

NAMES = ("macro_f1", "auroc", "balanced_accuracy")
IMAGES = (100, 300, 1_000, 3_000, 10_000)
REPEATS = 240
SIGNAL = 2.5
# Images that tell the truth, drawn in parts.
TRUTH = 1_000_000
PART = 100_000


@dataclass(frozen=True)
class Classes:
    """``count`` classes, of which the first is ``ratio`` times as frequent as the last."""

    name: str
    count: int
    ratio: float

    @property
    def shares(self) -> np.ndarray:
        weights = self.ratio ** -np.linspace(0, 1, self.count)
        return weights / weights.sum()


KINDS = (
    Classes("10 classes, equally frequent", 10, 1),
    Classes("10 classes, one ten times as frequent as another", 10, 10),
    Classes("2 classes, equally frequent", 2, 1),
    Classes("2 classes, one ten times as frequent as the other", 2, 10),
    Classes("3 classes, equally frequent", 3, 1),
    Classes("3 classes, one ten times as frequent as another", 3, 10),
)
# Where the results are written, by :mod:`benchmarks.environment`.
RESULTS = "metric_intervals"


@dataclass(frozen=True)
class Cell:
    """How often the interval of a metric held the truth, and its mean width in points."""

    metric: str
    classes: str
    images: int
    truth: float
    coverage: float
    width: float
    repeats: int


def drawn(classes: Classes, images: int, rng: np.random.Generator) -> Predictions:
    """Predictions for random images."""
    labels = rng.choice(classes.count, images, p=classes.shares)
    logits = rng.standard_normal((images, classes.count))
    logits[np.arange(images), labels] += SIGNAL
    chances = np.exp(logits - logits.max(1, keepdims=True))
    names = tuple(map(str, range(classes.count)))
    return Predictions(chances / chances.sum(1, keepdims=True), labels, names)


def truths(classes: Classes, rng: np.random.Generator) -> Mapping[str, float]:
    """Each metric of very many images."""
    parts = [drawn(classes, PART, rng) for _ in range(TRUTH // PART)]
    return {name: float(np.mean([part.value(METRICS[name]) for part in parts])) for name in NAMES}


def cell(name: str, classes: Classes, images: int, truth: float, repeats: int, seed: int) -> Cell:
    """The coverage of one metric for one kind of classes and number of images."""
    rng = np.random.default_rng(seed)
    held = 0
    width = 0.0
    for repeat in range(repeats):
        low, high = image_noise.interval(drawn(classes, images, rng), METRICS[name], seed=repeat)
        held += low <= truth <= high
        width += (high - low) / repeats
    return Cell(name, classes.name, images, truth, held / repeats, width, repeats)


def known(repeats: int) -> dict[tuple[str, str, int], Cell]:
    """The cells of an earlier run with as many samples."""
    cells = [Cell(**entry) for entry in environment.read(RESULTS).get("cells", [])]
    return {(cell.metric, cell.classes, cell.images): cell for cell in cells if cell.repeats == repeats}


def missing(done: Mapping[tuple[str, str, int], Cell], repeats: int, chosen: Sequence[int] = IMAGES) -> Iterator[Cell]:
    """The cells that are not done, simulated one after the other."""
    for number, classes in enumerate(KINDS):
        wanted = [(name, images) for name in NAMES for images in chosen]
        left = [(name, images) for name, images in wanted if (name, classes.name, images) not in done]
        truth = truths(classes, np.random.default_rng(number)) if left else {}
        for name, images in left:
            yield cell(name, classes, images, truth[name], repeats, seed=1_000 + images)


def in_order(done: Mapping[tuple[str, str, int], Cell]) -> list[Cell]:
    """The cells that are done, by classes, metric and number of images."""
    keys = [(name, classes.name, images) for classes in KINDS for name in NAMES for images in IMAGES]
    return [done[key] for key in keys if key in done]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="samples in a cell")
    parser.add_argument("--images", type=int, nargs="*", default=IMAGES, choices=IMAGES, help="numbers of images")
    given = parser.parse_args()
    repeats = given.repeats
    done = known(repeats)
    for found in missing(done.copy(), repeats, given.images):
        print(found, flush=True)
        done[found.metric, found.classes, found.images] = found
        # After each cell, so that an interrupted run keeps what it has.
        environment.write(RESULTS, {"level": image_noise.LEVEL, "cells": [asdict(cell) for cell in in_order(done)]})


if __name__ == "__main__":
    main()
