"""What becomes of a training that fails: tried again, alone, or given up. With the loop of test_loop.py's kind."""

import math
import os
import subprocess
import sys

import pytest

from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.planning.time_budget import LEAST_PATIENCE
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state import failures, result_files
from search.state.failures import KINDS
from search.state.ledger import Ledger
from search.state.records import FIRST_PATIENCE, Outcome
from senet_nas.training.quality_metrics import metric_of

GOOD = Outcome({"val_accuracy": 90.0}, [{"epoch": 1}])


def price(architecture):
    hidden = sum(se.hidden for se in architecture.blocks if se)
    return {"params": 100.0 + hidden, "params_overhead": float(hidden), "macs": 1e3, "macs_overhead": 0.0}


@pytest.fixture
def make_loop(make_space):
    def make(path=":memory:", **more):
        space, ledger = make_space(), Ledger(path)
        proposer = Proposer(space, DEFAULT, price, sampler="random", seed=0)
        loop = Loop(ledger, PricedSpace(space, price), proposer, budget=Budget(24), rules=Rules(DEFAULT), **more)
        return loop, ledger

    return make


@pytest.mark.parametrize("reason", [*KINDS, "KeyError"])
def test_each_reason_has_its_number_of_attempts_and_a_remedy(make_loop, reason):
    loop, ledger = make_loop()
    kind = failures.kind(reason)
    for attempt in range(1, kind.attempts + 1):
        assignment = loop.next()
        assert (assignment.number, ledger.trainings[0].attempts) == (0, attempt)
        loop.finish(assignment.uid, Outcome(failure=reason, detail="so"))
        assert (ledger.trainings[0].reason, ledger.trainings[0].detail) == (reason, "so")
    assert ledger.trainings[0].state == "failed"
    assert kind.remedy


def test_a_second_attempt_that_succeeds_leaves_no_reason(make_loop):
    loop, ledger = make_loop()
    loop.lost(loop.next().uid, "killed")
    assert ledger.trainings[0].reason == failures.WORKER_DIED
    loop.finish(loop.next().uid, GOOD)
    assert (ledger.trainings[0].state, ledger.trainings[0].reason, ledger.trainings[0].attempts) == ("finished", "", 2)


def test_what_ran_out_of_memory_runs_alone(make_loop):
    loop, ledger = make_loop()
    first, second, third = (loop.next() for _ in range(3))
    loop.finish(first.uid, Outcome(failure=failures.OUT_OF_MEMORY))
    assert loop.next() is None  # it waits for the two others
    loop.finish(second.uid, GOOD)
    assert loop.next() is None
    loop.finish(third.uid, GOOD)
    again = loop.next()
    assert again.uid == first.uid
    assert loop.next() is None  # and the others wait for it
    loop.finish(again.uid, Outcome(failure=failures.OUT_OF_MEMORY))
    assert ledger.get(first.uid).state == "failed"
    assert loop.next() is not None
    assert loop.next() is not None


def test_on_gpus_what_ran_out_of_memory_waits_there_and_the_loop_goes_on(make_loop):
    loop, _ = make_loop()
    loop.train_on_gpus()
    first, second = (loop.next() for _ in range(2))
    assert not first.alone
    loop.finish(first.uid, Outcome(failure=failures.OUT_OF_MEMORY))
    again = loop.next()
    assert (again.uid, again.alone) == (first.uid, True)
    assert not loop.next().alone
    loop.finish(second.uid, GOOD)


def test_a_failure_left_on_disk_by_a_first_attempt_is_tried_again_after_a_kill(make_loop, tmp_path):
    loop, ledger = make_loop(tmp_path / "ledger")
    uid = loop.next().uid
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger")
    loop.recover({uid: Outcome(failure=failures.OUT_OF_MEMORY)}.get)
    assert ledger.get(uid).state == "waiting"
    assert loop.next().uid == uid


def test_patience_follows_the_slowest_epoch_over_all_sessions(make_loop, tmp_path):
    loop, ledger = make_loop(tmp_path / "ledger")
    assert loop.next().patience == FIRST_PATIENCE
    curve = [{"epoch": 1, "seconds": 100.0}, {"epoch": 2, "seconds": 50.0}]
    loop.finish(ledger.trainings[0].uid, Outcome({"val_accuracy": 90.0, "train_seconds": 180.0}, curve))
    assert loop.next().patience == 2000.0
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger")
    loop.recover()
    assert loop.patience == 2000.0
    assert make_loop(patience=7.0)[0].next().patience == 7.0


