"""The shared network in the loop: first, once, counted, and no more than a help."""

import math

import pytest

from search.planning.budget_split import trainings_used
from search.state import failures
from search.state.records import Outcome, Progress
from search.state.shared_facts import SHARED_UID, SharedNetworkFact
from senet_nas.training.shared_plan import FIGURES, SHARED_NETWORK
from spaces import Space, SpaceSpec
from tests.conftest import residual_sites
from tests.search.looping import Clock, drive, make, outcome

SPACE = Space("net", residual_sites((16, 32, 64)), SpaceSpec())
KEYS = tuple(architecture.key for architecture in SPACE)
EPOCHS = 3
COST = 3.4


def figures(number):
    return {"val_accuracy": 80.0 + number % 7, "train_loss": 0.5 - number / 100, "val_log_loss": 0.6}


def shown(**changes):
    """What a worker makes of the shared network."""
    curve = [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in range(1, EPOCHS + 1)]
    curve += [{"epoch": EPOCHS + 1 + i, **figures(i)} for i in range(len(KEYS))]
    last = {**figures(len(KEYS) - 1), "train_seconds": 12.0}
    return Outcome(**{"metrics": last, "curve": curve, **changes})


def shared_loop(trainings=24, path=":memory:", **more):
    """A loop with a shared network, its ledger, and the states that were heard."""
    heard = []
    plan = SharedNetworkFact(EPOCHS, len(KEYS), COST)
    loop, ledger = make(
        path,
        trainings,
        space=SPACE,
        shared=plan,
        placements=KEYS,
        watch_shared=lambda fact: heard.append(fact.state),
        **more,
    )
    return loop, ledger, heard


def test_it_comes_first_and_its_figures_are_noted_by_placement():
    loop, ledger, heard = shared_loop()
    first = loop.next()
    assert (first.uid, first.architecture, first.params, first.keep_weights) == (
        SHARED_UID,
        SHARED_NETWORK,
        None,
        False,
    )
    assert loop.is_running
    assert not loop.is_complete
    loop.finish(first.uid, shown())
    fact = ledger.facts.shared_network
    assert (fact.state, fact.epoch, fact.seconds, len(fact.curve)) == ("finished", EPOCHS + len(KEYS), 12.0, EPOCHS)
    found = ledger.facts.shared_figures
    assert found.columns == FIGURES
    assert found.values == {key: tuple(figures(i).values()) for i, key in enumerate(KEYS)}
    assert heard == ["running", "finished"]


def test_other_slots_train_meanwhile_and_it_is_given_out_once():
    loop, _, _ = shared_loop()
    assignments = [loop.next() for _ in range(4)]
    assert [a.uid == SHARED_UID for a in assignments] == [True, False, False, False]


@pytest.mark.parametrize("trainings", [16, 24, 64])
def test_its_cost_belongs_to_the_search_and_the_budget_is_met(trainings):
    loop, ledger, _ = shared_loop(trainings, stops=False)
    loop.finish(loop.next().uid, shown())
    assert trainings_used(ledger) == trainings_used(ledger, "search") == math.ceil(COST)
    assert trainings_used(ledger, "confirm") == trainings_used(ledger, "baseline") == 0
    drive(loop)
    assert loop.is_complete
    assert sum(t.state == "finished" for t in ledger.trainings) == trainings - math.ceil(COST)


def test_progress_is_noted_for_people():
    loop, ledger, _ = shared_loop()
    uid = loop.next().uid
    assert loop.report(uid, Progress(2))
    assert ledger.facts.shared_network.progress == f"shared network, epoch 2 of {EPOCHS}"
    evaluated = SharedNetworkFact(EPOCHS, 57, COST, epoch=EPOCHS + 9)
    assert evaluated.progress == "shared network, 9 of 57 placements evaluated"


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (shown(failure="diverged", detail="loss is nan"), "diverged"),
        (shown(curve=shown().curve[:-1]), "incomplete"),
        (shown(metrics={"train_loss": 0.1}), "no accuracy"),
    ],
)
def test_if_it_fails_for_good_the_search_goes_on_without_it_and_without_its_cost(ended, reason):
    loop, ledger, heard = shared_loop(stops=False)
    loop.finish(loop.next().uid, ended)
    assert (ledger.facts.shared_network.state, ledger.facts.shared_network.reason) == ("failed", reason)
    assert ledger.facts.shared_figures is None
    assert heard == ["running", "failed"]
    drive(loop)
    assert loop.is_complete
    assert sum(t.state == "finished" for t in ledger.trainings) == 24


def test_a_worker_that_dies_is_replaced_but_not_for_ever():
    loop, ledger, heard = shared_loop()
    attempts = failures.kind(failures.WORKER_DIED).attempts
    for _ in range(attempts):
        assignment = loop.next()
        assert assignment.uid == SHARED_UID
        loop.lost(assignment.uid, "killed")
    assert ledger.facts.shared_network.state == "failed"
    assert ledger.facts.shared_network.attempts == attempts
    assert heard == [*["running", "waiting"] * (attempts - 1), "running", "failed"]
    assert loop.next().uid != SHARED_UID


