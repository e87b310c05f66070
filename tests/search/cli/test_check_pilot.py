"""``check --pilot`` prints what a pilot found, for people and for machines; without it nothing is trained."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from search.cli.app import cli
from search.execute.trainer import Trainer
from search.setup import setting_checks, training_time
from senet_nas.costs.epoch_time import EpochTime
from senet_nas.recipe import Report
from spaces.errors import UserError

CONFIG = """
data: {dataset: digits, train: 200, validation: 150}
model: {backbone: cifar_resnet8}
train: {epochs: 1, batch_size: 50, lr: 0.05}
resources: {slots: 1, cpus_per_slot: 1, device: cpu}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_time, "of_epoch", lambda prepared: EpochTime(1.0, 200))
    return tmp_path


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", "config.yaml", *arguments])


def said(*arguments: str) -> tuple[str, str]:
    done = typed(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def trained_to(monkeypatch: pytest.MonkeyPatch, percent: Callable[[int], float]) -> list[int]:
    """Trainings that reach so many percent after so many epochs; the list of their epochs."""
    done: list[int] = []

    def trained(self: Trainer, *_: object, **__: object) -> Iterator[Report]:
        epochs = self.task.recipe.epochs
        done.append(epochs)
        yield Report(epochs, {"val_accuracy": percent(epochs) + len(done) % 4 / 8}, done=True, correct=b"\xff" * 19)

    monkeypatch.setattr(Trainer, "__call__", trained)
    return done


def test_a_pilot_is_run_only_if_it_is_asked_for() -> None:
    out, err = said("--pilot")
    assert "noise     1 epoch: sigma " in out
    assert "epochs    from 1 to 2 epochs plain gained " in out
    assert "pilot: 4 trainings of plain with 1 epoch" in err
    out, _ = said("--pilot", "--json")
    found = json.loads(out)["pilot"]["recipe"]
    assert found["epochs"] == 1
    assert found["sigma"]["low"] < found["sigma"]["high"]
    out, err = said("--json")
    assert "pilot" not in json.loads(out)
    assert "pilot" not in err


@pytest.mark.parametrize("epochs", [1, 3, 4, 6])
def test_a_recipe_that_is_too_short_gets_one_recommendation(monkeypatch: pytest.MonkeyPatch, epochs: int) -> None:
    trained_to(monkeypatch, lambda length: 90 - 80 / (length + 0.2))
    out, _ = said("--set", f"train.epochs={epochs}", "--set", "train.warmup=0.5", "--target", "edgetpu", "--pilot")
    assert "pays" not in out
    assert "does not pay" not in out
    (caution,) = [line for line in out.splitlines() if "too short" in line]
    assert f"Set train.epochs to {2 * epochs} and type this again." in caution
    assert out.splitlines()[-1] == (
        "Nothing was started. Next: senet-search check config.yaml --set train.warmup=0.5 --set "
        f"train.epochs={2 * epochs} --target edgetpu --pilot"
    )
    out, _ = said("--set", f"train.epochs={epochs}", "--pilot", "--json")
    found = json.loads(out)
    assert found["pilot"]["longer"] == 2 * epochs
    assert any("too short" in text for text in found["cautions"])


def test_a_recipe_that_is_long_enough_goes_on_to_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    trained_to(monkeypatch, lambda length: 90.0)
    out, _ = said("--set", "train.epochs=4", "--pilot")
    assert "too short" not in out
    assert out.splitlines()[-1] == "Nothing was started. Next: senet-search run config.yaml --set train.epochs=4"


def test_a_recipe_under_which_plain_guesses_is_not_searched_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below "Change the section train until plain learns" stood the command of the search."""
    trained_to(monkeypatch, lambda length: 11.0)
    out, _ = said("--set", "train.epochs=4", "--pilot")
    assert "hardly better than guessing" in out
    assert "times as many trainings" not in out
    assert out.splitlines()[-1] == (
        "Nothing was started. Next, with another section train: "
        "senet-search check config.yaml --set train.epochs=4 --pilot"
    )


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_store_that_cannot_be_used_is_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch, folder: Path, form: tuple[str, ...]
) -> None:
    done = trained_to(monkeypatch, lambda length: 90.0)
    found = typed("--set", "tracking.uri=sqlite:////no/such/folder/x.db", "--pilot", *form)
    assert isinstance(found.exception, UserError)
    assert "no folder /no/such/folder" in found.exception.message
    assert not done
    assert ('"silent_store": "MLflow' if form else "time      ") in found.stdout


def test_results_from_elsewhere_are_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def measured(prepared: object) -> EpochTime:
        raise AssertionError

    monkeypatch.setattr(training_time, "of_epoch", measured)
    (folder / "scored_here.py").write_text("def score(architecture, seed):\n    return 90.0\n")
    found = typed("--set", "evaluate=python:scored_here:score", "--pilot")
    assert isinstance(found.exception, UserError)
    assert "a pilot trains plain" in found.exception.message


def test_all_that_is_known_without_the_pilot_is_computed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks there costs no pilot."""
    done = trained_to(monkeypatch, lambda length: 90.0)

    def broken(*_: object) -> list[str]:
        raise UserError("a setting that cannot be judged")

    monkeypatch.setattr(setting_checks, "odd_settings", broken)
    for form in ((), ("--json",)):
        assert "cannot be judged" in str(typed("--pilot", *form).exception)
    assert not done
