"""Data sets of Hugging Face: folders that were saved are read without its library; the rest needs the extra."""

import sys
from dataclasses import replace

import pyarrow
import pytest
from pyarrow import parquet

from search.config import Experiment
from senet_nas.data.hugging_face import PATIENCE, of_library
from senet_nas.data.load import Data, load
from senet_nas.recipe import DataSpec
from spaces import UserError
from tests.senet_nas.data.sources import CLASSES, IMAGES, LABELS, about_columns, png

SOME = range(0, 300, 10)


def read(folder, **settings) -> Data:
    return load(DataSpec(dataset=f"hf:{folder}", image_size=8, **settings))


def write(path, rows=SOME, image="image", label="label", *, told=True, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = {image: [{"bytes": png(IMAGES[i]), "path": None} for i in rows], label: [LABELS[i] for i in rows], **more}
    about = about_columns(image, label) if told else None
    parquet.write_table(pyarrow.table(cells).replace_schema_metadata(about), path)
    return path


def test_a_folder_of_parquet_files_as_on_the_hub(tmp_path):
    write(tmp_path / "data" / "train-00000-of-00002.parquet", SOME[::2])
    write(tmp_path / "data" / "train-00001-of-00002.parquet", SOME[1::2])
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", SOME)
    write(tmp_path / "data" / "extra-00000-of-00001.parquet", SOME)
    found = read(tmp_path)
    assert found.classes == CLASSES
    assert (len(found.y_train) + len(found.y_test), len(found.y_val)) == (30, 30)
    assert "splits that are neither train, validation nor test are not read: extra" in found.notes


def test_columns_may_be_named(tmp_path):
    write(tmp_path / "all.parquet", image="photo", label="kind", told=False)
    with pytest.raises(UserError, match=r"no column of images is found \(columns: photo, kind\)") as caught:
        read(tmp_path)
    assert f"`data: {{dataset: 'hf:{tmp_path}', image: COLUMN}}`" in caught.value.hint
    assert read(tmp_path, image="photo", label="kind").classes == ("0", "1", "2")


def test_columns_of_other_names_are_found_by_their_kind(tmp_path):
    write(tmp_path / "all.parquet", image="photo", label="kind", weight=[1] * len(SOME))
    assert read(tmp_path).classes == CLASSES


def test_the_names_of_classes_are_those_of_the_column_that_is_read(tmp_path):
    write(tmp_path / "all.parquet", coarse=[i % 2 for i in range(len(SOME))])
    assert read(tmp_path, label="coarse").classes == ("0", "1")


def test_a_folder_of_one_word_is_no_function(tmp_path, monkeypatch):
    write(tmp_path / "pets" / "all.parquet")
    config = {"data": "hf:pets", "model": {"backbone": "resnet18"}}
    found = Experiment.from_dict(config, base=tmp_path)
    assert load(replace(found.data, image_size=8), base=tmp_path).classes == CLASSES


@pytest.mark.parametrize(("label", "says"), [([0], "a list"), ({"a": 1}, "a record")])
def test_several_labels_for_an_image_are_refused(tmp_path, label, says):
    cells = {"image": [png(IMAGES[i]) for i in SOME], "kinds": [label for _ in SOME]}
    parquet.write_table(pyarrow.table(cells), tmp_path / "train.parquet")
    with pytest.raises(UserError, match=rf"30 of 30 .*row 1, row 2, .*row 10 \(its label is {says}, .* and 20 more"):
        read(tmp_path, label="kinds")


def test_a_column_of_bytes_is_an_image(tmp_path):
    cells = {"image": [png(IMAGES[i]) for i in SOME], "label": [CLASSES[LABELS[i]] for i in SOME]}
    parquet.write_table(pyarrow.table(cells), tmp_path / "bytes.parquet")
    write(tmp_path / "other" / "struct.parquet")
    other = read(tmp_path / "other")
    assert (
        load(DataSpec(dataset="table", path=str(tmp_path / "bytes.parquet"), image_size=8)).fingerprint
        == other.fingerprint
    )


def test_rows_without_an_image_are_named(tmp_path):
    images = [None, {"bytes": None, "path": None}, *({"bytes": png(IMAGES[i]), "path": None} for i in SOME[2:])]
    cells = {"image": images, "label": [LABELS[i] for i in SOME]}
    parquet.write_table(pyarrow.table(cells), tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"2 of 30 rows of .*row 1, row 2 \(it has no image\)"):
        read(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no data set of Hugging Face"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["state.json", "dataset_dict.json"])
def test_a_damaged_description_is_named(tmp_path, name):
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / name).write_text("{")
    with pytest.raises(UserError, match=rf"{name} cannot be read"):
        read(tmp_path)


def test_a_file_that_is_gone_is_named(tmp_path):
    (tmp_path / "state.json").write_text('{"_data_files": [{"filename": "data-0.arrow"}]}')
    with pytest.raises(UserError, match=r"data-0\.arrow cannot be read"):
        read(tmp_path)


def test_a_name_of_the_hub_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError) as caught:
        read("someone/birds")
    assert "no folder someone/birds" in caught.value.message
    assert "pip install 'senet-search[hf]'" in caught.value.hint


