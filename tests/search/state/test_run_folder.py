import subprocess
import sys

import pytest

from search.state import run_folder as folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces import UserError


def make(path):
    run = RunFolder(path)
    run.create()
    Ledger(run.ledger).close()
    return run


def test_a_run_is_found_by_name_and_by_path(tmp_path):
    run = make(tmp_path / "digits")
    assert folder.find("digits", tmp_path) == run
    assert folder.find(str(tmp_path / "digits"), tmp_path / "elsewhere") == run
    assert folder.names(tmp_path) == ["digits"]


def test_an_unknown_run_names_the_nearest(tmp_path):
    make(tmp_path / "digits")
    with pytest.raises(UserError) as caught:
        folder.find("digit", tmp_path)
    assert "did you mean `digits`?" in caught.value.hint
    with pytest.raises(UserError, match="holds no run yet"):
        folder.find("digits", tmp_path / "empty")


def test_a_fresh_name_counts_on(tmp_path):
    assert folder.fresh("digits", tmp_path).name == "digits"
    make(tmp_path / "digits")
    make(tmp_path / "digits-2")
    assert folder.fresh("digits", tmp_path).name == "digits-3"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="not empty"):
        RunFolder(tmp_path / "mine").create()


def test_one_driver_at_a_time_and_the_lock_dies_with_its_process(tmp_path):
    run = make(tmp_path / "digits")
    with run.lock(), pytest.raises(UserError) as caught, run.lock():
        pass
    assert caught.value.code == 4
    assert '"pid"' in caught.value.message
    program = (
        "import os; from pathlib import Path; from search.state.run_folder import RunFolder\n"
        f"with RunFolder(Path({str(run.path)!r})).lock(): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    with run.lock():
        pass
