"""What a network predicted for labelled images, and every metric of the table computed from it.

Each metric takes weights (B, N) of the images and gives B values at once. With weights of 1 that is the metric; with
random weights it is a bootstrap over images. Shapes: N images, K classes, B sets of weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senet_nas.training.quality_metrics import Metric
from spaces import durable

Array = NDArray[np.float64]
# Probabilities below this count as this in a log-loss: half precision holds nothing between 0 and it.
LEAST = 6e-8
# Numbers in one pass over sets of weights: B x N is cut so that it takes at most 64 MB.
_PASS = 8_000_000


@dataclass(frozen=True)
class Predictions:
    """Probabilities (N, K) and labels (N,) of images, and the names of the K classes."""

    probabilities: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        return len(self.labels)

    def images_of(self, label: str) -> int:
        """The number of images of a class."""
        return int((self.labels == self.classes.index(label)).sum())

    def value(self, metric: Metric) -> float:
        """The metric in its unit; nan if it is not defined for these labels."""
        return float(self.values(metric, np.ones((1, self.images)))[0])

    def values(self, metric: Metric, weights: Array) -> Array:
        """The metric (B,) in its unit for weights (B, N)."""
        assert metric.of is not None
        rows = max(1, _PASS // max(1, self.images))
        parts = [weights[start : start + rows] for start in range(0, len(weights), rows)]
        found = np.concatenate([metric.of(self, part) for part in parts])
        return 100 * found if metric.is_percent else found

    def recalls(self) -> list[tuple[float, int]]:
        """The recall in percent, and the number of images, of each class that has an image."""
        counts = np.bincount(self.labels)
        (found,) = self._recalls(np.ones((1, self.images)))
        return [(100 * float(found[k]), int(counts[k])) for k in np.flatnonzero(counts)]

    def chosen(self, which: NDArray[Any]) -> "Predictions":
        """Some of the images."""
        return Predictions(self.probabilities[which], self.labels[which], self.classes)

    # -- metrics ----------------------------------------------------------------------------------------------

    def top(self, k: int, weights: Array) -> Array:
        """The share of the images with fewer than ``k`` classes before the right one; of equals, the first is first."""
        return _ratio(weights @ (self._places < k), weights.sum(1))

    def recall(self, label: str, weights: Array) -> Array:
        return self._recalls(weights)[:, self.classes.index(label)]

    def balanced_accuracy(self, weights: Array) -> Array:
        """The mean recall of the classes that have an image."""
        return _mean(self._recalls(weights))

    def macro_f1(self, weights: Array) -> Array:
        """The mean F1 of the classes that have an image or were predicted for one."""
        return _mean(_ratio(2 * weights @ self._hits, weights @ self._is_label + weights @ self._is_predicted))

    def auroc(self, weights: Array) -> Array:
        """The mean area under the ROC curve of the classes that have images, and others have, too.

        The area is the share of pairs of an image of the class and another one in which the first has the larger
        probability; equal ones count half (Hanley and McNeil 1982).
        """
        classes = range(self.probabilities.shape[1])
        return _mean(np.stack([self._area(k, weights) for k in classes], 1))

    def log_loss(self, weights: Array) -> Array:
        right = self.probabilities[np.arange(self.images), self.labels].astype(np.float64)
        return _ratio(weights @ -np.log(np.maximum(right, LEAST)), weights.sum(1))

    # -- parts ------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """How many classes come before the right one (N,)."""
        right = self.probabilities[np.arange(self.images), self.labels][:, None]
        earlier = np.arange(self.probabilities.shape[1]) < self.labels[:, None]
        before: NDArray[np.int64] = ((self.probabilities > right) | ((self.probabilities == right) & earlier)).sum(1)
        return before

    @cached_property
    def _is_label(self) -> Array:
        return _one_hot(self.labels, self.probabilities.shape[1])

    @cached_property
    def _is_predicted(self) -> Array:
        return _one_hot(self.probabilities.argmax(1), self.probabilities.shape[1])

    @cached_property
    def _hits(self) -> Array:
        return self._is_label * self._is_predicted

    @cached_property
    def _sorted(self) -> "list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]":
        """For each class: the order of the images, where equal probabilities begin in it, and which are of the class.

        The smallest probability comes first.
        """
        found = []
        for k, column in enumerate(self.probabilities.T):
            order = np.argsort(column, kind="stable")
            values = column[order]
            starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
            found.append((order, starts, self.labels[order] == k))
        return found

    def _recalls(self, weights: Array) -> Array:
        return _ratio(weights @ self._hits, weights @ self._is_label)

    def _area(self, k: int, weights: Array) -> Array:
        order, starts, is_class = self._sorted[k]
        ordered = weights[:, order]
        own = np.add.reduceat(ordered * is_class, starts, axis=1)
        others = np.add.reduceat(ordered * ~is_class, starts, axis=1)
        below = np.cumsum(others, axis=1) - others
        return _ratio((own * (below + 0.5 * others)).sum(1), own.sum(1) * others.sum(1))


def measured(seen: Predictions, metrics: Sequence[Metric]) -> dict[str, float]:
    """The metrics by their columns, without those that these labels do not define."""
    values = {metric.column: seen.value(metric) for metric in metrics}
    return {column: value for column, value in values.items() if np.isfinite(value)}


def save(seen: Predictions, path: Path) -> None:
    """Writes the predictions durably, probabilities in half precision. Raises OSError."""
    from safetensors.numpy import save as serialised

    tensors: dict[str, NDArray[Any]] = {
        "probabilities": seen.probabilities.astype(np.float16),
        "labels": seen.labels.astype(np.int32),
    }
    durable.write(path, serialised(tensors, {"classes": "\0".join(seen.classes)}))


def read(path: Path) -> Predictions | None:
    """The predictions that :func:`save` wrote; None if the file is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            classes = (file.metadata() or {}).get("classes", "")
            probabilities, labels = file.get_tensor("probabilities"), file.get_tensor("labels")
    except (OSError, SafetensorError):
        return None
    return Predictions(probabilities.astype(np.float32), labels.astype(np.int64), tuple(classes.split("\0")))


# -- inside -----------------------------------------------------------------------------------------------------------


def _one_hot(labels: NDArray[np.int64], classes: int) -> Array:
    found: Array = np.zeros((len(labels), classes))
    found[np.arange(len(labels)), labels] = 1
    return found


def _ratio(part: Array, whole: Array) -> Array:
    """Their ratio; nan where the whole is 0."""
    found: Array = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def _mean(values: Array) -> Array:
    """The mean over classes (B,) of (B, K), without those that are nan; nan if all are."""
    is_known = np.isfinite(values)
    return _ratio(np.where(is_known, values, 0).sum(1), is_known.sum(1).astype(np.float64))
