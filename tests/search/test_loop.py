"""The search with a fake evaluation: no Ray, no torch, no MLflow."""

import random
import subprocess
import sys
from collections import Counter

import pytest

from search.loop import Budget, Loop
from search.planning.optuna_study import Proposer
from search.planning.priced_space import PricedSpace
from search.planning.seed_blocks import BLOCK_SIZE
from search.results.compute import compute
from search.results.confirmation import smallest_provable
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed
from spaces import UserError

OBJECTIVES = (Objective(metric="accuracy"), Objective(metric="params"))


def price(architecture):
    weights = sum(2 * 16 * se.hidden for se in architecture.blocks if se)
    return {"params": 1000.0 + weights, "params_overhead": weights / 10, "macs": 5e4, "macs_overhead": 0.0}


def outcome(assignment, gain=0.1, noise=0.3):
    luck = random.Random(f"{assignment.architecture} {assignment.seed}").gauss(0, noise)
    plain = set(assignment.architecture.split("/")[1:]) == {"-"}
    block = random.Random(assignment.seed.block).gauss(0, 0.2)
    return Outcome({"val_accuracy": 95 + block + luck + (0 if plain else gain)}, [{"epoch": 1}])


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def make_loop(make_space):
    def make(path=":memory:", trainings=24, *, space=None, sampler="random", objectives=OBJECTIVES, seeds=None, **more):
        space = space or make_space()
        ledger = Ledger(path)
        proposer = Proposer(space, objectives, price, sampler=sampler, seed=0)
        budget = Budget(trainings, more.pop("seconds", None))
        loop = Loop(ledger, PricedSpace(space, price, seeds), proposer, budget=budget, rules=Rules(objectives), **more)
        loop.recover()
        return loop, ledger

    return make


def drive(loop, at_most=10_000, **how):
    """The ten-line driver: one training after the other."""
    for _ in range(at_most):
        assignment = loop.next()
        if assignment is None:
            break
        loop.finish(assignment.uid, outcome(assignment, **how))


def rows(ledger):
    return [
        (ledger.entries[t.architecture].key, str(t.seed), t.role, t.state, dict(t.metrics)) for t in ledger.trainings
    ]


@pytest.mark.parametrize("trainings", [4, 7, 12, 24, 40, 64, 100])
def test_the_budget_is_met_to_the_training(make_loop, trainings):
    loop, ledger = make_loop(trainings=trainings)
    drive(loop)
    assert Counter(t.state for t in ledger.trainings) == {"finished": trainings}
    assert loop.is_complete
    assert loop.next() is None


def test_baselines_come_first_plain_before_all(make_loop):
    loop, ledger = make_loop(trainings=40)
    drive(loop)
    roles = [t.role for t in ledger.trainings]
    assert set(roles) == {"baseline", "search", "confirm"}
    assert roles == sorted(roles, key=["baseline", "search", "confirm"].index)  # one block
    assert ledger.entries[0].label == "plain"
    assert ledger.entries[1].label.startswith("all stages")
    assert [t.architecture for t in ledger.trainings[:2]] == [0, 0]


def test_plain_is_trained_most_often_and_in_every_block(make_loop):
    loop, ledger = make_loop(trainings=100)
    drive(loop)
    count = Counter(t.architecture for t in ledger.trainings)
    assert count.most_common(1)[0][0] == 0
    blocks = {t.seed.block for t in ledger.trainings}
    assert blocks == {t.seed.block for t in ledger.trainings if t.architecture == 0}
    searched = Counter(t.seed.block for t in ledger.trainings if t.role != "confirm")
    assert all(8 <= n <= BLOCK_SIZE + 8 for n in searched.values())


def test_no_network_is_trained_twice_in_the_search(make_loop):
    loop, ledger = make_loop(trainings=40, sampler="nsga2")
    drive(loop)
    searched = [t.architecture for t in ledger.trainings if t.role == "search"]
    fixed = {t.architecture for t in ledger.trainings if t.role == "baseline"}
    assert len(set(searched)) == len(searched)
    assert not fixed & set(searched)


