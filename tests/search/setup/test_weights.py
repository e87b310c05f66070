"""``model.weights``: a file of pretrained weights reaches the trainings, and a run holds on to it."""

from contextlib import closing
from types import SimpleNamespace

import pytest
from safetensors.torch import save_file

from search import config
from search.report.plan_lines import plan_lines
from search.running.resume_checks import check_same_weights
from search.setup.experiment_setup import prepare
from search.state.facts import Facts
from search.state.ledger import Ledger
from senet_nas.network.build import build
from spaces import Architecture, UserError

CONFIG = """data: {dataset: digits, train: 60, validation: 40}
model: {backbone: cifar_resnet8, weights: start.safetensors}
budget: {trainings: 8}
train: {epochs: 1, batch_size: 16}
resources: {device: cpu}
"""


def written(folder, num_classes: int, block_seed: int = 0, in_channels: int = 1) -> None:
    plain = Architecture.plain("cifar_resnet8", 3)
    network = build(plain, in_channels=in_channels, num_classes=num_classes, block_seed=block_seed)
    save_file(network.state_dict(), folder / "start.safetensors")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    written(tmp_path, num_classes=10)
    return tmp_path


def test_trainings_begin_with_the_file(folder):
    from senet_nas.recipe import Seed
    from senet_nas.training.evaluate import evaluate

    prepared = prepare(config.load(folder / "config.yaml"))
    assert prepared.experiment.model.init == "pretrained"
    assert "weights   start.safetensors" in plan_lines(prepared)
    task = prepared.evaluate.task
    assert task.weights == str(folder / "start.safetensors")
    results = []
    for block_seed in (0, 1):
        written(folder, num_classes=10, block_seed=block_seed)
        *_, last = evaluate("cifar_resnet8/-/-/-", Seed(3), task)
        results.append(last.metrics["train_loss"])
    assert results[0] != results[1]


def test_a_classifier_of_another_size_is_named(folder):
    written(folder, num_classes=4)
    prepared = prepare(config.load(folder / "config.yaml"))
    assert "weights   start.safetensors; random weights, for other classes: fc" in plan_lines(prepared)


def test_weights_of_another_network_are_refused_at_their_line(folder):
    written(folder, num_classes=10, in_channels=3)
    with pytest.raises(UserError, match=r"conv1.weight is \(16, 3, 3, 3\) there and \(16, 1, 3, 3\) here"):
        prepare(config.load(folder / "config.yaml"))


def test_another_file_does_not_continue_a_run(folder):
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        begun = prepare(config.load(folder / "config.yaml"))
        check_same_weights(begun, ledger)
        ledger.note(Facts(weights=begun.weights))
        check_same_weights(begun, ledger)
        written(folder, num_classes=10, block_seed=7)
        with pytest.raises(UserError, match="the file of weights is not the one") as caught:
            check_same_weights(prepare(config.load(folder / "config.yaml")), ledger)
        assert caught.value.key == "model.weights"
        check_same_weights(SimpleNamespace(weights=None), ledger)
