"""Images of a spec read again: the test images at another size, and the files of the validation images."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from senet_nas.data import datasets, memory_map, pictures
from senet_nas.data.load import Data, channels_first, load, visible_side
from senet_nas.data.pictures import Listing
from senet_nas.data.split import split
from senet_nas.recipe import DataSpec


def with_test_images_of(size: int, data: Data, spec: DataSpec, *, base: Path | str = ".") -> Data:
    """The same data with the test images read again at another size.

    Where the spec reads images larger than the network sees them, the new ones are larger by the same factor. They are
    normalised as the training images were. Of listed images only the test images are decoded. Raises
    UserError.
    """
    larger = of_size(size, spec)
    dataset = datasets.named(spec.dataset)
    if dataset.listed is None:
        found = load(larger, base=base)
        return replace(data, x_test=found.x_test, y_test=found.y_test, side=found.side)
    x_test, y_test = _test_images(larger, dataset.listed(larger, Path(base)), data.white)
    return replace(data, x_test=x_test, y_test=y_test, side=visible_side(larger))


def of_size(size: int, spec: DataSpec) -> DataSpec:
    """The spec with images of another size; larger ones that it crops are larger by the same factor."""
    if spec.resize is None:
        return replace(spec, image_size=size)
    factor = size / (spec.image_size or size)
    return replace(spec, image_size=size, resize=round(spec.resize * factor))


def validation_files(spec: DataSpec, *, base: Path | str = ".") -> list[Path]:
    """The file of each validation image, in the order of :func:`load`; empty unless all of them are files."""
    listed = datasets.named(spec.dataset).listed
    if listed is None:
        return []
    listing = listed(spec, Path(base))
    origin, index_N = split(listing.labels, spec, len(listing.classes), listing.keys).parts["validation"]
    entries = [listing.files[origin][i][0] for i in index_N]
    files = [entry for entry in entries if isinstance(entry, Path)]
    return files if len(files) == len(entries) else []


# -- inside -----------------------------------------------------------------------------------------------------------


def _test_images(spec: DataSpec, listing: Listing, white: float) -> tuple[Tensor, Tensor]:
    """x_NCHW and y_N of the test set of a listing."""
    origin, index_N = split(listing.labels, spec, len(listing.classes), listing.keys).parts["test"]
    files = [listing.files[origin][i] for i in index_N]
    y_N = torch.from_numpy(listing.labels[origin][index_N])
    side = pictures.side(spec, listing)
    images = pictures.decoded(files, side, grey=listing.grey, white=white)
    if not memory_map.is_wanted(spec, listing):
        return channels_first(np.stack([*images])), y_N
    shape = (len(files), listing.channels, side, side)
    return memory_map.write(memory_map.room(math.prod(shape)) / "x_test.npy", images, shape), y_N
