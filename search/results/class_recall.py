"""How well plain recognises each class, and whether the metric that decides hides one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.results.evidence import Evidence
from senet_nas.data.data_checks import UNEQUAL, ratio_of_classes
from senet_nas.training.quality_metrics import METRICS, RECALL, Metric
from spaces.text import plural

# A class is hidden if plain finds less of it than this share of what it finds of all images.
HIDDEN = 0.7
# Classes in one line.
LISTED = 12
# Metrics that a small class hardly moves, because they are means over images.
HIDING = tuple(METRICS[name] for name in ("accuracy", "accuracy_int8", "top5", "log_loss"))


@dataclass(frozen=True)
class ClassRecall:
    """The recall of plain in percent for each class with its validation images, averaged over ``trainings``.

    ``overall`` is the share of all images that are right, in percent.
    """

    names: tuple[str, ...]
    images: tuple[int, ...]
    recalls: tuple[float, ...]
    overall: float
    trainings: int

    @property
    def worst(self) -> int:
        """The place of the class that is recognised least."""
        return int(np.argmin(self.recalls))

    @property
    def ordered(self) -> list[tuple[str, int, float]]:
        """Class, validation images and recall, from the class that is recognised least on."""
        rows = zip(self.names, self.images, self.recalls, strict=True)
        return sorted(rows, key=lambda row: row[2])

    @property
    def listed(self) -> str:
        """The recall of each class in a line; of many classes, of the worst."""
        shown = [f"{name} {recall:.0f} % of {images:,}" for name, images, recall in self.ordered[:LISTED]]
        more = f", and {len(self.names) - LISTED} classes above" if len(self.names) > LISTED else ""
        return f"of plain by class: {', '.join(shown)}{more}"

    def words(self, metric: Metric) -> str:
        """A caution if ``metric`` hides a class, else an empty text."""
        name, recall, images = self.names[self.worst], self.recalls[self.worst], self.images[self.worst]
        if metric not in HIDING or recall > HIDDEN * self.overall:
            return ""
        return (
            f"{metric.title[:1].upper()}{metric.title[1:]} hides the class {name}: plain is right on {recall:.0f} % of "
            f"its {plural(images, 'validation image')}, and on {self.overall:.0f} % of all. If this class matters, set "
            f"`objectives: [balanced_accuracy, params]`, or `{RECALL}{name}` in its place, and start a new run (--new)."
        )


def class_recall(evidence: Evidence) -> ClassRecall | None:
    """The recall of plain by the bits that its trainings stored; None unless the classes differ much in size.

    None, too, if the run does not know its labels.
    """
    known, data = evidence.facts.labels, evidence.facts.data
    if known is None or data is None or not differ(np.array(known.classes), data.classes):
        return None
    seen: dict[int, list[bytes]] = {}
    for training in evidence.by_architecture.get(0, ()):
        if training.correct:
            seen.setdefault(training.seed.fold(len(data.folds) or 1), []).append(training.correct)
    found = [recalls_of(bits, np.array(known.of_fold(fold, data.folds)), data.classes) for fold, bits in seen.items()]
    return _together([one for one in found if one is not None])


def _together(folds: Sequence[ClassRecall]) -> ClassRecall | None:
    """The recall over all folds, each weighted by its images of a class; None without any."""
    if len(folds) < 2:
        return folds[0] if folds else None
    images: dict[str, int] = {}
    hits: dict[str, float] = {}
    for fold in folds:
        for name, count, recall in zip(fold.names, fold.images, fold.recalls, strict=True):
            images[name] = images.get(name, 0) + count
            hits[name] = hits.get(name, 0) + recall * count
    total = [sum(fold.images) for fold in folds]
    return ClassRecall(
        tuple(images),
        tuple(images.values()),
        tuple(hits[name] / count for name, count in images.items()),
        float(np.average([fold.overall for fold in folds], weights=total)),
        sum(fold.trainings for fold in folds),
    )


def differ(labels: NDArray[np.int64], names: Sequence[str]) -> bool:
    """Whether classes differ so much in size that a mean over images can hide one; False without labels."""
    return len(labels) > 0 and ratio_of_classes(labels, names) >= UNEQUAL


def recalls_of(bits: Sequence[bytes], labels: NDArray[np.int64], names: Sequence[str]) -> ClassRecall | None:
    """``bits``: for each training of plain which images were right, as numpy.packbits packs them; None without any."""
    whole = [found for found in bits if len(found) == (len(labels) + 7) // 8]
    if not whole:
        return None
    right = np.array([np.unpackbits(np.frombuffer(found, np.uint8), count=len(labels)) for found in whole]).mean(axis=0)
    counts = np.bincount(labels, minlength=len(names))
    hits = np.bincount(labels, right, minlength=len(names))
    present = np.flatnonzero(counts)
    return ClassRecall(
        tuple(names[k] for k in present.tolist()),
        tuple(counts[present].tolist()),
        tuple((100 * hits[present] / counts[present]).tolist()),
        100 * float(right.mean()),
        len(whole),
    )
