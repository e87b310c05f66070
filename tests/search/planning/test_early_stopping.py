"""Early stopping: what a rung keeps, and what the loop, the ledger, Optuna and MLflow make of what it does not."""

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.loop import Loop
from search.planning.early_stopping import EarlyStopping, Rung, SuccessiveHalving, rungs
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.results import compute, pareto
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.ledger import Ledger
from search.state.records import Outcome, Progress
from search.track import projection
from senet_nas.recipe import Seed
from tests.search import ledgers

EPOCHS, REDUCTION = 9, 3
# Rules of ranking that a rung must bear, a useless and a perverse one among them.
RANKS = {
    "non-dominated": pareto.ranks,
    "first objective": lambda points: [sorted({p[0] for p in points}).index(p[0]) for p in points],
    "arrival": lambda points: list(range(len(points))),
    "worst first": lambda points: [-rank for rank in pareto.ranks(points)],
}


def seen(accuracy):
    """The metrics of an epoch; nothing if its accuracy is not known."""
    return {} if accuracy is None else {"val_accuracy": accuracy}


def arrivals(dimensions):
    return st.lists(st.tuples(*[st.integers(0, 6)] * dimensions), min_size=1, max_size=12)


# -- a rung -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", RANKS)
@given(points=arrivals(2) | arrivals(3) | arrivals(4), reduction=st.integers(2, 5))
def test_what_nothing_dominates_at_equal_or_lower_overhead_goes_on_however_it_ranks(rank, points, reduction):
    rung = Rung(reduction, RANKS[rank])
    for i, (loss, *overheads) in enumerate(points):
        rung.enter(str(i), (loss, *overheads))
        no_dearer = [p for p in points[: i + 1] if all(o <= own for o, own in zip(p[1:], overheads, strict=True))]
        beaten = any(p[0] < loss or (p[0] == loss and p[1:] != tuple(overheads)) for p in no_dearer)
        assert beaten or rung.keeps(str(i))


@given(points=arrivals(2) | arrivals(3), reduction=st.integers(2, 5))
def test_what_is_stopped_has_its_share_of_better_ones_before_it(points, reduction):
    rung = Rung(reduction, pareto.ranks)
    for i, point in enumerate(points):
        rung.enter(str(i), point)
        ranks = pareto.ranks(points[: i + 1])
        share = sum(rank < ranks[i] for rank in ranks) / (i + 1)
        assert rung.keeps(str(i)) == (ranks[i] == 0 or share < 1 / reduction)


@given(points=arrivals(2))
def test_a_training_that_comes_again_counts_once(points):
    once, twice = Rung(2, pareto.ranks), Rung(2, pareto.ranks)
    for i, point in enumerate(points):
        once.enter(str(i), point)
        twice.enter(str(i), (7, 7))
        twice.enter(str(i), point)
        assert once.keeps(str(i)) == twice.keeps(str(i))


@pytest.mark.parametrize(
    ("epochs", "reduction", "expected"), [(27, 3, (1, 3, 9)), (9, 3, (1, 3)), (10, 2, (1, 2, 5)), (2, 3, ())]
)
def test_rungs_lie_at_shares_of_the_epochs(epochs, reduction, expected):
    assert rungs(epochs, reduction) == expected


def test_trainings_of_other_blocks_and_other_epochs_are_no_measure():
    halving = SuccessiveHalving(EPOCHS, REDUCTION)
    for i in range(6):
        halving.enter(f"good{i}", 0, 3, (-95.0, 0.0))
    for uid, block, epoch in (("other block", 1, 3), ("other rung", 0, 1), ("no rung", 0, 2)):
        halving.enter(uid, block, epoch, (-50.0, 9.0))
        assert halving.keeps(uid, block, epoch)
    halving.enter("same", 0, 3, (-50.0, 9.0))
    assert not halving.keeps("same", 0, 3)


# -- in a search ------------------------------------------------------------------------------------------------------


def price(architecture):
    weights = sum(2 * 16 * se.hidden for se in architecture.blocks if se)
    return {"params": 1000.0 + weights, "params_overhead": weights / 10, "macs": 5e4, "macs_overhead": 0.0}


def final(assignment):
    gain = (
        0.0 if set(assignment.architecture.split("/")[1:]) == {"-"} else random.Random(assignment.architecture).random()
    )
    return 90 + gain + random.Random(f"{assignment.architecture} {assignment.seed}").gauss(0, 0.1)


