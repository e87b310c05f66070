"""What the search may propose, and what it repeats when nothing is left."""

import pytest

from search.planning.priced_space import PricedSpace
from search.planning.search_plan import SearchPlan
from search.planning.training_rows import TrainingRows
from search.results.objectives import DEFAULT, Objective
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from tests.search import ledgers

LIMITED = (Objective(metric="accuracy"), Objective(metric="params", limit=10.0))


class Proposer:
    """Proposes what a test says, and notes what it was asked and which ``members`` it must avoid."""

    def __init__(self, answer=None, *, replicates=False, members=()):
        self.answer = answer
        self.replicates = replicates
        self.members = members

    def ask(self, number, avoid, known, block, *, wants_proof):
        self.asked = (number, known, block)
        self.wants_proof = wants_proof
        self.avoided = {i for i, member in enumerate(self.members) if avoid(member)}
        return None if self.answer is None else (self.answer, [{"params": {}}])


@pytest.fixture
def space(make_space):
    return make_space()


@pytest.fixture
def ledger(space):
    """Members 0, 1 and 2: finished twice, finished once, failed; 3 was stopped."""
    ledger = Ledger(":memory:")
    members = list(space)
    entries = [ledger.enter(member, f"member {i}", ledgers.price(float(i))) for i, member in enumerate(members[:4])]
    ledgers.train(ledger, entries[0], [90.0, 91.0])
    ledgers.train(ledger, entries[1], [92.0])
    ledgers.play(ledger, [(entries[2], Seed(0))], [ledgers.failed()])
    (stopped,) = ledgers.play(ledger, [(entries[3], Seed(0))], [None])
    ledger.stop(stopped.uid, reason="slow", curve=[{"epoch": 1}], share=0.5)
    return ledger


def plan_of(space, ledger, proposer, objectives=DEFAULT, seeds=None):
    def price(architecture):
        return ledgers.price(float(list(space).index(architecture)))

    priced = PricedSpace(space, price, seeds)
    return SearchPlan(ledger, priced, proposer, TrainingRows(ledger, priced), objectives)


def avoided(space, ledger, proposer, *more, block=0, **how):
    proposer.members = list(space)
    plan_of(space, ledger, proposer, *more, **how).plan(block)
    return proposer.avoided


def test_the_sampler_hears_that_a_confirmation_is_ahead(space, ledger):
    proposer = Proposer(space[7])
    plan_of(space, ledger, proposer).plan(0, wants_proof=True)
    assert proposer.wants_proof


def test_a_proposal_becomes_a_waiting_training_with_its_record(space, ledger):
    proposer = Proposer(space[7])
    training = plan_of(space, ledger, proposer).plan(3)
    assert training == ledger.trainings[-1]
    assert (training.role, training.origin, training.seed, training.state) == ("search", "sampler", Seed(3), "waiting")
    assert training.proposal == [{"params": {}}]
    assert ledger.entries[training.architecture].architecture == space[7]
    number, known, block = proposer.asked
    assert (number, block) == (5, 3)
    assert not proposer.wants_proof
    assert [known(space[i]) for i in range(5)] == [90.5, 92.0, None, None, None]


def test_what_was_trained_is_not_proposed_again_unless_the_sampler_replicates(space, ledger):
    assert avoided(space, ledger, Proposer(space[0], replicates=True)) == {2, 3}
    assert avoided(space, ledger, Proposer(space[9])) == {0, 1, 2, 3}


def test_what_is_over_a_limit_is_not_proposed(space, ledger):
    over = set(range(11, space.size))
    assert avoided(space, ledger, Proposer(space[0], replicates=True), LIMITED) == {2, 3} | over
    assert avoided(space, ledger, Proposer(space[9]), LIMITED) == {0, 1, 2, 3} | over


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
    found = [plan.plan(0) for _ in range(3)]
    assert [(t.architecture, t.seed, t.role, t.origin) for t in found] == [
        (1, Seed(0, 1), "search", "replicate"),
        (0, Seed(0, 2), "search", "replicate"),
        (1, Seed(0, 2), "search", "replicate"),
    ]


def test_what_is_over_a_limit_or_has_no_seed_left_is_not_repeated(space, ledger):
    limited = (Objective(metric="accuracy"), Objective(metric="params", limit=0.5))
    plan = plan_of(space, ledger, Proposer(), limited)
    assert plan.plan(0).architecture == 0
    used = {0: [Seed(0, 0), Seed(0, 1), Seed(0, 2)], 1: [Seed(0, 0)]}
    places = list(space)
    assert plan_of(space, ledger, Proposer(), seeds=lambda a: used.get(places.index(a), [])).plan(0) is None
