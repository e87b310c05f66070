"""Datasets by name: uint8 images and float32 signals as they are stored. Nothing is split, scaled or augmented here.

Heavy libraries are imported inside the loaders, so that names can be checked without them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senet_nas.data import (
    hugging_face,
    image_arrays,
    image_folder,
    image_table,
    keys,
    own_dataset,
    shard_files,
    signal_datasets,
    tar_shards,
    torchvision_sets,
)
from senet_nas.data.data_path import place
from senet_nas.data.pictures import Listing
from senet_nas.data.raw import Raw, decoded
from senet_nas.recipe import DataSpec
from spaces.errors import UserError, nearest, unknown

if TYPE_CHECKING:
    from senet_nas.data.raw import Labelled


@dataclass(frozen=True)
class Dataset:
    """A dataset by name: how to read it, and the augmentation that suits it (``crop`` in pixels of padding).

    ``backbone`` is the network that a new config for this dataset starts with. ``holds``: number of images, channels
    and side in pixels, if they are the same for everybody. ``listed``: the images of a source that lists them first;
    they are decoded by the routine of :mod:`senet_nas.data.pictures`. ``endings``: ``data: FILE`` with one of these
    endings means this source. ``has_columns``: ``data.image`` and ``data.label`` name columns of it.
    ``form``: a pattern; every name that it matches as a whole is a dataset of this source, if
    ``names`` do not restrict it. Images of ``unmirrored`` datasets are not mirrored. ``is_empty``: it holds
    nothing, and only says what inputs look like. ``has_keys``: an array of its file may hold groups or times.
    ``ignores_path``: its name says all, so a path beside it would change nothing.
    """

    description: str
    load: Callable[[DataSpec, Path], Raw]
    flip: bool
    crop: int
    needs_path: bool = True
    backbone: str = "cifar_resnet20"
    holds: tuple[int, int, int] | None = None
    listed: Callable[[DataSpec, Path], Listing] | None = None
    endings: tuple[str, ...] = ()
    has_columns: bool = False
    form: str = ""
    names: Callable[[], Sequence[str]] | None = None
    unmirrored: frozenset[str] = frozenset()
    is_empty: bool = False
    has_keys: bool = False
    ignores_path: bool = False


def _digits(spec: DataSpec, base: Path) -> Raw:
    """8x8 grey digits of scikit-learn (Alpaydin and Kaynak 1998), 1,797 images; 16 levels spread over 0..255."""
    import numpy as np
    from sklearn.datasets import load_digits

    found = load_digits()
    x_NHWC = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return Raw((x_NHWC, found.target.astype(np.int64)), tuple(str(name) for name in found.target_names))


def _torchvision(class_name: str) -> Callable[[DataSpec, Path], Raw]:
    """The loader of a dataset that torchvision reads from files, such as ``CIFAR10``."""

    def load(spec: DataSpec, base: Path) -> Raw:
        import torchvision.datasets

        root = place(spec.path or "data", base)
        make = getattr(torchvision.datasets, class_name)
        try:
            train = make(root=root, train=True)
            test = make(root=root, train=False)
        except Exception as error:  # a damaged archive fails in as many ways as there are formats
            raise _unreadable(class_name, root, error) from error
        return Raw(_arrays(train), tuple(train.classes), test=_arrays(test))

    return load


def _unreadable(class_name: str, root: Path, error: Exception) -> UserError:
    fetch = f"torchvision.datasets.{class_name}(root, download=True)"
    if isinstance(error, RuntimeError) and "not found" in str(error):
        message = f"no {class_name} in {root}"
        return UserError(message, hint=f"set data.path to the folder that {fetch} filled", key="data.path")
    message = f"the {class_name} files in {root} are damaged ({type(error).__name__}: {error})"
    return UserError(message, hint=f"remove them and fetch them again with {fetch}", key="data.path")


def _arrays(dataset: Any) -> "Labelled":
    """x_NHWC and y_N of a dataset of torchvision's, whose classes share no type with ``data`` and ``targets``."""
    import numpy as np

    x = np.asarray(dataset.data, dtype=np.uint8)
    x_NHWC = x[..., None] if x.ndim == 3 else x
    return x_NHWC, np.asarray(dataset.targets, dtype=np.int64)


def _of_images(
    description: str,
    listed: Callable[[DataSpec, Path], Listing],
    **more: Any,
) -> Dataset:
    """The row of a source that lists its images; ``more`` are fields of :class:`Dataset`."""

    def with_keys(spec: DataSpec, base: Path) -> Listing:
        return keys.with_keys(listed(spec, base), spec, base)

    def load(spec: DataSpec, base: Path) -> Raw:
        return decoded(spec, with_keys(spec, base))

    return Dataset(description, load, True, 4, backbone="resnet18", listed=with_keys, **more)


def _nothing(spec: DataSpec, base: Path) -> Raw:
    raise UserError(f"`{NONE}` holds no images", hint="name the data, such as `data: ./images`", key="data.dataset")


def _waveforms(spec: DataSpec, base: Path) -> Raw:
    found, classes = signal_datasets.waveforms()
    return _with_own_length(spec, Raw(found, classes))


def _signals(spec: DataSpec, base: Path) -> Raw:
    if spec.path is None:
        raise UserError("signals need a path", hint="write `path: FILE.npz` below data", key="data.path")
    path = place(spec.path, base)
    sets, classes, notes = signal_datasets.read(path)
    held = signal_datasets.keys(path, sets, spec)
    raw = Raw(sets["train"], classes, sets.get("val"), sets.get("test"), notes=notes, keys=held)
    return _with_own_length(spec, raw)


