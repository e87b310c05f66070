"""One-dimensional signals from the file to the exported network."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from senet_nas.costs.overhead import count, price_list
from senet_nas.data.batches import normalise
from senet_nas.data.load import Data, load
from senet_nas.data.signal_datasets import waveforms
from senet_nas.export.bundle import export
from senet_nas.network.build import build, sites
from senet_nas.recipe import DataSpec, Recipe, Seed
from senet_nas.training.train import fit
from spaces import Architecture, UserError
from tests.senet_nas.covering import covering

BACKBONE = "signal_resnet8"
SE_EVERYWHERE = f"{BACKBONE}/" + "/".join(["avg:fc4:sigmoid@pre_addition"] * 3)


def signals(*shape, seed=0):
    return np.random.default_rng(seed).normal(3.0, 2.0, shape)


@pytest.fixture(scope="module")
def data() -> Data:
    return load(DataSpec(dataset="waveforms", train=400, validation=100))


def test_waveforms_are_the_same_each_time_and_of_four_classes_alike():
    (x_NLC, y_N), classes = waveforms(40, 500)
    (again_NLC, _), _ = waveforms(40, 500)
    assert x_NLC.shape == (40, 500, 1)
    assert x_NLC.dtype == np.float32
    assert np.array_equal(x_NLC, again_NLC)
    assert np.bincount(y_N).tolist() == [10] * len(classes)


def test_waveforms_are_signals_of_one_channel(data):
    assert data.shape == (1, 500)
    assert data.x_train.dtype == torch.float32
    assert data.classes == ("sine", "square", "sawtooth", "triangle")


@pytest.mark.parametrize("shape", [(60, 1, 40), (60, 40), (60, 3, 40)])
def test_a_file_of_arrays(tmp_path, shape):
    x, y = signals(*shape), np.arange(60) % 3
    np.savez(tmp_path / "mine.npz", x=x, y=y, classes=["up", "down", "flat"])
    data = load(DataSpec(dataset="signals", path="mine.npz"), base=tmp_path)
    assert data.shape == (shape[1] if len(shape) == 3 else 1, 40)
    assert data.classes == ("up", "down", "flat")
    assert sum(len(y_N) for y_N in (data.y_train, data.y_val, data.y_test)) == 60
    kept = {tuple(row) for part in (data.x_train, data.x_val, data.x_test) for row in part.flatten(1).numpy().tolist()}
    assert kept == {tuple(row) for row in x.reshape(60, -1).astype(np.float32).tolist()}


def test_a_file_may_bring_its_own_sets(tmp_path):
    sizes = {"train": 30, "val": 12, "test": 9}
    arrays = {f"x_{part}": signals(n, 20, seed=n) for part, n in sizes.items()}
    np.savez(tmp_path / "mine.npz", **arrays, **{f"y_{part}": np.arange(n) % 3 for part, n in sizes.items()})
    data = load(DataSpec(dataset="signals", path="mine.npz"), base=tmp_path)
    assert [len(y_N) for y_N in (data.y_train, data.y_val, data.y_test)] == [30, 12, 9]
    assert data.classes == ("0", "1", "2")


def test_a_folder_with_a_file_for_each_class(tmp_path):
    for name, n in (("rest", 20), ("move", 30)):
        np.save(tmp_path / f"{name}.npy", signals(n, 2, 16, seed=n))
    data = load(DataSpec(dataset="signals", path=str(tmp_path)))
    assert data.classes == ("move", "rest")
    assert data.shape == (2, 16)


def test_tiny_and_huge_amplitudes_are_scaled_alike(tmp_path):
    x = signals(60, 2, 30) * np.array([1e-7, 1e6])[:, None]
    np.savez(tmp_path / "mine.npz", x=x, y=np.arange(60) % 2)
    data = load(DataSpec(dataset="signals", path="mine.npz"), base=tmp_path)
    z_NCL = normalise(data.x_train, data)
    assert z_NCL.mean((0, 2)).abs().max() < 1e-3
    assert (z_NCL.std((0, 2)) - 1).abs().max() < 1e-3


BROKEN = np.where(np.arange(20)[:, None] == 7, np.nan, signals(20, 8))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": signals(20, 8)}, "lacks y; it holds x"),
        ({"y": np.arange(20)}, "lacks x; it holds y"),
        ({"x_train": signals(20, 8), "y_train": np.arange(20) % 2, "x_test": signals(4, 8)}, "lacks y_test"),
        (
            {"x": BROKEN, "y": np.arange(20) % 2},
            "1 of 20 signals of x hold values that are not finite, the first is 7",
        ),
        ({"x": signals(20, 1, 8, 8), "y": np.arange(20) % 2}, "of shape (20, 1, 8, 8)"),
        ({"x": np.array([["a"] * 8] * 20), "y": np.arange(20) % 2}, "x is <U1"),
        ({"x": signals(20, 8), "y": np.arange(19) % 2}, "20 images but 19 labels"),
        (
            {"x": signals(20, 8), "y": np.arange(20) % 4 / 2},
            "10 of 20 labels of y are not whole numbers, the first is 0.5 at sample 1",
        ),
        ({"x": signals(20, 8), "y": np.full(20, np.nan)}, "20 of 20 labels of y"),
        ({"x": signals(20, 8), "y": np.array(["a", "b"] * 10)}, "y is <U1 of shape (20,)"),
        ({"x": signals(20, 8), "y": np.eye(20)}, "y is float64 of shape (20, 20)"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, arrays, message):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UserError) as caught:
        load(DataSpec(dataset="signals", path="mine.npz"), base=tmp_path)
    assert message in caught.value.message
    assert caught.value.key == "data.path"


def test_labels_may_be_whole_numbers_of_any_kind(tmp_path):
    np.savez(tmp_path / "mine.npz", x=signals(40, 8), y=np.arange(40) % 2 * 1.0)
    assert load(DataSpec(dataset="signals", path="mine.npz"), base=tmp_path).y_train.unique().tolist() == [0, 1]


def test_nobody_is_told_to_run_what_stands_in_a_file(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "objects.npz", x=np.array([{}], dtype=object), y=np.zeros(1))
    for name, why in (("text.npz", "not a file of numpy"), ("objects.npz", "Python objects")):
        with pytest.raises(UserError, match=why) as caught:
            load(DataSpec(dataset="signals", path=name), base=tmp_path)
        assert "pickle" not in caught.value.message + caught.value.hint


def test_what_is_no_file_of_arrays_is_told(tmp_path):
    (tmp_path / "mine.npz").write_text("no archive")
    (tmp_path / "one").mkdir()
    np.save(tmp_path / "one" / "only.npy", signals(4, 8))
    for path, message in (("mine.npz", "cannot be read"), ("one", "at least 2 classes"), (None, "need a path")):
        with pytest.raises(UserError, match=message):
            load(DataSpec(dataset="signals", path=path), base=tmp_path)


def test_signals_of_two_lengths_are_refused(tmp_path):
    for name, length in (("a", 8), ("b", 9)):
        np.save(tmp_path / f"{name}.npy", signals(4, 2, length))
    with pytest.raises(UserError, match=r"a.npy \(2, 8\), b.npy \(2, 9\)"):
        load(DataSpec(dataset="signals", path=str(tmp_path)))


def test_signals_keep_their_length():
    with pytest.raises(UserError, match="keep their length"):
        load(DataSpec(dataset="waveforms", image_size=64))


@pytest.mark.parametrize("architecture", covering(BACKBONE, n_axes=1))
def test_closed_form_is_what_is_counted(architecture):
    price = price_list(BACKBONE, in_channels=1, num_classes=4, image_size=100).of(architecture)
    counted = count(build(architecture, in_channels=1, num_classes=4), (1, 100))
    assert {key: price[key] for key in counted} == counted


@pytest.mark.parametrize(("backbone", "dimensions"), [("cifar_resnet8", 1), (BACKBONE, 2)])
def test_a_network_for_other_data_is_refused(backbone, dimensions):
    with pytest.raises(UserError, match="but the data are") as caught:
        price_list(backbone, in_channels=1, image_size=64, dimensions=dimensions)
    assert caught.value.key == "model.backbone"


def test_it_learns_and_is_taken_home(data, tmp_path):
    network = build(SE_EVERYWHERE, in_channels=1, num_classes=4)
    recipe = Recipe(epochs=4, batch_size=32, lr=0.05, warmup=1)
    *_, last = fit(network, data, recipe, seed=Seed(0))
    assert last["val_accuracy"] > 50  # four classes: 25 by chance
    taken = export(
        network.eval(),
        SE_EVERYWHERE,
        tmp_path / "export",
        input_shape=data.shape,
        mean=data.mean,
        std=data.std,
        classes=data.classes,
        labelled=(data.x_val, data.y_val),
        forms=["model.py"],
    )
    assert taken.accuracy == pytest.approx(dict.fromkeys(taken.accuracy, last["val_accuracy"]), abs=1.01)
    np.save(tmp_path / "one.npy", data.x_val[0].numpy())
    command = [sys.executable, "predict.py", str(tmp_path / "one.npy")]
    said = subprocess.run(command, cwd=tmp_path / "export", capture_output=True, text=True, check=True).stdout
    with torch.inference_mode():
        expected = data.classes[int(network(normalise(data.x_val[:1], data)).argmax())]
    assert said.split(": ")[1].startswith(expected)
    assert json.loads((tmp_path / "export" / "architecture.json").read_text())["preprocessing"]["size"] == [500]


def test_the_stem_lifts_the_channels_before_any_site():
    assert {site.channels["pre_unit"] for site in sites(BACKBONE)} == {16, 32}
    assert Architecture.parse(SE_EVERYWHERE).backbone == BACKBONE
