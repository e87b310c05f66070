"""Code of the user: imported by name. An error names the exception and the line of the user's file that raised it."""

import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from spaces.errors import UserError, nearest

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")

# The folder in which the packages of this project lie.
_HERE = Path(__file__).parents[1]


def look_in(folder: Path | str) -> None:
    """Lets this process import the modules of a folder from now on.

    The folder comes last: a file there that is called like a module of ours or of a library changes nothing.
    """
    folder = Path(folder).absolute()  # "." would be wherever this process stood when it first imported something
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()


def function(target: str, *, key: str, hint: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names.

    Raises UserError at the config key ``key`` if it cannot be imported or called; ``hint`` says what to write instead.
    """
    module, _, name = target.partition(":")
    try:
        with staying():
            imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        remedy = hint if _is_missing(module, error) else _import_remedy(error)
        raise UserError(f"cannot import {target}: {_import_problem(module, error)}", hint=remedy, key=key) from error
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
    """A sentence about an exception: the function, the exception, and the line as :func:`placed` names it."""
    module = sys.modules.get(target.partition(":")[0])
    return f"{target} failed with {placed(error, [file_of(call), getattr(module, '__file__', None)])}"


@contextmanager
def blamed(target: str, *, key: str) -> Iterator[None]:
    """Makes a UserError of an exception that passed a line of the user's code; all others stay what they are.

    Code that calls ``os._exit`` would end the command without a word; here this is an exception, too.
    """
    try:
        with staying():
            yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # the user's code may throw anything
        module = sys.modules.get(target.partition(":")[0])
        where = place_of(error, [getattr(module, "__file__", None)])
        if not where:
            raise
        raise UserError(f"{target} failed with {named(error)}{where}", key=key) from error


@contextmanager
def staying() -> Iterator[None]:
    """``os._exit`` raises SystemExit here, as ``sys.exit`` does. A process that is forked meanwhile ends as usual."""
    here = os.getpid()
    leave = os._exit

    def refuse(status: int) -> NoReturn:
        if os.getpid() != here:
            leave(status)
        raise SystemExit(f"os._exit({status}) was called")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


def placed(error: BaseException, files: Iterable[str | None] = ()) -> str:
    """An exception with the innermost line of the user's code that it passed: that of ``files`` in installed code."""
    return f"{named(error)}{place_of(error, files)}"


def place_of(error: BaseException, files: Iterable[str | None] = ()) -> str:
    """The place of the innermost line of the user's code that an exception passed; empty if it passed none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not is_installed(frame.filename)]
    given = set(files)
    found = own or [frame for frame in frames if frame.filename in given]
    return f" ({found[-1].filename}, line {found[-1].lineno})" if found else ""


def named(error: BaseException) -> str:
    """The type of an exception and the first line of its message."""
    lines = message(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def message(error: BaseException) -> str:
    """The text of an exception; of one whose ``__str__`` raises another, a note of that."""
    try:
        return str(error)
    except Exception as other:  # the user's code may throw anything
        return f"(its message cannot be read: its __str__ raised {type(other).__name__})"


def file_of(call: Callable[..., Any]) -> str | None:
    """The source file of a function; None for one that is written in C."""
    try:
        return inspect.getsourcefile(inspect.unwrap(call))
    except TypeError:
        return None


def is_installed(file: str) -> bool:
    """Whether a file belongs to this project, to Python, or to an installed package: it is not the user's own."""
    parents = Path(file).parents
    if any(Path(sysconfig.get_path(name)) in parents for name in ("stdlib", "platstdlib")):
        return True
    if any(folder.name in ("site-packages", "dist-packages") for folder in parents):
        return True
    return any(_HERE / package in parents for package in ("senet_nas", "search", "spaces"))


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


def _is_missing(module: str, error: BaseException) -> bool:
    """Whether the module itself was not found, or a package that it lies in; not one that it imports."""
    return isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")


def _import_problem(module: str, error: BaseException) -> str:
    """Why a module cannot be imported, with the line that raised the exception, if it is known."""
    if _is_missing(module, error):
        return message(error)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    path = Path(*module.split("."))
    tails = (str(path.with_suffix(".py")), str(path / "__init__.py"))
    files = (frame.filename for frame in traceback.extract_tb(error.__traceback__))
    return placed(error, [file for file in files if file.endswith(tails)])


def _import_remedy(error: BaseException) -> str:
    """What to do about a module that the user's module imports and that is not there; empty for other exceptions."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return "import the file by its name, without a dot" if "relative import" in message(error) else ""
    top = error.name.partition(".")[0]
    install = f"install it into this environment ({sys.executable} -m pip install ...)"
    if top in sys.modules or importlib.util.find_spec(top) is not None:
        return f"`{top}` is there, but `{error.name}` is not a part of it: correct the import"
    folder = _folder_of_imports(error)
    return f"{install}, or put it at {folder / top}.py" if folder else install


def _folder_of_imports(error: BaseException) -> Path | None:
    """The folder of Python's path in which the file lies whose import failed; None if no file of the user's did."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    own = [file for file in files if file.suffix == ".py" and not is_installed(str(file))]
    entries = {Path(entry or ".").resolve() for entry in sys.path}
    return next((folder for folder in own[-1].resolve().parents if folder in entries), None) if own else None


def evaluating(network: Network) -> Network:
    """The network itself, in evaluation mode. A ``train`` of the user's, which `eval` calls, may return nothing."""
    network.eval()
    return network


def in_training(network: Network) -> Network:
    """The network itself, in training mode."""
    network.train()
    return network
