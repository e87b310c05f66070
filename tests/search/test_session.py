from types import SimpleNamespace

import pytest

from search import Experiment
from search.commands.train import plan
from search.evaluators import Trainer
from search.folder import RunFolder
from search.ledger import Ledger
from search.prepare import kept, prepare
from search.schedule import Slots
from search.session import Silent, _agreed, _Session
from senet_nas.recipe import Seed

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


def begun(tmp_path):
    """A run that was begun with a config whose images lie beside it, and nothing trained."""
    project, runs = tmp_path / "project", tmp_path / "elsewhere" / "runs"
    (project / "images").mkdir(parents=True)
    (project / "mine.yaml").write_text("data: {path: ./images}\nmodel: {backbone: cifar_resnet8}\n")
    place = RunFolder(runs / "mine")
    place.create()
    ledger = Ledger(place.ledger)
    _agreed(Experiment.load(project / "mine.yaml"), place, ledger, None, Silent())
    return project, place, ledger


def test_paths_of_a_run_start_where_its_config_was_whoever_asks_from_wherever(tmp_path, monkeypatch):
    project, place, ledger = begun(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert kept(place, ledger).base == project
    project.rename(tmp_path / "gone")
    assert kept(place, ledger).base == place.path  # as on another machine


def test_a_run_is_trained_in_full_on_the_images_that_lie_beside_its_config(tmp_path, monkeypatch):
    project, place, ledger = begun(tmp_path)
    plain = ledger.enter(
        "cifar_resnet8/-/-/-", "plain", {"params": 1e5, "params_overhead": 0.0, "macs": 1.0, "macs_overhead": 0.0}
    )
    (training,) = ledger.plan([(plain, Seed(0))], role="baseline", origin="baseline 0")
    ledger.start(training.uid)
    ledger.finish(training.uid, metrics={"val_accuracy": 90.0}, curve=[], correct=None)
    monkeypatch.chdir(tmp_path)
    usual = {"config_path": None, "pick": "a0", "start": "scratch", "seed": "0", "runs": place.path.parent}
    for overrides in ((), ("train.epochs=1",)):
        planned, _ = plan("mine", overrides=overrides, **usual)
        assert planned.experiment.base == project
