"""Killed anywhere, started again: nothing finished is lost, nothing is done twice, the end is the same."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from search.ledger import Ledger

DRIVER = Path(__file__).parent / "killable.py"
TRAININGS = 24
LEDGER = ("enter", "plan", "running", "waiting", "finished", "note")
POINTS = [
    "after_lock", "before_recover", "within_recover", "after_recover", "after_ask", "before_tell", "after_tell",
    "after_project", *(f"{when}_{what}" for what in LEDGER for when in ("before", "within", "after")),
    *(f"{when}_{name}" for name in ("result.json", "front.json") for when in ("before", "within", "after")),
]  # fmt: skip
# Places that only a second session comes to: an interrupted training waits again, a result on disk is adopted.
ONLY_ON_RESUME = ("before_waiting", "within_waiting", "after_waiting", "within_recover")


def drive(folder, *, kill="", sampler="tpe", check=True):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SENET_FAILPOINT": kill}
    command = [sys.executable, str(DRIVER), str(folder), str(TRAININGS), sampler]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.returncode


def contents(folder):
    """What must not depend on interruptions: every training with its seed and its result, and the front."""
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    rows = [
        (t.architecture, str(t.seed), t.role, t.state, t.metrics["val_accuracy"], t.correct) for t in ledger.trainings
    ]
    points = json.loads((folder / "front.json").read_text())["points"]
    for point in points:
        del point["logged"]  # seconds differ
    return rows, [entry.key for entry in ledger.entries], points


def check(folder, expected, kills):
    """The invariants of a run that has ended after so many kills, one training at a time."""
    assert contents(folder) == expected
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    assert Counter(t.state for t in ledger.trainings) == {"finished": TRAININGS}
    assert [t.number for t in ledger.trainings] == list(range(TRAININGS))
    executed = Counter((folder / "executed.txt").read_text().split())
    assert set(executed) == {t.uid for t in ledger.trainings}
    assert executed.total() <= TRAININGS + kills
    assert not list(folder.rglob("*.tmp"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    drive(folder)
    return contents(folder)


@pytest.mark.parametrize("point", [p for p in POINTS if p not in ONLY_ON_RESUME])
def test_killed_at_a_named_point(tmp_path, expected, point):
    folder = tmp_path / "run"
    status = drive(folder, kill=point, check=False)
    assert status == -signal.SIGKILL, f"{point} was never reached"
    drive(folder)
    check(folder, expected, kills=1)


@pytest.mark.parametrize("point", ["after_lock", "before_waiting", "within_waiting", "after_waiting", "within_recover"])
def test_killed_again_while_it_recovers(tmp_path, expected, point):
    folder = tmp_path / "run"
    assert drive(folder, kill="after_running:9", check=False) == -signal.SIGKILL
    assert drive(folder, kill=point, check=False) == -signal.SIGKILL
    drive(folder)
    check(folder, expected, kills=2)


@pytest.mark.parametrize("number", range(4))
def test_killed_five_times_at_random_points(tmp_path, expected, number):
    rng = random.Random(number)
    folder = tmp_path / "run"
    kills = 0
    for _ in range(5):
        point = f"{rng.choice(POINTS)}:{rng.randint(1, 8)}"
        kills += drive(folder, kill=point, check=False) == -signal.SIGKILL
    drive(folder)
    assert kills >= 1
    check(folder, expected, kills)


def test_a_result_that_was_durable_is_adopted_not_trained_again(tmp_path, expected):
    folder = tmp_path / "run"
    assert drive(folder, kill="after_result.json:7", check=False) == -signal.SIGKILL
    drive(folder)
    check(folder, expected, kills=0)