class Search:
    """A search whose trainings report every epoch; those that are stopped say so. ``slots`` run in turns."""

    def __init__(self, space, path=":memory:", *, trainings=64, sampler="random", halving=True):
        self.ledger = Ledger(path)
        self.proposer = Proposer(space, DEFAULT, price, sampler=sampler, seed=0)
        self.loop = Loop(
            self.ledger,
            PricedSpace(space, price),
            self.proposer,
            budget=Budget(trainings, stops_when_answered=False),
            rules=Rules(DEFAULT),
            early_stopping=SuccessiveHalving(EPOCHS, REDUCTION) if halving else None,
        )
        self.loop.recover()
        self.epochs = 0

    def run(self, slots=1, at_most=10_000):
        live = []
        for _ in range(at_most):
            while len(live) < slots and (assignment := self.loop.next()) is not None:
                live.append((assignment, self.training(assignment)))
            if not live:
                break
            assignment, epochs = live.pop(0)
            if (end := next(epochs)) is None:
                live.append((assignment, epochs))
            elif isinstance(end, Outcome):
                self.loop.finish(assignment.uid, end)
        return self

    def training(self, assignment):
        """None after each epoch, then the outcome; False where it was stopped."""
        curve, last = [], final(assignment)
        for epoch in range(1, EPOCHS + 1):
            self.epochs += 1
            accuracy = last - 10 / epoch + 10 / EPOCHS
            curve.append({"epoch": epoch, "val_accuracy": accuracy})
            if epoch < EPOCHS:
                yield None if self.loop.report(assignment.uid, Progress(epoch, {"val_accuracy": accuracy})) else False
        yield Outcome({"val_accuracy": last}, curve)

    def states(self):
        return [
            (self.ledger.entries[t.architecture].key, t.seed, t.role, t.state, t.epoch) for t in self.ledger.trainings
        ]


@pytest.fixture
def space(make_space):
    return make_space(blocks=1, reduction=(4, 8, 16), squeeze=("avg", "max"))


@pytest.mark.parametrize("slots", [1, 5])
def test_stopped_trainings_are_of_the_search_alone_dominated_and_no_result(space, slots):
    search = Search(space).run(slots)
    stopped = [t for t in search.ledger.trainings if t.state == "stopped"]
    assert len(stopped) > 10
    assert {t.role for t in stopped} == {"search"}
    assert {t.epoch for t in stopped} <= {1, 3}
    assert all("val_accuracy" not in t.metrics and t.curve[-1]["epoch"] == t.epoch for t in stopped)
    found = compute.compute("run", search.ledger, Rules(DEFAULT))
    assert found.counts["stopped"] == len(stopped)
    finished = {f"a{t.architecture}" for t in search.ledger.trainings if t.state == "finished"}
    assert {point.id for point in found.points} == finished
    assert search.loop.is_complete


def test_of_the_budget_a_stopped_training_takes_the_epochs_that_it_had(space):
    search, whole = Search(space).run(), Search(space, halving=False).run()
    assert 63 * EPOCHS < search.epochs <= 64 * EPOCHS == whole.epochs
    assert len(search.ledger.trainings) > len(whole.ledger.trainings) == 64


def test_a_stopped_architecture_is_not_proposed_again(space):
    for sampler in ("random", "knowledge_gradient"):
        search = Search(space, sampler=sampler, trainings=40).run()
        after = Counter()
        stopped = set()
        for training in search.ledger.trainings:
            after[training.architecture] += training.role == "search" and training.architecture in stopped
            stopped |= {training.architecture} if training.state == "stopped" else set()
        assert stopped
        assert max(after.values()) == 0


def test_optuna_hears_that_it_was_pruned(space):
    search = Search(space).run()
    told = Counter(trial.state.name for trial in search.proposer.study.trials)
    assert told["PRUNED"] == sum(t.state == "stopped" for t in search.ledger.trainings) > 0
    assert told["RUNNING"] == 0
    search.proposer.study.best_trials  # noqa: B018  raises where a pruned trial counted as complete without values


@pytest.mark.parametrize("sampler", ["random", "nsga2"])
def test_stopped_and_started_again_it_ends_as_if_it_had_not_been(space, tmp_path, sampler):
    whole = Search(space, trainings=40, sampler=sampler).run()
    for steps in (140, 31, 97):
        part = Search(space, tmp_path / "parts", trainings=40, sampler=sampler).run(at_most=steps)
        part.ledger.close()
    last = Search(space, tmp_path / "parts", trainings=40, sampler=sampler).run()
    assert "stopped" in {row[3] for row in whole.states()}
    assert last.states() == whole.states()


def test_without_an_accuracy_or_with_one_that_is_no_number_a_training_goes_on(space):
    search = Search(space)
    for _ in range(12):
        assignment = search.loop.next()
        for accuracy in (None, float("nan"), float("inf")):
            assert search.loop.report(assignment.uid, Progress(1, seen(accuracy)))
        search.loop.finish(assignment.uid, Outcome({"val_accuracy": final(assignment)}))


def test_off_nothing_is_stopped(space):
    search = Search(space, halving=False).run()
    assert {t.state for t in search.ledger.trainings} == {"finished"}


def test_the_ledger_keeps_it_over_a_restart(space, tmp_path):
    search = Search(space, tmp_path / "ledger", trainings=24).run()
    rows = search.states()
    search.ledger.close()
    again = Ledger(tmp_path / "ledger", read_only=True)
    stopped = next(t for t in again.trainings if t.state == "stopped")
    assert rows == Search(space, tmp_path / "ledger", trainings=24).states()
    assert stopped.reason == f"not among the best 1/{REDUCTION} at epoch {stopped.epoch}"
    assert stopped.metrics == {"share": stopped.epoch / EPOCHS}
    assert projection.STATUS[stopped.state] == "KILLED"


