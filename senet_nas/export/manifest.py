"""``manifest.json``: the files of an export, each with its SHA-256, and what was measured of them.

It is written last: a folder without a manifest holds no complete export.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spaces import UserError, durable

NAME = "manifest.json"


def write(folder: Path, measured: Mapping[str, Any]) -> None:
    """Lists all files of the folder as they are now, beside what was measured of them."""
    files = {path.name: _entry(path) for path in sorted(folder.iterdir()) if path.name != NAME}
    content = json.dumps({"schema": 1, "files": files, "measured": measured}, indent=2)
    (folder / NAME).write_text(content + "\n", encoding="utf-8")


def check(folder: Path, names: Iterable[str] | None = None) -> None:
    """Raises UserError with the first of the files (all unless named) that is missing or was changed."""
    listed = _read(folder)
    for name in listed if names is None else names:
        if name not in listed or not (folder / name).is_file():
            raise UserError(f"{folder} holds no complete export: {name} is missing", hint="export it again")
        if _entry(folder / name) != listed[name]:
            raise UserError(
                f"{folder / name} is damaged or was changed: it is not the file that was exported",
                hint="export it again; its SHA-256 stands in manifest.json",
            )


def _read(folder: Path) -> dict[str, Any]:
    try:
        files = json.loads((folder / NAME).read_text(encoding="utf-8"))["files"]
    except FileNotFoundError as error:
        hint = "`senet-search export RUN` writes one"
        raise UserError(f"{folder} holds no export: {NAME} is missing", hint=hint) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / NAME} is damaged", hint="export it again") from error
    assert isinstance(files, dict)
    return files


def _entry(path: Path) -> dict[str, Any]:
    return {"sha256": durable.sha256(path), "bytes": path.stat().st_size}
