"""The search with a fake evaluation: no Ray, no torch, no MLflow."""

import subprocess
import sys
from collections import Counter

import pytest

from search.planning.seed_blocks import BLOCK_SIZE
from search.results.compute import compute
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.confirmation_facts import Settled
from senet_nas.recipe import Seed
from tests.search import looping
from tests.search.looping import OBJECTIVES, drive, make, outcome, rows


@pytest.mark.parametrize("gain", [-1.0, 0.1, 3.0])
@pytest.mark.parametrize("trainings", [4, 7, 12, 16, 24, 40, 64, 100])
def test_the_budget_is_met_to_the_training(trainings, gain):
    """Whatever a confirmation leaves: 16 are one that is more than a block of the rest would begin with."""
    loop, ledger = make(trainings=trainings, stops=False)
    drive(loop, gain=gain)
    assert Counter(t.state for t in ledger.trainings) == {"finished": trainings}
    assert loop.is_complete
    assert loop.next() is None


def test_baselines_come_first_plain_before_all():
    loop, ledger = make(trainings=40)
    drive(loop, gain=3.0)
    roles = [t.role for t in ledger.trainings]
    assert set(roles) == {"baseline", "search", "confirm"}
    assert roles == sorted(roles, key=["baseline", "search", "confirm"].index)  # one block
    assert ledger.entries[0].label == "plain"
    assert ledger.entries[1].label.startswith("all stages")
    assert [t.architecture for t in ledger.trainings[:2]] == [0, 0]


def test_plain_is_trained_most_often_and_in_every_block():
    loop, ledger = make(trainings=100)
    drive(loop)
    count = Counter(t.architecture for t in ledger.trainings)
    assert count.most_common(1)[0][0] == 0
    blocks = {t.seed.block for t in ledger.trainings}
    assert blocks == {t.seed.block for t in ledger.trainings if t.architecture == 0}
    searched = Counter(t.seed.block for t in ledger.trainings if t.role != "confirm")
    assert all(8 <= n <= BLOCK_SIZE + 8 for n in searched.values())


def test_no_network_is_trained_twice_in_the_search():
    loop, ledger = make(trainings=40, sampler="nsga2")
    drive(loop)
    searched = [t.architecture for t in ledger.trainings if t.role == "search"]
    fixed = {t.architecture for t in ledger.trainings if t.role == "baseline"}
    assert len(set(searched)) == len(searched)
    assert not fixed & set(searched)


def test_limits_are_kept_by_all_but_the_baselines():
    objectives = (OBJECTIVES[0], Objective(metric="params", limit=30.0))
    loop, ledger = make(trainings=40, objectives=objectives)
    drive(loop)
    over = {t.role for t in ledger.trainings if ledger.entries[t.architecture].price["params_overhead"] > 30}
    assert over <= {"baseline"}
    found = compute("run", ledger, Rules(objectives))
    assert all(point.allowed for point in found.members)


def test_when_the_space_is_used_up_trainings_are_repeated_evenly(make_space):
    loop, ledger = make(trainings=44, space=make_space(reduction=(8,), squeeze=("avg",), position=("identity",)))
    drive(loop)
    count = Counter(t.architecture for t in ledger.trainings[:22] if t.architecture)
    assert len(count) == 7
    assert max(count.values()) - min(count.values()) <= 1


def test_the_sampler_does_not_hear_of_the_confirmation():
    loop, ledger = make(trainings=24)
    drive(loop)
    told = {t.values[0] for t in loop._proposer.study.trials if t.state.name == "COMPLETE"}
    found = {
        role: {t.metrics["val_accuracy"] for t in ledger.trainings if t.role == role} for role in ("search", "confirm")
    }
    assert found["search"] <= told
    assert not found["confirm"] & told


@pytest.mark.parametrize("sampler", ["random", "grid", "nsga2", "tpe"])
def test_stopped_and_started_again_it_ends_as_if_it_had_not_been(tmp_path, sampler):
    whole, expected = make(tmp_path / "whole", trainings=40, sampler=sampler)
    drive(whole)
    for stop in (2, 7, 11, 1, 9):
        loop, ledger = make(tmp_path / "parts", trainings=40, sampler=sampler)
        drive(loop, stop)
        loop.next()  # killed while this one runs
        ledger.close()
    loop, ledger = make(tmp_path / "parts", trainings=40, sampler=sampler)
    drive(loop)
    assert rows(ledger) == rows(expected)