def test_out_of_memory_it_starts_again_when_nothing_else_runs():
    loop, _, _ = shared_loop()
    shared, other = loop.next(), loop.next()
    loop.finish(shared.uid, shown(failure=failures.OUT_OF_MEMORY))
    assert loop.next() is None
    loop.finish(other.uid, outcome(other))
    assert loop.next().uid == SHARED_UID
    assert loop.next() is None  # it runs alone


def test_what_a_worker_finished_is_adopted_by_the_next_session(tmp_path):
    loop, ledger, _ = shared_loop(path=tmp_path / "ledger.sqlite")
    loop.next()
    ledger.close()
    found = {SHARED_UID: shown()}
    loop, ledger, heard = shared_loop(path=tmp_path / "ledger.sqlite", adopt=found.get)
    assert heard == ["finished"]
    assert loop.next().uid != SHARED_UID
    assert len(ledger.facts.shared_figures.values) == len(KEYS)


@pytest.mark.parametrize(("failure", "epoch"), [("", 2), ("killed", 0)])
def test_one_that_was_interrupted_continues_at_its_epoch_and_one_that_failed_at_the_first(tmp_path, failure, epoch):
    loop, ledger, _ = shared_loop(path=tmp_path / "ledger.sqlite")
    uid = loop.next().uid
    loop.report(uid, Progress(2))
    if failure:
        loop.lost(uid, "gone")
    else:
        ledger.close()
        loop, ledger, _ = shared_loop(path=tmp_path / "ledger.sqlite")
    assert loop.next().uid == SHARED_UID
    fact = ledger.facts.shared_network
    assert (fact.state, fact.epoch, fact.attempts) == ("running", epoch, 2)


@pytest.mark.parametrize("is_closed", [True, False])
def test_an_interrupted_one_starts_again(tmp_path, is_closed):
    loop, ledger, heard = shared_loop(path=tmp_path / "ledger.sqlite")
    loop.next()
    if is_closed:
        loop.close()
        assert heard == ["running", "waiting"]
    ledger.close()
    loop, ledger, _ = shared_loop(path=tmp_path / "ledger.sqlite")
    assert loop.next().uid == SHARED_UID
    assert ledger.facts.shared_network.attempts == 2


def test_a_session_that_ends_takes_in_what_its_worker_has_just_left():
    loop, ledger, _ = shared_loop()
    loop.next()
    loop.close({SHARED_UID: shown()}.get)
    assert ledger.facts.shared_network.state == "finished"


def test_when_the_time_of_the_search_is_over_it_does_not_start():
    clock = Clock()
    loop, _, _ = shared_loop(seconds=100.0, clock=clock)
    shared = loop.next()
    loop.lost(shared.uid, "killed")
    clock.now = 60.0  # half of the time belongs to the confirmation
    assert getattr(loop.next(), "uid", None) != SHARED_UID


def proposals(given, count=6):
    """What the sampler proposes after the baselines, with these figures."""
    loop, ledger, _ = shared_loop(40, sampler="knowledge_gradient")
    loop.finish(loop.next().uid, shown(curve=[*shown().curve[:EPOCHS], *given]))
    found = []
    while len(found) < count:
        assignment = loop.next()
        if ledger.get(assignment.uid).role == "search":
            found.append(assignment.architecture)
        loop.finish(assignment.uid, outcome(assignment))
    return found


def rows(value):
    return [{"epoch": EPOCHS + 1 + i, **figures(0), "train_loss": value(i)} for i in range(len(KEYS))]


def test_figures_guide_the_sampler_and_a_resumed_run_proposes_the_same(tmp_path):
    falling, rising = rows(lambda i: -i / 10), rows(lambda i: i / 10 + (i % 5))
    assert proposals(falling) == proposals(falling)
    assert proposals(falling) != proposals(rising)

    def run(stop):
        path = tmp_path / f"{stop}.sqlite"
        loop, ledger, _ = shared_loop(24, path=path, sampler="knowledge_gradient")
        loop.finish(loop.next().uid, shown(curve=[*shown().curve[:EPOCHS], *falling]))
        for count in range(12):
            if count == stop:
                ledger.close()
                loop, ledger, _ = shared_loop(24, path=path, sampler="knowledge_gradient")
            assignment = loop.next()
            loop.finish(assignment.uid, outcome(assignment))
        return [ledger.entries[t.architecture].key for t in ledger.trainings]

    assert run(stop=10) == run(stop=None)


def test_a_run_without_a_shared_network_has_nothing_to_start():
    loop, ledger = make(space=SPACE)
    assert loop.next().uid != SHARED_UID
    assert ledger.facts.shared_network is None
