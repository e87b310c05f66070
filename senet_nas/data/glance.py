"""What a data set holds, seen in seconds: number of images, classes, their balance, and the sizes of some images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from senet_nas.data import data_checks, datasets, pictures
from senet_nas.data.split import Labels, split
from senet_nas.recipe import DataSpec
from spaces.text import plural

if TYPE_CHECKING:
    from senet_nas.data.load import Data

# So many images of a folder are opened for their size; none is decoded.
LOOKED_AT = 200
SHOWN = {"train": "train", "validation": "validate", "test": "test"}


@dataclass(frozen=True)
class Glance:
    """A data set, split as a config without further settings splits it.

    ``counts``: images of train, validation and test. ``per_class``: images of each class in all sets. ``shape``: (C, H,
    W) with the median side of the images, or (C, L) of signals. ``sides``: the smallest and the largest shorter side in
    pixels of the ``looked_at`` images. ``notes`` are sentences about what is odd.
    """

    counts: Mapping[str, int]
    classes: tuple[str, ...]
    per_class: tuple[int, ...]
    shape: tuple[int, ...]
    sides: tuple[int, int]
    looked_at: int
    notes: tuple[str, ...] = ()
    flip: bool = False
    crop: int = 0

    @property
    def is_images(self) -> bool:
        return len(self.shape) == 3

    @property
    def side(self) -> int:
        """The median of the shorter sides of images in pixels, or the length of signals."""
        return self.shape[-1]

    def blank(self, shape: tuple[int, ...]) -> "Data":
        """Data with as many images as these, all of them the same noise of this shape. They take no memory."""
        import torch

        from senet_nas.data.load import Data

        noise = torch.rand((1, *shape), generator=torch.Generator().manual_seed(0))
        x_1 = (noise * 255).to(torch.uint8) if self.is_images else noise
        counts = (self.counts[name] for name in ("train", "validation", "test"))
        sets = [(x_1.expand(n, *shape), torch.zeros(1, dtype=torch.int64).expand(n)) for n in counts]
        (x_train, y_train), (x_val, y_val), (x_test, y_test) = sets
        half = (0.5,) * shape[0]
        return Data(
            x_train, y_train, x_val, y_val, x_test, y_test, self.classes, half, half, self.flip, self.crop, "noise"
        )

    def lines(self) -> list[str]:
        """What was found, in sentences for a person."""
        n = sum(self.counts.values())
        sets = ", ".join(f"{count:,} {SHOWN[name]}" for name, count in self.counts.items())
        what = "image" if self.is_images else "signal"
        return [f"{plural(n, what)} in {len(self.classes)} classes: {sets}", self._balance(), self._size()]

    def _balance(self) -> str:
        low, high = min(self.per_class), max(self.per_class)
        if low == high:
            return f"{low:,} in each class"
        least, most = (self.classes[self.per_class.index(count)] for count in (low, high))
        return f"from {low:,} (class {least}) to {high:,} (class {most})"

    def _size(self) -> str:
        if not self.is_images:
            return f"each signal has {plural(self.shape[0], 'channel')} of {self.side:,} values"
        low, high = self.sides
        span = f"{low} pixels" if low == high else f"{low} to {high} pixels, median {self.side}"
        is_part = self.looked_at < sum(self.counts.values())
        return f"shorter side {span}" + (f" (of {self.looked_at:,} images)" if is_part else "")


def glance(spec: DataSpec, base: Path) -> Glance:
    """Looks at a data set. Raises UserError if it is missing, damaged as far as it was read, or too small to split."""
    dataset = datasets.named(spec.dataset)
    if dataset.listed is None:
        raw = dataset.load(spec, base)
        data_checks.check_labels(raw.sets, raw.classes)
        shape = (raw.train[0].shape[-1], *raw.train[0].shape[1:-1])
        labels = {name: y_N for name, (_, y_N) in raw.sets.items()}
        found = _glance(spec, labels, raw.classes, shape, [min(shape[1:])] * sum(map(len, labels.values())))
        return replace(found, notes=(*raw.notes, *found.notes), flip=dataset.flip, crop=dataset.crop)
    listing = dataset.listed(spec, base)
    every = [entry for files in listing.files.values() for entry, _ in files]
    sizes = pictures.sizes(every[:: max(1, len(every) // LOOKED_AT)])
    sides = [min(size) for size in sizes]
    middle = int(median(sides))
    shape = (listing.channels, middle, middle)
    found = _glance(spec, listing.labels, listing.classes, shape, sides, listing.keys)
    return replace(found, notes=(*listing.notes, *found.notes), flip=dataset.flip, crop=dataset.crop)


def _glance(
    spec: DataSpec,
    labels: Mapping[str, Labels],
    classes: tuple[str, ...],
    shape: tuple[int, ...],
    sides: list[int],
    keys: Mapping[str, Sequence[str]] | None = None,
) -> Glance:
    parts = split(labels, spec, len(classes), keys).parts
    sets = {name: labels[origin][index_N] for name, (origin, index_N) in parts.items()}
    data_checks.check_classes(sets, classes)
    every = np.concatenate(list(sets.values()))
    return Glance(
        counts={name: len(y_N) for name, y_N in sets.items()},
        classes=classes,
        per_class=tuple(np.bincount(every, minlength=len(classes)).tolist()),
        shape=shape,
        sides=(min(sides), max(sides)),
        looked_at=len(sides),
        notes=tuple(filter(None, [data_checks.imbalance(sets["train"], classes, hiding="accuracy")])),
    )
