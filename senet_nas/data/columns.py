"""Which columns of a table hold images, labels and sets: those that the config names, that have a usual name, or whose
kind the file tells."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from senet_nas.recipe import DataSpec
from spaces.errors import UserError, unknown

IMAGE = (
    "path",
    "file",
    "image",
    "img",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image_path",
    "image_file",
    "image_name",
)
LABEL = ("label", "labels", "class", "target", "category", "label_name", "class_name", "y")
SPLIT = ("split", "set", "subset", "partition")


@dataclass(frozen=True)
class Kinds:
    """What a file tells of its columns: which hold images, and the names of the classes in those that hold labels."""

    images: Sequence[str] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


NOTHING_TOLD = Kinds()


@dataclass(frozen=True)
class Columns:
    """The columns of images and labels, of sets if there is one, and of the groups or times that the config names."""

    image: str
    label: str
    split: str | None
    key: str | None = None

    def key_of(self, cells: Mapping[str, Any]) -> str | None:
        """The group or time of a row as text, empty if its cell is; None without such a column."""
        if self.key is None:
            return None
        value = cells[self.key]
        is_missing = value is None or (isinstance(value, float) and not math.isfinite(value))
        return "" if is_missing else str(value).strip()


def columns(names: Sequence[str], spec: DataSpec, where: str, kinds: Kinds = NOTHING_TOLD) -> Columns:
    """The columns of a table with these ``names``. Raises UserError if one is not clear; ``where`` names the table.

    A usual name counts before what the file tells of its columns (``kinds``).
    """
    image = _chosen("image", spec, IMAGE, kinds.images, names, where)
    label = _chosen("label", spec, LABEL, [*kinds.classes], names, where)
    split = _usual(SPLIT, names)
    key = spec.group or spec.time
    if key is not None and key not in names and key.isidentifier():  # a pattern that finds one word finds one group
        raise unknown(f"column of {where}", key, names, key="data.group" if spec.group else "data.time")
    return Columns(image, label, split[0] if split else None, key if key in names else None)


# -- inside -----------------------------------------------------------------------------------------------------------


def _chosen(
    what: str, spec: DataSpec, usual: Sequence[str], told: Sequence[str], names: Sequence[str], where: str
) -> str:
    given = spec.image if what == "image" else spec.label
    if given is not None:
        if given not in names:
            raise unknown(f"column of {where}", given, names, key=f"data.{what}")
        return given
    found = _usual(usual, names) or [*told]
    if len(found) == 1:
        return found[0]
    held = ", ".join(names) or "nothing"
    problem = f"several columns may hold the {what}s: {', '.join(found)}" if found else f"no column of {what}s is found"
    raise UserError(
        f"{where}: {problem} (columns: {held})",
        hint=f"write `data: {{{_source(spec)}, {what}: COLUMN}}`, or call the column {usual[0]}",
        key=f"data.{what}",
    )


def _source(spec: DataSpec) -> str:
    """How a section ``data`` names the source."""
    path = f", path: {spec.path}" if spec.path else ""
    return f"dataset: '{spec.dataset}'{path}" if ":" in spec.dataset else f"dataset: {spec.dataset}{path}"


def _usual(usual: Sequence[str], names: Sequence[str]) -> list[str]:
    return [name for name in names if name.strip().lower() in usual]