def test_short_epochs_leave_ten_minutes_and_a_silent_function_the_time_of_all_of_it(make_loop):
    loop, _ = make_loop()
    loop.finish(loop.next().uid, Outcome({"val_accuracy": 90.0, "train_seconds": 1.0}, [{"epoch": 1}]))
    assert loop.patience == LEAST_PATIENCE
    loop.finish(loop.next().uid, Outcome({"val_accuracy": 90.0, "train_seconds": 5000.0}, [{"epoch": 1}]))
    assert loop.patience == 100_000.0


HANGING = """
import sys, threading
from pathlib import Path
from search.execute import worker
from search.state.records import Assignment, Progress
from senet_nas.recipe import Report, Seed

def evaluate(architecture, seed, *, weights=None, checkpoint=None):
    yield Report(1, {"val_accuracy": 90.0})
    stuck()
    yield Report(2, {"val_accuracy": 90.0}, done=True)

def stuck():
    if sys.argv[2] == "hang":
        threading.Event().wait()

assignment = Assignment(
    uid="abc", number=0, architecture="net/-", seed=Seed(0), params=1.0, keep_weights=False, patience=2.0
)
for item in worker.work(assignment, evaluate, Path(sys.argv[1])):
    print(item.epoch if isinstance(item, Progress) else item.metrics["val_accuracy"], flush=True)
"""


@pytest.mark.parametrize("what", ["hang", "go on"])
def test_a_worker_that_hangs_ends_itself_and_leaves_where_it_stood(tmp_path, what):
    command = [sys.executable, "-c", HANGING, str(tmp_path), what]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    if what == "hang":
        assert (done.returncode, done.stdout.split()) == (1, ["1"]), done.stderr
        assert "in stuck" in result_files.hung(tmp_path, "abc")
        assert result_files.adopt(tmp_path, "abc") is None
    else:
        assert (done.returncode, done.stdout.split()) == (0, ["1", "90.0"]), done.stderr
        assert result_files.hung(tmp_path, "abc") == ""
        assert [path.name for path in (tmp_path / "abc").iterdir()] == [result_files.RESULT]


@pytest.mark.parametrize(
    ("accuracy", "said"), [(500.0, "accuracy 500 is no percentage from 0 to 100"), (-0.5, "accuracy -0.5")]
)
def test_an_accuracy_that_is_no_percentage_is_told_as_it_came(accuracy, said):
    assert said in failures.unusable({"val_accuracy": accuracy})


def test_how_often_each_failure_is_tried_again_how_and_whether_anything_mends_it():
    table = {reason: (kind.attempts, kind.alone, kind.for_good) for reason, kind in KINDS.items()}
    assert table == {
        "diverged": (1, False, True),
        "refused": (1, False, True),
        "out of memory": (2, True, False),
        "worker died": (3, False, False),
        "worker did not start": (3, False, False),
        "hang": (2, False, False),
        "lost": (10, False, False),
        "GPU failed": (3, False, False),
        "no accuracy": (1, False, False),
        "no metric": (1, False, False),
        "no result": (1, False, False),
    }
    assert failures.kind("KeyError") == failures.kind("ValueError")
    assert (failures.kind("KeyError").attempts, failures.kind("KeyError").for_good) == (1, False)


def test_a_metric_that_is_missing_or_no_number_is_named_once_with_what_there_is():
    iou = metric_of("mean_iou", "maximize", "%")
    given = {"miou": 60.0, "val_miou": 60.0, "train_loss": 1.0}
    assert failures.unusable(given, [iou]) == "no metric: val_mean_iou (there is miou, train_loss)"
    broken = {"mean_iou": math.nan, "val_mean_iou": math.nan}
    assert failures.unusable(broken, [iou]) == "not a number: mean_iou"


@pytest.mark.parametrize(
    ("accuracy", "why"),
    [
        (0, ""),
        (100, ""),
        (100.5, "is no percentage"),
        (-0.1, "is no percentage"),
        (True, "no accuracy"),
        (None, "no acc"),
    ],
)
def test_an_accuracy_is_a_number_from_0_to_100(accuracy, why):
    found = failures.unusable({"val_accuracy": accuracy})
    assert (why in found) if why else (found == "")