def test_limits_are_kept_by_all_but_the_baselines(make_loop):
    objectives = (OBJECTIVES[0], Objective(metric="params", limit=30.0))
    loop, ledger = make_loop(trainings=40, objectives=objectives)
    drive(loop)
    over = {t.role for t in ledger.trainings if ledger.entries[t.architecture].price["params_overhead"] > 30}
    assert over <= {"baseline"}
    found = compute("run", ledger, Rules(objectives))
    assert all(point.allowed for point in found.members)


def test_when_the_space_is_used_up_trainings_are_repeated_evenly(make_loop, make_space):
    loop, ledger = make_loop(trainings=22, space=make_space(reduction=(8,), squeeze=("avg",), position=("identity",)))
    drive(loop)
    count = Counter(t.architecture for t in ledger.trainings if t.architecture)
    assert len(count) == 7
    assert max(count.values()) - min(count.values()) <= 1


def test_finalists_are_frozen_and_trained_beside_plain_with_fresh_seeds(make_loop):
    loop, ledger = make_loop(trainings=64)
    drive(loop)
    (round_,) = ledger.facts.confirmations
    fresh = [t for t in ledger.trainings if t.role == "confirm"]
    searched = {t.seed.block for t in ledger.trainings if t.role != "confirm"}
    assert {t.architecture for t in fresh} == {0, *round_.finalists}
    assert not {t.seed.block for t in fresh} & searched
    for block in {t.seed.block for t in fresh}:
        assert {0, *round_.finalists} == {t.architecture for t in fresh if t.seed.block == block}
    count = Counter(t.architecture for t in fresh)
    assert count == {0: round_.sizes.plain, **dict.fromkeys(round_.finalists, round_.sizes.each)}


def test_the_sampler_does_not_hear_of_the_confirmation(make_loop):
    loop, ledger = make_loop(trainings=24)
    drive(loop)
    told = {t.values[0] for t in loop._proposer.study.trials if t.state.name == "COMPLETE"}
    found = {
        role: {t.metrics["val_accuracy"] for t in ledger.trainings if t.role == role} for role in ("search", "confirm")
    }
    assert found["search"] <= told
    assert not found["confirm"] & told


@pytest.mark.parametrize("sampler", ["random", "grid", "nsga2", "tpe"])
def test_stopped_and_started_again_it_ends_as_if_it_had_not_been(make_loop, tmp_path, sampler):
    whole, expected = make_loop(tmp_path / "whole", trainings=40, sampler=sampler)
    drive(whole)
    for stop in (2, 7, 11, 1, 9):
        loop, ledger = make_loop(tmp_path / "parts", trainings=40, sampler=sampler)
        drive(loop, stop)
        loop.next()  # killed while this one runs
        ledger.close()
    loop, ledger = make_loop(tmp_path / "parts", trainings=40, sampler=sampler)
    drive(loop)
    assert rows(ledger) == rows(expected)


def test_a_result_left_on_disk_is_adopted_not_repeated(make_loop, tmp_path):
    loop, ledger = make_loop(tmp_path / "ledger", trainings=8)
    assignment = loop.next()
    left = {assignment.uid: outcome(assignment)}
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=8)
    assert ledger.get(assignment.uid).state == "waiting"  # make_loop recovers without looking at the disk
    ledger.start(assignment.uid)
    assert loop.recover(left.get) == 0
    assert ledger.get(assignment.uid).state == "finished"
    assert ledger.get(assignment.uid).attempts == 2


def test_what_is_no_number_is_a_failure_and_the_search_goes_on(make_loop):
    loop, ledger = make_loop(trainings=12)
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


def test_a_failed_architecture_is_not_proposed_again(make_loop):
    loop, ledger = make_loop(trainings=30)
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
    return set(assignment.architecture.split("/")[1:]) == {"-"}


def test_when_plain_does_not_train_it_stops_at_once(make_loop):
    number, error = fails_until_it_stops(make_loop()[0], lambda n, a: is_plain(a), "diverged")
    assert number == 2
    assert "plain network does not train" in error.message
    assert "diverged" in error.message
    assert "needs 90 GB" in error.message
    assert "train.lr" in error.hint