@pytest.fixture
def hub(monkeypatch):
    """A hub that fails as it is told. ``asked`` are the requests; ``loaded`` whether the library was offline then."""
    datasets = pytest.importorskip("datasets")
    import huggingface_hub
    from huggingface_hub import constants

    class Hub:
        def __init__(self):
            self.asked = []
            self.loaded = []
            self.error = OSError("no network")

        def answer(self, name, timeout):
            self.asked.append((name, timeout))
            raise self.error

        def load(self, name):
            self.loaded.append((datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE))
            raise ConnectionError("the library gave up")

    found = Hub()
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", staticmethod(found.answer))
    monkeypatch.setattr(datasets, "load_dataset", found.load)
    return found


def test_without_a_network_the_hub_is_asked_once_and_then_only_the_cache(hub):
    import datasets

    with pytest.raises(UserError) as caught:
        read("someone/birds")
    assert hub.asked == [("someone/birds", PATIENCE)]
    assert hub.loaded == [(True, True)]
    assert not datasets.config.HF_HUB_OFFLINE
    assert caught.value.message.endswith("the hub does not answer, and the cache does not hold it")
    assert "save the set elsewhere by save_to_disk" in caught.value.hint


def test_what_the_hub_itself_says_is_told(hub):
    hub.error = ValueError("no such name")
    with pytest.raises(UserError, match="ConnectionError: the library gave up"):
        read("someone/birds")
    assert hub.loaded == [(False, False)]


@pytest.fixture
def saved():
    """Two splits of the library itself, if it is installed."""
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=[*CLASSES])})
    cells = {"image": [Image.fromarray(IMAGES[i]) for i in SOME], "label": [int(LABELS[i]) for i in SOME]}
    made = datasets.Dataset.from_dict(cells, features=features)
    return datasets.DatasetDict({"train": made, "validation": made.select(range(3)), "extra": made})


def test_what_the_library_saves_is_read(saved, tmp_path):
    saved.save_to_disk(tmp_path / "ours")
    write(tmp_path / "parquet" / "train.parquet")
    write(tmp_path / "parquet" / "validation.parquet", SOME[:3])
    with pytest.raises(UserError, match="have no image to train or none to validate"):
        read(tmp_path / "ours")
    del saved["validation"]
    (tmp_path / "parquet" / "validation.parquet").unlink()
    saved.save_to_disk(tmp_path / "train")
    assert read(tmp_path / "train").fingerprint == read(tmp_path / "parquet").fingerprint


def test_what_the_library_loads_is_read(saved):
    rows, classes, notes = of_library(saved, DataSpec(dataset="hf:mine"))
    assert [row.part for row in rows] == ["train"] * 30 + ["validation"] * 3
    assert tuple(classes) == CLASSES
    assert rows[0].entry.read().getvalue() == png(IMAGES[0])
    assert notes == ["splits that are neither train, validation nor test are not read: extra"]
