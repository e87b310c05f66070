"""Images or signals of a config as tensors: three disjoint sets that train, validate and test."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from senet_nas.data import data_checks, datasets, memory_map, pictures
from senet_nas.data.channel_moments import moments
from senet_nas.data.colours import coloured
from senet_nas.data.pictures import Entry, Listing
from senet_nas.data.raw import Raw, decoded
from senet_nas.data.split import split
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.data.raw import Images, Labelled

# For each of train, validation and test: images x_NCHW (signals: x_NCL) and labels y_N.
Tensors = Mapping[str, tuple[Tensor, Tensor]]
# Gives a folder that has space for so many bytes.
Room = Callable[[int], Path]


@dataclass(frozen=True)
class Data:
    """uint8 images x_NCHW (signals: float32 x_NCL) and labels y_N of three disjoint sets.

    ``mean`` and ``std`` are those of each channel over the training set, divided by 255: for images on the scale 0..1.
    """

    x_train: Tensor
    y_train: Tensor
    x_val: Tensor
    y_val: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    crop: int
    fingerprint: str
    # What is odd about the images, in sentences for a person.
    notes: tuple[str, ...] = ()
    # Side of the crop that the network sees of larger images; None: the network sees the whole image.
    side: int | None = None
    # The level of deep images (more than one byte per value) that became 255; 255 without deep images.
    white: float = 255.0
    # The folder of the tensors if they are mapped from files, because they may not fit into memory.
    folder: str | None = None
    # Sizes of the folds: the validation set, and those with which the training set begins. Empty without folds.
    folds: tuple[int, ...] = ()
    # How groups or times were divided, in words; empty without them.
    division: str = ""

    @property
    def channels(self) -> int:
        return self.x_train.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image or (C, L) of a signal as the network sees it."""
        channels, *spatial = self.x_train.shape[1:]
        return (channels, *(spatial if self.side is None else [self.side] * len(spatial)))

    @property
    def image_size(self) -> int:
        return self.shape[1]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def share(self, share: float) -> "Data":
        """The first ``share`` of the training and validation images, at least one of each, for a quick measurement."""
        n_train = max(1, round(share * len(self.y_train)))
        n_val = max(1, round(share * len(self.y_val)))
        return replace(
            self,
            x_train=self.x_train[:n_train],
            y_train=self.y_train[:n_train],
            x_val=self.x_val[:n_val],
            y_val=self.y_val[:n_val],
        )


def load(spec: DataSpec, *, base: Path | str = ".", room: Room = memory_map.room) -> Data:
    """The images of a spec: read, checked, split and described. Paths are relative to ``base``.

    A test set that the data bring stays the test set. Of all other labelled images, 80 % train unless the spec says how
    many, and all the rest validates: more validation images are the cheapest way to a more precise accuracy.

    Images that may not fit into memory are decoded into files in the folder that ``room`` gives for their number of
    bytes: a temporary one, which is removed when this process ends, unless said otherwise. Raises UserError.
    """
    dataset = datasets.named(spec.dataset)
    if dataset.is_empty:
        return _described(spec)
    if dataset.listed is None:
        return _load_into_memory(spec, coloured(dataset.load(spec, Path(base)), spec))
    listing = dataset.listed(spec, Path(base))
    if memory_map.is_wanted(spec, listing):
        if spec.folds:
            hint = "remove data.folds: so many images give few folds more than one split does"
            raise UserError("folds are for images that fit into memory", hint=hint, key="data.folds")
        return _load_into_files(spec, listing, room)
    return _load_into_memory(spec, decoded(spec, listing))


def _described(spec: DataSpec) -> Data:
    """Sets without images, for inputs of the size that the spec gives: a function of the user's reads its own data."""
    assert spec.channels is not None
    assert spec.image_size is not None
    assert spec.classes is not None
    x = torch.empty(0, spec.channels, spec.image_size, spec.image_size, dtype=torch.uint8)
    y = torch.empty(0, dtype=torch.int64)
    said = f"none {spec.channels} {spec.image_size} {spec.classes}"
    return Data(
        x_train=x,
        y_train=y,
        x_val=x,
        y_val=y,
        x_test=x,
        y_test=y,
        classes=tuple(str(number) for number in range(spec.classes)),
        mean=(0.0,) * spec.channels,
        std=(1.0,) * spec.channels,
        flip=False,
        crop=0,
        fingerprint=hashlib.sha256(said.encode()).hexdigest()[:16],
    )


# -- in memory --------------------------------------------------------------------------------------------------------


def _load_into_memory(spec: DataSpec, raw: Raw) -> Data:
    data_checks.check_labels(raw.sets, raw.classes)
    if spec.image_size is not None:
        raw = _resized(raw, spec.resize or spec.image_size)
    labels = {name: y_N for name, (_, y_N) in raw.sets.items()}
    sets: dict[str, Labelled] = {}
    files: dict[str, Sequence[Entry]] = {}
    divided = split(labels, spec, len(raw.classes), raw.keys)
    for name, (origin, index_N) in divided.parts.items():
        x, y_N = raw.sets[origin]
        sets[name] = x[index_N], y_N[index_N]
        if raw.files:
            files[name] = [raw.files[origin][i] for i in index_N]
    notes = (*raw.notes, *data_checks.check_split(sets, raw.classes, files))
    tensors = {name: (channels_first(x), torch.from_numpy(y_N)) for name, (x, y_N) in sets.items()}
    found = _data(spec, tensors, raw.classes, fingerprint=_fingerprint(sets), notes=notes, white=raw.white)
    found = replace(found, folds=divided.folds, division=divided.words)
    data_checks.check_folds(found.y_train.numpy(), found.y_val.numpy(), found.folds, found.classes)
    return found


