"""The order of the packages and their files. `python -m tests.house` writes the file tree into docs/architecture.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- file tree: python -m tests.house -->\n", "<!-- end of the file tree -->\n"

# From the ground up. A room may import from its own and from the rooms before it.
ORDER = (
    "spaces",
    "senet_nas/quantised.py",
    "senet_nas/recipe.py",
    "senet_nas/hardware.py",
    "senet_nas/nvidia.py",
    "senet_nas/gpus.py",
    "senet_nas/student.py",
    "senet_nas/user_code.py",
    "senet_nas/distributed.py",
    "senet_nas/network",
    "senet_nas/data",
    "senet_nas/deploy",
    "senet_nas/training",
    "senet_nas/costs",
    "senet_nas/export",
    "search/model",
    "search/state",
    "search/results",
    "search/planning",
    "search/config",
    "search/loop.py",
    "search/execute",
    "search/setup",
    "search/report",
    "search/track",
    "search/dashboard",
    "search/doctor",
    "search/exporting",
    "search/export.py",
    "search/full_training",
    "search/running",
    "search/session.py",
    "search/bench",
    "search/cli",
)
FLOORS = ("spaces", "senet_nas", "search")
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))

# Functions that import the module that their first argument names.
IMPORTERS = ("import_module", "__import__")
# Objects whose private attributes a class may use.
OWN = ("self", "cls", "other")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(name: str) -> int | None:
    """The place in ORDER of a file; None for an ``__init__`` that stands above all rooms."""
    places = [i for i, entry in enumerate(ORDER) if name == entry or name.startswith(f"{entry}/")]
    return places[0] if places else None


def parsed(source: Path | str) -> ast.Module:
    """The syntax tree of a file, or of a text."""
    return ast.parse(source.read_text() if isinstance(source, Path) else source)


def imported_modules(source: Path | str) -> Iterator[str]:
    """Dotted names of all that a file or a text imports, wherever in it: in functions and under TYPE_CHECKING, too.

    Calls of ``importlib.import_module`` and ``__import__`` count if the name of the module is a constant.
    """
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source} imports relatively: an absolute import says where it goes"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _last_name(node.func) in IMPORTERS:
            given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
            constants = (value.value for value in given if isinstance(value, ast.Constant))
            yield from (name for name in constants if isinstance(name, str))


def private_names(source: Path | str) -> Iterator[str]:
    """Names with an underscore that a file or a text takes from others: from modules, or as attributes of objects."""
    for node in ast.walk(parsed(source)):
        parts: list[str] = []
        if isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")[1:]]
        elif isinstance(node, ast.ImportFrom):
            parts = [*(node.module or "").split(".")[1:], *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in OWN:
            parts = [node.attr]
        yield from (part for part in parts if part.startswith("_") and not part.startswith("__"))


def _last_name(function: ast.expr) -> str:
    """``import_module`` of ``importlib.import_module`` as of ``import_module``."""
    return ast.unparse(function).split(".")[-1]


def file_of(module: str) -> str | None:
    """The file of this repository that a dotted name means: of the longest part of it that is one."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:length])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return name_of(path)
    return None


def imported_files(path: Path) -> set[str]:
    """The files of this repository that a file imports, without itself."""
    found = (file_of(module) for module in imported_modules(path) if module.split(".")[0] in FLOORS)
    return {name for name in found if name is not None} - {name_of(path)}


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Files that import each other in a circle, in order; empty where there is none."""
    finished: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in finished:
            return []
        for other in sorted(imports.get(name, ())):
            if found := visit(other, [*trail, name]):
                return found
        finished.add(name)
        return []

    return next((found for name in sorted(imports) if (found := visit(name, []))), [])


def summary(path: Path) -> str:
    """The first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n")[0]


def tree() -> str:
    """Every file with its first line, floor by floor, in the order of the rooms."""
    lines = []
    for entry in ORDER:
        files = [path for path in FILES if name_of(path) == entry or name_of(path).startswith(f"{entry}/")]
        files.sort(key=lambda path: (path.parent.as_posix(), path.name != "__init__.py", path.name))
        for path in files:
            name = name_of(path)
            shown = name.removesuffix("__init__.py")
            lines.append(f"{shown:<44} {summary(path)}")
    return "```\n" + "\n".join(lines) + "\n```\n"


def write() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + tree() + END + after)


if __name__ == "__main__":
    write()
