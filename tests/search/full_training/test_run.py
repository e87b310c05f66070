"""`senet-search train`: one architecture in full, whatever stops it; the network leaves the house checked."""

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from safetensors.torch import load_file

from search.config import Experiment
from search.full_training.plan import Plan, plan
from search.full_training.run import train
from search.full_training.training_folder import RECORD, note, opened
from senet_nas.export.bundle import load
from senet_nas.recipe import Seed
from spaces import UserError

ROOT = Path(__file__).parents[3]
KEY = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/-"
CONFIG = """
data: {dataset: digits, train: 300, validation: 100}
model: {backbone: cifar_resnet8}
train: {epochs: 4, batch_size: 100, ema: 0.5}
resources: {device: cpu}
latency: {seconds: 0.05}
"""
# Every epoch leaves a checkpoint, which else only every tenth second does.
COMMAND = (
    "from senet_nas.training import checkpoint; checkpoint.CHECKPOINT_SECONDS = 0; "
    "from search.cli.app import main; main()"
)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = tmp_path / "full.yaml"
    path.write_text(CONFIG)
    return path


def command(*arguments, failpoint=""):
    environment = {**os.environ, "SENET_FAILPOINT": failpoint, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "train", *arguments, "--no-onnx"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_and_started_again_it_ends_with_the_same_weights(config, tmp_path):
    whole = command(KEY, "--config", "full.yaml", "--to", "whole", "--json")
    assert whole.returncode == 0, whole.stderr
    assert (
        command(KEY, "--config", "full.yaml", "--to", "part", failpoint="after_training.csv:2").returncode
        == -signal.SIGKILL
    )
    assert not (tmp_path / "part" / "network").exists()
    again = command(KEY, "--config", "full.yaml", "--to", "part")
    assert again.returncode == 0, again.stderr
    assert "2 are done" in again.stderr
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "part"))
    assert all((one[name] == other[name]).all() for name in one)
    rows = [list(csv.DictReader((tmp_path / name / "training.csv").open())) for name in ("whole", "part")]
    assert [[row["epoch"] for row in curve] for curve in rows] == [["1", "2", "3", "4"]] * 2
    assert rows[0][-1]["val_accuracy"] == rows[1][-1]["val_accuracy"]

    told = json.loads(whole.stdout)
    assert told["metrics"]["val_accuracy"] == float(rows[0][-1]["val_accuracy"])
    assert set(told["test"]) == {"8"}
    manifest_is_there = load(tmp_path / "part" / "network")  # raises where a file is not as it was written
    assert sum(p.numel() for p in manifest_is_there.parameters()) == told["metrics"]["params"]
    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("full").experiment_id])
    # The same training, though in two folders.
    assert [run.data.tags["senet.kind"] for run in runs] == ["full training"]
    assert runs[0].data.metrics["test_accuracy_8"] == told["test"]["8"]["accuracy"]


@pytest.fixture
def planned(config, tmp_path):
    """A training of one epoch that tells an MLflow which is not there, so that nothing waits for a database."""
    experiment = Experiment.load(config)
    experiment = replace(
        experiment,
        train=replace(experiment.train, epochs=1),
        tracking=replace(experiment.tracking, uri="http://127.0.0.1:9"),
    )
    return Plan(KEY, "stage 2", experiment, None, Seed(0), tmp_path / "runs")


def test_the_same_again_returns_what_is_there_and_another_training_is_refused(planned, tmp_path):
    said = []
    first = train(planned, tmp_path / "t", onnx=False, say=said.append)
    assert any("MLflow" in line and "tries again" in line for line in said)
    before = (tmp_path / "t" / "weights.safetensors").stat().st_mtime_ns
    second = train(planned, tmp_path / "t", sizes=(12,), say=said.append)
    assert "finished" in said[-2]
    assert second.to_dict() == first.to_dict()
    assert (tmp_path / "t" / "weights.safetensors").stat().st_mtime_ns == before
    longer = replace(planned.experiment.train, epochs=2)
    with pytest.raises(UserError, match=r"recipe\.epochs: was 1, is 2") as caught:
        train(replace(planned, experiment=replace(planned.experiment, train=longer)), tmp_path / "t")
    assert "--extend" in caught.value.hint


LATE = """
from torch import nn

BEGUN = []


class Net(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 16, 3)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        if BEGUN:
            {late}
        return self.head(self.conv(x).mean((2, 3)))
"""


