"""The house has three floors with an order inside, and each heavy library has one door."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections import defaultdict

import pytest

from tests import house
from tests.house import FILES, FLOORS, ORDER, ROOT, imported_files, imported_modules, name_of, private_names, room

# Who may import what. A door may be a file or a package.
DOORS = {
    "ray": ["search/execute/ray/"],
    "optuna": ["search/planning/", "search/dashboard/"],
    "optuna_dashboard": ["search/dashboard/"],
    "mlflow": ["search/track/"],
    "yaml": ["search/config/"],
    "pydantic": ["search/config/"],
    "pydantic_core": ["search/config/"],
    "torch": [
        "senet_nas/",
        # Facts about the machine and its use, each in a function that the command line does not reach without need:
        "search/setup/memory_check.py",  # reads the free memory of a GPU; names the type of a network
        "search/setup/code_identity.py",  # compares the outputs of a network
        "search/setup/own_code.py",  # names the type of a network
        # MLflow keeps a network in torch's own form.
        "search/track/registry.py",
    ],
    "torchvision": ["senet_nas/"],
    "click": ["search/cli/"],
    "rich": ["search/report/terminal.py"],
    "onnx": ["senet_nas/deploy/onnx_runtime.py"],
    "onnxruntime": ["senet_nas/deploy/onnx_runtime.py"],
    "openvino": ["senet_nas/deploy/openvino_runtime.py"],
    "nncf": ["senet_nas/deploy/openvino_runtime.py"],
    "pyarrow": ["search/execute/remote_store.py", "senet_nas/data/parquet_table.py"],
}
# Private names of others, each with the files that may use it. They change without notice; none of these has a public
# form. All others are forbidden, those of Ray, Optuna and MLflow as well.
PRIVATE = {
    "_exit": ["search/cli/app.py", "search/session.py", "senet_nas/user_code.py"],  # Python documents it as public
    "_run_exitfuncs": ["search/cli/app.py"],
    "_python_dispatch": ["senet_nas/costs/memory.py"],
    "_pytree": ["senet_nas/costs/memory.py"],
    "_cdata": ["senet_nas/costs/memory.py"],
    "_dynamo": ["senet_nas/network/backbones/own.py", "senet_nas/deploy/torch_runtimes.py"],
    # The classes that all convolutions and all norms of torch share: a list of the public ones would miss those that
    # a network of the user's derives from the shared class.
    "_ConvNd": [
        "senet_nas/costs/overhead.py",
        "senet_nas/network/build.py",
        "senet_nas/network/parts.py",
        "senet_nas/network/surgery/layer_kinds.py",
        "senet_nas/network/surgery/meta_run.py",
        "senet_nas/network/warm_start.py",
        "senet_nas/training/train.py",
    ],
    "_BatchNorm": ["senet_nas/network/warm_start.py", "senet_nas/training/shared_training.py"],
    "_NormBase": [
        "senet_nas/distributed.py",
        "senet_nas/network/parts.py",
        "senet_nas/network/surgery/layer_kinds.py",
        "senet_nas/training/fine_tuning.py",
    ],
}
LONGEST_FUNCTION = 60
LONGEST_FILE = 310
UNFORMATTED = 20
# All Python files, tests and benchmarks too.
EVERY_FILE = [*FILES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
BY_NAME = pytest.mark.parametrize("path", FILES, ids=name_of)


@BY_NAME
def test_imports_go_down(path):
    own = room(name_of(path))
    for other in imported_files(path):
        below = room(other)
        if own is None:  # search/__init__.py hands on names from everywhere
            continue
        if below is None:  # `from search import x` without a file of that name
            assert other.split("/")[0] == name_of(path).split("/")[0]
            continue
        assert below <= own, f"{name_of(path)} ({ORDER[own]}) imports {other} ({ORDER[below]}), which is above it"


@BY_NAME
def test_heavy_libraries_have_one_door(path):
    name = name_of(path)
    for module in {module.split(".")[0] for module in imported_modules(path)}:
        if module in DOORS:
            assert any(name.startswith(door) for door in DOORS[module]), (
                f"{name} imports {module}; its door is {DOORS[module]}"
            )
        if name.startswith("spaces/"):
            is_allowed = module in sys.stdlib_module_names or module == "spaces"
            assert is_allowed, f"{name} imports {module}: spaces is standard library only"


@pytest.mark.parametrize(
    "text",
    [
        "import torch.cuda",
        "from torch import cuda",
        "def later():\n    import torch.cuda",
        "if TYPE_CHECKING:\n    from torch import cuda",
        "importlib.import_module('torch.cuda')",
        "importlib.import_module(name='torch.cuda')",
        "def later():\n    return import_module('torch.cuda').device",
        "__import__('torch.cuda')",
        "builtins.__import__('torch.cuda')",
    ],
)
def test_no_import_hides(text):
    assert list(imported_modules(text)) == ["torch.cuda"]


def test_a_call_that_imports_nothing_known_is_no_import():
    assert list(imported_modules("import_module(name)\nother('torch')\ntext = 'import torch'")) == []


@pytest.mark.parametrize("name", [door for doors in DOORS.values() for door in doors])
def test_every_door_is_there(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", [door for door in DOORS["torch"] if door.startswith("search/")])
def test_every_file_that_may_look_at_torch_does(name):
    assert "torch" in {module.split(".")[0] for module in imported_modules(ROOT / name)}


def test_no_file_imports_itself_in_a_circle():
    assert house.circle({name_of(path): imported_files(path) for path in FILES}) == []


def test_a_circle_is_found():
    assert house.circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]


def test_every_file_has_a_room():
    above = {name_of(path) for path in FILES if room(name_of(path)) is None}
    assert above == {"search/__init__.py", "senet_nas/__init__.py"}


def test_every_room_is_there():
    assert all((ROOT / entry).exists() for entry in ORDER)


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=name_of)
def test_a_package_hands_names_on_and_defines_nothing(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    defined = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    # Names that are loaded on first use need one function.
    assert [node.name for node in defined] in ([], ["__getattr__"])


def test_no_file_name_stands_twice():
    """A name in two rooms would say nothing. The command line has a file for each command, which holds no logic."""
    places = defaultdict(list)
    for path in FILES:
        if path.name != "__init__.py" and not name_of(path).startswith("search/cli/"):
            places[path.name].append(name_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@BY_NAME
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in functions}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def chains(text):
    """Conditional expressions of which a part is one as well: nobody reads them once."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.IfExp)]
    return [ast.unparse(n) for n in nodes if any(isinstance(p, ast.IfExp) for p in (n.test, n.body, n.orelse))]


