"""The contract of all sources: the same images give the same tensors, labels, sets, fingerprint and notes."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from search.cli.init import as_written
from search.config import Experiment
from search.config.render import starter
from senet_nas.data import array_file
from senet_nas.data.datasets import DATASETS, named, section
from senet_nas.data.extent import extent
from senet_nas.data.load import Data, load
from senet_nas.data.reread import with_test_images_of
from senet_nas.recipe import DataSpec
from spaces import UserError
from tests.senet_nas.data.sources import CLASSES, IMAGES, LABELS, MISSING, SIDE, SOURCES, csv_table, write_images

BY_SOURCE = pytest.mark.parametrize("source", SOURCES)
BY_SPLIT = pytest.mark.parametrize("split", [False, True], ids=["no sets", "own sets"])
TENSORS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The spec of a source that holds the images; each is written once."""
    known = {}

    def spec(source: str, *, split: bool = False, grey: bool = False, **settings) -> DataSpec:
        if (source, split, grey) not in known:
            images = IMAGES[..., 0] if grey else IMAGES
            known[source, split, grey] = SOURCES[source](tmp_path_factory.mktemp(source), images, split=split)
        return DataSpec(**{"image_size": SIDE, **known[source, split, grey], **settings})

    return spec


def assert_equal(found: Data, expected: Data) -> None:
    for name in TENSORS:
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    for name in ("classes", "mean", "std", "notes", "fingerprint", "white", "side"):
        assert getattr(found, name) == getattr(expected, name), name


@BY_SPLIT
@BY_SOURCE
def test_every_source_gives_the_same_data(made, source, split):
    expected = load(made("folder", split=split))
    found = load(made(source, split=split))
    assert found.classes == CLASSES
    assert len(found.y_train) + len(found.y_val) + len(found.y_test) == len(IMAGES)
    assert_equal(found, expected)


@BY_SOURCE
def test_another_size_decodes_alike(made, source):
    sizes = {"image_size": 8, "resize": 9, "color": "grey"}
    expected = load(made("folder", **sizes))
    found = load(made(source, **sizes))
    assert_equal(found, expected)
    larger = with_test_images_of(10, found, made(source, **sizes))
    assert torch.equal(larger.x_test, with_test_images_of(10, expected, made("folder", **sizes)).x_test)


@BY_SOURCE
def test_grey_images_have_one_channel(made, source):
    found = load(made(source, grey=True))
    assert found.channels == 1
    assert_equal(found, load(made("folder", grey=True)))


@BY_SOURCE
def test_images_can_stay_on_disk(made, source, tmp_path):
    spec = made(source, streaming="always")
    streamed = load(spec, room=lambda _: tmp_path)
    assert streamed.folder == str(tmp_path)
    assert_equal(streamed, load(made("folder")))
    assert extent(spec, tmp_path).n == len(IMAGES)


@BY_SOURCE
def test_a_source_that_is_not_there_is_named_with_what_to_write(made, source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)  # if it is installed, it would ask the hub
    spec = made(source, **MISSING.get(source, {"path": str(tmp_path / "nowhere" / "else")}))
    with pytest.raises(UserError) as caught:
        load(spec)
    assert caught.value.key in ("data.path", "data.dataset")
    assert "nowhere" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "end", ["data.csv", "DATA.CSV", "data.tsv", "data.parquet", "data.npz", "data.tar", "data", "data.v2"]
)
def test_a_text_names_a_source_by_its_ending(end):
    kinds = {".csv": "table", ".tsv": "table", ".parquet": "table", ".npz": "arrays", ".tar": "webdataset"}
    dataset = kinds.get(end[4:].lower(), "image_folder")
    assert section(f"./some/{end}") == {"dataset": dataset, "path": f"./some/{end}"}
    experiment = Experiment.from_dict({"data": f"./some/{end}", "model": {"backbone": "resnet18"}})
    assert experiment.data.dataset == dataset
    section_only = Experiment.from_dict({"data": {"path": f"./some/{end}"}, "model": {"backbone": "resnet18"}})
    assert section_only.data.dataset == dataset


@pytest.mark.parametrize(
    ("name", "says"),
    [("images", "`data: ./images`"), ("svhn", "did you mean `SVHN`"), ("torchvision:svhn", "did you mean `SVHN`")],
)
def test_a_name_that_is_unknown_is_answered_with_what_to_write(name, says):
    with pytest.raises(UserError) as caught:
        named(name)
    assert says in caught.value.hint


def test_a_folder_of_another_source_says_how_to_name_it(made):
    for split in (False, True):
        folder = made("hugging face", split=split).dataset.removeprefix("hf:")
        with pytest.raises(UserError) as caught:
            load(DataSpec(dataset="image_folder", path=folder))
        assert "`data: hf:FOLDER`" in caught.value.hint


