"""Trainings that pause and continue, in the loop: what counts, what early stopping does, what failures do."""

import random
from collections import Counter

import pytest

from search.planning.budget_split import trainings_used
from search.planning.early_stopping import SuccessiveHalving
from search.planning.samplers import SAMPLERS
from search.planning.training_lengths import ShortTrainings
from search.results.evidence import observations_of
from search.state.records import Outcome, Progress
from senet_nas.recipe import Recipe
from tests.search import looping
from tests.search.killable import EPOCHS, PAUSING

SHORT = ShortTrainings(Recipe(epochs=EPOCHS))


@pytest.fixture(autouse=True)
def _pausing(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "pausing", PAUSING)


def make(path=":memory:", **more):
    return looping.make(path, sampler="pausing", short=SHORT, confirm=0.25, stops=False, **more)


def epochs(assignment, first=1):
    """The curve of an assignment as far as it goes."""
    last = assignment.until or EPOCHS
    luck = random.Random(f"{assignment.architecture} {assignment.seed}").gauss(0, 0.3)
    return [{"epoch": e, "val_accuracy": 90 + e + luck, "seconds": 1.0} for e in range(first, last + 1)]


def outcome(assignment):
    curve = epochs(assignment)
    if assignment.until is not None:
        return Outcome(curve=curve, paused=assignment.until)
    return Outcome({"val_accuracy": curve[-1]["val_accuracy"]}, curve)


def run(loop, until=lambda: False, end=outcome):
    """Trains one after the other; stops where the test says. The last assignment."""
    assignment = None
    while not until() and (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, end(assignment))
    return assignment


def states(ledger):
    return Counter(t.state for t in ledger.trainings)


@pytest.fixture
def paused():
    """A loop with a paused training."""
    loop, ledger = make(trainings=40)
    run(loop, lambda: ledger.counts.paused)
    (training,) = ledger.counts.paused.values()
    return loop, ledger, training


def test_the_budget_counts_epochs(paused):
    loop, ledger, _ = paused
    run(loop)
    found = states(ledger)
    assert found["paused"] > 2
    assert loop.is_complete
    done = sum(t.epoch for t in ledger.trainings) / EPOCHS
    assert 39 < done <= 40 == trainings_used(ledger)
    front = looping.front(ledger)
    assert front.counts == found
    assert front.used == pytest.approx(done)
    assert sum(front.worth.values()) == pytest.approx(done - found["finished"])


def test_a_paused_training_is_no_result(paused):
    loop, ledger, _ = paused
    run(loop)
    trained = {t.architecture for t in ledger.trainings if t.state == "finished"}
    assert {point.number for point in looping.front(ledger).points} == trained
    assert len(observations_of(ledger.trainings)) == states(ledger)["finished"]


@pytest.mark.parametrize("slots", [1, 3])
def test_confirmations_and_baselines_are_whole(slots):
    loop, ledger = make(trainings=40)
    live = []
    while True:
        while len(live) < slots and (assignment := loop.next()) is not None:
            live.append(assignment)
        if not live:
            break
        done = live.pop(0)
        assert done.until is None or ledger.get(done.uid).role == "search"
        loop.finish(done.uid, outcome(done))
    assert {t.role for t in ledger.trainings if t.attempts > 1 or t.state == "paused"} == {"search"}
    assert trainings_used(ledger) == 40


def test_a_training_that_continues_is_the_same_one_from_where_it_paused(paused):
    loop, ledger, training = paused
    again = run(loop, lambda: ledger.get(training.uid).attempts > 1)
    assert (again.uid, again.seed, again.architecture[:3]) == (training.uid, training.seed, "net")
    assert again.until is None or again.until > training.epoch
    after = ledger.get(training.uid)
    assert [epoch["epoch"] for epoch in after.curve] == list(range(1, after.epoch + 1))


def test_optuna_hears_of_the_accuracy_once_and_of_nothing_while_it_pauses(paused):
    loop, ledger, _ = paused
    study = loop._proposer.study
    (trial,) = [t for t in study.trials if t.state.name == "RUNNING"]
    assert loop._proposer._paused == {trial.number}
    run(loop)
    told = Counter(t.state.name for t in study.trials)
    assert told["RUNNING"] == states(ledger)["paused"] == len(loop._proposer._paused)
    searched = [t for t in ledger.trainings if t.role != "confirm" and t.state == "finished"]
    assert told["COMPLETE"] == len(searched)


