"""How far a run is, from its ledger alone."""

import fcntl
from contextlib import closing

import pytest

from search import config
from search.config import Experiment
from search.report import status
from search.report.status import read_status
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from spaces import durable
from tests.search import ledgers

EXPERIMENT = {"name": "run", "data": "digits", "model": {"backbone": "cifar_resnet8"}, "train": {"epochs": 7}}


@pytest.fixture
def place(tmp_path):
    place = RunFolder(tmp_path / "run")
    place.create()
    with closing(Ledger(place.ledger)) as ledger:
        (plain,) = ledgers.enter(ledger, [0.0])
        ledgers.play(ledger, [(plain, Seed(0))], [None], role="baseline", origin="baseline")
    return place


@pytest.mark.parametrize(
    ("evaluate", "epoch", "line"),
    [
        ("train", 0, "  training t0 plain, epoch 0 of 7"),
        ("train", 3, "  training t0 plain, epoch 3 of 7"),
        ("python:mine:accuracy", 0, "  training t0 plain"),
        ("python:mine:accuracy", 3, "  training t0 plain, epoch 3"),
    ],
)
def test_the_number_of_epochs_of_a_users_own_evaluation_is_unknown(place, evaluate, epoch, line):
    durable.write(place.config, config.to_yaml(Experiment.from_dict({**EXPERIMENT, "evaluate": evaluate})))
    with closing(Ledger(place.ledger)) as ledger:
        ledger.progress(ledger.trainings[0].uid, epoch)
    with (place.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = read_status("run", place.path.parent)
    assert found.state == "running"
    assert line in found.lines()
    assert read_status("run", place.path.parent).state == "stopped"


def test_time_is_counted_once_however_often_the_driver_noted_it(place, monkeypatch):
    durable.write(place.config, config.to_yaml(Experiment.from_dict(EXPERIMENT)))
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(
            Facts(session_began=1000.0, seconds_before=50.0, seconds=80.0)
        )  # 30 s of this session are noted already
    monkeypatch.setattr(status.time, "time", lambda: 1040.0)
    assert read_status("run", place.path.parent).seconds == 80.0
    with place.lock():
        assert read_status("run", place.path.parent).seconds == 90.0
