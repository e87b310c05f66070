"""Real Ray, troubled and killed. The trainings are scripted, so that only Ray takes its time."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from search.doctor.diagnosis import examine
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder

ROOT = Path(__file__).parents[4]
# As the installed command does, without the working directory in the path.
COMMAND = [sys.executable, "-P", "-c", "from search.cli.app import main; main()", "run", "config.yaml"]
SCRIPTED = """
import os, signal, threading, time
from pathlib import Path

HERE = Path(__file__).parent

def steady(architecture, seed):
    with (HERE / "executed.txt").open("a") as log:
        log.write(f"{architecture} {seed}\\n")
    for epoch in range(10):
        time.sleep(0.05)
        base = float(Path("relative.txt").read_text())
        yield {"val_accuracy": base + len(str(architecture)) % 7 / 7 + seed.replicate / 10}

def troubled(architecture, seed):
    trouble = "" if architecture.is_plain else one_of_each(str(architecture))
    if trouble == "memory":
        raise MemoryError("9 GB")
    if trouble == "hang":
        threading.Event().wait()
    if trouble == "killed" and not (HERE / "again").exists():
        (HERE / "again").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return float("nan") if trouble == "nan" else 90 + seed.replicate / 10

def one_of_each(architecture):
    for name in ("nan", "memory", "hang", "killed"):
        try:
            (HERE / name).open("x").write(architecture)
            return name
        except FileExistsError:
            if (HERE / name).read_text() == architecture:
                return name
    return ""
"""


# Files of the user that are called like modules of ours and of others: they change nothing, in workers either.
NAMES = [
    f"{name}.py" for name in ("search", "spaces", "senet_nas", "numpy", "ray", "torch", "yaml", "optuna", "mlflow")
]


class Scripted:
    """A run of scripted trainings; every process of it is known by a mark in its environment."""

    def __init__(self, path, function, trainings):
        self.path, self.place, self.mark = path, RunFolder(path / "runs" / "run"), uuid.uuid4().hex
        self.said: list[str] = []
        (path / "scripted.py").write_text(SCRIPTED)
        (path / "relative.txt").write_text("90")
        for name in NAMES:
            (path / name).write_text("raise RuntimeError('a file of the user replaced an installed module')\n")
        (path / "config.yaml").write_text(
            f"name: run\ndata: digits\nmodel: {{backbone: cifar_resnet8}}\nbudget: {{trainings: {trainings}}}\n"
            f"evaluate: python:scripted:{function}\nresources: {{patience: 3s}}\n"
        )

    def go(self, until, kill):
        """Types the command, kills it when ``until`` says of what it has said so far, and returns the exit status."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SENET_MARK": self.mark}
        process = subprocess.Popen(
            COMMAND, cwd=self.path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.said = []
        for line in process.stderr:
            self.said.append(line)
            if kill is not None and until(self.said):
                os.kill(process.pid, kill)
                kill = None
        return process.wait()

    def whole(self):
        return self.go(lambda said: False, None)

    def assert_nothing_runs(self, within):
        deadline = time.monotonic() + within
        while left := self._processes():
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.1)

    def _processes(self):
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue  # ended, or another user's
        return [command for command in found if command]  # a zombie has no command line

    def ledger(self):
        return Ledger(self.place.ledger, read_only=True)


def starting(said):
    return any("starting" in line for line in said)


def results(count):
    return lambda said: sum("%" in line and "/" in line for line in said) >= count


pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def test_each_kind_of_failure_has_its_reason_everywhere_and_the_search_goes_on(tmp_path):
    run = Scripted(tmp_path, "troubled", 12)
    assert run.whole() == 0, "".join(run.said)
    run.assert_nothing_runs(within=5)
    trainings = run.ledger().trainings
    failed = {t.reason: t.attempts for t in trainings if t.state == "failed"}
    assert failed == {"not a number: val_accuracy": 1, "out of memory": 2, "hang": 2}
    assert sorted(t.attempts for t in trainings if t.state == "finished") == [1] * 11 + [2]
    assert "in troubled" in next(t.detail for t in trainings if t.reason == "hang")
    said, page = "".join(run.said), run.place.report.read_text()
    for reason in failed:
        assert f"FAILED: {reason}" in said
        assert reason in page
    assert "starts again: worker died" in said
    assert "resources.patience" in said
    assert "resources.patience" in page
    assert examine(run.place) == []  # MLflow says the same: I8
    assert in_mlflow(tmp_path / "runs") == Counter((t.state.upper(), t.reason) for t in trainings)


def in_mlflow(runs):
    """How often MLflow has each status, with its reason."""
    from search.track.client import connect

    client = connect(f"sqlite:///{runs / 'mlflow.db'}", runs)
    experiment = client.get_experiment_by_name("run").experiment_id
    children = client.search_runs([experiment], "tags.`senet.kind` = 'training'")
    return Counter((child.info.status, child.data.tags.get("senet.reason", "")) for child in children)


def killed_at_random(path, kills, seed):
    """Ended while Ray starts, killed so many times, then left alone: nothing is lost, nothing is left."""
    rng, run = random.Random(seed), Scripted(path, "steady", 12 + 6 * kills)
    assert run.go(starting, signal.SIGTERM) == 128 + signal.SIGTERM
    assert "type the same command again to continue" in "".join(run.said)
    run.assert_nothing_runs(within=5)
    kept = {}
    for _ in range(kills):
        until = starting if rng.random() < 0.2 else results(rng.randint(1, 6))
        assert run.go(until, signal.SIGKILL) == -signal.SIGKILL, "".join(run.said)
        run.assert_nothing_runs(within=15)
        finished = {t.uid: dict(t.metrics) for t in run.ledger().trainings if t.state == "finished"}
        assert kept.items() <= finished.items()
        kept = finished
    assert run.whole() == 0, "".join(run.said)
    trainings = run.ledger().trainings
    assert kept.items() <= {t.uid: dict(t.metrics) for t in trainings}.items()
    assert Counter(t.state for t in trainings) == {"finished": 12 + 6 * kills}
    executed = len((path / "executed.txt").read_text().splitlines())
    assert executed <= 12 + 6 * kills + kills * len(os.sched_getaffinity(0))
    assert examine(run.place) == []


def test_killed_once_nothing_is_lost_and_nothing_is_left(tmp_path):
    killed_at_random(tmp_path, kills=1, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_killed_ten_times_nothing_is_lost_and_nothing_is_left(tmp_path, seed):
    killed_at_random(tmp_path, kills=10, seed=seed)
