"""Killed anywhere, started again: nothing finished is lost, nothing is done twice, the end is the same."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from search.state.ledger import Ledger

DRIVER = Path(__file__).parent / "killable.py"
TRAININGS = 24
CAN_MOUNT = (
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    if shutil.which("unshare")
    else False
)
LEDGER = ("enter", "plan", "running", "waiting", "finished", "note")
POINTS = [
    "after_lock",
    "before_recover",
    "within_recover",
    "after_recover",
    "after_ask",
    "before_tell",
    "after_tell",
    "after_project",
    *(f"{when}_{what}" for what in LEDGER for when in ("before", "within", "after")),
    *(f"{when}_{name}" for name in ("result.json", "front.json") for when in ("before", "within", "after")),
]
# Places that only a second session comes to: an interrupted training waits again, a result on disk is adopted.
ONLY_ON_RESUME = ("before_waiting", "within_waiting", "after_waiting", "within_recover")
EVERY_TRAINING = [f"{when}_{what}" for what in ("running", "result.json", "finished") for when in ("before", "after")]


class Zygote:
    """A process that has imported everything and forks a driver for each request."""

    def __init__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "SENET_FAILPOINT": ""}
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def drive(self, folder, failpoint, sampler):
        errors = folder.parent / f"{folder.name}.stderr"
        print(
            json.dumps([failpoint, str(folder), TRAININGS, sampler, str(errors)]), file=self._process.stdin, flush=True
        )
        return int(self._process.stdout.readline()), errors.read_text()

    def close(self):
        self._process.stdin.close()
        assert self._process.wait() == 0, "a driver imported torch, Ray or MLflow"


@pytest.fixture(scope="module")
def zygote():
    made = Zygote()
    yield made
    made.close()


@pytest.fixture(scope="module")
def drive(zygote):
    def drive(folder, *, kill="", sampler="tpe", check=True):
        status, errors = zygote.drive(folder, kill, sampler)
        assert not check or status == 0, errors
        return status

    return drive


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
def expected(tmp_path_factory, drive):
    folder = tmp_path_factory.mktemp("whole") / "run"
    drive(folder)
    return contents(folder)


@pytest.mark.parametrize("point", [p for p in POINTS if p not in ONLY_ON_RESUME])
def test_killed_at_a_named_point(tmp_path, drive, expected, point):
    folder = tmp_path / "run"
    status = drive(folder, kill=point, check=False)
    assert status == -signal.SIGKILL, f"{point} was never reached"
    drive(folder)
    check(folder, expected, kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("number", [3, 9, 17])
@pytest.mark.parametrize("point", [p for p in POINTS if p not in ONLY_ON_RESUME])
def test_killed_at_a_named_point_of_a_later_session(tmp_path, drive, expected, point, number):
    killed_twice(drive, tmp_path / "run", expected, point, number)


RECOVERY = ["after_lock", "before_waiting", "within_waiting", "after_waiting", "within_recover"]


@pytest.mark.parametrize("point", RECOVERY)
def test_killed_again_while_it_recovers(tmp_path, drive, expected, point):
    killed_twice(drive, tmp_path / "run", expected, point, 9)


@pytest.mark.soak
@pytest.mark.parametrize("number", [1, 2, 4, 6, 11, 13, 15, 19, 23])
@pytest.mark.parametrize("point", RECOVERY)
def test_killed_again_while_it_recovers_wherever_it_was(tmp_path, drive, expected, point, number):
    killed_twice(drive, tmp_path / "run", expected, point, number)


def killed_twice(drive, folder, expected, point, number):
    assert drive(folder, kill=f"after_running:{number}", check=False) == -signal.SIGKILL
    assert drive(folder, kill=point, check=False) == -signal.SIGKILL
    drive(folder)
    check(folder, expected, kills=2)


RANDOM = [*range(4), *(pytest.param(number, marks=pytest.mark.soak) for number in range(4, 40))]


@pytest.mark.parametrize("number", RANDOM)
def test_killed_five_times_at_random_points(tmp_path, drive, expected, number):
    """The first point comes for certain; of the others some are never reached, in a run that has ended before."""
    rng = random.Random(number)
    folder = tmp_path / "run"
    kills = 0
    for points in (EVERY_TRAINING, POINTS, POINTS, POINTS, POINTS):
        point = f"{rng.choice(points)}:{rng.randint(1, 8)}"
        kills += drive(folder, kill=point, check=False) == -signal.SIGKILL
    drive(folder)
    assert kills >= 1
    check(folder, expected, kills)


def test_a_result_that_was_durable_is_adopted_not_trained_again(tmp_path, drive, expected):
    folder = tmp_path / "run"
    assert drive(folder, kill="after_result.json:7", check=False) == -signal.SIGKILL
    drive(folder)
    check(folder, expected, kills=0)


# -- with a shared network before the trainings -----------------------------------------------------------------------

# Each is reached while the shared network is started, trained, or taken in: it is the first to be executed.
SHARED_POINTS = [
    "after_recover",
    *(f"{when}_note:{number}" for number in (3, 4) for when in ("before", "within", "after")),
    "after_note:2",
    *(f"{when}_result.json" for when in ("before", "within", "after")),
    "after_running:1",
    "after_running:9",
]


@pytest.fixture(scope="module")
def expected_shared(tmp_path_factory, drive):
    folder = tmp_path_factory.mktemp("whole") / "shared"
    drive(folder, sampler="knowledge_gradient")
    return contents(folder), Ledger(folder / "ledger.sqlite", read_only=True).facts.shared_figures


@pytest.mark.parametrize("point", SHARED_POINTS)
def test_killed_around_the_shared_network_it_ends_the_same(tmp_path, drive, expected_shared, point):
    folder = tmp_path / "shared"
    assert drive(folder, kill=point, sampler="knowledge_gradient", check=False) == -signal.SIGKILL
    drive(folder, sampler="knowledge_gradient")
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    assert (contents(folder), ledger.facts.shared_figures) == expected_shared
    fact = ledger.facts.shared_network
    executed = Counter((folder / "executed.txt").read_text().split())
    assert fact.state == "finished"
    assert 1 <= executed["shared"] <= fact.attempts <= 2
    # 3.5 trainings of the budget belong to the shared network, rounded up.
    assert Counter(t.state for t in ledger.trainings) == {"finished": TRAININGS - 4}


def test_a_shared_network_that_was_durable_is_adopted_not_trained_again(tmp_path, drive, expected_shared):
    folder = tmp_path / "shared"
    assert drive(folder, kill="after_result.json", sampler="knowledge_gradient", check=False) == -signal.SIGKILL
    drive(folder, sampler="knowledge_gradient")
    assert Counter((folder / "executed.txt").read_text().split())["shared"] == 1
    assert contents(folder) == expected_shared[0]


FULL = [
    "within_result.json:6",
    "before_finished:5",
    "within_finished:5",
    "before_plan:4",
    "before_running:7",
    "within_front.json",
]


@pytest.mark.parametrize("point", FULL)
def test_a_full_disk_stops_the_run_and_it_goes_on_where_there_is_room_again(tmp_path, zygote, drive, expected, point):
    folder = tmp_path / "run"
    action = f"{point}:full" if ":" in point else f"{point}:1:full"
    status, said = zygote.drive(folder, action, "tpe")
    assert (status, said.count("\n"), "No space left" in said) == (4, 2, True), said
    assert not list(folder.rglob("*.tmp"))
    drive(folder)
    check(folder, expected, kills=1)


def small_disk(folder, kibibytes):
    """The driver on a disk of its own of so many KiB; what it left there is copied to ``folder``."""
    folder.mkdir()
    script = (
        'mount -t tmpfs -o size="$2k" tmpfs "$1" && "$3" "$4" "$1/run" "$5" random; '
        'status=$?; cp -r "$1/run" "$6"; exit $status'
    )
    words = [str(folder), str(kibibytes), sys.executable, str(DRIVER), str(TRAININGS), str(folder.parent / "copy")]
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not CAN_MOUNT, reason="needs a mount namespace of its own")
@pytest.mark.parametrize("kibibytes", [120, 200, 260])
def test_on_a_disk_that_is_really_full_nothing_that_finished_is_lost(tmp_path, drive, kibibytes):
    done = small_disk(tmp_path / "disk", kibibytes)
    assert done.returncode == 4, done.stderr
    assert any(words in done.stderr for words in ("No space left", "disk is full")), done.stderr
    assert "Traceback" not in done.stderr
    copy = tmp_path / "copy"
    kept = finished(copy)
    drive(copy, sampler="random")
    assert kept.items() <= finished(copy).items()
    assert len(finished(copy)) == TRAININGS


def finished(folder):
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    return {t.uid: (dict(t.metrics), t.ended) for t in ledger.trainings if t.state == "finished"}
