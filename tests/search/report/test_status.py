"""How far a run is, from its ledger alone."""

import fcntl
from contextlib import closing
from dataclasses import replace

import pytest

from search import config
from search.config import Experiment
from search.report import status
from search.report.refresh import refresh
from search.report.status import read_status, status_of
from search.setup.opened_run import open_folder
from search.state.completion_fact import Completion
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Pause
from search.state.run_folder import RunFolder
from search.state.shared_facts import SharedNetworkFact
from senet_nas import nvidia
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


def test_a_run_whose_extension_was_interrupted_is_stopped_and_names_what_continues_it(place, monkeypatch):
    """It said "finished" and no command, because it had been complete with its first budget."""
    monkeypatch.chdir(place.path.parent.parent)
    text = config.to_yaml(Experiment.from_dict({**EXPERIMENT, "budget": {"trainings": 8}}))
    durable.write(place.config, text)
    with closing(Ledger(place.ledger)) as ledger:
        ledgers.end(ledger, ledger.trainings[0], ledgers.ended(90.0))
        ledger.note(Facts(complete=Completion(8), config=text, history=()))
    with open_folder(place) as run:
        assert status_of(run).state == "finished"
        assert "1 of 8 trainings" not in refreshed(run)
    text = config.to_yaml(Experiment.from_dict({**EXPERIMENT, "budget": {"trainings": 20}}))
    durable.write(place.config, text)
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(config=text))
    found = read_status("run", place.path.parent)
    assert (found.state, found.budget) == ("stopped", 20)
    assert found.lines()[-1].startswith("  Next: senet-search run ")
    with open_folder(place) as run:
        assert "run: stopped, 1 of 20 trainings" in refreshed(run)


def refreshed(run):
    """The page of a run, as `report` and the live report write it."""
    refresh(run)
    return run.folder.report.read_text()


def test_paused_trainings_are_named_and_count_their_share(place, monkeypatch):
    durable.write(place.config, config.to_yaml(Experiment.from_dict({**EXPERIMENT, "budget": {"trainings": 10}})))
    with closing(Ledger(place.ledger)) as ledger:
        ledgers.end(ledger, ledger.trainings[0], ledgers.ended(90.0))
        rows = [(ledger.entries[0], Seed(0, n)) for n in range(1, 5)]
        for training in ledger.plan(rows, role="search", origin="sampler", pause=Pause(1, 0.25)):
            ledger.start(training.uid)
            ledger.pause(training.uid, curve=[{"epoch": 1}])
        ledger.note(Facts(session_began=1000.0, seconds_before=0.0))
    monkeypatch.setattr(status.time, "time", lambda: 1060.0)
    with place.lock():
        found = read_status("run", place.path.parent)
    assert found.sentence() == ("run: running, 1 of 10 trainings, 4 paused (worth 1 training), 1m00s, about 4m00s left")
    assert found.to_dict()["worth"] == {"paused": 1.0}


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


@pytest.mark.parametrize(
    ("epoch", "line"),
    [(3, "  training shared network, epoch 3 of 32"), (40, "  training shared network, 8 of 57 placements evaluated")],
)
def test_a_shared_network_is_shown_while_it_trains(place, epoch, line):
    durable.write(place.config, config.to_yaml(Experiment.from_dict(EXPERIMENT)))
    assert "shared_trainings" not in read_status("run", place.path.parent).to_dict()
    with closing(Ledger(place.ledger)) as ledger:
        fact = SharedNetworkFact(32, 57, 5.4, state="running", epoch=epoch)
        ledger.note(Facts(shared_network=fact))
    with (place.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = read_status("run", place.path.parent)
    assert line in found.lines()
    assert "0 of 64 trainings, a shared network in place of 5.4 of them" in found.sentence()
    assert found.to_dict()["shared_trainings"] == 5.4
    assert line not in read_status("run", place.path.parent).lines()
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(shared_network=replace(fact, state="finished")))
    with (place.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not any("training shared" in text for text in read_status("run", place.path.parent).lines())


def test_a_run_on_gpus_says_what_they_do_while_it_goes_on(place, monkeypatch):
    monkeypatch.setattr(
        nvidia, "seen", lambda: (nvidia.Gpu(0, "GPU-1", "Tesla T4", "570", 16 * 10**9, 4 * 10**9, 97.0),)
    )
    durable.write(place.config, config.to_yaml(Experiment.from_dict(EXPERIMENT)))
    with place.lock():
        assert read_status("run", place.path.parent).gpus == ()
        with closing(Ledger(place.ledger)) as ledger:
            ledger.note(Facts(device="cuda"))
        found = read_status("run", place.path.parent)
    assert "  GPU 0 (Tesla T4): 97 % busy, 4.0 of 16.0 GB in use" in found.lines()
    assert found.to_dict()["gpus"] == found.gpus
    later = read_status("run", place.path.parent)
    assert later.gpus == ()
    assert "gpus" not in later.to_dict()
