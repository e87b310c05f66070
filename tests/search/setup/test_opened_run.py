"""A run that is opened: what it knows of itself, and when its front is computed."""

from contextlib import closing

import pytest

from search import config
from search.config import Experiment
from search.setup import opened_run
from search.setup.opened_run import is_complete, open_folder, open_run
from search.state.completion_fact import Completion
from search.state.confirmation_facts import AnswerFact, Settled
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces import UserError, durable
from tests.search import ledgers

EXPERIMENT = Experiment.from_dict(
    {"data": "digits", "model": {"backbone": "cifar_resnet8"}, "search": {"tolerance": 0.7}, "budget": {"time": "2h"}}
)


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "runs" / "one")
    made.create()
    text = config.to_yaml(EXPERIMENT)
    durable.write(made.config, text)
    with closing(Ledger(made.ledger)) as ledger:
        entries = ledgers.enter(ledger)
        for entry, accuracy in zip(entries, (90.0, 95.0), strict=True):
            ledgers.train(ledger, entry, [accuracy, accuracy + 0.1])
        ledger.note(Facts(config=text))
    return made


def test_a_run_is_opened_by_its_name_and_closed_again(folder):
    with open_run("one", folder.path.parent) as run:
        assert (run.name, run.folder.path, run.rules.tolerance) == ("one", folder.path, 0.7)
        assert run.has_plain
        assert not run.is_complete
        assert [point.n_seeds for point in run.front.points] == [2, 2]
    with pytest.raises(Exception, match="closed"):
        run.ledger._db.execute("SELECT 1")


@pytest.mark.parametrize(
    ("reason", "search", "complete"),
    [
        ("answered", {}, True),
        ("answered", {"stop": "budget"}, False),
        ("used", {"stop": "budget"}, True),
        ("used", {"worthwhile": 0.3}, False),
        ("answered", {"worthwhile": 0.3}, False),
    ],
)
def test_a_finished_run_is_not_complete_if_its_answer_is_asked_for_otherwise(reason, search, complete):
    """By `search.stop` or `search.worthwhile`, which may change while a run is stopped."""
    experiment = Experiment.from_dict({"data": "digits", "model": {"backbone": "cifar_resnet8"}, "search": search})
    answer = AnswerFact(20, 0.2, 0.995, 8)
    facts = Facts(complete=Completion(64), settled=Settled(64, reason, 20), answer=answer)
    assert is_complete(experiment, facts) is complete


def test_the_front_is_computed_once_and_only_when_it_is_asked_for(folder, monkeypatch):
    computed = []
    usual = opened_run.compute
    monkeypatch.setattr(opened_run, "compute", lambda *args: computed.append(args) or usual(*args))
    with open_folder(folder) as run:
        assert not computed
        assert run.front is run.front
    assert len(computed) == 1


def test_without_a_finished_training_of_plain_there_is_no_front(folder):
    folder.ledger.unlink()
    with closing(Ledger(folder.ledger)) as ledger:
        ledgers.enter(ledger)
    with open_folder(folder) as run:
        assert not run.has_plain
        with pytest.raises(UserError, match="plain"):
            _ = run.front


@pytest.mark.parametrize(
    ("complete", "experiment", "expected"),
    [
        (None, EXPERIMENT, False),
        (None, None, False),
        (Completion(EXPERIMENT.budget.trainings, "2h"), EXPERIMENT, True),
        (Completion(EXPERIMENT.budget.trainings, "3h"), EXPERIMENT, False),
        (Completion(1, "2h"), EXPERIMENT, False),
        (Completion(1), None, True),
    ],
)
def test_a_run_is_complete_with_the_budget_of_its_config(complete, experiment, expected):
    assert is_complete(experiment, Facts(complete=complete)) == expected
