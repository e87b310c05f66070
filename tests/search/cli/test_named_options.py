"""Every option that a text names exists for the command that it is named for: hints are never guessed (fault 32)."""

import ast
import re
from pathlib import Path

import pytest

from search.cli.app import cli

ROOT = Path(__file__).parents[3]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?![\w-])")
# Files that name options of other programs (git, pip, ray, mlflow, uvicorn), and which.
FOREIGN = {
    "search/bench/shared_columns.py": {"--data"},
    "search/bench/table_files.py": {"--data", "--to", "--finish"},
    "search/execute/environment.py": {
        "--verify", "--porcelain", "--untracked-files", "--no-optional-locks", "--show-current",
    },
    "search/execute/foreign_packages.py": {"--force-reinstall", "--no-deps"},
    "search/execute/ray/cluster.py": {"--head", "--address"},
    "senet_nas/nvidia.py": {"--query-gpu", "--format"},
    "search/execute/ray/resources.py": {"--num-gpus"},
    "search/track/views.py": {
        "--backend-store-uri", "--default-artifact-root", "--host", "--workers", "--allowed-hosts",
        "--cors-allowed-origins", "--uvicorn-opts", "--app-dir",
    },
}  # fmt: skip
# Where texts that name no command are printed.
OWNERS = {
    "search/bench/": ["bench"],
    "search/doctor/": ["doctor"],
    "search/config/reference.py": ["run", "init", "schema"],
    "search/exporting/exported_choice.py": ["export", "run"],  # one text goes into a command line of run
    "search/exporting/": ["export"],
    "search/export.py": ["export"],
    "search/full_training/": ["train"],
    "search/running/": ["run"],
    "search/session.py": ["run"],
    "search/report/compare.py": ["compare"],
    "search/track/ui.py": ["ui"],
    "search/track/sync.py": ["sync"],
}


def options_of(name):
    found = {
        option for parameter in cli.commands[name].params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return found | {"--help"}


EVERY = {option for name in cli.commands for option in options_of(name)} | {"--debug", "--version"}


def texts(path):
    """The texts of a file with their lines, docstrings left out; a placeholder stands for what is filled in."""
    tree = ast.parse(path.read_text())
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef)
    said = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, holders) and doc(node)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (said | inner):
            yield node.lineno, node.value


def doc(node):
    return ast.get_docstring(node) is not None


def owners(path, text):
    """The commands that the options of a text must belong to: those that it names, else that of its file."""
    place = path.relative_to(ROOT).as_posix()
    named = [name for name in re.findall(r"senet-search ([a-z]+)", text) if name in cli.commands]
    if named and place not in OWNERS:
        return named
    if place.startswith("search/cli/") and path.stem in cli.commands:
        return [path.stem]
    return next((commands for start, commands in OWNERS.items() if place.startswith(start)), [])


def wrong(path):
    foreign = FOREIGN.get(path.relative_to(ROOT).as_posix(), set())
    for line, text in texts(path):
        commands = owners(path, text)
        allowed = {option for name in commands for option in options_of(name)} if commands else EVERY
        for option in OPTION.findall(text):
            if option not in allowed | foreign | {"--debug"}:
                where = f"{path.relative_to(ROOT)}:{line}"
                yield f"{where}: {option} is not an option of {', '.join(commands) or 'any command'}"


def test_every_option_in_a_text_belongs_to_the_command():
    files = [path for room in ("search", "senet_nas", "spaces") for path in sorted((ROOT / room).rglob("*.py"))]
    assert [fault for path in files for fault in wrong(path)] == []


def test_the_check_of_options_finds_a_wrong_one(tmp_path):
    assert "--debug" not in options_of("bench")
    assert "--trainings" not in options_of("export")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_an_internal_error_names_a_command_line_that_works(name, monkeypatch, capsys):
    """The hint asked for ``--debug``, which no command has: it stands before the command."""
    import shlex
    import sys

    from search.cli import app

    monkeypatch.setattr(sys, "argv", ["senet-search", name])
    assert app._failed(RuntimeError("odd")) == 1
    line = re.search(r"run `(.+)` and report", capsys.readouterr().err)
    with cli.make_context("senet-search", [*shlex.split(line[1])[1:-1], name]) as context:
        assert context.params["debug"]
