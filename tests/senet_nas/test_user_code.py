"""Mistakes in the user's own code are named with their file and line, and with a remedy that is true in the case."""

import math
import sys
from pathlib import Path

import pytest

from senet_nas import user_code
from senet_nas.network.build import sites
from spaces.errors import UserError

HINT = "write package.module:function"
NET = """import torch
from torch import nn
from parts import checked


class Net(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 8, 3)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        {line}
        return self.head(self.conv(x).mean((2, 3)))


def net(in_channels, num_classes):
    return Net(in_channels, num_classes)
"""
PARTS = "def checked(x):\n    assert x.shape[1] == 5, 'five bands'\n    return x\n"

# The first line of the forward pass: what the error says, its file and its line.
FORWARD = {
    "x = {'x': x}['y']": ("KeyError: 'y'", "ournet.py", 13),
    "assert False": ("AssertionError", "ournet.py", 13),
    "x = checked(x)": ("AssertionError: five bands", "parts.py", 2),
    "x = x.view(3, 7)": ("RuntimeError: shape '[3, 7]' is invalid for input of size 150528", "ournet.py", 13),
    "x = undefined": ("NameError: name 'undefined' is not defined", "ournet.py", 13),
    "x = x if x.sum() > 0 else -x": ("RuntimeError: Tensor.item() cannot be called on meta tensors", "ournet.py", 13),
}

# A module: a part of the message with file and line of the mistake, and a part of the hint ("" without a hint).
IMPORTS = {
    "import nonexistent": ("No module named 'nonexistent' ({}/ours.py, line 1)", "put it at {}/nonexistent.py"),
    "\nfrom nonexistent.part import x": ("named 'nonexistent' ({}/ours.py, line 2)", "put it at {}/nonexistent.py"),
    "import second": ("No module named 'nonexistent' ({}/second.py, line 3)", f"{sys.executable} -m pip install ..."),
    "import torch.nonexistent": ("'torch.nonexistent' ({}/ours.py, line 1)", "not a part of it: correct the import"),
    "from torch import Nonexistent": ("cannot import name 'Nonexistent' from 'torch'", ""),
    "from .second import x": ("no known parent package ({}/ours.py, line 1)", "by its name, without a dot"),
    "x = 1\nx = x / 0": ("ZeroDivisionError: division by zero ({}/ours.py, line 2)", ""),
    "import crooked": ("SyntaxError: invalid syntax ({}/crooked.py, line 2)", ""),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    for name in ("ournet", "ours", "parts", "second", "crooked"):  # in case another test has left one
        sys.modules.pop(name, None)
    before = set(sys.modules)
    sites.cache_clear()
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    sites.cache_clear()


@pytest.mark.parametrize("line", FORWARD)
def test_a_mistake_in_the_forward_pass_is_named_with_its_line(folder, line):
    (folder / "ournet.py").write_text(NET.replace("{line}", line))
    (folder / "parts.py").write_text(PARTS)
    with pytest.raises(UserError) as caught:
        sites("ournet:net@conv")
    what, file, number = FORWARD[line]
    assert caught.value.message.endswith(f"{what} ({folder / file}, line {number})")
    assert ("meta device" in caught.value.hint) == ("meta" in what)


@pytest.mark.parametrize("source", IMPORTS)
def test_a_module_that_cannot_be_imported_is_named_with_its_line(folder, source):
    (folder / "ours.py").write_text(source + "\n")
    (folder / "second.py").write_text("x = 1\n\nimport nonexistent\n")
    (folder / "crooked.py").write_text("\ndef f(:\n")
    with pytest.raises(UserError) as caught:
        user_code.function("ours:f", key="evaluate", hint=HINT)
    message, hint = IMPORTS[source]
    assert message.format(folder) in caught.value.message
    assert hint.format(folder) in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


@pytest.mark.parametrize("target", ["nowhere:f", "nowhere.part:f", "ours.part:f"])
def test_a_target_that_is_not_there_gets_the_hint_of_its_key(folder, target):
    (folder / "ours.py").write_text("f = print\n")
    with pytest.raises(UserError) as caught:
        user_code.function(target, key="evaluate", hint=HINT)
    assert caught.value.hint == HINT
    assert "line" not in caught.value.message


def test_the_line_of_installed_code_is_named_if_it_is_the_users_function():
    with pytest.raises(TypeError) as caught:
        Path("x").joinpath(3)
    error = caught.value
    assert user_code.placed(error).endswith(f"({__file__}, line {caught.tb.tb_lineno})")
    error.__traceback__ = caught.tb.tb_next
    assert user_code.placed(error).startswith("TypeError")
    assert "line" not in user_code.placed(error)
    file = user_code.file_of(Path.joinpath)
    assert f"({file}, line " in user_code.placed(error, [file])


class Silent(Exception):
    def __str__(self):
        raise ValueError("no text")


def test_an_exception_whose_text_cannot_be_read_is_named():
    told = "Silent: (its message cannot be read: its __str__ raised ValueError)"
    assert user_code.named(Silent()) == told
    said = r"mine:net failed with Silent: .*ValueError\) \(.*test_user_code.py, line \d+\)"
    with pytest.raises(UserError, match=said), user_code.blamed("mine:net", key="model.backbone"):
        raise Silent


def test_an_exception_that_passed_no_line_of_the_users_is_not_blamed_on_it():
    ours = "with blamed('mine:net', key='model.backbone'): math.sqrt(-1)"
    with pytest.raises(ValueError, match="math domain"):
        exec(ours, {"blamed": user_code.blamed, "math": math})


def test_a_folder_that_is_named_from_here_is_the_same_after_a_change_of_folder(folder, monkeypatch):
    """Python remembers where "." was when it first looked there."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "ours.py").write_text(f"def f():\n    return {name!r}\n")
    monkeypatch.chdir(folder / "one")
    user_code.look_in(".")
    assert "." not in sys.path
    monkeypatch.chdir(folder / "two")
    assert user_code.function("ours:f", key="evaluate", hint=HINT)() == "one"
