"""The group or the time of each image (``data.group``, ``data.time``): a cell, or what a pattern finds in its path."""

import os
import re
from dataclasses import replace
from pathlib import Path

from senet_nas.data.data_path import place
from senet_nas.data.folder_walk import shown
from senet_nas.data.pictures import Entry, Listing
from senet_nas.recipe import DataSpec
from spaces.errors import UserError


def wanted(spec: DataSpec) -> tuple[str, str]:
    """The key of the config that orders the split, and its text; both empty without one."""
    if spec.group is not None:
        return "group", spec.group
    return ("time", spec.time) if spec.time is not None else ("", "")


def with_keys(found: Listing, spec: DataSpec, base: Path) -> Listing:
    """The listing with a key for each image, if the config asks for one. Raises UserError if an image has none."""
    name, text = wanted(spec)
    if not name or found.keys:
        return found
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(
            f"`{text}` is neither a column of the data nor a pattern ({error})",
            hint=r"name a column, or write a pattern for the path, such as 'patient_(\d+)'",
            key=f"data.{name}",
        ) from error
    root = place(spec.path, base) if spec.path else base
    paths = {part: [_path(entry, root) for entry, _ in files] for part, files in found.files.items()}
    matches = {part: [pattern.search(path) for path in held] for part, held in paths.items()}
    missing = [paths[part][i] for part, held in matches.items() for i, match in enumerate(held) if match is None]
    if missing:
        total = sum(map(len, paths.values()))
        raise UserError(
            f"`{text}` is no column of the data, and as a pattern finds nothing in {len(missing)} of {total} paths, "
            f"such as {shown(missing[0])}",
            hint="name a column, or a part of the path that all images have, such as '^([^/]+)/'",
            key=f"data.{name}",
        )
    return replace(found, keys={part: tuple(_found(match) for match in held) for part, held in matches.items()})


def _path(entry: Entry, root: Path) -> str:
    """The path of an image below the data, with slashes; the name of one that is no file."""
    if not isinstance(entry, Path):
        return str(entry)
    return os.path.relpath(entry, root if root.is_dir() else root.parent).replace(os.sep, "/")


def _found(match: re.Match[str] | None) -> str:
    """The first group of a match that took part; all of it without groups."""
    assert match is not None
    return next((group for group in match.groups() if group is not None), match[0])