def test_who_resumes_proposes_what_the_uninterrupted_search_proposes(tmp_path):
    whole, expected = make(trainings=40)
    run(whole)
    path = tmp_path / "ledger"
    for _ in range(100):
        loop, ledger = make(path, trainings=40)
        before = sum(t.attempts for t in ledger.trainings)
        run(loop, lambda ledger=ledger, before=before: sum(t.attempts for t in ledger.trainings) > before)
        loop.close()
        ledger.close()
        if loop.is_complete:
            break
    assert [(t.architecture, t.seed, t.state, t.epoch) for t in ledger.trainings] == [
        (t.architecture, t.seed, t.state, t.epoch) for t in expected.trainings
    ]


def test_an_old_pause_that_a_worker_left_is_not_taken_for_that_of_the_next(paused):
    loop, ledger, training = paused
    later = ledger.resume(training.uid)
    left = Outcome(curve=list(training.curve), paused=training.epoch)
    assert loop.recover(lambda uid: left if uid == training.uid else None) == 0
    assert ledger.get(later.uid).state == "waiting"
    ledger.start(later.uid)
    loop.close(lambda uid: left)
    assert ledger.get(later.uid).state == "waiting"
    whole = Outcome({"val_accuracy": 95.0}, [{"epoch": EPOCHS}])
    loop.recover(lambda uid: whole)
    assert ledger.get(later.uid).state == "finished"


def test_a_training_that_fails_after_its_pause_counts_nothing(paused):
    loop, ledger, training = paused
    ledger.resume(training.uid)
    used = trainings_used(ledger)
    assignment = loop.next()
    assert assignment.uid == training.uid
    loop.finish(training.uid, Outcome(failure="diverged", curve=epochs(assignment)))
    failed = ledger.get(training.uid)
    assert (failed.state, failed.metrics, failed.until, len(failed.curve)) == ("failed", {}, None, EPOCHS)
    assert trainings_used(ledger) == used - 1
    assert not loop.needs_checkpoint(training.uid)


def test_a_training_that_is_lost_on_its_way_to_a_pause_starts_again_and_still_pauses():
    loop, ledger = make(trainings=40)
    assignment = run(loop, end=outcome, until=lambda: ledger.counts.partial["search"])
    (training,) = ledger.counts.partial["search"].values()
    if training.state == "paused":  # it has ended already: the next one
        assignment = loop.next()
        while assignment.until is None:
            loop.finish(assignment.uid, outcome(assignment))
            assignment = loop.next()
    loop.lost(assignment.uid, "gone")
    again = loop.next()
    assert (again.uid, again.until) == (assignment.uid, assignment.until)


HALVING = SuccessiveHalving(EPOCHS, 2)  # rungs after the first and the second epoch


def reporting(loop, assignment, ledger):
    """Reports every epoch as a worker does, from where the training paused; whether it was stopped early."""
    first = len(ledger.get(assignment.uid).curve) + 1
    curve = epochs(assignment, first)
    for epoch in curve[:-1]:
        if not loop.report(assignment.uid, Progress(epoch["epoch"], epoch)):
            return
    loop.finish(assignment.uid, outcome(assignment))


@pytest.mark.parametrize("seed", range(2))
def test_at_a_rung_early_stopping_comes_before_the_pause_and_stops_for_good(tmp_path, seed):
    path = tmp_path / "ledger"
    loop, ledger = make(path, trainings=64, early_stopping=SuccessiveHalving(EPOCHS, 2))
    count = 0
    while (assignment := loop.next()) is not None:
        reporting(loop, assignment, ledger)
        count += 1
        if seed and count % 10 == 0:  # with another session now and then
            loop.close()
            ledger.close()
            loop, ledger = make(path, trainings=64, early_stopping=SuccessiveHalving(EPOCHS, 2))
    found = states(ledger)
    assert found["stopped"] > 0
    assert found["paused"] > 0
    assert trainings_used(ledger) == 64
    for t in ledger.trainings:
        assert [epoch["epoch"] for epoch in t.curve] == list(range(1, t.epoch + 1)), t
        assert t.state != "stopped" or (t.epoch in HALVING.at and not loop.needs_checkpoint(t.uid))
        assert t.state != "paused" or loop.needs_checkpoint(t.uid)
    once = [t for t in ledger.trainings if t.state == "stopped" and t.attempts > 1]
    assert all(t.metrics == {"share": t.epoch / EPOCHS} for t in once)