def test_a_result_left_on_disk_is_adopted_not_repeated(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=8)
    assignment = loop.next()
    left = {assignment.uid: outcome(assignment)}
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=8)
    assert ledger.get(assignment.uid).state == "waiting"  # make() recovers without looking at the disk
    ledger.start(assignment.uid)
    assert loop.recover(left.get) == 0
    assert ledger.get(assignment.uid).state == "finished"
    assert ledger.get(assignment.uid).attempts == 2


def test_stopping_starts_nothing_more_and_closing_gives_back_what_runs():
    loop, ledger = make()
    running = loop.next()
    loop.stop()
    assert loop.next() is None
    assert loop.is_running
    loop.close()
    assert ledger.get(running.uid).state == "waiting"
    assert not loop.is_complete


@pytest.mark.parametrize("sampler", ["knowledge_gradient", "thompson"])
def test_a_sampler_that_repeats_does_not_where_a_table_holds_one_training_in_each_block(sampler):
    held = [Seed(block) for block in range(4)]
    loop, ledger = make(trainings=128, seeds=lambda architecture: held, sampler=sampler)
    drive(loop)
    found = [(t.architecture, t.seed.block) for t in ledger.trainings if t.origin == "sampler"]
    assert len(found) > 20
    assert len(set(found)) == len(found)
    assert {t.seed.block for t in ledger.trainings[:64]} == {0, 1}  # as many as it opens, none ahead of its time


def test_seeds_that_a_table_lacks_are_not_offered():
    held = [Seed(0), Seed(1), Seed(2)]
    loop, ledger = make(trainings=40, seeds=lambda architecture: held)
    drive(loop)
    assert {t.seed for t in ledger.trainings} <= set(held)
    assert sum(t.architecture == 0 for t in ledger.trainings) <= 3


def test_listeners_hear_of_it_after_the_ledger_has_it():
    heard = []

    class Listener:
        def changed(self, training, entry):
            heard.append((training.state, ledger.get(training.uid).state, entry.key))

    loop, ledger = make(listeners=[Listener()])
    assignment = loop.next()
    loop.finish(assignment.uid, outcome(assignment))
    assert heard == [("running", "running", assignment.architecture), ("finished", "finished", assignment.architecture)]


def test_the_search_needs_no_ray_torch_or_mlflow(tmp_path):
    program = f"""
import sys
from search.planning.priced_space import PricedSpace
from search.results.result import Rules
from search.results.compute import compute
from search.state.ledger import Ledger
from search.state.records import Outcome
from search.loop import Loop
from search.planning.planner import Budget
from search.results.objectives import DEFAULT
from search.planning.optuna_study import Proposer
from spaces import Site, Space, SpaceSpec
sites = [Site(f"{{s}}.0", s, {{"pre_addition": 16, "post_addition": 16}}) for s in (1, 2)]
space = Space("net", sites, SpaceSpec())
blocks = lambda a: float(sum(map(bool, a.blocks)))
price = lambda a: {{"params": 1.0, "params_overhead": blocks(a), "macs": 1.0, "macs_overhead": 0.0}}
ledger = Ledger({str(tmp_path / "ledger")!r})
loop = Loop(ledger, PricedSpace(space, price), Proposer(space, DEFAULT, price, sampler="tpe", seed=0),
            budget=Budget(24), rules=Rules(DEFAULT))
while (assignment := loop.next()) is not None:
    loop.finish(assignment.uid, Outcome({{"val_accuracy": 90.0 + assignment.number % 3}}))
assert compute("run", ledger, Rules(DEFAULT)).plain.n_seeds > 1
assert not {{"ray", "torch", "mlflow"}} & sys.modules.keys(), "the search loop imported a heavy library"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_listener_that_went_away_does_not_end_the_search():
    class Gone:
        def changed(self, training, entry):
            raise BrokenPipeError

    loop, ledger = make(trainings=8, listeners=[Gone()])
    drive(loop)
    assert sum(t.state == "finished" for t in ledger.trainings) == 8


def test_where_nothing_is_left_to_train_the_search_ends_and_says_so(make_space):
    tiny = make_space(reduction=(16,), position=("pre_addition",), squeeze=("avg",))
    held = [Seed(0, number) for number in range(5)]
    loop, ledger = make(trainings=1000, space=tiny, seeds=lambda architecture: held)
    drive(loop)
    assert loop.is_complete
    assert len(ledger.trainings) <= 5 * tiny.size
    assert ledger.facts.settled == Settled(1000, "exhausted", looping.finished(ledger))


def test_a_result_that_came_while_the_run_was_stopped_is_taken_in():
    loop, ledger = make()
    done, lost = loop.next(), loop.next()
    loop.stop()
    loop.close(lambda uid: outcome(done) if uid == done.uid else None)
    assert [ledger.get(a.uid).state for a in (done, lost)] == ["finished", "waiting"]