def test_when_everything_fails_in_a_row_it_stops(make_loop):
    number, error = fails_until_it_stops(make_loop(trainings=64)[0], lambda n, a: n >= 12)
    assert number == 17
    assert "5 trainings in a row" in error.message


def test_when_most_trainings_fail_it_stops(make_loop):
    loop, _ = make_loop(trainings=64)
    _, error = fails_until_it_stops(loop, lambda n, a: not is_plain(a) and n % 4 != 0)
    assert "trainings failed" in error.message
    assert "lower train.lr" in error.hint


def test_after_the_cause_is_mended_the_same_run_goes_on(make_loop, tmp_path):
    loop, ledger = make_loop(tmp_path / "ledger", trainings=12)
    fails_until_it_stops(loop, lambda n, a: True)
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=12)
    drive(loop)
    assert sum(t.state == "finished" for t in ledger.trainings) == 12
    assert compute("run", ledger, Rules(OBJECTIVES)).plain.n_seeds >= 1


def test_a_lost_training_is_tried_again_but_not_for_ever(make_loop):
    loop, ledger = make_loop()
    uids = []
    for _ in range(3):
        assignment = loop.next()
        uids.append(assignment.uid)
        loop.lost(assignment.uid, "killed")
    assert len(set(uids)) == 1
    assert ledger.get(uids[0]).state == "failed"
    assert ledger.get(uids[0]).reason == "worker died"


def test_several_slots_wait_for_the_search_to_end_before_finalists_are_frozen(make_loop):
    loop, ledger = make_loop(trainings=24)
    live = []
    while True:
        while len(live) < 6 and (assignment := loop.next()) is not None:
            live.append(assignment)
        if not live:
            break
        if any(ledger.get(a.uid).role == "confirm" for a in live):
            assert all(ledger.get(a.uid).role == "confirm" for a in live)
        first = live.pop(0)
        loop.finish(first.uid, outcome(first))
    assert Counter(t.state for t in ledger.trainings) == {"finished": 24}


def test_an_extended_run_goes_on_and_confirms_again(make_loop, tmp_path):
    loop, ledger = make_loop(tmp_path / "ledger", trainings=24)
    drive(loop)
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=64)
    drive(loop)
    assert Counter(t.state for t in ledger.trainings) == {"finished": 64}
    assert [r.budget for r in ledger.facts.confirmations] == [24, 64]
    assert {t.origin for t in ledger.trainings if t.role == "confirm"} == {"confirmation 1", "confirmation 2"}


def test_the_last_quarter_of_the_time_belongs_to_the_confirmation(make_loop):
    clock = Clock()
    loop, ledger = make_loop(trainings=1000, seconds=100.0, clock=clock)
    while (assignment := loop.next()) is not None:
        clock.now += 2
        loop.finish(assignment.uid, outcome(assignment))
    searched = sum(t.role != "confirm" for t in ledger.trainings)
    assert 36 <= searched <= 39
    assert ledger.facts.confirmations[0].sizes.finalists > 0
    assert clock.now <= 102
    assert loop.is_complete or any(t.state == "waiting" for t in ledger.trainings)


