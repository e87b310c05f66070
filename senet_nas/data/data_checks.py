"""What is wrong, or only odd, with images and labels that were read: told before the first training, never after it."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from spaces.errors import UserError

# A set is an array of images, x_NHWC uint8, and their labels, y_N int64.
Set = tuple[np.ndarray, np.ndarray]

# So many times more images in the largest class than in the smallest make accuracy say little about the small one.
IMBALANCE = 10
NAMED_CLASSES = 5


def check_labels(sets: Mapping[str, Set | None], classes: Sequence[str]) -> None:
    """Every image of the sets that the data bring has a label, and every label a class. Raises UserError."""
    for name, found in sets.items():
        if found is not None:
            _check_labels(name, *found, classes)


def check_split(sets: Mapping[str, Set], classes: Sequence[str]) -> tuple[str, ...]:
    """Sentences about what is odd, for a person to read. Raises UserError for what no training can be judged by.

    ``sets`` maps train, validation and test to images and labels, already split.
    """
    for name, (_, y_N) in sets.items():
        if len(y_N) == 0:
            raise UserError(f"no image is left for the {name} set", hint="add images", key="data.path")
    _check_classes(sets, classes)
    _check_contrast(sets["train"][0])
    return tuple(note for note in (*_leaks(sets), _imbalance(sets["train"][1], classes)) if note)


def _check_labels(name: str, x_NHWC: np.ndarray, y_N: np.ndarray, classes: Sequence[str]) -> None:
    if len(x_NHWC) != len(y_N):
        raise UserError(f"the {name} set has {len(x_NHWC)} images but {len(y_N)} labels", key="data.path")
    strange = np.flatnonzero((y_N < 0) | (y_N >= len(classes)))
    if len(strange):
        raise UserError(
            f"{len(strange)} labels of the {name} set are outside 0..{len(classes) - 1}, "
            f"the first is {y_N[strange[0]]} at image {strange[0]}",
            key="data.path",
        )


def _check_classes(sets: Mapping[str, Set], classes: Sequence[str]) -> None:
    """Every class must train and be validated; a test set may lack one, for it is read but once."""
    counts = {name: np.bincount(y_N, minlength=len(classes)) for name, (_, y_N) in sets.items()}
    total = np.sum(list(counts.values()), axis=0)
    scarce = (counts["train"] == 0) | (counts["validation"] == 0)
    rare = [f"{classes[k]} ({total[k]})" for k in np.flatnonzero(scarce).tolist()]
    if rare:
        more = f" and {len(rare) - NAMED_CLASSES} more" if len(rare) > NAMED_CLASSES else ""
        raise UserError(
            f"{len(rare)} of {len(classes)} classes have no image to train or none to validate: "
            f"{', '.join(rare[:NAMED_CLASSES])}{more} (in brackets: images of the class in all)",
            hint="add images, leave these classes out, or change data.train and data.validation",
            key="data.path",
        )


def _check_contrast(x_NHWC: np.ndarray) -> None:
    if all(np.array_equal(x_HWC, x_NHWC[0]) for x_HWC in x_NHWC):
        raise UserError("all training images are the same image; nothing can be learnt from them", key="data.path")


def _leaks(sets: Mapping[str, Set]) -> list[str]:
    """Images of the training set that also validate or test: their accuracy is remembered, not learnt."""
    seen = _rows(sets["train"][0])
    found = []
    for name in ("validation", "test"):
        rows = _rows(sets[name][0])
        known = sum(row in seen for row in rows)
        if known:
            found.append(f"{known} of {len(rows)} different {name} images are training images, too")
    return found


def _rows(x_NHWC: np.ndarray) -> set[bytes]:
    """A digest of each image: the images themselves may not fit into memory."""
    return {hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in x_NHWC}


def _imbalance(y_N: np.ndarray, classes: Sequence[str]) -> str:
    counts = np.bincount(y_N, minlength=len(classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] < IMBALANCE * counts[least]:
        return ""
    return (
        f"class {classes[most]} has {counts[most]} training images, class {classes[least]} has {counts[least]}: "
        "accuracy hardly sees the small one"
    )
