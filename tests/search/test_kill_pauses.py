"""Killed anywhere while trainings pause and continue: nothing is lost, nothing is counted or trained twice."""

import json
import random
import signal
from collections import Counter

import pytest

from search.planning.budget_split import trainings_used
from search.state.ledger import Ledger
from search.state.records import SHARE
from tests.search.killable import EPOCHS
from tests.search.test_kill import TRAININGS, Zygote

TRANSITIONS = [f"{when}_{what}" for what in ("paused", "resume") for when in ("before", "within", "after")]
POINTS = [
    *TRANSITIONS,
    "after_ask",
    "before_tell",
    "after_tell",
    "after_project",
    "before_plan",
    "after_plan",
    "before_running",
    "after_running",
    "after_finished",
    *(f"{when}_{name}" for name in ("result.json", "checkpoint.json") for when in ("before", "within", "after")),
]


@pytest.fixture(scope="module")
def drive():
    zygote = Zygote()

    def drive(folder, kill="", *, check=True):
        status, errors = zygote.drive(folder, kill, "pausing")
        assert not check or status == 0, errors
        return status

    yield drive
    zygote.close()


def contents(folder):
    """What must not depend on interruptions: every training, its state and its curve, and the front."""
    ledger = Ledger(folder / "ledger.sqlite", read_only=True)
    rows = [
        (t.architecture, str(t.seed), t.role, t.state, t.epoch, t.until, list(t.curve), t.metrics.get("val_accuracy"))
        for t in ledger.trainings
    ]
    points = json.loads((folder / "front.json").read_text())["points"]
    return rows, [(p["id"], p["gain"], p["n_seeds"], p["verdict"]) for p in points]


def trained(folder):
    """How often each epoch of each training was trained."""
    return Counter((folder / "epochs.txt").read_text().split())


@pytest.fixture(scope="module")
def whole(tmp_path_factory, drive):
    folder = tmp_path_factory.mktemp("whole") / "run"
    drive(folder)
    return folder


def test_trainings_pause_and_continue_and_every_epoch_is_trained_and_counted_once(whole):
    ledger = Ledger(whole / "ledger.sqlite", read_only=True)
    states = Counter(t.state for t in ledger.trainings)
    assert states.keys() == {"finished", "paused"}
    assert {t.attempts for t in ledger.trainings if t.state == "finished"} == {1, 2, 3}, "after one pause and two"
    assert set(trained(whole).values()) == {1}
    assert trained(whole).total() == sum(t.epoch for t in ledger.trainings)
    shares = [t.metrics[SHARE] for t in ledger.trainings if t.state == "paused"]
    assert shares == [t.epoch / EPOCHS for t in ledger.trainings if t.state == "paused"]
    assert trainings_used(ledger) == TRAININGS
    assert TRAININGS - 1 < states["finished"] + sum(shares) <= TRAININGS
    assert all(t.role == "search" for t in ledger.trainings if t.state == "paused")


def test_a_training_that_continued_ends_as_if_it_had_never_paused(whole):
    """A number that every epoch adds to is all that a checkpoint holds, so a state that was lost would show."""
    ledger = Ledger(whole / "ledger.sqlite", read_only=True)
    for t in (t for t in ledger.trainings if t.state == "finished"):
        key = ledger.entries[t.architecture].key
        luck = sum(random.Random(f"{key} {t.seed} {epoch}").gauss(0, 0.3) for epoch in range(1, EPOCHS + 1))
        assert t.metrics["val_accuracy"] == pytest.approx(90 + luck)
        assert [epoch["epoch"] for epoch in t.curve] == list(range(1, EPOCHS + 1))


def check(folder, whole, kills):
    assert contents(folder) == contents(whole)
    again = trained(folder)
    assert again.keys() == {f"{t.uid}:{e}" for t in trainings(folder) for e in range(1, t.epoch + 1)}
    # A kill costs at most what was trained since the last checkpoint.
    assert again.total() <= trained(whole).total() + kills * EPOCHS
    assert not list(folder.rglob("*.tmp"))
    assert with_checkpoint(folder) == {t.uid for t in trainings(folder) if t.state == "paused"}


def trainings(folder):
    return Ledger(folder / "ledger.sqlite", read_only=True).trainings


def with_checkpoint(folder):
    return {path.parent.name for path in folder.rglob("checkpoint.json")}


@pytest.mark.parametrize("number", [1, pytest.param(4, marks=pytest.mark.soak)])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(tmp_path, drive, whole, point, number):
    folder = tmp_path / "run"
    assert drive(folder, f"{point}:{number}", check=False) == -signal.SIGKILL, f"{point} was never reached"
    drive(folder)
    check(folder, whole, kills=1)


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_killed_again_while_it_recovers(tmp_path, drive, whole, transition):
    """The second kill comes while the first session's pause is adopted, or right after."""
    folder = tmp_path / "run"
    assert drive(folder, f"{transition}:2", check=False) == -signal.SIGKILL
    kills = 1 + (drive(folder, "within_recover:9", check=False) == -signal.SIGKILL)
    kills += drive(folder, "before_paused", check=False) == -signal.SIGKILL
    assert kills == 3
    drive(folder)
    check(folder, whole, kills)


@pytest.mark.parametrize("number", [*range(3), *(pytest.param(n, marks=pytest.mark.soak) for n in range(3, 40))])
def test_killed_five_times_at_random_points(tmp_path, drive, whole, number):
    rng = random.Random(number)
    folder = tmp_path / "run"
    kills = sum(
        drive(folder, f"{rng.choice(POINTS)}:{rng.randint(1, 5)}", check=False) == -signal.SIGKILL for _ in range(5)
    )
    drive(folder)
    assert kills >= 1
    check(folder, whole, kills)


@pytest.mark.parametrize("point", ["within_paused", "within_resume", "within_checkpoint.json", "within_result.json"])
def test_a_full_disk_stops_the_run_and_it_goes_on_where_there_is_room_again(tmp_path, drive, whole, point):
    folder = tmp_path / "run"
    assert drive(folder, f"{point}:2:full", check=False) == 4
    drive(folder)
    check(folder, whole, kills=1)
