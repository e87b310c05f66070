"""Labelled images as they are stored, in memory: arrays of the sets that the data bring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from senet_nas.data import pictures
from senet_nas.data.pictures import Entry, Listing
from senet_nas.recipe import DataSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8] | NDArray[np.float32]
    Labels = NDArray[np.int64]
    Labelled = tuple[Images, Labels]


@dataclass(frozen=True)
class Raw:
    """Labelled images as they are stored: x_NHWC uint8 (signals: x_NLC float32) and labels y_N int64.

    ``validation`` and ``test`` are None unless the data bring these sets. ``notes`` are sentences about files that were
    skipped. ``white`` is the level of deep images that became 255. ``files`` are the entries of
    listed images, by set, in the order of the images; ``keys`` their groups or times, if the config asks for them.
    """

    train: "Labelled"
    classes: tuple[str, ...]
    validation: "Labelled | None" = None
    test: "Labelled | None" = None
    notes: tuple[str, ...] = ()
    white: float = 255.0
    files: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def sets(self) -> "dict[str, Labelled]":
        """The sets that the data bring, by name: ``train``, and ``validation`` and ``test`` if they are there."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: labelled for name, labelled in found.items() if labelled is not None}


def decoded(spec: DataSpec, found: Listing) -> Raw:
    """The images of a listing, decoded into memory. Raises UserError."""
    import numpy as np

    depth = pictures.depth(found)
    side = pictures.side(spec, found)
    sets: dict[str, Labelled] = {}
    for name, files in found.files.items():
        x_NHWC = np.empty((len(files), side, side, found.channels), dtype=np.uint8)
        for i, x_HWC in enumerate(pictures.decoded(files, side, grey=found.grey, white=depth.white)):
            x_NHWC[i] = x_HWC
        sets[name] = x_NHWC, found.labels[name]
    return Raw(
        sets["train"],
        found.classes,
        sets.get("validation"),
        sets.get("test"),
        notes=(*found.notes, *depth.notes),
        white=depth.white,
        keys=found.keys,
        files={name: [entry for entry, _ in files] for name, files in found.files.items()},
    )
