"""The house has three floors, and each heavy library has one door."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("spaces", "senet_nas", "search")
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
# Who may import what. A door may be a file or a package.
DOORS = {
    "ray": ["search/schedule"], "optuna": ["search/propose"], "mlflow": ["search/track"],
    "yaml": ["search/config"], "pydantic": ["search/config"], "pydantic_core": ["search/config"], "torch": ["senet_nas"],
    "torchvision": ["senet_nas"], "click": ["search/cli/", "search/commands"], "rich": ["search/console.py"],
    "pyarrow": ["search/storage.py"],
}  # fmt: skip


def imports(path):
    """Top-level names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: an absolute import says where it goes"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_and_through_the_doors(path):
    here = path.relative_to(ROOT).as_posix()
    floor = FLOORS.index(here.split("/")[0])
    for name in set(imports(path)):
        if name in FLOORS:
            assert FLOORS.index(name) <= floor, f"{here} imports {name}, which is above it"
        # search may look at torch's idea of the machine; everything else stays behind its door
        if name in DOORS and not (name == "torch" and here.startswith("search/")):
            assert any(here.startswith(door) for door in DOORS[name]), (
                f"{here} imports {name}; its door is {DOORS[name]}"
            )
        if floor == 0:
            assert name in sys.stdlib_module_names or name == "spaces", f"{here} imports {name}: spaces is stdlib only"


def test_no_other_distribution_owns_our_names():
    owners = importlib.metadata.packages_distributions()
    for name in FLOORS:
        assert set(owners.get(name, ["senet-search"])) == {"senet-search"}


def loaded_after(program):
    """Modules that a fresh interpreter has loaded after a program."""
    code = f"{program}\nimport sys\nprint(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "program",
    ["import search", "import spaces", "import senet_nas", "import search.cli", "import search.commands.listing",
     "from search import Experiment", "import search.loop",
     "import sys\nfrom search import cli\nsys.argv = ['senet-search', '--help']\ncli._status()"],
)  # fmt: skip
def test_light_things_stay_light(program):
    heavy = {"torch", "torchvision", "ray", "optuna", "mlflow", "matplotlib", "sklearn", "PIL"}
    assert not heavy & loaded_after(program)


def test_help_loads_not_even_numpy():
    program = "import sys\nfrom search import cli\nsys.argv = ['senet-search', '--help']\ncli._status()"
    assert not {"numpy", "pydantic", "yaml", "rich"} & loaded_after(program)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle_and_no_unsafe_load(path):
    assert not {"pickle", "cloudpickle", "dill", "shelve", "marshal"} & set(imports(path))
    assert "torch.load" not in path.read_text()


def test_the_readme_names_every_file_and_only_those():
    tree = (ROOT / "README.md").read_text().split("```\nspaces/")[1].split("```")[0]
    named = {word for word in tree.replace(",", " ").replace(";", " ").split() if word.endswith(".py")}
    files = {path.name for path in FILES if path.name != "__init__.py"}
    assert named - {"test_<module>.py"} == files


def test_only_links_that_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
