"""Code of the user's: found by its name, and what it throws told with the place where it did, since it is theirs to mend."""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spaces.errors import UserError, nearest


def look_in(folder: Path | str) -> None:
    """Modules of this folder can be imported from now on."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def function(target: str, *, key: str, hint: str) -> Callable[..., Any]:
    """The function ``package.module:function``. Raises UserError at ``key`` where it cannot be imported or is none."""
    module, _, name = target.partition(":")
    try:
        made = importlib.import_module(module)
    except Exception as error:  # a module may throw anything when it is read
        raise UserError(f"cannot import {target}: {_unread(module, error)}", hint=hint, key=key) from error
    if not hasattr(made, name):
        guess = nearest(name, [other for other, found in vars(made).items() if callable(found)])
        hint = f"did you mean `{module}:{guess}`?" if guess else hint
        raise UserError(f"cannot import {target}: module '{module}' has no attribute '{name}'", hint=hint, key=key)
    found = getattr(made, name)
    if not callable(found):
        raise UserError(f"{target} is no function", key=key)
    return found


def thrown(target: str, call: Callable[..., Any], error: Exception) -> str:
    """A sentence on what a function threw: its name, the exception, and the innermost line of its own files."""
    files = {_file(call), getattr(sys.modules.get(target.partition(":")[0]), "__file__", None)} - {None}
    return f"{target} failed with {_named(error)}{_place(error, files)}"


# -- inside -----------------------------------------------------------------------------------------------------------


def _unread(module: str, error: Exception) -> str:
    """What kept a module from being imported; that there is none says itself, and a SyntaxError its line."""
    if isinstance(error, ImportError):
        return str(error)
    parts = module.split(".")
    tails = [str(Path(*parts).with_suffix(".py")), str(Path(*parts, "__init__.py"))]
    frames = [f.filename for f in traceback.extract_tb(error.__traceback__)]
    return _named(error) + _place(error, {name for name in frames if any(name.endswith(tail) for tail in tails)})


def _named(error: Exception) -> str:
    lines = str(error).splitlines()
    return type(error).__name__ + (f": {lines[0]}" if lines else "")


def _place(error: Exception, files: set[str | None]) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _file(call: Callable[..., Any]) -> str | None:
    try:
        return inspect.getsourcefile(inspect.unwrap(call))
    except TypeError:  # made by something that is written in C
        return None
