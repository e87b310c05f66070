"""Data sets of Hugging Face: saved on this machine (``save_to_disk``, or parquet files), or by their name on the hub.

What is saved is read with pyarrow alone. A name needs the library ``datasets`` (extra ``hf``), which fetches it once.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from senet_nas import user_code
from senet_nas.data import image_table, map_style, parquet_table
from senet_nas.data.columns import Kinds, columns
from senet_nas.data.data_path import place
from senet_nas.data.pictures import Listing
from senet_nas.data.rows import PARTS, Row, listing, ordered
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

PREFIX = "hf:"
FORM = r"hf:.+"
KEY = "data.dataset"
# Seconds for the one request that tells whether the hub answers. The library itself would try for half a minute.
PATIENCE = 5.0
OFFLINE = "HF_HUB_OFFLINE"
HINT = "write hf:OWNER/NAME of a set on the hub, or hf:FOLDER of what save_to_disk wrote or of parquet files"


def listed(spec: DataSpec, base: Path) -> Listing:
    """The images of a data set, in its order, in the sets that it brings. Raises UserError."""
    name = spec.dataset.removeprefix(PREFIX)
    folder = place(name, base)
    if folder.is_dir():
        rows, classes, notes = _saved(folder, spec)
    else:
        rows, classes, notes = of_library(_loaded(name), spec)
    return listing(rows, spec, where=spec.dataset, classes=classes, notes=notes)


def of_library(found: Any, spec: DataSpec) -> tuple[list[Row], Sequence[str], list[str]]:
    """Rows, classes and notes of a DatasetDict of the library ``datasets``. Raises UserError."""
    sets = {PARTS[name.lower()]: part for name, part in found.items() if name.lower() in PARTS}
    left = [name for name in found if name.lower() not in PARTS]
    if not sets and len(left) == 1:
        sets = {"train": found[left.pop()]}
    rows: list[Row] = []
    classes: Sequence[str] = ()
    for part, dataset in sets.items():
        kinds = _kinds(dataset.features)
        chosen = columns([*dataset.features], spec, spec.dataset, kinds)
        classes = kinds.classes.get(chosen.label, ())
        named = replace(spec, image=chosen.image, label=chosen.label)
        rows += map_style.rows(_encoded(dataset), part, classes, named, spec.dataset)
    used = {row.label for row in rows}
    return rows, classes if used <= {*classes} else ordered(used), _unread(left)


# -- inside -----------------------------------------------------------------------------------------------------------


def _saved(folder: Path, spec: DataSpec) -> tuple[list[Row], Sequence[str], list[str]]:
    """Rows, classes and notes of a folder that the library or the hub wrote. Raises UserError."""
    files = _files(folder)
    known = {word: found for word, found in files.items() if word in PARTS}
    left = [word for word in files if word not in PARTS]
    if not known and len(left) == 1:
        known = {"train": files[left.pop()]}
    if not known:
        raise UserError(f"{folder} holds no data set of Hugging Face", hint=HINT, key=KEY)
    rows: list[Row] = []
    classes: Sequence[str] = ()
    for word, paths in known.items():
        for path in paths:
            read = parquet_table.read if path.suffix == ".parquet" else parquet_table.read_arrow
            found, classes = image_table.rows(path, spec, read)
            rows += [replace(row, part=PARTS[word]) for row in found]
    used = {row.label for row in rows}
    return rows, classes if used <= {*classes} else ordered(used), _unread(left)


def _files(folder: Path) -> dict[str, list[Path]]:
    """The files of each split, by its name; the only one of a data set without splits is called train."""
    splits = _json(folder / "dataset_dict.json").get("splits")
    if splits is not None:
        return {name: _arrow(folder / name) for name in splits}
    if (folder / "state.json").is_file():
        return {"train": _arrow(folder)}
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.parquet")):
        below = path.relative_to(folder)
        words = re.findall("[a-z]+", " ".join([path.stem, *reversed(below.parts[:-1])]).lower()) or [path.stem]
        found.setdefault(next((word for word in words if word in PARTS), words[0]), []).append(path)
    return found


def _arrow(folder: Path) -> list[Path]:
    return [folder / each["filename"] for each in _json(folder / "state.json").get("_data_files", [])]


def _json(path: Path) -> Mapping[str, Any]:
    """The content of a JSON file; empty if there is none. Raises UserError for a damaged one."""
    if not path.is_file():
        return {}
    try:
        found: Mapping[str, Any] = json.loads(path.read_text())
        return found
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}", hint="save the data set again", key=KEY) from error


def _loaded(name: str) -> Any:
    """The DatasetDict of a name, from the hub or from the cache of the library. Raises UserError."""
    try:
        import datasets
    except ImportError as error:
        hint = "install the extra: pip install 'senet-search[hf]'; or give the folder of a saved data set"
        raise UserError(
            f"no folder {name}, and a set of the hub needs `datasets` ({error})", hint=hint, key=KEY
        ) from error
    is_there = hub_answers(name)
    hint = f"{HINT}; without a network, save the set elsewhere by save_to_disk"
    try:
        with nullcontext() if is_there else offline():
            return datasets.load_dataset(name)
    except Exception as error:  # the library, its scripts and the network raise many kinds
        why = user_code.named(error) if is_there else "the hub does not answer, and the cache does not hold it"
        raise UserError(f"hf:{name} cannot be loaded: {why}", hint=hint, key=KEY) from error


def hub_answers(name: str) -> bool:
    """Whether the hub answers one request about a data set within PATIENCE, whatever it says."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError

    try:
        HfApi().dataset_info(name, timeout=PATIENCE)
    except (HfHubHTTPError, ValueError):  # it has no such set, or there can be none: loading it says so
        return True
    except Exception:  # without a network; the kinds belong to the HTTP library, which changes with versions
        return False
    return True


@contextmanager
def offline() -> Iterator[None]:
    """While this is open, the library reads its cache and does not try to reach the hub, as under HF_HUB_OFFLINE=1."""
    import datasets
    from huggingface_hub import constants

    settings = [holder for holder in (datasets.config, constants) if hasattr(holder, OFFLINE)]
    before = [getattr(holder, OFFLINE) for holder in settings]
    for holder in settings:
        setattr(holder, OFFLINE, True)
    try:
        yield
    finally:
        for holder, value in zip(settings, before, strict=True):
            setattr(holder, OFFLINE, value)


def _kinds(features: Mapping[str, Any]) -> Kinds:
    """What the library knows of the columns."""
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    labels = {name: feature for name, feature in features.items() if type(feature).__name__ == "ClassLabel"}
    return Kinds(images, {name: feature.names for name, feature in labels.items()})


def _encoded(dataset: Any) -> Any:
    """The data set with images as the content of their files, so that only our own reading decodes them."""
    for name in _kinds(dataset.features).images:
        dataset = dataset.cast_column(name, type(dataset.features[name])(decode=False))
    return dataset


def _unread(words: Sequence[str]) -> list[str]:
    return [f"splits that are neither train, validation nor test are not read: {', '.join(words)}"] if words else []
