"""Splits that keep groups whole, follow time, or make folds: from every source, and what they refuse."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config import ConfigError, Experiment
from senet_nas.data import group_split
from senet_nas.data.folds import of_fold
from senet_nas.data.glance import glance
from senet_nas.data.load import load
from senet_nas.data.reread import validation_files
from senet_nas.data.split import split
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training.evaluate import evaluate
from spaces import UserError
from tests.senet_nas.data.sources import GROUPS, SIDE, SOURCES, N, write_images

DIGITS = DataSpec(dataset="digits", folds=5)
SETS = ("train", "val", "test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The spec of a source, written once, whose groups are patients."""
    known = {}

    def spec(source, *, split=False, **more):
        if (source, split) not in known:
            known[source, split] = SOURCES[source](tmp_path_factory.mktemp(source), IMAGES, split=split)
        return DataSpec(**{"image_size": SIDE, "group": GROUPS[source], **known[source, split], **more})

    return spec


# Each image says in its first pixel which one it is.
IMAGES = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(N) % 256
IMAGES[:, 0, 0, 1] = np.arange(N) // 256


def numbers(x):
    return (x[:, 0, 0, 0].int() + 256 * x[:, 1, 0, 0].int()).tolist()


def held(data):
    """The numbers of the images of each set."""
    return {name: numbers(getattr(data, f"x_{name}")) for name in SETS}


@pytest.mark.parametrize("source", GROUPS)
def test_every_source_splits_whole_groups_alike(source, made):
    found = load(made(source))
    sets = held(found)
    patients = {name: {i % 10 for i in images} for name, images in sets.items()}
    assert sorted(i for images in sets.values() for i in images) == [*range(N)]
    assert sum(len(of_set) for of_set in patients.values()) == 10
    assert {name: len(of_set) for name, of_set in patients.items()} == {"train": 6, "val": 2, "test": 2}
    assert found.division == "whole groups: 6 train, 2 validation, 2 test"
    assert sets == held(load(made("folder")))
    assert held(load(made(source, split_seed=1))) != sets


@pytest.mark.parametrize("source", GROUPS)
def test_own_sets_that_keep_groups_whole_are_taken(source, made):
    sets = held(load(made(source, split=True)))
    assert {i % 10 for i in sets["val"]} == {8}
    assert {i % 10 for i in sets["test"]} == {9}


def test_own_sets_that_tear_a_group_are_refused_by_name(made):
    with pytest.raises(UserError) as caught:
        load(made("folder", split=True, group=r"(\d)\d\.png$"))
    assert caught.value.message.startswith("the split of the data tears 10 groups: 0 (train and validation), ")
    assert caught.value.message.endswith(" and 5 more")
    assert caught.value.key == "data.group"


@pytest.mark.parametrize(
    ("more", "says", "key"),
    [
        (
            {"group": "petient"},
            "`petient` is no column of the data, and as a pattern finds nothing in 300 of 300",
            "group",
        ),
        ({"group": "([a-z]"}, "`([a-z]` is neither a column of the data nor a pattern", "group"),
        ({"group": "png"}, "1 group for 3 sets (test, train, validation): each needs one", "group"),
        ({"group": None, "time": "dog|cat|emu", "test": 0.9}, "no time is left for the", "time"),
        ({"folds": 12}, "10 groups for 13 sets", "group"),
    ],
)
def test_what_names_no_groups_is_refused(more, says, key, made):
    with pytest.raises(UserError) as caught:
        load(made("folder", **more))
    assert says in caught.value.message
    assert caught.value.key == f"data.{key}"
    assert caught.value.hint


def test_a_row_without_a_group_is_named(tmp_path):
    write_images(tmp_path / "files", IMAGES[:20])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows(
            [["file", "label", "patient"], *((f"files/cat/{i:03}.png", i % 2, i if i != 7 else "") for i in range(20))]
        )
    with pytest.raises(UserError, match=r"1 of 20 rows of .* cannot be used: .*007\.png \(no `patient`\)"):
        load(DataSpec(dataset="table", path=str(tmp_path / "labels.csv"), group="patient", image_size=8))


def test_a_column_that_is_mistyped_is_answered_with_the_nearest_one(made):
    with pytest.raises(UserError) as caught:
        load(made("csv", group="pateint"))
    assert "unknown column of" in caught.value.message
    assert caught.value.hint == "did you mean `patient`?"
    assert caught.value.key == "data.group"


