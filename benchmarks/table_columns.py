"""What the columns of a table tell: how well each repeats, and how far it goes with the last accuracy.

    python -m benchmarks.table_columns fashion113

writes the entry ``columns`` of FILE.json again for a finished table; ``make_table --finish`` writes it, too. There is a
row for each measure in each epoch, and one for the sum of the training losses. Losses, log-losses and Brier scores are
taken by their logarithm, and blocks are levelled: what all architectures of a block have in common says nothing.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senet_nas.recipe import Seed

Array = NDArray[np.float64]
LEVEL = 0.9
RESAMPLES = 2000
# Taken as it is; all other measures are positive and are taken by their logarithm.
ACCURACY = "val_accuracy"


def main() -> None:
    from benchmarks import make_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=make_table.PLANS)
    given = parser.parse_args()
    work = make_table.Work(given.name, make_table.TABLES / "none.jsonl", make_table.TABLES, "cpu")
    path = work.table.with_name(work.table.name + ".json")
    about = json.loads(path.read_text())
    about["columns"] = columns_of(list(work.results()), work.plan.measures)
    path.write_text(json.dumps(about, indent=1) + "\n")
    print("\n".join(json.dumps(row) for row in about["columns"]))


def columns_of(results: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each column of trainings as the lines of a working file tell them.

    ``sigma``, ``tau``, ``block`` and ``tau_over_sigma`` of one training with its interval, as :func:`components` gives
    them; ``genetic``, the correlation with the last accuracy across architectures, without the noise of trainings, with
    its interval; ``noise``, that of the noise. ``genetic`` and its interval are None if no difference between
    architectures was found.
    """
    trainings = {(r["architecture"], r["seed"]): r["curve"] for r in results if Seed.parse(r["seed"]).replicate == 0}
    keys = list(dict.fromkeys(key for key, _ in trainings))
    seeds = sorted({seed for _, seed in trainings}, key=Seed.parse)
    curves = [[trainings[key, seed] for seed in seeds] for key in keys]
    last = np.array([[curve[-1][ACCURACY] for curve in row] for row in curves])
    return [
        {"column": name, "epoch": epoch, **_told(values, last)} for name, epoch, values in _columns(curves, measures)
    ]


def _columns(curves: Sequence[Sequence[Any]], measures: Sequence[str]) -> Iterator[tuple[str, int | None, Array]]:
    """Name, epoch (None: all) and values (architectures, blocks) of each column."""
    epochs = range(len(curves[0][0]))
    for name, epoch in itertools.product(measures, epochs):
        values = np.array([[curve[epoch][name] for curve in row] for row in curves])
        yield name, epoch + 1, values if name == ACCURACY else np.log(values)
    losses = np.array([[sum(epoch["train_loss"] for epoch in curve) for curve in row] for row in curves])
    yield "train_loss, sum", None, np.log(losses)


def _told(values: Array, last: Array) -> dict[str, Any]:
    if np.ptp(values - values.mean(axis=0)) == 0:
        return {}
    about = components(values.tolist(), LEVEL)
    told = {name: about[name] for name in ("sigma", "tau", "block", "tau_over_sigma", "tau_over_sigma_interval")}
    if np.array_equal(values, last):
        return told
    genetic, noise = _correlations(values, last, np.arange(len(values)))
    rng = np.random.default_rng(0)
    drawn = [_correlations(values, last, rng.integers(0, len(values), len(values)))[0] for _ in range(RESAMPLES)]
    interval = _interval(np.array(drawn)) if np.isfinite(genetic) else None
    return {**told, "genetic": _rounded(genetic), "genetic_interval": interval, "noise": _rounded(noise)}


def _interval(drawn: Array) -> list[float]:
    """The interval of a correlation, of resampled ones.

    A resample without an estimate could have any: it counts as -1 for the lower bound and as 1 for the upper one.
    Without it the interval would be that of the resamples in which architectures happen to differ.
    """
    has_none = np.isnan(drawn)
    ends = ((-1.0, (1 - LEVEL) / 2), (1.0, (1 + LEVEL) / 2))
    return [round(float(np.quantile(np.where(has_none, end, drawn), share)), 3) for end, share in ends]


def _rounded(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None


def _correlations(one: Array, other: Array, architectures: NDArray[np.int64]) -> tuple[float, float]:
    """The correlation across these architectures without noise, and that of the noise; nan without any difference.

    The interval resamples architectures with all their trainings: the noise of different ones is independent, so this
    counts both how many architectures and how many trainings there are. Resampled blocks would repeat their noise.
    """
    n, blocks = one.shape
    levelled = [(y - y.mean(axis=0))[architectures] for y in (one, other)]
    means = [y.mean(axis=1, keepdims=True) for y in levelled]
    rest = [y - mean for y, mean in zip(levelled, means, strict=True)]
    centred = [mean - mean.mean() for mean in means]
    noise = np.array([[float((a * b).sum()) for a in rest] for b in rest]) / ((n - 1) * (blocks - 1))
    between = np.array([[float((a * b).sum()) for a in centred] for b in centred]) / (n - 1) - noise / blocks
    return _correlation(between), _correlation(noise)


def _correlation(covariance: Array) -> float:
    product = covariance[0, 0] * covariance[1, 1]
    if min(covariance[0, 0], covariance[1, 1]) <= 0:
        return float("nan")
    return float(np.clip(covariance[0, 1] / np.sqrt(product), -1, 1))


def components(final: list[list[float]], level: float = 0.9) -> dict[str, Any]:
    """Variance components of accuracies y[architecture][block] in the model y = mean + architecture + block + noise.

    Two-way random-effects analysis of variance without replication; the interval of tau/sigma is exact, from the F
    distribution (Searle, Casella and McCulloch, Variance Components, 1992, section 3.6). ``reliability`` is the share
    of the variance of the mean over all blocks that is true difference between architectures.
    """
    from scipy.stats import f

    y = np.asarray(final)
    n, blocks = y.shape
    rows, columns, mean = y.mean(1, keepdims=True), y.mean(0, keepdims=True), y.mean()
    freedom = (n - 1) * (blocks - 1)
    noise = float(((y - rows - columns + mean) ** 2).sum() / freedom)
    between = float(blocks * ((rows - mean) ** 2).sum() / (n - 1))
    across = float(n * ((columns - mean) ** 2).sum() / (blocks - 1))
    ratio = between / noise
    low, high = (ratio / f.ppf((1 + sign * level) / 2, n - 1, freedom) for sign in (1, -1))
    tau_sq = max(0.0, (between - noise) / blocks)
    share = [max(0.0, (bound - 1) / blocks) ** 0.5 for bound in (low, high)]
    return {
        "blocks": blocks,
        "sigma": round(noise**0.5, 4),
        "tau": round(tau_sq**0.5, 4),
        "block": round(max(0.0, (across - noise) / n) ** 0.5, 4),
        "tau_over_sigma": round((tau_sq / noise) ** 0.5, 3),
        "tau_over_sigma_interval": [round(bound, 3) for bound in share],
        "level": level,
        "reliability": round(tau_sq / (tau_sq + noise / blocks), 3),
    }


if __name__ == "__main__":
    main()