@pytest.mark.parametrize(
    ("late", "says"),
    [("raise ValueError('late')", "ValueError: late"), ("__import__('os')._exit(0)", r"SystemExit: os\._exit\(0\)")],
)
def test_what_an_own_network_does_in_a_late_epoch_is_named_with_its_line(planned, tmp_path, monkeypatch, late, says):
    """The bare exception was an internal error, and os._exit ended the command without a word."""
    (tmp_path / "lateown.py").write_text(LATE.format(late=late))
    own = CONFIG.replace("cifar_resnet8", "'lateown:Net', sites: [conv]").replace("epochs: 4", "epochs: 2")
    (tmp_path / "own.yaml").write_text(own)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    late_plan = replace(planned, architecture="lateown:Net@conv/-", experiment=Experiment.load(tmp_path / "own.yaml"))

    def say(text):
        if text.startswith("epoch 1/2"):
            sys.modules["lateown"].BEGUN.append(text)

    with pytest.raises(UserError, match=rf"lateown:Net failed with {says}.*lateown\.py, line 15\)") as caught:
        train(late_plan, tmp_path / "t", onnx=False, say=say)
    assert sys.modules.pop("lateown").BEGUN
    assert caught.value.key == "model.backbone"


def test_a_start_from_given_weights_begins_where_these_ended(planned, tmp_path):
    first = train(planned, tmp_path / "one", onnx=False)
    weights = tmp_path / "one" / "weights.safetensors"
    slow = replace(planned.experiment, train=replace(planned.experiment.train, lr=1e-6, ema=0.0))
    scratch = train(replace(planned, experiment=slow), tmp_path / "scratch", onnx=False, sizes=(16,))
    warm = train(replace(planned, experiment=slow, start=weights), tmp_path / "warm", onnx=False)
    assert set(scratch.test) == {"8", "16"}
    assert warm.metrics["train_loss"] < scratch.metrics["train_loss"]
    assert first.metrics["val_accuracy"] <= 100


def test_a_folder_of_something_else_is_left_alone(planned, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match=r"holds no training \(thesis\.tex\)"):
        train(planned, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir() if path.name != "lock"] == ["thesis.tex"]
    (tmp_path / "mine" / "thesis.tex").rename(tmp_path / "mine" / RECORD)
    with pytest.raises(UserError, match="damaged"):
        train(planned, tmp_path / "mine")