def test_what_is_read_again_follows_the_groups(made):
    spec = made("folder")
    data = load(spec)
    assert [int(path.stem) for path in validation_files(spec)] == held(data)["val"]
    assert glance(spec, ".").counts == {"train": 180, "validation": 60, "test": 60}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(4, 40), st.integers(2, 5))
def test_groups_stay_whole_and_sets_have_about_their_size(seed, count, classes):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), rng.integers(1, 30, count))
    y_N = rng.integers(0, classes, len(groups))
    sizes = {"test": 0.2 * len(groups), "train": 0.6 * len(groups), "validation": 0.2 * len(groups)}
    found = group_split.by_group([str(g) for g in groups], y_N, sizes, rng)
    owners = [set(groups[index].tolist()) for index in found.values()]
    assert sorted(np.concatenate([*found.values()]).tolist()) == [*range(len(groups))]
    assert sum(map(len, owners)) == count
    largest = np.bincount(groups).max()
    for name, index in found.items():
        assert len(index) > 0
        assert abs(len(index) - sizes[name]) <= 1.5 * largest


def test_classes_are_spread_over_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 10)
    y_N = (np.repeat(rng.random(100) < 0.1, 10)).astype(np.int64)  # a tenth of the patients are ill
    found = group_split.by_group([str(g) for g in groups], y_N, {"test": 200, "train": 600, "validation": 200}, rng)
    shares = [y_N[index].mean() for index in found.values()]
    assert max(shares) - min(shares) < 0.05


def test_the_latest_images_test_and_equal_times_stay_together(made):
    data = load(made("folder", group=None, time=r"(\d\d)\.png$"))  # an image of each class has one time
    times = {name: {i % 100 for i in images} for name, images in held(data).items()}
    assert times == {"train": {*range(64)}, "val": {*range(64, 80)}, "test": {*range(80, 100)}}
    assert data.division == "in the order of time: train 00 to 63, validation 64 to 79, test 80 to 99"


@pytest.mark.parametrize(
    "times", [["9", "10", "100"], ["2024-05-31 09:00:00.5", "2024-05-31 09:00:01", "2024-05-31 10:00:00.25"]]
)
def test_times_are_numbers_or_sort_as_text(times):
    found = group_split.by_time([times[2], times[0], times[1]], {"train": 1, "validation": 1, "test": 1})
    assert [index.tolist() for index in found.values()] == [[1], [2], [0]]


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (["1/31/2024", "2/1/2024", "12/1/2023"], "such as `1/31/2024`"),
        (["31.01.2024", "01.02.2024", "01.12.2023"], "such as `01.02.2024`"),
        (["May 3, 2024", "June 1, 2024", "July 1, 2023"], "such as `July 1, 2023`"),
        (["2024-5-9", "2024-5-10", "2024-5-31"], "`2024-5-31` comes before `2024-5-9`"),
        (["frame 9", "frame 10", "frame 11"], "`frame 11` comes before `frame 9`"),
        (["1", "2", "nan"], "`nan` is no time"),
    ],
)
def test_times_that_do_not_sort_by_time_are_refused(times, says):
    with pytest.raises(UserError) as caught:
        group_split.by_time(times, {"train": 1, "validation": 1, "test": 1})
    assert says in caught.value.message
    assert caught.value.key == "data.time"


def test_groups_that_keep_nothing_together_are_named(made):
    division = load(made("folder", group=".*")).division
    assert division.endswith("(each image is a group of its own, so data.group changes nothing)")


def test_folds_are_disjoint_and_cover_all_but_the_test_set():
    data = load(DIGITS)
    assert data.folds == (287,) * 5
    views = [of_fold(data, fold) for fold in range(5)]
    rows = [{tuple(row) for row in view.x_val.flatten(1).tolist()} for view in views]
    assert len(set.union(*rows)) > 1_400  # a few digits occur twice
    for view in views:
        assert len(view.y_train) + len(view.y_val) == 1_438
        counts = view.y_val.bincount(minlength=10)
        assert counts.min() >= 26
        assert torch.equal(view.x_test, data.x_test)
        assert (view.mean, view.std) == (data.mean, data.std)
        every = torch.cat([view.x_train, view.x_val]).flatten(1)
        assert torch.equal(every.long().sum(0), torch.cat([data.x_train, data.x_val]).flatten(1).long().sum(0))


def test_folds_of_groups_are_whole(made):
    data = load(made("folder", folds=4))
    assert sum(data.folds) == len(data.y_train) + len(data.y_val)
    patients = [{i % 10 for i in numbers(of_fold(data, fold).x_val)} for fold in range(4)]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 8


