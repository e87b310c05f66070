"""Code of the user: imported by name. An error names the exception and the line of the user's file that raised it."""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from spaces.errors import UserError, nearest


def look_in(folder: Path | str) -> None:
    """Lets this process import the modules of a folder from now on.

    The folder comes last: a file there that is called like a module of ours or of a library changes nothing.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def function(target: str, *, key: str, hint: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names.

    Raises UserError at the config key ``key`` if it cannot be imported or called; ``hint`` says what to write instead.
    """
    module, _, name = target.partition(":")
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        raise UserError(f"cannot import {target}: {_import_problem(module, error)}", hint=hint, key=key) from error
    if not hasattr(imported, name):
        guess = nearest(name, [other for other, found in vars(imported).items() if callable(found)])
        hint = _shadowed(module, imported) or (f"did you mean `{module}:{guess}`?" if guess else hint)
        raise UserError(f"cannot import {target}: module '{module}' has no attribute '{name}'", hint=hint, key=key)
    found: object = getattr(imported, name)
    if not callable(found):
        raise UserError(f"{target} is not a function", hint=_shadowed(module, imported), key=key)
    return found


def source_file(target: str) -> Path | None:
    """The file of the module of ``package.module:function``; None if it has none, as a module written in C."""
    module = sys.modules.get(target.partition(":")[0])
    file = getattr(module, "__file__", None)
    return Path(file) if file and file.endswith(".py") else None


def thrown(target: str, call: Callable[..., Any], error: BaseException) -> str:
    """A sentence about an exception: the function, the exception, and the innermost line in the function's files."""
    module = sys.modules.get(target.partition(":")[0])
    files = {_file(call), getattr(module, "__file__", None)}
    return f"{target} failed with {named(error)}{_place(error, {name for name in files if name is not None})}"


def named(error: BaseException) -> str:
    """The type of an exception and the first line of its message."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


# -- inside -----------------------------------------------------------------------------------------------------------


def _shadowed(module: str, imported: Any) -> str:
    """What to do if an installed module was found in place of the file that the user put beside the config."""
    file = getattr(imported, "__file__", None)
    parts = Path(*module.split("."))
    for folder in (Path(entry or ".") for entry in sys.path):
        for path in (folder / parts.with_suffix(".py"), folder / parts / "__init__.py"):
            if path.is_file() and (file is None or not path.samefile(file)):
                return f"rename {path}: the installed module `{module}` ({file or 'built in'}) has the same name"
    return ""


def _import_problem(module: str, error: BaseException) -> str:
    """Why a module cannot be imported, with the line of the module that raised the exception, if it is known."""
    if isinstance(error, ImportError):
        return str(error)
    path = Path(*module.split("."))
    tails = (str(path.with_suffix(".py")), str(path / "__init__.py"))
    frames = traceback.extract_tb(error.__traceback__)
    files = {frame.filename for frame in frames if frame.filename.endswith(tails)}
    return named(error) + _place(error, files)


def _place(error: BaseException, files: Set[str]) -> str:
    """The innermost frame of an exception in these files, in brackets; empty without such a frame."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _file(call: Callable[..., Any]) -> str | None:
    """The source file of a function; None for one that is written in C."""
    try:
        return inspect.getsourcefile(inspect.unwrap(call))
    except TypeError:
        return None
