"""Images as tensors: three disjoint sets as uint8, and the batches of an epoch, made on the device that trains."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from senet_nas import data_checks
from senet_nas.augment import Draws, Policy, crop, cut, draw, flip, jitter
from senet_nas.datasets import DATASETS, Raw
from senet_nas.recipe import DataSpec, Recipe
from spaces.errors import UserError, unknown

TRAIN_SHARE = 0.8


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

    @property
    def channels(self) -> int:
        return self.x_train.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image (C, H, W) or signal (C, L)."""
        return tuple(self.x_train.shape[1:])

    @property
    def image_size(self) -> int:
        return self.x_train.shape[2]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def share(self, share: float) -> "Data":
        """A part of the training and validation images, at least one of each, for a quick measurement."""
        n, m = (max(1, round(share * len(y))) for y in (self.y_train, self.y_val))
        return replace(
            self, x_train=self.x_train[:n], y_train=self.y_train[:n], x_val=self.x_val[:m], y_val=self.y_val[:m]
        )


def load(spec: DataSpec, *, base: Path | str = ".") -> Data:
    """Read, split and describe the images of a spec; paths are relative to ``base``.

    A test set that the data bring stays the test set. Of all other labelled images, 80 % train unless the spec says
    how many, and all the rest validates: validation images are the cheapest accuracy there is. Raises UserError.
    """
    if spec.dataset not in DATASETS:
        raise unknown("dataset", spec.dataset, DATASETS, key="data.dataset")
    habit = DATASETS[spec.dataset]
    raw = habit.load(spec, Path(base))
    data_checks.check_labels({"train": raw.train, "validation": raw.validation, "test": raw.test}, raw.classes)
    if spec.image_size is not None:
        raw = _resized(raw, spec.image_size)
    train, val, test = _split(raw, spec)
    notes = data_checks.check_split({"train": train, "validation": val, "test": test}, raw.classes)
    x_train = _tensor(train[0])
    mean, std = _moments(x_train)
    return Data(
        x_train, torch.from_numpy(train[1]), _tensor(val[0]), torch.from_numpy(val[1]), _tensor(test[0]),
        torch.from_numpy(test[1]), raw.classes, mean, std, habit.flip, habit.crop, _fingerprint(train, val, test),
        (*raw.notes, *notes),
    )  # fmt: skip


def policy(data: Data, recipe: Recipe) -> Policy:
    """How a recipe augments these images: as it says, else by the dataset's habit."""
    flip = data.flip if recipe.flip is None else recipe.flip
    crop = data.crop if recipe.crop is None else recipe.crop
    return Policy(flip, crop, recipe.jitter, recipe.cutout)


def batches(
    x: Tensor, y_N: Tensor, data: Data, recipe: Recipe, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of augmented, normalised images and their labels, in a random order, where ``x`` and ``y_N`` are.

    An incomplete last batch is dropped unless it is the only one. All that is random is drawn before the first batch.
    """
    how = policy(data, recipe)
    steps = max(1, len(y_N) // recipe.batch_size)
    order_N = torch.randperm(len(y_N), generator=generator)[: steps * recipe.batch_size]
    draws = draw(how, len(order_N), tuple(x.shape[2:]), generator)
    order_N, draws = order_N.to(x.device), {name: values.to(x.device) for name, values in draws.items()}
    mean, std = scale(data, x.device, x.ndim)
    for begin in range(0, len(order_N), recipe.batch_size):
        part = slice(begin, begin + recipe.batch_size)
        index_N, drawn = order_N[part], {name: values[part] for name, values in draws.items()}
        yield augment(x.index_select(0, index_N), how, drawn, mean, std), y_N[index_N]


def augment(x: Tensor, how: Policy, draws: Draws, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 samples (N, C, *spatial) to augmented and normalised floats; images lie channels last in memory."""
    x = (flip(x, draws["mirrored"]) if how.flip else x).float()
    if how.crop:
        x = crop(x, how.crop, draws["offset"])
    if how.jitter:
        x = jitter(x, draws["factor"])
    x = (x - mean) / std
    return _channels_last(cut(x, how.cutout, draws["hole"]) if how.cutout else x)


def normalise(x: Tensor, data: Data) -> Tensor:
    """uint8 to float, mean 0 and deviation 1 per channel over the training set, channels last in memory."""
    mean, std = scale(data, x.device, x.ndim)
    return _channels_last((x.float() - mean) / std)


def scale(data: Data, device: torch.device, ndim: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation per channel on the scale 0..255, ready to broadcast over (N, C, *spatial)."""
    shape = [1, -1, *[1] * (ndim - 2)]
    mean, std = (255 * torch.tensor(values, device=device).view(shape) for values in (data.mean, data.std))
    return mean, std


# -- inside -----------------------------------------------------------------------------------------------------------


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _split(raw: Raw, spec: DataSpec) -> list[tuple[np.ndarray, np.ndarray]]:
    """Train, validation, test; classes in the same shares in each. Fixed by ``split_seed``."""
    rng = np.random.default_rng(spec.split_seed)
    x, y = raw.train
    order = _stratified(y, rng)
    test = raw.test
    if test is None:
        n_test = max(1, round(spec.test * len(order)))
        test, order = (x[order[:n_test]], y[order[:n_test]]), order[n_test:]
    n_train = spec.train or (len(order) if raw.validation is not None else round(TRAIN_SHARE * len(order)))
    left = len(order) - n_train
    n_val = spec.validation or (len(raw.validation[1]) if raw.validation is not None else left)
    _check_sizes(n_train, n_val, len(order), raw, spec)
    train = x[order[:n_train]], y[order[:n_train]]
    if raw.validation is not None:
        xv, yv = raw.validation
        keep = _stratified(yv, rng)[:n_val]
        return [train, (xv[keep], yv[keep]), test]
    keep = order[n_train : n_train + n_val]
    return [train, (x[keep], y[keep]), test]


def _check_sizes(n_train: int, n_val: int, n: int, raw: Raw, spec: DataSpec) -> None:
    if n_train > n or (raw.validation is None and n_train == n):
        raise UserError(
            f"data.train is {n_train}, but {n} labelled images are left outside the test set, and some must validate",
            key="data.train" if spec.train else "data.path",
        )
    most = n - n_train if raw.validation is None else len(raw.validation[1])
    if n_val > most:
        raise UserError(f"data.validation is {n_val}, but only {most} images are left for it", key="data.validation")
    if n_train < len(raw.classes):
        raise UserError(f"{n_train} training images are fewer than {len(raw.classes)} classes", key="data.train")


def _stratified(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order of which every prefix holds the classes in their shares, up to one image each."""
    rank = np.empty(len(y))
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(rank, kind="stable")


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


def _moments(x: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, divided by 255; in double, channel by channel, so that it is exact enough."""
    flat = x.transpose(0, 1).flatten(1)
    mean = [float(c.double().mean()) / 255 for c in flat]
    least = 1e-6 if x.dtype == torch.uint8 else 1e-30  # signals may be measured in volts or in microvolts
    std = [max(float(c.double().std(correction=0)) / 255, least) for c in flat]
    return tuple(mean), tuple(std)


def _fingerprint(*parts: tuple[np.ndarray, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for x, y in parts:
        digest.update(str(x.shape).encode())
        digest.update(np.ascontiguousarray(x).data)
        digest.update(np.ascontiguousarray(y).data)
    return digest.hexdigest()[:16]