def _resized(raw: Raw, size: int) -> Raw:
    resized = {name: _resized_set(labelled, size) for name, labelled in raw.sets.items()}
    return replace(raw, train=resized["train"], validation=resized.get("validation"), test=resized.get("test"))


def _resized_set(labelled: "Labelled", size: int) -> "Labelled":
    x_NHWC, y_N = labelled
    if x_NHWC.shape[1:3] == (size, size):
        return labelled
    x_NCHW = torch.from_numpy(x_NHWC).permute(0, 3, 1, 2).float()
    smooth = torch.nn.functional.interpolate(x_NCHW, (size, size), mode="bilinear", antialias=True)
    levels: NDArray[np.uint8] = smooth.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return levels, y_N


def _fingerprint(sets: "Mapping[str, Labelled]") -> str:
    digest = hashlib.sha256()
    for x, y_N in sets.values():
        digest.update(str(x.shape).encode())
        digest.update(np.ascontiguousarray(x).data)
        digest.update(np.ascontiguousarray(y_N).data)
    return digest.hexdigest()[:16]


# -- in files ---------------------------------------------------------------------------------------------------------


def _load_into_files(spec: DataSpec, listing: Listing, room: Room) -> Data:
    """Images decoded into files, in the order of the split; the fingerprint is the one of images in memory."""
    depth = pictures.depth(listing)
    folder = room(memory_map.size(listing, spec))
    side = pictures.side(spec, listing)
    digest = hashlib.sha256()
    sets: dict[str, tuple[Tensor, NDArray[np.int64]]] = {}
    entries: dict[str, Sequence[Entry]] = {}
    divided = split(listing.labels, spec, len(listing.classes), listing.keys)
    for name, (origin, index_N) in divided.parts.items():
        files = [listing.files[origin][i] for i in index_N]
        y_N = listing.labels[origin][index_N]
        short = name.replace("validation", "val")
        digest.update(str((len(files), side, side, listing.channels)).encode())
        decoded = pictures.decoded(files, side, grey=listing.grey, white=depth.white)
        images = _digested(decoded, digest.update)
        x_NCHW = memory_map.write(folder / f"x_{short}.npy", images, (len(files), listing.channels, side, side))
        digest.update(y_N.data)
        np.save(folder / f"y_{short}.npy", y_N)
        sets[name] = x_NCHW, y_N
        entries[name] = [entry for entry, _ in files]
    found = {name: (x_NCHW.numpy(), y_N) for name, (x_NCHW, y_N) in sets.items()}
    notes = (*listing.notes, *depth.notes, *data_checks.check_split(found, listing.classes, entries))
    tensors = {name: (x_NCHW, torch.from_numpy(y_N)) for name, (x_NCHW, y_N) in sets.items()}
    fingerprint = digest.hexdigest()[:16]
    found_data = _data(
        spec,
        tensors,
        listing.classes,
        fingerprint=fingerprint,
        notes=notes,
        white=depth.white,
        folder=str(folder),
    )
    return replace(found_data, division=divided.words)


def _digested(images: Iterator[NDArray[np.uint8]], update: Callable[[memoryview], None]) -> Iterator[NDArray[np.uint8]]:
    """The same images; each of them is passed to ``update`` of a digest on its way."""
    for x_HWC in images:
        update(np.ascontiguousarray(x_HWC).data)
        yield x_HWC


# -- inside -----------------------------------------------------------------------------------------------------------


def _data(
    spec: DataSpec,
    sets: Tensors,
    classes: tuple[str, ...],
    *,
    fingerprint: str,
    notes: Sequence[str],
    white: float,
    folder: str | None = None,
) -> Data:
    x_train, y_train = sets["train"]
    x_val, y_val = sets["validation"]
    x_test, y_test = sets["test"]
    mean, std = moments(x_train)
    habit = datasets.named(spec.dataset)
    return Data(
        x_train=x_train,
        y_train=y_train,
        x_val=x_val,
        y_val=y_val,
        x_test=x_test,
        y_test=y_test,
        classes=classes,
        mean=mean,
        std=std,
        flip=habit.flip,
        crop=habit.crop,
        fingerprint=fingerprint,
        notes=tuple(notes),
        side=visible_side(spec),
        white=white,
        folder=folder,
    )


def visible_side(spec: DataSpec) -> int | None:
    """What the network sees of images that the spec reads larger; None where it sees all of them."""
    return spec.image_size if spec.resize else None


def channels_first(x: "Images") -> Tensor:
    """(N, *spatial, C), as files hold it, to (N, C, *spatial)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
