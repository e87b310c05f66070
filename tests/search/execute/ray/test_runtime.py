"""Ray as we start it. The search through Ray is tested in test_cli.py, by the commands."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.cli.check import examine as check
from search.config import Experiment
from search.execute.ray import cluster, reaper, scratch_folder
from senet_nas.recipe import Report
from spaces import UserError

LISTENING = """
import json, os, pathlib, socket, struct
from search.execute.ray.runtime import running
from search.execute.ray.resources import Slots
from search.execute.signals import Signals

def descendants(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from descendants(int(child))

def sockets(pid):
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]

def listening():
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                yield words[9], words[1].split(":")[0]

with running(Slots(1, 1), Signals()) as scratch:
    mine = {inode for pid in (os.getpid(), *descendants(os.getpid())) for inode in sockets(pid)}
    addresses = [address for inode, address in listening() if inode in mine]
print(json.dumps([addresses, list(descendants(os.getpid())), scratch.exists()]))
"""
# 127.0.0.1, ::1 and ::ffff:127.0.0.1 as /proc writes them on a little-endian machine.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def python(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ray_listens_on_this_computer_only_its_token_is_private_and_it_leaves_nothing(tmp_path):
    found = python(LISTENING, HOME=str(tmp_path))
    assert found.returncode == 0, found.stderr
    addresses, children, left = json.loads(found.stdout.splitlines()[-1])
    assert addresses, "nothing listens, so nothing was tested"
    assert set(addresses) <= LOOPBACK
    assert children == []
    assert not left
    token = tmp_path / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700


def test_a_token_that_others_could_read_is_closed(tmp_path):
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    token.chmod(0o644)
    assert (
        python("from search.execute.ray import auth_token; auth_token.make_private()", HOME=str(tmp_path)).returncode
        == 0
    )
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text() == "secret"


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    program = """
from search.execute.ray import auth_token
from spaces import UserError
try:
    auth_token.make_private()
except UserError as error:
    print(error.code, error.message, error.hint)
"""
    found = python(program, HOME=str(tmp_path / "file"))
    assert found.stdout.startswith("4 cannot write")
    assert "HOME" in found.stdout


def test_scratch_that_a_killed_driver_left_goes_and_that_of_a_living_one_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch_folder, "short_parent", lambda: str(tmp_path))
    left, strange = tmp_path / "senet-left", tmp_path / "senet-strange"
    for folder in (left, strange):
        folder.mkdir()
    (left / "lock").touch()
    with scratch_folder.scratch_folder() as living:
        assert not left.exists()
        with scratch_folder.scratch_folder() as another:
            assert living.exists()
            assert another != living
    assert [path.name for path in tmp_path.iterdir()] == ["senet-strange"]  # without a lock it is none of ours


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_killed_driver_started_ends_and_its_scratch_goes(tmp_path):
    program = """
import os, signal, subprocess, sys
from pathlib import Path
from search.execute.ray import scratch_folder
scratch_folder.short_parent = lambda: sys.argv[1]
with scratch_folder.scratch_folder() as scratch:
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(scratch, flush=True)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
print("lives on", flush=True)
"""
    for how in ("killed", "ended"):  # the call returns when nobody holds its output any more
        found = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), how], capture_output=True, text=True, check=False
        )
        scratch, *rest = found.stdout.splitlines()
        assert rest == (["lives on"] if how == "ended" else [])
        deadline = time.monotonic() + 15
        while Path(scratch).exists() or list(reaper.left(scratch)):
            assert time.monotonic() < deadline, how
            time.sleep(0.05)


def test_an_epoch_at_which_a_training_may_be_stopped_is_told_at_once(tmp_path):
    """However short epochs are. Others are told together."""
    from search.execute.ray.tune_slot import Slot

    def evaluate(architecture, seed, *, weights=None, checkpoint=None):
        for epoch in range(1, 10):
            yield Report(epoch, {"val_accuracy": 90.0 + epoch}, done=epoch == 9)

    evaluate.prepare = lambda: None
    slot = object.__new__(Slot)
    config = {
        "uid": "u",
        "number": 0,
        "architecture": "net/-",
        "seed": "0.0",
        "params": 1.0,
        "keep_weights": False,
        "barred": [],
    }
    slot.setup(config, evaluate=evaluate, trainings=tmp_path, access=None, rungs=(1, 3))
    steps = [slot.step() for _ in range(3)]
    assert [step.get("epoch") for step in steps] == [1, 3, None]
    assert "outcome" in steps[2]


def test_where_no_cluster_answers_it_is_told_and_where_one_does_nothing_is():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster.answering(f"127.0.0.1:{port}", 0)
    for address in (f"127.0.0.1:{port}", "no.such.host.invalid:6379", "127.0.0.1:99999"):
        with pytest.raises(UserError, match="no Ray cluster answers at") as caught:
            cluster.answering(address, 0)
        assert caught.value.code == 4
    cluster.answering("auto", 0)  # Ray finds it itself


@pytest.mark.parametrize("ray", ["local", "auto"])
def test_an_address_that_ray_finds_itself_is_not_asked(ray):
    assert cluster.silent(ray) is None


def test_a_name_that_is_none_is_told_as_one_that_is_not_known():
    assert str(cluster.silent("a..b:6379"))


def test_check_warns_of_a_cluster_that_does_not_answer_and_goes_on(tmp_path):
    """It may be started later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert checked(address, tmp_path).silent_cluster == ""
    found = checked(address, tmp_path)
    (line,) = [line for line in found.lines() if "no Ray cluster" in line]
    assert line.startswith(f"caution   no Ray cluster answers at {address} yet: ")
    assert "start its head" in line
    assert found.to_dict()["silent_cluster"] in line


def checked(address, tmp_path):
    (tmp_path / "never_answered.py").write_text("def accuracy(architecture, seed):\n    return 90.0\n")
    path = tmp_path / "config.yaml"
    path.write_text("evaluate: python:never_answered:accuracy\ndata: digits\nmodel: {backbone: cifar_resnet8}\n")
    return check(Experiment.load(path, [f"resources.ray={address}"]))


def test_what_ray_runs_at_exit_can_be_taken_back():
    """A cluster whose head is gone is left without waiting: Ray's handler must be the function that it hands out."""
    program = """
import atexit
registered = []
register = atexit.register
atexit.register = lambda function, *given, **named: registered.append(function) or register(function, *given, **named)
import ray
print(sum(function == ray.shutdown for function in registered))
"""
    assert python(program).stdout.split() == ["1"]
