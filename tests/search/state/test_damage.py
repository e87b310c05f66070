"""Every file of a run folder, cut off at ten places and with a byte flipped at ten: recovered, or refused by name.

A finished run and one that was killed, of real trainings where weights and checkpoints are, else scripted ones.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from search import config, session
from search.config import Experiment
from search.doctor.diagnosis import examine
from search.report.refresh import refresh_run
from search.report.status import read_status
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.running.resume_checks import agreed_experiment, check_results_known
from search.state import result_files
from search.state.completion_fact import Completion
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder, find
from spaces import UserError, durable

DRIVER = Path(__file__).parents[1] / "killable.py"
TRAININGS = 16
EXPERIMENT = {
    "name": "run",
    "data": "digits",
    "model": {"backbone": "cifar_resnet8"},
    "budget": {"trainings": TRAININGS},
    "evaluate": "python:mine:accuracy",
}
RULES = Rules(DEFAULT)
DAMAGES = [*(("cut", tenth) for tenth in range(10)), *(("flip", tenth) for tenth in range(10))]
# Files that are made from the ledger, and what a run that has ended is made of.
PROJECTIONS = ("front.json", "front.csv", "front.png", "report.html", durable.SUMS)


def spoil(path, damage):
    kind, tenth = damage
    content = bytearray(path.read_bytes())
    at = len(content) * tenth // 10
    if kind == "cut":
        content = content[:at]
    else:
        content[at] ^= 0x41
    path.write_bytes(content)


def drive(path):
    """The driver of the kill tests, in this process."""
    spec = importlib.util.spec_from_file_location("killable", DRIVER)
    killable = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(killable)
    killable.main(path, TRAININGS, "random")


def configure(place):
    text = config.to_yaml(Experiment.from_dict(EXPERIMENT))
    durable.write(place.config, text)
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(config=text))
        return ledger


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that has ended, its report included."""
    place = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    drive(place.path)
    configure(place)
    with closing(Ledger(place.ledger)) as ledger:
        ledger.note(Facts(complete=Completion(TRAININGS)))
    refresh_run("run", place.path.parent)
    assert examine(place) == []
    return place


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed in its ninth training: its last entries stand in the ledger's write-ahead log."""
    place = RunFolder(tmp_path_factory.mktemp("killed") / "run")
    command = [sys.executable, str(DRIVER), str(place.path), str(TRAININGS), "random"]
    done = subprocess.run(command, env={**os.environ, "SENET_FAILPOINT": "after_result.json:9"}, check=False)
    assert done.returncode == -9
    return place


@pytest.fixture
def place(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def contents(place):
    """What must not depend on damage: every training with its seed and result, and the front; seconds differ."""
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        rows = [
            (t.architecture, str(t.seed), t.role, t.state, t.metrics["val_accuracy"], t.correct)
            for t in ledger.trainings
        ]
        points = compute("run", ledger, RULES).to_dict()["points"]
        return rows, [entry.key for entry in ledger.entries], [{**point, "logged": None} for point in points]


def asked(place):
    """What everybody who reads a run does: all of it works as before, or is refused."""
    read_status("run", place.path.parent)
    found = session.result("run", place.path.parent)
    return [*contents(place), found.to_json()]


def attempt(step):
    """What a step gives, or the error for people that it raises; any other error is a failure."""
    try:
        return step(), None
    except UserError as error:
        return None, error


def names(error, path):
    return str(path) in error.message and error.code == 4 and bool(error.hint)


def open_and_check(place):
    with closing(Ledger(place.ledger)) as ledger:
        check_results_known(place, ledger)


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
@pytest.mark.parametrize("name", ["ledger.sqlite", "config.yaml", "lock"])
def test_who_reads_a_damaged_run_gets_the_same_or_an_error_that_names_the_file(place, name, damage):
    expected = asked(place)
    path = place.path / name
    spoil(path, damage)
    found, error = attempt(lambda: asked(place))
    assert found == expected if error is None else names(error, path)
    assert (error is not None) >= (name == "config.yaml")


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_the_same_command_restores_a_damaged_config(place, damage):
    before = place.config.read_bytes()
    spoil(place.config, damage)
    with closing(Ledger(place.ledger)) as ledger:
        said = []
        experiment = Experiment.from_dict(EXPERIMENT)
        assert agreed_experiment(experiment, place, ledger, None, said.append) == experiment
    assert place.config.read_bytes() == before
    assert "restored from the ledger" in said[0]


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
@pytest.mark.parametrize("name", PROJECTIONS)
def test_damage_to_what_people_read_is_found_and_known_by_name(place, name, damage):
    spoil(place.path / name, damage)
    assert durable.damaged(place.path) == [name]
    (finding,) = [finding for finding in examine(place) if finding.invariant == "I9"]
    assert name in finding.problem
    assert finding.remedy == f"senet-search report run --runs {place.path.parent}"


def test_the_same_command_writes_damaged_pages_anew(place):
    before = {name: (place.path / name).read_bytes() for name in PROJECTIONS[:2]}
    for name in PROJECTIONS:
        spoil(place.path / name, ("flip", 5))
    session.run(Experiment.from_dict(EXPERIMENT), runs=place.path.parent)
    assert {name: (place.path / name).read_bytes() for name in before} == before
    assert durable.damaged(place.path) == []
    assert examine(place) == []


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_a_damaged_result_of_an_ended_training_changes_nothing_and_is_found(place, damage):
    expected = asked(place)
    path = sorted(place.trainings.glob(f"*/{result_files.RESULT}"))[3]
    spoil(path, damage)
    assert asked(place) == expected
    (finding,) = examine(place)
    assert (finding.invariant, result_files.RESULT in finding.problem) == ("I4", True)


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
@pytest.mark.parametrize("name", ["ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite", result_files.RESULT])
def test_a_killed_run_with_a_damaged_file_ends_the_same_or_is_refused(killed, finished, tmp_path, name, damage):
    place = RunFolder(tmp_path / "run")
    shutil.copytree(killed.path, place.path)
    path = place.path / name if name != result_files.RESULT else last_result(place)
    spoil(path, damage)
    _, error = attempt(lambda: open_and_check(place))
    if error is not None:
        assert names(error, place.ledger)
        return
    drive(place.path)
    assert contents(place) == contents(finished)


def last_result(place):
    """The result that was on disk, and not yet in the ledger, when the driver was killed."""
    return max(place.trainings.glob(f"*/{result_files.RESULT}"), key=lambda path: path.stat().st_mtime_ns)


def test_an_emptied_ledger_is_not_begun_anew(place):
    place.ledger.write_bytes(b"")
    with pytest.raises(UserError, match="empty") as caught:
        place.create()
    assert caught.value.code == 4
    assert find("run", place.path.parent) == place


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_weights_that_are_not_those_of_the_training_are_refused_by_name(place, damage):
    with closing(Ledger(place.ledger)) as ledger:
        training = ledger.trainings[-1]
        path = place.trainings / training.uid / result_files.WEIGHTS
        path.write_bytes(bytes(range(256)) * 40)
        sha256 = durable.sha256(path)
        kept = ledger.finish(
            training.uid, metrics=training.metrics, curve=training.curve, correct=training.correct, weights=sha256
        )
    assert result_files.weights(place.trainings, kept) == path
    spoil(path, damage)
    with pytest.raises(UserError, match="damaged") as caught:
        result_files.weights(place.trainings, kept)
    assert str(path) in caught.value.message