def test_time_is_counted_over_all_sessions(make_loop, tmp_path):
    clock = Clock()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    clock.now = 7.0  # Ray takes its time to start; that does not count
    assignment = loop.next()
    clock.now = 67.0
    loop.finish(assignment.uid, outcome(assignment))
    ledger.close()  # killed: close() of the loop is never called
    clock.now = 0.0
    loop, _ = make_loop(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    assert loop.next() is not None
    clock.now = 41.0
    assert loop.next() is None


def test_stopping_starts_nothing_more_and_closing_gives_back_what_runs(make_loop):
    loop, ledger = make_loop()
    running = loop.next()
    loop.stop()
    assert loop.next() is None
    assert loop.is_running
    loop.close()
    assert ledger.get(running.uid).state == "waiting"
    assert not loop.is_complete


@pytest.mark.parametrize("sampler", ["knowledge_gradient", "thompson"])
def test_a_sampler_that_repeats_does_not_where_a_table_holds_one_training_in_each_block(make_loop, sampler):
    held = [Seed(block) for block in range(4)]
    loop, ledger = make_loop(trainings=64, seeds=lambda architecture: held, sampler=sampler)
    drive(loop)
    found = [(t.architecture, t.seed.block) for t in ledger.trainings if t.origin == "sampler"]
    assert len(found) > 20
    assert len(set(found)) == len(found)
    assert {block for _, block in found} == {0, 1}  # as many as the search opens, none ahead of its time


def test_seeds_that_a_table_lacks_are_not_offered(make_loop):
    held = [Seed(0), Seed(1), Seed(2)]
    loop, ledger = make_loop(trainings=40, seeds=lambda architecture: held)
    drive(loop)
    assert {t.seed for t in ledger.trainings} <= set(held)
    assert sum(t.architecture == 0 for t in ledger.trainings) <= 3


def test_listeners_hear_of_it_after_the_ledger_has_it(make_loop):
    heard = []

    class Listener:
        def changed(self, training, entry):
            heard.append((training.state, ledger.get(training.uid).state, entry.key))

    loop, ledger = make_loop(listeners=[Listener()])
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
from search.loop import Budget, Loop
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


def test_when_the_time_is_over_the_run_is_complete_even_with_trainings_waiting(make_loop):
    clock = Clock()
    loop, ledger = make_loop(trainings=1000, seconds=100.0, clock=clock)
    assignment = loop.next()
    clock.now = 200.0
    loop.finish(assignment.uid, outcome(assignment))
    assert loop.next() is None
    assert any(t.state == "waiting" for t in ledger.trainings)
    assert loop.is_complete


def test_a_listener_that_went_away_does_not_end_the_search(make_loop):
    class Gone:
        def changed(self, training, entry):
            raise BrokenPipeError

    loop, ledger = make_loop(trainings=8, listeners=[Gone()])
    drive(loop)
    assert sum(t.state == "finished" for t in ledger.trainings) == 8


def test_a_table_keeps_seeds_of_plain_for_the_confirmation(make_loop):
    held = [Seed(number) for number in range(10)]
    loop, ledger = make_loop(trainings=96, seeds=lambda architecture: held)
    drive(loop)
    (round_,) = ledger.facts.confirmations
    fresh = [t for t in ledger.trainings if t.role == "confirm"]
    assert round_.finalists
    assert sum(t.architecture == 0 for t in fresh) >= 3
    assert compute("run", ledger, Rules(OBJECTIVES)).confirmed


def test_small_extensions_add_up_to_a_confirmation(make_loop, tmp_path):
    for trainings in (24, 34, 44, 54):
        loop, ledger = make_loop(tmp_path / "ledger", trainings=trainings)
        drive(loop)
        rounds = [bool(r.finalists) for r in ledger.facts.confirmations]
        ledger.close()
    assert rounds[0]
    assert any(rounds[1:])


def test_where_every_training_of_plain_failed_a_resumed_run_trains_it_again(make_loop, tmp_path):
    """Four slots: all plain trainings of the first block run, and fail, before the search stops."""
    loop, ledger = make_loop(tmp_path / "ledger", trainings=24)
    live = [loop.next() for _ in range(4)]
    assert all(is_plain(a) for a in live)
    for assignment in live:
        loop.finish(assignment.uid, Outcome(failure="FileNotFoundError"))
    with pytest.raises(UserError, match="plain network does not train"):
        loop.next()
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=24)
    drive(loop)
    assert sum(t.state == "finished" for t in ledger.trainings) == 24
    assert {t.seed.block for t in ledger.trainings if t.architecture == 0 and t.state == "finished"} >= {0}


@pytest.mark.parametrize(("reason", "trained"), [("OSError", True), ("diverged", False)])
def test_what_failed_is_tried_again_where_the_cause_may_have_been_mended(
    make_loop, make_space, tmp_path, reason, trained
):
    small = make_space(reduction=(16,), position=("pre_addition",), squeeze=("avg",))
    loop, ledger = make_loop(tmp_path / "ledger", trainings=24, space=small)
    bad = None
    while bad is None:
        assignment = loop.next()
        bad = None if is_plain(assignment) else assignment.architecture
        loop.finish(assignment.uid, outcome(assignment) if bad is None else Outcome(failure=reason))
    drive(loop, at_most=3)
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=24, space=small)
    drive(loop)
    number = ledger.find(bad).number
    assert any(t.architecture == number and t.state == "finished" for t in ledger.trainings) is trained


