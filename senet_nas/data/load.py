"""Images as tensors: three disjoint sets as uint8, and the batches of an epoch, made on the device that trains."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from senet_nas.data import data_checks, image_folder
from senet_nas.data import memory_map as streaming
from senet_nas.data.augment import Draws, Policy, centre, crop, cut, draw, flip, jitter, shift, warp
from senet_nas.data.datasets import DATASETS, Raw
from senet_nas.data.sampling import ORDERS
from senet_nas.data.split import split
from senet_nas.distributed import ALONE, Group
from senet_nas.recipe import DataSpec, Recipe
from spaces.errors import unknown

COUNTED_TOGETHER = 4096
# On a CPU a batch of more numbers than LARGE is augmented in parts of CACHED: what one step writes is still in the cache when
# the next one reads it. Batches of 128 images of 160 x 160 came 2.0 times as fast so, of 96 x 96 only 0.8 times (busy cores).
LARGE, CACHED = 5_000_000, 400_000


@dataclass(frozen=True)
class Data:
    """uint8 images x_NCHW (signals: float32 x_NCL) and labels y_N of three disjoint sets.

    ``mean`` and ``std`` per channel, both divided by 255: on the scale 0..1 for images.
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
    # What the network sees of images that are larger: the middle, in training any part; all of it where this is None.
    side: int | None = None
    # Where the tensors lie if they are mapped from files, because they may not fit into memory.
    folder: str | None = None

    @property
    def channels(self) -> int:
        return self.x_train.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image (C, H, W) or signal (C, L) as the network sees it."""
        channels, *spatial = self.x_train.shape[1:]
        return (channels, *(spatial if self.side is None else [self.side] * len(spatial)))

    @property
    def image_size(self) -> int:
        return self.shape[1]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def share(self, share: float) -> "Data":
        """A part of the training and validation images, at least one of each, for a quick measurement."""
        n, m = (max(1, round(share * len(y))) for y in (self.y_train, self.y_val))
        return replace(
            self, x_train=self.x_train[:n], y_train=self.y_train[:n], x_val=self.x_val[:m], y_val=self.y_val[:m]
        )


def load(spec: DataSpec, *, base: Path | str = ".", room: Path | None = None) -> Data:
    """Read, split and describe the images of a spec; paths are relative to ``base``. Images that are decoded into files lie
    in the folder ``room``, or in one that goes with this process.

    A test set that the data bring stays the test set. Of all other labelled images, 80 % train unless the spec says
    how many, and all the rest validates: validation images are the cheapest accuracy there is. Raises UserError.
    """
    if spec.dataset not in DATASETS:
        raise unknown("dataset", spec.dataset, DATASETS, key="data.dataset")
    if streaming.is_wanted(spec, Path(base)):
        return _streamed(spec, Path(base), room)
    habit = DATASETS[spec.dataset]
    raw = habit.load(spec, Path(base))
    data_checks.check_labels({"train": raw.train, "validation": raw.validation, "test": raw.test}, raw.classes)
    if spec.image_size is not None:
        raw = _resized(raw, spec.resize or spec.image_size)
    labels = {name: y_N for name, y_N in _labels(raw).items() if y_N is not None}
    train, val, test = (_taken(raw, *place) for place in split(labels, spec, len(raw.classes)).values())
    notes = data_checks.check_split({"train": train, "validation": val, "test": test}, raw.classes)
    x_train = _tensor(train[0])
    mean, std = moments(x_train)
    return Data(
        x_train, torch.from_numpy(train[1]), _tensor(val[0]), torch.from_numpy(val[1]), _tensor(test[0]),
        torch.from_numpy(test[1]), raw.classes, mean, std, habit.flip, habit.crop, _fingerprint(train, val, test),
        (*raw.notes, *notes), spec.image_size if spec.resize else None,
    )  # fmt: skip


def with_test_images_of(size: int, data: Data, spec: DataSpec, *, base: Path | str = ".") -> Data:
    """The same with the test images at another size, read again; where they are read larger, by as much.

    They are normalised as the training images were. Of a folder the test images alone are decoded. Raises UserError.
    """
    read = spec.resize and round(spec.resize * size / (spec.image_size or size))
    larger = replace(spec, image_size=size, resize=read)
    if DATASETS[spec.dataset] is not DATASETS["image_folder"]:
        found = load(larger, base=base)
        return replace(data, x_test=found.x_test, y_test=found.y_test, side=found.side)
    listing = image_folder.listed(larger, Path(base))
    origin, index_N = split(listing.labels, larger, len(listing.classes))["test"]
    files, side = [listing.files[origin][i] for i in index_N], image_folder.side(larger)
    images, shape = image_folder.decoded(files, side, grey=listing.grey), (len(files), listing.channels, side, side)
    if streaming.is_wanted(larger, Path(base)):
        x_test = streaming.write(streaming.room(math.prod(shape)) / "x_test.npy", images, shape)
    else:
        x_test = _tensor(np.stack([*images]))
    return replace(
        data, x_test=x_test, y_test=torch.from_numpy(listing.labels[origin][index_N]), side=size if read else None
    )


def policy(data: Data, recipe: Recipe) -> Policy:
    """How a recipe augments these images: as it says, else by the dataset's habit."""
    flip = data.flip if recipe.flip is None else recipe.flip
    habit = data.crop if recipe.crop_area == 1 and data.side is None else 0  # these crop in their own way
    crop = habit if recipe.crop is None else recipe.crop
    return Policy(
        flip, crop, recipe.jitter, recipe.cutout, recipe.crop_area, recipe.crop_ratio, recipe.rotation, recipe.shift,
        data.side,
    )  # fmt: skip


