"""Real trainings on real Ray that pause and continue, and a driver that is killed meanwhile."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search.config import Experiment
from search.doctor.diagnosis import examine
from search.planning.budget_split import trainings_used
from search.planning.samplers import SAMPLERS
from search.setup.experiment_setup import prepare
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas.training import checkpoint
from tests.search.killable import PAUSING

ROOT = Path(__file__).parents[4]
EPOCHS = 4
BUDGET = 16
CONFIG = f"""
name: run
data: {{dataset: digits, train: 200}}
model: {{backbone: cifar_resnet8}}
train: {{epochs: {EPOCHS}, batch_size: 50}}
search: {{sampler: pausing, confirm: 0.25, stop: budget, short: on}}
budget: {{trainings: {BUDGET}}}
resources: {{slots: 2, cpus_per_slot: 1, device: cpu}}
"""
# The sampler that proposes lengths at random stands beside the kill tests.
DRIVER = """
from search import Experiment, run
from search.planning import training_lengths
from search.planning.samplers import SAMPLERS
from search.report.terminal import Terminal
from tests.search.killable import PAUSING

SAMPLERS["pausing"] = PAUSING
training_lengths.FEWEST_WHOLE = 0  # that sampler asks nobody whether a training may pause
run(Experiment.load("config.yaml"), watcher=Terminal())
"""


def go(folder, kill_after=None):
    """Runs the search; kills it after so many pauses. What it said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRIVER]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    said = []
    for line in process.stderr:
        said.append(line)
        if kill_after and sum("paused after epoch" in each for each in said) >= kill_after:
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == (-signal.SIGKILL if kill_after else 0), "".join(said)
    process.stderr.close()
    return said


def numbers(curve):
    return [{name: value for name, value in epoch.items() if name not in ("seconds", "epoch")} for epoch in curve]


@pytest.mark.ray
def test_trainings_pause_and_continue_on_any_slot_though_the_driver_is_killed(tmp_path, monkeypatch):
    monkeypatch.setitem(SAMPLERS, "pausing", PAUSING)
    (tmp_path / "config.yaml").write_text(CONFIG)
    place = RunFolder(tmp_path / "runs" / "run")
    go(tmp_path, kill_after=2)
    killed = Ledger(place.ledger, read_only=True)
    for training in killed.counts.paused.values():
        assert checkpoint.epochs(place.trainings / training.uid) == training.epoch
    said = go(tmp_path)
    ledger = Ledger(place.ledger, read_only=True)
    paused = [t for t in ledger.trainings if t.state == "paused"]
    finished = [t for t in ledger.trainings if t.state == "finished"]
    assert len(paused) + len(finished) == len(ledger.trainings)
    assert trainings_used(ledger) == BUDGET
    assert BUDGET - 1 < sum(t.epoch for t in ledger.trainings) / EPOCHS <= BUDGET
    kept = {path.parent.name: checkpoint.epochs(path.parent) for path in place.trainings.glob("*/checkpoint.json")}
    assert kept == {t.uid: t.epoch for t in paused}, "an extension continues them"
    assert any(f"{len(paused)} paused trainings keep their checkpoints (" in line for line in said)
    assert examine(place) == []
    continued = [t for t in finished if t.attempts > 1 and t.role == "search"]
    assert continued
    evaluate = prepare(Experiment.load(tmp_path / "config.yaml")).evaluate
    for training in continued[:2]:
        key = ledger.entries[training.architecture].key
        reports = list(evaluate(key, training.seed))
        assert numbers(training.curve[:-1]) == numbers([report.metrics for report in reports[:-1]])
        assert training.metrics["val_accuracy"] == reports[-1].metrics["val_accuracy"]
        assert training.correct == reports[-1].correct
