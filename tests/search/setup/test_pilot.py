"""A pilot trains plain, whole and with fewer epochs, and keeps nothing."""

import pytest

from search import Experiment
from search.execute.trainer import Trainer
from search.results.recipe_noise import recipe_noise
from search.setup import pilot as module
from search.setup.experiment_setup import prepare
from search.setup.pilot import lengths, pilot
from senet_nas.recipe import Diverged
from spaces import UserError

CONFIG = {
    "data": {"dataset": "digits", "train": 200, "validation": 150},
    "model": {"backbone": "cifar_resnet8"},
    "train": {"epochs": 2, "batch_size": 50, "lr": 0.05},
    "resources": {"slots": 1, "cpus_per_slot": 1, "device": "cpu"},
}


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(16, {16: 4, 8: 8, 4: 16}), (3, {3: 4, 1: 8}), (2, {2: 4, 1: 8}), (1, {1: 4})],
)
def test_each_length_takes_about_the_same_compute(epochs, expected):
    assert lengths(epochs) == expected


def test_plain_is_trained_as_often_as_it_says_and_the_same_again(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(
        module, "recipe_noise", lambda samples, *a, **k: seen.append(samples) or recipe_noise(samples, *a, **k)
    )
    prepared = prepare(Experiment.from_dict(CONFIG))
    said = []
    first, again = pilot(prepared, said.append), pilot(prepared, lambda _: None)
    assert first == again
    assert said == ["pilot: 4 trainings of plain with 2 epochs", "pilot: 8 trainings of plain with 1 epoch"]
    whole, short = seen[0]
    assert (whole.epochs, len(whole.values), short.epochs, len(short.values)) == (2, 4, 1, 8)
    assert len(set(whole.values)) > 1
    assert whole.from_images > 0
    assert not list(tmp_path.iterdir())


def test_results_from_elsewhere_have_no_pilot(tmp_path):
    (tmp_path / "scored_elsewhere.py").write_text("def score(architecture, seed):\n    return 90.0\n")
    prepared = prepare(Experiment.from_dict({**CONFIG, "evaluate": "python:scored_elsewhere:score"}, base=tmp_path))
    with pytest.raises(UserError, match="a pilot trains plain"):
        pilot(prepared, print)


def test_where_plain_diverges_the_learning_rate_is_named(monkeypatch):
    def diverging(*_, **__):
        raise Diverged("the training loss is nan in epoch 1")

    monkeypatch.setattr(Trainer, "__call__", diverging)
    prepared = prepare(Experiment.from_dict(CONFIG))
    with pytest.raises(UserError, match="plain diverged in the pilot") as caught:
        pilot(prepared, lambda _: None)
    assert caught.value.key == "train.lr"