def batches(
    x: Tensor, y_N: Tensor, data: Data, recipe: Recipe, generator: torch.Generator, device: str | None = None, *,
    group: Group = ALONE,
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """One epoch of augmented, normalised images and their labels, in a random order, on ``device`` (else where x is).

    An incomplete last batch is dropped unless it is the only one. All that is random is drawn before the first batch.
    Images that are mapped from a file are gathered by a thread, a batch ahead. Of every batch a process of a ``group``
    gets its part.
    """
    how, where = policy(data, recipe), torch.device(device) if device else x.device
    steps = max(1, len(y_N) // recipe.batch_size)
    order_N = ORDERS[recipe.sampling](y_N.cpu(), generator)[: steps * recipe.batch_size]
    draws = draw(how, len(order_N), tuple(x.shape[2:]), generator)
    order_N, draws = order_N.to(x.device), {name: values.to(where) for name, values in draws.items()}
    mean, std = scale(data, where, x.ndim)
    begins = range(0, len(order_N), recipe.batch_size)
    parts = [group.part(slice(begin, begin + recipe.batch_size)) for begin in begins]
    gathered = ((part, x.index_select(0, order_N[part]), y_N[order_N[part]]) for part in parts)
    for part, x_part, y_part in streaming.ahead(gathered) if data.folder else gathered:
        drawn = {name: values[part] for name, values in draws.items()}
        yield augment(x_part.to(where), how, drawn, mean, std), y_part.to(where)


def augment(x: Tensor, how: Policy, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 samples (N, C, *spatial) to augmented and normalised floats; images lie channels last in memory."""
    if x.device.type != "cpu" or x.numel() <= LARGE:
        return _augmented(x, how, draws, mean, std)
    n = max(1, CACHED // x[0].numel())
    shape = (len(x), x.shape[1], *how.size(tuple(x.shape[2:])))
    out = _channels_last(torch.empty(shape))
    for begin in range(0, len(x), n):
        part = slice(begin, begin + n)
        drawn = {name: values[part] for name, values in draws.items()}
        out[part] = _augmented(x[part], how, drawn, mean, std)
    return out


def normalise(x: Tensor, data: Data) -> Tensor:
    """uint8 to float, mean 0 and deviation 1 per channel over the training set, channels last in memory.

    Of images that are read larger than the network sees them: the middle.
    """
    mean, std = scale(data, x.device, x.ndim)
    return _channels_last((centre(x, data.side).float() - mean) / std)


def scale(data: Data, device: torch.device, ndim: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation per channel on the scale 0..255, ready to broadcast over (N, C, *spatial)."""
    shape = [1, -1, *[1] * (ndim - 2)]
    mean, std = (255 * torch.tensor(values, device=device).view(shape) for values in (data.mean, data.std))
    return mean, std


def moments(x: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, divided by 255; in double. Of uint8 from counts, some images at a time."""
    if x.dtype == torch.uint8:
        counts_CV = sum(_counts(part) for part in x.split(COUNTED_TOGETHER)).double()  # type: ignore[union-attr]
        level_V, n = torch.arange(256).double(), counts_CV[0].sum()
        mean_C = counts_CV @ level_V / n
        std_C = ((counts_CV * (level_V - mean_C[:, None]).square()).sum(1) / n).sqrt()
        least = 1e-6
    else:
        flat = x.transpose(0, 1).flatten(1)
        mean_C = torch.stack([c.double().mean() for c in flat])
        std_C = torch.stack([c.double().std(correction=0) for c in flat])
        least = 1e-30  # signals may be measured in volts or in microvolts
    return tuple((mean_C / 255).tolist()), tuple((std_C / 255).clamp(min=least).tolist())


# -- inside -----------------------------------------------------------------------------------------------------------


def _streamed(spec: DataSpec, base: Path, room: Path | None) -> Data:
    """An image folder as files: decoded in the order of the split, described as if it were in memory."""
    found, habit, side = image_folder.listed(spec, base), DATASETS[spec.dataset], image_folder.side(spec)
    folder, digest, labels = streaming.room(streaming.size(found, spec), room), hashlib.sha256(), found.labels
    sets: dict[str, tuple[Tensor, np.ndarray]] = {}
    for name, (origin, index_N) in split(labels, spec, len(found.classes)).items():
        files, y_N = [found.files[origin][i] for i in index_N], labels[origin][index_N]
        digest.update(str((len(files), side, side, found.channels)).encode())
        images = _digested(image_folder.decoded(files, side, grey=found.grey), digest)
        short = name.replace("validation", "val")
        x = streaming.write(folder / f"x_{short}.npy", images, (len(files), found.channels, side, side))
        digest.update(y_N.data)
        np.save(folder / f"y_{short}.npy", y_N)
        sets[name] = x, y_N
    notes = data_checks.check_split({name: (x.numpy(), y_N) for name, (x, y_N) in sets.items()}, found.classes)
    mean, std = moments(sets["train"][0])
    (x_train, y_train), (x_val, y_val), (x_test, y_test) = ((x, torch.from_numpy(y_N)) for x, y_N in sets.values())
    return Data(
        x_train, y_train, x_val, y_val, x_test, y_test, found.classes, mean, std, habit.flip, habit.crop,
        digest.hexdigest()[:16], (*found.notes, *notes), spec.image_size if spec.resize else None, str(folder),
    )  # fmt: skip


def _augmented(x: Tensor, how: Policy, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    size = how.size(tuple(x.shape[2:]))
    x = (flip(x, draws["mirrored"]) if how.flip else x).float()
    if "offset" in draws:
        x = crop(x, how.crop, draws["offset"], size)
    if how.resizes or how.rotation:
        x = warp(x, draws.get("box"), draws.get("angle"), size)
    if how.jitter:
        x = jitter(x, draws["factor"])
    if how.shift:
        x = shift(x, draws["shift"])
    x = (x - mean) / std
    return _channels_last(cut(x, how.cutout, draws["hole"]) if how.cutout else x)


def _digested(images: Iterator[np.ndarray], digest: "hashlib._Hash") -> Iterator[np.ndarray]:
    for x_HWC in images:
        digest.update(np.ascontiguousarray(x_HWC).data)
        yield x_HWC


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _labels(raw: Raw) -> dict[str, np.ndarray | None]:
    return {name: found and found[1] for name, found in vars(raw).items() if name in ("train", "validation", "test")}


def _taken(raw: Raw, name: str, index_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y_N = getattr(raw, name)
    return x[index_N], y_N[index_N]


def _resized(raw: Raw, size: int) -> Raw:
    def resize(part: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, np.ndarray] | None:
        if part is None or part[0].shape[1:3] == (size, size):
            return part
        x = torch.from_numpy(part[0]).permute(0, 3, 1, 2).float()
        smooth = torch.nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)
        return smooth.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy(), part[1]

    train = resize(raw.train)
    assert train is not None
    return replace(raw, train=train, validation=resize(raw.validation), test=resize(raw.test))


def _tensor(x: np.ndarray) -> Tensor:
    """Channels, which lie last in files, come second."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def _counts(x: Tensor) -> Tensor:
    """How often each of 256 levels occurs in each channel (C, 256)."""
    return torch.stack([torch.bincount(c, minlength=256) for c in x.transpose(0, 1).flatten(1)])


def _fingerprint(*parts: tuple[np.ndarray, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for x, y in parts:
        digest.update(str(x.shape).encode())
        digest.update(np.ascontiguousarray(x).data)
        digest.update(np.ascontiguousarray(y).data)
    return digest.hexdigest()[:16]
