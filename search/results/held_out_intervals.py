"""How far the results on the test set would move with other images of the same kind."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces import wilson

LEVEL = 0.9


def held_out_intervals(
    results: Mapping[str, Sequence[Mapping[str, Any]]], metric: Metric
) -> dict[str, dict[str, float]]:
    """For each network the mean of its trainings with the ends of its interval of 90 %; without what is not known.

    ``results`` are the rows of each network on the test set. The ends are those that were measured for each training
    (:mod:`senet_nas.training.image_noise`), averaged, and for accuracy Wilson's interval (1927) at the mean.
    """
    found = {}
    for name, rows in results.items():
        ends = _ends(rows, metric)
        if ends is not None:
            value = fmean(float(row[metric.name]) for row in rows)
            found[name] = {"value": value, "low": ends[0], "high": ends[1], "level": LEVEL}
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


def _ends(rows: Sequence[Mapping[str, Any]], metric: Metric) -> tuple[float, float] | None:
    low, high = f"{metric.name}_low", f"{metric.name}_high"
    if rows and all({metric.name, low, high} <= row.keys() for row in rows):
        return fmean(float(row[low]) for row in rows), fmean(float(row[high]) for row in rows)
    if rows and metric == ACCURACY and all({metric.name, "n"} <= row.keys() for row in rows):
        share = fmean(float(row[metric.name]) for row in rows) / 100
        ends = wilson.interval(share, float(rows[0]["n"]), LEVEL)
        return 100 * ends[0], 100 * ends[1]
    return None
