"""What the search may propose, and what it repeats when nothing is left."""

from types import MappingProxyType

import pytest

from search.planning.optuna_study import Proposal
from search.planning.priced_space import PricedSpace
from search.planning.search_plan import SearchPlan
from search.planning.training_lengths import ShortTrainings
from search.planning.training_rows import TrainingRows
from search.results.objectives import DEFAULT, Objective
from search.state.ledger import Ledger
from search.state.records import Pause
from senet_nas.recipe import Recipe, Seed
from tests.search import ledgers, timings

TARGET = 24
LIMITED = (Objective(metric="accuracy"), Objective(metric="params", limit=10.0))


class Proposer:
    """Proposes what a test says, and notes what it was asked and which ``members`` it must avoid."""

    def __init__(self, answer=None, *, epochs=None, replicates=False, members=()):
        self.answer = answer
        self.pause = None if epochs is None else Pause(epochs, epochs / 8)
        self.replicates = replicates
        self.members = members

    def ask(self, number, avoid, known, block, *, wants_proof, may_pause):
        self.asked = (number, known, block)
        self.wants_proof = wants_proof
        self.avoided = {i for i, member in enumerate(self.members) if avoid(member)}
        self.offered = may_pause(0.0)
        return None if self.answer is None else Proposal(self.answer, [{"params": {}}], self.pause)


@pytest.fixture
def space(make_space):
    return make_space()


@pytest.fixture
def ledger(space):
    """Members 0, 1 and 2: finished twice, finished once, failed; 3 was stopped."""
    ledger = Ledger(":memory:")
    members = list(space)
    prices = [ledgers.price(float(i), **timings.predicted(3.0)) for i in range(4)]
    entries = [ledger.enter(member, f"member {i}", prices[i]) for i, member in enumerate(members[:4])]
    ledgers.train(ledger, entries[0], [90.0, 91.0])
    ledgers.train(ledger, entries[1], [92.0])
    ledgers.play(ledger, [(entries[2], Seed(0))], [ledgers.failed()])
    (stopped,) = ledgers.play(ledger, [(entries[3], Seed(0))], [None])
    ledger.stop(stopped.uid, reason="slow", curve=[{"epoch": 1}], share=0.5)
    return ledger


SHORT = ShortTrainings(Recipe(epochs=8))


def plan_of(space, ledger, proposer, objectives=DEFAULT, seeds=None, short=None, latency=MappingProxyType({})):
    def price(architecture):
        return ledgers.price(float(list(space).index(architecture)), **latency)

    priced = PricedSpace(space, price, seeds)
    return SearchPlan(ledger, priced, proposer, TrainingRows(ledger, priced), objectives, short)


def avoided(space, ledger, proposer, *more, block=0, **how):
    proposer.members = list(space)
    plan_of(space, ledger, proposer, *more, **how).plan(block, TARGET)
    return proposer.avoided


def test_the_sampler_hears_that_a_confirmation_is_ahead(space, ledger):
    proposer = Proposer(space[7])
    plan_of(space, ledger, proposer).plan(0, TARGET, wants_proof=True)
    assert proposer.wants_proof


def test_a_proposal_becomes_a_waiting_training_with_its_record(space, ledger):
    proposer = Proposer(space[7])
    training = plan_of(space, ledger, proposer).plan(3, TARGET)
    assert training == ledger.trainings[-1]
    assert (training.role, training.origin, training.seed, training.state) == ("search", "sampler", Seed(3), "waiting")
    assert training.proposal == [{"params": {}}]
    assert ledger.entries[training.architecture].architecture == space[7]
    number, known, block = proposer.asked
    assert (number, block) == (5, 3)
    assert not proposer.wants_proof
    assert [known(space[i]) for i in range(5)] == [{"accuracy": 90.5}, {"accuracy": 92.0}, None, None, None]


def test_what_was_trained_is_not_proposed_again_unless_the_sampler_replicates(space, ledger):
    assert avoided(space, ledger, Proposer(space[0], replicates=True)) == {2, 3}
    assert avoided(space, ledger, Proposer(space[9])) == {0, 1, 2, 3}


def test_what_is_over_a_limit_is_not_proposed(space, ledger):
    over = set(range(11, space.size))
    assert avoided(space, ledger, Proposer(space[0], replicates=True), LIMITED) == {2, 3} | over
    assert avoided(space, ledger, Proposer(space[9]), LIMITED) == {0, 1, 2, 3} | over


def test_what_was_measured_counts_instead_of_the_prediction(space, ledger):
    limited = (Objective(metric="accuracy"), Objective(metric="params", limit=10.0), timings.OBJECTIVES[1])
    timings.model(ledger, 4.0)
    for number, overhead in enumerate([3.0, 12.0, 3.0, 3.0]):  # 3 % is predicted of all
        timings.measured(ledger, f"a{number}", overhead)
    over = set(range(11, space.size))
    priced = timings.predicted(3.0)
    assert avoided(space, ledger, Proposer(space[0], replicates=True), limited, latency=priced) == {1, 2, 3} | over
    timings.measured(ledger, "a0", None)  # refused
    assert avoided(space, ledger, Proposer(space[4], replicates=True), limited, latency=priced) == {0, 1, 2, 3} | over


def test_of_a_table_only_what_it_holds_is_proposed(space, ledger):
    held = {space[0]: [Seed(0, 0), Seed(0, 1)], space[1]: [Seed(0, 0), Seed(5, 0)], space[4]: [Seed(0, 0)]}
    proposer = Proposer(space[4])
    everything = set(range(space.size))
    found = avoided(space, ledger, proposer, seeds=lambda a: held.get(a, []))
    assert found == everything - {4}


