"""A command that is refused leaves a run as it was, whatever refuses it: the next plain `run` prints the result."""

import errno
import tarfile
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from search import Experiment, run, session
from search.execute.ray import runtime
from search.running import assembly
from search.setup import latency_setup
from search.state.ledger import Ledger
from spaces.errors import BAD_INPUT, ENVIRONMENT, UserError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "old_runs"
# Files that say what became of a run.
FILES = ("config.yaml", "front.json", "front.csv", "report.html", "status.json")


@pytest.fixture
def runs(tmp_path):
    with tarfile.open(FIXTURES / "digits.tar.xz") as archive:
        archive.extractall(tmp_path / "runs", filter="data")
    experiment = Experiment.load(tmp_path / "runs" / "digits" / "config.yaml")
    run(experiment, runs=tmp_path / "runs")  # brings an old run up to date
    return tmp_path / "runs"


def refusing(code):
    def refuse(*_, **__):
        raise UserError("refused", code=code)

    return refuse


@contextmanager
def no_ray(*_, **__):
    raise UserError("cannot start Ray: no room in /dev/shm", code=ENVIRONMENT)
    yield


@contextmanager
def interrupted(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device", "/tmp/ray")
    yield


REFUSALS = {
    "data or network cannot be prepared": (session, "prepare", refusing(BAD_INPUT)),
    "the images are others": (assembly, "check_same_data", refusing(BAD_INPUT)),
    "latency cannot be predicted": (latency_setup, "predicted", refusing(ENVIRONMENT)),
    "Ray does not start": (runtime, "running", no_ray),
    "the disk is full when Ray starts": (runtime, "running", interrupted),
}


def state(runs):
    place = runs / "digits"
    with closing(Ledger(place / "ledger.sqlite", read_only=True)) as ledger:
        # What was measured of the machine, and the space that an old version did not note, may be added.
        facts = replace(ledger.facts, **dict.fromkeys(("threads", "sites", "space_size", "ratios")))
        files = {name: (place / name).read_bytes() for name in FILES if (place / name).exists()}
        return facts, ledger.trainings, ledger.entries, files


@pytest.mark.parametrize("why", REFUSALS)
def test_a_refused_extension_does_not_stick(runs, monkeypatch, why):
    experiment = Experiment.load(runs / "digits" / "config.yaml")
    front = run(experiment, runs=runs).to_dict()
    before = state(runs)
    with monkeypatch.context() as patched:
        patched.setattr(*REFUSALS[why])
        with pytest.raises(UserError):
            run(experiment, runs=runs, trainings="+4")
    assert state(runs) == before
    monkeypatch.setattr(runtime, "running", no_ray)
    assert run(experiment, runs=runs).to_dict() == front


@pytest.mark.parametrize("changes", [{"train.epochs": 9}, {"tracking.uri": "htp://nowhere"}])
@pytest.mark.parametrize("trainings", [None, "+4"])
def test_a_refused_config_does_not_stick(runs, changes, trainings):
    path = runs / "digits" / "config.yaml"
    before = state(runs)
    with pytest.raises(UserError):
        overrides = [f"{key}={value}" for key, value in changes.items()]
        run(Experiment.load(path, overrides), runs=runs, trainings=trainings)
    assert state(runs) == before


@pytest.mark.parametrize("trainings", ["+x", "3", "-4", "+99999999"])
def test_a_refused_budget_does_not_stick(runs, trainings):
    before = state(runs)
    with pytest.raises(UserError):
        run(Experiment.load(runs / "digits" / "config.yaml"), runs=runs, trainings=trainings)
    assert state(runs) == before
