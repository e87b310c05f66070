"""The budget that a run agrees to when its command is typed again, with an extension or without."""

import pytest

from search.config import Experiment
from search.running.resume_checks import agreed_experiment, extension_of, keep_experiment
from search.state.completion_fact import Completion
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces.errors import UserError
from tests.search import ledgers

CONFIG = {"data": {"dataset": "digits"}, "model": {"backbone": "cifar_resnet8"}, "budget": {"trainings": 16}}
EXPERIMENT = Experiment.from_dict({**CONFIG, "name": "mine"})


class Run:
    """A run whose command is typed, trains so many architectures, and may be interrupted."""

    def __init__(self, folder):
        self.place = RunFolder(folder / "mine")
        self.place.create()
        self.ledger = Ledger(self.place.ledger)
        self.said = []

    def typed(self, trainings=None, *, trained=0, finished=False):
        """The budget after the command, once training has begun."""
        agreed = agreed_experiment(EXPERIMENT, self.place, self.ledger, trainings, self.said.append)
        keep_experiment(agreed, self.place, self.ledger, extension_of(agreed, trainings))
        for _ in range(trained):
            known = len(self.ledger.entries)
            (new,) = ledgers.enter(self.ledger, [0.0])
            ledgers.train(self.ledger, new, [90.0], role="baseline", origin=f"baseline {known}")
        if finished:
            self.ledger.note(Facts(complete=Completion(agreed.budget.trainings, None)))
        return agreed.budget.trainings


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_an_extension_of_an_interrupted_run_is_added_to_its_budget_once(run):
    """It was added to the trainings until then: 3 of 16 and `+8` made 11, and every repetition made another budget."""
    assert run.typed(trained=3) == 16
    assert run.typed("+8", trained=2) == 24
    assert run.typed("+8", trained=4) == 24
    assert run.said == ["--trainings +8 is counted already: the budget is 24 trainings; for more, write --trainings N"]
    assert run.typed(" +08") == 24
    assert run.typed() == 24


def test_a_new_run_that_was_begun_with_an_extension_keeps_its_budget(run):
    assert run.typed("+4", trained=4) == 20
    assert run.typed("+4") == 20


def test_an_extension_of_a_finished_run_never_lowers_its_budget(run):
    """It had made 18 of 16 after 10, and 42 of 64 after 18, so that nothing was trained."""
    assert run.typed(trained=10, finished=True) == 16  # it had its answer
    assert run.typed("+8", trained=3) == 24
    assert run.typed("+8", trained=5, finished=True) == 24
    assert run.typed("+8") == 32


def test_a_new_run_that_ends_before_it_trains_has_its_extension_once(run):
    """Between the budget and the note of its extension the latency was timed, and Ctrl-C added it again."""
    for _ in range(2):
        assert agreed_experiment(EXPERIMENT, run.place, run.ledger, "+4", run.said.append).budget.trainings == 20


def test_another_extension_is_added(run):
    run.typed(trained=3)
    assert run.typed("+8") == 24
    assert run.typed("+4") == 28
    assert run.typed("40") == 40
    assert run.typed("+4") == 44


def test_a_budget_is_not_set_below_what_is_used(run):
    run.typed(trained=14)
    with pytest.raises(UserError, match="has 14 trainings already; its budget cannot be 12") as caught:
        run.typed("12")
    assert caught.value.hint == "use --trainings 14 or more, or --trainings +N"