def test_a_sampler_that_replicates_takes_from_a_table_what_can_be_compared(space, ledger):
    """Of 0 nothing is left; of 1 only a seed of another block, though the table knows this one; 4 and 5 are free."""
    held = {
        space[0]: [Seed(0, 0), Seed(0, 1)],
        space[1]: [Seed(0, 0), Seed(5, 0)],
        space[4]: [Seed(0, 0)],
        space[5]: [Seed(5, 0)],
    }
    everything = set(range(space.size))
    found = avoided(space, ledger, Proposer(space[4], replicates=True), seeds=lambda a: held.get(a, []))
    assert found == everything - {4, 5}


def test_when_nothing_is_left_the_architecture_with_the_fewest_trainings_is_repeated(space, ledger):
    plan = plan_of(space, ledger, Proposer())
    found = [plan.plan(0, TARGET) for _ in range(3)]
    assert [(t.architecture, t.seed, t.role, t.origin) for t in found] == [
        (1, Seed(0, 1), "search", "replicate"),
        (0, Seed(0, 2), "search", "replicate"),
        (1, Seed(0, 2), "search", "replicate"),
    ]


def test_what_is_over_a_limit_or_has_no_seed_left_is_not_repeated(space, ledger):
    limited = (Objective(metric="accuracy"), Objective(metric="params", limit=0.5))
    plan = plan_of(space, ledger, Proposer(), limited)
    assert plan.plan(0, TARGET).architecture == 0
    used = {0: [Seed(0, 0), Seed(0, 1), Seed(0, 2)], 1: [Seed(0, 0)]}
    places = list(space)
    assert plan_of(space, ledger, Proposer(), seeds=lambda a: used.get(places.index(a), [])).plan(0, TARGET) is None


def pause(ledger, member, epochs, seed):
    """A paused training of a member of the space."""
    entry = ledger.find(member.key) or ledger.enter(member, "another", ledgers.price())
    (training,) = ledger.plan([(entry, seed)], role="search", origin="sampler", pause=Pause(epochs, epochs / 8))
    ledger.start(training.uid)
    return ledger.pause(training.uid, curve=[{"epoch": epoch} for epoch in range(1, epochs + 1)])


class PausingProposer(Proposer):
    """Also notes which proposals were taken back, and which trainings no longer pause."""

    withdrawn = continued = None

    def withdraw(self, number):
        self.withdrawn = number

    def resume(self, number):
        self.continued = number


def test_a_short_proposal_becomes_a_training_with_its_pause(space, ledger):
    plan = plan_of(space, ledger, Proposer(space[7], epochs=2), short=SHORT)
    training = plan.plan(3, TARGET)
    assert (training.until, training.metrics, training.state) == (2, {"share": 0.25}, "waiting")


@pytest.mark.parametrize(
    ("epochs", "expected", "until"),
    [(None, "second", None), (2, "first", 2), (3, "second", 3), (1, "new", 1)],
)
def test_a_proposal_continues_the_paused_training_of_its_architecture_that_is_furthest(
    space, ledger, epochs, expected, until
):
    first, second = (pause(ledger, space[7], length, Seed(0, length)) for length in (1, 2))
    pause(ledger, space[8], 1, Seed(0))
    numbers = {"first": first.number, "second": second.number, "new": len(ledger.trainings)}
    proposer = PausingProposer(space[7], epochs=epochs)
    training = plan_of(space, ledger, proposer, short=SHORT).plan(0, TARGET)
    assert (training.number, training.until, training.state) == (numbers[expected], until, "waiting")
    is_new = expected == "new"
    assert proposer.withdrawn == (None if is_new else numbers["new"])
    assert proposer.continued == (None if is_new else training.number)


def test_of_paused_trainings_one_of_the_block_continues_first(space, ledger):
    pause(ledger, space[7], 2, Seed(0))
    here = pause(ledger, space[7], 1, Seed(4))
    training = plan_of(space, ledger, PausingProposer(space[7]), short=SHORT).plan(4, TARGET)
    assert training.uid == here.uid


def test_when_nothing_is_left_to_propose_paused_trainings_continue_though_pauses_were_turned_off(space, ledger):
    paused = pause(ledger, space[1], 1, Seed(0, 7))
    counts = [len(ledger.counts.by_architecture[number]) for number in (0, 1)]
    assert counts == [2, 2]
    plan = plan_of(space, ledger, PausingProposer())
    assert [plan.plan(0, TARGET).uid == paused.uid for _ in range(2)] == [False, True]


def test_a_table_whose_seeds_are_used_up_still_continues_what_has_paused(space, ledger):
    pause(ledger, space[4], 1, Seed(0, 0))
    held = {space[4]: [Seed(0, 0)], space[5]: [Seed(0, 0)]}
    proposer = PausingProposer(space[4], epochs=1, replicates=True)
    found = avoided(space, ledger, proposer, seeds=lambda a: held.get(a, []), short=SHORT)
    assert found == set(range(space.size)) - {4, 5}
    assert proposer.continued == ledger.trainings[-1].number, "there is no seed for another short one"
    assert (ledger.trainings[-1].state, ledger.trainings[-1].until) == ("waiting", None)


def test_the_sampler_hears_which_pause_there_may_be(space, ledger):
    proposer = Proposer(space[7])
    ledgers.train(ledger, ledger.entries[0], [90.0] * 20, role="baseline")
    plan_of(space, ledger, proposer, short=SHORT).plan(0, TARGET)
    assert proposer.offered == Pause(1, 1 / 8)
    plan_of(space, ledger, proposer).plan(0, TARGET)
    assert proposer.offered is None
