"""How far a metric depends on which images it is measured on: a bootstrap over images (Efron 1979).

It serves metrics that are no means over images, such as macro F1 and AUROC. Each draw takes as many images as there
are, with replacement.
"""

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from senet_nas.training import area_interval
from senet_nas.training.predictions import Predictions
from senet_nas.training.quality_metrics import METRICS, Metric
from spaces import wilson

Array = NDArray[np.float64]
DRAWS = 200
FEWEST_DRAWS = 50
# Most multiply-adds of a bootstrap: draws x images x classes x networks. It takes some seconds.
MOST_WORK = 4e9
LEVEL = 0.9
# Values as close to 0 or 1 as this count as this on the scale of log-odds.
EDGE = 1e-4
# A smaller spread on that scale comes from rounding.
UNMOVED = 1e-9


def with_intervals(seen: Predictions, metrics: Sequence[Metric]) -> dict[str, float]:
    """Each metric by its name, with the ends of its interval as ``NAME_low`` and ``NAME_high``."""
    found: dict[str, float] = {}
    for metric in metrics:
        value = seen.value(metric)
        if np.isfinite(value):
            low, high = interval(seen, metric)
            found |= {metric.name: value, f"{metric.name}_low": low, f"{metric.name}_high": high}
    return found


def interval(seen: Predictions, metric: Metric, level: float = LEVEL, *, seed: int = 0) -> tuple[float, float]:
    """The interval of a metric for images of the same kind, in its unit.

    The estimate plus and minus a multiple of its standard error, for shares on the scale of log-odds: that holds its
    level for fewer images than quantiles of the draws do, since draws of macro F1 are too low if classes are small.
    That of an AUROC also holds if hardly a pair is ranked wrong (:mod:`senet_nas.training.area_interval`). A share of
    images has Wilson's interval, and so has what no draw moves, as if every image of every class is right. That of
    balanced accuracy is put together from Wilson's of each class, since a class of few images that are all right, or
    all wrong, does not spread in a bootstrap.
    """
    from scipy import stats

    if metric.over is not None:
        return _of_share(seen.value(metric), metric.over(seen), level)
    if metric == METRICS["balanced_accuracy"]:
        return _of_mean_share(seen.recalls(), level)
    draws = next(iter(_values([seen], metric, seed)))
    reach = float(stats.norm.ppf((1 + level) / 2))
    value = seen.value(metric)
    if not metric.is_percent:
        spread = reach * float(np.nanstd(draws))
        return value - spread, value + spread
    if metric == METRICS["auroc"] and value > 0:
        counts = np.bincount(seen.labels, minlength=seen.probabilities.shape[1]).tolist()
        ends = area_interval.interval(value / 100, float(np.nanstd(draws)) / 100, counts, reach)
        return 100 * ends[0], 100 * ends[1]
    middle = float(_log_odds(np.array([value / 100]))[0])
    spread = reach * float(np.nanstd(_log_odds(draws / 100)))
    if spread < UNMOVED:
        return _of_share(value, _effective_images(seen), level)
    low, high = 100 / (1 + np.exp(-np.array([middle - spread, middle + spread])))
    return float(low), float(high)


def noise(groups: Sequence[Sequence[Predictions]], metric: Metric, *, seed: int = 0) -> float | None:
    """The part of the noise of a training that comes from the choice of images, as a standard deviation.

    Each group has the predictions of several trainings of one network for the same images. What these trainings have
    in common cancels in a comparison, so only the spread around their mean counts. None without a group of two.
    """
    total = 0.0
    freedom = 0
    for group in groups:
        if len(group) > 1:
            values = _values(group, metric, seed)
            apart = values - values.mean(axis=0)
            total += float(np.nanvar(apart, axis=1).sum())
            freedom += len(group) - 1
    return float(np.sqrt(total / freedom)) if freedom else None


# -- inside -----------------------------------------------------------------------------------------------------------


def _values(group: Sequence[Predictions], metric: Metric, seed: int) -> Array:
    """The metric (networks, draws) of each network for the same draws of images."""
    images, classes = group[0].probabilities.shape
    work = images * classes * len(group)
    draws = int(min(DRAWS, max(FEWEST_DRAWS, MOST_WORK // work)))
    rng = np.random.default_rng(seed)
    parts: list[Array] = []
    rows = max(1, 8_000_000 // images)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        weights = rng.multinomial(images, np.full(images, 1 / images), size=count).astype(np.float64)
        parts.append(np.stack([seen.values(metric, weights) for seen in group]))
    return np.concatenate(parts, axis=1)


def _of_share(percent: float, images: float, level: float) -> tuple[float, float]:
    low, high = wilson.interval(percent / 100, images, level)
    return 100 * low, 100 * high


def _of_mean_share(shares: Sequence[tuple[float, int]], level: float) -> tuple[float, float]:
    """Of the mean of independent shares in percent, each of so many images.

    The distances from each share to its ends add up like standard errors (MOVER: Zou and Donner 2008).
    """
    mean = fmean(percent for percent, _ in shares)
    ends = [(percent, *_of_share(percent, images, level)) for percent, images in shares]
    below = math.hypot(*(percent - low for percent, low, _ in ends)) / len(shares)
    above = math.hypot(*(high - percent for percent, _, high in ends)) / len(shares)
    return max(0.0, mean - below), min(100.0, mean + above)


def _effective_images(seen: Predictions) -> float:
    """How many images of equal weight give a mean as exact as the mean over classes of these images."""
    counts = np.bincount(seen.labels)
    counts = counts[counts > 0]
    return float(len(counts) ** 2 / (1 / counts).sum())


def _log_odds(share: Array) -> Array:
    inside = np.clip(share, EDGE, 1 - EDGE)
    odds: Array = np.log(inside / (1 - inside))
    return odds
