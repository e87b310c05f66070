"""What the validation images can show: the noise that their number causes, and whether plain leaves room to gain."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from search.results.evidence import Evidence
from senet_nas.training import image_noise, predictions
from senet_nas.training.quality_metrics import ACCURACY, Metric, metric_of

# From this percentage on, plain is right on all images that can be told apart.
EVERYTHING = 99.95


@dataclass(frozen=True)
class Validation:
    """How much of the noise of a training comes from the number of validation images: sigma^2 = sigma_train^2 + c / n.

    Noise is in the unit of a gain. ``images`` is n, ``from_images`` the root of c / n; c is half the share of images on
    which two trainings of the same network disagree. That holds for accuracy; for other metrics, c / n is the
    variance over draws of images (:mod:`senet_nas.training.image_noise`).
    """

    images: int
    sigma: float
    from_images: float

    @property
    def share(self) -> float:
        """The share of the variance that more images would reduce."""
        return min(1.0, self.from_images**2 / self.sigma**2) if self.sigma > 0 else 0.0

    @property
    def is_small(self) -> bool:
        """Whether more validation images would clearly lower the noise."""
        return self.share > 0.25

    @property
    def words(self) -> str:
        cause = f"{100 * self.share:.0f} % of the noise of a training"
        twice = f"Twice as many would be worth {50 * self.share / (1 - self.share / 2):.0f} % more trainings"
        if self.is_small:
            return (
                f"Having only {self.images:,} validation images causes {cause}. {twice}: validate on every labelled "
                "image outside train and test."
            )
        return f"Having {self.images:,} validation images causes only {cause}. {twice}: they would hardly help."


def validation(
    groups: Sequence[Sequence[bytes]], images: int, sigma: float, sizes: Sequence[int] = ()
) -> Validation | None:
    """The decomposition from packed bits of correctness: ``groups`` has one entry for each network and block.

    ``sizes``: the images of each group, if they differ as folds of whole groups do; c / n is then the mean over groups.
    Groups of one training and bits that do not fit the number of images are left out; None if nothing remains.
    """
    total = 0.0
    weight = 0
    for group, n in zip(groups, sizes or [images] * len(groups), strict=True):
        if len(group) > 1 and all(len(bits) == (n + 7) // 8 for bits in group):
            right = np.array([np.unpackbits(np.frombuffer(bits, np.uint8), count=n) for bits in group])
            m = len(group)
            count = right.sum(axis=0, dtype=float)
            total += (m - 1) * float((count * (m - count) / (m * (m - 1))).mean()) / n
            weight += m - 1
    if not weight:
        return None
    return Validation(images, sigma, 100 * float(np.sqrt(total / weight)))


@dataclass(frozen=True)
class Learned:
    """How much plain has learned: the mean ``value`` of its metric, and that of ``guessing``.

    If it has learned everything, placements cannot differ. If it has learned nothing, they hardly do, unless one has
    learned something: ``best_gain`` is the largest gain of those that are likely better than plain, 0 without one.
    """

    value: float
    guessing: float
    best_gain: float = 0.0

    def has_everything(self, metric: Metric = ACCURACY) -> bool:
        return metric.is_percent and self.value > EVERYTHING

    def has_nothing(self, metric: Metric = ACCURACY) -> bool:
        """Whether plain is hardly better than guessing."""
        return self._guesses(metric, 0.0)

    def is_surpassed(self, metric: Metric = ACCURACY) -> bool:
        """Whether a placement is likely better than plain, and clearly better than guessing."""
        return self.best_gain > 0 and not self._guesses(metric, self.best_gain)

    def words(self, metric: Metric = ACCURACY) -> str:
        """A sentence if placements cannot differ, or only because plain learned nothing; else an empty text."""
        if self.has_everything(metric):
            return f"{self._plain(metric)}, so no placement can gain anything: use harder images to compare placements."
        if self.has_nothing(metric):
            guessed = f"on {self.guessing:.2f} %" if metric == ACCURACY else f"has {metric.shown(self.guessing)}"
            briefly = "plain was trained too briefly, so a gain over it says little about longer trainings"
            if not self.is_surpassed(metric):
                briefly = "the networks were trained too briefly to differ"
            remedy = "Set train.epochs higher and start a new run (--new)."
            return f"{self._plain(metric)}, and guessing {guessed}: {briefly}. {remedy}"
        return ""

    def to_dict(self, metric: Metric) -> dict[str, float]:
        return {metric.name: self.value, "guessing": self.guessing}

    def _guesses(self, metric: Metric, gain: float) -> bool:
        """Whether a placement with this gain over plain is hardly better than guessing."""
        return metric.score_of(self.value) + gain < metric.score_of(metric.learned_from * self.guessing)

    def _plain(self, metric: Metric) -> str:
        if metric == ACCURACY:
            return f"Trainings of plain are right on {self.value:.2f} % of the validation images on average"
        reached = f"{metric.shown(self.value)} of {metric.title}"
        return f"Trainings of plain reach {reached} on the validation images on average"


def validation_of(evidence: Evidence, sigma: float) -> Validation | None:
    """The decomposition for a run; None if it is not known. ``sigma`` is the noise of a training.

    Trainings of one block share their initial weights, so they are compared within their block. Which images were right
    is known of all trainings, and suffices for accuracy. Other metrics need predictions; plain and finalists keep them.
    """
    if not evidence.images:
        return None
    images = typical_images(evidence)
    if evidence.metric != ACCURACY:
        from_images = _from_predictions(evidence)
        return None if from_images is None else Validation(images, sigma, from_images)
    groups, sizes = repeated_bits(evidence)
    return validation(groups, images, sigma, sizes)


def typical_images(evidence: Evidence) -> int:
    """The validation images of a training; of folds that differ in size, the mean over folds."""
    sizes = fold_sizes(evidence)
    return round(sum(sizes) / len(sizes))


def fold_sizes(evidence: Evidence) -> tuple[int, ...]:
    """The number of validation images of each fold; of one without folds."""
    data = evidence.facts.data
    return data.folds if data is not None and data.folds else (evidence.images,)


def repeated_bits(evidence: Evidence) -> tuple[list[list[bytes]], list[int]]:
    """For each network, block and fold with two trainings or more: which images each got right, as packed bits.

    Also how many images these are.
    """
    groups: dict[tuple[int, int], list[bytes]] = {}
    for training in evidence.finished:
        if training.correct:
            level = training.seed.level(evidence.folds)
            groups.setdefault((training.architecture, level), []).append(training.correct)
    sizes = fold_sizes(evidence)
    repeated = {key: group for key, group in groups.items() if len(group) > 1}
    return list(repeated.values()), [sizes[level % len(sizes)] for _, level in repeated]


def learned(evidence: Evidence, *, best_gain: float = 0.0) -> Learned | None:
    """How much plain has learned, beside the ``best_gain`` of a placement that is likely better.

    None if the number of classes is not known, what guessing gives is not, or plain has no result.
    """
    metric = evidence.metric
    seen = [training.metrics[metric.column] for training in evidence.by_architecture.get(0, ())]
    if not evidence.classes or not seen or metric.guessing is None:
        return None
    return Learned(sum(seen) / len(seen), metric.guessing(evidence.classes), best_gain)


# -- inside -----------------------------------------------------------------------------------------------------------


def _from_predictions(evidence: Evidence) -> float | None:
    """The noise from images of a metric that needs predictions; None if too few trainings have kept them."""
    if evidence.metric.of is None or evidence.trainings is None:
        return None
    groups: dict[tuple[int, int], list[Path]] = {}
    for training in evidence.finished:
        path = evidence.trainings / training.uid / evidence.metric.file
        if training.weights and path.exists():
            groups.setdefault((training.architecture, training.seed.level(evidence.folds)), []).append(path)
    repeated = tuple(tuple(paths) for paths in groups.values() if len(paths) > 1)
    return _noise(repeated, evidence.metric.name)


@functools.lru_cache(maxsize=8)
def _noise(groups: tuple[tuple[Path, ...], ...], metric: str) -> float | None:
    """The noise of the predictions in these files, which never change once they are written."""
    read = [[predictions.read(path) for path in group] for group in groups]
    return image_noise.noise([[one for one in group if one is not None] for group in read], metric_of(metric))
