"""The folder for Ray's temporary files; a process removes it with all that Ray started, even after a SIGKILL."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.execute.ray import reaper
from spaces import scratch

PREFIX = "senet-"
# A socket's path may have 107 bytes, and Ray's own names take about 75 of them.
LONGEST_PARENT = 16


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is removed with this process. Folders that killed processes left are removed first."""
    where = short_parent()
    scratch.sweep(PREFIX, where)
    folder, lock = scratch.create(PREFIX, where)
    try:
        with lock, _reaped(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def short_parent() -> str:
    """The folder for temporary files, or /tmp if its path is too long."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > LONGEST_PARENT and Path("/tmp").is_dir() else usual


@contextmanager
def _reaped(folder: Path) -> Iterator[None]:
    """Ends with this process what is started in here, even if this process is killed."""
    command = [sys.executable, "-I", reaper.__file__, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[reaper.VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(reaper.VARIABLE, None)
        process.communicate()  # closes the pipe, which the reaper waits for
