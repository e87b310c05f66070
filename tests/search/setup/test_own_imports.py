"""The modules of the user's that a module imports are found in its source, whichever way it imports them."""

import sys

import pytest

from search.setup.own_imports import own_imports
from senet_nas import user_code

FILES = {
    "top.py": "import torch, numpy.linalg\nfrom pack.inner import x\nimport side as s",
    "side.py": "def f():\n    import late\n    from importlib import import_module\n    import_module('named')",
    "late.py": "import top  # a circle",
    "named.py": "from no.such import thing\nimport no_such_module",
    "pack/__init__.py": "",
    "pack/inner.py": "from . import twin\nfrom .deep.leaf import y\nfrom .twin import *",
    "pack/twin.py": "from .. import beyond",
    "pack/deep/__init__.py": "from ..broken import z",
    "pack/deep/leaf.py": "from ..inner import x",
    "pack/broken.py": "def (",
    "pack/unused.py": "",
    "data/part.py": "",
    "space.py": "from data import part\nimport data.part",
}
TOP = ["late", "named", "pack", "pack.broken", "pack.deep", "pack.deep.leaf", "pack.inner", "pack.twin", "side"]
FOUND = {
    "top": TOP,
    "side": ["late", "named", *TOP[2:8], "top"],
    "pack.deep.leaf": ["pack", "pack.broken", "pack.deep", "pack.inner", "pack.twin"],
    "space": ["data.part"],
    "late": [*TOP[1:], "top"],
    "torch": [],
    "no_such_module": [],
}


@pytest.mark.parametrize("module", FOUND)
def test_modules_of_the_users_are_found_and_none_is_imported(tmp_path, monkeypatch, module):
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    user_code.look_in(tmp_path)
    before = set(sys.modules)
    found = own_imports(module)
    assert list(found) == FOUND[module]
    assert all(path.is_relative_to(tmp_path) for path in found.values())
    assert not {"top", "pack", "side", "data"} & (set(sys.modules) - before)
