"""`senet-search train --extend`: more epochs for a training that has finished, whatever stops them."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from safetensors.torch import load_file

from search.config import Experiment
from search.full_training.extension import meaning
from search.full_training.plan import Plan
from search.full_training.run import train
from search.full_training.training_folder import read_record
from senet_nas.recipe import Recipe, Seed
from senet_nas.training.train import learning_rate
from spaces import UserError

KEY = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/-"
CONFIG = """
data: {dataset: digits, train: 300, validation: 100}
model: {backbone: cifar_resnet8}
train: {epochs: 2, batch_size: 100, ema: 0.5}
resources: {device: cpu}
latency: {seconds: 0.05}
tracking: {uri: "http://127.0.0.1:9"}
"""
COMMAND = (
    "from senet_nas.training import checkpoint; checkpoint.CHECKPOINT_SECONDS = 0; "
    "from search.cli.app import main; main()"
)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full.yaml").write_text(CONFIG)
    return tmp_path / "full.yaml"


@pytest.fixture
def planned(config, tmp_path):
    """Makes the plan of a training with this many epochs."""
    experiment = Experiment.load(config)

    def make(epochs, **more):
        recipe = replace(experiment.train, epochs=epochs, **more)
        return Plan(KEY, "stage 2", replace(experiment, train=recipe), None, Seed(0), tmp_path / "runs")

    return make


def command(*words, failpoint=""):
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "train", KEY, "--config", "full.yaml", "--no-onnx", *words],
        env={**os.environ, "SENET_FAILPOINT": failpoint, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def weights(folder):
    return load_file(folder / "weights.safetensors")


def equal(one, other):
    return all((one[name] == other[name]).all() for name in one)


def test_an_extension_that_was_killed_ends_like_one_that_was_not(planned, tmp_path):
    train(planned(2), tmp_path / "whole", onnx=False)
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    before = weights(tmp_path / "whole")
    said = []
    whole = train(replace(planned(5), extend=True), tmp_path / "whole", onnx=False, say=said.append)
    assert any("goes on after 2 epochs" in text for text in said)
    more = ("--set", "train.epochs=5", "--extend")
    assert command("--to", "part", *more, failpoint="after_training.csv:2").returncode == -signal.SIGKILL
    again = command("--to", "part", *more)
    assert again.returncode == 0, again.stderr
    assert "4 are done" in again.stderr
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "part"))
    assert not equal(weights(tmp_path / "whole"), before)
    rows = list(csv.DictReader((tmp_path / "part" / "training.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert whole.epochs == 5
    assert whole.metrics["val_accuracy"] == float(rows[-1]["val_accuracy"])
    record = read_record(tmp_path / "part")
    assert record["request"]["extended"] == [2]
    assert [earlier["epochs"] for earlier in record["earlier"]] == [2]


def test_the_learning_rates_are_those_of_the_longer_schedule(planned, tmp_path):
    train(planned(2), tmp_path / "t", onnx=False)
    train(replace(planned(4), extend=True), tmp_path / "t", onnx=False)
    rows = list(csv.DictReader((tmp_path / "t" / "training.csv").open()))
    steps = 300 // 100
    for epoch, total in ((0, 2), (1, 2), (2, 4), (3, 4)):
        last = learning_rate(planned(total).experiment.train, epoch + (steps - 1) / steps)
        assert float(rows[epoch]["lr"]) == pytest.approx(last)


def test_the_same_extension_again_returns_what_is_there_and_another_one_goes_on(planned, tmp_path):
    train(planned(1), tmp_path / "t", onnx=False)
    first = train(replace(planned(2), extend=True), tmp_path / "t", onnx=False)
    before = weights(tmp_path / "t")
    said = []
    for plan in (replace(planned(2), extend=True), planned(2)):
        assert train(plan, tmp_path / "t", say=said.append).to_dict() == first.to_dict()
    assert sum("finished" in text for text in said) == 2
    assert equal(weights(tmp_path / "t"), before)
    train(replace(planned(3), extend=True), tmp_path / "t", onnx=False)
    assert read_record(tmp_path / "t")["request"]["extended"] == [1, 2]


def test_what_cannot_be_extended_is_refused_and_stays(planned, tmp_path):
    with pytest.raises(UserError, match="no training that could be extended"):
        train(replace(planned(2), extend=True), tmp_path / "nothing")
    train(planned(2), tmp_path / "t", onnx=False)
    before = (tmp_path / "t" / "training.json").read_bytes()
    with pytest.raises(UserError, match="has 2 epochs already"):
        train(replace(planned(1), extend=True), tmp_path / "t")
    with pytest.raises(UserError, match=r"only the number of epochs may grow.*\n  recipe\.lr: was 0\.1, is 0\.2"):
        train(replace(planned(3, lr=0.2), extend=True), tmp_path / "t")
    assert (tmp_path / "t" / "training.json").read_bytes() == before


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (Recipe(epochs=6), "jumps from 0 to 0.025 and follows the cosine schedule of 6 epochs"),
        (Recipe(epochs=6, schedule="step", milestones=(0.9,)), "jumps from 0.01 to 0.1 and follows the step schedule"),
        (Recipe(epochs=6, schedule="step", milestones=()), "falls from 0.1 and follows the step schedule"),
    ],
)
def test_what_going_on_means_is_said(recipe, says):
    assert says in meaning(recipe, 4)
    assert "not that of 6 epochs from the start" in meaning(recipe, 4)
