"""Runs that the version before the rebuilt house left behind: they open, report and go on as they did.

``fixtures/old_runs`` holds two of its run folders, without weights, and beside each what that version said of it.
Since then, the level of each block takes a degree of freedom from sigma, so numbers of the posterior moved a little:
``now`` has those of this version. What was trained, proven and recommended is what it was.
"""

import json
import random
import tarfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from search import Experiment, run
from search.doctor.diagnosis import diagnose
from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.report.refresh import refresh_run
from search.report.status import read_status
from search.setup.experiment_setup import prepare
from search.setup.opened_run import kept, rules
from search.state.ledger import Ledger
from search.state.records import Outcome
from search.state.run_folder import RunFolder

FIXTURES = Path(__file__).parents[1] / "fixtures" / "old_runs"
NAMES = ("digits", "stopped")
# Sentences may be worded otherwise now.
PROSE = {"verdict", "rule", "power", "findings"}
# What the posterior has no part in, or too small a part to change it.
KEPT = (
    "id",
    "architecture",
    "role",
    "verdict",
    "p_value",
    "fresh_gain",
    "on_front",
    "alike",
    "n_seeds",
    "seeds",
)


@pytest.fixture
def runs(tmp_path):
    for name in NAMES:
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
            archive.extractall(tmp_path / "runs", filter="data")
    return tmp_path / "runs"


def golden(name):
    return json.loads((FIXTURES / f"{name}.json").read_text())


def without_prose(front):
    return {key: value for key, value in front.items() if key not in PROSE}


def flat(tree, path=""):
    """Every value of a tree of JSON by its path."""
    if isinstance(tree, dict):
        children = tree.items()
    elif isinstance(tree, list):
        children = enumerate(tree)
    else:
        return {path: tree}
    return {name: value for key, child in children for name, value in flat(child, f"{path}/{key}").items()}


def assert_same(found, expected):
    """Strings are equal, and numbers as far as another order of the same sums gives."""
    found, expected = flat(found), flat(expected)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        is_number = isinstance(value, float)
        assert found[path] == (pytest.approx(value, rel=1e-6, abs=1e-9) if is_number else value), path


@pytest.mark.parametrize("name", NAMES)
def test_the_front_of_an_old_run_is_what_it_was(runs, name):
    refresh_run(name, runs)
    written = json.loads((runs / name / "front.json").read_text())
    assert_same(without_prose(written), golden(name)["now"]["front"])
    assert (runs / name / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("name", NAMES)
def test_what_an_old_run_has_proven_recommended_and_trained_is_what_it_was(runs, name):
    refresh_run(name, runs)
    found = json.loads((runs / name / "front.json").read_text())
    before = golden(name)["front"]
    for key in ("recommended", "likely", "trainings", "test", "objectives"):
        assert found[key] == before[key]
    assert len(found["points"]) == len(before["points"])
    for now, old in zip(found["points"], before["points"], strict=True):
        assert [now[key] for key in KEPT] == [old[key] for key in KEPT]
        assert {key: now[key] for key in old if "overhead" in key} == {
            key: old[key] for key in old if "overhead" in key
        }
        assert now["gain"] == pytest.approx(old["gain"], abs=0.1)
    assert any(point["p_value"] is not None for point in found["points"]) == (name == "digits")
    assert found["sigma"] == pytest.approx(before["sigma"], rel=0.1)
    assert found["sigma"] > before["sigma"]


@pytest.mark.parametrize("name", NAMES)
def test_its_status_is_what_it_was(runs, name):
    found, expected = read_status(name, runs).to_dict(), golden(name)["status"]
    del found["verdict"], expected["verdict"]
    assert found.pop("command", "").startswith("senet-search run " if found["state"] == "stopped" else "")
    assert_same(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_doctor_finds_what_it_found(runs, name):
    """Nothing but what the fixture lacks: weights, and MLflow's store."""
    found, expected = diagnose(name, runs).to_dict(), golden(name)["doctor"]
    assert found["ok"] == expected["ok"]
    assert [f["invariant"] for f in found["findings"]] == [f["invariant"] for f in expected["findings"]]
    states = {check["invariant"]: check["state"] for check in found["checks"]}
    known = {check["invariant"]: check["state"] for check in expected["checks"]}
    assert {name: states[name] for name in known} == known
    assert set(states.values()) <= {*known.values(), "ok", "skipped"}  # invariants that came later hold, too


def test_a_finished_old_run_gives_its_result_and_trains_nothing(runs):
    experiment = Experiment.load(runs / "digits" / "config.yaml")
    front = run(experiment, runs=runs)
    assert front.recommended == golden("digits")["front"]["recommended"]
    with closing(Ledger(runs / "digits" / "ledger.sqlite", read_only=True)) as ledger:
        assert Counter(t.state for t in ledger.trainings) == {"finished": 24}


def outcome(assignment):
    return Outcome(
        {"val_accuracy": random.Random(f"{assignment.architecture} {assignment.seed}").gauss(97.0, 0.3)}, [{"epoch": 1}]
    )


def test_an_old_run_that_was_stopped_goes_on_with_what_was_planned_and_then_by_the_rules_of_this_version(runs):
    """It was stopped after ten of 24 trainings, while two waited. A quarter of them would have been a confirmation.

    Half of them are now, so the search of the earlier version would have had six more than these twelve. What it
    proposed after the two cannot be the same: the model that proposes estimates the noise otherwise. The fake
    evaluation gives nothing to prove, so no candidate is frozen and the search has the rest.
    """
    place = RunFolder(runs / "stopped")
    with closing(Ledger(place.ledger)) as ledger:
        experiment = kept(place, ledger)
        prepared = prepare(experiment)
        proposer = Proposer(
            prepared.space,
            experiment.objectives,
            prepared.price,
            sampler=experiment.search.sampler,
            seed=experiment.search.seed,
            budget=experiment.budget.trainings,
        )
        budget = Budget(experiment.budget.trainings)
        loop = Loop(ledger, prepared.priced_space, proposer, budget=budget, rules=rules(experiment))
        finished = [t for t in ledger.trainings if t.state == "finished"]
        loop.recover()
        while (assignment := loop.next()) is not None:
            loop.finish(assignment.uid, outcome(assignment))
        assert loop.is_complete
        assert ledger.trainings[: len(finished)] == finished
        later = [[ledger.entries[t.architecture].key, str(t.seed), t.role] for t in ledger.trainings[len(finished) :]]
        before = golden("stopped")
        assert later[:2] == before["continued"][:2]
        assert len(later) == len(before["continued"])
        assert later == before["now"]["continued"]
        (plan,) = ledger.facts.pair_plans
        assert (plan.ended, plan.budget) == ("nobody", 24)
