"""What our sampler gives the model and the rule: which trials, which costs, which candidates."""

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from search.planning import model_sampler
from search.planning.acquisition import Choice
from search.planning.candidates import whole
from search.planning.model_sampler import PosteriorSampler
from search.planning.sampler_context import Memory
from search.state.records import Pause

COLUMNS = ("params_overhead",)


def price(architecture):
    return {"params_overhead": float(sum(se.hidden for se in architecture.blocks if se))}


@pytest.fixture
def space(make_space):
    return make_space(blocks=1)


class Rule:
    """A rule that notes what it is given, and chooses the first that is allowed."""

    def __init__(self, *, is_short=False):
        self.seen = []
        self._is_short = is_short

    def __call__(self, inputs, rng):
        self.seen.append(inputs)
        return Choice(int(inputs.allowed.argmax()), self._is_short and inputs.short is not None)


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(directions=["maximize", "minimize"])


def ask(study, space, sampler):
    study.sampler = sampler
    choices = {name: optuna.distributions.CategoricalDistribution(v) for name, v in space.parameters.items()}
    return study.ask(choices)


def tell(study, space, trial, accuracy):
    study.tell(trial, [accuracy, price(space.decode(trial.params))["params_overhead"]])


def several(study, space, count):
    """Complete trials of random architectures; the accuracy is 90 plus the number of the trial."""
    for number in range(count):
        tell(study, space, ask(study, space, optuna.samplers.RandomSampler(seed=number)), 90.0 + number)


def test_the_first_proposal_is_random(study, space):
    rule = Rule()
    found = {
        space.decode(ask(study, space, PosteriorSampler(space, price, COLUMNS, rule, seed=s)).params) for s in range(6)
    }
    assert len(found) > 2
    assert rule.seen == []


def test_the_rule_chooses_among_all_that_is_not_to_be_avoided(study, space):
    several(study, space, 3)
    rule, members = Rule(), list(space)
    sampler = PosteriorSampler(space, price, COLUMNS, rule, avoid=lambda a: a != members[5], block=4)
    assert space.decode(ask(study, space, sampler).params) == members[5]
    (inputs,) = rule.seen
    assert inputs.allowed.tolist() == [i == 5 for i in range(space.size)]
    assert inputs.costs[:, 0].tolist() == [price(member)["params_overhead"] for member in members]
    assert inputs.block == 4
    nothing = PosteriorSampler(space, price, COLUMNS, rule, avoid=lambda a: True)
    assert space.decode(ask(study, space, nothing).params) in members
    assert len(rule.seen) == 1


def test_what_runs_is_pending_and_the_trial_itself_is_not(study, space):
    several(study, space, 3)
    running = ask(study, space, optuna.samplers.RandomSampler(seed=9))
    running.set_user_attr("block", 2)
    study.tell(ask(study, space, optuna.samplers.RandomSampler(seed=8)), state=TrialState.FAIL)
    study.tell(study.ask(), [1.0, 2.0])  # a trial of another kind
    rule = Rule()
    ask(study, space, PosteriorSampler(space, price, COLUMNS, rule))
    (inputs,) = rule.seen
    assert inputs.pending == [(list(space).index(space.decode(running.params)), 2)]
    seen = {list(space).index(space.decode(t.params)) for t in study.trials[:3]}
    assert set(inputs.posterior.architectures) == {0, *seen}


def test_of_many_trials_the_last_share_counts_as_running(study, space, monkeypatch):
    monkeypatch.setattr(model_sampler, "NEW_SHARE", 2)
    several(study, space, 7)  # fitted in steps of 7 // 2 = 3
    fitted = []
    fit = model_sampler.fit
    monkeypatch.setattr(model_sampler, "fit", lambda seen, *a, **k: fitted.append((seen, k)) or fit(seen, *a, **k))
    rule = Rule()
    ask(study, space, PosteriorSampler(space, price, COLUMNS, rule))
    places = [list(space).index(space.decode(t.params)) for t in study.trials[:7]]
    ((seen, how),) = fitted
    assert seen.architecture.tolist() == places[:6]
    assert seen.accuracy.tolist() == [90.0 + n for n in range(6)]
    assert (how["seed"], how["draws"]) == (6, model_sampler.DRAWS)
    assert rule.seen[0].pending == [(places[6], 0)]


