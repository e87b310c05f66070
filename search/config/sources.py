"""Reads a config from a file with overrides of the command line, or from a mapping."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.config import yaml_reader
from search.config.config_error import ConfigError, Problem, Spot, dotted, parts
from search.config.config_error import Path as KeyPath
from search.config.yaml_reader import Document
from senet_nas.data.datasets import section, with_source
from spaces.errors import nearest_file

MAX_BYTES = 1_000_000
INIT = "`senet-search init` writes a config to start from"


def read_file(path: Path) -> Document:
    """The document of a config file. Raises ConfigError for an unreadable file; other mistakes are in the document."""
    document = yaml_reader.read(_text(path), str(path))
    if document.tree is None and not document.problems:
        raise _unusable(path, "the file is empty", INIT)
    if document.tree is not None and not isinstance(document.tree, dict):
        kind = "a list" if isinstance(document.tree, list) else "a single value"
        start = document.values[()]
        raise ConfigError([Problem(start, "", f"expected keys such as `data: ./images`, got {kind}", INIT)])
    _settle(document)
    return document


def from_mapping(tree: Mapping[str, Any]) -> Document:
    """A document, without positions, of a Python mapping of mappings, lists, tuples, paths and plain values."""
    document = Document()
    document.tree = _plain(tree, (), document)
    _settle(document)
    return document


def override(document: Document, text: str) -> None:
    """Sets one key from a text ``a.b=value``. The value is read as in a file."""
    spot = Spot(f"--set {text}")
    key, equals, written = text.partition("=")
    path = parts(key)
    if not equals or "" in path:
        document.problems.append(Problem(spot, "", "not a setting", "write --set KEY=VALUE, e.g. --set train.epochs=3"))
        return
    value = yaml_reader.read(written, spot.file)
    document.problems += [replace(problem, spot=spot, key=key.strip()) for problem in value.problems]
    if value.problems:
        document.broken.add(path)
    elif document.tree is not None:
        _set(document, path, value.tree, spot)
        _settle(document)


def _set(document: Document, path: KeyPath, value: Any, spot: Spot) -> None:
    """Puts the value at the path, and makes missing sections on the way."""
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
        document.problems.append(Problem(spot, dotted(path), "this key does not exist"))


def _has(section: Any, part: str | int) -> bool:
    return isinstance(section, list) and isinstance(part, int) and part < len(section)


def _settle(document: Document) -> None:
    """Removes empty sections, and replaces ``data: TEXT`` and ``objectives: [TEXT]`` by what they stand for."""
    if not isinstance(document.tree, dict):
        return
    for key in [key for key, value in document.tree.items() if value is None]:
        del document.tree[key]
    if isinstance(document.tree.get("data"), str):
        document.tree["data"] = section(document.tree["data"])
        for key in document.tree["data"]:
            document.values[("data", key)] = document.spot(("data",))
    elif isinstance(document.tree.get("data"), dict):
        document.tree["data"] = with_source(document.tree["data"])
    objectives = document.tree.get("objectives")
    for index, objective in enumerate(objectives if isinstance(objectives, list) else ()):
        if isinstance(objective, str):
            document.tree["objectives"][index] = {"metric": objective}
            document.values[("objectives", index, "metric")] = document.spot(("objectives", index))


def _text(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises ConfigError."""
    try:
        if path.is_dir():
            raise _unusable(path, "is a folder, not a config file", INIT)
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unusable(path, "no such file", _other(path)) from None
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise _unusable(path, "is larger than 1 MB, so it is not a config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _unusable(path, f"is not UTF-8 text (line {line})", "save the file as UTF-8") from None


def _other(path: Path) -> str:
    """A hint: a file in the same folder with a similar name, or how to make one."""
    guess = nearest_file(path, (".yaml", ".yml"))
    return f"did you mean `{guess}`?" if guess else INIT


def _unusable(path: Path, message: str, hint: str = "") -> ConfigError:
    return ConfigError([Problem(Spot(str(path)), "", message, hint)])


def _plain(value: Any, path: KeyPath, document: Document) -> Any:
    """The value as JSON holds it, text for a path. Raises TypeError for what a config cannot hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, (*path, str(key)), document) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index), document) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        document.problems.append(Problem(Spot(), dotted(path), f"`{value}` is not a finite number"))
        document.broken.add(path)
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else os.fspath(value)
