"""Images from a function of the user's: whatever map-style data set it returns, and what is refused."""

import itertools
import textwrap

import numpy as np
import pytest
import torch

from search.config import Experiment
from search.config.render import schema
from senet_nas.data.load import Data, load
from senet_nas.recipe import DataSpec
from spaces import UserError

HEAD = """
import numpy as np
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.transforms import v2

N = 40
X = np.random.default_rng(0).integers(0, 256, (N, 9, 9, 3), dtype=np.uint8)
Y = [i % 2 for i in range(N)]


class Own(Dataset):
    classes = ["cat", "dog"]

    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return N

    def __getitem__(self, i):
        image = Image.fromarray(X[i])
        return (self.transform(image) if self.transform else image), Y[i]


def dataset():
"""
NUMBER = itertools.count()


@pytest.fixture
def read(tmp_path):
    """Loads what a function with this body returns."""

    def load_it(body: str, **settings) -> Data:
        name = f"own_images_{next(NUMBER)}"
        (tmp_path / f"{name}.py").write_text(HEAD + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n")
        return load(DataSpec(dataset=f"{name}:dataset", image_size=9, **settings), base=tmp_path)

    return load_it


@pytest.mark.parametrize(
    ("body", "classes"),
    [
        ("return Own()", ("cat", "dog")),
        ("return Subset(Own(), range(N))", ("cat", "dog")),
        ("return ConcatDataset([Own()])", ("0", "1")),
        ("return [(x, y) for x, y in zip(X, Y)]", ("0", "1")),
        ("return [(x, 'ab'[y]) for x, y in zip(X, Y)]", ("a", "b")),
        ("return [(x, np.int64(y)) for x, y in zip(X, Y)]", ("0", "1")),
        ("return TensorDataset(torch.from_numpy(X).permute(0, 3, 1, 2), torch.tensor(Y))", ("0", "1")),
        ("return [{'image': x, 'label': y, 'weight': 1} for x, y in zip(X, Y)]", ("0", "1")),
        ("return Own(v2.RGB())", ("cat", "dog")),
    ],
)
def test_data_sets_of_many_kinds_give_the_same_tensors(read, body, classes):
    found = read(body)
    expected = read("return Own()")
    assert found.classes == classes
    assert found.fingerprint == expected.fingerprint
    assert torch.equal(found.x_train, expected.x_train)


def test_files_are_read_by_their_path(read, tmp_path):
    expected = read("return Own()")
    body = f"""
        for i, x in enumerate(X):
            Image.fromarray(x).save({str(tmp_path)!r} + f"/{{i}}.png")
        return [({str(tmp_path)!r} + f"/{{i}}.png", y) for i, y in enumerate(Y)]
    """
    assert read(body).fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    "body",
    [
        "return {'train': Subset(Own(), range(20)), 'validation': Subset(Own(), range(20, 40))}",
        """
        class Module:
            train_dataset = None

            def setup(self, stage):
                self.train_dataset = Subset(Own(), range(20))
                self.val_dataset = Subset(Own(), range(20, 40))

        return Module()
        """,
    ],
)
def test_sets_are_kept(read, body):
    found = read(body)
    assert len(found.y_val) == 20
    assert len(found.y_train) + len(found.y_test) == 20


def test_the_function_gets_the_path_if_there_is_one(read, tmp_path):
    (tmp_path / "own_path.py").write_text(
        f"{HEAD.replace('dataset()', 'dataset(path)')}    return list(zip(X, path[-40:]))"
    )
    path = tmp_path / ("ab" * 20)
    found = load(DataSpec(dataset="own_path:dataset", path=path.name, image_size=9), base=tmp_path)
    assert found.classes == ("a", "b")


def test_transforms_are_named(read):
    notes = read("return Own(v2.Compose([v2.RGB(), v2.Resize(9)]))").notes
    assert any(note.endswith(":dataset first: RGB, Resize") for note in notes)


def test_random_transforms_are_refused(read):
    with pytest.raises(UserError) as caught:
        read("return Own(v2.Compose([v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]))")
    assert "gives other pixels each time that an image is read" in caught.value.message
    assert "its transforms: RandomHorizontalFlip, RandomVerticalFlip" in caught.value.message
    assert "`train` says how images are augmented" in caught.value.hint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returned a int, not data sets with items by number"),
        ("return {'train': Own(), 'holdout': Own()}", "returned holdout, not data sets"),
        ("return {'test': Own()}", "holds test, but no train"),
        ("return iter(Own())", "not data sets with items by number"),
        ("return []", "holds 0 classes"),
        ("return [(x / 255, y) for x, y in zip(X, Y)]", "item 9 (its image is float64 of shape (9, 9, 3))"),
        ("return Own(v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]))", "(3, 9, 9))"),
        ("return [(x, y, 1) for x, y in zip(X, Y)]", "40 of 40 rows of"),
        ("return [(x, [y]) for x, y in zip(X, Y)]", "its label is a list, not a whole number or text"),
        ("return [(x, y + 0.5) for x, y in zip(X, Y)]", "its label is a float"),
        ("return [(None if i == 5 else X[i], Y[i]) for i in range(N)]", "1 of 40 rows of"),
        ("return [(x, y) for x, y in zip(X, Y)] if missing else 0", "name 'missing' is not defined"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_other_things_are_refused_by_name(read, body, message):
    with pytest.raises(UserError) as caught:
        read(body)
    assert message in caught.value.message
    assert caught.value.key.startswith("data.")


def test_what_an_item_throws_is_named_with_its_line(read):
    body = """
        class Broken(Own):
            def __getitem__(self, i):
                if i == 7:
                    raise KeyError("seven")
                return X[i], Y[i]

        return Broken()
    """
    with pytest.raises(
        UserError, match=r"1 of 40 rows of .*item 7 \(KeyError: 'seven' \(.*own_images_\d+\.py, line \d+\)\)"
    ):
        read(body)


def test_a_function_that_wants_more_is_refused(tmp_path):
    (tmp_path / "own_wants.py").write_text("def dataset(root, size): ...")
    with pytest.raises(UserError, match=r"cannot be called without arguments: missing a required argument: 'root'"):
        load(DataSpec(dataset="own_wants:dataset"), base=tmp_path)


def test_a_wrong_name_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "own_names.py").write_text("def dataset(): ...")
    with pytest.raises(UserError) as caught:
        load(DataSpec(dataset="own_names:datasat"), base=tmp_path)
    assert caught.value.hint == "did you mean `own_names:dataset`?"


def test_a_config_may_name_a_function():
    jsonschema = pytest.importorskip("jsonschema")
    for data in ("mine:dataset", {"dataset": "pack.mine:dataset"}):
        config = {"data": data, "model": {"backbone": "resnet18"}}
        assert Experiment.from_dict(config).data.dataset.endswith("mine:dataset")
        jsonschema.validate(config, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"data": {"dataset": "mine dataset"}, "model": {"backbone": "resnet18"}}, schema())


def test_labels_may_be_arrays_of_no_dimension(read):
    found = read("return [(x, torch.tensor(y)) for x, y in zip(X, Y)]")
    assert np.bincount(found.y_train.numpy()).tolist() == [13, 13]
