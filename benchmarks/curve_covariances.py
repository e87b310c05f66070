"""Measures how accuracies and losses vary together in the real tables, for synthetic problems with curves like theirs.

    python -m benchmarks.curve_covariances

writes search/bench/measured_curves.json. Covariances between architectures, trainings and blocks are those of a two-way
analysis of variance without replication, as for the variance components of a table; what is no covariance, because it
is a difference of two, is replaced by the nearest one. Of an unfinished table the whole blocks are taken.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.make_table import PLANS, Work
from search.bench.measured_curves import PATH
from senet_nas.recipe import Seed

Array = NDArray[np.float64]
# Of the differences of architectures and of blocks this share is left out, so that few directions tell the rest.
LEFT_OUT = 0.02
DIGITS = 5


def main() -> None:
    found = {name: ways(values_of(Work(name, Path("none"), Path(), "cpu"))) for name in PLANS}
    text = ",\n".join(f" {json.dumps(name)}: {json.dumps(table)}" for name, table in found.items())
    PATH.write_text("{\n" + text + "\n}\n")
    for name, table in found.items():
        print(f"{name}: {len(table['usual'])} epochs, {len(table['apart'][0])} directions beside gains")


def values_of(work: Work) -> Array:
    """The last accuracy and the logarithms of the losses: (architectures, blocks, 1 + epochs), without plain."""
    values = {(r["architecture"], r["seed"]): _values_of_one(r["curve"]) for r in work.results()}
    keys = [architecture.key for architecture in work.space if not architecture.is_plain]
    seeds = takewhile(lambda seed: all((key, seed) in values for key in keys), (str(Seed(b)) for b in count()))
    return np.array([[values[key, seed] for key in keys] for seed in seeds]).transpose(1, 0, 2)


def _values_of_one(curve: Sequence[Mapping[str, float]]) -> list[float]:
    return [curve[-1]["val_accuracy"], *(math.log(epoch["train_loss"]) for epoch in curve)]


def ways(y: Array) -> dict[str, Any]:
    """The fields of :class:`search.bench.measured_curves.Measured` for values (architectures, blocks, 1 + epochs)."""
    n, blocks, _ = y.shape
    rows, columns, mean = y.mean(axis=1, keepdims=True), y.mean(axis=0, keepdims=True), y.mean(axis=(0, 1))
    noise = _products(y - rows - columns + mean) / ((n - 1) * (blocks - 1))
    scale = np.sqrt(np.diagonal(noise))
    between = _covariance(_products(rows - mean) / (n - 1) - noise / blocks, scale)
    across = _covariance(_products(columns - mean) / (blocks - 1) - noise / n, scale)
    gain, apart = _given_first(between)
    shared, own = _given_first(noise)
    found = {
        "usual": mean[1:],
        "gain": gain,
        "apart": _directions(apart, LEFT_OUT),
        "noise": shared,
        "own": _directions(own, 0.0),
        "block": _directions(across[1:, 1:], LEFT_OUT),
    }
    return {name: values.round(DIGITS).tolist() for name, values in found.items()}


def _products(values: Array) -> Array:
    flat = values.reshape(-1, values.shape[-1])
    found: Array = flat.T @ flat
    return found


def _covariance(estimate: Array, scale: Array) -> Array:
    """The nearest covariance, in multiples of ``scale``: negative variances in any direction become 0."""
    values, vectors = np.linalg.eigh(estimate / np.outer(scale, scale))
    found: Array = (vectors * np.maximum(values, 0.0)) @ vectors.T * np.outer(scale, scale)
    return found


def _given_first(covariance: Array) -> tuple[Array, Array]:
    """What a standard deviation of the first variable adds to the others, and the covariance that is left of them."""
    deviation = np.sqrt(covariance[0, 0])
    slope = covariance[0, 1:] / deviation if deviation > 0 else np.zeros(len(covariance) - 1)
    return slope, covariance[1:, 1:] - np.outer(slope, slope)


def _directions(covariance: Array, left_out: float) -> Array:
    """Columns whose products add up to the covariance but for a share ``left_out`` of its trace, the largest first."""
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    needed = int(np.searchsorted(values.cumsum(), (1 - left_out) * values.sum())) + 1
    found: Array = (vectors * np.sqrt(values))[:, :needed]
    return found


if __name__ == "__main__":
    main()
