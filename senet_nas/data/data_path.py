"""Where the data of a config lie: paths with ``~`` and ``$VARIABLE``, relative to the config."""

import os
from pathlib import Path

from senet_nas.recipe import DataSpec
from spaces.errors import UserError


def place(path: str, base: Path) -> Path:
    """The path with ``~`` and ``$VARIABLE`` filled in, relative to ``base``."""
    filled = os.path.expandvars(path)
    if "$" in filled:
        raise UserError(
            f"`{path}` names an environment variable that is not set",
            hint="export it, or write the path out",
            key="data.path",
        )
    return base / Path(filled).expanduser()


def given_file(spec: DataSpec, base: Path, what: str, hint: str) -> Path:
    """The file that ``data.path`` names. Raises UserError if it is missing; ``what`` it is, ``hint`` how to name it."""
    if spec.path is None:
        raise UserError(f"{what} needs a path", hint=hint, key="data.path")
    path = place(spec.path, base)
    if not path.is_file():
        problem = f"{path} is a folder, not a file" if path.is_dir() else f"no file {path}"
        raise UserError(problem, hint=hint, key="data.path")
    return path
