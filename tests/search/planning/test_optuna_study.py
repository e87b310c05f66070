"""A contract that every member of SAMPLERS joins."""

import copy
import json
import random

import pytest

from search.planning.optuna_study import SAMPLERS, Proposer
from search.planning.samplers import chosen
from search.results.objectives import Objective

LIMIT = 80.0
# With it, the model takes curves, too.
CURVE = "+curve"
OBJECTIVES = (Objective(metric="accuracy"), Objective(metric="params", limit=LIMIT))


def price(architecture):
    weights = sum(2 * 16 * se.hidden for se in architecture.blocks if se)
    return {"params": 1000.0 + weights, "params_overhead": weights / 10}


def scores(architecture, number):
    return {"accuracy": accuracy(architecture, number)}


def accuracy(architecture, number):
    if number % 7 == 3:
        return None  # a training that failed
    return 90 + random.Random(architecture.key).gauss(0, 0.3) + random.Random(number).gauss(0, 0.1)


def losses(architecture, number):
    return [1.5 + random.Random(architecture.key).gauss(0, 0.1) + random.Random(number).gauss(0, 0.02), 0.5]


class Search:
    """The ledger in a dictionary: proposes, never repeats, keeps to the limit."""

    def __init__(self, space, sampler, seed=3):
        name, curves = sampler.removesuffix(CURVE), sampler.endswith(CURVE)
        self.proposer = Proposer(space, OBJECTIVES, price, sampler=name, seed=seed, curves=curves)
        self.known, self.records = {}, []

    def avoid(self, architecture):
        return architecture in self.known or price(architecture)["params_overhead"] > LIMIT

    def ask(self):
        found = self.proposer.ask(len(self.records), self.avoid, self.known.get)
        if found is not None:
            self.records.append([found.architecture, json.loads(json.dumps(found.record)), None])
            self.known[found.architecture] = None
        return found

    def tell(self, number):
        architecture = self.records[number][0]
        result = self.records[number][2] = self.known[architecture] = scores(architecture, number)
        self.proposer.tell(number, result, architecture, losses=losses(architecture, number))

    def run(self, trainings):
        while len(self.records) < trainings and self.ask() is not None:
            self.tell(len(self.records) - 1)
        return [architecture for architecture, _, _ in self.records]

    def resume(self, records):
        for number, (architecture, proposal, result) in enumerate(records):
            self.proposer.restore(number, proposal)
            self.proposer.tell(number, result, architecture, losses=losses(architecture, number))
            self.known[architecture] = result
            self.records.append([architecture, proposal, result])
        return self


@pytest.fixture
def space(make_space):
    return make_space(blocks=1, reduction=(4, 8, 16), squeeze=("avg", "max", "std"))


@pytest.fixture(params=[*sorted(SAMPLERS), "knowledge_gradient" + CURVE])
def sampler(request):
    return request.param


def test_it_proposes_only_members_within_the_limits_and_none_twice(space, sampler):
    found = Search(space, sampler).run(40)
    assert len(set(found)) == len(found) == 40
    assert all(architecture in space and price(architecture)["params_overhead"] <= LIMIT for architecture in found)


def test_the_same_seed_proposes_the_same(space, sampler):
    assert Search(space, sampler).run(25) == Search(space, sampler).run(25)


@pytest.mark.parametrize("stopped_after", [1, 8, 24])
def test_a_resumed_search_proposes_what_the_uninterrupted_one_does(space, sampler, stopped_after):
    whole = Search(space, sampler)
    whole.run(30)
    resumed = Search(space, sampler).resume(whole.records[:stopped_after])
    assert resumed.run(30) == [architecture for architecture, _, _ in whole.records]


def test_a_search_that_knows_much_proposes_from_what_it_knows_alone(space, monkeypatch):
    """The model is not fitted anew for every training then; a resumed search knows the same and proposes the same."""
    monkeypatch.setattr("search.planning.model_sampler.NEW_SHARE", 4)
    whole = Search(space, "knowledge_gradient")
    whole.run(30)
    for stopped_after in (17, 26):
        resumed = Search(space, "knowledge_gradient").resume(whole.records[:stopped_after])
        assert resumed.run(30) == [architecture for architecture, _, _ in whole.records]


def test_it_ends_when_the_space_is_used_up(make_space, sampler):
    space = make_space(blocks=1, reduction=(8,), squeeze=("avg",))
    search = Search(space, sampler)
    found = search.run(1000)
    assert set(found) == {a for a in space if price(a)["params_overhead"] <= LIMIT}
    assert search.ask() is None


def test_it_works_with_many_slots(space, sampler):
    """64 asked before anything is told, then told in another order."""
    search = Search(space, sampler)
    for _ in range(64):
        assert search.ask() is not None
    for number in random.Random(0).sample(range(64), 64):
        search.tell(number)
    assert search.ask() is not None


def test_failed_and_finished_trainings_are_told_as_what_they_are(space, sampler):
    from optuna.trial import TrialState

    search = Search(space, sampler)
    search.run(10)
    search.ask()
    search.proposer.tell(10, None, search.records[10][0], stopped=True)
    trials = search.proposer.study.trials
    states = [trials[search.proposer._trial_of[number]].state for number in range(11)]
    wanted = [TrialState.FAIL if number % 7 == 3 else TrialState.COMPLETE for number in range(10)]
    assert states == [*wanted, TrialState.PRUNED]
    assert TrialState.RUNNING not in {trial.state for trial in trials}


