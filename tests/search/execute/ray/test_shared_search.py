"""A real search with a shared network, killed while it trains and continued: Ray, MLflow, report and doctor know it."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from search.doctor.diagnosis import examine
from search.report.status import status_here
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from search.track.client import connect
from search.track.store import store_address

CONFIG = """
data: {dataset: digits, train: 900, validation: 100}
model: {backbone: cifar_resnet8}
space: {stages: [3], reduction: [2], position: [pre_addition, identity]}
search: {shared: on, confirm: 0.25, stop: budget}
budget: {trainings: 14}
train: {epochs: 1, batch_size: 64}
resources: {slots: 2, cpus_per_slot: 1, device: cpu}
"""


def search(folder: Path, failpoint: str = "") -> int:
    environment = {**os.environ, "SENET_FAILPOINT": failpoint}
    command = [sys.executable, "-P", "-c", "from search.cli.app import main; main()", "run", "config.yaml"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    (folder / "said.txt").write_text(done.stdout + done.stderr)
    return done.returncode


@pytest.mark.slow
@pytest.mark.ray
def test_a_search_is_killed_while_its_shared_network_trains_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    # The first training starts beside the shared network, which came before it.
    assert search(tmp_path, "before_running") == -signal.SIGKILL
    place = RunFolder(tmp_path / "runs" / "config")
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        assert ledger.facts.shared_network.state == "running"
        assert ledger.facts.shared_figures is None
    assert search(tmp_path) == 0, (tmp_path / "said.txt").read_text()
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        fact = ledger.facts.shared_network
        assert (fact.state, fact.attempts, len(fact.curve)) == ("finished", 2, fact.epochs)
        assert len(ledger.facts.shared_figures.values) == fact.placements == 5
        finished = sum(training.state == "finished" for training in ledger.trainings)
        assert 14 - fact.trainings - 1 < finished <= 14 - fact.trainings
    assert examine(place) == []
    assert "a shared network in place of" in status_here(place).sentence()
    said = (tmp_path / "said.txt").read_text()
    assert "One network that 5 placements share was trained first." in said
    assert "One network that 5 placements share was trained first." in place.report.read_text()
    client = connect(store_address(None, place.path.parent), place.path.parent)
    (child,) = client.search_runs(
        [client.get_experiment_by_name("config").experiment_id], "tags.`senet.kind` = 'shared network'"
    )
    assert child.info.status == "FINISHED"
