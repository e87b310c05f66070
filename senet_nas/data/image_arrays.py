"""Images in a .npz file: arrays of uint8, with the labels of the images beside them."""

from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas.data import array_file
from senet_nas.data.data_path import given_file
from senet_nas.data.pictures import Listing, Stored
from senet_nas.data.rows import PARTS, Row, listing
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHAPES = "images are uint8 (0 to 255) of the shape (N, H, W), (N, H, W, 1) or (N, H, W, 3)"
COLOURS = (1, 3)


def listed(spec: DataSpec, base: Path) -> Listing:
    """The images of a .npz file, in their order. Raises UserError."""
    path = given_file(spec, base, "an array file", "write `data: images.npz`")
    found = array_file.read(path, hint=SHAPES)
    keys = array_file.keys(path, {found.names[part]: len(y_N) for part, y_N in found.y.items()}, spec)
    rows: list[Row] = []
    sides: list[int] = []
    for part, x in found.x.items():
        name = found.names[part]
        images = _images(x, name, path)
        _check_labels(len(images), found.y[part], len(found.classes), name, path)
        labels = found.y[part].tolist()
        own = keys.get(PARTS[part], (None,) * len(labels))
        rows += [Row(_picture(images, i, name), found.classes[y], PARTS[part], own[i]) for i, y in enumerate(labels)]
        sides.append(min(images.shape[1:3]))
    return listing(rows, spec, where=str(path), classes=found.classes, side=sides[0])


# -- inside -----------------------------------------------------------------------------------------------------------


def _images(x: "NDArray[np.generic]", name: str, path: Path) -> "NDArray[np.uint8]":
    """Grey images (N, H, W) or colour ones (N, H, W, 3). Raises UserError for what is neither."""
    import numpy as np

    if x.ndim == 4 and x.shape[-1] not in COLOURS and x.shape[1] in COLOURS:
        x = np.moveaxis(x, 1, -1)
    is_image = x.ndim == 3 or (x.ndim == 4 and x.shape[-1] in COLOURS)
    if x.dtype != np.uint8 or not is_image or not all(x.shape[1:]):
        signals = "; for signals, write `data: {dataset: signals, path: FILE}`" if x.ndim in (2, 3) else ""
        raise UserError(f"{name} of {path} is {x.dtype} of shape {x.shape}", hint=SHAPES + signals, key="data.path")
    levels: NDArray[np.uint8] = x.astype(np.uint8, copy=False)
    return levels[..., 0] if levels.shape[-1] == 1 and levels.ndim == 4 else levels


def _check_labels(n: int, y_N: "NDArray[np.int64]", n_classes: int, name: str, path: Path) -> None:
    if len(y_N) != n:
        raise UserError(f"{name} of {path} holds {n} images, but {len(y_N)} labels stand beside it", key="data.path")
    strange = [(i, y) for i, y in enumerate(y_N.tolist()) if not 0 <= y < n_classes]
    if strange:
        i, y = strange[0]
        raise UserError(
            f"{len(strange)} labels of {name} of {path} are outside 0..{n_classes - 1}, the first is {y} at image {i}",
            key="data.path",
        )


def _picture(images: "NDArray[np.uint8]", i: int, name: str) -> Stored:
    from PIL import Image

    return Stored(f"{name}[{i}]", lambda: Image.fromarray(images[i]))
