"""Trials that are added to an Optuna study."""

import json

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from search.planning import study_trials

CHOICES = {"stage1": CategoricalDistribution(("off", "on"))}


@pytest.fixture
def study():
    return optuna.create_study(directions=["maximize", "minimize"])


def test_a_finished_training_is_a_complete_trial_with_values_constraints_and_block(study):
    study.add_trial(
        study_trials.finished(
            {"stage1": "on"}, CHOICES, values=[90.0, 5.0], constraints={"params": -3.0}, user_attrs={"block": 2}
        )
    )
    (trial,) = study.trials
    assert (trial.number, trial.state, trial.values) == (0, TrialState.COMPLETE, [90.0, 5.0])
    assert (trial.params, trial.user_attrs, trial.constraints) == ({"stage1": "on"}, {"block": 2}, {"params": -3.0})
    assert trial.datetime_start <= trial.datetime_complete


@pytest.mark.parametrize(("state", "values"), [("FAIL", None), ("COMPLETE", [90.0, 5.0]), ("RUNNING", None)])
def test_a_record_comes_back_as_the_trial_that_it_was(study, state, values):
    record = {
        "state": state,
        "values": values,
        "params": {"stage1": "off"},
        "user_attrs": {"block": 1},
        "system_attrs": {},
    }
    study.add_trial(study_trials.recorded(json.loads(json.dumps(record)), CHOICES, {"params": 1.0}))
    (trial,) = study.trials
    assert (trial.state.name, trial.values, trial.params, trial.user_attrs) == (
        state,
        values,
        {"stage1": "off"},
        {"block": 1},
    )
    assert trial.constraints == {"params": 1.0}
    assert (trial.datetime_complete is None) == (state == "RUNNING")


def test_a_recorded_constraint_is_kept_and_a_missing_one_added(study):
    made = study_trials.finished(
        {"stage1": "on"}, CHOICES, values=[1.0, 2.0], constraints={"params": 7.0}, user_attrs={}
    )
    record = {"state": "COMPLETE", "values": [1.0, 2.0], "params": {"stage1": "on"}, "system_attrs": made.system_attrs}
    study.add_trial(study_trials.recorded(record, CHOICES, {"params": -1.0, "macs": 3.0}))
    (trial,) = study.trials
    assert trial.constraints == {"params": 7.0, "macs": 3.0}
    assert trial.user_attrs == {}
