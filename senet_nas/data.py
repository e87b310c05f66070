"""Images as tensors: three disjoint sets, in memory as uint8, augmented per sample in batches on the device."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from senet_nas import data_checks
from senet_nas.datasets import DATASETS, Raw
from senet_nas.recipe import DataSpec, Recipe
from spaces.errors import UserError, unknown

TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class Data:
    """uint8 images x_NCHW and labels y_N of three disjoint sets. ``mean`` and ``std`` per channel, on the scale 0..1."""

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


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices of one epoch in a random order; an incomplete last batch is dropped unless it is the only one."""
    order = torch.randperm(n, generator=generator)
    whole = max(1, n // size)
    return (order[i * size : (i + 1) * size] for i in range(whole))


def augment(x_NCHW: Tensor, data: Data, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """uint8 images, each mirrored and cropped by its own draw, from ``generator`` on the CPU."""
    flip = data.flip if recipe.flip is None else recipe.flip
    crop = data.crop if recipe.crop is None else recipe.crop
    if flip:
        mirrored_N = torch.rand(len(x_NCHW), generator=generator) < 0.5
        x_NCHW = torch.where(mirrored_N.to(x_NCHW.device)[:, None, None, None], x_NCHW.flip(-1), x_NCHW)
    return _random_crop(x_NCHW, crop, generator) if crop else x_NCHW


def normalise(x_NCHW: Tensor, data: Data) -> Tensor:
    """uint8 to float, mean 0 and deviation 1 per channel over the training set, channels last in memory."""
    mean, std = (torch.tensor(v, device=x_NCHW.device)[None, :, None, None] * 255 for v in (data.mean, data.std))
    return ((x_NCHW.float() - mean) / std).contiguous(memory_format=torch.channels_last)


# -- inside -----------------------------------------------------------------------------------------------------------


def _random_crop(x_NCHW: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Pads by zeros and cuts the original size out at an offset of each sample's own; one gather, no loop."""
    n, _, height, width = x_NCHW.shape
    padded = torch.nn.functional.pad(x_NCHW, [padding] * 4)
    top_N, left_N = torch.randint(0, 2 * padding + 1, (2, n), generator=generator).to(x_NCHW.device)
    device = x_NCHW.device
    rows = (top_N[:, None] + torch.arange(height, device=device))[:, None, :, None]
    columns = (left_N[:, None] + torch.arange(width, device=device))[:, None, None, :]
    sample = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(x_NCHW.shape[1], device=device)[None, :, None, None]
    return padded[sample, channel, rows, columns]


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


def _tensor(x_NHWC: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x_NHWC.transpose(0, 3, 1, 2)))


def _moments(x_NCHW: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel on the scale 0..1; in double, image by image, so that it is exact enough."""
    flat = x_NCHW.transpose(0, 1).flatten(1)
    mean = [float(c.double().mean()) / 255 for c in flat]
    std = [max(float(c.double().std(correction=0)) / 255, 1e-6) for c in flat]
    return tuple(mean), tuple(std)


def _fingerprint(*parts: tuple[np.ndarray, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for x, y in parts:
        digest.update(str(x.shape).encode())
        digest.update(np.ascontiguousarray(x).data)
        digest.update(np.ascontiguousarray(y).data)
    return digest.hexdigest()[:16]
