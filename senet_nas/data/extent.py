"""How much memory the images of a spec take, known from the list of the files before any of them is decoded."""

import math
from dataclasses import dataclass
from pathlib import Path

from senet_nas.data import datasets, memory_map, pictures
from senet_nas.data.colours import CHANNELS
from senet_nas.data.reread import of_size
from senet_nas.recipe import DataSpec

# While a folder is read: the images as they come, the sets split from them, and those with the channels first.
COPIES = 3
# While a data set of another size is resized: the same, and three copies in four bytes.
RESIZED = 3 + 3 * 4


@dataclass(frozen=True)
class Extent:
    """The number of images of a spec, the shape (C, H, W) at which they are kept, and the bytes that they take.

    ``decoded``: all images as uint8. ``reading``: the peak while they are read. ``can_stream``: whether they could
    stay on disk instead.
    """

    n: int
    shape: tuple[int, int, int]
    decoded: int
    reading: int
    can_stream: bool = False


def extent(spec: DataSpec, base: Path) -> Extent | None:
    """The extent of the images of a spec; None for signals, which are kept as they lie on disk. Raises UserError."""
    dataset = datasets.named(spec.dataset)
    if dataset.listed is not None:
        return _of_images(spec, dataset.listed(spec, base))
    known = dataset.holds
    if known is None:
        return None
    n, own_channels, side = known
    channels = CHANNELS.get(spec.color, own_channels)
    resized = spec.resize or spec.image_size
    shape = (channels, resized or side, resized or side)
    decoded = n * math.prod(shape)
    return Extent(n, shape, decoded, decoded * (RESIZED if resized else COPIES))


def reading_test_images(size: int, n_test: int, spec: DataSpec, base: Path) -> int:
    """Bytes at the peak while the test images of a spec are read again at another size; 0 for signals.

    Of listed images only the ``n_test`` test images are decoded, of another data set all images. Raises UserError.
    """
    found = extent(of_size(size, spec), base)
    if found is None:
        return 0
    return found.reading * n_test // found.n if found.can_stream else found.reading


def _of_images(spec: DataSpec, listing: pictures.Listing) -> Extent:
    side = pictures.side(spec, listing)
    n = sum(len(files) for files in listing.files.values())
    shape = (listing.channels, side, side)
    decoded = n * math.prod(shape)
    if memory_map.is_wanted(spec, listing):
        return Extent(n, shape, decoded, pictures.CHUNK * math.prod(shape))
    return Extent(n, shape, decoded, COPIES * decoded, can_stream=True)
