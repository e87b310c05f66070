"""Trainings of the search that fail: given up, tried again, or a reason to stop."""

from collections import Counter

import pytest

from search.results.compute import compute
from search.state.records import Outcome
from spaces import UserError
from tests.search import looping
from tests.search.looping import RULES, drive, make, outcome


def test_what_is_no_number_is_a_failure_and_the_search_goes_on():
    loop, ledger = make(trainings=12)
    for number in range(100):
        assignment = loop.next()
        if assignment is None:
            break
        bad = {4: {"val_accuracy": float("nan")}, 5: {}, 7: {"val_accuracy": 95.0, "train_loss": float("inf")}}
        found = Outcome(bad[number]) if number in bad else outcome(assignment)
        loop.finish(assignment.uid, found)
    failed = [t for t in ledger.trainings if t.state == "failed"]
    assert [t.reason for t in failed] == ["not a number: val_accuracy", "no accuracy", "not a number: train_loss"]
    assert sum(t.state == "finished" for t in ledger.trainings) == 12


def test_a_failed_architecture_is_not_proposed_again():
    loop, ledger = make(trainings=30)
    for number in range(100):
        assignment = loop.next()
        if assignment is None:
            break
        loop.finish(
            assignment.uid, Outcome(failure="diverged") if number % 4 == 3 and number > 8 else outcome(assignment)
        )
    failed = Counter(t.architecture for t in ledger.trainings if t.state == "failed" and t.role == "search")
    assert failed
    assert set(failed.values()) == {1}
    again = {t.architecture for t in ledger.trainings if t.state == "finished"}
    assert not again & set(failed)


def fails_until_it_stops(loop, fails, reason="diverged"):
    """Drives a loop whose trainings fail where ``fails(number, assignment)``; the error that ended it."""
    with pytest.raises(UserError) as caught:
        for number in range(200):
            assignment = loop.next()
            failed = Outcome(failure=reason, detail="needs 90 GB")
            loop.finish(assignment.uid, failed if fails(number, assignment) else outcome(assignment))
    assert caught.value.code == 3
    return number, caught.value


def is_plain(assignment):
    return looping.is_plain(assignment.architecture)


def test_when_plain_does_not_train_it_stops_at_once():
    number, error = fails_until_it_stops(make()[0], lambda n, a: is_plain(a), "diverged")
    assert number == 2
    assert "plain network does not train" in error.message
    assert "diverged" in error.message
    assert "needs 90 GB" in error.message
    assert "train.lr" in error.hint


def test_when_everything_fails_in_a_row_it_stops():
    number, error = fails_until_it_stops(make(trainings=64)[0], lambda n, a: n >= 12)
    assert number == 17
    assert "5 trainings in a row" in error.message


def test_when_most_trainings_fail_it_stops():
    loop, _ = make(trainings=64)
    _, error = fails_until_it_stops(loop, lambda n, a: not is_plain(a) and n % 4 != 0)
    assert "trainings failed" in error.message
    assert "lower train.lr" in error.hint


def test_after_the_cause_is_mended_the_same_run_goes_on(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=12)
    fails_until_it_stops(loop, lambda n, a: True)
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=12)
    drive(loop)
    assert sum(t.state == "finished" for t in ledger.trainings) == 12
    assert compute("run", ledger, RULES).plain.n_seeds >= 1


def test_a_lost_training_is_tried_again_but_not_for_ever():
    loop, ledger = make()
    uids = []
    for _ in range(3):
        assignment = loop.next()
        uids.append(assignment.uid)
        loop.lost(assignment.uid, "killed")
    assert len(set(uids)) == 1
    assert ledger.get(uids[0]).state == "failed"
    assert ledger.get(uids[0]).reason == "worker died"


def test_where_every_training_of_plain_failed_a_resumed_run_trains_it_again(tmp_path):
    """Four slots: all plain trainings of the first block run, and fail, before the search stops."""
    loop, ledger = make(tmp_path / "ledger", trainings=48)
    live = [loop.next() for _ in range(4)]
    assert all(is_plain(a) for a in live)
    for assignment in live:
        loop.finish(assignment.uid, Outcome(failure="FileNotFoundError"))
    with pytest.raises(UserError, match="plain network does not train"):
        loop.next()
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=48)
    drive(loop)
    assert sum(t.state == "finished" for t in ledger.trainings) == 48
    assert {t.seed.block for t in ledger.trainings if t.architecture == 0 and t.state == "finished"} >= {0}


@pytest.mark.parametrize(("reason", "trained"), [("OSError", True), ("diverged", False)])
def test_what_failed_is_tried_again_where_the_cause_may_have_been_mended(make_space, tmp_path, reason, trained):
    small = make_space(reduction=(16,), position=("pre_addition",), squeeze=("avg",))
    loop, ledger = make(tmp_path / "ledger", trainings=24, space=small)
    bad = None
    while bad is None:
        assignment = loop.next()
        bad = None if is_plain(assignment) else assignment.architecture
        loop.finish(assignment.uid, outcome(assignment) if bad is None else Outcome(failure=reason))
    drive(loop, at_most=3)
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=24, space=small)
    drive(loop)
    number = ledger.find(bad).number
    assert any(t.architecture == number and t.state == "finished" for t in ledger.trainings) is trained
