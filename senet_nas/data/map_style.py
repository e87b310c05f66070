"""Images of a map-style data set, such as a Dataset of torch, torchvision or Hugging Face, or a list of (image, label).

Each image is read twice: once for its label and kind, and once to decode it. Random transforms are refused, because
all networks of a search must see the same images.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senet_nas import user_code
from senet_nas.data.columns import Columns, columns
from senet_nas.data.pictures import Look, Stored, look
from senet_nas.data.rows import Row, composed, refuse
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from spaces.text import plural

if TYPE_CHECKING:
    from PIL import Image

    Readable = Image.Image | BytesIO | Path

# Images that are read twice to find random transforms.
TRIED = 16
PICTURES = (
    "return a PIL image, uint8 of shape (H, W), (H, W, 3) or (3, H, W), the content of a file, or its path; "
    "`train` normalises images"
)


class BadItem(ValueError):
    """An item that gives no image with a label; the message says why."""


def is_map_style(found: Any) -> bool:
    """Whether items can be taken from an object by number."""
    return hasattr(found, "__getitem__") and hasattr(found, "__len__") and not isinstance(found, Mapping | str | bytes)


def rows(
    found: Any, part: str, classes: Sequence[str], spec: DataSpec, where: str, *, key: str = "data.dataset"
) -> list[Row]:
    """The images of a data set in its order, as rows of the set ``part``. Raises UserError; it names bad items.

    ``classes`` are the names of numbered labels, if they have some. ``where`` names the source in errors.
    """
    read = _reader(found, spec, f"{where} ({part})")
    made: list[Row] = []
    bad: list[tuple[str, str]] = []
    for i in range(len(found)):
        entry = Stored(f"{part}[{i}]", lambda i=i: picture(read(i)[0]))  # type: ignore[misc]
        try:
            image, label, group = read(i)
            source = picture(image)
            file = source if isinstance(source, Path) else None
            made.append(Row(file or _looked(entry, source), _name(label, classes), part, group))
        except BadItem as error:
            bad.append((f"item {i}", str(error)))
        except Exception as error:  # code of the user's, and Pillow, raise many kinds
            bad.append((f"item {i}", user_code.placed(error)))
    refuse(
        bad, len(made) + len(bad), f"{where} ({part})", hint=f"each item is an image and its label; {PICTURES}", key=key
    )
    _check_repeats([row.entry for row in made[:TRIED] if isinstance(row.entry, Stored)], found, where, key)
    return made


def notes(found: Any, where: str) -> tuple[str, ...]:
    """A sentence about transforms of a data set that its images pass before they are resized."""
    names = transforms(found)
    if not names:
        return ()
    return (f"the images pass the transforms of {where} first: {', '.join(names)}",)


def class_names(found: Any) -> list[str]:
    """The names of the classes that a data set brings, or the one that it is a subset of; empty without them."""
    given = getattr(found, "classes", None)
    if isinstance(given, list | tuple):
        return [composed(str(name)) for name in given]
    inner = getattr(found, "dataset", None)
    return [] if inner is None else class_names(inner)


def transforms(found: Any) -> list[str]:
    """The names of the transforms that a data set gives its images, also inside subsets and concatenations."""
    inner = [getattr(found, "dataset", None), *(getattr(found, "datasets", None) or ())]
    names = [name for part in inner if part is not None for name in transforms(part)]
    given = getattr(found, "transform", None)
    if given is None or not callable(given):
        return names
    steps = getattr(given, "transforms", None) or [given]
    return [*names, *(getattr(step, "__name__", type(step).__name__) for step in steps)]


def picture(value: Any) -> "Readable":
    """What Pillow reads an image from. Raises BadItem for what is no image of whole levels from 0 to 255."""
    from PIL import Image

    if isinstance(value, Image.Image | Path | BytesIO):
        return value
    if isinstance(value, str):
        return Path(value)
    if isinstance(value, bytes):
        return BytesIO(value)
    if isinstance(value, Mapping) and (value.get("bytes") or value.get("path")):  # as Hugging Face holds an image
        return BytesIO(value["bytes"]) if value.get("bytes") else Path(value["path"])
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise BadItem(f"its image is a {type(value).__name__}")
    import numpy as np

    x = np.asarray(value)
    if x.ndim == 3 and x.shape[-1] not in (1, 3) and x.shape[0] in (1, 3):
        x = np.moveaxis(x, 0, -1)
    if x.dtype != np.uint8 or not (x.ndim == 2 or (x.ndim == 3 and x.shape[-1] in (1, 3))):
        raise BadItem(f"its image is {x.dtype} of shape {tuple(value.shape)}")
    return Image.fromarray(np.ascontiguousarray(x[..., 0] if x.ndim == 3 and x.shape[-1] == 1 else x))


# -- inside -----------------------------------------------------------------------------------------------------------


def _reader(found: Any, spec: DataSpec, where: str) -> Callable[[int], Sequence[Any]]:
    """Reads the image and the label of an item, one item at a time: few data sets may be read by several threads."""
    lock = threading.Lock()
    chosen: Columns | None = None

    def read(i: int) -> Sequence[Any]:
        nonlocal chosen
        with lock:
            item = found[i]
        if isinstance(item, Mapping):
            chosen = chosen or columns([*item], spec, where)
            return item[chosen.image], item[chosen.label], chosen.key_of(item)
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise BadItem(f"a {type(item).__name__}{f' of {len(item)}' if isinstance(item, tuple | list) else ''}")
        return *item, None

    return read


def _name(label: Any, classes: Sequence[str]) -> str:
    """The name of a class. Raises BadItem for what is neither a whole number nor text."""
    value = label.item() if hasattr(label, "item") and getattr(label, "ndim", 1) == 0 else label
    if isinstance(value, str) and value.strip():
        return composed(value)
    if not isinstance(value, Integral):
        raise BadItem(f"its label is a {type(value).__name__}, not a whole number or text")
    if not classes:
        return str(int(value))
    number = int(value)
    if not 0 <= number < len(classes):
        raise BadItem(f"its label is {number}, not one of 0 to {len(classes) - 1}")
    return classes[number]


def _looked(entry: Stored, image: "Readable") -> Stored:
    """The entry with what must be known before decoding, so that the item is not read again for it."""
    try:
        seen: Look | None = look(image)
    except Exception:  # decoding names what cannot be read
        seen = None
    return Stored(entry.name, entry.read, seen)


def _check_repeats(entries: Sequence[Stored], found: Any, where: str, key: str) -> None:
    """Raises UserError if an image is another one when it is read again."""
    changed = [entry.name for entry in entries if _levels(entry) != _levels(entry)]
    if not changed:
        return
    names = ", ".join(transforms(found))
    raise UserError(
        f"{where} gives other pixels each time that an image is read ({plural(len(changed), 'image')} of the first "
        f"{len(entries)}){f'; its transforms: {names}' if names else ''}",
        hint="remove its random transforms: `train` says how images are augmented",
        key=key,
    )


def _levels(entry: Stored) -> bytes:
    import numpy as np
    from PIL import Image

    source = entry.read()
    image = source if isinstance(source, Image.Image) else Image.open(source)
    try:
        return bytes(np.asarray(image).tobytes())
    except Exception:  # decoding names what cannot be read
        return b""