@pytest.mark.parametrize("path", EVERY_FILE, ids=name_of)
def test_no_conditional_expression_holds_another(path):
    assert chains(path.read_text()) == []


def test_a_chain_is_found():
    assert chains("a if b else c if d else e") == ["a if b else c if d else e"]
    assert chains("f(a if b else c)") == []


def unformatted(text):
    return re.findall(r"#\s*fmt:\s*(?:skip|off)", text)


def test_few_places_are_left_unformatted():
    """Tables of data only: CONTRIBUTING.md gives the number."""
    assert sum(len(unformatted(path.read_text())) for path in EVERY_FILE) <= UNFORMATTED
    assert f"at most {UNFORMATTED} times" in (ROOT / "CONTRIBUTING.md").read_text()


def test_what_is_left_unformatted_is_found():
    assert len(unformatted("x = (\n)  # " + "fmt: skip\n# " + "fmt: off")) == 2


def test_no_other_distribution_owns_our_names():
    owners = importlib.metadata.packages_distributions()
    for name in FLOORS:
        assert set(owners.get(name, ["senet-search"])) == {"senet-search"}


def loaded_after(program):
    """Modules that a fresh interpreter has loaded after a program."""
    code = f"{program}\nimport sys\nprint(*sorted(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


HELP = "import sys\nfrom search.cli import app\nsys.argv = ['senet-search', '--help']\napp.exit_status()"


@pytest.mark.parametrize(
    "program",
    [
        "import search",
        "import spaces",
        "import senet_nas",
        "import search.cli",
        "import search.cli.listing",
        "from search import Experiment",
        "import search.loop",
        HELP,
    ],
)
def test_light_things_stay_light(program):
    heavy = {"torch", "torchvision", "ray", "optuna", "mlflow", "matplotlib", "sklearn", "PIL"}
    assert not heavy & loaded_after(program)


def test_help_loads_not_even_numpy():
    assert not {"numpy", "pydantic", "yaml", "rich"} & loaded_after(HELP)


@BY_NAME
def test_exit_codes_have_names(path):
    """A number for an exit status says nothing; spaces/errors.py names each."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    given = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "code"]
    given += [value for call in calls if ast.unparse(call.func) in ("os._exit", "sys.exit") for value in call.args]
    assert not [ast.unparse(value) for value in given if isinstance(value, ast.Constant)]


@BY_NAME
def test_no_pickle_and_no_unsafe_load(path):
    imported = {module.split(".")[0] for module in imported_modules(path)}
    assert not {"pickle", "cloudpickle", "dill", "shelve", "marshal"} & imported
    text = path.read_text()
    loads = text.count("torch.load")
    # A file of weights of the user's is read without running code in it.
    assert loads == (1 if name_of(path) == "senet_nas/network/weight_file.py" else 0)
    assert text.count("weights_only=True") >= loads


def test_no_private_name_of_others_is_used():
    used = defaultdict(set)
    for path in FILES:
        for name in private_names(path):
            used[name].add(name_of(path))
    assert used == {name: set(files) for name, files in PRIVATE.items()}


@pytest.mark.parametrize(
    "text",
    [
        "import ray._hidden",
        "from ray._hidden import worker",
        "from ray import _hidden",
        "import ray\nray._hidden.worker.shutdown()",
        "from torch import nn\nnn.modules._hidden",
        "def key(tensor):\n    return tensor.untyped_storage()._hidden",
        "self.storage._hidden",
    ],
)
def test_a_private_name_is_found(text):
    assert list(private_names(text)) == ["_hidden"]


def test_what_is_public_or_our_own_is_no_private_name_of_others():
    assert list(private_names("import _thread\nimport ray\nray.shutdown(_x=1)\nself._own\nray.__version__")) == []


def test_the_architecture_page_names_every_file():
    """Write it with `python -m tests.house`."""
    assert house.tree() in house.PAGE.read_text()


def test_every_file_says_what_it_is_for():
    assert [name_of(path) for path in FILES if not house.summary(path)] == []


def test_only_links_that_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
