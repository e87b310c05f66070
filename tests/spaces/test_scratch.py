"""Scratch folders: those in use stay, those of processes that ended are removed."""

import os
import subprocess
import sys
from pathlib import Path

from spaces import scratch


def test_a_folder_stays_while_its_lock_is_held(tmp_path: Path) -> None:
    folder, lock = scratch.create("mine-", tmp_path)
    scratch.sweep("mine-", tmp_path)
    assert [path.name for path in folder.iterdir()] == [scratch.LOCK]
    lock.close()
    scratch.sweep("mine-", tmp_path)
    assert not folder.exists()


def test_only_folders_of_the_prefix_are_swept_and_one_can_be_spared(tmp_path: Path) -> None:
    folders = {}
    for prefix in ("mine-", "mine-", "other-"):
        folder, lock = scratch.create(prefix, tmp_path)
        lock.close()
        folders[folder] = prefix
    spared = next(folder for folder, prefix in folders.items() if prefix == "mine-")
    scratch.sweep("mine-", tmp_path, but=spared)
    assert {folder for folder in folders if folder.exists()} == {
        spared,
        *(folder for folder, prefix in folders.items() if prefix == "other-"),
    }


def test_the_folder_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from spaces import scratch\n"
        "folder, lock = scratch.create('mine-', sys.argv[1])\n"
        "(folder / 'content').mkdir()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=os.environ, check=False)
    assert ended.returncode == -9
    assert [path.name.startswith("mine-") for path in tmp_path.iterdir()] == [True]
    scratch.sweep("mine-", tmp_path)
    assert not list(tmp_path.iterdir())