def test_every_complete_trial_carries_its_constraint(space, sampler):
    search = Search(space, sampler)
    search.proposer.tell(-1, {"accuracy": 91.0}, space[0])  # a baseline that nobody asked for
    search.run(12)
    from optuna.trial import TrialState

    complete = [t for t in search.proposer.study.trials if t.state is TrialState.COMPLETE]
    assert complete
    for trial in complete:
        assert trial.constraints == {"params_overhead": pytest.approx(trial.values[1] - LIMIT)}


def test_large_spaces_are_sampled(make_space, sampler):
    space = make_space(widths=(64, 128, 256), blocks=4, granularity="block", tie="none")
    found = Search(space, sampler)
    found.avoid = lambda architecture: architecture in found.known
    assert len(set(found.run(12))) == 12


def test_auto_lists_a_space_that_the_budget_covers_and_looks_ahead_in_a_larger_one(space):
    covered, larger = (chosen("auto", space, budget) for budget in (2 * space.size, space.size))
    assert covered is SAMPLERS["grid"]
    assert larger.make is SAMPLERS["knowledge_gradient"].make
    assert chosen("auto", space, None) is SAMPLERS["auto"]
    assert chosen("tpe", space, 10**6) is SAMPLERS["tpe"]


def test_a_trial_that_is_added_shares_its_distributions_and_optuna_stays_as_it_is(space):
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial

    search = Search(space, "random")
    search.proposer.tell(-1, {"accuracy": 91.0}, space[0])  # a baseline
    search.run(1)
    (record,) = search.records
    resumed = Search(space, "random").resume([record])
    for proposer in (search.proposer, resumed.proposer):
        for trial in proposer.study.get_trials(deepcopy=False):
            assert type(trial) is FrozenTrial
            assert all(trial.distributions[name] is proposer._distributions[name] for name in trial.distributions)
    distribution = CategoricalDistribution(("a", "b"))
    assert copy.deepcopy(distribution) is not distribution


def test_an_open_training_of_an_older_version_gets_its_constraints(space):
    whole = Search(space, "tpe")
    whole.ask()
    architecture, proposal, _ = whole.records[0]
    for record in proposal:
        record["system_attrs"] = {}  # constraints were noted when a training ended
    resumed = Search(space, "tpe")
    resumed.proposer.restore(0, proposal)
    resumed.proposer.tell(0, {"accuracy": 91.0}, architecture)
    (trial,) = resumed.proposer.study.trials
    assert trial.constraints == {"params_overhead": pytest.approx(trial.values[1] - LIMIT)}


# -- one proposal in detail -------------------------------------------------------------------------------------------


def test_only_a_sampler_with_a_model_gets_a_list_and_only_of_a_space_that_is_not_too_large(space, monkeypatch):
    assert Search(space, "tpe").proposer._listed is None
    listed = Search(space, "thompson").proposer._listed
    assert listed.members == tuple(space)
    monkeypatch.setattr("search.planning.candidates.LISTED", space.size - 1)
    assert Search(space, "thompson").proposer._listed is None
    monkeypatch.setattr("search.planning.candidates.LISTED", space.size)
    assert Search(space, "thompson").proposer._listed is not None
    assert [Search(space, name).proposer.replicates for name in ("tpe", "thompson")] == [False, True]


def test_what_must_be_avoided_is_told_as_known_or_failed_and_asked_again(space):
    from optuna.trial import TrialState

    search = Search(space, "random")
    first = search.ask().architecture
    search.known.clear()
    again = Search(space, "random")
    again.avoid = lambda architecture: architecture == first
    again.known[first] = {"accuracy": 91.5}
    found = again.proposer.ask(0, again.avoid, again.known.get, block=3)
    proposal = found.record
    assert found.architecture != first
    told = [(record["state"], record["values"]) for record in proposal]
    assert told[0] == ("COMPLETE", [91.5, price(first)["params_overhead"]])
    assert told[-1] == ("RUNNING", None)
    assert {record["user_attrs"]["block"] for record in proposal} == {3}
    unknown = Search(space, "random")
    proposal = unknown.proposer.ask(0, lambda a: a == first, lambda a: None).record
    assert proposal[0]["state"] == TrialState.FAIL.name
    assert {record["user_attrs"]["block"] for record in proposal} == {0}


@pytest.mark.parametrize("listed", [10**6, 1])
def test_if_the_sampler_insists_a_random_one_that_is_left_is_taken(space, monkeypatch, listed):
    monkeypatch.setattr("search.planning.optuna_study.LISTED", listed)
    monkeypatch.setattr("search.planning.optuna_study.DRAWS", 3)
    left = set(list(space)[40:42])
    search = Search(space, "grid")
    found = search.proposer.ask(0, lambda a: a not in left, lambda a: None)
    assert found.architecture in left
    assert [record["state"] for record in found.record] == ["FAIL"] * 8 + ["RUNNING"]
    assert search.proposer.ask(1, lambda a: True, lambda a: None) is None


def test_values_are_those_of_the_objectives_and_baselines_join_the_study(space):
    from optuna.trial import TrialState

    search = Search(space, "random")
    search.proposer.tell(-1, {"accuracy": 91.0}, space[3], block=2)
    search.proposer.tell(-2, None, space[4])
    (trial,) = search.proposer.study.trials
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [91.0, price(space[3])["params_overhead"]])
    assert trial.user_attrs == {"block": 2}
    assert trial.params == space.encode(space[3])
    search.proposer.tell(-3, {"accuracy": 92.0}, space[5])
    assert search.proposer.study.trials[1].user_attrs == {"block": 0}


def test_an_architecture_of_another_space_does_not_join_the_study(space, make_space):
    search = Search(space, "random")
    other = next(a for a in make_space(blocks=1, reduction=(2,), squeeze=("avg",)) if a not in space)
    search.proposer.tell(-1, {"accuracy": 91.0}, other)
    assert search.proposer.study.trials == []
