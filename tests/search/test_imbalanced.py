"""A search on digits, two of which have a tenth of the images, judged by balanced accuracy: its name in every text."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from search.report import markdown, result_lines
from search.setup.opened_run import open_run
from search.state import result_files
from search.track import views
from search.track.views import JUDGED_BY
from senet_nas.training import predictions
from senet_nas.training.quality_metrics import METRICS, metric_of
from tests.search.cli.test_cli import senet

RARE = (3, 8)
CONFIG = """
data: {path: ./images, image_size: 8, test: 0.15}
model: {backbone: cifar_resnet8}
objectives: [balanced_accuracy, auroc, params]
record: [macro_f1, "recall@rare 8"]
budget: {trainings: 16}
train: {epochs: 1, batch_size: 16, lr: 0.1, balance: sampling}
search: {stop: budget}
"""
# What may say "accuracy" in such a run: the accuracy that each training measures beside its metric, a class of samplers
# (`search.model: accuracy`), and the advice about classes that accuracy hides.
ALLOWED = ("val_accuracy", "model: accuracy", "balanced accuracy", "balanced_accuracy", "Balanced accuracy")


def wrong_uses(text: str) -> list[str]:
    """The lines of a text that say accuracy where they mean another metric."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return [line for line in text.splitlines() if re.search("accura", line, re.IGNORECASE)]


def write_digits(folder: Path, each: int = 40) -> None:
    """PNG files of ``each`` images of most digits, and a tenth of that of two of them."""
    digits = load_digits()
    for digit in range(10):
        count = each // 10 if digit in RARE else each
        name = f"rare {digit}" if digit in RARE else f"digit {digit}"
        (folder / name).mkdir(parents=True)
        for i in np.flatnonzero(digits.target == digit)[:count]:
            Image.fromarray((digits.images[i] * 15.9).astype(np.uint8)).save(folder / name / f"{i}.png")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run, and all that the command printed."""
    place = tmp_path_factory.mktemp("imbalanced")
    write_digits(place / "images")
    (place / "search.yaml").write_text(CONFIG)
    done = senet("run", "search.yaml", cwd=place)
    return place / "runs" / "search", done.stdout + done.stderr


@pytest.mark.ray
def test_nothing_says_accuracy_where_it_is_not(run):
    folder, printed = run
    texts = {name: (folder / name).read_text() for name in ("report.html", "front.csv")}
    body = json.loads((folder / "front.json").read_text())
    test = body.pop("test")
    texts["front.json"] = json.dumps(body, indent=1)
    with open_run(folder.name, folder.parent) as opened:
        # Only confirmations keep weights, and two slots do not always find a candidate worth one.
        assert (test is not None) == any(t.role == "confirm" and t.state == "finished" for t in opened.ledger.trainings)
        tested = [row for rows in (test["results"].values() if test else ()) for row in rows]
        assert all({"accuracy", "balanced_accuracy", "balanced_accuracy_low"} <= row.keys() for row in tested)
        front = opened.front
        texts |= {"printed": printed, "note": views.note({"r": front.verdict}, [front.quality.heading])}
        texts |= {"markdown": markdown.markdown(front), "sentences": "\n".join(result_lines.sentences(front))}
    found = {name: wrong_uses(text) for name, text in texts.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}
    for name in ("printed", "report.html", "sentences"):
        assert "balanced accuracy" in texts[name], name


@pytest.mark.ray
def test_every_file_holds_each_quality(run):
    folder, _ = run
    rows = list(csv.DictReader((folder / "front.csv").open()))
    front = json.loads((folder / "front.json").read_text())
    with open_run(folder.name, folder.parent) as opened:
        trainings = [t for t in opened.ledger.trainings if t.state == "finished"]
    for training in trainings:
        assert {"val_balanced_accuracy", "val_auroc", "val_macro_f1", "val_recall@rare 8"} <= training.metrics.keys()
    assert "val_accuracy" not in rows[0]
    for row, point in zip(rows, front["points"], strict=True):
        assert float(row["val_balanced_accuracy"]) == point["val_balanced_accuracy"]
        assert float(row["gain_auroc_low"]) <= float(row["gain_auroc"]) <= float(row["gain_auroc_high"])
        mine = [t.metrics["val_balanced_accuracy"] for t in trainings if f"a{t.architecture}" == point["id"]]
        assert sorted(point["seeds"].values()) == sorted(mine)
    assert [o["metric"] for o in front["objectives"]] == ["balanced_accuracy", "auroc", "params"]


@pytest.mark.ray
def test_plain_keeps_its_predictions_and_they_give_its_metrics_and_the_share_of_the_images(run):
    folder, _ = run
    with open_run(folder.name, folder.parent) as opened:
        plain = [t for t in opened.ledger.trainings if t.architecture == 0 and t.state == "finished"]
        insights = opened.front.insights
        labels = opened.facts.labels
    for training in plain:
        seen = predictions.read(folder / "trainings" / training.uid / result_files.PREDICTIONS)
        assert seen.labels.tolist() == list(labels.classes)
        for name in ("balanced_accuracy", "macro_f1", "recall@rare 8"):
            assert seen.value(metric_of(name)) == pytest.approx(training.metrics[metric_of(name).column], abs=0.5)
    assert insights.validation.from_images > 0
    assert insights.metric == METRICS["balanced_accuracy"]
    rare = dict(zip(insights.classes.names, insights.classes.recalls, strict=True))["rare 8"]
    own = [t.metrics["val_recall@rare 8"] for t in plain]
    assert rare == pytest.approx(np.mean(own))


@pytest.mark.ray
def test_mlflow_names_the_metric(run):
    from mlflow import MlflowClient

    folder, _ = run
    client = MlflowClient(f"sqlite:///{folder.parent / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "search"]
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = [found for found in runs if found.data.tags.get("senet.kind") == "search"]
    children = [found for found in runs if found.data.tags.get("senet.kind") == "training"]
    assert parent.data.tags[JUDGED_BY] == "balanced accuracy, %"
    assert wrong_uses(json.dumps({**parent.data.tags, **experiment.tags}, indent=1)) == []
    for child in children:
        assert {"val_balanced_accuracy", "val_auroc", "gain", "gain_auroc"} <= child.data.metrics.keys()
