"""Images from a function of the user's: ``data: mine:dataset`` calls ``dataset()`` of ``mine.py`` beside the config."""

import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senet_nas import user_code
from senet_nas.data import map_style
from senet_nas.data.data_path import place
from senet_nas.data.pictures import Listing
from senet_nas.data.rows import PARTS, Row, listing, ordered
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

# Names of modules that mean another source: hf:FOLDER, torchvision:NAME.
TAKEN = ("hf", "torchvision")
FORM = rf"(?!(?:{'|'.join(TAKEN)}):)" r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*"
KEY = "data.dataset"
HINT = "write `data: module:function`; the function returns a data set, or a mapping of train, val and test"
# The attributes of a data module of Lightning, by set.
OF_MODULE = {"train": "train_dataset", "val": "val_dataset", "test": "test_dataset"}


def listed(spec: DataSpec, base: Path) -> Listing:
    """The images that the function returns, in their order. It gets ``data.path`` if that is set. Raises UserError."""
    rows, classes, notes = read(spec.dataset, spec.path, spec.image, spec.label, base, spec.group or spec.time)
    return listing(rows, spec, where=spec.dataset, classes=classes, notes=notes)


@functools.lru_cache(maxsize=1)
def read(
    target: str, path: str | None, image: str | None, label: str | None, base: Path, key: str | None = None
) -> tuple[list[Row], list[str], tuple[str, ...]]:
    """Rows, classes and notes; ``key`` names the group or time of an item that is a mapping.

    Kept, because a listing is asked for several times and reads every item.
    """
    sets = _sets(_returned(target, path, base), target)
    spec = DataSpec(dataset=target, image=image, label=label, group=key)
    with user_code.blamed(target, key=KEY):
        classes = map_style.class_names(sets.get("train"))
        rows = [row for part, found in sets.items() for row in map_style.rows(found, part, classes, spec, target)]
        notes = [note for found in sets.values() for note in map_style.notes(found, target)]
    used = {row.label for row in rows}
    return rows, classes if used <= {*classes} else ordered(used), tuple(dict.fromkeys(notes))


# -- inside -----------------------------------------------------------------------------------------------------------


def _returned(target: str, path: str | None, base: Path) -> Any:
    user_code.look_in(base.resolve())
    call = user_code.function(target, key=KEY, hint=HINT)
    arguments = [str(place(path, base))] if path else []
    try:
        inspect.signature(call).bind(*arguments)
    except TypeError as error:
        given = "with data.path alone" if path else "without arguments"
        raise UserError(
            f"{target} cannot be called {given}: {error}",
            hint="give the others defaults" if path else "set data.path, which is handed over, or give it a default",
            key=KEY,
        ) from error
    except ValueError:  # a function written in C may have no signature
        pass
    with user_code.blamed(target, key=KEY):
        return call(*arguments)


def _sets(returned: Any, target: str) -> dict[str, Any]:
    """The data set of each set (train, validation, test) that a function returned. Raises UserError."""
    if map_style.is_map_style(returned):
        return {"train": returned}
    found = returned if isinstance(returned, Mapping) else _of_module(returned, target)
    unknown = [word for word in found if str(word).lower() not in PARTS]
    others = [str(word) for word, part in found.items() if not map_style.is_map_style(part)]
    if not found or unknown or others:
        what = f"a {type(returned).__name__}" if not found else f"{', '.join(map(str, unknown or others))}"
        raise UserError(
            f"{target} returned {what}, not data sets with items by number for train, val and test",
            hint="return one with __getitem__ and __len__, a mapping of such, or a data module with train_dataset",
            key=KEY,
        )
    return {PARTS[str(word).lower()]: part for word, part in found.items()}


def _of_module(module: Any, target: str) -> dict[str, Any]:
    """The data sets of a Lightning data module, set up if it was not; empty for other objects."""
    if not hasattr(module, "setup") and not hasattr(module, OF_MODULE["train"]):
        return {}
    with user_code.blamed(target, key=KEY):
        if getattr(module, OF_MODULE["train"], None) is None:
            for stage in ("fit", "test"):
                module.setup(stage)
    found = {part: getattr(module, name, None) for part, name in OF_MODULE.items()}
    return {part: dataset for part, dataset in found.items() if dataset is not None}
