"""What the end of a run notes about single images, with trainings that really classified them."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from search import Experiment
from search.report.class_changes import compared
from search.report.image_changes import confusion_table, gallery
from search.report.page import html
from search.results.compute import compute
from search.results.image_flips import image_flips, right_images
from search.running import changed_images
from search.running.changed_images import clearest, note_changes
from search.setup.experiment_setup import prepare
from search.setup.opened_run import rules
from search.state import result_files
from search.state.facts import DataFact, Facts
from search.state.labels_fact import LabelsFact
from search.state.ledger import Ledger
from search.state.records import Outcome
from search.state.run_folder import RunFolder
from senet_nas.recipe import Seed
from senet_nas.training.evaluate import evaluate
from senet_nas.training.evaluate import prepare as prepare_data
from spaces import Architecture
from tests.search import ledgers

KEYS = ("cifar_resnet8/-/-/-", "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Plain and a placement, each trained for an epoch on few images, with weights and bits."""
    config = {
        "data": {"dataset": "digits", "train": 300},
        "model": {"backbone": "cifar_resnet8"},
        "train": {"epochs": 1, "batch_size": 64},
    }
    prepared = prepare(Experiment.from_dict(config))
    task = prepared.evaluate.training_task
    data = prepare_data(task)
    place = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    place.create()
    with closing(Ledger(place.ledger)) as ledger:
        labels = LabelsFact.of(data.y_val.tolist())
        ledger.note(Facts(labels=labels, data=DataFact(validation=len(data.y_val), classes=data.classes)))
        for key in KEYS:
            (entry,) = ledgers.enter(ledger, [0.0], keys=[key], **prepared.price(Architecture.parse(key)))
            (training,) = ledgers.play(ledger, [(entry, Seed(0, 0))], [None])
            weights = result_files.weights(place.trainings, training)
            weights.parent.mkdir(parents=True)
            *_, last = evaluate(key, Seed(0), task, weights=weights)
            ledgers.end(ledger, training, Outcome(last.metrics, correct=last.correct))
        yield prepared, ledger, place, data


def noted(run, **search):
    prepared, ledger, place, _ = run
    experiment = replace(prepared.experiment, search=replace(prepared.experiment.search, **search))
    front = compute("run", ledger, rules(experiment))
    note_changes(replace(prepared, experiment=experiment), ledger, front, place)
    with closing(Ledger(place.ledger, read_only=True)) as again:
        return front, again.facts


def test_the_confusions_are_those_of_the_weights(run):
    _, ledger, _, data = run
    front, facts = noted(run)
    found = facts.changes.confusions
    assert facts.changes.placement == compared(front).id == "a1"
    assert found.trainings == (1, 1)
    counts = np.bincount(data.y_val, minlength=10)
    for matrix, training in zip((found.before, found.after), ledger.trainings, strict=True):
        assert np.sum(matrix, axis=1).tolist() == counts.tolist()
        assert 100 * np.trace(matrix) / counts.sum() == pytest.approx(training.metrics["val_accuracy"])
    table = confusion_table(front, facts)
    assert [name for name, _ in table.rows] == list(table.names) == list(data.classes)
    good = [cell for _, cells in table.rows for cell in cells if cell.css_class == "good"]
    assert good
    assert all(cell.text.startswith(("+", "-")) for cell in good)


def test_the_images_are_those_whose_bits_change_sides(run):
    _, ledger, _, data = run
    front, facts = noted(run)
    plain, other = (right_images(ledger.trainings, number, len(data.y_val)) for number in (0, 1))
    flips = image_flips(plain, other)
    assert (facts.changes.gained, facts.changes.lost) == (len(flips.gained), len(flips.lost))
    assert [image.label for image in facts.changes.images] == data.y_val[flips.shown(24)].tolist()
    assert 0 < len(facts.changes.images) <= 24
    shown = gallery(front, facts)
    assert sum(len(images) for _, images in shown.groups) == len(facts.changes.images)
    page = html(front, ledger.trainings, ledger.entries, facts)
    assert page.count("<img ") == len(facts.changes.images)
    assert shown.lead in page
    assert len(page.encode()) < 300_000


def test_a_page_without_images_still_says_what_is_confused(run):
    front, facts = noted(run, pictures=0)
    assert facts.changes.images == ()
    assert gallery(front, facts) is None
    assert confusion_table(front, facts) is not None


def test_without_weights_the_images_remain(run, monkeypatch, tmp_path):
    prepared, ledger, place, _ = run
    monkeypatch.setattr(changed_images.result_files, "weights", lambda *_: tmp_path / "none")
    front = compute("run", ledger, rules(prepared.experiment))
    note_changes(prepared, ledger, front, place)
    assert ledger.facts.changes.confusions is None
    assert ledger.facts.changes.images
    assert confusion_table(front, ledger.facts) is None


def test_of_many_classes_those_are_shown_that_change_most():
    change = np.zeros((100, 100))
    change[40, 7], change[7, 40], change[90, 90], change[3, 4] = 5, -4, 3, 2
    assert clearest(change, 5) == [3, 4, 7, 40, 90]
    assert clearest(change, 4) == [7, 40, 90]
    assert clearest(np.zeros((4, 4)), 12) == [0, 1, 2, 3]
