"""Where images and signals come from: uint8 and float32 arrays; nothing is split, scaled or augmented here.

Heavy libraries are imported inside the loaders, so that the names can be checked without them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas import signal_datasets
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Images = NDArray[np.uint8] | NDArray[np.float32]
    Labels = NDArray[np.int64]

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
NAMED_FAULTS = 10
# Folders that systems and unpackers leave beside the classes.
LITTER = ("__MACOSX", "@eaDir")
# What people call the folder of a set; only the first of each is read as one.
SETS = {
    "train": ("train", "training", "train_set"), "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "test_set"),
}  # fmt: skip


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

        root = _place(spec.path or "data", base)
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
    root = _root(spec, base)
    try:
        parts = _parts(root)
        classes = _classes(parts)
        files = {part: _files(folder, classes) for part, folder in parts.items()}
    except OSError as error:
        raise UserError(f"cannot look into {error.filename}: {error.strerror}", key="data.path") from error
    grey = spec.color == "grey" or (spec.color == "auto" and _all_grey([path for path, _ in files["train"]]))
    read = {part: _decode(found, spec.image_size or 64, grey=grey) for part, found in files.items()}
    return Raw(read["train"], classes, read.get("val"), read.get("test"), _passed_over(parts, files))


def _root(spec: DataSpec, base: Path) -> Path:
    if spec.path is None:
        raise UserError("an image folder needs a path", hint="write `data: ./images`", key="data.path")
    root = _place(spec.path, base)
    if root.is_file():
        raise UserError(f"{root} is a file, not a folder", hint="unpack it first", key="data.path")
    if not root.is_dir():
        raise UserError(
            f"no folder {root}",
            hint="it should hold train/CLASS/image.jpg (and val/, test/ if you have them), or CLASS/image.jpg",
            key="data.path",
        )
    return root


def _place(path: str, base: Path) -> Path:
    """The path with ``~`` and ``$VARIABLE`` filled in, relative to ``base``."""
    filled = os.path.expandvars(path)
    if "$" in filled:
        raise UserError(
            f"`{path}` names a variable of the environment that is not set",
            hint="export it, or write the path out", key="data.path",
        )  # fmt: skip
    return base / Path(filled).expanduser()


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the sets; the root alone where its folders are classes. Raises UserError for misnamed sets."""
    # A set holds folders, a class holds images: so a class may be called `valid`.
    sets = {folder.name for folder in root.iterdir() if folder.is_dir() and any(p.is_dir() for p in folder.iterdir())}
    wrong = {was: name for name, spellings in SETS.items() for was in sets - {name} if was.lower() in spellings}
    if wrong:
        renamed = ", ".join(f"`{was}` to `{name}`" for was, name in sorted(wrong.items()))
        raise UserError(f"{root} holds a set under another name", hint=f"rename {renamed}", key="data.path")
    parts = {name: root / name for name in SETS if name in sets or ("train" in sets and (root / name).is_dir())}
    if parts and "train" not in parts:
        raise UserError(f"{root} holds {' and '.join(parts)}, but no train", hint="add train/CLASS/", key="data.path")
    return parts or {"train": root}


def _classes(parts: dict[str, Path]) -> tuple[str, ...]:
    """Names of the class folders. Raises UserError where there are none, one, or others in another part."""
    found = {
        part: sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "." and p.name not in LITTER)
        for part, folder in parts.items()
    }
    classes = found["train"]
    if len(classes) < 2:
        loose = sum(p.suffix.lower() in ENDINGS for p in parts["train"].iterdir())
        raise UserError(
            f"{parts['train']} holds {len(classes)} class folders{f' and {loose} loose images' * bool(loose)}; "
            "a comparison needs at least 2",
            hint="one folder for each class: CLASS/image.jpg", key="data.path",
        )  # fmt: skip
    for part, names in found.items():
        if names != classes:
            other = sorted(set(names) ^ set(classes))
            raise UserError(
                f"{parts[part]} and {parts['train']} do not hold the same classes: {', '.join(other)}", key="data.path"
            )
    return tuple(classes)


def _files(folder: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    found = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in ENDINGS and path.name[0] != "." and not path.is_dir()
    ]
    empty = [name for label, name in enumerate(classes) if label not in {known for _, known in found}]
    if empty:
        raise UserError(f"no images of {', '.join(empty)} in {folder}", key="data.path")
    return found


def _passed_over(parts: dict[str, Path], files: "dict[str, list[tuple[Path, int]]]") -> tuple[str, ...]:
    """A sentence about files that are no images by their ending, if there are any."""
    images = {path for found in files.values() for path, _ in found}
    others = sorted(
        path for folder in parts.values() for path in folder.rglob("*")
        if path.is_file() and path not in images and path.name[0] != "."
    )  # fmt: skip
    if not others:
        return ()
    return (f"{len(others)} files were passed over, being no images of a class by place and ending: {others[0]}, ...",)


def _all_grey(paths: list[Path]) -> bool:
    from PIL import Image, UnidentifiedImageError

    for path in paths:
        try:
            with Image.open(path) as image:
                if image.mode not in ("1", "L", "LA", "I", "I;16", "F"):
                    return False
        except (OSError, UnidentifiedImageError):
            continue  # told by _decode, together with all others
    return True


def _decode(files: list[tuple[Path, int]], size: int, *, grey: bool) -> "tuple[Images, Labels]":
    """All images, the shorter side resized to ``size`` and the centre cut out. Names what cannot be read, all at once."""
    import numpy as np

    x_NHWC = np.empty((len(files), size, size, 1 if grey else 3), dtype=np.uint8)
    bad = []
    for i, (path, _) in enumerate(files):
        try:
            x_NHWC[i] = _read(path, size, grey=grey)
        except Exception as error:  # PIL raises of many kinds; each means that this file is no image
            bad.append(f"{path} ({type(error).__name__})")
    if bad:
        more = f" and {len(bad) - NAMED_FAULTS} more" if len(bad) > NAMED_FAULTS else ""
        raise UserError(
            f"{len(bad)} of {len(files)} images cannot be read: {'; '.join(bad[:NAMED_FAULTS])}{more}",
            hint="mend or remove them",
            key="data.path",
        )
    return x_NHWC, np.array([label for _, label in files], dtype=np.int64)


def _read(path: Path, size: int, *, grey: bool) -> "Images":
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)  # phones turn their pictures by a note in the file
        shallow = _eight_bits(upright) if upright.mode in ("I", "I;16", "F") else upright
        fitted = ImageOps.fit(shallow.convert("L" if grey else "RGB"), (size, size), Image.Resampling.BILINEAR)
    x = np.asarray(fitted, dtype=np.uint8)
    return x[..., None] if grey else x


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Deep grey levels brought to 0..255 by their own maximum."""
    import numpy as np
    from PIL import Image

    levels = np.asarray(image, dtype=np.float32)
    return Image.fromarray((levels / max(1.0, float(levels.max())) * 255).astype(np.uint8))


def _waveforms(spec: DataSpec, base: Path) -> Raw:
    found, classes = signal_datasets.waveforms()
    return _signals_as_they_are(spec, Raw(found, classes))


def _signals(spec: DataSpec, base: Path) -> Raw:
    if spec.path is None:
        raise UserError("signals need a path", hint="write `path: FILE.npz` below data", key="data.path")
    sets, classes = signal_datasets.read(_place(spec.path, base))
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
