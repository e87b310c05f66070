"""Which folders of an image folder are its sets and its classes. A layout that could be misread is refused or named."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from senet_nas.data.folder_walk import Walked, beside, endings, folders, shown
from spaces.errors import UserError
from spaces.text import plural

# Names that people give to the folder of a set. Only the first of each is read; the others are errors.
SETS = {
    "train": ("train", "training", "train_set"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "test_set"),
}
# Folders that a sentence names before it counts the rest.
NAMED_FOLDERS = 5
# The folder of each class of a set, by the name of the class, in the order of the labels.
Classes = Mapping[str, Path]


def sets_of(root: Path) -> dict[str, Path]:
    """The folder of each set (train, val, test); the root as only set if its folders are classes.

    Raises UserError for sets under other names and without ``train``; OSError.
    """
    # A set holds folders and a class holds images, so a class may be called `valid`.
    sets = {folder.name for folder in folders(root) if folders(folder)}
    wrong = {was: name for name, spellings in SETS.items() for was in sets - {name} if was.lower() in spellings}
    if wrong:
        renamed = ", ".join(f"`{was}` to `{name}`" for was, name in sorted(wrong.items()))
        raise UserError(f"{root} holds a set under another name", hint=f"rename {renamed}", key="data.path")
    parts = {name: root / name for name in SETS if name in sets or ("train" in sets and (root / name).is_dir())}
    if parts and "train" not in parts:
        raise UserError(f"{root} holds {' and '.join(parts)}, but no train", hint="add train/CLASS/", key="data.path")
    return parts or {"train": root}


def classes_of(parts: Mapping[str, Path]) -> dict[str, Classes]:
    """The class folders of each set, with the same names in the same order in all sets.

    Names are compared as Unicode's composed form (NFC), because macOS decomposes them. Raises UserError for fewer than
    two classes, for sets with different classes, and for names that are not text; OSError.
    """
    found = {part: _named(folder) for part, folder in parts.items()}
    names = sorted(found["train"])
    if len(names) < 2:
        raise _too_few(parts["train"], found["train"])
    for part, classes in found.items():
        if sorted(classes) != names:
            other = ", ".join(sorted(classes.keys() ^ set(names)))
            raise UserError(
                f"{parts[part]} and {parts['train']} do not hold the same classes: {other}", key="data.path"
            )
    return {part: {name: classes[name] for name in names} for part, classes in found.items()}


def cautions(root: Path, parts: Mapping[str, Path], classes: Mapping[str, Classes]) -> list[str]:
    """Sentences about folders that are not read, and about folders that look like sets but are read as classes."""
    found = []
    unread = [folder.name for folder in folders(root) if folder not in parts.values()]
    if root not in parts.values() and unread:
        found.append(f"folders beside the sets are not read: {_listed(unread)}")
    first, *rest = classes["train"].values()
    inner = _inner(first)
    if inner and all(_inner(folder) == inner for folder in rest):
        found.append(
            f"every class ({_listed([*classes['train']])}) holds the same folders ({_listed(inner)}): if these are the "
            "classes, call the folders above them train, val and test"
        )
    return found


def other_source(found: Walked) -> str:
    """A hint how to name the source that writes files such as those of a folder; empty for files of no source."""
    if ".tar" in found.others:
        return "for shards of WebDataset, write `data: {dataset: webdataset, path: FOLDER}`"
    if ".parquet" in found.others or ".arrow" in found.others:
        return "for data of Hugging Face, write `data: hf:FOLDER`"
    return ""


# -- inside -----------------------------------------------------------------------------------------------------------


def _named(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in folders(folder):
        name = unicodedata.normalize("NFC", path.name)
        if shown(name) != name:
            hint = "rename it; letters of other alphabets are fine"
            raise UserError(f"the name of the class {shown(path)} is not UTF-8", hint=hint, key="data.path")
        if name in found:
            hint = "move the images of one into the other"
            raise UserError(f"{folder} holds two folders called {name}", hint=hint, key="data.path")
        found[name] = path
    return found


def _too_few(folder: Path, classes: Classes) -> UserError:
    loose = beside(folder)
    hint = other_source(loose) or "make one folder for each class: CLASS/image.jpg"
    for path in classes.values():
        if len(folders(path)) > 1:
            hint = f"its folder {path.name} holds {len(folders(path))} folders; if these are the classes, give {path}"
    return UserError(
        f"{folder} holds {plural(len(classes), 'class folder')}{_loose(loose)}; a comparison needs at least 2",
        hint=hint,
        key="data.path",
    )


def _loose(found: Walked) -> str:
    images = f" and {plural(len(found.images), 'loose image')}" if found.images else ""
    return f"{images} (other files: {endings(found)})" if found.others else images


def _inner(folder: Path) -> list[str]:
    """The names of the folders inside a class if there are several, and no image beside them."""
    names = [path.name for path in folders(folder)]
    return names if len(names) > 1 and not beside(folder).images else []


def _listed(names: list[str]) -> str:
    left = len(names) - NAMED_FOLDERS
    text = ", ".join(shown(name) for name in names[:NAMED_FOLDERS])
    return f"{text} and {left} more" if left > 0 else text
