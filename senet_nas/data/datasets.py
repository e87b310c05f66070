"""Where images and signals come from: uint8 and float32 arrays; nothing is split, scaled or augmented here.

Heavy libraries are imported inside the loaders, so that the names can be checked without them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas.data import image_folder, signal_datasets
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8] | NDArray[np.float32]
    Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Raw:
    """Labelled images as they are: x_NHWC uint8 (signals: x_NLC float32), y_N int64. ``validation`` and ``test`` only where the data bring them.

    ``notes`` are sentences about what was passed over.
    """

    train: "tuple[Images, Labels]"
    classes: tuple[str, ...]
    validation: "tuple[Images, Labels] | None" = None
    test: "tuple[Images, Labels] | None" = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A dataset by name: what it is, how to read it, and which augmentation suits it (crop in pixels of padding).

    ``backbone`` is the network that a new config begins with.
    """

    description: str
    load: Callable[[DataSpec, Path], Raw]
    flip: bool
    crop: int
    needs_path: bool = True
    backbone: str = "cifar_resnet20"


def _digits(spec: DataSpec, base: Path) -> Raw:
    """8x8 grey digits of scikit-learn (Alpaydin and Kaynak 1998), 1,797 images; 16 levels spread over 0..255."""
    import numpy as np
    from sklearn.datasets import load_digits

    found = load_digits()
    x_NHWC = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return Raw((x_NHWC, found.target.astype(np.int64)), tuple(str(name) for name in found.target_names))


def _torchvision(class_name: str) -> Callable[[DataSpec, Path], Raw]:
    def load(spec: DataSpec, base: Path) -> Raw:
        import torchvision.datasets

        root = image_folder.place(spec.path or "data", base)
        make = getattr(torchvision.datasets, class_name)
        try:
            train, test = make(root=root, train=True), make(root=root, train=False)
        except Exception as error:  # a damaged archive fails in as many ways as there are formats
            fetch = f"torchvision.datasets.{class_name}(root, download=True)"
            if isinstance(error, RuntimeError) and "not found" in str(error):
                what, hint = f"no {class_name} in {root}", f"set data.path to the folder that {fetch} filled"
            else:
                what = f"the {class_name} files in {root} are damaged ({type(error).__name__}: {error})"
                hint = f"remove them and fetch them again with {fetch}"
            raise UserError(what, hint=hint, key="data.path") from error
        return Raw(_arrays(train), tuple(train.classes), test=_arrays(test))

    return load


def _arrays(dataset: "object") -> "tuple[Images, Labels]":
    import numpy as np

    x = np.asarray(dataset.data, dtype=np.uint8)  # type: ignore[attr-defined]
    return (x[..., None] if x.ndim == 3 else x), np.asarray(dataset.targets, dtype=np.int64)  # type: ignore[attr-defined]


def _image_folder(spec: DataSpec, base: Path) -> Raw:
    """A folder with ``train/CLASS/*``, and ``val`` and ``test`` if there are any; or with ``CLASS/*`` alone."""
    import numpy as np

    found = image_folder.listed(spec, base)
    side, sets = image_folder.side(spec), {}
    for name, files in found.files.items():
        x_NHWC = np.empty((len(files), side, side, found.channels), dtype=np.uint8)
        for i, x_HWC in enumerate(image_folder.decoded(files, side, grey=found.grey)):
            x_NHWC[i] = x_HWC
        sets[name] = x_NHWC, found.labels[name]
    return Raw(sets["train"], found.classes, sets.get("validation"), sets.get("test"), found.notes)


def _waveforms(spec: DataSpec, base: Path) -> Raw:
    found, classes = signal_datasets.waveforms()
    return _signals_as_they_are(spec, Raw(found, classes))


def _signals(spec: DataSpec, base: Path) -> Raw:
    if spec.path is None:
        raise UserError("signals need a path", hint="write `path: FILE.npz` below data", key="data.path")
    sets, classes = signal_datasets.read(image_folder.place(spec.path, base))
    return _signals_as_they_are(spec, Raw(sets["train"], classes, sets.get("val"), sets.get("test")))


def _signals_as_they_are(spec: DataSpec, raw: Raw) -> Raw:
    if spec.image_size is not None:
        raise UserError("signals keep their length", hint="take data.image_size away", key="data.image_size")
    return raw


# Add a dataset here.
DATASETS = {
    "digits": Dataset("8x8 grey digits that come with scikit-learn, 1,797 images", _digits, False, 1, needs_path=False),
    "fashion_mnist": Dataset("28x28 grey clothes, 70,000 images", _torchvision("FashionMNIST"), True, 2),
    "cifar10": Dataset("32x32 colour, 10 classes, 60,000 images", _torchvision("CIFAR10"), True, 4),
    "cifar100": Dataset("32x32 colour, 100 classes, 60,000 images", _torchvision("CIFAR100"), True, 4),
    "image_folder": Dataset("your own images, one folder for each class", _image_folder, True, 4, backbone="resnet18"),
    "signals": Dataset(
        "your own signals: a .npz file of x (N, C, L) and y, or a folder of CLASS.npy",
        _signals,
        False,
        0,
        backbone="signal_resnet20",
    ),
    "waveforms": Dataset(
        "synthetic: 2,000 noisy signals (1, 500) of four shapes",
        _waveforms,
        False,
        0,
        needs_path=False,
        backbone="signal_resnet20",
    ),
}
