import errno
import json
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from search.state import run_folder
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces import UserError, failpoints


def make(path):
    run = RunFolder(path)
    run.create()
    Ledger(run.ledger).close()
    return run


def test_a_run_is_found_by_name_and_by_path(tmp_path):
    run = make(tmp_path / "digits")
    assert run_folder.find("digits", tmp_path) == run
    assert run_folder.find(str(tmp_path / "digits"), tmp_path / "elsewhere") == run
    assert run_folder.names(tmp_path) == ["digits"]


def test_an_unknown_run_names_the_nearest(tmp_path):
    make(tmp_path / "digits")
    with pytest.raises(UserError) as caught:
        run_folder.find("digit", tmp_path)
    assert "did you mean `digits`?" in caught.value.hint
    with pytest.raises(UserError, match="holds no run yet"):
        run_folder.find("digits", tmp_path / "empty")


def test_a_fresh_name_counts_on(tmp_path):
    assert run_folder.fresh("digits", tmp_path).name == "digits"
    make(tmp_path / "digits")
    make(tmp_path / "digits-2")
    assert run_folder.fresh("digits", tmp_path).name == "digits-3"


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


# -- paths, names and commands ----------------------------------------------------------------------------------------


def test_the_files_of_a_run_have_the_names_that_they_always_had(tmp_path):
    run = RunFolder(tmp_path / "digits")
    names = [run.config, run.ledger, run.trainings, run.report, run.status, run.log, run.export]
    assert [path.relative_to(run.path).as_posix() for path in names] == [
        "config.yaml",
        "ledger.sqlite",
        "trainings",
        "report.html",
        "status.json",
        "driver.log",
        "export",
    ]
    assert run.name == "digits"
    assert not run.exists
    assert make(run.path).exists


def test_runs_are_listed_the_latest_first(tmp_path):
    assert run_folder.names(tmp_path / "none") == []
    for name, changed in (("b", 100), ("a", 100), ("c", 200)):
        run = make(tmp_path / name)
        os.utime(run.ledger, (changed, changed))
    (tmp_path / "no run").mkdir()
    assert run_folder.names(tmp_path) == ["c", "a", "b"]
    with pytest.raises(UserError, match=f"no run `x`; {tmp_path} holds c, a, b") as caught:
        run_folder.find("x", tmp_path)
    assert caught.value.hint == ""
    with pytest.raises(UserError) as caught:
        run_folder.find("lates", tmp_path, or_else=["latest"])
    assert caught.value.hint == "did you mean `latest`?"


def test_a_command_names_what_it_needs_and_no_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    usual = make(tmp_path / "runs" / "digits")
    assert run_folder.option(Path("runs")) == ""
    assert run_folder.command(usual, "digits") == "senet-search run runs/digits/config.yaml"
    longer = "--trainings +8"
    assert run_folder.command(usual, "other", longer) == (
        "senet-search run runs/digits/config.yaml --set name=digits --trainings +8"
    )
    second = make(tmp_path / "runs" / "digits-2")
    assert run_folder.another(second) == "senet-search run runs/digits-2/config.yaml --new"
    elsewhere = make(tmp_path / "my runs" / "digits")
    assert run_folder.option(tmp_path / "my runs") == " --runs 'my runs'"
    assert run_folder.command(elsewhere, "digits") == "senet-search run 'my runs/digits/config.yaml' --runs 'my runs'"
    monkeypatch.chdir(elsewhere.path)
    assert run_folder.shown(tmp_path / "x") == str(tmp_path / "x")
    assert run_folder.shown(elsewhere.path / "x") == "x"


def test_a_folder_that_cannot_be_made_is_named_with_the_way_out(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot create .*: Not a directory") as caught:
        run_folder.make(tmp_path / "file" / "x", hint="try --runs DIR")
    assert (caught.value.hint, caught.value.code) == ("try --runs DIR", 4)


def test_a_file_of_an_option_is_written_or_the_option_is_named(tmp_path):
    path = tmp_path / "out.json"
    run_folder.write(path, b"1", option="--out")
    run_folder.write(path, b"2", option="--out")
    assert path.read_bytes() == b"2"
    with pytest.raises(UserError, match="is a folder, not a file") as caught:
        run_folder.write(tmp_path, b"", option="--out")
    assert (caught.value.hint, caught.value.code) == ("choose another place with --out FILE", 2)
    with pytest.raises(UserError, match="there is no folder") as caught:
        run_folder.write(tmp_path / "none" / "x", b"", option="--out")
    assert caught.value.hint == "make it first, or choose another place with --out FILE"
    failpoints.arm("before_full:1:full")
    try:
        with pytest.raises(UserError, match="cannot write .*: No space left") as caught:
            run_folder.write(tmp_path / "full", b"", option="--out")
    finally:
        failpoints.arm("")
    assert caught.value.code == 4


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run_folder.write(tmp_path / "pipe", b"text", option="--out")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_full_disk_is_an_error_for_people_and_others_are_not(tmp_path):
    with pytest.raises(UserError, match="cannot write ledger: No space left") as caught, run_folder.writable(tmp_path):
        raise OSError(errno.ENOSPC, "No space left", "ledger")
    assert (caught.value.code, caught.value.hint) == (4, run_folder.MAKE_ROOM)
    with pytest.raises(UserError, match=f"cannot write {tmp_path}"), run_folder.writable(tmp_path):
        raise OSError(errno.EROFS, "Read-only")
    with pytest.raises(FileNotFoundError), run_folder.writable(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "none")


def test_the_lock_says_who_holds_the_run(tmp_path):
    run = make(tmp_path / "digits")
    assert (run.host, run.is_held) == ("", False)
    with run.lock():
        assert run.is_held
        held = json.loads((run.path / "lock").read_text())
        assert (held["pid"], held["host"]) == (os.getpid(), socket.gethostname())
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", held["since"])
        assert run.host == socket.gethostname()
    assert not run.is_held
    assert run.host == socket.gethostname()  # of the last driver
    (run.path / "lock").write_text("[")
    assert run.host == ""
    (run.path / "lock").write_text("x" * 500)
    with run.lock():
        assert json.loads((run.path / "lock").read_text())["pid"] == os.getpid()


def test_a_config_is_held_as_its_text(tmp_path):
    run = make(tmp_path / "digits")
    assert not run.holds("a: 1")
    run.config.write_text("a: 1")
    assert run.holds("a: 1")
    assert not run.holds("a: 2")


def test_an_empty_ledger_of_a_run_that_has_begun_is_refused(tmp_path):
    run = make(tmp_path / "digits")
    run.ledger.write_bytes(b"")
    run.check()
    (run.trainings / "u1").mkdir()
    with pytest.raises(UserError, match="is empty, but the run has begun") as caught:
        run.check()
    assert caught.value.code == 4
    (run.trainings / "u1").rmdir()
    run.config.write_text("a: 1")
    with pytest.raises(UserError, match="is empty, but the run has begun"):
        run.create()


def test_a_folder_that_a_kill_left_without_a_ledger_is_a_run_still(tmp_path):
    run = RunFolder(tmp_path / "digits")
    run.create()
    (run.path / "lock").write_text("")
    run.create()
    with pytest.raises(UserError, match="is not empty and is no run") as caught:
        (run.path / "notes.txt").write_text("")
        run.create()
    assert (caught.value.key, caught.value.code) == ("name", 4)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("a", True),
        ("A-1_b.c", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("-a", False),
        (".a", False),
        ("a b", False),
        ("", False),
    ],
)
def test_a_name_is_letters_digits_and_a_few_signs(name, fits):
    assert (run_folder.NAME.fullmatch(name) is not None) == fits
