"""The commands of docs/segmentation.md: a segmenter is searched by mean IoU, with the user's training."""

import contextlib
import json
import shlex
from contextlib import closing

import pytest
import torch
from mlflow import MlflowClient

from search.state.ledger import Ledger
from senet_nas.export.bundle import load as load_exported
from tests.search import documented
from tests.search.cli.test_cli import senet

PAGE = documented.ROOT / "docs" / "segmentation.md"
# What a command gets in addition, so that nobody waits for it.
SHORTER = {
    "check": (),
    "run": ("--set", "train.epochs=2", "--set", "budget.trainings=12", "--set", "search.stop=budget"),
    "export": ("--no-onnx",),
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder in which the commands of the page were typed, and what each of them said."""
    folder = tmp_path_factory.mktemp("segmentation")
    documented.write_files(PAGE, folder)
    said = {}
    with contextlib.chdir(folder):
        for text in documented.shown(PAGE):
            _, command, *words = shlex.split(text)
            words = [command, *words, *SHORTER[command]]
            said[command] = senet(*words, cwd=folder).stdout if command == "run" else documented.typed(*words)
    return folder, said


@pytest.mark.ray
class TestThePage:
    def test_check_says_what_the_networks_are_built_for(self, searched):
        assert "networks for inputs of 3 x 32 x 32 and 3 classes" in searched[1]["check"]
        assert "network   segmenter:fcn, 2 units that can take SE" in searched[1]["check"]

    def test_it_is_searched_by_mean_iou(self, searched):
        folder = searched[0] / "runs" / "shapes"
        with closing(Ledger(folder / "ledger.sqlite", read_only=True)) as ledger:
            assert [t.state for t in ledger.trainings] == ["finished"] * 12
            assert all(0 < t.metrics["val_mean_iou"] <= 100 for t in ledger.trainings)
            assert all([epoch["epoch"] for epoch in t.curve] == [1, 2] for t in ledger.trainings)
            assert any(t.role == "confirm" for t in ledger.trainings)
        texts = (searched[1]["run"], (folder / "front.csv").read_text(), (folder / "report.html").read_text())
        assert all("mean iou" in text or "mean_iou" in text for text in texts)
        assert not any("accuracy" in text for text in texts[:2])

    def test_mlflow_has_it_under_its_name(self, searched):
        client = MlflowClient(f"sqlite:///{searched[0] / 'runs' / 'mlflow.db'}")
        (found,) = client.search_experiments(filter_string="name = 'shapes'")
        children = client.search_runs([found.experiment_id], "tags.`senet.kind` = 'training'")
        assert len(children) == 12
        assert all("val_mean_iou" in child.data.metrics for child in children)

    def test_the_network_is_taken_home(self, searched):
        (export,) = (searched[0] / "runs" / "shapes" / "export").iterdir()
        names = {path.name for path in export.iterdir()}
        assert {"model.py", "model.pt2", "model.safetensors"} <= names
        assert "predict.py" not in names
        assert "Trained and measured by `segmenter:train`" in (export / "README.md").read_text()
        differences = json.loads((export / "manifest.json").read_text())["measured"]["forms"]
        assert differences["model.py"]["difference"] == 0
        with contextlib.chdir(searched[0]):
            assert load_exported(export)(torch.zeros(2, 3, 32, 32))["out"].shape == (2, 3, 32, 32)

    def test_another_training_does_not_continue_the_run(self, searched):
        code = searched[0] / "segmenter.py"
        kept = code.read_text()
        code.write_text(kept.replace("lr=0.003", "lr=0.004"))
        told = senet("run", "shapes.yaml", *SHORTER["run"], "--trainings", "+4", cwd=searched[0], check=False)
        code.write_text(kept)
        assert "the code of segmenter:train is not that with which this run was begun" in told.stderr
        assert told.returncode == 2
