"""A pretrained network is fine-tuned by a search, as docs/own-network.md and configs/finetune.yaml say."""

import contextlib
import shlex
from contextlib import closing

import pytest
import torch
from click.testing import CliRunner
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file

from search.cli.app import cli
from search.setup.experiment_setup import load, prepare
from search.state.ledger import Ledger
from senet_nas.export.bundle import load as load_exported
from senet_nas.network import warm_start
from senet_nas.network.build import build
from spaces import Architecture
from tests.search import documented
from tests.search.cli.test_cli import senet

PAGE = documented.ROOT / "docs" / "own-network.md"
# What a command of the page gets in addition, so that nobody waits for it; by what it begins with.
SHORTER = {
    "train": ("--no-onnx", "--set", "train.epochs=2", "--set", "tracking.uri=http://127.0.0.1:9"),
    "check": ("--set", "data.train=300"),
    "run": ("--set", "data.train=300", "--set", "train.epochs=1", "--set", "search.stop=budget"),
    "export": ("--no-onnx",),
}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder in which the commands of the page were typed, and what each of them said.

    The search starts Ray, in a process of its own; the others would import torch there again.
    """
    folder = tmp_path_factory.mktemp("tuned")
    documented.write_files(PAGE, folder)
    with (folder / "net.py").open("a") as code:
        code.write(
            'open("pretrain.yaml").close()  # relative to the folder of the command, in workers too (fault 11)\n'
        )
    said = {}
    with contextlib.chdir(folder):
        for text in documented.shown(PAGE):
            _, command, *words = shlex.split(text)
            if "pretrain.yaml" in words or words[0].startswith("finetune"):
                words = [command, *words, *SHORTER[command]]
                said[command] = senet(*words, cwd=folder).stdout if command == "run" else documented.typed(*words)
    return folder, said


@pytest.mark.ray
class TestThePage:
    def test_its_commands_are_those_of_a_fine_tuning(self, tuned):
        assert list(tuned[1]) == ["train", "check", "run", "export"]

    def test_check_says_what_the_search_starts_from(self, tuned):
        lines = tuned[1]["check"].splitlines()
        assert "network   net:Net, 3 units that can take SE" in lines
        assert "weights   pretrained/weights.safetensors" in lines
        assert "training  SE and the classifier head at a learning rate of 0.05; the backbone at 0.05" in lines
        assert not any(line.startswith("caution   ") and "weights" in line for line in lines)

    def test_24_trainings_end_with_an_answer(self, tuned):
        folder, said = tuned
        with closing(Ledger(folder / "runs" / "finetune" / "ledger.sqlite", read_only=True)) as ledger:
            assert [t.state for t in ledger.trainings] == ["finished"] * 24
            placed = {se.position for e in ledger.entries for se in e.architecture.blocks if se}
            # Which positions 24 trainings reach, differs from machine to machine.
            assert placed <= {"pre_addition", "post_addition", "pre_unit", "identity", "mid"}
            assert len(placed) > 1
            assert ledger.facts.weights.drawn == ()
        assert "Recommended: " in said["run"]

    def test_mlflow_knows_how_the_networks_began(self, tuned):
        client = MlflowClient(f"sqlite:///{tuned[0] / 'runs' / 'mlflow.db'}")
        (found,) = client.search_experiments(filter_string="name = 'finetune'")
        (parent,) = client.search_runs([found.experiment_id], "tags.`senet.kind` = 'search'")
        params = {name: parent.data.params[name] for name in ("init", "weights", "freeze", "lr", "backbone_lr")}
        assert params == {
            "init": "pretrained",
            "weights": "pretrained/weights.safetensors",
            "freeze": "none",
            "lr": "0.05",
            "backbone_lr": "0.05",
        }

    def test_the_export_says_so_and_runs(self, tuned):
        (export,) = (tuned[0] / "runs" / "finetune" / "export").iterdir()
        assert "weight decay 0.0005, from pretrained/weights.safetensors." in (export / "README.md").read_text()
        with contextlib.chdir(tuned[0]):
            assert load_exported(export)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)

    def test_other_weights_do_not_continue_the_run(self, tuned):
        file = tuned[0] / "pretrained" / "weights.safetensors"
        kept = file.read_bytes()
        changed = {name: value + 1 for name, value in load_file(file).items()}
        save_file(changed, file)
        words = ["run", "finetune.yaml", *SHORTER["run"], "--trainings", "+4"]
        with contextlib.chdir(tuned[0]):
            told = CliRunner().invoke(cli, words, standalone_mode=False)
        file.write_bytes(kept)
        assert "the file of weights is not the one that this run was begun with" in str(told.exception)


def test_the_shipped_config_works_with_the_command_in_its_first_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(documented.ROOT / "configs")
    text = (tmp_path / "configs" / "finetune.yaml").read_text()
    train, run = (line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   senet-search"))
    documented.typed(*shlex.split(train)[1:], "--set", "data.train=200", *SHORTER["train"])
    (tmp_path / "mine.yaml").write_text(text.replace("../pretrained", "pretrained"))
    assert run == "senet-search run configs/finetune.yaml"
    assert "budget    48 trainings of 4 epochs" in documented.typed("check", "mine.yaml").splitlines()
    prepared = prepare(load(tmp_path / "mine.yaml"))
    full = next(a for a in prepared.space if all(a.blocks) and "identity" in a.key)
    file = prepared.evaluate.task.weights
    outputs = []
    for architecture in (Architecture.plain(full.backbone, len(full.blocks)), full):
        network = build(architecture, in_channels=1, num_classes=10)
        warm_start.apply(network, architecture, "pretrained", (1, 8, 8), file)
        outputs.append(network.eval()(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))))
    assert torch.equal(*outputs)
