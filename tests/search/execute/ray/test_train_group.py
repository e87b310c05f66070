"""`senet-search train --devices 2`: two real processes of Ray Train. What they compute is tested without Ray, in
`tests/senet_nas/test_distributed.py`; here it is that they are started, heard, lost and gone on with.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from spaces import UserError

ROOT = Path(__file__).parents[4]
KEY = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/-"
CONFIG = """
data: {dataset: digits, train: 300, validation: 100}
model: {backbone: cifar_resnet8}
train: {epochs: 4, batch_size: 100, ema: 0.5}
resources: {device: cpu}
latency: {seconds: 0.05}
tracking: {uri: "http://127.0.0.1:9"}
"""
COMMAND = [
    sys.executable,
    "-c",
    "from search.cli.app import main; main()",
    "train",
    KEY,
    "--config",
    "full.yaml",
    "--no-onnx",
]
# Imported by every process as it starts: every epoch leaves a checkpoint, which else only every tenth second does.
ALWAYS = "from senet_nas.training import checkpoint\ncheckpoint.CHECKPOINT_SECONDS = 0\n"

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(sys.platform != "linux", reason="loopback by its name"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPU cores"),
]


@pytest.fixture
def command(tmp_path):
    (tmp_path / "full.yaml").write_text(CONFIG)
    (tmp_path / "sitecustomize.py").write_text(ALWAYS)

    def run(*arguments, failpoint=""):
        return subprocess.run([*COMMAND, *arguments], **place(tmp_path, failpoint), capture_output=True, check=False)

    return run


def place(folder, failpoint=""):
    """Where a command runs, and how its processes are known by their environment."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    known = {"SENET_FAILPOINT": failpoint, "SENET_MARK": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return {"cwd": folder, "env": {**os.environ, **known}, "text": True}


def processes(folder):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"SENET_MARK={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # ended, or another user's
    return [line for line in found if line]  # a zombie has no command line


def epochs(folder):
    return [row["epoch"] for row in csv.DictReader((folder / "training.csv").open())]


def test_two_processes_train_as_one_and_their_number_is_remembered(command, tmp_path):
    trained = command("--to", "both", "--devices", "2", "--json")
    assert trained.returncode == 0, trained.stderr
    assert "4 epochs on 2 devices (cpu)" in trained.stderr
    assert epochs(tmp_path / "both") == ["1", "2", "3", "4"]
    told = json.loads(trained.stdout)
    assert set(told["test"]) == {"8"}
    assert (tmp_path / "both" / "network" / "manifest.json").exists()
    assert not list((tmp_path / "both").glob("checkpoint*"))
    assert not processes(tmp_path)
    other = command("--to", "both", "--devices", "1")
    assert other.returncode == 2
    assert "devices: was 2, is 1" in other.stderr


class Failed(Exception):
    """As Ray Train raises it: what each process raised (wrapped), or that it is gone."""

    def __init__(self, *failures):
        self.worker_failures = dict(enumerate(failures))


class Wrapped(Exception):
    def __init__(self, cause):
        self._base_exc = cause


def test_ray_train_still_keeps_the_exception_of_a_worker_under_the_name_that_is_read():
    """It has no public name. The class is Ray's own, so this fails when the name changes."""
    from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

    from search.execute.ray.train_group import _explained

    failure = UserExceptionWithTraceback(TypeError("ours"), "traceback")
    assert type(_explained(Failed(failure), 2)) is RuntimeError


@pytest.mark.parametrize(
    ("failures", "kind", "text"),
    [
        (
            [Wrapped(RuntimeError("[gloo] Connection closed by peer")), Exception("died")],
            UserError,
            r"word \(number 1\)",
        ),
        ([Wrapped(RuntimeError("NCCL error")), Wrapped(RuntimeError("NCCL error"))], UserError, r"number \?"),
        ([Wrapped(TypeError("ours")), Wrapped(RuntimeError("Connection closed by peer"))], RuntimeError, ""),
        ([], RuntimeError, ""),
    ],
)
def test_a_lost_process_is_told_from_a_mistake_of_ours(failures, kind, text):
    from search.execute.ray.train_group import _explained

    error = _explained(Failed(*failures), 2)
    assert type(error) is kind
    assert re.search(text, str(error))


def test_a_gpu_that_is_too_small_for_its_part_is_told():
    from search.execute.ray.train_group import _for_people

    found = _for_people(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 100, 4)
    assert isinstance(found, UserError)
    assert "25 of 100 images" in found.message
    assert found.hint == "add --set train.batch_size=48, or use more devices"
    assert _for_people(RuntimeError("shapes"), 100, 4) is None
    disk = OSError(28, "full")
    assert _for_people(disk, 100, 4) is disk


@pytest.mark.slow
def test_a_lost_process_is_told_and_the_same_command_goes_on_from_the_checkpoint(command, tmp_path):
    """The first process is killed when it has made its second checkpoint durable."""
    lost = command("--to", "part", "--devices", "2", failpoint="after_checkpoint.json:2")
    assert lost.returncode == 4, lost.stderr
    assert "one of the 2 processes of the training ended without a word" in lost.stderr
    assert "type the same command again" in lost.stderr
    assert "Traceback" not in lost.stderr
    assert not (tmp_path / "part" / "network").exists()
    again = command("--to", "part", "--devices", "2")
    assert again.returncode == 0, again.stderr
    assert "4 epochs on 2 devices (cpu), 2 are done" in again.stderr
    assert epochs(tmp_path / "part") == ["1", "2", "3", "4"]


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_weights(command, tmp_path):
    whole = command("--to", "whole", "--devices", "2")
    assert whole.returncode == 0, whole.stderr
    # Our own process this time, when it has noted the second epoch: nobody is left to tell.
    assert command("--to", "part", "--devices", "2", failpoint="after_training.csv:2").returncode == -9
    again = command("--to", "part", "--devices", "2")
    assert again.returncode == 0, again.stderr
    assert re.search(r"(is|are) done", again.stderr)
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "part"))
    assert all((one[name] == other[name]).all() for name in one)
    assert epochs(tmp_path / "part") == ["1", "2", "3", "4"]


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_the_same_command_goes_on(command, tmp_path):
    long = ("--to", "part", "--devices", "2", "--set", "train.epochs=100")
    running = subprocess.Popen([*COMMAND, *long], **place(tmp_path), stderr=subprocess.PIPE)
    for line in running.stderr:
        if line.startswith("epoch   3/100"):
            assert len(processes(tmp_path)) > 2
            running.send_signal(signal.SIGINT)
        last = line
    assert running.wait() == 130
    assert "type the same command again to continue" in last
    deadline = time.monotonic() + 20
    while left := processes(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    again = command(*long)
    assert again.returncode == 0, again.stderr
    assert re.search(r"(is|are) done", again.stderr)
    assert len(epochs(tmp_path / "part")) == 100


@pytest.mark.slow
def test_what_a_person_can_mend_is_told_as_by_one_process(command):
    diverged = command("--to", "wild", "--devices", "2", "--set", "train.lr=100", "--set", "train.weight_decay=1.0")
    assert diverged.returncode == 3, diverged.stderr
    assert "try a lower train.lr" in diverged.stderr
    assert "Traceback" not in diverged.stderr
