"""Our own samplers: which one a budget asks for, and the order in which a space is listed."""

import math
import random

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from search.planning.sampler_context import SamplerContext
from search.planning.samplers import SAMPLERS, _coprime_step, chosen


def context(space):
    return SamplerContext(space, lambda a: {"params_overhead": 0.0}, ["params_overhead"], 0, lambda a: False, None)


def test_auto_lists_a_space_that_the_budget_covers_without_the_confirmation(make_space):
    space = make_space()
    enough = 2 * space.size
    assert chosen("auto", space, enough) is SAMPLERS["grid"]
    assert chosen("auto", space, enough - 1) is SAMPLERS["auto"]
    assert chosen("auto", space, None) is SAMPLERS["auto"]
    least = math.ceil(space.size / 0.4)
    assert chosen("auto", space, least, 0.6) is SAMPLERS["grid"]
    assert chosen("auto", space, least - 1, 0.6) is SAMPLERS["auto"]
    assert chosen("auto", space, math.ceil(space.size / 0.75), 0.25) is SAMPLERS["grid"]
    assert chosen("knowledge_gradient", space, enough) is SAMPLERS["knowledge_gradient"]


def test_only_samplers_with_a_model_replicate():
    assert {name for name, sampler in SAMPLERS.items() if sampler.replicates} == {
        "auto",
        "knowledge_gradient",
        "thompson",
    }


@pytest.mark.parametrize("size", [1, 2, 3, 57, 64, 113, 1000])
def test_the_step_visits_everything_and_begins_at_the_golden_section(size):
    step = _coprime_step(size)
    assert math.gcd(step, size) == 1
    first = max(1, round(0.618 * size))
    assert step >= first
    assert all(math.gcd(number, size) != 1 for number in range(first, step))


def test_a_grid_proposes_every_member_once_and_spreads_any_part_evenly(make_space):
    space = make_space(reduction=(4, 8, 16))
    study = optuna.create_study(sampler=SAMPLERS["grid"].make(0, context(space)))
    choices = {name: CategoricalDistribution(values) for name, values in space.parameters.items()}
    found = [space.decode(study.ask(choices).params) for _ in range(space.size)]
    assert len(set(found)) == space.size
    assert found[0] == space[0]
    members = list(space)
    places = sorted(members.index(architecture) for architecture in found[:16])
    assert np.diff([*places, space.size]).max() <= space.size / 16 * 3


def test_parents_of_nsga2_come_in_the_order_of_their_trials(make_space):
    """So that a resumed study, which remembers them in another order, draws the same children."""
    sampler = SAMPLERS["nsga2"].make(0, context(make_space()))
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    rng = random.Random(0)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), rng.random()), n_trials=40)
    parents = sampler.select_parent(study, 2)
    assert len(parents) == 12
    assert [p.number for p in parents] == sorted(p.number for p in parents)


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [("tpe", "TPESampler", {"_n_startup_trials": 8}), ("nsga2", "Nsga2", {"_population_size": 12})],
)
def test_optunas_samplers_are_set_for_tens_of_trainings(make_space, name, kind, settings):
    sampler = SAMPLERS[name].make(0, context(make_space()))
    assert type(sampler).__name__ == kind
    assert {key: getattr(sampler, key) for key in settings} == settings