@pytest.mark.parametrize(
    ("what", "given", "message"),
    [
        ("nosuchrun", {}, "no run `nosuchrun`"),
        ("se_resnet5", {}, "no run `se_resnet5`"),
        (KEY, {}, "is not a run, so the data and the recipe are not known"),
        (KEY, {"start": "search"}, "only an architecture of a run has weights"),
        (KEY, {"seed": "x"}, "`x` is not a seed"),
        ("se_resnet50", {}, "is not a run"),
        ("cifar_resnet14/-/-/-/-/-/-", {}, "the architecture is of cifar_resnet14, the config of cifar_resnet8"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(config, tmp_path, what, given, message):
    with_config = given or what.startswith("cifar_resnet14")
    options = {"pick": "best", "start": "scratch", "seed": "0", **given}
    with pytest.raises(UserError, match=message):
        plan(what, config_path=config if with_config else None, overrides=(), runs=tmp_path / "runs", **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full.yaml"]


def test_a_network_that_is_spelt_wrongly_is_told_with_the_nearest(tmp_path):
    with pytest.raises(UserError) as caught:
        plan("se_resnet5", config_path=None, overrides=(), pick="best", start="scratch", seed="0", runs=tmp_path)
    assert caught.value.hint == "did you mean `se_resnet50`?"


def test_the_name_of_a_network_is_answered_with_the_key_to_write(config, tmp_path):
    with pytest.raises(UserError) as caught:
        plan("cifar_resnet8", config_path=config, overrides=(), pick="best", start="scratch", seed="0", runs=tmp_path)
    assert caught.value.hint == "write the key of an architecture of it; plain is `cifar_resnet8/-/-/-`"


def test_divergence_is_told_to_people(planned, tmp_path):
    wild = replace(planned.experiment.train, lr=100.0, weight_decay=1.0, epochs=3)
    with pytest.raises(UserError, match=r"try a lower train\.lr") as caught:
        train(replace(planned, experiment=replace(planned.experiment, train=wild)), tmp_path / "t")
    assert caught.value.code == 3


def test_the_recipe_of_imagenet_trains_a_folder_of_images(tmp_path):
    """As configs/imagenet.yaml has it, but for the network and for sizes that a test can wait for."""
    rng = np.random.default_rng(0)
    for part, each in (("train", 12), ("test", 3)):
        for level, name in enumerate(("cat", "dog", "owl")):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for i in range(each):
                pixels = rng.integers(60 * level, 60 * level + 90, (24, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / part / name / f"{i}.jpg")
    small = (
        "data.validation=6",
        "data.train=30",
        "data.image_size=14",
        "data.resize=16",
        "train.epochs=2",
        "train.batch_size=10",
        "train.lr=0.05",
        "space.position=[pre_addition]",
        "latency.seconds=0.05",
        "resources.device=cpu",
        "tracking.uri=http://127.0.0.1:9",
        "model.backbone=cifar_resnet8",
    )
    experiment = Experiment.load(ROOT / "configs" / "imagenet.yaml", [f"data.path={tmp_path / 'images'}", *small])
    assert experiment.train.balance == "sampling"
    made = Plan(KEY, "stage 2", experiment, None, Seed(0), tmp_path / "runs")
    trained = train(made, tmp_path / "t", sizes=(28,), onnx=False)
    assert {size: found["n"] for size, found in trained.test.items()} == {"14": 9, "28": 9}
    record = json.loads((tmp_path / "t" / "network" / "architecture.json").read_text())
    assert (record["preprocessing"]["size"], record["preprocessing"]["resize"]) == ([14, 14], 16)


def test_a_folder_of_somebody_elses_is_refused_before_anything_is_written(planned, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cat.png").write_text("")
    with pytest.raises(UserError, match=r"holds no training \(cat.png\)"):
        train(planned, tmp_path / "images")
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["cat.png"]


def test_a_place_that_can_be_no_folder_is_told(planned, tmp_path):
    (tmp_path / "file").write_text("")
    for where, what, code in ((tmp_path / "file", "is a file", 2), (Path("/proc/zz"), "cannot create", 4)):
        with pytest.raises(UserError, match=what) as caught:
            train(planned, where)
        assert caught.value.code == code
        assert "--to DIR" in caught.value.hint


SIGNALS = """
data: {dataset: waveforms, train: 200, validation: 100}
model: {backbone: signal_resnet8}
objectives: [balanced_accuracy, params]
train: {epochs: 1, batch_size: 50}
resources: {device: cpu}
tracking: {uri: 'http://127.0.0.1:9'}
"""


def test_the_end_tells_the_metric_of_the_config_and_calls_signals_signals(tmp_path, monkeypatch):
    """Below "balanced accuracy 91.11 %" of the last epoch stood the accuracy, without its name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signals.yaml").write_text(SIGNALS)
    usual = {"overrides": (), "pick": "", "start": "scratch", "seed": "0", "runs": tmp_path}
    planned, _ = plan("plain", config_path=tmp_path / "signals.yaml", **usual)
    done = train(planned, tmp_path / "t", onnx=False)
    (line,) = [line for line in done.lines() if line.startswith("Validation")]
    (figures,) = done.test.values()
    reached = f"{done.metrics['val_balanced_accuracy']:.2f} %"
    assert line.startswith(f"Validation: balanced accuracy {reached}   Test (400 signals): ")
    assert f": {figures['balanced_accuracy']:.2f} % [" in line
    assert line.endswith("] at 500 values")
    # What is asked of a search is not part of the training: it holds, and may not know the new metric.
    (tmp_path / "signals.yaml").write_text(SIGNALS.replace("balanced_accuracy", "macro_f1"))
    again, _ = plan("plain", config_path=tmp_path / "signals.yaml", **usual)
    (line,) = [line for line in train(again, tmp_path / "t", onnx=False).lines() if line.startswith("Validation")]
    assert line.startswith(f"Validation: {done.metrics['val_accuracy']:.2f} %")


def test_plain_of_a_config_needs_no_key_and_its_weights_begin_a_fine_tuning(config, tmp_path):
    def planned(*overrides):
        settings = ["train.epochs=1", "tracking.uri=http://127.0.0.1:9", *overrides]
        return plan("plain", config_path=config, overrides=settings, pick="", start="scratch", seed="0", runs=tmp_path)[
            0
        ]

    first = train(planned(), tmp_path / "first", onnx=False)
    assert first.architecture == "cifar_resnet8/-/-/-"
    tuned = ["model.weights=first/weights.safetensors", "train.freeze=backbone", "train.ema=0"]
    train(planned(*tuned), tmp_path / "second", onnx=False)
    record = json.loads((tmp_path / "second" / "training.json").read_text())
    assert record["request"]["start"].startswith("first/weights.safetensors (SHA-256 ")
    card = (tmp_path / "second" / "network" / "README.md").read_text()
    assert "seed 0.0, from first/weights.safetensors (SHA-256 " in card
    assert '"freeze": "backbone"' in card
    one, other = (load_file(tmp_path / name / "weights.safetensors") for name in ("first", "second"))
    assert {name for name in one if not (one[name] == other[name]).all()} == {"fc.weight", "fc.bias"}
    with pytest.raises(UserError, match=r"recipe\.freeze: was backbone, is none"):
        train(planned(tuned[0], tuned[2], "train.lr=0.1"), tmp_path / "second", onnx=False)


def test_a_folder_of_an_earlier_version_lacks_later_settings(planned, tmp_path):
    request = {"recipe": json.loads(json.dumps(asdict(planned.experiment.train)))}
    earlier = {
        "recipe": {name: value for name, value in request["recipe"].items() if name not in ("freeze", "backbone_lr")}
    }
    note(tmp_path, {"request": earlier})
    assert opened(tmp_path, request)["request"] == earlier
    request["recipe"]["freeze"] = "norm"
    with pytest.raises(UserError, match=r"recipe\.freeze: was none, is norm"):
        opened(tmp_path, request)
