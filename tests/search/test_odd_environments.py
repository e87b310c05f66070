"""A command ends with a documented exit status and without a traceback in whatever environment it is started."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.search.odd_environments import ENVIRONMENTS, put_foreign

OURS = Path(__file__).parents[2]
FIXTURE = Path(__file__).parent / "fixtures" / "old_runs" / "digits.tar.xz"
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()"]


def environment(odd, folder):
    variables = {**os.environ, "PYTHONPATH": str(OURS)}
    for name, value in odd.variables.items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value.replace("HERE", str(folder)).replace("{ours}", str(OURS))
    return variables


def started(odd):
    def before():
        if odd.before is not None:
            odd.before()
        for stream in odd.closed:
            os.close(stream)

    return before


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_command_ends_as_documented(tmp_path, name):
    odd = ENVIRONMENTS[name]
    folder = tmp_path / odd.folder
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(folder / "runs", filter="data")
    (folder / "foreign").mkdir()
    put_foreign(folder / "foreign")
    streams = {} if odd.closed else {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(
        [*COMMAND, *odd.command],
        cwd=folder,
        env=environment(odd, folder),
        preexec_fn=started(odd),
        check=False,
        timeout=120,
        **streams,
    )
    said = ((done.stdout or b"") + (done.stderr or b"")).decode(errors="replace")
    assert done.returncode in odd.codes, said
    assert "Traceback" not in said
    assert "internal error" not in said
