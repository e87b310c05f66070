"""The sets of torchvision by their names: found in torchvision, with the splits that it knows."""

import pytest
import torchvision.datasets as published

from search.config import ConfigError, Experiment
from search.config.render import schema
from senet_nas.data import torchvision_sets
from senet_nas.data.datasets import named
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec
from spaces import UserError
from tests.senet_nas.data.sources import IMAGES, PARTS, torchvision

NAMES = torchvision_sets.names()


def test_the_names_are_those_of_torchvision():
    assert {"SVHN", "Flowers102", "EuroSAT", "OxfordIIITPet", "Food101", "GTSRB", "STL10", "Imagenette"} <= {*NAMES}
    assert {*NAMES} <= {*published.__all__}
    assert {*published.__all__} > torchvision_sets.OTHER_TASKS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SVHN", {"train": {"split": "train"}, "test": {"split": "test"}}),
        ("CIFAR10", {"train": {"train": True}, "test": {"train": False}}),
        ("KMNIST", {"train": {"train": True}, "test": {"train": False}}),
        ("EuroSAT", {"train": {}}),
        ("OxfordIIITPet", {"train": {"split": "trainval"}, "test": {"split": "test"}}),
        ("Imagenette", {"train": {"split": "train"}, "validation": {"split": "val"}}),
        ("ImageNet", {"train": {"split": "train"}, "validation": {"split": "val"}}),
        ("Places365", {"train": {"split": "train-standard"}, "validation": {"split": "val"}}),
        ("STL10", {"train": {"split": "train"}, "test": {"split": "test"}}),
        ("Country211", {"train": {"split": "train"}, "validation": {"split": "valid"}, "test": {"split": "test"}}),
        ("Flowers102", {"train": {"split": "train"}, "validation": {"split": "val"}, "test": {"split": "test"}}),
        ("EMNIST", {"train": {"split": "balanced", "train": True}, "test": {"split": "balanced", "train": False}}),
    ],
)
def test_splits_are_understood(name, expected):
    assert torchvision_sets.sets(name, getattr(published, name)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_set_that_is_not_there_says_how_to_fetch_it(name, tmp_path):
    with pytest.raises(UserError) as caught:
        load(DataSpec(dataset=name, path="nowhere"), base=tmp_path)
    assert name in caught.value.message
    if caught.value.key == "data.dataset":
        assert caught.value.hint == "install what is missing"
    else:
        assert f"no {name} in {tmp_path}/nowhere" in caught.value.message
        assert "set data.path to the folder that holds it" in caught.value.hint
        assert name in caught.value.hint


def test_the_command_that_fetches_a_set_makes_all_its_parts(tmp_path):
    with pytest.raises(UserError) as caught:
        load(DataSpec(dataset="SVHN"), base=tmp_path)
    first = f"SVHN({str(tmp_path / 'data')!r}, split='train', download=True)"
    assert caught.value.hint.startswith(f'fetch it with python -c "from torchvision.datasets import SVHN; {first}; ')


def test_damaged_files_are_named(tmp_path):
    torchvision(tmp_path, IMAGES, split=True)
    (tmp_path / "dtd/dtd/labels/test1.txt").write_text("nothing")
    with pytest.raises(UserError, match=r"the DTD files in .* are damaged"):
        load(DataSpec(dataset="DTD", path=str(tmp_path)))


def test_files_are_read_as_they_lie(tmp_path):
    """Torchvision's own loader would make colour of every image, and would hide where it lies."""
    from senet_nas.data.reread import validation_files

    found = DataSpec(dataset="DTD", path=str(tmp_path), color="auto")
    torchvision(tmp_path, IMAGES[..., 0], split=True)
    assert load(found).channels == 1
    assert len(validation_files(found)) == (PARTS == "val").sum()


def test_a_set_without_labels_is_left_out(tmp_path, monkeypatch):
    """As the test set of FER2013, whose files a test cannot make: torchvision knows their checksums."""

    class Unlabelled(published.DTD):
        def __getitem__(self, i):
            image, label = super().__getitem__(i)
            return image, None if self._split == "test" else label

    monkeypatch.setattr(published, "DTD", Unlabelled)
    torchvision(tmp_path, IMAGES, split=True)
    (tmp_path / "dtd").rename(tmp_path / "unlabelled")  # torchvision calls the folder like the class
    found = load(DataSpec(dataset="DTD", path=str(tmp_path)))
    assert "the test set of DTD has no labels: it is not read" in found.notes
    assert len(found.y_train) + len(found.y_test) == (PARTS == "train").sum()


def test_letters_and_digits_are_not_mirrored():
    assert not named("SVHN").flip
    assert not named("torchvision:MNIST").flip
    assert named("STL10").flip
    assert {*NAMES} >= torchvision_sets.UNMIRRORED


def test_a_config_may_name_every_set():
    jsonschema = pytest.importorskip("jsonschema")
    for data in ("SVHN", "torchvision:SVHN", {"dataset": "SVHN", "path": "./there"}):
        config = {"data": data, "model": {"backbone": "resnet18"}}
        assert Experiment.from_dict(config).data.dataset.endswith("SVHN")
        jsonschema.validate(config, schema())


def test_a_wrong_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({"data": "Flower102", "model": {"backbone": "resnet18"}})
    (problem,) = caught.value.problems
    assert problem.hint.startswith("did you mean `Flowers102`?")
