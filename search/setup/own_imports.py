"""Which modules of the user's own a module imports, read from its source: nothing is imported to find them."""

import ast
import importlib.machinery
import sys
from collections.abc import Iterator
from pathlib import Path

from senet_nas import user_code

# Calls that import the module that their first argument names.
_IMPORTERS = ("import_module", "__import__")


def own_imports(module: str) -> dict[str, Path]:
    """The files of the modules in folders of the user's that a module imports, directly or through others, by name.

    The packages in which it lies belong to them, the module itself does not. Installed packages are left out.
    """
    found: dict[str, Path] = {}
    open_names = [module]
    while open_names:
        name = open_names.pop()
        file = _own_file(name)
        if file is None or name in found:
            continue
        found[name] = file
        open_names += [other for wanted in _imported(name, file) for other in _with_packages(wanted)]
        open_names += _with_packages(name)
    found.pop(module, None)
    return dict(sorted(found.items()))


# -- inside -----------------------------------------------------------------------------------------------------------


def _imported(name: str, file: Path) -> Iterator[str]:
    """The full names of all that a file imports; of ``from a import b``, b may be a module or something in it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # such a module cannot be imported, so what it names is not used
        return
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and _called(node) in _IMPORTERS:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _called(node: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _with_packages(name: str) -> list[str]:
    """A module and the packages in which it lies: ``a``, ``a.b`` and ``a.b.c`` of ``a.b.c``."""
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _own_file(name: str) -> Path | None:
    """The source file of a module if it is the user's own."""
    spec = getattr(sys.modules.get(name), "__spec__", None) or _spec(name)
    file = spec.origin if spec is not None and spec.has_location else None
    if not file or not file.endswith(".py") or user_code.is_installed(file):
        return None
    return Path(file) if Path(file).is_file() else None


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """Where a module would be imported from. importlib.util.find_spec would import its packages."""
    if name.startswith(".") or not all(name.split(".")):
        return None
    path: list[str] | None = None
    spec = None
    for part in _with_packages(name):
        spec = importlib.machinery.PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec
