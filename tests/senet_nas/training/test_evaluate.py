import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import checkpoint
from senet_nas.training.evaluate import evaluate, images, prepare, save
from senet_nas.training.evaluate import test_accuracy as accuracy_on_the_test_set
from senet_nas.training.validate import validate
from spaces import failpoints
from tests.senet_nas.recipes import OPTIONS

TASK = Task(DataSpec(dataset="digits", train=300, validation=203), Recipe(epochs=2, batch_size=64))
SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"


def test_a_report_after_each_epoch_and_the_last_is_done():
    reports = list(evaluate(SE, Seed(0), TASK))
    assert [(r.epoch, r.done) for r in reports] == [(1, False), (2, True)]
    assert reports[-1].metrics["params"] == sum(
        p.numel() for p in build(SE, in_channels=1, num_classes=10).parameters()
    )


def test_which_images_were_right_is_kept_as_bits():
    *_, last = evaluate(SE, Seed(0), TASK)
    correct = np.unpackbits(np.frombuffer(last.correct, np.uint8))[:203]
    assert len(last.correct) == (203 + 7) // 8
    assert 100 * correct.mean() == pytest.approx(last.metrics["val_accuracy"])


@pytest.mark.parametrize("name", ["crop", "all"])
def test_the_same_arguments_give_the_same_numbers(name):
    task = replace(TASK, recipe=replace(TASK.recipe, **OPTIONS[name]))

    def numbers(seed):
        *_, last = evaluate(SE, seed, task)
        return {name: value for name, value in last.metrics.items() if name != "seconds"}

    assert numbers(Seed(1, 1)) == numbers(Seed(1, 1))
    assert numbers(Seed(1, 1)) != numbers(Seed(1, 2))


@pytest.mark.parametrize(("architecture", "same"), [("cifar_resnet8/-/-/-", True), (SE, False)])
def test_se_starts_as_the_task_says(architecture, same):
    def log_loss(task):
        return next(evaluate(architecture, Seed(0), task)).metrics["val_log_loss"]

    assert (log_loss(replace(TASK, init="identity")) == log_loss(TASK)) is same


def test_weights_are_those_that_were_validated(tmp_path):
    path = tmp_path / "model.safetensors"
    *_, last = evaluate(SE, Seed(0), TASK, weights=path)
    model = build(SE, in_channels=1, num_classes=10)
    model.load_state_dict(load_file(path))
    data = prepare(TASK)
    assert validate(model, data.x_val, data.y_val, data).accuracy == last.metrics["val_accuracy"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_test_set_is_another(tmp_path):
    path = tmp_path / "model.safetensors"
    list(evaluate(SE, Seed(0), TASK, weights=path))
    found = accuracy_on_the_test_set(SE, path, TASK)
    assert found["n"] == 359
    assert 0 < found["accuracy"] <= 100


def test_data_are_loaded_once_in_a_process():
    assert prepare(TASK) is prepare(TASK)


def test_threads_are_what_the_task_says():
    prepare(Task(TASK.data, TASK.recipe, threads=2))
    assert torch.get_num_threads() == 2
    prepare(TASK)
    assert torch.get_num_threads() == 1


LONG = replace(TASK, recipe=Recipe(epochs=4, batch_size=64))


def slow():
    """A clock by which every epoch is long enough for a checkpoint."""
    return itertools.count(0, checkpoint.CHECKPOINT_SECONDS).__next__


def begun(folder, epochs, *, clock=None, **arguments):
    """The reports of an interrupted training, which leaves its checkpoint in the folder."""
    training = evaluate(SE, Seed(0), LONG, checkpoint=folder, clock=clock or slow(), **arguments)
    return list(itertools.islice(training, epochs))


def numbers(report):
    return {name: value for name, value in report.metrics.items() if name != "seconds"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    weights = tmp_path_factory.mktemp("uninterrupted") / "model.safetensors"
    return list(evaluate(SE, Seed(0), LONG, weights=weights)), weights.read_bytes()


@pytest.mark.parametrize("stops", [[1], [2], [3], [1, 1, 1]])
def test_interrupted_and_taken_up_it_ends_bit_for_bit_the_same(tmp_path, uninterrupted, stops):
    reports, weights = uninterrupted
    for stop in stops:
        begun(tmp_path, stop)
    again = begun(tmp_path, None, weights=tmp_path / "model.safetensors")
    done = sum(stops)
    assert [(r.epoch, r.done) for r in again] == [(r.epoch, r.done) for r in reports[done:]]
    assert [numbers(r) for r in again] == [numbers(r) for r in reports[done:]]
    assert again[-1].correct == reports[-1].correct
    assert (tmp_path / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("pauses", [[1], [3], [1, 2, 3]])
def test_paused_and_continued_it_ends_bit_for_bit_the_same(tmp_path, uninterrupted, pauses):
    reports, weights = uninterrupted
    never = {"clock": lambda: 0.0}  # no checkpoint is due, only pauses save one
    found = []
    for pause in pauses:
        found += begun(tmp_path, None, until=pause, **never)
        assert (found[-1].epoch, found[-1].done, checkpoint.epochs(tmp_path)) == (pause, False, pause)
    found += begun(tmp_path, None, weights=tmp_path / "model.safetensors", **never)
    assert [(r.epoch, r.done) for r in found] == [(r.epoch, r.done) for r in reports]
    assert [numbers(r) for r in found] == [numbers(r) for r in reports]
    assert found[-1].correct == reports[-1].correct
    assert (tmp_path / "model.safetensors").read_bytes() == weights


STEADY = {"ema": 0.9, "warmup": 2.0, "schedule": "step", "milestones": (0.4,), "label_smoothing": 0.1}


@pytest.mark.parametrize("options", [OPTIONS["all"] | STEADY, OPTIONS["crop"]], ids=["all", "crop"])
def test_a_pause_changes_nothing_whatever_the_recipe(tmp_path, options):
    task = replace(TASK, recipe=replace(Recipe(epochs=3, batch_size=64), **options))
    whole = list(evaluate(SE, Seed(0), task, weights=tmp_path / "whole.safetensors"))
    parts = list(evaluate(SE, Seed(0), task, checkpoint=tmp_path, until=1))
    parts += evaluate(SE, Seed(0), task, checkpoint=tmp_path, weights=tmp_path / "paused.safetensors")
    assert [numbers(r) for r in parts] == [numbers(r) for r in whole]
    assert (tmp_path / "paused.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_one_that_was_interrupted_right_after_its_pause_was_saved_reports_the_pause_again(tmp_path):
    *_, paused = begun(tmp_path, None, until=2)
    (again,) = begun(tmp_path, None, until=2)
    assert again == paused


def test_a_pause_that_cannot_be_saved_is_an_error(tmp_path):
    with pytest.raises(OSError, match="missing"):
        begun(tmp_path / "missing", None, until=2)


def test_the_whole_curve_is_beside_the_state(tmp_path, uninterrupted):
    begun(tmp_path, 1)
    begun(tmp_path, 2)
    curve = checkpoint.curve(tmp_path)
    assert [epoch["epoch"] for epoch in curve] == [1, 2, 3]
    assert [epoch["val_accuracy"] for epoch in curve] == [r.metrics["val_accuracy"] for r in uninterrupted[0][:3]]


def test_nothing_is_saved_after_the_last_epoch_and_the_checkpoint_stays_for_the_caller(tmp_path):
    begun(tmp_path, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3.safetensors", "checkpoint.json"]


def test_it_is_saved_at_intervals_of_training(tmp_path):
    seconds = iter([0.0, 6.0, 12.0, 12.5, 22.0])  # start; after the first and the second epoch; saved; after the third
    begun(tmp_path, 3, clock=seconds.__next__)
    assert len(checkpoint.curve(tmp_path)) == 2
    assert next(seconds, None) is None


def test_a_short_training_leaves_nothing(tmp_path):
    begun(tmp_path, 3, clock=lambda: 0.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("architecture", "seed", "task"),
    [
        ("cifar_resnet8/-/-/avg:fc4:sigmoid@identity", Seed(0), LONG),
        (SE, Seed(0, 1), LONG),
        (SE, Seed(1), LONG),
        (SE, Seed(0), replace(LONG, recipe=replace(LONG.recipe, lr=0.05))),
    ],
)
def test_anothers_checkpoint_is_not_gone_on_from(tmp_path, architecture, seed, task):
    begun(tmp_path, 1)
    assert next(evaluate(architecture, seed, task, checkpoint=tmp_path)).epoch == 1


def test_from_a_damaged_checkpoint_it_begins_again(tmp_path, uninterrupted):
    begun(tmp_path, 2)
    path = tmp_path / "checkpoint-2.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert [numbers(r) for r in begun(tmp_path, None)] == [numbers(r) for r in uninterrupted[0]]


def test_a_training_does_not_fail_for_its_checkpoint(tmp_path, uninterrupted):
    assert numbers(begun(tmp_path / "missing", None)[-1]) == numbers(uninterrupted[0][-1])


def test_weights_are_saved_whole_or_not_at_all(tmp_path):
    """A disk that fills between writing and renaming leaves the earlier file, and nothing beside it."""
    path = tmp_path / "model.safetensors"
    model = build("cifar_resnet8/-/-/-", in_channels=1, num_classes=10)
    save(model, path)
    before = path.read_bytes()
    failpoints.arm("within_model.safetensors:1:full")
    try:
        with pytest.raises(OSError, match="No space left"):
            save(build("cifar_resnet8/-/-/-", in_channels=1, num_classes=10, block_seed=1), path)
    finally:
        failpoints.arm("")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_process_reads_its_images_once(monkeypatch):
    """However the arguments are given: the driver asks with two of them, a worker with all four."""
    reads = []
    monkeypatch.setattr("senet_nas.training.evaluate.load", lambda spec, *, base: reads.append(base))
    spec = DataSpec(dataset="digits", split_seed=77)
    images(spec, "here")
    images(spec, "here", None, None)
    assert reads == ["here"]