def test_a_memory_saves_fits_and_changes_nothing(study, space, monkeypatch):
    several(study, space, 4)
    fits = []
    fit = model_sampler.fit
    monkeypatch.setattr(model_sampler, "fit", lambda *a, **k: fits.append(1) or fit(*a, **k))
    rule, memory, listed = Rule(), Memory(), whole(space, price, COLUMNS)
    for _ in range(2):
        ask(study, space, PosteriorSampler(space, price, COLUMNS, rule, listed=listed, memory=memory))
    assert len(fits) == 1
    assert rule.seen[0].posterior is rule.seen[1].posterior
    tell(study, space, ask(study, space, PosteriorSampler(space, price, COLUMNS, rule, memory=memory)), 91.0)
    ask(study, space, PosteriorSampler(space, price, COLUMNS, rule, listed=listed, memory=memory))
    assert rule.seen[-1].posterior is not rule.seen[0].posterior


def test_in_a_large_space_the_best_trials_have_neighbours_listed(study, make_space, monkeypatch):
    space = make_space(blocks=2)
    monkeypatch.setattr(model_sampler.candidates, "LISTED", space.size - 1)
    several(study, space, 5)
    asked = []
    near = model_sampler.candidates.near
    monkeypatch.setattr(model_sampler.candidates, "near", lambda *a: asked.append(a) or near(*a))
    ask(study, space, PosteriorSampler(space, price, COLUMNS, Rule(), seed=3))
    ((_, _, columns, known, best, *_),) = asked
    architectures = [space.decode(t.params) for t in study.trials[:5]]
    assert columns == COLUMNS
    assert known == architectures
    assert best == list(dict.fromkeys(reversed(architectures)))


def test_what_has_paused_is_known_by_its_losses_alone(study, space, monkeypatch):
    several(study, space, 12)
    paused = ask(study, space, optuna.samplers.RandomSampler(seed=99))
    fitted = []
    fit = model_sampler.fit
    monkeypatch.setattr(model_sampler, "fit", lambda seen, *a, **k: fitted.append(seen) or fit(seen, *a, **k))
    losses = {number: [1.5 + number / 100, 0.5] for number in range(12)} | {paused.number: [1.4]}
    rule = Rule()
    ask(study, space, PosteriorSampler(space, price, COLUMNS, rule, losses=losses, paused={paused.number}))
    (seen,) = fitted
    assert seen.is_whole.tolist() == [True] * 12 + [False]
    assert seen.architecture[-1] == list(space).index(space.decode(paused.params))
    assert np.array_equal(seen.losses[-1], [1.4, np.nan], equal_nan=True)
    assert rule.seen[0].pending == []


def test_the_pause_follows_from_how_much_curves_are_trusted_and_from_the_rule(study, space):
    several(study, space, 12)
    losses = {number: [1.5 + number / 100, 0.5] for number in range(12)}
    asked = []

    def may_pause(p_nothing):
        asked.append(p_nothing)
        return None if p_nothing is None else Pause(1, 1 / 8)

    for known, is_short, expected in (({}, True, None), (losses, True, Pause(1, 1 / 8)), (losses, False, None)):
        rule = Rule(is_short=is_short)
        sampler = PosteriorSampler(space, price, COLUMNS, rule, losses=known, may_pause=may_pause)
        assert sampler.pause is None
        ask(study, space, sampler)
        assert sampler.pause == expected
    assert asked[0] is None
    assert 0 < asked[1] < 1
    told = rule.seen[0].short
    assert told.cost == 1 / 8
    tried = {list(space).index(space.decode(trial.params)) for trial in study.trials[:12]}
    assert tried <= set(np.flatnonzero(told.seen))
    assert not told.paid.any()


def test_a_paused_training_makes_the_whole_one_cheaper(study, space):
    several(study, space, 12)
    paused = ask(study, space, optuna.samplers.RandomSampler(seed=99))
    losses = {number: [1.5 + number / 100, 0.5] for number in range(12)} | {paused.number: [1.4]}
    rule = Rule()
    sampler = PosteriorSampler(
        space,
        price,
        COLUMNS,
        rule,
        losses=losses,
        paused={paused.number},
        may_pause=lambda p_nothing: Pause(1, 1 / 8),
    )
    ask(study, space, sampler)
    at = list(space).index(space.decode(paused.params))
    assert np.flatnonzero(rule.seen[0].short.paid).tolist() == [at]
    assert rule.seen[0].short.paid[at] == 1 / 8