def test_without_folds_nothing_changes():
    labels = {"train": np.arange(100) % 3}
    found = split(labels, DataSpec(), 3)
    assert {name: len(index) for name, (_, index) in found.parts.items()} == {"train": 64, "validation": 16, "test": 20}
    assert (found.folds, found.words) == ((), "")
    assert of_fold(load(DataSpec(dataset="digits")), 0).folds == ()


def test_a_training_validates_on_the_fold_of_its_seed():
    task = Task(DIGITS, Recipe(epochs=1, batch_size=256))
    data = load(DIGITS)
    plain = "cifar_resnet8/-/-/-"
    bits = {}
    for seed in (Seed(0), Seed(0, 1), Seed(1, 0), Seed(2, 4)):
        *_, last = evaluate(plain, seed, task)
        bits[str(seed)] = last.correct
        right = np.unpackbits(np.frombuffer(last.correct, np.uint8), count=287).mean()
        assert last.metrics["val_accuracy"] == pytest.approx(100 * right)
    assert [DIGITS.fold(seed) for seed in (Seed(0), Seed(0, 1), Seed(1, 0), Seed(2, 4))] == [0, 1, 1, 1]
    assert len(of_fold(data, 1).y_val) == 287


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"dataset": "digits", "group": "x"}, "digits has neither columns nor paths"),
        ({"dataset": "digits", "time": "x"}, "digits has neither columns nor paths"),
        ({"path": "./a", "group": "x", "time": "y"}, "group and time exclude each other"),
        ({"path": "./a", "folds": 5, "time": "y"}, "folds and time exclude each other"),
        ({"dataset": "digits", "folds": 5, "train": 100}, "with folds every image outside the test set trains"),
        ({"dataset": "digits", "folds": 1}, "must be at least 2"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(data, says):
    with pytest.raises(ConfigError, match=says):
        Experiment.from_dict({"data": data, "model": {"backbone": "cifar_resnet8"}})


def test_folds_need_images_in_memory_and_no_validation_set_of_the_data(made):
    with pytest.raises(UserError, match="fit into memory"):
        load(made("folder", folds=3, streaming="always"))
    with pytest.raises(UserError, match="the data bring a validation set of their own"):
        load(made("folder", split=True, folds=3))


def signals(path, **more):
    """Sixty signals of twelve patients in a .npz file."""
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(60, 1, 32)), "y": np.arange(60) % 2, "patient": np.arange(60) // 5, **more}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return DataSpec(dataset="signals", path=str(path), group="patient")


def test_signals_keep_their_groups_too(tmp_path):
    x = np.broadcast_to((np.arange(60) // 5 + 1.0)[:, None, None], (60, 1, 32)) + 0.001 * np.arange(32)
    found = load(signals(tmp_path / "ecg.npz", x=x))
    assert found.division == "whole groups: 8 train, 2 validation, 2 test"
    patients = [set(part[:, 0, 0].round().int().tolist()) for part in (found.x_train, found.x_val, found.x_test)]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 12


def test_own_sets_of_signals_that_tear_a_patient_are_refused(tmp_path):
    sets = {"x": None, "y": None, "patient": None}
    for part in ("train", "val", "test"):
        own = {"x": np.random.default_rng(1).normal(size=(20, 1, 32)), "y": np.arange(20) % 2}
        sets |= {f"{name}_{part}": array for name, array in {**own, "patient": np.array(["p7"] * 20)}.items()}
    with pytest.raises(UserError, match=r"tears 1 group: p7 \(train and validation\)"):
        load(signals(tmp_path / "ecg.npz", **sets))


@pytest.mark.parametrize(
    ("more", "says", "hint"),
    [
        (
            {"patient": None, "patients": np.arange(60)},
            "lacks patient; it holds patients, x",
            "did you mean `patients`?",
        ),
        (
            {"patient": np.arange(59)},
            "patient of .* has the shape .*; x holds 60 samples",
            "give each sample one group",
        ),
    ],
)
def test_an_array_of_groups_that_does_not_fit_is_an_error(more, says, hint, tmp_path):
    with pytest.raises(UserError, match=says) as caught:
        load(signals(tmp_path / "ecg.npz", **more))
    assert caught.value.hint == hint
    assert caught.value.key == "data.group"


def test_a_folder_of_signals_knows_no_groups(tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(2).normal(size=(9, 32)))
    with pytest.raises(UserError, match="does not say the group of a signal"):
        load(DataSpec(dataset="signals", path=str(tmp_path), group="patient"))
