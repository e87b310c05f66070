"""A pilot trains plain, whole and with fewer epochs, and keeps nothing."""

import itertools
from dataclasses import replace

import pytest

from search import Experiment
from search.execute.trainer import Trainer
from search.results.recipe_noise import Repeated, recipe_noise
from search.setup import pilot as module
from search.setup.experiment_setup import prepare
from search.setup.pilot import guessing_at, lengths, of_length, pilot
from senet_nas.recipe import Diverged, Recipe, Report
from senet_nas.training.quality_metrics import ACCURACY
from senet_nas.training.train import learning_rate
from spaces import UserError

CONFIG = {
    "data": {"dataset": "digits", "train": 200, "validation": 150},
    "model": {"backbone": "cifar_resnet8"},
    "train": {"epochs": 2, "batch_size": 50, "lr": 0.05},
    "resources": {"slots": 1, "cpus_per_slot": 1, "device": "cpu"},
}


@pytest.mark.parametrize(
    ("epochs", "steps", "expected"),
    [
        (16, 10, {16: 4, 8: 8, 4: 16}),
        (3, 10, {3: 4, 1: 8}),
        (2, 4, {2: 4, 1: 8}),
        (1, 10, {1: 4, 2: 4}),
        # A length with fewer than four steps has no schedule.
        (8, 1, {8: 4, 4: 8}),
        (4, 1, {4: 4, 8: 4}),
    ],
)
def test_each_length_takes_about_the_same_compute(epochs, steps, expected):
    assert lengths(epochs, steps) == expected


def rates_of(recipe):
    """The learning rate after each of 60 equal parts of a training."""
    return [learning_rate(recipe, part / 60 * recipe.epochs) for part in range(60)]


@pytest.mark.parametrize("schedule", ["cosine", "step"])
@pytest.mark.parametrize(("epochs", "warmup"), [(6, 1.0), (4, 1.0), (16, 5.0), (3, 0.0)])
def test_each_shorter_length_has_the_schedule_of_the_recipe(epochs, warmup, schedule):
    recipe = Recipe(epochs=epochs, warmup=warmup, lr=0.2, schedule=schedule)
    for length in lengths(epochs, 16):
        # The rate of the very first step is a thousandth of an epoch up the ramp, however long that is.
        assert rates_of(of_length(recipe, length)) == pytest.approx(rates_of(recipe), abs=0.002)


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_one_epoch_is_compared_with_what_two_would_be(warmup):
    """A warm-up of the whole epoch leaves another one to fall."""
    longer = of_length(Recipe(epochs=1, warmup=warmup, lr=0.2), 2)
    assert longer == Recipe(epochs=2, warmup=warmup, lr=0.2)
    assert max(rates_of(longer)) == pytest.approx(0.2, rel=0.01)
    assert rates_of(longer)[-1] < 0.02


@pytest.fixture
def recipes(monkeypatch):
    """The recipes of all trainings, which do nothing."""
    seen = []

    def trained(self, *_, **__):
        seen.append(self.task.recipe)
        yield Report(self.task.recipe.epochs, {"val_accuracy": 90.0 + len(seen) % 3}, done=True, correct=b"")

    monkeypatch.setattr(Trainer, "__call__", trained)
    return seen


def prepared_for(**train):
    return prepare(Experiment.from_dict({**CONFIG, "train": {**CONFIG["train"], **train}}))


def test_trainings_of_a_length_follow_its_schedule(recipes):
    pilot(prepared_for(epochs=6, warmup=1), lambda _: None)
    assert [(r.epochs, r.warmup) for r in recipes[::8]] == [(6, 1.0), (3, 0.5), (1, 1 / 6), (1, 1 / 6)]


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
    assert [text for text in said if text.startswith("pilot: ") and " with " in text] == [
        "pilot: 4 trainings of plain with 2 epochs",
        "pilot: 8 trainings of plain with 1 epoch",
    ]
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


@pytest.mark.parametrize(("diverging", "is_lost"), [(2, True), (1, False)])
def test_where_plain_diverges_the_learning_rate_is_named_and_only_another_length_is_left_out(
    monkeypatch, recipes, diverging, is_lost
):
    usual = Trainer.__call__

    def trained(self, *arguments, **others):
        if self.task.recipe.epochs == diverging:
            raise Diverged("the training loss is nan in epoch 1")
        return usual(self, *arguments, **others)

    monkeypatch.setattr(Trainer, "__call__", trained)
    said = []
    if is_lost:
        with pytest.raises(UserError, match="plain diverged in the pilot") as caught:
            pilot(prepared_for(), said.append)
        assert caught.value.key == "train.lr"
        return
    found = pilot(prepared_for(), said.append)
    assert found.advice.doublings == ()
    assert found.advice.noise.recipe.count == 4
    assert said[-1].startswith("pilot: plain diverged with 1 epoch, so this length is left out: the training loss")


def test_networks_that_guess_are_known(recipes):
    """Of ten classes, 14 % are hardly better than guessing."""
    samples = [Repeated(8, (30.0, 31.0), 0.1, 1000), Repeated(4, (14.0, 14.5), 0.1, 1000)]
    assert guessing_at(samples, 10, ACCURACY) == (4,)
    assert guessing_at(samples, 10, replace(ACCURACY, guessing=None)) == ()


def test_how_long_it_takes_is_said_before_and_after_the_first_training(recipes):
    """4 trainings of 2 epochs and 8 of 1 are about 8 of the recipe, of which 7 are left after the first one."""
    said = []
    ticks = itertools.count(0.0, 3.0)
    pilot(prepared_for(), said.append, seconds=2.0, clock=lambda: next(ticks))
    assert said[0] == "pilot: 12 trainings of plain, one after the other, about 16 s"
    assert [text for text in said if "first" in text] == [
        "pilot: the first training took 3.0 s; at this pace the others take about 21 s"
    ]
    said.clear()
    pilot(prepared_for(), said.append)
    assert said[0] == "pilot: 12 trainings of plain, one after the other"
