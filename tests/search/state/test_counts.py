"""Counts of trainings, compared with counting them one by one after every change."""

import random
from collections import Counter

import pytest

from search.state.ledger import Ledger
from search.state.records import SHARE, Pause
from senet_nas.recipe import Seed
from tests.search import ledgers


def is_partial(training):
    if training.state in ("waiting", "running"):
        return training.until is not None
    return training.state in ("paused", "stopped")


def check(ledger):
    counts = ledger.counts
    trainings = ledger.trainings
    for state, found in (("waiting", counts.waiting), ("running", counts.running), ("paused", counts.paused)):
        assert found == {t.number: t for t in trainings if t.state == state}
    for role in ("baseline", "search", "confirm"):
        mine = [t for t in trainings if t.role == role]
        assert counts.partial[role] == {t.number: t for t in mine if is_partial(t)}
        assert all(SHARE in t.metrics for t in counts.partial[role].values())
        assert counts.counted[role] == sum(t.state != "failed" for t in mine)
        assert counts.last_block[role] == max((t.seed.block for t in mine), default=0)
    assert +counts.planned == Counter(t.origin for t in trainings if t.state != "failed")
    assert +counts.given_up == Counter(t.architecture for t in trainings if t.state in ("failed", "stopped"))
    for number in range(len(ledger.entries)):
        mine = [t.number for t in trainings if t.architecture == number]
        assert list(counts.by_architecture.get(number, ())) == mine
    assert counts.is_open is any(t.state in ("waiting", "running") for t in trainings)


def change(ledger, rng):
    """One random step of one random training."""
    uid = rng.choice(ledger.trainings).uid
    step = rng.choice(["start", "wait", "finish", "fail", "stop", "pause", "resume"])
    if step in ("pause", "resume"):
        pause_or_resume(ledger, uid, rng)
    elif step in ("start", "wait"):
        getattr(ledger, step)(uid)
    elif step == "finish":
        ledgers.end(ledger, ledger.get(uid), ledgers.ended(90.0))
    elif step == "fail":
        ledgers.end(ledger, ledger.get(uid), ledgers.failed())
    else:
        ledger.stop(uid, reason="slow", curve=[{"epoch": 2}], share=0.5)


def pause_or_resume(ledger, uid, rng):
    """Pauses a training that is on its way to a pause; continues one that has paused, to its end or a later pause."""
    training = ledger.get(uid)
    if training.state == "running" and training.until is not None:
        ledger.pause(uid, curve=[{"epoch": epoch} for epoch in range(1, training.until + 1)])
    elif training.state == "paused":
        ledger.resume(uid, pause=Pause(training.epoch + 1, 0.5) if rng.random() < 0.5 else None)


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_those_of_the_trainings_whatever_happens_and_after_a_restart(tmp_path, seed):
    rng = random.Random(seed)
    ledger = Ledger(tmp_path / "ledger")
    entries = ledgers.enter(ledger, range(3))
    for number in range(80):
        if number % 4 == 0:
            role = rng.choice(["baseline", "search", "confirm"])
            rows = [(entry, Seed(rng.choice([0, 1, 5]), number)) for entry in entries]
            pause = rng.choice([None, Pause(1, 0.25)])
            ledger.plan(rows, role=role, origin=rng.choice(["sampler", "baseline 1"]), pause=pause)
        else:
            change(ledger, rng)
        check(ledger)
    ledger.close()
    check(Ledger(tmp_path / "ledger", read_only=True))


def test_a_run_is_open_while_a_training_waits_or_runs():
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    assert ledger.counts.is_open is False
    (training,) = ledger.plan([(plain, Seed(0))], role="search", origin="sampler")
    assert ledger.counts.is_open is True
    ledger.start(training.uid)
    assert ledger.counts.is_open is True
    ledgers.end(ledger, ledger.get(training.uid), ledgers.ended(90.0))
    assert ledger.counts.is_open is False


def test_what_is_forgiven_is_given_up_once_less():
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    ledgers.play(ledger, [(plain, Seed(0, r)) for r in range(2)], [ledgers.failed()] * 2)
    ledger.counts.forgive(0)
    assert ledger.counts.given_up == {0: 1}
