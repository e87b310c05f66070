from types import SimpleNamespace

import pytest

from search import Experiment
from search.evaluators import Trainer
from search.ledger import Ledger
from search.prepare import prepare
from search.schedule import Slots
from search.session import _Session

CONFIG = {"data": {"dataset": "digits", "train": 300}, "model": {"backbone": "cifar_resnet8"}}


@pytest.fixture
def measured(monkeypatch):
    """The networks whose threads were measured; the answer is always three."""
    asked = []
    monkeypatch.setattr(Trainer, "fastest_threads", lambda self, architecture: asked.append(architecture) or 3)
    return asked


def threads(ledger, slots, **resources):
    prepared = prepare(Experiment.from_dict({**CONFIG, "resources": {"slots": 1, "device": "cpu", **resources}}))
    fields = {**vars(prepared), "slots": slots}
    session = SimpleNamespace(_prepared=SimpleNamespace(**fields), _ledger=ledger, _watcher=SimpleNamespace(say=print))
    return _Session._with_threads(session, prepared.evaluate).task.threads


def test_threads_are_measured_once_in_a_run(measured):
    ledger = Ledger(":memory:")
    assert threads(ledger, Slots(1, 4)) == 3
    assert threads(ledger, Slots(1, 4)) == 3
    assert measured == ["cifar_resnet8/-/-/-"]


@pytest.mark.parametrize(
    ("slots", "resources"), [(Slots(4, 1), {}), (Slots(1, 4, 1.0), {}), (Slots(1, 1), {"cpus_per_slot": 1})]
)
def test_they_are_not_where_there_is_no_choice(measured, slots, resources):
    threads(Ledger(":memory:"), slots, **resources)
    assert not measured