def test_columns_are_named_only_for_a_source_that_has_some():
    with pytest.raises(UserError, match="digits has no columns"):
        Experiment.from_dict({"data": {"dataset": "digits", "label": "y"}, "model": {"backbone": "cifar_resnet8"}})


# -- tables -----------------------------------------------------------------------------------------------------------


def table(root, text, name="labels.csv", **settings) -> Data:
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return load(DataSpec(dataset="table", path=name, image_size=8, **settings), base=root)


def lines(*more: str, head: str = "path,label", end: str = "{}") -> str:
    """A table of twelve images of two classes with ``more`` lines."""
    rows = [end.format(f"{'ab'[i % 2]}/{i}.png,{'ab'[i % 2]}") for i in range(12)]
    return "\n".join([head, *rows, *more]) + "\n"


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path, IMAGES[:12], lambda i: f"{'ab'[i % 2]}/{i}.png")


def test_the_order_of_rows_changes_nothing(images):
    head, *rows = lines().splitlines()
    first = table(images, lines())
    assert_equal(table(images, "\n".join([head, *reversed(rows)])), first)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_separators_byte_order_marks_and_empty_lines(images, separator):
    text = lines("", "").replace(",", separator).replace("\n", "\r\n")
    assert_equal(table(images, b"\xef\xbb\xbf" + text.encode()), table(images, lines()))


def test_numbers_are_ordered_as_numbers(images):
    text = lines().replace(",a\n", ",10\n").replace(",b\n", ",9\n")
    assert table(images, text).classes == ("9", "10")


def test_named_columns_are_read(images):
    text = lines(head="where,what")
    assert table(images, text, image="where", label="what").classes == ("a", "b")


def test_every_bad_row_is_counted_and_named(images):
    more = ["a/none.png,a", "a/0.png,", ",a", "a/0.png", "a/0.png,a,b"]
    with pytest.raises(UserError) as caught:
        table(images, lines(*more))
    assert caught.value.message.startswith("5 of 17 rows of")
    for part in (
        f"line 14 (no file {images}/a/none.png)",
        "line 15 (it has no label)",
        "line 16 (it has no image)",
        "line 17 (1 cell for 2 columns)",
        "line 18 (3 cells for 2 columns)",
    ):
        assert part in caught.value.message
    assert caught.value.hint == "correct or remove these rows"


