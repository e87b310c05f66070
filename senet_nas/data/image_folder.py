"""Images in one folder for each class: a list of the files. Listing opens files only to tell grey from colour."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from senet_nas.data.data_path import place
from senet_nas.data.folder_classes import Classes, cautions, classes_of, other_source, sets_of
from senet_nas.data.folder_walk import ENDINGS, Walked, beside, endings, joined, shown, walk
from senet_nas.data.pictures import Files, Listing, all_grey
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from spaces.text import plural


def listed(spec: DataSpec, base: Path) -> Listing:
    """The files of a folder: of ``train/CLASS/*``, ``val`` and ``test``, or of ``CLASS/*`` alone. Raises UserError."""
    root = _root(spec, base)
    try:
        parts = sets_of(root)
        classes = classes_of(parts)
        walked = {part: [walk(folder) for folder in found.values()] for part, found in classes.items()}
        loose = joined(beside(folder) for folder in dict.fromkeys([root, *parts.values()]))
        notes = cautions(root, parts, classes)
    except OSError as error:
        raise UserError(f"cannot list {error.filename}: {error.strerror}", key="data.path") from error
    for part, found in walked.items():
        _check_filled(parts[part], classes[part], found)
    files = {"validation" if part == "val" else part: _labelled(found) for part, found in walked.items()}
    grey = spec.color == "grey" or (spec.color == "auto" and all_grey(files["train"]))
    notes += _skipped(joined(itertools.chain(*walked.values())), loose)
    return Listing(files, tuple(classes["train"]), grey, tuple(notes))


# -- inside -----------------------------------------------------------------------------------------------------------


def _root(spec: DataSpec, base: Path) -> Path:
    if spec.path is None:
        raise UserError("an image folder needs a path", hint="write `data: ./images`", key="data.path")
    root = place(spec.path, base)
    if root.is_file():
        raise UserError(f"{root} is a file, not a folder", hint="unpack it first", key="data.path")
    if not root.is_dir():
        raise UserError(
            f"no folder {root}",
            hint="it should hold train/CLASS/image.jpg (and val/, test/ if you have them), or CLASS/image.jpg",
            key="data.path",
        )
    return root


def _check_filled(folder: Path, classes: Classes, walked: Sequence[Walked]) -> None:
    """Raises UserError if a class has no image; the error names the endings that its folder holds."""
    empty = [name for name, found in zip(classes, walked, strict=True) if not found.images]
    if not empty:
        return
    others = joined(found for found in walked if not found.images)
    holds = f", only {endings(others)}" if others.others else ""
    raise UserError(
        f"no images of {', '.join(empty)} in {folder}{holds}",
        hint=other_source(others)
        or f"convert or add images, or remove the folder; files are read that end in {', '.join(sorted(ENDINGS))}",
        key="data.path",
    )


def _labelled(walked: Sequence[Walked]) -> Files:
    return [(path, label) for label, found in enumerate(walked) for path in found.images]


def _skipped(inside: Walked, loose: Walked) -> list[str]:
    """Sentences about what was left out inside and outside the class folders."""
    every = joined([inside, loose])
    notes = []
    if loose.images:
        notes.append(f"{_skipping(len(loose.images), 'image')} outside the classes: {shown(loose.images[0])}")
    if every.others:
        count = _skipping(every.others.total(), "file")
        notes.append(
            f"{count} without the ending of an image: {endings(every)}; the first is {shown(str(every.first_other))}"
        )
    if every.litter:
        entries = "entry" if every.litter == 1 else "entries"
        first = shown(str(every.first_litter))
        notes.append(f"skipped {every.litter:,} hidden or system {entries}; the first is {first}")
    if every.repeated:
        count = _skipping(len(every.repeated), "linked folder")
        notes.append(f"{count} that had been read already or lead in a circle: {shown(every.repeated[0])}")
    return notes


def _skipping(count: int, noun: str) -> str:
    return f"skipped {plural(count, noun)}"
