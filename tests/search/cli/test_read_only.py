"""A run on a read-only medium: what can be read is printed, what cannot be written is said, and nothing is an internal
error. The medium is a read-only mount, because root may write into a folder whatever its mode is."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from search.track.sync import sync

FIXTURES = Path(__file__).parents[1] / "fixtures" / "old_runs"
# Runs commands in one process, and prints of each the exit status and all that it printed.
DRIVER = """
import contextlib, io, json, sys
from search.cli import app
for argv in json.loads(sys.argv[1]):
    sys.argv = ["senet-search", *argv]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = app.exit_status()
    print(json.dumps([code, out.getvalue()]))
"""
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'
SPACE = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
COMMANDS = {
    "status": ["status", "digits"],
    "status of all": ["status"],
    "report": ["report", "digits"],
    "report of a run that was stopped": ["report", "stopped"],
    "compare": ["compare", "digits", "stopped"],
    "doctor": ["doctor", "stopped"],
    "show": ["show", "cifar_resnet8"],
    "sync": ["sync", "digits"],
    "run": ["run", "runs/digits/config.yaml", "-q"],
    "extension": ["run", "runs/digits/config.yaml", "--trainings", "+4", "-q"],
    "another run": ["run", "runs/digits/config.yaml", "--new", "-q"],
}


def can_mount():
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*SPACE, "sh", "-c", MOUNT, "/tmp", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """By command: its exit status and what it printed."""
    if not can_mount():
        pytest.skip("needs the right to mount a folder read-only")
    folder = tmp_path_factory.mktemp("medium")
    for name in ("digits", "stopped"):
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
            archive.extractall(folder / "runs", filter="data")
    sync("stopped", folder / "runs")
    command = [sys.executable, "-c", DRIVER, json.dumps(list(COMMANDS.values()))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [*SPACE, "sh", "-c", MOUNT, str(folder), *command],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(COMMANDS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_an_internal_error(answers, command):
    _, text = answers[command]
    assert "internal error" not in text
    assert "Traceback" not in text
    assert "make room" not in text
    assert "move" not in text


@pytest.mark.parametrize("command", ["status", "status of all", "report", "compare", "show"])
def test_what_can_be_read_is_printed(answers, command):
    code, text = answers[command]
    assert code == 0, text


@pytest.mark.parametrize("command", ["report", "report of a run that was stopped", "compare"])
def test_what_was_not_written_is_said(answers, command):
    code, text = answers[command]
    assert code == 0
    assert "plain" in text
    (line,) = [line for line in text.splitlines() if "Read-only file system" in line]
    assert line.startswith("caution: ")


@pytest.mark.parametrize("command", ["report", "report of a run that was stopped"])
def test_no_file_is_named_that_was_not_written(answers, command):
    """The path of a report that was not written stood before the caution."""
    _, text = answers[command]
    assert "report.html" not in text
    assert "Next:" not in text  # most of it would write


def test_the_doctor_finds_a_healthy_store(answers):
    code, text = answers["doctor"]
    (line,) = [line for line in text.splitlines() if " I8 " in line]
    assert line.startswith("ok")
    assert code in (0, 4)  # the weights are not part of the fixture


@pytest.mark.parametrize("command", ["sync", "run", "extension"])
def test_what_must_write_says_that_the_medium_is_read_only(answers, command):
    code, text = answers[command]
    assert code == 4
    assert "is on a read-only medium" in text


def test_another_run_needs_another_folder(answers):
    code, text = answers["another run"]
    assert code == 4
    assert "Read-only file system" in text
    assert "--runs DIR" in text