def test_many_bad_rows_are_counted(images):
    with pytest.raises(UserError, match=r"15 of 27 rows.*and 5 more"):
        table(images, lines(*["x.png,a"] * 15))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (lines(head="where,label"), "no column of images is found (columns: where, label)", ", image: COLUMN}`"),
        (lines(head="path,what"), "no column of labels is found (columns: path, what)", ", label: COLUMN}`"),
        (
            lines(head="path,file,label", end="x,{}"),
            "several columns may hold the images: path, file",
            ", image: COLUMN}`",
        ),
        (lines(head="path,path"), "two columns called `path`", "rename one"),
        (lines(head="a/0.png,a"), "holds an image, not the names of columns", "path,label"),
        (lines(head="path,label,split", end="{},half"), "its set is `half`, not train, val or test", "correct"),
        (lines(head="path,label,split", end="{},"), "it has no set", "correct"),
        (lines(head="path,label,split", end="{},test"), "holds test, but no train", "add training images"),
        (lines().replace(",b\n", ",a\n"), "holds 1 class; a comparison needs at least 2", "label of its own"),
        ("", "no column of images is found (columns: nothing)", ", image: COLUMN}`"),
        ('path,label\n"a/0.png,a\n', "line 2: unexpected end of data", "CSV writer"),
        (b"path,label\n\xff\xfe,a\n", "is not UTF-8 text", "save it as UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(images, text, message, hint):
    with pytest.raises(UserError) as caught:
        table(images, text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.key.startswith("data.")


def test_an_unknown_column_is_answered_with_the_nearest(images):
    with pytest.raises(UserError) as caught:
        table(images, lines(), label="lable")
    assert "unknown column" in caught.value.message
    assert (caught.value.hint, caught.value.key) == ("did you mean `label`?", "data.label")


def test_damaged_images_of_a_table_are_named(images):
    (images / "a/0.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"1 of \d+ images cannot be read: .*a/0\.png"):
        table(images, lines())


def test_an_image_in_two_sets_is_a_leak(images):
    text = lines("a/0.png,a,val", "b/1.png,b,val", head="path,label,split", end="{},train")
    notes = " ".join(table(images, text).notes)
    said, _, name = notes.partition("different validation images are training images, too, such as ")
    assert said.endswith("1 of 2 ")
    assert name == str(images / "a/0.png")


def test_a_file_that_is_no_parquet_is_refused(images):
    with pytest.raises(UserError, match=r"labels\.parquet cannot be read"):
        table(images, "path,label\n", "labels.parquet")


def test_parquet_with_paths_and_texts(images):
    import pyarrow
    from pyarrow import parquet

    rows = [row.split(",") for row in lines().split()[1:]]
    columns = {"path": [path for path, _ in rows], "label": [label for _, label in rows]}
    parquet.write_table(pyarrow.table(columns), images / "labels.parquet")
    found = load(DataSpec(dataset="table", path="labels.parquet", image_size=8), base=images)
    assert_equal(found, table(images, lines()))


def test_validation_files_are_those_of_the_table(tmp_path):
    from senet_nas.data.reread import validation_files

    spec = DataSpec(**csv_table(tmp_path, IMAGES, split=True))
    files = validation_files(spec)
    assert len(files) == 30
    assert all(file.is_file() for file in files)


# -- arrays -----------------------------------------------------------------------------------------------------------


def array(root, **arrays) -> Data:
    np.savez(root / "mine.npz", **arrays)
    return load(DataSpec(dataset="arrays", path="mine.npz"), base=root)


@pytest.mark.parametrize(("name", "hint"), [("valid", "call it x_val"), ("dev", "call it x_val"), ("", "use x, or")])
def test_arrays_that_no_set_would_hold_are_refused(tmp_path, name, hint):
    end = f"_{name}" if name else ""
    sets = {"x_train": IMAGES, "y_train": LABELS, f"x{end}": IMAGES, f"y{end}": LABELS}
    with pytest.raises(UserError, match=f"holds x_train, and x{end} is none of its sets") as caught:
        array_file.read(_saved(tmp_path, sets), hint="")
    assert hint in caught.value.hint


def _saved(root, arrays):
    np.savez(root / "mine.npz", **arrays)
    return root / "mine.npz"


THREE = np.arange(30) % 3


@pytest.mark.parametrize("shape", [(30, 9, 9), (30, 9, 9, 1), (30, 1, 9, 9), (30, 9, 9, 3), (30, 3, 9, 9), (30, 9, 12)])
def test_arrays_of_images_keep_their_size(tmp_path, shape):
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert array(tmp_path, x=x, y=THREE).shape == (3 if 3 in shape else 1, 9, 9)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((30, 9, 9, 3), np.float32), "x of {}/mine.npz is float32 of shape (30, 9, 9, 3)"),
        (np.zeros((30, 9), np.uint8), "x of {}/mine.npz is uint8 of shape (30, 9)"),
        (np.zeros((30, 9, 9, 4), np.uint8), "x of {}/mine.npz is uint8 of shape (30, 9, 9, 4)"),
        (np.zeros((29, 9, 9), np.uint8), "x of {}/mine.npz holds 29 images, but 30 labels stand beside it"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, x, message):
    with pytest.raises(UserError) as caught:
        array(tmp_path, x=x, y=THREE)
    assert caught.value.message == message.format(tmp_path)
    assert caught.value.key == "data.path"


def test_labels_outside_the_named_classes_are_refused(tmp_path):
    x = np.zeros((30, 9, 9), np.uint8)
    with pytest.raises(UserError, match=r"10 labels of x of .* are outside 0\.\.1, the first is 2 at image 2"):
        array(tmp_path, x=x, y=THREE, classes=["a", "b"])


def test_every_source_stands_in_the_table():
    assert {"image_folder", "table", "arrays", "module:function", "torchvision:NAME", "hf:NAME", "webdataset"} <= {
        name for name, row in DATASETS.items() if row.listed
    }


@pytest.mark.parametrize(
    ("data", "dataset", "path"),
    [
        ("labels.csv", "table", "./labels.csv"),
        ("images.npz", "arrays", "./images.npz"),
        ("images.tar", "webdataset", "./images.tar"),
        ("mine:dataset", "mine:dataset", None),
        ("SVHN", "SVHN", None),
        ("hf:someone/birds", "hf:someone/birds", None),
    ],
)
def test_init_names_every_source_as_a_config_does(data, dataset, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if path:
        Path(path).touch()
    text = starter(data=as_written(data, Path("config.yaml")), settings={"model.backbone": ("resnet18", "")})
    Path("config.yaml").write_text(text)
    found = Experiment.load(tmp_path / "config.yaml").data
    assert (found.dataset, found.path) == (dataset, path)
