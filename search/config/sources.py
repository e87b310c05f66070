"""Where a config comes from: a file, settings of the command line on top of it, or a mapping."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.config import config_error as problems
from search.config import yaml_reader as yaml_marks
from search.config.checks import dataset_or_folder
from search.config.config_error import ConfigError, Problem, Spot
from search.config.yaml_reader import Document
from spaces.errors import nearest

MAX_BYTES = 1_000_000
INIT = "`senet-search init` writes a config to start from"


def read_file(path: Path) -> Document:
    """Reads a config file. Raises ConfigError where there is nothing to read; other mistakes are in the document."""
    document = yaml_marks.read(_text(path), str(path))
    if document.tree is None and not document.problems:
        raise _unusable(path, "the file is empty", INIT)
    if document.tree is not None and not isinstance(document.tree, dict):
        kind = "a list" if isinstance(document.tree, list) else "a single value"
        start = document.values[()]
        raise ConfigError([Problem(start, "", f"expected keys such as `data: ./images`, got {kind}", INIT)])
    _settle(document)
    return document


def from_mapping(tree: Mapping[str, Any]) -> Document:
    """A document of what Python holds: mappings, lists, tuples, paths and plain values; no positions."""
    document = Document()
    document.tree = _plain(tree, (), document)
    _settle(document)
    return document


def override(document: Document, text: str) -> None:
    """Sets one key from a text ``a.b=value``; the value is read as in the file."""
    spot = Spot(f"--set {text}")
    key, equals, written = text.partition("=")
    path = problems.parts(key)
    if not equals or "" in path:
        document.problems.append(Problem(spot, "", "not a setting", "write --set key=value, e.g. --set train.epochs=3"))
        return
    value = yaml_marks.read(written, spot.file)
    document.problems += [replace(problem, spot=spot, key=key.strip()) for problem in value.problems]
    if value.problems:
        document.broken.add(path)
    elif document.tree is not None:
        _set(document, path, value.tree, spot)
        _settle(document)


def _set(document: Document, path: problems.Path, value: Any, spot: Spot) -> None:
    """Puts the value at the path; sections on the way are made where they are missing."""
    section = document.tree
    for depth, part in enumerate(path[:-1], start=1):
        if isinstance(section, dict) and part not in section:
            section[part] = {}
            document.mark(path[:depth], spot)
        section = section[part] if isinstance(section, dict) or _has(section, part) else None
    if isinstance(section, dict) or _has(section, path[-1]):
        section[path[-1]] = value
        document.mark(path, spot)
        document.broken -= {broken for broken in document.broken if broken[: len(path)] == path}
    else:
        document.problems.append(Problem(spot, problems.dotted(path), "there is no such place in the config"))


def _has(section: Any, part: str | int) -> bool:
    return isinstance(section, list) and isinstance(part, int) and part < len(section)


def _settle(document: Document) -> None:
    """Empty sections are as good as none; ``data: TEXT`` becomes the section that it is short for."""
    if not isinstance(document.tree, dict):
        return
    for key in [key for key, value in document.tree.items() if value is None]:
        del document.tree[key]
    if isinstance(document.tree.get("data"), str):
        document.tree["data"] = dataset_or_folder(document.tree["data"])
        for key in document.tree["data"]:
            document.values[("data", key)] = document.spot(("data",))


def _text(path: Path) -> str:
    """The text of a file; a byte order mark is taken off. Raises ConfigError."""
    try:
        if path.is_dir():
            raise _unusable(path, "a folder, not a config file", INIT)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unusable(path, "no such file", _other(path)) from None
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise _unusable(path, "larger than 1 MB; this is no config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _unusable(path, f"not UTF-8 text (line {line})", "save the file as UTF-8") from None


def _other(path: Path) -> str:
    """A file beside it with nearly its name, or how to get one."""
    beside = [file.name for file in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    guess = nearest(path.name, beside)
    return f"did you mean `{path.parent / guess}`?" if guess else INIT


def _unusable(path: Path, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem(Spot(str(path)), "", message, hint)])


def _plain(value: Any, path: problems.Path, document: Document) -> Any:
    """The value as JSON has it; text for a path. TypeError for what no config can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, (*path, str(key)), document) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index), document) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        document.problems.append(Problem(Spot(), problems.dotted(path), f"`{value}` is no finite number"))
        document.broken.add(path)
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else os.fspath(value)