def test_a_search_that_the_time_ended_goes_on_where_it_is_given_more(make_loop, tmp_path):
    clock = Clock()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=200, seconds=1000.0, clock=clock)
    for _ in range(10_000):
        if (assignment := loop.next()) is None:
            break
        clock.now += 10
        loop.finish(assignment.uid, outcome(assignment))
    loop.close()
    assert loop.is_complete
    used = len(ledger.trainings)
    assert used < 105
    ledger.close()
    for trainings, seconds in ((200, 1000.0), (used + 24, 10_000.0), (200, 10_000.0)):
        loop, ledger = make_loop(tmp_path / "ledger", trainings=trainings, seconds=seconds)
        drive(loop)
        loop.close()
        assert loop.is_complete
        assert len(ledger.trainings) == (used if seconds == 1000.0 else trainings)
        ledger.close()


def test_an_extension_that_the_time_ends_takes_no_more_than_its_budget(make_loop, tmp_path):
    clock = Clock()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=128)
    drive(loop)
    ledger.note(Facts(seconds=760.0))
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=152, seconds=1000.0, clock=clock)
    drive(loop)
    assert loop.is_complete
    assert len(ledger.trainings) <= 152


def test_where_nothing_is_left_to_train_the_search_ends_and_says_so(make_loop, make_space):
    tiny = make_space(reduction=(16,), position=("pre_addition",), squeeze=("avg",))
    held = [Seed(0, number) for number in range(5)]
    loop, ledger = make_loop(trainings=1000, space=tiny, seeds=lambda architecture: held)
    drive(loop)
    assert loop.is_complete
    assert len(ledger.trainings) <= 5 * tiny.size
    assert ledger.facts.confirmations[-1].early == "exhausted"


def test_what_was_interrupted_when_the_time_was_over_is_not_given_up(make_loop, tmp_path):
    clock = Clock()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    begun = loop.next()
    clock.now = 200.0
    assert not loop.is_complete
    loop.stop()
    loop.close()
    assert not loop.is_complete
    ledger.close()
    loop, ledger = make_loop(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    again = loop.next()
    assert again.uid == begun.uid
    loop.finish(again.uid, outcome(again))
    assert loop.next() is None
    assert loop.is_complete


def test_confirmations_without_finalists_spend_nothing_of_the_level(make_loop, tmp_path):
    for trainings in (20, 24, 28, 64):
        loop, ledger = make_loop(tmp_path / "ledger", trainings=trainings)
        drive(loop)
        found, rounds = compute("run", ledger, Rules(OBJECTIVES)), ledger.facts.confirmations
        ledger.close()
    sizes = [r.sizes for r in rounds if r.finalists]
    assert len(sizes) == 2 < len(rounds)
    assert found.provable == smallest_provable(found.sigma, sizes[-1], 0.05, 1)


def test_nothing_is_proven_before_the_last_fresh_training_has_ended(make_loop):
    loop, ledger = make_loop(trainings=64)
    proven = []
    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, outcome(assignment, gain=3.0))
        if ledger.get(assignment.uid).role == "confirm":
            found = compute("run", ledger, Rules(OBJECTIVES))
            proven.append((found.under_way, any(p.verdict == "proven" for p in found.points)))
            if found.under_way:
                assert "nothing is proven" in found.power
    assert proven == [(True, False)] * (len(proven) - 1) + [(False, True)]


def test_a_result_that_came_while_the_run_was_stopped_is_taken_in(make_loop):
    loop, ledger = make_loop()
    done, lost = loop.next(), loop.next()
    loop.stop()
    loop.close(lambda uid: outcome(done) if uid == done.uid else None)
    assert [ledger.get(a.uid).state for a in (done, lost)] == ["finished", "waiting"]