# -- decisions epoch by epoch  ----------------------------------------------------------------------------------------


def running(ledger, count, role="search", block=0):
    """Running trainings of one architecture."""
    (entry,) = ledger.entries or ledgers.enter(ledger, [0.0])
    rows = [(entry, Seed(block, len(ledger.trainings) + i)) for i in range(count)]
    return ledgers.play(ledger, rows, [None] * count, role=role)


def stopping(reduction=3):
    return EarlyStopping(SuccessiveHalving(9, reduction), DEFAULT)


PRICE = ledgers.price(1.0)


def test_a_poor_training_is_stopped_at_a_rung_with_its_curve_and_its_share():
    early = stopping()
    good = running(ledger := Ledger(":memory:"), 3)
    (poor,) = running(ledger, 1)
    for training in good:
        for epoch in (1, 2, 3):
            assert early.decide(training, Progress(epoch, {"val_accuracy": 90.0}), PRICE) is None
    (poor_again,) = running(ledger, 1)
    assert early.decide(poor, Progress(2, {"val_accuracy": 50.0}), PRICE) is None  # no rung
    found = early.decide(poor, Progress(3, {"val_accuracy": 55.0}), PRICE)
    assert found.reason == "not among the best 1/3 at epoch 3"
    assert found.curve == [{"epoch": 2, "val_accuracy": 50.0}, {"epoch": 3, "val_accuracy": 55.0}]
    assert found.share == pytest.approx(3 / 9)
    stopped = early.decide(poor_again, Progress(1, {"val_accuracy": 10.0}), PRICE)
    assert stopped.curve == [{"epoch": 1, "val_accuracy": 10.0}]


@pytest.mark.parametrize("role", ["baseline", "confirm"])
def test_baselines_and_fresh_trainings_always_continue_but_are_compared_with(role):
    early = stopping()
    ledger = Ledger(":memory:")
    fixed = running(ledger, 3, role=role)
    assert all(
        early.decide(t, Progress(3, {"val_accuracy": accuracy}), PRICE) is None
        for t, accuracy in zip(fixed, (90, 91, 10), strict=True)
    )
    (poor,) = running(ledger, 1)
    assert early.decide(poor, Progress(3, {"val_accuracy": 50.0}), PRICE) is not None


@pytest.mark.parametrize("accuracy", [None, math.nan, math.inf])
def test_without_an_accuracy_nobody_is_stopped(accuracy):
    early = stopping()
    trainings = running(Ledger(":memory:"), 5)
    for training in trainings[:4]:
        early.decide(training, Progress(3, {"val_accuracy": 90.0}), PRICE)
    assert early.decide(trainings[4], Progress(3, seen(accuracy)), PRICE) is None


def test_without_a_rule_nobody_is_stopped_and_there_are_no_rungs():
    early = EarlyStopping(None, DEFAULT)
    assert early.rungs == ()
    assert stopping().rungs == (1, 3)
    for training in running(Ledger(":memory:"), 5):
        assert early.decide(training, Progress(3, {"val_accuracy": 10.0 - training.number}), PRICE) is None
        early.remember(training, PRICE)


def test_a_training_that_starts_again_has_a_new_curve():
    early = stopping()
    *good, poor = running(Ledger(":memory:"), 5)
    early.decide(poor, Progress(2, {"val_accuracy": 40.0}), PRICE)
    early.forget(poor.uid)
    early.forget("unknown")
    for training in good:
        early.decide(training, Progress(3, {"val_accuracy": 90.0}), PRICE)
    assert early.decide(poor, Progress(3, {"val_accuracy": 50.0}), PRICE).curve == [{"epoch": 3, "val_accuracy": 50.0}]


def test_trainings_of_an_earlier_session_are_compared_with_unless_they_failed():
    ledger = Ledger(":memory:")
    curve = [{"epoch": 1, "val_accuracy": 80.0}, {"epoch": 3, "val_accuracy": 90.0}, {"epoch": 4}]
    good = running(ledger, 4)
    for outcome, stops in ((ledgers.ended(90.0, curve), True), (ledgers.failed(curve=curve), False)):
        early = stopping()
        for training in good:
            early.remember(replace(training, state="failed" if outcome.failure else "finished", curve=curve), PRICE)
        (poor,) = running(ledger, 1)
        assert (early.decide(poor, Progress(3, {"val_accuracy": 50.0}), PRICE) is not None) == stops


def test_a_cheaper_training_is_never_behind_dearer_ones_alone():
    early = stopping()
    *dear, cheap = running(Ledger(":memory:"), 5)
    for training in dear:
        early.decide(training, Progress(3, {"val_accuracy": 90.0}), ledgers.price(9.0))
    assert early.decide(cheap, Progress(3, {"val_accuracy": 50.0}), ledgers.price(1.0)) is None