def _with_own_length(spec: DataSpec, raw: Raw) -> Raw:
    if spec.image_size is not None:
        raise UserError("signals keep their length", hint="remove data.image_size", key="data.image_size")
    return raw


# The row without images.
NONE = "none"

# Add a dataset here.
DATASETS = {
    "digits": Dataset(
        "8x8 grey digits that come with scikit-learn, 1,797 images",
        _digits,
        False,
        1,
        needs_path=False,
        holds=(1_797, 1, 8),
        ignores_path=True,
    ),
    "fashion_mnist": Dataset(
        "28x28 grey clothes, 70,000 images", _torchvision("FashionMNIST"), True, 2, holds=(70_000, 1, 28)
    ),
    "cifar10": Dataset(
        "32x32 colour, 10 classes, 60,000 images", _torchvision("CIFAR10"), True, 4, holds=(60_000, 3, 32)
    ),
    "cifar100": Dataset(
        "32x32 colour, 100 classes, 60,000 images", _torchvision("CIFAR100"), True, 4, holds=(60_000, 3, 32)
    ),
    "image_folder": _of_images("your own images, one folder for each class", image_folder.listed),
    "torchvision:NAME": _of_images(
        "any set of torchvision for image classification, also by its name alone, such as SVHN",
        torchvision_sets.listed,
        form=torchvision_sets.FORM,
        names=torchvision_sets.names,
        unmirrored=torchvision_sets.UNMIRRORED,
        needs_path=False,
    ),
    "table": _of_images(
        "your own images: a .csv, .tsv or .parquet file with their paths and labels",
        image_table.listed,
        endings=image_table.ENDINGS,
        has_columns=True,
    ),
    "module:function": _of_images(
        "your own images: what a function of yours returns, such as a Dataset of torch",
        own_dataset.listed,
        has_columns=True,
        form=own_dataset.FORM,
        needs_path=False,
    ),
    "hf:NAME": _of_images(
        "a data set of Hugging Face: a folder that was saved, or a name on the hub (extra hf)",
        hugging_face.listed,
        has_columns=True,
        form=hugging_face.FORM,
        needs_path=False,
        ignores_path=True,
    ),
    "webdataset": _of_images(
        "your own images: .tar files of WebDataset: one, a pattern such as train-{000..003}.tar, or a folder of shards",
        tar_shards.listed,
        has_columns=True,
        endings=shard_files.ENDINGS,
    ),
    "arrays": _of_images(
        "your own images: a .npz file of x (N, H, W) or (N, H, W, C) and y", image_arrays.listed, endings=(".npz",)
    ),
    "signals": Dataset(
        "your own signals: a .npz file of x (N, C, L) and y, or a folder of CLASS.npy",
        _signals,
        False,
        0,
        backbone="signal_resnet20",
        has_keys=True,
    ),
    "waveforms": Dataset(
        "synthetic: 2,000 noisy signals (1, 500) of four shapes",
        _waveforms,
        False,
        0,
        needs_path=False,
        backbone="signal_resnet20",
        ignores_path=True,
    ),
    NONE: Dataset(
        "no images: your own function (evaluate: python:...) reads its data; says channels, image_size and classes",
        _nothing,
        False,
        0,
        needs_path=False,
        is_empty=True,
        ignores_path=True,
    ),
}


def named(name: str) -> Dataset:
    """The dataset of a name. Raises UserError for an unknown one."""
    found = known(name)
    if found is None:
        guess = nearest(name.rpartition(":")[2], names())
        error = unknown("dataset", name, DATASETS, key="data.dataset")
        hint = f"did you mean `{guess}`? " if guess else ""
        raise UserError(
            error.message, hint=f"{hint}A folder or file of yours is a path: {_as_path(name)}", key=error.key
        )
    return found


def _as_path(name: str) -> str:
    return f"`data: {name}`" if "path" in section(name) else f"`data: ./{name}`"


def names() -> list[str]:
    """The names of all datasets, also of those that a library brings."""
    return [*DATASETS, *(name for row in DATASETS.values() if row.names for name in row.names())]


def known(name: str) -> Dataset | None:
    """The dataset of a name; None for an unknown one."""
    if name in DATASETS:
        return DATASETS[name]
    bare = name.rpartition(":")[2]
    for row in DATASETS.values():
        if row.form and re.fullmatch(row.form, name) and (row.names is None or bare in row.names()):
            return replace(row, flip=row.flip and bare not in row.unmirrored)
    return None


def section(text: str) -> dict[str, str]:
    """The section that ``data: TEXT`` stands for: a name, a file by its ending, or the path of an image folder.

    Text with a slash or a leading dot is a path.
    """
    if known(text):
        return {"dataset": text}
    for name, dataset in DATASETS.items():
        if dataset.endings and text.lower().endswith(dataset.endings):
            return {"dataset": name, "path": text}
    is_path = "/" in text or "\\" in text or text.startswith((".", "~"))
    return {"dataset": "image_folder", "path": text} if is_path else {"dataset": text}


def with_source(given: Mapping[str, Any]) -> dict[str, Any]:
    """A section of a config in which the ending of its path names the source, if nothing else does."""
    path = given.get("path")
    source = section(path) if isinstance(path, str) and given.get("dataset") is None else {}
    return {**given, **source} if "path" in source else dict(given)
