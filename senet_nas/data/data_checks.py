"""Checks of images and labels before the first training: errors that stop a search, and notes about what is odd."""

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from senet_nas.data.folder_walk import shown
from spaces.errors import UserError
from spaces.text import plural

if TYPE_CHECKING:
    from senet_nas.data.pictures import Entry
    from senet_nas.data.raw import Images, Labelled, Labels

# From this ratio of the largest to the smallest class on, accuracy says little about the smallest.
IMBALANCE = 10
# From this ratio on, a run keeps the labels of its validation images, to say how well each class is recognised.
UNEQUAL = 3
NAMED_CLASSES = 5


def check_labels(sets: "Mapping[str, Labelled]", classes: Sequence[str]) -> None:
    """Raises UserError unless every image of the sets that the data bring has a label, and every label a class."""
    for name, (x_NHWC, y_N) in sets.items():
        _check_labels(name, x_NHWC, y_N, classes)


def check_split(
    sets: "Mapping[str, Labelled]", classes: Sequence[str], files: "Mapping[str, Sequence[Entry]] | None" = None
) -> tuple[str, ...]:
    """Sentences about what is odd in the sets, for a person to read.

    ``sets`` maps train, validation and test to images and labels after the split; ``files`` to the entry of each image,
    if the images were listed. Raises UserError where no accuracy could be measured or learnt: an empty set, a class
    without images, or identical training images.
    """
    for name, (_, y_N) in sets.items():
        if len(y_N) == 0:
            raise UserError(f"no image is left for the {name} set", hint="add images", key="data.path")
    check_classes({name: y_N for name, (_, y_N) in sets.items()}, classes)
    _check_contrast(sets["train"][0])
    digests = {name: _digests(x) for name, (x, _) in sets.items()}
    twins = _twins(digests, sets, classes, files or {})
    return (*twins, *_leaks(digests, files or {}))


def check_classes(labels: "Mapping[str, Labels]", classes: Sequence[str]) -> None:
    """Raises UserError if a class has no training or no validation image. The test set may lack a class."""
    counts = {name: np.bincount(y_N, minlength=len(classes)) for name, y_N in labels.items()}
    total = np.sum(list(counts.values()), axis=0)
    scarce = (counts["train"] == 0) | (counts["validation"] == 0)
    rare = [f"{classes[k]} ({total[k]})" for k in np.flatnonzero(scarce).tolist()]
    if rare:
        more = f" and {len(rare) - NAMED_CLASSES} more" if len(rare) > NAMED_CLASSES else ""
        raise UserError(
            f"{len(rare)} of {len(classes)} classes have no image to train or none to validate: "
            f"{', '.join(rare[:NAMED_CLASSES])}{more} (in brackets: all images of the class)",
            hint="add images, leave these classes out, or change data.train and data.validation; with data.group or "
            "data.time, every class needs groups or times in each set",
            key="data.path",
        )


def check_folds(y_train: "Labels", y_val: "Labels", folds: Sequence[int], classes: Sequence[str]) -> None:
    """Raises UserError if a class has no image in a fold. ``y_val`` is the first, others begin ``y_train``."""
    begin = 0
    for size in folds[1:]:
        part = slice(begin, begin + size)
        others = np.concatenate([np.delete(y_train, part), y_val])
        check_classes({"train": others, "validation": y_train[part]}, classes)
        begin += size


def ratio_of_classes(y_N: "Labels", classes: Sequence[str]) -> float:
    """How many times as many labels the largest class has as the smallest one; inf if that has none."""
    counts = np.bincount(y_N, minlength=len(classes))
    return float(counts.max() / counts.min()) if counts.min() else math.inf


def imbalance(y_N: "Labels", classes: Sequence[str], hiding: str = "") -> str:
    """A sentence about the largest and the smallest class, if they differ much in size; else an empty text.

    ``hiding`` is the title of a metric that hardly moves with a small class.
    """
    counts = np.bincount(y_N, minlength=len(classes))
    most = int(counts.argmax())
    least = int(counts.argmin())
    if counts[most] < IMBALANCE * counts[least]:
        return ""
    sizes = f"class {classes[most]} has {counts[most]} training images, class {classes[least]} has {counts[least]}"
    if not hiding:
        return sizes
    return f"{sizes}: {hiding} hardly sees the small one; balanced_accuracy counts each class the same"


def _check_labels(name: str, x_NHWC: "Images", y_N: "Labels", classes: Sequence[str]) -> None:
    if len(x_NHWC) != len(y_N):
        raise UserError(f"the {name} set has {len(x_NHWC)} images but {len(y_N)} labels", key="data.path")
    strange = np.flatnonzero((y_N < 0) | (y_N >= len(classes)))
    if len(strange):
        raise UserError(
            f"{len(strange)} labels of the {name} set are outside 0..{len(classes) - 1}, "
            f"the first is {y_N[strange[0]]} at image {strange[0]}",
            key="data.path",
        )


def _check_contrast(x_NHWC: "Images") -> None:
    if all(np.array_equal(x_HWC, x_NHWC[0]) for x_HWC in x_NHWC):
        raise UserError("all training images are the same image; nothing can be learnt from them", key="data.path")


def _twins(
    digests: Mapping[str, Sequence[bytes]],
    sets: "Mapping[str, Labelled]",
    classes: Sequence[str],
    files: "Mapping[str, Sequence[Entry]]",
) -> list[str]:
    """A sentence about images that are in several classes of all sets: no network can be right about both."""
    labels = [label for _, y_N in sets.values() for label in y_N.tolist()]
    first: dict[bytes, int] = {}
    twins: dict[bytes, tuple[int, int]] = {}
    for i, digest in enumerate(itertools.chain(*(digests[name] for name in sets))):
        known = first.setdefault(digest, i)
        if labels[known] != labels[i]:
            twins.setdefault(digest, (known, i))
    if not twins:
        return []
    pair = next(iter(twins.values()))
    paths = [shown(str(entry)) for name in sets for entry in files.get(name, ())]
    named = [f"{paths[i]} ({classes[labels[i]]})" if paths else classes[labels[i]] for i in pair]
    verb = "is" if len(twins) == 1 else "are"
    return [f"{plural(len(twins), 'image')} {verb} in more than one class (equal pixels): {' and '.join(named)}"]


def _leaks(digests: Mapping[str, Sequence[bytes]], files: "Mapping[str, Sequence[Entry]]") -> list[str]:
    """A sentence for each set that holds training images: its accuracy is remembered, not learnt."""
    seen = {digest: i for i, digest in enumerate(digests["train"])}
    notes = []
    for name in ("validation", "test"):
        different = set(digests[name])
        known = len(different & seen.keys())
        if known:
            place, twin = next((i, seen[digest]) for i, digest in enumerate(digests[name]) if digest in seen)
            pair = (files["train"][twin], files[name][place]) if name in files else ()
            named = " and ".join(dict.fromkeys(shown(str(entry)) for entry in pair))
            such = f", such as {named}" if named else ""
            notes.append(f"{known} of {len(different)} different {name} images are training images, too{such}")
    return notes


def _digests(x_NHWC: "Images") -> list[bytes]:
    """A digest of each image, because the images themselves may not fit into memory twice."""
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in x_NHWC]
