"""``check --pilot`` prints what a pilot found, for people and for machines; without it nothing is trained."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from search.cli.app import cli
from search.setup import pilot, training_time
from senet_nas.costs.epoch_time import EpochTime

CONFIG = """
data: {dataset: digits, train: 200, validation: 150}
model: {backbone: cifar_resnet8}
train: {epochs: 1, batch_size: 50, lr: 0.05}
resources: {slots: 1, cpus_per_slot: 1, device: cpu}
"""


def said(*arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(cli, ["check", "config.yaml", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def test_a_pilot_is_run_only_if_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pilot, "COUNTS", {1: 3})
    monkeypatch.setattr(training_time, "of_epoch", lambda prepared: EpochTime(1.0, 200))
    out, err = said("--pilot")
    lines = [line for line in out.splitlines() if line.startswith("noise     ")]
    assert lines[0].startswith("noise     1 epoch: sigma ")
    assert "epochs    from 1 to 2 epochs plain gained " in out
    assert "pilot: 3 trainings of plain with 1 epoch" in err
    out, _ = said("--pilot", "--json")
    found = json.loads(out)["pilot"]["recipe"]
    assert found["epochs"] == 1
    assert found["sigma"]["low"] < found["sigma"]["high"]
    out, err = said("--json")
    assert "pilot" not in json.loads(out)
    assert "pilot" not in err
